//! `pactctl secrets`: the search for secrets, on whole folders and histories.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use pact_security_agent::{Corpus, Found, Score, SecretsEngine, score_secrets};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::files;
use crate::{
    cli::SecretsCommand,
    document,
    failure::{Context, Exit, Failure},
};

/// Largest file, and largest version of a file, that is read.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// Carries out the command.
pub(crate) fn secrets(command: SecretsCommand) -> Result<Exit, Failure> {
    let engine = SecretsEngine::new()
        .map_err(|e| Failure::usage(format!("the rules for secrets are not usable: {e}")))?;
    match command {
        SecretsCommand::Scan { path, history, baseline, json } => {
            scan(&engine, &path, history, baseline.as_deref(), json)
        }
        SecretsCommand::Score { corpus, list, json } => score(&engine, &corpus, list, json),
    }
}

/// Secrets that somebody looked at, none of them readable from it.
#[derive(Default, Serialize, Deserialize)]
struct Baseline {
    /// Makes the entries useless elsewhere.
    salt: String,
    entries: BTreeSet<String>,
}

impl Baseline {
    fn entry(&self, path: &str, found: &Found) -> String {
        found.entry(&self.salt, path)
    }
}

/// What was found where.
struct Report {
    found: Vec<(String, Found)>,
    not_read: Vec<(String, String)>,
    files: usize,
}

fn scan(
    engine: &SecretsEngine,
    path: &Path,
    history: bool,
    baseline: Option<&Path>,
    json: bool,
) -> Result<Exit, Failure> {
    if !path.exists() {
        return Err(Failure::usage(format!("{} does not exist", path.display())));
    }
    let mut report = Report { found: Vec::new(), not_read: Vec::new(), files: 0 };
    folder(engine, path, &mut report)?;
    if history {
        versions(engine, path, &mut report)?;
    }
    if let Some(file) = baseline {
        if file.exists() {
            let text = std::fs::read_to_string(file).doing("read the baseline")?;
            let known: Baseline = serde_json::from_str(&text)
                .map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
            report.found.retain(|(path, found)| !known.entries.contains(&known.entry(path, found)));
        } else {
            let mut known =
                Baseline { salt: uuid::Uuid::new_v4().to_string(), ..Baseline::default() };
            known.entries = report.found.iter().map(|(p, f)| known.entry(p, f)).collect();
            let text = serde_json::to_string_pretty(&known).doing("write the baseline")?;
            std::fs::write(file, text).doing("write the baseline")?;
            println!("{} lists {} secrets", file.display(), known.entries.len());
            return Ok(Exit::Success);
        }
    }
    if json {
        let found: Vec<_> = report.found.iter().map(|(path, found)| found.finding(path)).collect();
        let not_read: Vec<_> = report
            .not_read
            .iter()
            .map(|(path, why)| json!({ "path": path, "reason": why }))
            .collect();
        let document = json!({ "files": report.files, "findings": found, "not_read": not_read });
        document::print(&document)?;
    } else {
        for (path, found) in &report.found {
            println!(
                "{path}:{}:{}: {} {}: {} ({})",
                found.line,
                found.column,
                found.severity.as_str(),
                found.code,
                found.title,
                found.evidence
            );
        }
        for (path, why) in &report.not_read {
            println!("{path}: not read: {why}");
        }
        println!("{} files read, {} secrets", report.files, report.found.len());
    }
    let clean = report.found.is_empty() && report.not_read.is_empty();
    Ok(if clean { Exit::Success } else { Exit::NotReleased })
}

fn folder(engine: &SecretsEngine, root: &Path, report: &mut Report) -> Result<(), Failure> {
    for file in files::below(root)? {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let name = if name.is_empty() { file.display().to_string() } else { name };
        let size = std::fs::metadata(&file).map_or(0, |m| m.len());
        if size > MAX_FILE {
            report.not_read.push((name, format!("larger than {} MiB", MAX_FILE / 1024 / 1024)));
            continue;
        }
        match std::fs::read(&file) {
            Ok(content) => add(engine, &name, &content, report),
            Err(error) => report.not_read.push((name, error.to_string())),
        }
    }
    Ok(())
}

fn add(engine: &SecretsEngine, name: &str, content: &[u8], report: &mut Report) {
    let scan = engine.scan(name, content);
    report.files += 1;
    report.found.extend(scan.found);
    report.not_read.extend(scan.not_read);
}

/// Every version of every file that any commit has.
fn versions(engine: &SecretsEngine, path: &Path, report: &mut Report) -> Result<(), Failure> {
    let repository = gix::open(path)
        .map_err(|e| Failure::usage(format!("{} has no history: {e}", path.display())))?;
    let known: BTreeSet<[u8; 16]> = report.found.iter().map(|(_, f)| f.fingerprint).collect();
    let mut seen = BTreeSet::new();
    let head = repository.head_id().map_err(|e| Failure::usage(format!("no commit: {e}")))?;
    let walk = head.ancestors().all().map_err(|e| Failure::usage(e.to_string()))?;
    let mut once = BTreeSet::new();
    for info in walk {
        let info = info.map_err(|e| Failure::usage(e.to_string()))?;
        let commit = info.object().map_err(|e| Failure::usage(e.to_string()))?;
        let tree = commit.tree().map_err(|e| Failure::usage(e.to_string()))?;
        let entries =
            tree.traverse().breadthfirst.files().map_err(|e| Failure::usage(e.to_string()))?;
        for entry in entries {
            if !entry.mode.is_blob_or_symlink() || !seen.insert(entry.oid) {
                continue;
            }
            let name = format!("{}:{}", info.id.to_hex_with_len(10), entry.filepath);
            let size = repository.find_header(entry.oid).map_or(0, |h| h.size());
            if size > MAX_FILE {
                report.not_read.push((name, format!("larger than {} MiB", MAX_FILE / 1024 / 1024)));
                continue;
            }
            let blob =
                repository.find_object(entry.oid).map_err(|e| Failure::usage(e.to_string()))?;
            let scan = engine.scan(&entry.filepath.to_string(), &blob.data);
            report.files += 1;
            report.not_read.extend(scan.not_read.into_iter().map(|(_, why)| (name.clone(), why)));
            for (_, found) in scan.found {
                if !known.contains(&found.fingerprint) && once.insert(found.fingerprint) {
                    report.found.push((name.clone(), found));
                }
            }
        }
    }
    Ok(())
}

fn score(engine: &SecretsEngine, corpus: &Path, list: bool, json: bool) -> Result<Exit, Failure> {
    let opened = Corpus::open(corpus)
        .map_err(|e| Failure::usage(format!("{} is no labelled corpus: {e}", corpus.display())))?;
    let mut lines = Vec::new();
    let (kinds, all) = score_secrets(engine, &opened, &mut |missed, path, line, what| {
        let word = if missed { "missed" } else { "wrong" };
        lines.push(format!("{path}:{line}: {word}: {what}"));
    })
    .doing("read the corpus")?;
    if json {
        let by_kind: BTreeMap<_, _> = kinds.iter().map(|(kind, s)| (kind, figures(s))).collect();
        let document = json!({ "all": figures(&all), "kinds": by_kind });
        document::print(&document)?;
        return Ok(Exit::Success);
    }
    if list {
        lines.iter().for_each(|line| println!("{line}"));
    }
    println!(
        "{:<36} {:>6} {:>6} {:>6} {:>9} {:>6} {:>6}",
        "kind", "right", "missed", "wrong", "precision", "recall", "F1"
    );
    for (kind, s) in kinds.iter().chain([(&"all".to_owned(), &all)]) {
        println!(
            "{kind:<36} {:>6} {:>6} {:>6} {:>9.3} {:>6.3} {:>6.3}",
            s.right,
            s.missed,
            s.wrong,
            s.precision(),
            s.recall(),
            s.f1()
        );
    }
    Ok(Exit::Success)
}

fn figures(s: &Score) -> serde_json::Value {
    json!({
        "right": s.right, "missed": s.missed, "wrong": s.wrong,
        "precision": s.precision(), "recall": s.recall(), "f1": s.f1(),
    })
}
