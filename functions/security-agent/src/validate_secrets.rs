//! `security.validate_secrets`: secrets that the push brought, at its end and on its way.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    sync::OnceLock,
};

use pact_agent::{AgentError, Call, Outcome, bundle::Entry, ports::Artifacts};
use pact_contract::{ErrorName, Finding, Severity, codes};

use crate::{
    report::{self, MAX_COLLECTED, Seen},
    sast::LATER,
    scope::Ledger,
    secrets::{Engine, Found, Scan},
    source::{Source, Version, blocking},
};

/// Largest file that is read at once; larger ones are read piece by piece.
const MAX_WHOLE: u64 = 32 * 1024 * 1024;
/// A piece of a large file.
const PIECE: usize = 8 * 1024 * 1024;
/// What two pieces share where no line ends.
const OVERLAP: usize = 64 * 1024;

/// Carries out the action.
pub(crate) async fn act(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let source = Source::load(artifacts, call).await?;
    blocking(move || check(&source)).await
}

/// The engine, made once.
pub(crate) fn engine() -> Result<&'static Engine, AgentError> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    ENGINE
        .get_or_init(Engine::new)
        .as_ref()
        .map_err(|e| AgentError::internal(format!("the rules for secrets are not usable: {e}")))
}

fn check(source: &Source) -> Result<Outcome, AgentError> {
    let engine = engine()?;
    let mut ledger = Ledger::default();
    if let Some(index) = source.index() {
        for reason in &index.incomplete {
            ledger.not_read("the push", reason);
        }
        index.notes.iter().for_each(|note| ledger.note(note));
    }

    // What was there before is no news, wherever it stands now.
    let mut known: BTreeSet<[u8; 16]> = BTreeSet::new();
    let mut allowed_before: BTreeSet<[u8; 16]> = BTreeSet::new();
    let own_judge = source.is_own_judge();
    let mut passing: Vec<(String, String, Found)> = Vec::new();
    let mut on_the_way = 0;
    source.each_version(
        |version| match version {
            Version::Before(_) => true,
            Version::Passing { path, .. } => source.ignore.rule(path).is_none(),
        },
        |version, content| {
            match version {
                Version::Before(path) => {
                    let scan = engine.scan(path, content);
                    known.extend(scan.found.iter().map(|(_, f)| f.fingerprint));
                    let allowed = scan.allowed.into_iter().map(|(_, f, _)| f.fingerprint);
                    allowed_before.extend(allowed);
                }
                Version::Passing { commit, path } => {
                    on_the_way += 1;
                    let scan = engine.scan(path, content);
                    ledger.read(content.len() as u64);
                    for (path, why) in scan.not_read {
                        ledger.not_read(format!("{path} of commit {}", short(commit)), why);
                    }
                    let room = MAX_COLLECTED.saturating_sub(passing.len());
                    // What comes with the push allows nothing of it, on the way neither.
                    let asked = scan.allowed.into_iter().filter(|_| !own_judge);
                    let asked = asked.map(|(path, found, _)| (path, found));
                    passing.extend(
                        scan.found
                            .into_iter()
                            .chain(asked)
                            .take(room)
                            .map(|(path, f)| (commit.to_owned(), path, f)),
                    );
                }
            }
            Ok(())
        },
    )?;

    let mut findings = Vec::new();
    let mut before = Vec::new();
    let mut at_end: BTreeSet<[u8; 16]> = BTreeSet::new();
    let mut checked = 0;
    let mut full = false;
    source.each_changed(
        &mut ledger,
        |_| true,
        |change, entry, ledger| {
            let scan = scan_entry(engine, &change.path, entry, ledger)?;
            checked += 1;
            ledger.read(scan.bytes);
            for (path, why) in scan.not_read {
                ledger.not_read(path, why);
            }
            let mut asked = Vec::new();
            for (path, mut found, reason) in scan.allowed {
                let kept = path == change.path && !change.binary && !change.touches(found.line);
                if !own_judge && !kept && !allowed_before.contains(&found.fingerprint) {
                    found.title = format!("{}; {LATER} ({reason})", found.title);
                    asked.push((path, found));
                    continue;
                }
                at_end.insert(found.fingerprint);
                let message = format!("a secret is allowed by its line's comment: {reason}");
                findings.push(Finding::new(codes::SECRET_ALLOWED, Severity::Info, message).at(
                    path,
                    Some(found.line),
                    None,
                ));
            }
            for (path, found) in scan.found.into_iter().chain(asked) {
                if findings.len() + before.len() >= MAX_COLLECTED {
                    full = true;
                    break;
                }
                at_end.insert(found.fingerprint);
                let list =
                    if known.contains(&found.fingerprint) { &mut before } else { &mut findings };
                list.push(found.finding(&path));
            }
            Ok(())
        },
    )?;
    if full {
        ledger.not_read("the rest", format!("stopped after {MAX_COLLECTED} findings"));
    }
    known.extend(allowed_before);
    findings.extend(gone(passing, &known, &at_end));
    if on_the_way > 0 {
        ledger.note(format!(
            "{on_the_way} versions of files were read that only commits on the way have"
        ));
    }
    report::conclude(
        Seen {
            checked,
            noun: ("changed file", "changed files"),
            sought: "secrets",
            findings,
            before,
            ledger,
            ..Seen::default()
        },
        &source.waivers,
    )
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// Findings of secrets that the push brought and took out again.
fn gone(
    passing: Vec<(String, String, Found)>,
    known: &BTreeSet<[u8; 16]>,
    at_end: &BTreeSet<[u8; 16]>,
) -> Vec<Finding> {
    let mut once: BTreeMap<[u8; 16], Finding> = BTreeMap::new();
    for (commit, path, found) in passing {
        if known.contains(&found.fingerprint) || at_end.contains(&found.fingerprint) {
            continue;
        }
        once.entry(found.fingerprint).or_insert_with(|| {
            let mut finding = found.finding(&path);
            finding.message = format!(
                "{} in commit {}: the push takes it out again, but its history keeps it",
                finding.message,
                short(&commit)
            );
            finding
        });
    }
    once.into_values().collect()
}

/// What a file of any size holds.
fn scan_entry(
    engine: &Engine,
    path: &str,
    entry: Entry<'_>,
    ledger: &mut Ledger,
) -> Result<Scan, AgentError> {
    let damaged = |e: std::io::Error| {
        AgentError::new(ErrorName::SourceUnavailable, format!("the source bundle is damaged: {e}"))
    };
    if entry.size <= MAX_WHOLE {
        let mut content = Vec::new();
        entry.content.take(MAX_WHOLE).read_to_end(&mut content).map_err(damaged)?;
        if content.starts_with(b"version https://git-lfs.github.com/spec/") && content.len() < 1_024
        {
            ledger.elsewhere(path, "kept by Git LFS: the repository has its pointer only");
        }
        return Ok(engine.scan(path, &content));
    }
    scan_large(engine, path, entry.content).map_err(damaged)
}

/// Reads a large file piece by piece; a piece ends with a line where it can.
fn scan_large(engine: &Engine, path: &str, reader: &mut dyn Read) -> std::io::Result<Scan> {
    let mut whole = Scan::default();
    let mut buffer: Vec<u8> = Vec::with_capacity(PIECE);
    let mut lines = 0u32;
    let mut seen = BTreeSet::new();
    let mut first = true;
    loop {
        let room = PIECE.saturating_sub(buffer.len()) as u64;
        let got = (&mut *reader).take(room).read_to_end(&mut buffer)?;
        let last = got == 0 || buffer.len() < PIECE;
        let cut = if last { buffer.len() } else { end_of_piece(&buffer) };
        let piece = buffer.get(..cut).unwrap_or_default();
        let mut scan = engine.scan(path, piece);
        if first && scan.not_read.iter().any(|(_, why)| why.contains("damaged")) {
            // The piece is the beginning of an archive.
            scan.not_read.clear();
            let limit = MAX_WHOLE / 1024 / 1024;
            scan.not_read.push((
                path.to_owned(),
                format!("an archive of more than {limit} MiB is not opened"),
            ));
        }
        first = false;
        whole.bytes += piece.len() as u64;
        for (path, mut found) in scan.found {
            found.line = found.line.saturating_add(lines);
            if seen.insert((found.fingerprint, found.line)) && whole.found.len() < MAX_COLLECTED {
                whole.found.push((path, found));
            }
        }
        for (path, mut found, reason) in scan.allowed {
            found.line = found.line.saturating_add(lines);
            let room = whole.allowed.len() < MAX_COLLECTED;
            if seen.insert((found.fingerprint, found.line)) && room {
                whole.allowed.push((path, found, reason));
            }
        }
        whole.not_read.extend(scan.not_read);
        if last {
            return Ok(whole);
        }
        let ends = piece.last() == Some(&b'\n');
        let keep = if ends { cut } else { cut.saturating_sub(OVERLAP) };
        let passed = buffer.get(..keep).unwrap_or_default();
        let count = passed.iter().filter(|b| **b == b'\n').count();
        lines = lines.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        buffer.drain(..keep);
    }
}

/// After the last line that ends in the second half, else everything.
fn end_of_piece(buffer: &[u8]) -> usize {
    let half = buffer.len() / 2;
    let tail = buffer.get(half..).unwrap_or_default();
    tail.iter().rposition(|b| *b == b'\n').map_or(buffer.len(), |at| half + at + 1)
}
