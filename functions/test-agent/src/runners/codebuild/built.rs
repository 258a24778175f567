//! What a build has built for the targets: taken in as hostile input, and kept by its digest.

use pact_agent::{AgentError, built, bundle, text::truncated};
use pact_contract::{Finding, Severity, actions::BuiltRelease, codes};

use super::{plan::line, results::Part};
use crate::{
    capture::last_lines,
    runners::runner::{Built, Release, Task},
};

/// Largest bundle of a release, in bytes.
const BYTES: u64 = 512 << 20;
/// Longest list of its files, in bytes.
const LIST: usize = 16 << 20;

/// What came of one release, and its log. `told`: whether what is said of it counts.
///
/// # Errors
/// Those of the store.
pub(super) async fn of(
    task: &Task<'_>,
    release: &Release,
    handed: Part,
    told: bool,
    key: &str,
) -> Result<(Built, String), AgentError> {
    let Part { steps, setup, test, .. } = handed;
    let mut log = String::new();
    let mut last = String::new();
    for (command, captured) in release.commands.iter().zip(setup.into_iter().chain(test)) {
        last = captured.text;
        log.push_str(&format!("$ {}\n{last}\n", line(command)));
    }
    if let Some(program) = &steps.missing {
        return Ok((Built::Not(format!("`{program}` is not installed")), log));
    }
    let codes: Vec<i32> = steps.setup.iter().chain(&steps.test).map(|step| step.code).collect();
    let ill = codes.iter().position(|code| *code != 0);
    if let (Some(at), true) = (ill, told) {
        let command = release.commands.get(at).map(|command| line(command)).unwrap_or_default();
        let code = codes.get(at).copied().unwrap_or_default();
        let command = truncated(&command, 300);
        let message = format!("build command `{command}` ended with exit code {code}");
        return Ok((failed(message, &last), log));
    }
    if !told || steps.test.is_none() {
        return Ok((failed("the build did not come to its end".to_owned(), &last), log));
    }
    Ok((keep(task, release, key, &last).await?, log))
}

fn failed(message: String, output: &str) -> Built {
    let finding = Finding::new(codes::BUILD_FAILED, Severity::High, message)
        .remedy("run the target's build commands in a checkout of the commit")
        .evidence(last_lines(output, 20, 2_000));
    Built::Failed(Box::new(finding))
}

/// Keeps what was handed over where nobody else can write: by its digest.
async fn keep(
    task: &Task<'_>,
    release: &Release,
    key: &str,
    output: &str,
) -> Result<Built, AgentError> {
    let refused = |reason: String| Ok(failed(reason, output));
    let Some(bytes) = task.artifacts.size(key).await? else {
        return refused("the build handed over nothing that it built".to_owned());
    };
    if bytes > BYTES {
        let most = BYTES >> 20;
        return refused(format!("what was built has {} MiB, at most {most}", bytes >> 20));
    }
    let Some(content) = task.artifacts.get(key).await? else {
        return refused("the build handed over nothing that it built".to_owned());
    };
    let copy = content.clone();
    let read = tokio::task::spawn_blocking(move || (built::digest(&copy), bundle::names(&copy)))
        .await
        .map_err(|e| AgentError::internal("reading what was built stopped").caused_by(e))?;
    let (digest, names) = match read {
        (digest, Ok(names)) => (digest, names),
        (_, Err(error)) => return refused(format!("what was built is refused: {}", error.message)),
    };
    let folder = format!("runs/{}/releases", task.call.scope());
    let kept = BuiltRelease {
        commands: release.id.clone(),
        key: format!("{folder}/{digest}.tar.gz"),
        bytes: content.len() as u64,
        files: names.len() as u64,
        list_key: format!("{folder}/{digest}.files.txt"),
        digest,
    };
    let mut list = String::new();
    for name in &names {
        if list.len() + name.len() >= LIST {
            break;
        }
        list.push_str(name);
        list.push('\n');
    }
    task.artifacts.put(&kept.key, content).await?;
    task.artifacts.put(&kept.list_key, list.into()).await?;
    Ok(Built::Well(Box::new(kept)))
}
