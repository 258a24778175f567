//! What the tools say about their tests on their own output, line by line.
//!
//! Used where a tool writes no report. Counts are sums over all summaries, since one command can
//! run several tools, and one tool several test programs.

use std::collections::HashSet;

use pact_agent::text::truncated;

/// Failing tests that are kept.
pub(crate) const MAX_FAILURES: usize = 200;
/// Lines of detail that are kept for one failing test.
const DETAIL_LINES: usize = 14;

/// One failing test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Name as the tool writes it.
    pub(crate) name: String,
    /// What the tool says about it; may be empty.
    pub(crate) detail: String,
    /// File as the tool names it.
    pub(crate) file: Option<String>,
    /// Line in that file.
    pub(crate) line: Option<u32>,
}

/// Sums over a whole output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Whether any summary was seen at all.
    pub(crate) seen: bool,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// The tests that failed, bounded.
    pub(crate) failures: Vec<Failure>,
}

/// Reads output line by line.
#[derive(Default)]
pub(crate) struct Scanner {
    summary: Summary,
    names: HashSet<String>,
    /// Failure whose detail the coming lines are, and how many of them are kept already.
    detail: Option<(usize, usize)>,
    /// Inside a block of totals of Node's test runner (or of TAP).
    node_totals: bool,
    /// Inside the list of failing tests of Node's test runner.
    node_failures: bool,
    /// Number of tests of unittest's last `Ran` line.
    unittest: Option<u64>,
    /// Inside a verbose run of `go test`.
    go: bool,
}

impl Scanner {
    /// Takes one line without its end.
    pub(crate) fn line(&mut self, line: &str) {
        let text = line.trim();
        if text.is_empty() {
            return;
        }
        let known = self.cargo(text)
            || self.pytest(text)
            || self.unittest(text)
            || self.node(line)
            || self.mocha_or_jest(text)
            || self.go(line)
            || self.surefire(text);
        if !known {
            self.add_detail(line);
        }
    }

    /// The sums.
    pub(crate) fn finish(self) -> Summary {
        self.summary
    }

    fn add(&mut self, passed: u64, failed: u64, skipped: u64) {
        let sum = &mut self.summary;
        sum.seen = true;
        sum.passed = sum.passed.saturating_add(passed);
        sum.failed = sum.failed.saturating_add(failed);
        sum.skipped = sum.skipped.saturating_add(skipped);
    }

    fn fail(&mut self, name: &str, detail: &str) {
        let name = truncated(name.trim(), 300);
        if self.summary.failures.len() >= MAX_FAILURES || !self.names.insert(name.clone()) {
            self.detail = None;
            return;
        }
        self.summary.failures.push(Failure {
            name,
            detail: truncated(detail, 1_000),
            ..Failure::default()
        });
    }

    /// The coming lines are detail of the failure of this name.
    fn begin_detail(&mut self, name: &str) {
        let index = self.summary.failures.iter().position(|f| f.name == name);
        self.detail = index.map(|i| (i, 0));
    }

    fn add_detail(&mut self, line: &str) {
        let Some((index, lines)) = &mut self.detail else { return };
        let Some(failure) = self.summary.failures.get_mut(*index) else { return };
        if !failure.detail.is_empty() {
            failure.detail.push('\n');
        }
        failure.detail.push_str(&truncated(line.trim_end(), 300));
        *lines += 1;
        if *lines >= DETAIL_LINES || failure.detail.len() > 1_500 {
            self.detail = None;
        }
    }

    /// `cargo test` and `cargo nextest`.
    fn cargo(&mut self, text: &str) -> bool {
        if let Some(rest) = text.strip_prefix("test result: ") {
            self.detail = None;
            let counts = pairs(rest, &[';', '.']);
            let of = |word| sum(&counts, &[word]);
            self.add(of("passed"), of("failed"), of("ignored"));
            return true;
        }
        if text.starts_with("Summary [") && text.contains(" tests run: ") {
            let counts = pairs(text.rsplit(" tests run: ").next().unwrap_or_default(), &[',']);
            self.add(
                sum(&counts, &["passed"]),
                sum(&counts, &["failed", "timed", "exec"]),
                sum(&counts, &["skipped"]),
            );
            return true;
        }
        if let Some(name) = text.strip_prefix("test ").and_then(|t| t.strip_suffix(" ... FAILED")) {
            self.fail(name, "");
            return true;
        }
        let block = text.strip_prefix("---- ").and_then(|t| t.strip_suffix(" stdout ----"));
        if let Some(name) = block {
            // A test that printed while it ran has no line of its own with its result.
            self.fail(name, "");
            self.begin_detail(name);
            return true;
        }
        if text == "failures:" {
            self.detail = None;
            return true;
        }
        false
    }

    /// `1 failed, 2 passed in 0.12s`, with or without signs around it.
    fn pytest(&mut self, text: &str) -> bool {
        for (prefix, seen) in [("FAILED ", true), ("ERROR ", true)] {
            if let Some(rest) = text.strip_prefix(prefix)
                && seen
                && (rest.contains("::")
                    || rest.split(" - ").next().is_some_and(|p| p.ends_with(".py")))
            {
                let (name, detail) = rest.split_once(" - ").unwrap_or((rest, ""));
                self.fail(name, detail);
                return true;
            }
        }
        let bare = text.trim_matches('=').trim();
        let Some((counts, time)) = bare.rsplit_once(" in ") else { return false };
        if !time
            .split(' ')
            .next()
            .is_some_and(|t| t.ends_with('s') && t.starts_with(|c: char| c.is_ascii_digit()))
        {
            return false;
        }
        if counts == "no tests ran" {
            self.add(0, 0, 0);
            return true;
        }
        const WORDS: &[&str] = &[
            "passed",
            "failed",
            "skipped",
            "error",
            "errors",
            "xfailed",
            "xpassed",
            "deselected",
            "warning",
            "warnings",
            "rerun",
            "reruns",
            "subtests",
        ];
        let counts_of: Vec<_> = counts.split(", ").map(pair).collect();
        if counts_of.iter().any(|p| p.as_ref().is_none_or(|(_, word)| !WORDS.contains(word))) {
            return false;
        }
        let counts: Vec<_> = counts_of.into_iter().flatten().collect();
        self.add(
            sum(&counts, &["passed", "xfailed", "xpassed"]),
            sum(&counts, &["failed", "error", "errors"]),
            sum(&counts, &["skipped"]),
        );
        true
    }

    /// `Ran 3 tests in 0.001s`, then `OK (skipped=1)` or `FAILED (failures=1, errors=1)`.
    fn unittest(&mut self, text: &str) -> bool {
        if let Some(rest) = text.strip_prefix("Ran ") {
            let Some((number, rest)) = rest.split_once(' ') else { return false };
            if rest.starts_with("test")
                && rest.contains(" in ")
                && let Ok(number) = number.parse()
            {
                self.detail = None;
                self.unittest = Some(number);
                return true;
            }
        }
        for prefix in ["FAIL: ", "ERROR: "] {
            if let Some(name) = text.strip_prefix(prefix)
                && name.ends_with(')')
                && name.contains(" (")
            {
                self.fail(name, "");
                self.begin_detail(name);
                return true;
            }
        }
        let Some(ran) = self.unittest else { return false };
        if !(text.starts_with("OK") || text.starts_with("FAILED (") || text == "NO TESTS RAN") {
            return false;
        }
        self.unittest = None;
        let inner = text.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
        let of = |word: &str| -> u64 {
            inner
                .split(", ")
                .filter_map(|p| p.split_once('='))
                .find(|(k, _)| *k == word)
                .and_then(|(_, v)| v.parse().ok())
                .unwrap_or(0)
        };
        let (failed, skipped) =
            (of("failures") + of("errors") + of("unexpected successes"), of("skipped"));
        self.add(ran.saturating_sub(failed + skipped), failed, skipped);
        true
    }

    /// Node's test runner (`ℹ pass 2`, `✖ name`) and TAP (`# pass 2`, `not ok 1 - name`).
    fn node(&mut self, line: &str) -> bool {
        let text = line.trim();
        if let Some(total) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            let words: Vec<_> = total.split_whitespace().collect();
            let [word, number] = words.as_slice() else { return false };
            let Ok(number) = number.parse::<f64>() else { return false };
            // What a test program could print is bounded by what a count can be.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates"
            )]
            let number = number as u64;
            match *word {
                "tests" => {
                    self.node_totals = true;
                    self.add(0, 0, 0);
                }
                _ if !self.node_totals => return false,
                "pass" => self.add(number, 0, 0),
                "fail" | "cancelled" => self.add(0, number, 0),
                "skipped" | "skip" | "todo" => self.add(0, 0, number),
                "duration_ms" => self.node_totals = false,
                "suites" => {}
                _ => return false,
            }
            return true;
        }
        if text == "✖ failing tests:" {
            self.node_failures = true;
            return true;
        }
        if self.node_failures
            && let Some(name) = text.strip_prefix("✖ ")
        {
            let name = name.rsplit_once(" (").map_or(name, |(name, _)| name);
            self.fail(name, "");
            self.begin_detail(name);
            return true;
        }
        if let Some(rest) = line.strip_prefix("not ok ") {
            let name = rest.split_once(" - ").map_or(rest, |(_, name)| name);
            if !name.contains("# TODO") && !name.contains("# SKIP") {
                self.fail(name, "");
                self.begin_detail(name);
            }
            return true;
        }
        if line.starts_with("ok ") {
            self.detail = None;
        }
        false
    }

    /// `Tests: 1 failed, 3 passed, 4 total`; `3 passing (5ms)`; `Tests  1 failed | 3 passed (4)`.
    fn mocha_or_jest(&mut self, text: &str) -> bool {
        let jest = text.strip_prefix("Tests:").filter(|t| t.ends_with(" total"));
        let vitest = text.strip_prefix("Tests ").filter(|t| t.ends_with(')') && t.contains(" ("));
        if let Some(rest) = jest.or(vitest) {
            let counts = pairs(rest, &[',', '|']);
            self.add(
                sum(&counts, &["passed"]),
                sum(&counts, &["failed"]),
                sum(&counts, &["skipped", "todo", "pending"]),
            );
            return true;
        }
        if let Some(name) = text.strip_prefix("● ")
            && name.contains(" › ")
        {
            self.fail(name, "");
            self.begin_detail(name);
            return true;
        }
        let Some((number, rest)) = text.split_once(' ') else { return false };
        let Ok(number) = number.parse::<u64>() else { return false };
        match rest.split(' ').next() {
            Some("passing") if rest == "passing" || rest.ends_with(')') => self.add(number, 0, 0),
            Some("failing") if rest == "failing" => self.add(0, number, 0),
            Some("pending") if rest == "pending" => self.add(0, 0, number),
            _ => return false,
        }
        true
    }

    /// `go test -v`; without `-v` only failures have a line.
    fn go(&mut self, line: &str) -> bool {
        if line.starts_with("=== RUN ") {
            self.go = true;
            self.detail = None;
            return true;
        }
        let Some(rest) = line.strip_prefix("--- ") else { return false };
        let Some((verdict, name)) = rest.split_once(": ") else { return false };
        let name = name.split(" (").next().unwrap_or(name);
        let (passed, failed, skipped) = match verdict {
            "PASS" => (1, 0, 0),
            "FAIL" => (0, 1, 0),
            "SKIP" => (0, 0, 1),
            _ => return false,
        };
        if self.go {
            self.add(passed, failed, skipped);
        }
        self.detail = None;
        if failed > 0 {
            self.fail(name, "");
            self.begin_detail(name);
        }
        true
    }

    /// `Tests run: 3, Failures: 1, Errors: 0, Skipped: 0` of Maven: the total, not the classes.
    fn surefire(&mut self, text: &str) -> bool {
        let Some((_, rest)) = text.split_once("Tests run: ") else { return false };
        if rest.contains("Time elapsed") {
            return true;
        }
        let mut numbers = rest
            .split(", ")
            .map(|part| part.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let (ran, failures, errors, skipped) = (next(), next(), next(), next());
        let failed = failures.saturating_add(errors);
        self.add(ran.saturating_sub(failed.saturating_add(skipped)), failed, skipped);
        true
    }
}

/// `3 passed` as (3, "passed").
fn pair(text: &str) -> Option<(u64, &str)> {
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?))
}

/// The pairs of number and word between `separators`; a word before the first is left out.
fn pairs<'a>(text: &'a str, separators: &[char]) -> Vec<(u64, &'a str)> {
    text.split(|c| separators.contains(&c)).filter_map(pair).collect()
}

fn sum(counts: &[(u64, &str)], words: &[&str]) -> u64 {
    counts
        .iter()
        .filter(|(_, word)| words.contains(word))
        .fold(0, |total, (number, _)| total.saturating_add(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(text: &str) -> Summary {
        let mut scanner = Scanner::default();
        text.lines().for_each(|line| scanner.line(line));
        scanner.finish()
    }

    fn counts(text: &str) -> (u64, u64, u64) {
        let summary = scan(text);
        assert!(summary.seen, "nothing seen in {text:?}");
        (summary.passed, summary.failed, summary.skipped)
    }

    #[test]
    fn summaries_of_every_tool_are_understood() {
        for (text, expected) in [
            (
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
                (3, 0, 1),
            ),
            (
                "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured\ntest result: ok. 1 passed; 0 failed; 0 ignored",
                (3, 1, 0),
            ),
            (
                "     Summary [   0.021s] 12 tests run: 11 passed (1 slow), 1 failed, 2 skipped",
                (11, 1, 2),
            ),
            ("===== 1 failed, 2 passed, 3 skipped, 1 warning in 0.12s =====", (2, 1, 3)),
            ("2 passed, 1 error in 61.20s (0:01:01)", (2, 1, 0)),
            ("no tests ran in 0.01s", (0, 0, 0)),
            ("Ran 3 tests in 0.001s\n\nFAILED (failures=1, errors=1)", (1, 2, 0)),
            ("Ran 2 tests in 0.001s\n\nOK (skipped=1)", (1, 0, 1)),
            ("Ran 0 tests in 0.000s\n\nNO TESTS RAN", (0, 0, 0)),
            (
                "ℹ tests 4\nℹ suites 1\nℹ pass 2\nℹ fail 1\nℹ cancelled 0\nℹ skipped 1\nℹ todo 0\nℹ duration_ms 5.2",
                (2, 1, 1),
            ),
            ("# tests 3\n# pass  2\n# fail  1", (2, 1, 0)),
            ("Tests:       1 failed, 2 skipped, 3 passed, 6 total", (3, 1, 2)),
            ("      Tests  1 failed | 3 passed (4)", (3, 1, 0)),
            ("  3 passing (5ms)\n  1 pending\n  2 failing", (3, 2, 1)),
            (
                "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n    --- PASS: TestB/x (0.00s)\n--- FAIL: TestB (0.00s)\n--- SKIP: TestC (0.00s)",
                (1, 1, 1),
            ),
            (
                "[INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.1 s - in A\n[ERROR] Tests run: 5, Failures: 1, Errors: 1, Skipped: 1",
                (2, 2, 1),
            ),
        ] {
            assert_eq!(counts(text), expected, "{text}");
        }
    }

    #[test]
    fn failing_tests_are_named_with_what_was_said_about_them() {
        let cargo = scan(
            "test a::fails ... FAILED\ntest a::works ... ok\n\nfailures:\n\n---- a::fails stdout ----\n\
             thread 'a::fails' panicked at src/lib.rs:7:9:\nboom\n\n\nfailures:\n    a::fails\n",
        );
        assert_eq!(cargo.failures.len(), 1);
        assert_eq!(cargo.failures[0].name, "a::fails");
        assert_eq!(cargo.failures[0].detail, "thread 'a::fails' panicked at src/lib.rs:7:9:\nboom");

        let pytest = scan("FAILED tests/test_a.py::test_x[1] - assert 1 == 2\n1 failed in 0.1s");
        assert_eq!(pytest.failures[0].name, "tests/test_a.py::test_x[1]");
        assert_eq!(pytest.failures[0].detail, "assert 1 == 2");

        let node = scan(
            "✖ outer (1ms)\nℹ fail 1\n✖ failing tests:\n\ntest at a.js:3:1\n✖ adds (0.5ms)\n  AssertionError: no\n",
        );
        assert_eq!(node.failures.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["adds"]);
        assert_eq!(node.failures[0].detail, "  AssertionError: no");

        let go = scan("--- FAIL: TestB (0.00s)\n    b_test.go:9: wrong\nFAIL\n");
        assert_eq!(go.failures[0].name, "TestB");
        assert!(!go.seen, "without -v nothing is known about the tests that passed");
    }

    #[test]
    fn ordinary_lines_are_no_summaries() {
        for text in [
            "3 files in 2s directories",
            "done in 3s",
            "Ran 3 tests",
            "OK",
            "FAILED to open",
            "# Heading 1",
            "5 passing cars",
            "Tests: none",
        ] {
            let summary = scan(text);
            assert!(!summary.seen && summary.failures.is_empty(), "{text}");
        }
    }

    #[test]
    fn endless_failures_are_bounded() {
        let text: String = (0..1_000).map(|n| format!("test t{n} ... FAILED\n")).collect();
        assert_eq!(scan(&text).failures.len(), MAX_FAILURES);
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(lines in proptest::collection::vec("(test result: |Ran |FAILED |--- |ℹ |# |Tests run: |✖ |not ok )?\\PC{0,40}", 0..20)) {
            scan(&lines.join("\n"));
        }
    }
}
