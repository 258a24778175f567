//! What the output says of single tests: their names, what became of them, how long they took. For
//! the list of tests alone; how many there are is counted by the families of tools.

use std::collections::HashMap;

use pact_contract::tested::{TestStatus, Tested};
use serde::Deserialize;

use crate::cases::{Cases, milliseconds, name};

/// Tests tried more than once that are known again.
const TRIED: usize = 5_000;

#[derive(Default)]
pub(super) struct Singles {
    pub(super) cases: Cases,
    /// How far in the last ticked test was: one further out after it has others inside.
    indent: usize,
    /// The last test of TAP, while its diagnostics may follow.
    told: Option<u32>,
    /// Behind the point where tools name again what failed.
    over: bool,
    /// Tests of nextest that failed and are tried again, with the number of attempts.
    tried: HashMap<String, u32>,
}

/// An event of `go test -json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    test: String,
    #[serde(default)]
    elapsed: Option<f64>,
}

impl Singles {
    /// Looks at a line that is not empty.
    pub(super) fn line(&mut self, line: &str) {
        let found = match line.bytes().next() {
            Some(b't') => cargo(line),
            Some(b'-') => go(line),
            Some(b'{') => event(line),
            _ => None,
        };
        if let Some(test) = found.or_else(|| unittest(line)).or_else(|| pytest(line)) {
            self.cases.push(test);
            return;
        }
        let text = line.trim_start();
        if matches!(text, "✖ failing tests:" | "Failed tests:") || text.starts_with("Summary [") {
            self.over = true;
        }
        if self.over {
            return;
        }
        let indent = line.len() - text.len();
        if indent > 0 && self.nextest(text) {
            return;
        }
        if let Some(at) = self.told
            && let Some(number) = text.strip_prefix("duration_ms: ")
        {
            if let Some(thousandths) = milliseconds(number) {
                self.cases.took(at, thousandths / 1_000);
            }
            self.told = None;
        }
        if let Some(test) = tap(text).or_else(|| ticked(text)) {
            // What has tests inside is told after them, and is none itself.
            let own = indent >= self.indent;
            self.told = if own { self.cases.push(test) } else { None };
            self.indent = indent;
        }
    }

    /// `TRY 2 PASS [   0.040s] (2/3) x t::flaky`, and without `TRY`.
    fn nextest(&mut self, text: &str) -> bool {
        let Some((what, rest)) = text.split_once(" [") else { return false };
        let (attempt, what) = match what.strip_prefix("TRY ").and_then(|rest| rest.split_once(' '))
        {
            Some((number, what)) => (number.parse().ok(), what),
            None => (None, what),
        };
        let status = match what {
            "PASS" | "LEAK" | "SLOW+PASS" => TestStatus::Passed,
            "FAIL" | "TIMEOUT" | "SIGABRT" | "SIGSEGV" | "ABORT" | "LEAK-FAIL" | "TMT" => {
                TestStatus::Failed
            }
            "SKIP" => TestStatus::Skipped,
            _ => return false,
        };
        let Some((time, rest)) = rest.split_once(']') else { return false };
        let rest = rest.trim_start();
        let named = match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(") ").map_or(rest, |(_, name)| name),
            None => rest,
        };
        let (named, ms) = (name(named), milliseconds(time.trim().trim_end_matches('s')));
        match (attempt, status) {
            // What it comes to is told by the last attempt, or after the summary.
            (Some(number), TestStatus::Failed) if self.tried.len() < TRIED => {
                self.tried.insert(named, number);
            }
            (Some(attempts), TestStatus::Passed) if attempts > 1 => {
                self.tried.remove(&named);
                self.cases.push(Tested { attempts, ms, ..Tested::new(named, TestStatus::Flaky) });
            }
            _ => {
                self.cases.push(Tested { ms, ..Tested::new(named, status) });
            }
        }
        true
    }

    /// The list, when the output has ended.
    pub(super) fn finish(mut self) -> Cases {
        for (named, attempts) in std::mem::take(&mut self.tried) {
            self.cases.push(Tested { attempts, ..Tested::new(named, TestStatus::Failed) });
        }
        self.cases
    }
}

/// `test a::b ... ok`, with the time where that was asked for: `ok <0.003s>`.
fn cargo(line: &str) -> Option<Tested> {
    let (named, rest) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let (verdict, time) = rest.split_once(" <").unwrap_or((rest, ""));
    let status = match verdict.split([' ', ',']).next()? {
        "ok" => TestStatus::Passed,
        "FAILED" => TestStatus::Failed,
        "ignored" => TestStatus::Skipped,
        _ => return None,
    };
    let named = named.strip_suffix(" - should panic").unwrap_or(named);
    let ms = milliseconds(time.trim_end_matches('>').trim_end_matches('s'));
    Some(Tested { ms, ..Tested::new(name(named), status) })
}

/// `--- PASS: TestA (0.01s)`; what is further in is part of it.
fn go(line: &str) -> Option<Tested> {
    let (verdict, rest) = line.strip_prefix("--- ")?.split_once(": ")?;
    let status = match verdict {
        "PASS" => TestStatus::Passed,
        "FAIL" => TestStatus::Failed,
        "SKIP" => TestStatus::Skipped,
        _ => return None,
    };
    let (named, time) = rest.split_once(" (").unwrap_or((rest, ""));
    let ms = milliseconds(time.trim_end().trim_end_matches(')').trim_end_matches('s'));
    Some(Tested { ms, ..Tested::new(name(named), status) })
}

fn event(line: &str) -> Option<Tested> {
    if !line.contains("\"Action\":") {
        return None;
    }
    let Event { action, test, elapsed } = serde_json::from_str(line).ok()?;
    let status = match &*action {
        "pass" => TestStatus::Passed,
        "fail" => TestStatus::Failed,
        "skip" => TestStatus::Skipped,
        _ => return None,
    };
    let ms = elapsed.and_then(|seconds| milliseconds(&seconds.to_string()));
    let top = !test.is_empty() && !test.contains('/');
    top.then(|| Tested { ms, ..Tested::new(name(&test), status) })
}

/// `test_a (m.T.test_a) ... ok`, as `unittest -v` says it.
fn unittest(line: &str) -> Option<Tested> {
    let (named, verdict) = line.split_once(" ... ")?;
    let status = match verdict.trim_end() {
        "ok" => TestStatus::Passed,
        "FAIL" | "ERROR" | "unexpected success" => TestStatus::Failed,
        "expected failure" => TestStatus::Expected,
        verdict if verdict.starts_with("skipped ") => TestStatus::Skipped,
        _ => return None,
    };
    let is_test = !named.starts_with(' ') && named.ends_with(')') && named.contains(" (");
    is_test.then(|| Tested::new(name(named), status))
}

/// `tests/test_a.py::test_b PASSED [ 50%]`, as `pytest -v` says it.
fn pytest(line: &str) -> Option<Tested> {
    let (named, rest) = line.split_once(".py::")?;
    let (rest, verdict) = rest.split_once(' ')?;
    let status = match verdict.split_whitespace().next()? {
        "PASSED" | "XPASS" => TestStatus::Passed,
        "FAILED" | "ERROR" => TestStatus::Failed,
        "XFAIL" => TestStatus::Expected,
        "SKIPPED" => TestStatus::Skipped,
        _ => return None,
    };
    let is_path = !named.contains(' ');
    is_path.then(|| Tested::new(name(&format!("{named}.py::{rest}")), status))
}

/// `ok 1 - adds # time=1.2ms`.
fn tap(text: &str) -> Option<Tested> {
    let (passed, rest) = match text.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix("ok ")?),
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.trim_start().trim_start_matches("- ");
    if rest.ends_with('{') {
        return None;
    }
    let (named, directive) = rest.rsplit_once('#').unwrap_or((rest, ""));
    let said = directive.trim().to_ascii_lowercase();
    let status = match passed {
        _ if said.starts_with("skip") => TestStatus::Skipped,
        false if said.starts_with("todo") => TestStatus::Expected,
        true => TestStatus::Passed,
        false => TestStatus::Failed,
    };
    let ms = said.strip_prefix("time=").and_then(time);
    Some(Tested { ms, ..Tested::new(name(named), status) })
}

/// `✔ adds (1.2ms)`, as Node's runner, mocha, jest, vitest and AVA tick tests off.
fn ticked(text: &str) -> Option<Tested> {
    let mut signs = text.chars();
    let status = match signs.next()? {
        '✔' | '✓' | '√' => TestStatus::Passed,
        '✖' | '✕' | '×' | '✘' => TestStatus::Failed,
        '﹣' | '○' => TestStatus::Skipped,
        _ => return None,
    };
    let rest = signs.as_str().strip_prefix(' ')?;
    let rest = rest.strip_prefix("[fail]: ").unwrap_or(rest).trim();
    let rest = rest.strip_suffix(" # SKIP").unwrap_or(rest);
    let (named, took) = match rest.rsplit_once(" (") {
        Some((named, took)) => (named, time(took.trim_end_matches(')'))),
        None => (rest, None),
    };
    // A file, with how many tests it has.
    if rest.contains(" test)") || rest.contains(" tests)") || rest.contains(" tests |") {
        return None;
    }
    let (named, ms) = match took {
        Some(ms) => (named, Some(ms)),
        None => match rest.rsplit_once(' ').map(|(named, took)| (named, time(took))) {
            Some((named, Some(ms))) => (named, Some(ms)),
            _ => (rest, None),
        },
    };
    Some(Tested { ms, ..Tested::new(name(named), status) })
}

/// `5 ms`, `1.2ms`, `3s`.
fn time(text: &str) -> Option<u64> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(number)?;
    match unit.trim() {
        "ms" => milliseconds(number).map(|thousandths| thousandths / 1_000),
        "s" => milliseconds(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TestStatus::{Expected, Failed, Flaky, Passed, Skipped};

    #[test]
    fn each_tool_names_its_tests_in_its_own_way() {
        for (lines, expected) in [
            (
                "test a::b ... ok\ntest c - should panic ... ok <0.250s>\ntest d ... ignored, slow\n\
                 test e ... FAILED\ntest result: ok. 3 passed",
                vec![
                    ("a::b", Passed, None),
                    ("c", Passed, Some(250)),
                    ("d", Skipped, None),
                    ("e", Failed, None),
                ],
            ),
            (
                "        PASS [   0.006s] (1/3) x t::good\n  TRY 1 FAIL [   0.006s] (2/3) x t::flaky\n\
                 \x20 TRY 2 PASS [   0.040s] (2/3) x t::flaky\n  TRY 1 FAIL [   0.006s] (3/3) x t::bad\n\
                 \x20    Summary [   0.043s] 3 tests run: 2 passed (1 flaky), 1 failed\n\
                 \x20 TRY 2 FAIL [   0.006s] (1/3) x t::bad",
                vec![
                    ("x t::good", Passed, Some(6)),
                    ("x t::flaky", Flaky, Some(40)),
                    ("x t::bad", Failed, None),
                ],
            ),
            (
                "=== RUN   TestA\n--- PASS: TestA (0.01s)\n    --- PASS: TestA/in (0.00s)\n--- SKIP: TestB (0.00s)",
                vec![("TestA", Passed, Some(10)), ("TestB", Skipped, Some(0))],
            ),
            (
                "{\"Action\":\"run\",\"Test\":\"T\"}\n{\"Action\":\"pass\",\"Test\":\"T\",\"Elapsed\":0.5}\n\
                 {\"Action\":\"pass\",\"Test\":\"T/in\",\"Elapsed\":0.5}",
                vec![("T", Passed, Some(500))],
            ),
            (
                "test_a (m.T.test_a) ... ok\ntest_b (m.T.test_b) ... skipped 'slow'\nwait ... ok",
                vec![("test_a (m.T.test_a)", Passed, None), ("test_b (m.T.test_b)", Skipped, None)],
            ),
            (
                "t/test_a.py::test_b[x] PASSED   [ 50%]\nt/test_a.py::test_c XFAIL [100%]",
                vec![
                    ("t/test_a.py::test_b[x]", Passed, None),
                    ("t/test_a.py::test_c", Expected, None),
                ],
            ),
            (
                "TAP version 13\n    ok 1 - adds\n    not ok 2 - divides\nnot ok 1 - math\nok 2 - late # SKIP\n\
                 ok 3 - known # time=12.5ms",
                vec![
                    ("adds", Passed, None),
                    ("divides", Failed, None),
                    ("late", Skipped, None),
                    ("known", Passed, Some(12)),
                ],
            ),
            (
                // As Node's own runner writes it.
                "TAP version 13\n# Subtest: math\n    # Subtest: adds\n    not ok 1 - adds\n      ---\n      duration_ms: 2.455814\n\
                 \x20     error: 'no'\n      ...\n    ok 2 - subs\n      ---\n      duration_ms: 1075.6\n      ...\n    1..2\n\
                 not ok 1 - math\n  ---\n  duration_ms: 25.0\n  ...\nok 2 - top\n  ---\n  duration_ms: 0.4\n  ...\n\
                 # duration_ms 632.8",
                vec![
                    ("adds", Failed, Some(2)),
                    ("subs", Passed, Some(1_075)),
                    ("top", Passed, Some(0)),
                ],
            ),
            (
                "▶ math\n  ✔ adds (1.2ms)\n  ✖ divides (3 ms)\n✔ math (5ms)\n✔ alone (2ms)\n✖ failing tests:\n✖ divides (3 ms)",
                vec![
                    ("adds", Passed, Some(1)),
                    ("divides", Failed, Some(3)),
                    ("alone", Passed, Some(2)),
                ],
            ),
            (
                " ✓ a.test.js (2 tests) 3ms\n   ✓ math > adds 1ms\n   × math > divides",
                vec![("math > adds", Passed, Some(1)), ("math > divides", Failed, None)],
            ),
        ] {
            let mut singles = Singles::default();
            lines.lines().for_each(|line| singles.line(line));
            let tests = singles.finish().of("", &crate::locations::Checkout::default()).tests;
            let found: Vec<_> =
                tests.iter().map(|test| (test.name.as_str(), test.status, test.ms)).collect();
            assert_eq!(found, expected, "{lines}");
        }
    }
}
