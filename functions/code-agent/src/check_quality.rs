//! `code.check_quality`: what the change made worse of the functions that it touched.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::AtomicBool,
};

use pact_agent::{
    AgentError, Call, Outcome, bundle,
    globs::Globs,
    ports::Artifacts,
    waivers::{self, Waivers},
};
use pact_contract::{
    ChangeKind, ChangeSet, FileChange, Finding, LineRange, Severity, StageStatus,
    actions::{CheckQuality, CheckQualityOutput, FunctionRecord, FunctionState},
    codes,
    settings::{CodeSettings, CodeThresholds},
};

use crate::{
    contents::Contents,
    languages,
    limits::MAX_FILE,
    quality::{
        duplicates::{Changed, Search},
        function::Function,
        judge::Touched,
        measure,
        owner::{Owner, Owners},
        pairs::{self, Origin, Placed},
    },
    work,
};

/// Most findings of one answer.
const MAX_FINDINGS: usize = 500;
/// Most functions of the list.
const MAX_LISTED: usize = 20_000;
/// Most bytes of the rest of the repository that are searched for what the change repeats.
const MAX_REST: usize = 64 * 1024 * 1024;
/// Largest bundle that is read a second time for that.
const MAX_BUNDLE: usize = 64 * 1024 * 1024;

/// Carries the action out.
pub(crate) async fn run(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let parameters: CheckQuality = call.parameters()?;
    let changes = bundle::change_set(artifacts, &parameters.changes_key).await?;
    let contents =
        Contents::load(artifacts, &changes, &parameters.source, MAX_BUNDLE as u64).await?;
    let ignore = Globs::new("code.ignore", &parameters.settings.ignore)?;
    let waivers = Waivers::new(&parameters.waivers)?;
    let work = Work { changes, contents, settings: parameters.settings, ignore, waivers };
    let report = work::blocking(move |stop| work.measure(stop)).await?;
    let (mut output, findings) = match report {
        Report::Measured { output, findings, listed } => {
            let key = format!("runs/{}/functions.json", call.scope());
            let list = serde_json::to_vec(&listed)
                .map_err(|e| AgentError::internal(format!("cannot write the functions: {e}")))?;
            artifacts.put(&key, list.into()).await?;
            (CheckQualityOutput { functions_key: Some(key), ..output }, findings)
        }
        Report::NothingToMeasure => {
            return Ok(Outcome::nothing_to_check(
                "no changed file is in a language whose functions are measured",
            ));
        }
        Report::NotMeasured { reason, findings } => {
            return Ok(Outcome::skipped(reason).with_findings(findings));
        }
    };
    let stands = |f: &&Finding| f.code != codes::QUALITY_NOT_CHECKED && f.waived.is_none();
    output.above_threshold = findings.iter().filter(stands).count();
    outcome(&output, findings)
}

/// What there is to measure.
struct Work {
    changes: ChangeSet,
    contents: Contents,
    settings: CodeSettings,
    ignore: Globs,
    waivers: Waivers,
}

/// What came out.
enum Report {
    Measured { output: CheckQualityOutput, findings: Vec<Finding>, listed: Vec<FunctionRecord> },
    NothingToMeasure,
    NotMeasured { reason: &'static str, findings: Vec<Finding> },
}

/// A changed file as it is now, with its functions.
struct After<'a> {
    change: &'a FileChange,
    content: Vec<u8>,
    owner: Owner,
    functions: Vec<Function>,
}

/// A file as it was.
struct Before {
    path: String,
    content: Vec<u8>,
    functions: Vec<Function>,
}

impl Work {
    fn measure(&self, stop: &AtomicBool) -> Result<Report, AgentError> {
        let wanted: HashMap<&str, &FileChange> = self
            .changes
            .files
            .iter()
            .filter(|f| f.is_readable() && measure::is_measured(&f.path))
            .filter(|f| !self.ignore.covers(&f.path))
            .map(|f| (f.path.as_str(), f))
            .collect();
        if wanted.is_empty() {
            return Ok(Report::NothingToMeasure);
        }
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        self.contents.visit(
            |path| wanted.contains_key(path),
            |path, content| {
                files.extend(content.map(|content| (path.to_owned(), content.to_vec())));
                work::check(stop)
            },
        )?;
        files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if files.is_empty() {
            let reason = "every changed file is larger than 1 MiB or a link";
            return Ok(Report::NotMeasured { reason, findings: Vec::new() });
        }
        let owners = Owners::new()?;
        let measured = work::each(&files, stop, |(path, content)| {
            let owner = owners.of(path, content);
            let functions = match owner {
                Owner::Generated | Owner::Vendored => Ok(Vec::new()),
                Owner::Own | Owner::Tests => measure::functions(path, content),
            };
            (owner, functions)
        })?;
        let mut findings = Vec::new();
        let mut after = Vec::new();
        for ((path, content), (owner, functions)) in files.into_iter().zip(measured) {
            let Some(change) = wanted.get(path.as_str()).copied() else { continue };
            match functions {
                Ok(functions) => after.push(After { change, content, owner, functions }),
                Err(reason) => {
                    let text = format!("the file cannot be measured: {reason}");
                    let finding = Finding::new(codes::QUALITY_NOT_CHECKED, Severity::Info, text);
                    findings.push(finding.at(&path, None, None));
                }
            }
        }
        if after.is_empty() {
            let reason = "no changed file can be measured";
            return Ok(Report::NotMeasured { reason, findings });
        }
        let before = self.before(stop)?;
        let mut judged = Judged { work: self, after: &after, before: &before, findings };
        let (mut output, listed) = judged.functions();
        judged.repetitions(&mut output, stop)?;
        let mut findings = judged.findings;
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings.truncate(MAX_FINDINGS);
        Ok(Report::Measured { output, findings, listed })
    }

    /// The files of before that the change touched, from the bundle of the push.
    fn before(&self, stop: &AtomicBool) -> Result<Vec<Before>, AgentError> {
        if self.changes.base.is_none() {
            return Ok(Vec::new());
        }
        let files = self.contents.before(measure::is_measured)?;
        let measured = work::each(&files, stop, |(path, content)| {
            // What could not be measured before has nothing to be compared with.
            measure::functions(path, content).unwrap_or_default()
        })?;
        let files = files.into_iter().zip(measured);
        Ok(files.map(|((path, content), functions)| Before { path, content, functions }).collect())
    }
}

/// Both sides, and what is found.
struct Judged<'a> {
    work: &'a Work,
    after: &'a [After<'a>],
    before: &'a [Before],
    findings: Vec<Finding>,
}

impl<'a> Judged<'a> {
    /// Path that a file had before; none for a new one.
    fn old_path(&self, change: &'a FileChange) -> Option<&'a str> {
        match change.kind {
            ChangeKind::Added if change.old_path.is_none() => None,
            _ => Some(change.old_path.as_deref().unwrap_or(&change.path)),
        }
    }

    fn functions(&mut self) -> (CheckQualityOutput, Vec<FunctionRecord>) {
        let known: HashSet<&str> = self.before.iter().map(|file| file.path.as_str()).collect();
        let before: Vec<Placed<'_>> = self
            .before
            .iter()
            .flat_map(|file| {
                let path = Some(file.path.as_str());
                file.functions.iter().map(move |function| Placed { path, function })
            })
            .collect();
        let places: Vec<(&After<'_>, &Function)> = self
            .after
            .iter()
            .flat_map(|file| file.functions.iter().map(move |function| (file, function)))
            .collect();
        let after: Vec<Placed<'_>> = places
            .iter()
            .map(|(file, function)| Placed { path: self.old_path(file.change), function })
            .collect();
        let mut output = CheckQualityOutput::default();
        let mut listed = Vec::new();
        let count = |owner| self.after.iter().filter(|file| file.owner == owner).count();
        output.not_judged = count(Owner::Generated) + count(Owner::Vendored);
        for ((file, function), origin) in places.iter().zip(pairs::origins(&before, &after)) {
            let before = origin.before().and_then(|n| before.get(n));
            if matches!(origin, Origin::Same(_)) {
                continue;
            }
            // A file of which it is not known what it was: only what is new to the last line.
            let old = self.old_path(file.change).filter(|path| !known.contains(path));
            if old.is_some() && origin == Origin::New && !is_all_new(file.change, function.lines) {
                continue;
            }
            let (table, thresholds) = thresholds(&self.work.settings, file.owner, function);
            let touched = Touched {
                path: &file.change.path,
                function,
                origin,
                before: before.map(|placed| placed.function),
                table,
                thresholds: &thresholds,
                is_suite: is_suite(file, function),
            };
            let mut findings = touched.findings();
            let state = touched.state(&findings);
            self.work.waivers.apply(&mut findings);
            let is_bad = findings.iter().any(|finding| finding.waived.is_none());
            add(&mut output, state, function, is_bad);
            if listed.len() < MAX_LISTED {
                listed.push(FunctionRecord {
                    path: file.change.path.clone(),
                    name: pact_agent::text::truncated(&function.name, 200),
                    line: function.lines.start,
                    state,
                    from: before
                        .filter(|placed| {
                            placed.path != Some(file.change.path.as_str())
                                || placed.function.name != function.name
                        })
                        .map(|placed| {
                            format!("{}: {}", placed.path.unwrap_or_default(), placed.function.name)
                        }),
                    now: function.metrics,
                    before: before.map(|placed| placed.function.metrics),
                });
            }
            self.findings.extend(findings);
        }
        (output, listed)
    }

    fn repetitions(
        &mut self,
        output: &mut CheckQualityOutput,
        stop: &AtomicBool,
    ) -> Result<(), AgentError> {
        work::check(stop)?;
        let length = self.work.settings.max_duplicate_tokens as usize;
        let before: Vec<(&str, &[u8])> = self
            .before
            .iter()
            .filter_map(|file| Some((languages::of(&file.path)?, file.content.as_slice())))
            .collect();
        let after: Vec<Changed<'_>> = self
            .after
            .iter()
            .filter(|file| file.owner == Owner::Own)
            .filter_map(|file| {
                let own = file.functions.iter().filter(|function| !function.in_tests);
                Some(Changed {
                    path: &file.change.path,
                    content: &file.content,
                    language: languages::of(&file.change.path)?,
                    added: &file.change.added_lines,
                    functions: own.map(|function| function.lines).collect(),
                })
            })
            .collect();
        let Some(mut search) = Search::new(length, &before, &after) else {
            let text = "the change is too large to be searched for repetition";
            self.findings.push(Finding::new(codes::QUALITY_NOT_CHECKED, Severity::Info, text));
            return Ok(());
        };
        if search.wants_rest() {
            self.read_rest(&mut search, &after, stop)?;
        }
        for repetition in search.found() {
            let text = format!(
                "{} tokens up to line {} are the same as at {}",
                repetition.tokens, repetition.lines.end, repetition.of
            );
            let mut finding = Finding::new(codes::DUPLICATE_CODE, Severity::Low, text)
                .at(&repetition.path, Some(repetition.lines.start), None)
                .remedy(
                    "use the one from the other, or raise code.max_duplicate_tokens in pact.toml",
                )
                .evidence(format!("value {}, threshold {length}", repetition.tokens));
            self.work.waivers.apply(std::slice::from_mut(&mut finding));
            output.duplicates += usize::from(finding.waived.is_none());
            self.findings.push(finding);
        }
        Ok(())
    }

    /// Looks for what the change repeats in what it left alone.
    fn read_rest(
        &mut self,
        search: &mut Search<'_>,
        after: &[Changed<'_>],
        stop: &AtomicBool,
    ) -> Result<(), AgentError> {
        let languages: HashSet<&str> = after.iter().map(|file| file.language).collect();
        let changed: HashSet<&str> =
            self.work.changes.files.iter().map(|file| file.path.as_str()).collect();
        let mut bytes = 0usize;
        let source = self.work.contents.source().filter(|source| source.len() <= MAX_BUNDLE);
        if let Some(source) = source {
            let owners = Owners::new()?;
            let wanted = |path: &str| {
                languages::of(path).is_some_and(|language| languages.contains(language))
                    && !changed.contains(path)
                    && !self.work.ignore.covers(path)
                    && owners.of(path, b"") == Owner::Own
            };
            bundle::visit_files(source, MAX_FILE, wanted, |path, content| {
                work::check(stop)?;
                let Some(content) = content else { return Ok(()) };
                bytes = bytes.saturating_add(content.len());
                if bytes <= MAX_REST && owners.of(path, content) == Owner::Own {
                    search.rest(path, languages::of(path).unwrap_or_default(), content);
                }
                Ok(())
            })?;
        }
        if source.is_none() || bytes > MAX_REST {
            let text =
                "the repository is too large to be searched whole for what the change repeats";
            self.findings.push(Finding::new(codes::QUALITY_NOT_CHECKED, Severity::Info, text));
        }
        Ok(())
    }
}

fn add(output: &mut CheckQualityOutput, state: FunctionState, function: &Function, bad: bool) {
    match state {
        FunctionState::New => output.new += 1,
        FunctionState::Changed => output.changed += 1,
        FunctionState::Moved => output.moved += 1,
        FunctionState::Better => output.better += 1,
        FunctionState::Worse => output.worse += 1,
    }
    if state == FunctionState::Moved {
        return;
    }
    output.functions += 1;
    output.complex += usize::from(bad);
    output.max_cyclomatic = output.max_cyclomatic.max(function.metrics.cyclomatic);
    output.max_cognitive = output.max_cognitive.max(function.metrics.cognitive);
}

/// The thresholds of a function, with the table of pact.toml that has them.
fn thresholds(
    settings: &CodeSettings,
    owner: Owner,
    function: &Function,
) -> (&'static str, CodeThresholds) {
    if owner == Owner::Tests || function.in_tests {
        ("code.tests", settings.tests)
    } else {
        ("code", settings.thresholds())
    }
}

fn is_all_new(change: &FileChange, lines: LineRange) -> bool {
    change.added_lines.iter().any(|range| range.start <= lines.start && lines.end <= range.end)
}

/// Whether the length of the function says nothing: a suite of tests holds its tests.
fn is_suite(file: &After<'_>, function: &Function) -> bool {
    file.owner == Owner::Tests
        && matches!(languages::of(&file.change.path), Some("JavaScript" | "TypeScript"))
        && !function.is_named()
}

fn outcome(output: &CheckQualityOutput, findings: Vec<Finding>) -> Result<Outcome, AgentError> {
    let functions = match output.functions {
        0 => "no function changed".to_owned(),
        1 => "1 function changed".to_owned(),
        n => format!("{n} functions changed"),
    };
    let mut parts = Vec::new();
    for (number, what) in [(output.better, "better"), (output.moved, "moved as they were")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    match output.not_judged {
        0 => {}
        1 => parts.push("1 generated or vendored file not judged".to_owned()),
        n => parts.push(format!("{n} generated or vendored files not judged")),
    }
    let rest = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let (status, verdict) = if output.above_threshold > 0 {
        let mut bad = Vec::new();
        if output.complex > 0 {
            let are = if output.complex == 1 { "is" } else { "are" };
            bad.push(format!("{} {are} new or worse above a threshold", output.complex));
        }
        match output.duplicates {
            0 => {}
            1 => bad.push("1 piece of code is repeated".to_owned()),
            n => bad.push(format!("{n} pieces of code are repeated")),
        }
        (StageStatus::Failed, bad.join(", "))
    } else {
        (StageStatus::Passed, "none is new or worse above a threshold".to_owned())
    };
    let summary = if output.functions == 0 && output.above_threshold == 0 {
        format!("{functions}{rest}")
    } else {
        format!("{functions}, {verdict}{rest}")
    };
    let summary = match waivers::told(&findings) {
        Some(waived) => format!("{summary}; {waived}"),
        None => summary,
    };
    Ok(Outcome::new(status, summary, output)?.with_findings(findings))
}
