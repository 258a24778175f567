//! The lines of the source around what was found, with what the change added: whoever reads of a
//! finding sees what it is about. What may be a secret is left out of them, see [`masked`].

use std::collections::{BTreeMap, BTreeSet};

use pact_contract::{ChangeSet, Finding, PushIndex, Severity, finding::SourceLines};
use serde_json::{Map, Value};

use crate::{bundle, error::AgentError, ports::Artifacts, text::truncated};

/// Most findings of a stage that are shown so: the gravest.
const MOST: usize = 12;
/// Lines before and behind the one that a finding names.
const AROUND: u32 = 2;
/// Most characters of a line.
const WIDTH: usize = 160;
/// Largest file that is shown a part of, and largest bundle that is opened for it.
const MAX_FILE: u64 = 2 * 1024 * 1024;
const MAX_BUNDLE: usize = 64 * 1024 * 1024;
/// What this action finds is left out wherever it stands, and its findings say where that is.
const SECRETS: &str = "security.validate_secrets";

/// Where what an action is about is kept, as its parameters say.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    changes_key: Option<String>,
    source_key: Option<String>,
}

impl About {
    pub(crate) fn of(parameters: &Map<String, Value>) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            changes_key: parameters.get("changes_key").and_then(text),
            source_key: parameters.get("source").and_then(|source| text(source.get("key")?)),
        }
    }
}

/// The findings, with their lines where they are about what was pushed. What cannot be read is shown
/// without: the findings matter more.
pub(crate) async fn with_lines(
    artifacts: &dyn Artifacts,
    (about, action): (&About, &str),
    mut findings: Vec<Finding>,
) -> Vec<Finding> {
    let Some(changes_key) = about.changes_key.as_deref().filter(|_| action != SECRETS) else {
        return findings;
    };
    let mut wanted: Vec<&mut Finding> = findings
        .iter_mut()
        .filter(|f| f.severity > Severity::Info && f.path.is_some() && f.line.is_some())
        .collect();
    wanted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    wanted.truncate(MOST);
    let paths: BTreeSet<String> = wanted.iter().filter_map(|f| f.path.clone()).collect();
    if paths.is_empty() {
        return findings;
    }
    match texts(artifacts, changes_key, about.source_key.as_deref(), paths).await {
        Ok((changes, texts)) => {
            for finding in wanted {
                let shown = around(finding, &changes, &texts);
                finding.source = shown.map(|lines| Box::new(SourceLines(lines)));
            }
        }
        Err(error) => {
            tracing::warn!(error = error.chain(), "findings are shown without their lines");
        }
    }
    findings
}

/// These files as the push left them: of the bundle of the push, or where that has not what changed,
/// of the whole source.
async fn texts(
    artifacts: &dyn Artifacts,
    changes_key: &str,
    source_key: Option<&str>,
    paths: BTreeSet<String>,
) -> Result<(ChangeSet, BTreeMap<String, String>), AgentError> {
    let changes = bundle::change_set(artifacts, changes_key).await?;
    let kept = [(changes.push_key.clone(), true), (source_key.map(str::to_owned), false)];
    for (key, is_push) in kept.into_iter().filter_map(|(key, is_push)| Some((key?, is_push))) {
        let bundle = artifacts.get(&key).await?.filter(|bundle| bundle.len() <= MAX_BUNDLE);
        let (Some(bundle), paths) = (bundle, paths.clone()) else { continue };
        let read = tokio::task::spawn_blocking(move || files(&bundle, &paths, is_push)).await;
        let read = read
            .map_err(|error| AgentError::internal("reading the source stopped").caused_by(error));
        if let Some(files) = read?? {
            return Ok((changes, files));
        }
    }
    Ok((changes, BTreeMap::new()))
}

/// The texts of these paths in a bundle; none in that of a push which has not what changed. A repository
/// may have a file of any name, so that only the bundle of a push is read by its index.
fn files(
    bundle: &[u8],
    paths: &BTreeSet<String>,
    is_push: bool,
) -> Result<Option<BTreeMap<String, String>>, AgentError> {
    let is_index = |path: &str| is_push && path == PushIndex::FILE;
    let index = bundle::read_files(bundle, u64::MAX, is_index)?;
    let index = index.first().and_then(|(_, text)| serde_json::from_slice::<PushIndex>(text).ok());
    let mut names: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    match index.map(|index| index.after) {
        None if is_push => return Ok(None),
        None => names.extend(paths.iter().map(|path| (path.clone(), vec![path.as_str()]))),
        Some(None) => return Ok(None),
        Some(Some(after)) => {
            for path in paths {
                if let Some(file) = after.iter().find(|file| file.path == *path) {
                    names.entry(PushIndex::blob(&file.blob)).or_default().push(path);
                }
            }
        }
    }
    let mut texts = BTreeMap::new();
    for (name, content) in bundle::read_files(bundle, MAX_FILE, |name| names.contains_key(name))? {
        if content.contains(&0) {
            continue;
        }
        let text = String::from_utf8_lossy(&content);
        let paths = names.get(&name).into_iter().flatten();
        texts.extend(paths.map(|path| ((*path).to_owned(), text.clone().into_owned())));
    }
    Ok(Some(texts))
}

/// The lines around a finding: `>` is the line that it names, `+` what the change added.
fn around(
    finding: &Finding,
    changes: &ChangeSet,
    texts: &BTreeMap<String, String>,
) -> Option<String> {
    let (path, at) = (finding.path.as_deref()?, finding.line?);
    let text = texts.get(path)?;
    let change = changes.files.iter().find(|file| file.path == path);
    let (first, last) = (at.saturating_sub(AROUND).max(1), at.saturating_add(AROUND));
    let digits = last.to_string().len();
    let lines = (1..).zip(text.lines()).skip(first as usize - 1).take((last - first + 1) as usize);
    let shown: Vec<String> = lines
        .map(|(number, line)| {
            let here = if number == at { '>' } else { ' ' };
            let added = if change.is_some_and(|file| file.touches(number)) { '+' } else { ' ' };
            let line = truncated(&masked(line.trim_end()), WIDTH);
            format!("{here} {number:>digits$} {added} {line}").trim_end().to_owned()
        })
        .collect();
    // A line that is not there is no place.
    shown.iter().any(|line| line.starts_with('>')).then(|| shown.join("\n"))
}

/// Words by which a line says that it has something to hide.
const WORDS: &[&str] = &[
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "credential",
    "private",
    "access_key",
    "accesskey",
    "auth",
    "bearer",
    "connection",
    "conn_str",
    "dsn",
    "cookie",
    "session",
    "signature",
    "hmac",
    "salt",
    "-u ",
    "user:",
    "login",
];
/// From this length on, letters and digits together may be a key.
const KEY: usize = 16;

/// A line of source without what may be a secret: long runs of letters and digits, the password of an
/// address, and in a line that speaks of secrets every string and value.
#[must_use]
pub fn masked(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let mut out = without_passwords(line);
    if WORDS.iter().any(|word| lower.contains(word)) {
        out = without_values(&out);
    }
    without_keys(&out)
}

/// `scheme://user:password@host` without what is behind the slashes.
fn without_passwords(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = behind.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '`'));
        let (authority, tail) = behind.split_at(end.unwrap_or(behind.len()));
        out.push_str(if authority.contains('@') { "…" } else { authority });
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Strings without their content; where there is none, nothing behind the first sign that gives a
/// value.
fn without_values(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => {
                out.push('…');
                out.push(c);
                quote = None;
            }
            Some(_) => {}
            None => {
                out.push(c);
                if matches!(c, '"' | '\'' | '`') {
                    quote = Some(c);
                }
            }
        }
    }
    if quote.is_some() {
        out.push('…');
    }
    if line.contains(['"', '\'', '`']) {
        return out;
    }
    let sign = out.find(['=', ':', ' ']).filter(|at| *at + 1 < out.len());
    match sign {
        Some(at) => format!("{}…", out.get(..=at).unwrap_or_default()),
        None => out,
    }
}

/// Runs that are as long and as mixed as keys are, cut after their beginning.
fn without_keys(line: &str) -> String {
    let within = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '+' | '/' | '_' | '=' | '-' | '.' | '~' | '%' | ':')
    };
    let mut out = String::with_capacity(line.len());
    let (mut run, mut before) = (String::new(), None);
    for c in line.chars().map(Some).chain([None]) {
        match c {
            Some(c) if within(c) => run.push(c),
            c => {
                // A value, and no name of what is called.
                let value = matches!(before, Some('=' | ':' | '"' | '\'' | '`')) && c != Some('(');
                out.push_str(&without_key(&run, value));
                before = run.chars().last().or(before);
                run.clear();
                out.extend(c);
                before = c.filter(|c| !c.is_whitespace()).or(before);
            }
        }
    }
    out
}

/// One run: what `=` gives in it, up to where a key begins. What is behind belongs to the key.
fn without_key(run: &str, value: bool) -> String {
    let mut out = String::with_capacity(run.len());
    for (at, piece) in run.split_inclusive('=').enumerate() {
        let whole = run.get(out.len()..).unwrap_or(piece);
        if is_key(piece, false) || (value || at > 0) && is_key(whole, true) {
            out.extend(piece.chars().take(4).chain(['…']));
            return out;
        }
        out.push_str(piece);
    }
    out
}

/// Names and paths are made of words; a key is not, and a value may be one sooner than a name.
fn is_key(run: &str, value: bool) -> bool {
    let has = |what: fn(&u8) -> bool| run.as_bytes().iter().any(what);
    let digit = has(u8::is_ascii_digit);
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    if value && run.len() >= KEY && !run.contains("::") && (digit || mixed) {
        return true;
    }
    let parts = || run.split(['/', '.', '_', '-', ':']);
    let numbered = |part: &str| part.len() >= KEY / 2 && part.bytes().any(|b| b.is_ascii_digit());
    run.len() >= KEY && parts().any(numbered) || parts().any(|part| part.len() >= 2 * KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_left_out_and_code_is_read() {
        for (line, shown) in [
            ("    total = price * (1 + tax)", "    total = price * (1 + tax)"),
            ("import shop.cart.prices as prices", "import shop.cart.prices as prices"),
            (
                "fn total_with_discounts(items: &[Item]) {",
                "fn total_with_discounts(items: &[Item]) {",
            ),
            ("key = \"AKIAQ3EGRTW7XJ5ZK2LD\"", "key = \"AKIA…\""),
            ("password = 'correct horse'", "password = '…'"),
            ("DB_PASSWORD=hunter2", "DB_PASSWORD=…"),
            ("url = https://me:hunter2@host.example/a", "url = https://…/a"),
            ("x = \"9f86d081884c7d659a2feaa0c55ad015\"", "x = \"9f86…\""),
        ] {
            assert_eq!(masked(line), shown);
        }
    }

    #[test]
    fn a_file_with_the_name_of_an_index_is_none_in_a_source() {
        let index = r#"{"passing":[],"before":[],"after":[],"commits":1,"incomplete":[],"notes":[],"elsewhere":{},"settings":null,"own_judge":true}"#;
        let mut packer = bundle::Packer::new();
        packer.add(PushIndex::FILE, bundle::EntryKind::File, index.as_bytes()).expect("is packed");
        packer.add("a.py", bundle::EntryKind::File, b"one\n").expect("is packed");
        let bundle = packer.finish().expect("completes");
        let paths = BTreeSet::from(["a.py".to_owned()]);
        let source = files(&bundle, &paths, false).expect("is read").expect("is a source");
        assert_eq!(source.get("a.py").map(String::as_str), Some("one\n"));
        assert_eq!(files(&bundle, &paths, true).expect("is read"), Some(BTreeMap::new()));
    }

    #[test]
    fn the_line_and_what_was_added_are_marked() {
        let changes: ChangeSet = serde_json::from_value(serde_json::json!({
            "schema": 1, "head": "1".repeat(40), "base": null,
            "files": [{
                "path": "a.py", "old_path": null, "kind": "modified", "added": 2, "deleted": 0,
                "binary": false, "language": "Python", "added_lines": [{ "start": 3, "end": 4 }],
            }],
        }))
        .expect("a change set");
        let text = (1..=9).map(|n| format!("line {n}\n")).collect::<String>();
        let texts = BTreeMap::from([("a.py".to_owned(), text)]);
        let finding = |line| {
            Finding::new(pact_contract::codes::SYNTAX_ERROR, Severity::High, "m")
                .at("a.py", line, None)
        };
        let shown = around(&finding(Some(4)), &changes, &texts).expect("lines");
        assert_eq!(shown, "  2   line 2\n  3 + line 3\n> 4 + line 4\n  5   line 5\n  6   line 6");
        let first = around(&finding(Some(1)), &changes, &texts).expect("lines");
        assert!(first.starts_with("> 1   line 1\n"), "{first}");
        assert_eq!(around(&finding(Some(10)), &changes, &texts), None);
        assert_eq!(around(&finding(None), &changes, &texts), None);
    }
}
