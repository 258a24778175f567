//! From what a command did to a verdict: pure judgement, no processes and no files.

use std::time::Duration;

use pact_agent::text::truncated;
use pact_contract::{Finding, Severity, StageStatus, actions::RunTestsOutput, codes};

use crate::{
    capture::{Captured, last_lines},
    cases::Listed,
    lines::count,
    locations::Checkout,
    output::{Failure, MAX_FAILURES},
    reports::Counts,
    runners::End,
};

/// Exit code of pytest, and of newer versions of unittest, when there was nothing to run.
const PYTHON_NO_TESTS: i32 = 5;

/// Flaky tests that are named in one sentence.
const NAMED: usize = 10;

/// What is known about a run.
pub(crate) struct Evidence<'a> {
    /// `configured`, or the name of the detected tool.
    pub(crate) tool: &'a str,
    /// The command as text.
    pub(crate) command: &'a str,
    pub(crate) end: &'a End,
    pub(crate) took: Duration,
    pub(crate) timeout: Duration,
    pub(crate) captured: &'a Captured,
    /// From reports, where there were any.
    pub(crate) counts: Option<Counts>,
    /// Reports that should have been read and were not, and why.
    pub(crate) unread: &'a [String],
    pub(crate) checkout: &'a Checkout,
}

/// The verdict with its reasons; keys of artifacts are still missing in the output.
pub(crate) struct Judgement {
    pub(crate) status: StageStatus,
    pub(crate) summary: String,
    pub(crate) findings: Vec<Finding>,
    pub(crate) output: RunTestsOutput,
    /// Its tests one by one.
    pub(crate) tests: Listed,
}

/// The numbers that are believed, with where they come from.
struct Numbers {
    evidence: &'static str,
    /// All of them.
    total: u64,
    failed: u64,
    skipped: u64,
    expected: u64,
    flaky: u64,
}

/// The verdict. What was not read is not known to have passed.
pub(crate) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judgement = judge_what_was_read(evidence);
    if let (StageStatus::Passed, [first, more @ ..]) = (judgement.status, evidence.unread) {
        let more =
            if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        judgement.status = StageStatus::Skipped;
        judgement.summary =
            format!("not everything was checked: {first}{more}; {}", judgement.summary);
    }
    judgement
}

fn judge_what_was_read(evidence: &Evidence<'_>) -> Judgement {
    let seen = &evidence.captured.summary;
    let numbers = match &evidence.counts {
        Some(counts) => Some(Numbers {
            evidence: "junit",
            total: counts.total,
            failed: counts.failed,
            skipped: counts.skipped,
            expected: counts.expected,
            flaky: counts.flaky,
        }),
        None => seen.seen.then(|| Numbers {
            evidence: "output",
            total: [seen.failed, seen.skipped, seen.expected]
                .into_iter()
                .fold(seen.passed, u64::saturating_add),
            failed: seen.failed,
            skipped: seen.skipped,
            expected: seen.expected,
            flaky: seen.flaky,
        }),
    };
    let code = match evidence.end {
        End::Exited(code) => *code,
        End::TimedOut | End::Exceeded(_) => None,
    };
    let output = RunTestsOutput {
        runner: evidence.tool.to_owned(),
        command: truncated(evidence.command, 500),
        evidence: numbers.as_ref().map_or("exit_code", |n| n.evidence).to_owned(),
        total: numbers.as_ref().map(|n| n.total),
        failed: numbers.as_ref().map(|n| n.failed),
        skipped: numbers.as_ref().map(|n| n.skipped),
        flaky: numbers.as_ref().map(|n| n.flaky).filter(|flaky| *flaky > 0),
        expected: numbers.as_ref().map(|n| n.expected).filter(|expected| *expected > 0),
        exit_code: code,
        ..RunTestsOutput::default()
    };

    let failures = match &evidence.counts {
        Some(counts) if !counts.failures.is_empty() => counts.failures.as_slice(),
        _ => seen.failures.as_slice(),
    };
    let in_time = format!("in {} ({})", seconds(evidence.took), evidence.tool);
    let counted = numbers.as_ref().map(Numbers::text);
    let tail = last_lines(&evidence.captured.text, 20, 2_000);

    let (status, summary, findings) = match (evidence.end, &numbers) {
        (End::TimedOut, _) => {
            let limit = seconds(evidence.timeout);
            let mut findings = vec![
                Finding::new(
                    codes::TESTS_TIMED_OUT,
                    Severity::High,
                    format!("`{}` did not end within {limit} and was stopped", evidence.command),
                )
                .remedy("find what hangs, or raise timeout_seconds of the command")
                .evidence(tail),
            ];
            findings.extend(failed_tests(failures, evidence.checkout));
            (StageStatus::Failed, format!("the tests did not end within {limit}"), findings)
        }
        (End::Exceeded(reason), _) => {
            let message = format!("`{}` was stopped: {reason}", evidence.command);
            let mut findings = vec![
                Finding::new(codes::TESTS_FAILED, Severity::High, message)
                    .remedy("make the tests take less")
                    .evidence(tail),
            ];
            findings.extend(failed_tests(failures, evidence.checkout));
            (StageStatus::Failed, format!("the tests were stopped: {reason}"), findings)
        }
        (End::Exited(Some(PYTHON_NO_TESTS)), numbers)
            if matches!(evidence.tool, "pytest" | "unittest")
                && numbers.as_ref().is_none_or(|n| n.ran() == 0) =>
        {
            (StageStatus::Skipped, no_test(evidence), Vec::new())
        }
        (End::Exited(Some(_)), None) if let Some(line) = missing_command(evidence) => (
            StageStatus::Skipped,
            format!("the tests were not run: a program is not installed ({line})"),
            Vec::new(),
        ),
        (End::Exited(Some(_)), None) if let Some(line) = unreachable(evidence) => {
            let finding = Finding::new(
                codes::TEST_SETUP_FAILED,
                Severity::Medium,
                format!("`{}` could not fetch what the tests need", evidence.command),
            )
            .remedy("make what the repository depends on reachable or cached here")
            .evidence(truncated(&tail, 2_000));
            let summary = format!(
                "the tests were not run: {} cannot fetch what they need ({line})",
                evidence.tool
            );
            (StageStatus::Skipped, summary, vec![finding])
        }
        (End::Exited(Some(0)), None) => (
            StageStatus::Passed,
            format!("the command succeeded {in_time}; how many tests ran is not known"),
            Vec::new(),
        ),
        (End::Exited(Some(0)), Some(n)) if n.failed == 0 && n.ran() == 0 => {
            (StageStatus::Skipped, no_test(evidence), Vec::new())
        }
        (End::Exited(Some(0)), Some(n)) if n.failed == 0 => {
            let unsteady = evidence.counts.as_ref().map(|counts| &*counts.unsteady);
            let findings = flaky(n.flaky, unsteady.unwrap_or_default());
            (StageStatus::Passed, format!("{} {in_time}", n.text()), findings)
        }
        (End::Exited(Some(0)), Some(n)) => {
            let mut findings = failed_tests(failures, evidence.checkout);
            if findings.is_empty() {
                let message =
                    format!("{} failed, though the command succeeded", count(n.failed, "test"));
                findings.push(
                    Finding::new(codes::TESTS_FAILED, Severity::High, message).evidence(tail),
                );
            }
            let summary = format!("{} {in_time}, though the command succeeded", n.text());
            (StageStatus::Failed, summary, findings)
        }
        (End::Exited(code), numbers) => {
            let ended = code.map_or_else(
                || "was ended by a signal".to_owned(),
                |code| format!("ended with exit code {code}"),
            );
            let mut findings = failed_tests(failures, evidence.checkout);
            if findings.is_empty() {
                let message = format!("`{}` {ended}", evidence.command);
                let place = evidence.checkout.find(&tail);
                let mut finding = Finding::new(codes::TESTS_FAILED, Severity::High, message)
                    .remedy("make the command end with exit code 0")
                    .evidence(tail);
                if let Some((path, line)) = place {
                    finding = finding.at(path, line, None);
                }
                findings.push(finding);
            }
            let summary = match (numbers, counted) {
                (Some(n), Some(text)) if n.failed > 0 => format!("{text} {in_time}"),
                (Some(n), Some(text)) if n.ran() > 0 => {
                    format!("the command {ended} although no test failed: {text} {in_time}")
                }
                _ if failures.is_empty() => {
                    format!("the command {ended} before any test was counted, {in_time}")
                }
                _ => format!("{} failed {in_time}", count(failures.len() as u64, "test")),
            };
            (StageStatus::Failed, summary, findings)
        }
    };
    Judgement { status, summary, findings, output, tests: Listed::default() }
}

/// Python's words for it.
const NO_PYTEST: &str = "No module named pytest";

/// The shell's words, when a script of a detected tool needs a program that is not there.
fn missing_command(evidence: &Evidence<'_>) -> Option<String> {
    let End::Exited(Some(code)) = *evidence.end else { return None };
    let by_shell = match evidence.tool {
        "npm" | "pnpm" => code == 127,
        "make" => code == 2 && evidence.captured.text.contains("] Error 127"),
        // What was locked does not have it.
        "pytest" => code == 1 && evidence.captured.text.trim_end().ends_with(NO_PYTEST),
        _ => false,
    };
    let signs = ["not found", "No such file", NO_PYTEST];
    let said = |line: &&str| signs.iter().any(|sign| line.contains(sign));
    let line = evidence.captured.text.lines().rev().find(said)?;
    by_shell.then(|| truncated(line.trim(), 200))
}

/// The line in which a detected tool says that a server did not answer which it needs before any
/// test: the commit is not to blame. What the server does not have is another matter.
fn unreachable(evidence: &Evidence<'_>) -> Option<String> {
    let signs: &[&str] = match evidence.tool {
        "maven" => &["Could not transfer artifact"],
        "gradle" => &[
            "UnknownHostException",
            "ConnectException",
            "SocketTimeoutException",
            "Unable to tunnel through proxy",
        ],
        "cargo" | "nextest" => &[
            "Could not resolve host",
            "Couldn't resolve host",
            "Could not connect to server",
            "CONNECT tunnel failed",
        ],
        "go" => &["dial tcp", "Bad Gateway"],
        _ => return None,
    };
    let text = &evidence.captured.text;
    // Code that does not compile is the commit's fault, whatever else was wrong.
    if text.contains("COMPILATION ERROR") {
        return None;
    }
    // From the sign on: what stands before it is the tool's own affair.
    let from = |line: &'_ str| {
        let at = signs.iter().filter_map(|sign| line.find(sign)).min()?;
        line.get(at..).map(|rest| truncated(rest.trim(), 200))
    };
    text.lines().find_map(from)
}

fn no_test(evidence: &Evidence<'_>) -> String {
    format!("`{}` succeeded but ran no test", truncated(evidence.command, 200))
}

/// What is said of tests that passed after they had failed.
fn flaky(number: u64, names: &[String]) -> Vec<Finding> {
    if number == 0 {
        return Vec::new();
    }
    let named = match names {
        [] => String::new(),
        names => {
            let more = number.saturating_sub(names.len().min(NAMED) as u64);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
            format!(": {}{more}", names.join(", "))
        }
    };
    let message = format!("{} passed only after it had failed{named}", count(number, "test"));
    let finding = Finding::new(codes::TEST_FLAKY, Severity::Low, truncated(&message, 500))
        .remedy("find what it depends on besides the code, or take it out until then");
    vec![finding]
}

impl Numbers {
    fn ran(&self) -> u64 {
        self.total.saturating_sub(self.skipped)
    }

    fn text(&self) -> String {
        let mut text = numbers(self.total, self.failed, self.skipped, self.expected);
        if self.flaky > 0 {
            text.push_str(&format!(" ({} flaky)", self.flaky));
        }
        text
    }
}

/// Numbers of tests as text: `total` are all of them.
pub(crate) fn numbers(total: u64, failed: u64, skipped: u64, expected: u64) -> String {
    let others = failed.saturating_add(skipped).saturating_add(expected);
    let passed = total.saturating_sub(others);
    let mut text = format!("{} passed", count(passed, "test"));
    if failed > 0 {
        text.push_str(&format!(", {failed} failed"));
    }
    if skipped > 0 {
        text.push_str(&format!(", {skipped} skipped"));
    }
    if expected > 0 {
        text.push_str(&format!(", {expected} failed as expected"));
    }
    text
}

fn failed_tests(failures: &[Failure], checkout: &Checkout) -> Vec<Finding> {
    failures
        .iter()
        .take(MAX_FAILURES)
        .map(|failure| {
            let said = headline(&failure.detail, &failure.name);
            let message = match &said {
                Some(said) => format!("{} failed: {said}", failure.name),
                None => format!("{} failed", failure.name),
            };
            let mut finding =
                Finding::new(codes::TEST_FAILED, Severity::High, truncated(&message, 500))
                    .remedy("make the test pass");
            if !failure.detail.is_empty() {
                finding = finding.evidence(evidence_of(&failure.detail, said.as_deref()));
            }
            let named = failure.file.as_deref().and_then(|f| checkout.relative(f));
            let in_name = failure.name.split("::").next().and_then(|f| checkout.relative(f));
            let in_text = checkout.find(&failure.detail);
            match (named.or(in_name), in_text) {
                // The text knows the line that failed, the report the line of the test.
                (Some(file), Some((path, line))) if file == path => finding.at(path, line, None),
                (Some(file), _) => finding.at(file, failure.line, None),
                (None, Some((path, line))) => finding.at(path, line, None),
                (None, None) => finding,
            }
        })
        .collect()
}

/// The part of `detail` that has its most telling line: the beginning, or else the end.
fn evidence_of(detail: &str, said: Option<&str>) -> String {
    const MAX: usize = 1_500;
    let begin = truncated(detail, MAX);
    let told = said.is_none_or(|said| begin.contains(said.trim_end_matches('…')));
    if told { begin } else { last_lines(detail, 20, MAX) }
}

/// The line of `detail` that says most: the assertion rather than the frames around it, a rule, or the
/// name of the test once more.
fn headline(detail: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = detail.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let is_place = |line: &str| {
        line.rsplit_once(':').is_some_and(|(file, number)| {
            file.contains(['.', '/'])
                && !file.contains(char::is_whitespace)
                && number.parse::<u32>().is_ok()
        })
    };
    let frame = |line: &&&str| {
        !line.contains(char::is_alphanumeric)
            || **line == name
            || is_place(line)
            || line.starts_with("thread '")
            || line.starts_with("Traceback ")
            || line.starts_with("File \"")
            || line.starts_with("at ")
            || line.starts_with("---")
            || line.starts_with("===")
    };
    if let Some(said) = diagnosed(detail) {
        return Some(truncated(&said, 300));
    }
    let python = detail.contains("Traceback (most recent call last)");
    let named = |line: &&&str| {
        line.split_once(':')
            .is_some_and(|(kind, _)| kind.ends_with("Error") || kind.ends_with("Exception"))
    };
    // How pytest marks what went wrong.
    let marked = lines.iter().find_map(|l| l.strip_prefix("E  "));
    if let Some(line) = marked {
        return Some(truncated(line.trim(), 300));
    }
    let line = if python {
        lines.iter().rev().find(named).or_else(|| lines.last())
    } else {
        lines.iter().find(|l| !frame(l))
    };
    line.map(|l| truncated(l, 300))
}

/// What the block of diagnostics below a test of TAP says went wrong: `error: 'boom'`, or the lines
/// below `error: |-`.
fn diagnosed(detail: &str) -> Option<String> {
    let mut lines = detail.lines().skip_while(|line| line.trim().is_empty());
    let opened = lines.next()?;
    if opened.trim() != "---" {
        return None;
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(opened);
    let (rest, value) = loop {
        let line = lines.next()?;
        let key = ["error:", "message:"].iter().find_map(|key| line.trim().strip_prefix(key));
        if let Some(value) = key.filter(|_| indent(line) == own) {
            break (lines, value.trim());
        }
    };
    let said = if value.is_empty() || value.starts_with(['|', '>']) {
        let block = rest.take_while(|line| line.trim().is_empty() || indent(line) > own);
        block.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    } else {
        let quoted = |sign: char| value.strip_prefix(sign)?.strip_suffix(sign);
        quoted('\'').or_else(|| quoted('"')).unwrap_or(value).to_owned()
    };
    (!said.is_empty()).then_some(said)
}

fn seconds(time: Duration) -> String {
    if time.as_secs() >= 60 && time.subsec_millis() == 0 {
        return format!("{} s", time.as_secs());
    }
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Capture;

    fn judged(end: End, output: &str, junit: Option<(u64, u64, u64)>, tool: &str) -> Judgement {
        let mut capture = Capture::default();
        capture.push(output.as_bytes());
        judge(&Evidence {
            tool,
            command: "run the tests",
            end: &end,
            took: Duration::from_millis(3_400),
            timeout: Duration::from_secs(600),
            captured: &capture.finish(),
            counts: junit.map(|(total, failed, skipped)| Counts {
                total,
                failed,
                skipped,
                ..Counts::default()
            }),
            unread: &[],
            checkout: &Checkout::default(),
        })
    }

    #[test]
    fn verdicts_follow_the_exit_code_and_never_trust_silence() {
        use StageStatus::{Failed, Passed, Skipped};
        let ok = "test result: ok. 3 passed; 0 failed; 1 ignored";
        let none = "test result: ok. 0 passed; 0 failed; 0 ignored";
        let bad = "test result: FAILED. 2 passed; 1 failed; 0 ignored";
        for (end, output, junit, runner, expected, summary) in [
            (
                End::Exited(Some(0)),
                ok,
                None,
                "cargo",
                Passed,
                "3 tests passed, 1 skipped in 3.4 s (cargo)",
            ),
            (
                End::Exited(Some(0)),
                none,
                None,
                "cargo",
                Skipped,
                "`run the tests` succeeded but ran no test",
            ),
            (
                End::Exited(Some(0)),
                "",
                None,
                "make",
                Passed,
                "the command succeeded in 3.4 s (make); how many tests ran is not known",
            ),
            (
                End::Exited(Some(0)),
                ok,
                Some((2, 1, 0)),
                "make",
                Failed,
                "1 test passed, 1 failed in 3.4 s (make), though the command succeeded",
            ),
            (
                End::Exited(Some(0)),
                "",
                Some((2, 0, 2)),
                "make",
                Skipped,
                "`run the tests` succeeded but ran no test",
            ),
            (
                End::Exited(Some(0)),
                bad,
                None,
                "make",
                Failed,
                "2 tests passed, 1 failed in 3.4 s (make), though the command succeeded",
            ),
            (
                End::Exited(Some(101)),
                bad,
                None,
                "cargo",
                Failed,
                "2 tests passed, 1 failed in 3.4 s (cargo)",
            ),
            (
                End::Exited(Some(2)),
                ok,
                None,
                "cargo",
                Failed,
                "the command ended with exit code 2 although no test failed: 3 tests passed, 1 skipped in 3.4 s (cargo)",
            ),
            (
                End::Exited(Some(101)),
                "error",
                None,
                "cargo",
                Failed,
                "the command ended with exit code 101 before any test was counted, in 3.4 s (cargo)",
            ),
            (
                End::Exited(None),
                "",
                None,
                "npm",
                Failed,
                "the command was ended by a signal before any test was counted, in 3.4 s (npm)",
            ),
            (
                End::Exited(Some(5)),
                "no tests ran in 0.01s",
                None,
                "pytest",
                Skipped,
                "`run the tests` succeeded but ran no test",
            ),
            (
                End::Exited(Some(5)),
                "",
                None,
                "configured",
                Failed,
                "the command ended with exit code 5 before any test was counted, in 3.4 s (configured)",
            ),
            (
                End::Exited(Some(127)),
                "sh: 1: jest: not found",
                None,
                "npm",
                Skipped,
                "the tests were not run: a program is not installed (sh: 1: jest: not found)",
            ),
            (
                End::Exited(Some(2)),
                "gcc: not found\nmake: *** [Makefile:2: test] Error 127",
                None,
                "make",
                Skipped,
                "the tests were not run: a program is not installed (gcc: not found)",
            ),
            (
                End::Exited(Some(1)),
                "/t/bin/python: No module named pytest",
                None,
                "pytest",
                Skipped,
                "the tests were not run: a program is not installed (/t/bin/python: No module named pytest)",
            ),
            (
                End::Exited(Some(4)),
                "ImportError while loading conftest 'tests/conftest.py'.\nE   ModuleNotFoundError: No module named 'urllib3'",
                None,
                "pytest",
                Failed,
                "the command ended with exit code 4 before any test was counted, in 3.4 s (pytest)",
            ),
            (
                End::Exited(Some(1)),
                "[ERROR] Non-resolvable parent POM: Could not transfer artifact a:b:pom:1 from/to central: Unknown host",
                None,
                "maven",
                Skipped,
                "the tests were not run: maven cannot fetch what they need (Could not transfer artifact a:b:pom:1 from/to central: Unknown host)",
            ),
            (
                End::Exited(Some(1)),
                "[ERROR] Could not find artifact a:b:pom:1 in central",
                None,
                "maven",
                Failed,
                "the command ended with exit code 1 before any test was counted, in 3.4 s (maven)",
            ),
            (
                End::Exited(Some(1)),
                "[ERROR] COMPILATION ERROR\n[ERROR] Could not transfer artifact a:b:pom:1",
                None,
                "maven",
                Failed,
                "the command ended with exit code 1 before any test was counted, in 3.4 s (maven)",
            ),
            (
                End::Exited(Some(1)),
                "Exception in thread \"main\" java.net.UnknownHostException: services.gradle.org",
                None,
                "gradle",
                Skipped,
                "the tests were not run: gradle cannot fetch what they need (UnknownHostException: services.gradle.org)",
            ),
            (End::TimedOut, ok, None, "cargo", Failed, "the tests did not end within 600 s"),
        ] {
            let judgement = judged(end, output, junit, runner);
            assert_eq!(judgement.summary, summary);
            assert_eq!(judgement.status, expected, "{summary}");
            let grave = judgement.findings.iter().any(|f| f.severity == Severity::High);
            assert_eq!(grave, expected == Failed, "{summary}");
        }
    }

    #[test]
    fn evidence_has_the_line_that_says_most() {
        let frames = "    frame of the test tool\n".repeat(200);
        let late = format!("{frames}E   Warning: not a list\n");
        assert!(evidence_of(&late, headline(&late, "late").as_deref()).contains("not a list"));
        let early = format!("assertion failed: x\n{frames}");
        assert!(
            evidence_of(&early, headline(&early, "early").as_deref())
                .starts_with("assertion failed")
        );
    }

    #[test]
    fn the_line_that_says_most_heads_a_finding() {
        for (detail, expected) in [
            (
                "thread 'a' panicked at src/lib.rs:7:9:\nassertion failed: x",
                Some("assertion failed: x"),
            ),
            (
                "Traceback (most recent call last):\n  File \"a.py\", line 1, in t\n    boom()\nValueError: no\n",
                Some("ValueError: no"),
            ),
            (
                "collection failure\n  x.py:1: in <module>\nE   ImportError: no\n",
                Some("ImportError: no"),
            ),
            ("  ─\n\n  adds\n\n  test.js:4\n\n   3: t.is(1,2)\n", Some("3: t.is(1,2)")),
            (
                "  ---\n  duration_ms: 6.2\n  location: 'a.js:1:61'\n  error: |-\n    Expected values to be strictly \
                 equal:\n    \n    1 !== 2\n  code: 'ERR_ASSERTION'\n  ...",
                Some("Expected values to be strictly equal: 1 !== 2"),
            ),
            ("---\nduration_ms: 1\nerror: 'boom'\ncode: 'E'", Some("boom")),
            ("---\nmessage: \"boom\"\nat: \"t.js:3\"\n...", Some("boom")),
            ("---\noperator: equal\nexpected: 1\n", Some("operator: equal")),
            ("", None),
        ] {
            assert_eq!(headline(detail, "adds").as_deref(), expected, "{detail}");
        }
    }
}
