//! From what came of each suite to the verdict of the stage: every one of them has to have passed.

use pact_agent::{AgentError, Outcome, text::truncated};
use pact_contract::{
    Finding, Severity, StageStatus,
    actions::{RunTestsOutput, SuiteOutput},
    codes,
};

use crate::{
    capture::{Captured, Printed},
    cases::Listed,
    collector::Collector,
    history::{self, History},
    lines::count,
    reports::{self, Counts, Unread},
    runners::{Built, Ended, Execution, Part},
    setup,
    verdict::{self, Evidence, Judgement},
};

/// Most findings of all suites together.
const FINDINGS: usize = 200;
/// Most tools of all suites together.
const MOST_TOOLS: usize = 20;
/// Suites that are named in one sentence, and how long what is said of each may be.
const NAMED: usize = 5;
const SAID: usize = 200;

/// What a report says that was printed, where the lines themselves say nothing.
///
/// # Errors
/// Why one that was printed cannot be read: what is in it is not known.
fn printed(captured: &Captured) -> Result<Option<Counts>, String> {
    if captured.summary.seen {
        return Ok(None);
    }
    match captured.report() {
        Printed::Nothing => Ok(None),
        Printed::Cut => Err("the report that was printed is not there whole".to_owned()),
        Printed::Whole(report) => match reports::read(report.as_bytes(), report.len() as u64) {
            Ok(counts) => Ok(Some(counts)),
            Err(Unread::Broken(reason) | Unread::Foreign(reason)) => {
                Err(format!("cannot read the report that was printed: {reason}"))
            }
        },
    }
}

/// The verdict, which may still change in the light of what there was before.
pub(crate) struct Judged {
    judgement: Judgement,
    not_applicable: bool,
}

/// The verdict.
pub(crate) fn conclude(ended: Ended, collector: &Collector<'_>) -> Judged {
    let Ended { parts, unknown, left_out, built, skipped, none } = ended;
    let judged = match (skipped, <[Part; 1]>::try_from(parts)) {
        (Some(reason), _) => Judged { judgement: nothing(reason), not_applicable: none },
        (None, Ok([part])) if unknown.is_empty() => only(part),
        (None, Ok([part])) => several(vec![part], &unknown),
        (None, Err(parts)) => several(parts, &unknown),
    };
    let Judged { mut judgement, not_applicable } = with_builds(judged, built);
    judgement.findings.truncate(FINDINGS);
    for note in &collector.notes {
        judgement.findings.push(unreadable(note.clone()));
    }
    if let Some(without) = &collector.without {
        let message = format!("the tests ran without a protection of this machine: {without}");
        let finding = Finding::new(codes::BUILD_UNPROTECTED, Severity::Low, message)
            .remedy("let the kernel give namespaces to users, or run where it does");
        judgement.findings.push(finding);
    }
    if !left_out.is_empty() {
        let message = format!("left out: {}", listed(&left_out));
        let finding = Finding::new(codes::SUITES_LEFT_OUT, Severity::Info, message)
            .remedy("name them in [[tests.suites]] of pact.toml to have them run");
        judgement.findings.push(finding);
    }
    judgement.output.image.clone_from(&collector.image);
    judgement.output.log_key.clone_from(&collector.log_key);
    judgement.output.coverage_keys.clone_from(&collector.coverage_keys);
    Judged { judgement, not_applicable }
}

impl Judged {
    /// Says which suites are gone or have shrunk; without those that are gone it has not passed.
    pub(crate) fn compare(&mut self, history: &History, gone: &[String]) {
        let output = &self.judgement.output;
        self.judgement.findings.extend(history.fewer(&output.suites));
        if !gone.is_empty() {
            self.miss(&history::said(gone, Some(history.since())));
        }
    }

    /// Says what is missed.
    pub(crate) fn miss(&mut self, said: &str) {
        let Judgement { status, summary, findings, .. } = &mut self.judgement;
        findings.insert(0, history::finding(said));
        summary.push_str(&format!("; {said}"));
        *status = history::without(*status);
        self.not_applicable = false;
    }

    pub(crate) fn passed(&self) -> bool {
        self.judgement.status == StageStatus::Passed
    }

    /// The single tests, with how many there are by the verdict's count.
    pub(crate) fn take_tests(&mut self) -> (Listed, Option<u64>) {
        (std::mem::take(&mut self.judgement.tests), self.judgement.output.total)
    }

    /// Says where they are kept.
    pub(crate) fn tests_are_at(&mut self, key: String) {
        self.judgement.output.tests_key = Some(key);
    }

    pub(crate) fn suites(&self) -> Vec<SuiteOutput> {
        self.judgement.output.suites.clone()
    }

    /// # Errors
    /// It cannot be written.
    pub(crate) fn outcome(self) -> Result<Outcome, AgentError> {
        let Judged { judgement, not_applicable } = self;
        let outcome = Outcome::new(judgement.status, judgement.summary, &judgement.output)?;
        Ok(Outcome { not_applicable, ..outcome.with_findings(judgement.findings) })
    }
}

/// What was built beside the tests: without it the stage has not passed.
fn with_builds(judged: Judged, built: Vec<Built>) -> Judged {
    let Judged { mut judgement, mut not_applicable } = judged;
    for built in built {
        match built {
            Built::Well(built) => judgement.output.built.push(*built),
            Built::Failed(finding) => {
                let summary = truncated(&finding.message, SAID);
                judgement.summary =
                    format!("the release was not built: {summary}; {}", judgement.summary);
                judgement.status = StageStatus::Failed;
                judgement.findings.insert(0, *finding);
                not_applicable = false;
            }
            Built::Not(reason) => {
                judgement.summary =
                    format!("the release was not built: {reason}; {}", judgement.summary);
                judgement.status = history::without(judgement.status);
                not_applicable = false;
            }
        }
    }
    Judged { judgement, not_applicable }
}

fn unreadable(note: String) -> Finding {
    Finding::new(codes::REPORT_UNREADABLE, Severity::Low, note)
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

fn only(part: Part) -> Judged {
    let not_applicable = matches!(part.execution, Execution::NoTests(_));
    let name = part.name.clone();
    let mut judgement = judge(part);
    judgement.output.suites = vec![line(&name, &judgement)];
    Judged { judgement, not_applicable }
}

fn several(parts: Vec<Part>, unknown: &[String]) -> Judged {
    let judged: Vec<(String, Judgement)> =
        parts.into_iter().map(|part| (part.name.clone(), judge(part))).collect();
    let of = |status: StageStatus| judged.iter().filter(move |(_, j)| j.status == status);
    let failed = of(StageStatus::Failed).count();
    let skipped = of(StageStatus::Skipped).count();
    let status = if failed > 0 {
        StageStatus::Failed
    } else if skipped > 0 || !unknown.is_empty() || judged.is_empty() {
        StageStatus::Skipped
    } else {
        StageStatus::Passed
    };
    let sum = |of: fn(&RunTestsOutput) -> Option<u64>| {
        judged.iter().filter_map(|(_, j)| of(&j.output)).reduce(u64::saturating_add)
    };
    let (total, bad, left) = (sum(|o| o.total), sum(|o| o.failed), sum(|o| o.skipped));
    let (flaky, expected) = (sum(|o| o.flaky), sum(|o| o.expected));
    let numbers = verdict::numbers(
        total.unwrap_or(0),
        bad.unwrap_or(0),
        left.unwrap_or(0),
        expected.unwrap_or(0),
    );
    let suites = count(judged.len() as u64, "suite");
    let told = |status: StageStatus| {
        let told: Vec<_> = of(status)
            .map(|(name, j)| format!("{name}: {}", truncated(&j.summary, SAID)))
            .take(NAMED)
            .collect();
        told.join("; ")
    };
    let mut summary = match status {
        StageStatus::Failed => {
            let not = match skipped {
                0 => String::new(),
                _ => format!("; not checked: {}", told(StageStatus::Skipped)),
            };
            format!("{failed} of {suites} failed, {numbers}; {}{not}", told(StageStatus::Failed))
        }
        StageStatus::Skipped if skipped > 0 => {
            let were = if skipped == 1 { "was" } else { "were" };
            format!(
                "{skipped} of {suites} {were} not checked, {numbers}; {}",
                told(StageStatus::Skipped)
            )
        }
        _ => {
            let names: Vec<_> = judged.iter().map(|(name, _)| name.clone()).collect();
            format!("{numbers} in {suites} ({})", listed(&names))
        }
    };
    if !unknown.is_empty() {
        summary.push_str(&format!("; not run, as how is not known: {}", listed(unknown)));
    }
    let outputs = || judged.iter().map(|(_, j)| &j.output);
    let evidence = ["junit", "output", "exit_code"];
    let weakest = outputs().filter_map(|o| evidence.iter().position(|e| *e == o.evidence)).max();
    let join = |of: fn(&RunTestsOutput) -> &String, with: &str| {
        // Of a suite that was not run there is none.
        let texts = outputs().map(|o| of(o).as_str()).filter(|text| !text.is_empty());
        let mut texts: Vec<&str> = texts.collect();
        texts.dedup();
        truncated(&texts.join(with), 500)
    };
    let mut tools: Vec<String> = outputs().flat_map(|o| o.tools.iter().cloned()).collect();
    tools.sort_unstable();
    tools.dedup();
    tools.truncate(MOST_TOOLS);
    let output = RunTestsOutput {
        tools,
        runner: join(|o| &o.runner, ", "),
        command: join(|o| &o.command, "; "),
        evidence: weakest.and_then(|at| evidence.get(at)).copied().unwrap_or_default().to_owned(),
        total,
        failed: bad,
        skipped: left,
        flaky,
        expected,
        exit_code: outputs()
            .find_map(|o| o.exit_code.filter(|c| *c != 0))
            .or_else(|| outputs().all(|o| o.exit_code == Some(0)).then_some(0)),
        suites: judged.iter().map(|(name, judgement)| line(name, judgement)).collect(),
        ..RunTestsOutput::default()
    };
    let mut findings = Vec::new();
    let mut tests = Listed::default();
    for (_, judgement) in judged {
        findings.extend(judgement.findings);
        tests.add(judgement.tests);
    }
    if !unknown.is_empty() {
        let message = format!(
            "there are tests of which it is not known how to run them: {}",
            listed(unknown)
        );
        let finding = Finding::new(codes::TESTS_NOT_RUN, Severity::Medium, message)
            .remedy("name them in [[tests.suites]] of pact.toml, or leave them out");
        findings.push(finding);
    }
    let judgement = Judgement { status, summary, findings, output, tests };
    Judged { judgement, not_applicable: false }
}

/// A suite as it is kept.
fn line(name: &str, judgement: &Judgement) -> SuiteOutput {
    SuiteOutput {
        name: truncated(name, 200),
        status: judgement.status,
        summary: truncated(&judgement.summary, 300),
        runner: judgement.output.runner.clone(),
        total: judgement.output.total,
        failed: judgement.output.failed,
        skipped: judgement.output.skipped,
    }
}

/// Nothing was run, for this reason.
fn nothing(reason: String) -> Judgement {
    Judgement {
        status: StageStatus::Skipped,
        summary: reason,
        findings: Vec::new(),
        output: RunTestsOutput::default(),
        tests: Listed::default(),
    }
}

fn judge(mut part: Part) -> Judgement {
    let tools = std::mem::take(&mut part.tools);
    let mut judgement = judge_alone(part);
    judgement.output.tools = tools;
    judgement
}

fn judge_alone(part: Part) -> Judgement {
    match part.execution {
        Execution::NotRun(reason) | Execution::NoTests(reason) => nothing(reason),
        Execution::SetupFailed { tool, command, setup, output } => {
            setup::judge(&tool, &command, &setup, &output)
        }
        Execution::Ran(mut run) => {
            let mut unread = part.unread;
            let mut counts = part.counts;
            if counts.is_none() {
                match printed(&run.captured) {
                    Ok(found) => counts = found,
                    Err(reason) => unread.push(reason),
                }
            }
            let mut notes = part.notes;
            let in_reports = counts.iter_mut().flat_map(|counts| counts.failures.iter_mut());
            for failure in in_reports.chain(run.captured.summary.failures.iter_mut()) {
                failure.name = run.checkout.readable(&failure.name);
                failure.detail = run.checkout.readable(&failure.detail);
            }
            if counts.is_none() && unread.is_empty() && !part.reports.is_empty() {
                let patterns = part.reports.join(", ");
                notes.push(format!("no report of tests was written that matches {patterns}"));
            }
            let in_reports = counts.as_mut().map(|counts| std::mem::take(&mut counts.cases));
            let in_output = std::mem::take(&mut run.captured.summary.cases);
            let cases = in_reports.filter(|cases| !cases.is_empty()).unwrap_or(in_output);
            let mut judgement = verdict::judge(&Evidence {
                tool: &run.tool,
                command: &run.command,
                end: &run.end,
                took: run.took,
                timeout: part.timeout,
                captured: &run.captured,
                counts,
                unread: &unread,
                checkout: &run.checkout,
            });
            let notes = notes.into_iter().map(|note| unreadable(run.checkout.readable(&note)));
            let unread = unread.iter().map(|note| Finding {
                severity: Severity::Medium,
                ..unreadable(run.checkout.readable(note))
            });
            judgement.findings.extend(unread.chain(notes));
            judgement.tests = cases.of(&part.name, &run.checkout);
            judgement
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: StageStatus, total: Option<u64>, failed: u64) -> Part {
        use crate::{
            capture::Capture,
            locations::Checkout,
            runners::{End, Run},
        };
        let mut capture = Capture::default();
        if let Some(total) = total {
            let passed = total - failed;
            let text = format!("test result: ok. {passed} passed; {failed} failed; 0 ignored");
            capture.push(text.as_bytes());
        }
        let execution = match status {
            StageStatus::Skipped => Execution::NotRun("`x` is not installed".to_owned()),
            _ => Execution::Ran(Box::new(Run {
                tool: "cargo".to_owned(),
                command: "cargo test".to_owned(),
                end: End::Exited(Some(i32::from(failed > 0))),
                took: std::time::Duration::from_secs(1),
                captured: capture.finish(),
                checkout: Checkout::default(),
            })),
        };
        Part {
            name: format!("{status:?}").to_lowercase(),
            execution,
            timeout: std::time::Duration::from_secs(60),
            reports: Vec::new(),
            counts: None,
            notes: Vec::new(),
            unread: Vec::new(),
            tools: Vec::new(),
        }
    }

    #[test]
    fn every_suite_has_to_pass() {
        use StageStatus::{Failed, Passed, Skipped};
        let none: &[&str] = &[];
        for (parts, unknown, status, summary) in [
            (
                vec![(Passed, Some(2), 0), (Passed, Some(3), 0)],
                none,
                Passed,
                "5 tests passed in 2 suites (passed, passed)",
            ),
            (
                vec![(Passed, Some(2), 0), (Failed, Some(3), 1), (Skipped, None, 0)],
                none,
                Failed,
                "1 of 3 suites failed, 4 tests passed, 1 failed; failed: 2 tests passed, 1 failed in 1.0 s (cargo); not checked: skipped: `x` is not installed",
            ),
            (
                vec![(Passed, Some(2), 0), (Skipped, None, 0)],
                none,
                Skipped,
                "1 of 2 suites was not checked, 2 tests passed; skipped: `x` is not installed",
            ),
            (
                vec![(Passed, Some(2), 0)],
                &["app/mix.exs"],
                Skipped,
                "2 tests passed in 1 suite (passed); not run, as how is not known: app/mix.exs",
            ),
        ] {
            let parts = parts.into_iter().map(|(s, total, failed)| judged(s, total, failed));
            let unknown: Vec<String> = unknown.iter().map(|u| (*u).to_owned()).collect();
            let Judged { judgement, not_applicable } = several(parts.collect(), &unknown);
            assert_eq!((judgement.status, judgement.summary.as_str()), (status, summary));
            assert_eq!(judgement.output.runner, "cargo");
            assert!(!not_applicable);
        }
    }
}
