//! What came of a workflow that builds the release: the artifact of its name, taken in as hostile input,
//! as a bundle.

use std::io::{Cursor, Read};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use pact_agent::{
    AgentError,
    bundle::{EntryKind, MAX_FILES, Packer},
    text::{readable, truncated},
};
use serde_json::Value;

use super::{
    api::{Answer, Api, Downloaded, Refused},
    ended::{Conclusion, Stopped, conclusion, logs, page},
    settings::{Settings, artifact},
};
use crate::{
    collector::Collector,
    runners::{
        release::{self, BYTES, Kept},
        runner::{Built, End, Ended, Release, Task},
    },
};

/// Largest archive of the artifact, in bytes: it is read in memory.
const ARCHIVE: u64 = 256 << 20;
const REMEDY: &str = "let the workflow upload the release as the artifact that [build] names";

/// # Errors
/// Somebody else ended it, and those of the store.
pub(super) async fn ended(
    task: &Task<'_>,
    release: &Release,
    api: &Api,
    settings: &Settings,
    (run, how): (&Value, Stopped),
    collector: &mut Collector<'_>,
) -> Result<Answer<Ended>, AgentError> {
    let is = |built| Ok(Answer::Is(Ended { built: vec![built], ..Ended::default() }));
    let workflow = settings.workflow();
    let end = match conclusion(run, how)? {
        Conclusion::Ended(end) => end,
        Conclusion::Not(why) => return is(Built::Not(why)),
    };
    let id = run.get("id").and_then(Value::as_u64).unwrap_or_default();
    let logs = match logs(task, api, id).await {
        Answer::Is(logs) => logs,
        Answer::Later(later) => return Ok(Answer::Later(later)),
        Answer::Refused(refused) => return Ok(Answer::Refused(refused)),
    };
    let output = logs.capture.finish().text;
    collector.log(&format!("=== build ===\nworkflow {workflow}: {}\n{output}\n", page(run)));
    let failed = |why: String| is(release::failed(why, REMEDY, &output));
    match end {
        End::Exited(Some(0)) => {}
        End::TimedOut => {
            return failed(format!("the workflow {workflow} did not end in time: {}", page(run)));
        }
        End::Exited(_) | End::Exceeded(_) => {
            return failed(format!("the workflow {workflow} failed: {}", page(run)));
        }
    }
    let content = match fetched(api, artifact(settings), id).await? {
        Answer::Is(Ok(content)) => content,
        Answer::Is(Err(why)) => return failed(why),
        Answer::Later(later) => return Ok(Answer::Later(later)),
        Answer::Refused(refused) => return Ok(Answer::Refused(refused)),
    };
    match release::keep(task, release, content).await? {
        Kept::Is(kept) => is(Built::Well(kept)),
        Kept::Not(why) => failed(why),
    }
}

/// The artifact of this name as a bundle, or why it is none.
async fn fetched(
    api: &Api,
    name: &str,
    run: u64,
) -> Result<Answer<Result<Bytes, String>>, AgentError> {
    let list = match api.get(&format!("/actions/runs/{run}/artifacts?per_page=100")).await {
        Answer::Is(list) => list,
        Answer::Later(later) => return Ok(Answer::Later(later)),
        Answer::Refused(refused) => return Ok(Answer::Refused(refused)),
    };
    let refused = |why: String| Ok(Answer::Is(Err(why)));
    let shown = readable(&truncated(name, 100));
    let all = list.get("artifacts").and_then(Value::as_array);
    let named = |one: &&Value| one.get("name").and_then(Value::as_str) == Some(name);
    let Some(found) = all.into_iter().flatten().find(named) else {
        return refused(format!("the workflow left no artifact {shown}"));
    };
    let size = found.get("size_in_bytes").and_then(Value::as_u64).unwrap_or_default();
    if found.get("expired").and_then(Value::as_bool) == Some(true) {
        return refused(format!("the artifact {shown} has expired"));
    }
    if size > ARCHIVE {
        let most = ARCHIVE >> 20;
        return refused(format!("the artifact {shown} has {} MiB, at most {most}", size >> 20));
    }
    let Some(id) = found.get("id").and_then(Value::as_u64) else {
        return refused(format!("the artifact {shown} has no id"));
    };
    let mut archive = Vec::new();
    let path = format!("/actions/artifacts/{id}/zip");
    match api.download(&path, ARCHIVE, |bytes| archive.extend_from_slice(bytes)).await {
        Answer::Is(Downloaded::Whole) => {}
        Answer::Is(Downloaded::Cut) => {
            return refused(format!("the artifact {shown} is larger than it says"));
        }
        Answer::Later(later) => return Ok(Answer::Later(later)),
        Answer::Refused(Refused { status: 410, .. }) => {
            return refused(format!("the artifact {shown} has expired"));
        }
        Answer::Refused(Refused { why, .. }) => {
            return refused(format!("the artifact {shown} is not to be had: {why}"));
        }
    }
    let bundle = tokio::task::spawn_blocking(move || bundle(&archive, BYTES))
        .await
        .map_err(|e| AgentError::internal("reading an artifact stopped").caused_by(e))?;
    Ok(Answer::Is(bundle.map_err(|why| format!("the artifact {shown} is refused: {why}"))))
}

/// An archive as a bundle: its one archive of `tar`, which keeps what may be run, or else its files.
fn bundle(archive: &[u8], most: u64) -> Result<Bytes, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).map_err(|e| e.to_string())?;
    if archive.len() as u64 > MAX_FILES {
        return Err(format!("it has {} files; at most {MAX_FILES}", archive.len()));
    }
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| e.to_string())?;
        if !entry.is_dir() {
            files.push((entry.name().map_err(|e| e.to_string())?.into_owned(), index));
        }
    }
    files.sort();
    let mut left = most;
    let mut read = |index: usize| {
        let mut entry = archive.by_index(index).map_err(|e| e.to_string())?;
        let mode = entry.unix_mode().unwrap_or_default();
        if mode & 0o170_000 == 0o120_000 {
            return Err("it has a symbolic link; put it into an archive of tar".to_owned());
        }
        let mut content = Vec::new();
        let bytes = entry.by_ref().take(left + 1).read_to_end(&mut content);
        let bytes = bytes.map_err(|e| e.to_string())? as u64;
        left = left
            .checked_sub(bytes)
            .ok_or_else(|| format!("it has more than {} MiB unpacked", most >> 20))?;
        let kind = if mode & 0o111 == 0 { EntryKind::File } else { EntryKind::Executable };
        Ok((kind, content))
    };
    if let [(name, index)] = &files[..] {
        if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            return Ok(read(*index)?.1.into());
        }
        if name.ends_with(".tar") {
            let (_, content) = read(*index)?;
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            std::io::Write::write_all(&mut encoder, &content).map_err(|e| e.to_string())?;
            return Ok(encoder.finish().map_err(|e| e.to_string())?.into());
        }
    }
    let mut packer = Packer::new();
    for (name, index) in files {
        let plain = !name.starts_with('/')
            && !name.contains('\\')
            && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !plain || name.len() > 1_000 {
            return Err(format!("it has a file {:?}", truncated(&name, 100)));
        }
        let (kind, content) = read(index)?;
        packer.add(&name, kind, &content).map_err(|e| e.message)?;
    }
    packer.finish().map_err(|e| e.message)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use pact_agent::bundle::names;

    use super::*;

    fn zipped(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode, content) in files {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
            writer.start_file(*name, options).expect("a file");
            writer.write_all(content).expect("content");
        }
        writer.finish().expect("an archive").into_inner()
    }

    #[test]
    fn an_artifact_is_a_bundle_and_always_the_same() {
        let files: &[(&str, u32, &[u8])] = &[("bin/shop", 0o755, b"#!"), ("a.txt", 0o644, b"a")];
        let one = bundle(&zipped(files), 1_000).expect("a bundle");
        let other: Vec<_> = files.iter().rev().copied().collect();
        assert_eq!(bundle(&zipped(&other), 1_000).expect("a bundle"), one);
        assert_eq!(names(&one).expect("names"), ["a.txt", "bin/shop"]);
        // What is packed keeps what may be run.
        let packed =
            bundle(&zipped(&[("release.tar.gz", 0o644, &one)]), 1 << 20).expect("a bundle");
        assert_eq!(packed, one);
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&one[..]).read_to_end(&mut plain).expect("an archive");
        let packed = bundle(&zipped(&[("release.tar", 0o644, &plain)]), 1 << 20).expect("a bundle");
        assert_eq!(names(&packed).expect("names"), ["a.txt", "bin/shop"]);
    }

    #[test]
    fn what_leads_out_or_is_too_much_is_refused() {
        for (name, mode, said) in [
            ("../x", 0o644, "\"../x\""),
            ("/etc/x", 0o644, "\"/etc/x\""),
            ("large", 0o644, "more than 0 MiB"),
        ] {
            let content = if name == "large" { vec![0; 2_000] } else { Vec::new() };
            let why = bundle(&zipped(&[(name, mode, &content)]), 1_000).expect_err("is refused");
            assert!(why.contains(said), "{why}");
        }
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer.add_symlink("x", "/etc/passwd", options).expect("a link");
        let link = writer.finish().expect("an archive").into_inner();
        assert!(bundle(&link, 1_000).expect_err("is refused").contains("symbolic link"));
        assert!(bundle(b"PK no", 1_000).is_err());
    }
}
