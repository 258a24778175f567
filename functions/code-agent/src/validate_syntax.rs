//! `code.validate_syntax`: parses the changed files.

use std::{
    collections::{BTreeMap, HashSet},
    sync::atomic::AtomicBool,
};

use pact_agent::{
    AgentError, Call, Outcome, bundle,
    globs::Globs,
    ports::Artifacts,
    waivers::{self, Waivers},
};
use pact_contract::{
    ChangeKind, ChangeSet, Finding, Severity, StageStatus,
    actions::{SyntaxFile, SyntaxResult, ValidateSyntax, ValidateSyntaxOutput},
    codes,
};

use crate::{
    contents::Contents,
    languages,
    syntax::{self, Cause, Fault, Verdict},
    work,
};

/// Most findings of one answer.
const MAX_FINDINGS: usize = 1_000;
/// Bytes of contents that are held at once.
const BATCH: usize = 32 * 1024 * 1024;

/// Carries the action out.
pub(crate) async fn run(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let parameters: ValidateSyntax = call.parameters()?;
    let changes = bundle::change_set(artifacts, &parameters.changes_key).await?;
    let contents = Contents::load(artifacts, &changes, &parameters.source, 0).await?;
    let ignore = Globs::new("code.ignore", &parameters.settings.ignore)?;
    let waivers = Waivers::new(&parameters.waivers)?;
    let mut report =
        work::blocking(move |stop| Report::of(&changes, &contents, &ignore, stop)).await?;

    let key = format!("runs/{}/syntax.json", call.scope());
    report.files.sort_by(|a, b| a.path.cmp(&b.path));
    let list = serde_json::to_vec(&report.files)
        .map_err(|e| AgentError::internal(format!("cannot write the list of files: {e}")))?;
    artifacts.put(&key, list.into()).await?;
    waivers.apply(&mut report.findings);
    report.outcome(key)
}

/// Everything that is known about the changed files.
#[derive(Default)]
struct Report {
    files: Vec<SyntaxFile>,
    findings: Vec<Finding>,
    causes: BTreeMap<Cause, usize>,
    /// Files that could not be read although their language may be known.
    unread: usize,
}

impl Report {
    fn of(
        changes: &ChangeSet,
        contents: &Contents,
        ignore: &Globs,
        stop: &AtomicBool,
    ) -> Result<Self, AgentError> {
        let mut report = Self::default();
        let mut wanted = HashSet::new();
        for file in &changes.files {
            let path = file.path.as_str();
            if file.kind == ChangeKind::Deleted {
                report.list(path, SyntaxResult::Deleted, None);
            } else if let Some(rule) = ignore.rule(path) {
                let reason = format!("code.ignore in pact.toml: {rule:?}");
                report.list(path, SyntaxResult::Ignored, Some(reason));
            } else if file.binary {
                report.list(path, SyntaxResult::NotKnown, Some("is binary".to_owned()));
            } else {
                wanted.insert(path);
            }
        }
        let mut batch: Vec<(String, Vec<u8>)> = Vec::new();
        let mut held = 0;
        let mut seen = HashSet::new();
        contents.visit(
            |path| wanted.contains(path),
            |path, content| {
                seen.insert(path.to_owned());
                let Some(content) = content else {
                    report.unread(path, "is larger than 1 MiB");
                    return Ok(());
                };
                held += content.len();
                batch.push((path.to_owned(), content.to_vec()));
                if held >= BATCH {
                    report.parse(&std::mem::take(&mut batch), stop)?;
                    held = 0;
                }
                work::check(stop)
            },
        )?;
        report.parse(&batch, stop)?;
        let mut absent: Vec<&str> = wanted.into_iter().filter(|p| !seen.contains(*p)).collect();
        absent.sort_unstable();
        for path in absent {
            report.unread(path, "is a link or a submodule");
        }
        Ok(report)
    }

    fn list(&mut self, path: &str, result: SyntaxResult, reason: Option<String>) {
        let language = languages::of(path).map(str::to_owned);
        self.files.push(SyntaxFile { path: path.to_owned(), result, language, reason });
    }

    fn unread(&mut self, path: &str, reason: &str) {
        self.unread += 1;
        self.list(path, SyntaxResult::NotKnown, Some(reason.to_owned()));
        let text = format!("the file {reason}: not parsed");
        self.findings.push(
            Finding::new(codes::SYNTAX_NOT_CHECKED, Severity::Info, text).at(path, None, None),
        );
    }

    fn parse(&mut self, batch: &[(String, Vec<u8>)], stop: &AtomicBool) -> Result<(), AgentError> {
        let verdicts = work::each(batch, stop, |(path, content)| syntax::check(path, content))?;
        for ((path, content), verdict) in batch.iter().zip(verdicts) {
            let (result, reason) = match verdict {
                Verdict::Parsed => (SyntaxResult::Parsed, None),
                Verdict::Broken(faults) => {
                    self.findings.extend(faults.iter().map(|fault| error(path, fault)));
                    (SyntaxResult::Broken, None)
                }
                Verdict::Unsure(doubt, faults) => {
                    *self.causes.entry(doubt.cause).or_default() += 1;
                    self.findings.push(doubtful(path, faults.first(), &doubt.reason));
                    (SyntaxResult::Unsure, Some(format!("{}: {}", doubt.cause, doubt.reason)))
                }
                Verdict::NotParsed(reason) => (SyntaxResult::NotKnown, Some(reason)),
            };
            let language = languages::detect(path, content).map(str::to_owned);
            self.files.push(SyntaxFile { path: path.clone(), result, language, reason });
        }
        Ok(())
    }

    fn count(&self, result: SyntaxResult) -> usize {
        self.files.iter().filter(|file| file.result == result).count()
    }

    fn outcome(self, files_key: String) -> Result<Outcome, AgentError> {
        // Where somebody answers for everything that is wrong with a file, it counts for nothing.
        let errors = self.findings.iter().filter(|f| stands(f));
        let paths: HashSet<&str> = errors.filter_map(|f| f.path.as_deref()).collect();
        let broken = paths.len();
        let output = ValidateSyntaxOutput {
            checked: self.count(SyntaxResult::Parsed) + broken,
            invalid: broken,
            unsure: self.count(SyntaxResult::Unsure),
            unsupported: self.count(SyntaxResult::NotKnown),
            ignored: self.count(SyntaxResult::Ignored),
            files_key: Some(files_key),
        };
        let (status, summary) = self.judge(&output);
        let (unread, mut findings) = (self.unread, self.findings);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings.truncate(MAX_FINDINGS);
        let mut outcome = Outcome::new(status, summary, &output)?.with_findings(findings);
        // What could have been parsed and was not is missed; templates and images are not.
        outcome.not_applicable = status == StageStatus::Skipped && unread == 0;
        Ok(outcome)
    }

    fn judge(&self, output: &ValidateSyntaxOutput) -> (StageStatus, String) {
        let rest = self.rest(output);
        if output.invalid > 0 {
            let first = self.findings.iter().find(|f| stands(f));
            let first = first.and_then(Finding::place).unwrap_or_default();
            let text = match (output.checked, output.invalid) {
                (1, _) => format!("the file does not parse, at {first}"),
                (n, 1) => format!("1 of {n} files does not parse, at {first}"),
                (n, invalid) => {
                    format!("{invalid} of {n} files do not parse, the first at {first}")
                }
            };
            return (StageStatus::Failed, format!("{text}{rest}"));
        }
        if output.checked > 0 {
            let text = match output.checked {
                1 => "1 file parses".to_owned(),
                n => format!("{n} files parse"),
            };
            return (StageStatus::Passed, format!("{text}{rest}"));
        }
        let text = match self.files.iter().filter(|f| f.result != SyntaxResult::Deleted).count() {
            0 if self.files.is_empty() => "no file changed".to_owned(),
            0 => "files were only deleted".to_owned(),
            n if n == output.ignored => "every changed file is ignored by code.ignore".to_owned(),
            n if n == self.unread => {
                "no changed file could be read: larger than 1 MiB, or a link".to_owned()
            }
            _ => format!("no changed file is parsed for certain{rest}"),
        };
        (StageStatus::Skipped, text)
    }

    /// The files about which there is no answer, in a few words.
    fn rest(&self, output: &ValidateSyntaxOutput) -> String {
        let mut rest = String::new();
        if output.unsure > 0 {
            let causes: Vec<_> = self.causes.iter().map(|(c, n)| format!("{c} {n}")).collect();
            rest.push_str(&format!("; unsure of {} ({})", output.unsure, causes.join(", ")));
        }
        if output.unsupported > 0 {
            let mut languages: BTreeMap<&str, usize> = BTreeMap::new();
            for file in self.files.iter().filter(|f| f.result == SyntaxResult::NotKnown) {
                *languages.entry(file.language.as_deref().unwrap_or("other")).or_default() += 1;
            }
            let names: Vec<_> = languages.into_keys().take(8).collect();
            rest.push_str(&format!("; {} not parsed ({})", output.unsupported, names.join(", ")));
        }
        if output.ignored > 0 {
            rest.push_str(&format!("; {} ignored by code.ignore", output.ignored));
        }
        if let Some(waived) = waivers::told(&self.findings) {
            rest.push_str(&format!("; {waived}"));
        }
        rest
    }
}

/// An error for which nobody answers.
fn stands(finding: &Finding) -> bool {
    finding.code == codes::SYNTAX_ERROR && finding.waived.is_none()
}

fn error(path: &str, fault: &Fault) -> Finding {
    Finding::new(codes::SYNTAX_ERROR, Severity::High, format!("does not parse: {}", fault.message))
        .at(path, Some(fault.line), Some(fault.column))
        .remedy("mend the syntax, or name the file in code.ignore if it is broken on purpose")
}

fn doubtful(path: &str, fault: Option<&Fault>, reason: &str) -> Finding {
    let finding = |text| Finding::new(codes::SYNTAX_UNSURE, Severity::Low, text);
    let finding = match fault {
        Some(fault) => finding(format!("does not parse, but {reason}: {}", fault.message)).at(
            path,
            Some(fault.line),
            Some(fault.column),
        ),
        None => finding(format!("is not parsed: {reason}")).at(path, None, None),
    };
    finding.remedy("name the file in code.ignore if it is as it should be")
}
