//! `code.validate_syntax`: parses the changed files.

use std::{
    collections::{BTreeMap, HashSet},
    sync::atomic::AtomicBool,
};

use pact_agent::{AgentError, Call, Outcome, bundle, ports::Artifacts};
use pact_contract::{
    ChangeSet, Finding, Severity, StageStatus,
    actions::{ValidateSyntax, ValidateSyntaxOutput},
    codes,
};

use crate::{
    ignore::Ignore,
    syntax::{self, Fault, Verdict},
    work,
};

/// Larger files are not parsed.
pub(crate) const MAX_FILE: u64 = 1024 * 1024;
/// Most findings of one answer.
const MAX_FINDINGS: usize = 1_000;

/// Carries the action out.
pub(crate) async fn run(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let parameters: ValidateSyntax = call.parameters()?;
    let changes = bundle::change_set(artifacts, &parameters.changes_key).await?;
    let source = bundle::fetch(artifacts, &parameters.source).await?;
    let ignore = Ignore::new(&parameters.settings.ignore)?;
    work::blocking(move |stop| validate(&changes, &source, &ignore, stop)).await
}

fn validate(
    changes: &ChangeSet,
    source: &[u8],
    ignore: &Ignore,
    stop: &AtomicBool,
) -> Result<Outcome, AgentError> {
    let changed: Vec<&str> =
        changes.files.iter().filter(|f| f.is_readable()).map(|f| f.path.as_str()).collect();
    let (ignored, changed): (Vec<&str>, Vec<&str>) =
        changed.into_iter().partition(|path| ignore.covers(path));
    let (wanted, other): (Vec<&str>, Vec<&str>) =
        changed.iter().copied().partition(|path| syntax::is_supported(path));
    let wanted: HashSet<&str> = wanted.into_iter().collect();
    let files = bundle::read_files(source, MAX_FILE, |path| wanted.contains(path))?;
    work::check(stop)?;
    let verdicts = work::each(&files, stop, |(path, content)| syntax::check(path, content))?;

    let mut output = ValidateSyntaxOutput { unsupported: other.len(), ..Default::default() };
    let mut findings = Vec::new();
    let mut unsure = 0;
    let mut left: HashSet<&str> = wanted;
    for ((path, _), verdict) in files.iter().zip(verdicts) {
        left.remove(path.as_str());
        match verdict {
            Verdict::Valid => output.checked += 1,
            Verdict::Invalid(faults) => {
                output.checked += 1;
                output.invalid += 1;
                findings.extend(faults.iter().map(|fault| error(path, fault)));
            }
            Verdict::Unsure(reason, faults) => {
                output.checked += 1;
                unsure += 1;
                findings.extend(faults.first().map(|fault| doubtful(path, fault, &reason)));
            }
            Verdict::Unsupported(reason) => {
                output.unsupported += 1;
                findings.push(not_parsed(path, &reason));
            }
        }
    }
    output.unsupported += left.len();
    let mut left: Vec<&str> = left.into_iter().collect();
    left.sort_unstable();
    findings
        .extend(left.into_iter().map(|path| not_parsed(path, "is larger than 1 MiB or a link")));

    let (status, summary) = judge(changes, &changed, &other, &ignored, &output, unsure, &findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(MAX_FINDINGS);
    let mut outcome = Outcome::new(status, summary, &output)?.with_findings(findings);
    outcome.not_applicable = status == StageStatus::Skipped && other.len() == changed.len();
    Ok(outcome)
}

fn judge(
    changes: &ChangeSet,
    changed: &[&str],
    other: &[&str],
    ignored: &[&str],
    output: &ValidateSyntaxOutput,
    unsure: usize,
    findings: &[Finding],
) -> (StageStatus, String) {
    if output.invalid > 0 {
        let first = findings.iter().find(|f| f.code == "syntax-error").and_then(Finding::place);
        let (first, invalid) = (first.unwrap_or_default(), output.invalid);
        let text = match output.checked {
            1 => format!("the file does not parse, at {first}"),
            n if invalid == 1 => format!("1 of {n} files does not parse, at {first}"),
            n => format!("{invalid} of {n} files do not parse, the first at {first}"),
        };
        return (StageStatus::Failed, text);
    }
    if output.checked > 0 {
        let doubt = match unsure {
            0 => String::new(),
            n => format!("; {n} may not, but seem to be meant so"),
        };
        let files = match output.checked {
            1 => "1 file parses".to_owned(),
            n => format!("{n} files parse"),
        };
        return (StageStatus::Passed, format!("{files}{doubt}"));
    }
    if changed.is_empty() {
        let text = match (changes.files.len(), ignored.len()) {
            (0, _) => "no file changed".to_owned(),
            (_, 0) => "no changed file has text to parse".to_owned(),
            (_, n) => format!("all {n} changed files with text are ignored by code.ignore"),
        };
        return (StageStatus::Passed, text);
    }
    let mut languages: BTreeMap<&str, usize> = BTreeMap::new();
    for path in other {
        *languages.entry(crate::languages::of(path).unwrap_or("unknown")).or_default() += 1;
    }
    let names: Vec<_> = languages.into_keys().take(8).collect();
    let what = if names.is_empty() { "too large".to_owned() } else { names.join(", ") };
    let text = format!("no changed file is in a language that is parsed ({what})");
    (StageStatus::Skipped, text)
}

fn error(path: &str, fault: &Fault) -> Finding {
    Finding::new(codes::SYNTAX_ERROR, Severity::High, format!("does not parse: {}", fault.message))
        .at(path, Some(fault.line), Some(fault.column))
        .remedy("mend the syntax, or name the file in code.ignore if it is broken on purpose")
}

fn doubtful(path: &str, fault: &Fault, reason: &str) -> Finding {
    Finding::new(
        codes::SYNTAX_UNSURE,
        Severity::Medium,
        format!("does not parse, but {reason}: {}", fault.message),
    )
    .at(path, Some(fault.line), Some(fault.column))
    .remedy("name the file in code.ignore if it is as it should be")
}

fn not_parsed(path: &str, reason: &str) -> Finding {
    Finding::new(
        codes::SYNTAX_NOT_CHECKED,
        Severity::Info,
        format!("the file {reason}: not parsed"),
    )
    .at(path, None, None)
}
