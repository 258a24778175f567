//! The Test Anything Protocol (<https://testanything.org/tap-version-14-specification.html>), and
//! the reports of Node's test runner, whose totals have the form of comments of TAP.

use super::sums::{Sums, Tool};

#[derive(Default)]
pub(super) struct Tap {
    /// Inside a block of totals.
    totals: bool,
    /// What the totals say, where there were any.
    told: Option<[u64; 3]>,
    /// Inside the list of failing tests of Node's test runner.
    failing: bool,
    /// What the lines say of single tests.
    counted: Counted,
    /// How many tests passed of how many, as node-tap's old table of files ends: `total .... 11/12`.
    table: Option<(u64, u64)>,
}

#[derive(Default)]
struct Counted {
    /// Whether this is TAP at all: a version or a plan was seen.
    begun: bool,
    /// How many tests the plan of the first level has, and how many of them were told.
    planned: Option<u64>,
    told: u64,
    passed: u64,
    failed: u64,
    skipped: u64,
    /// It was given up before its end.
    bailed: bool,
    /// The last error among the comments since the last test: why a file of tests did not come to one.
    crash: Option<String>,
    /// Levels further in, each with how far, and how many of its tests failed.
    levels: Vec<Level>,
}

/// Tests inside another one. Only those without any inside count, but where one fails although none
/// inside it does.
struct Level {
    /// Signs before its lines.
    indent: usize,
    failed: u64,
    /// The test that it is inside of, where that was told before (`ok 1 - name {`): its name, where
    /// it failed.
    opened: Option<Option<String>>,
}

/// Levels inside each other that are told apart.
const LEVELS: usize = 32;

impl Tool for Tap {
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool {
        if let Some(total) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            if total.split_once(": ").is_some_and(|(kind, _)| is_error(kind)) {
                self.counted.crash = Some(total.to_owned());
            }
            return self.total(total);
        }
        let text = line.trim();
        // The reporters `spec` and `dot`; the dots themselves do not tell what was skipped.
        if matches!(text, "✖ failing tests:" | "Failed tests:") {
            self.failing = true;
            return true;
        }
        if self.failing
            && let Some(name) = text.strip_prefix("✖ ")
        {
            if name.contains(") # TODO") {
                sums.end_detail();
                return true;
            }
            let name = name.rsplit_once(" (").map_or(name, |(name, _)| name);
            sums.fail_with_detail(name);
            return true;
        }
        if let Some((name, passed, all)) = in_table(text) {
            match name {
                "total" => self.table = Some((passed, all)),
                name if passed < all => {
                    let name = name.strip_prefix("not ok ").unwrap_or(name);
                    sums.fail_with_detail(name);
                }
                _ => sums.end_detail(),
            }
            return true;
        }
        // The table's last word is of no test.
        if self.table.is_some() && matches!(text, "ok" | "not ok") {
            sums.end_detail();
            return true;
        }
        self.tap(line, sums)
    }

    fn end(&mut self, sums: &mut Sums) {
        let Counted { begun, planned, told, passed, mut failed, skipped, bailed, .. } =
            self.counted;
        let all = |[passed, failed, skipped]: [u64; 3]| {
            passed.saturating_add(failed).saturating_add(skipped)
        };
        // What was planned and never told did not pass.
        failed = failed.saturating_add(planned.map_or(0, |planned| planned.saturating_sub(told)));
        if bailed && failed == 0 {
            failed = 1;
        }
        let counted = [passed, failed, skipped];
        // Some totals count tests inside others too, some leave out what was skipped.
        let [passed, failed, skipped] = match self.told {
            Some(told) if !begun || all(told) >= all(counted) => told,
            _ if begun => counted,
            // Newer ones say it once more below their table, in mocha's words.
            _ => match self.table.filter(|_| !sums.summary.seen) {
                Some((passed, all)) => [passed, all.saturating_sub(passed), 0],
                None => return,
            },
        };
        sums.add(passed, failed, skipped);
    }
}

/// A line of node-tap's table of files: `ok test/a.js ........ 2/2`, `total ........ 11/12`.
fn in_table(text: &str) -> Option<(&str, u64, u64)> {
    let (before, numbers) = text.rsplit_once(' ')?;
    let (passed, all) = numbers.split_once('/')?;
    let (passed, all) = (passed.parse().ok()?, all.parse().ok()?);
    let name = before.strip_suffix(".....")?.trim_end_matches('.');
    Some((name.strip_suffix(' ')?.trim(), passed, all))
}

/// `TypeError`, `Error [ERR_X]`.
fn is_error(kind: &str) -> bool {
    let kind = kind.split_once(" [").map_or(kind, |(kind, _)| kind);
    kind.ends_with("Error") && kind.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Whether a test is a whole file, as Node's runner names one that it could not run.
fn is_file(name: &str) -> bool {
    const ENDS: &[&str] = &["js", "mjs", "cjs", "ts", "mts", "cts"];
    name.rsplit_once('.').is_some_and(|(_, end)| ENDS.contains(&end))
}

impl Tap {
    /// `tests 4`, `pass 3`, … without the sign before.
    fn total(&mut self, total: &str) -> bool {
        let words: Vec<_> = total.split_whitespace().collect();
        let [word, number] = words.as_slice() else { return false };
        let Ok(number) = number.parse::<f64>() else { return false };
        // What a test program could print is bounded by what a count can be.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let number = number as u64;
        if *word == "tests" {
            self.totals = true;
            self.told.get_or_insert_default();
            return true;
        }
        let Some([passed, failed, skipped]) = self.told.as_mut().filter(|_| self.totals) else {
            return false;
        };
        let of = match *word {
            "pass" => passed,
            "fail" | "cancelled" => failed,
            "skipped" | "skip" | "todo" => skipped,
            "duration_ms" | "suites" => {
                self.totals = *word == "suites";
                return true;
            }
            _ => return false,
        };
        *of = of.saturating_add(number);
        true
    }

    fn tap(&mut self, line: &str, sums: &mut Sums) -> bool {
        let counted = &mut self.counted;
        if line.starts_with("TAP version ") {
            counted.begun = true;
            return true;
        }
        if let Some(planned) = line.strip_prefix("1..") {
            let planned = planned.split([' ', '#']).next().unwrap_or_default();
            let Ok(planned) = planned.parse::<u64>() else { return false };
            counted.begun = true;
            counted.planned = Some(counted.planned.unwrap_or(0).saturating_add(planned));
            return true;
        }
        if line.starts_with("Bail out!") {
            counted.bailed = true;
            sums.fail(line, "");
            return true;
        }
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        if text.trim_end() == "}" && counted.levels.iter().any(|level| level.opened.is_some()) {
            counted.close(sums);
            return true;
        }
        let (passed, rest) = match (text.strip_prefix("not ok"), text.strip_prefix("ok")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return false,
        };
        // `ok`, `ok 1`, `ok 1 - name`: other words may begin so.
        let first = rest.split_whitespace().next().unwrap_or("-");
        let number = first.bytes().all(|b| b.is_ascii_digit());
        if !(rest.is_empty() || rest.starts_with(' ')) || !(first == "-" || number) {
            return false;
        }
        // Further in without a beginning, it is something that a program printed.
        if indent > 0 && !counted.begun {
            return false;
        }
        let rest = rest.trim_start();
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        counted.point(indent, passed, rest.strip_prefix("- ").unwrap_or(rest), sums);
        true
    }
}

impl Counted {
    /// A test was told.
    fn point(&mut self, indent: usize, passed: bool, description: &str, sums: &mut Sums) {
        sums.end_detail();
        // Levels that nobody closed are those of this test: it is told after what is inside it.
        let mut inside = None;
        while let Some(level) = self.levels.last()
            && level.opened.is_none()
            && level.indent > indent
        {
            *inside.get_or_insert(0) += level.failed;
            self.levels.pop();
        }
        if indent == 0 {
            self.told = self.told.saturating_add(1);
        } else if self.levels.last().is_none_or(|level| level.indent < indent)
            && self.levels.len() < LEVELS
        {
            self.levels.push(Level { indent, failed: 0, opened: None });
        }
        let (description, opens) = match description.trim_end().strip_suffix('{') {
            Some(rest) => (rest, true),
            None => (description, false),
        };
        let (name, directive) = description.rsplit_once('#').unwrap_or((description, ""));
        let directive = directive.trim().to_ascii_lowercase();
        let name = name.trim();
        let name = if name.is_empty() { "a test without a name" } else { name };
        let passed = passed || directive.starts_with("todo");
        let crash = self.crash.take().filter(|_| !passed && is_file(name));
        if opens && self.levels.len() < LEVELS {
            let opened = Some((!passed).then(|| name.to_owned()));
            self.levels.push(Level { indent: indent + 1, failed: 0, opened });
        } else if directive.starts_with("skip") {
            self.skipped += 1;
        } else if let Some(failed) = inside {
            self.outer(passed, failed, name, sums);
        } else if passed {
            self.passed += 1;
        } else {
            self.fails(name, sums);
            if let Some(crash) = crash {
                sums.add_detail(&crash);
            }
        }
    }

    /// A test that has others inside.
    fn outer(&mut self, passed: bool, failed: u64, name: &str, sums: &mut Sums) {
        if failed > 0 {
            if let Some(level) = self.levels.last_mut() {
                level.failed += failed;
            }
        } else if !passed {
            self.fails(name, sums);
        }
    }

    /// The end of a test that was told before what is inside it.
    fn close(&mut self, sums: &mut Sums) {
        let mut failed = 0;
        while let Some(level) = self.levels.pop() {
            failed += level.failed;
            if let Some(opened) = level.opened {
                let name = opened.as_deref();
                return self.outer(name.is_none(), failed, name.unwrap_or_default(), sums);
            }
        }
    }

    fn fails(&mut self, name: &str, sums: &mut Sums) {
        self.failed += 1;
        if let Some(level) = self.levels.last_mut() {
            level.failed += 1;
        }
        sums.fail_with_detail(name);
    }
}
