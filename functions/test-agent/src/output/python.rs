//! pytest and unittest.

use super::sums::{Sums, Tool, pair, sum};

#[derive(Default)]
pub(super) struct Python {
    /// Number of tests of unittest's last `Ran` line.
    ran: Option<u64>,
}

impl Tool for Python {
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool {
        let text = line.trim();
        pytest(text, sums) || self.unittest(text, sums)
    }
}

/// Words of pytest's last line.
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

/// `1 failed, 2 passed in 0.12s`, with or without signs around it.
fn pytest(text: &str, sums: &mut Sums) -> bool {
    for prefix in ["FAILED ", "ERROR "] {
        if let Some(rest) = text.strip_prefix(prefix)
            && (rest.contains("::") || rest.split(" - ").next().is_some_and(|p| p.ends_with(".py")))
        {
            let (name, detail) = rest.split_once(" - ").unwrap_or((rest, ""));
            sums.fail(name, detail);
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
        sums.add(0, 0, 0);
        return true;
    }
    let counts_of: Vec<_> = counts.split(", ").map(pair).collect();
    if counts_of.iter().any(|p| p.as_ref().is_none_or(|(_, word)| !WORDS.contains(word))) {
        return false;
    }
    let counts: Vec<_> = counts_of.into_iter().flatten().collect();
    sums.add(
        sum(&counts, &["passed", "xpassed"]),
        sum(&counts, &["failed", "error", "errors"]),
        sum(&counts, &["skipped"]),
    );
    sums.expected(sum(&counts, &["xfailed"]));
    true
}

impl Python {
    /// `Ran 3 tests in 0.001s`, then `OK (skipped=1)` or `FAILED (failures=1, errors=1)`.
    fn unittest(&mut self, text: &str, sums: &mut Sums) -> bool {
        if let Some(rest) = text.strip_prefix("Ran ") {
            let Some((number, rest)) = rest.split_once(' ') else { return false };
            if rest.starts_with("test")
                && rest.contains(" in ")
                && let Ok(number) = number.parse()
            {
                sums.end_detail();
                self.ran = Some(number);
                return true;
            }
        }
        for prefix in ["FAIL: ", "ERROR: "] {
            if let Some(name) = text.strip_prefix(prefix)
                && name.ends_with(')')
                && name.contains(" (")
            {
                sums.fail_with_detail(name);
                return true;
            }
        }
        let Some(ran) = self.ran else { return false };
        if !(text.starts_with("OK") || text.starts_with("FAILED (") || text == "NO TESTS RAN") {
            return false;
        }
        self.ran = None;
        let inner = text.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
        let of = |word: &str| -> u64 {
            inner
                .split(", ")
                .filter_map(|p| p.split_once('='))
                .find(|(k, _)| *k == word)
                .and_then(|(_, v)| v.parse().ok())
                .unwrap_or(0)
        };
        let failed =
            of("failures").saturating_add(of("errors")).saturating_add(of("unexpected successes"));
        let (skipped, expected) = (of("skipped"), of("expected failures"));
        let others = failed.saturating_add(skipped).saturating_add(expected);
        sums.add(ran.saturating_sub(others), failed, skipped);
        sums.expected(expected);
        true
    }
}
