//! .NET, Ruby, PHP, Elixir and Dart.

use super::sums::{Sums, Tool, named, pairs, sum};

#[derive(Default)]
pub(super) struct Others {
    /// The total that `dotnet test` told, whose parts follow on lines of their own.
    dotnet: bool,
}

impl Tool for Others {
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool {
        let text = line.trim();
        self.dotnet(text, sums) || ruby(text, sums) || php(text, sums)
    }
}

impl Others {
    /// `Failed!  - Failed: 1, Passed: 4, Skipped: 0, Total: 5, …`, `Test summary: total: 5, failed: 1,
    /// succeeded: 4, skipped: 0, …`, and `Total tests: 5` with `Passed: 4` and `Failed: 1` below.
    fn dotnet(&mut self, text: &str, sums: &mut Sums) -> bool {
        let verdict = ["Passed!", "Failed!", "Skipped!"].iter().find_map(|w| text.strip_prefix(w));
        if let Some(rest) = verdict
            && let Some(rest) = rest.trim_start().strip_prefix('-')
            && named(rest, "Total").is_some()
        {
            let of = |word| named(rest, word).unwrap_or(0);
            sums.add(of("Passed"), of("Failed"), of("Skipped"));
            return true;
        }
        if let Some(rest) = text.strip_prefix("Test summary: ")
            && named(rest, "total").is_some()
        {
            let of = |word| named(rest, word).unwrap_or(0);
            sums.add(of("succeeded"), of("failed"), of("skipped"));
            return true;
        }
        if text.starts_with("Total tests: ") {
            self.dotnet = true;
            sums.add(0, 0, 0);
            return true;
        }
        if self.dotnet {
            let of = |word| text.starts_with(word).then(|| named(text, word)).flatten();
            if let Some(passed) = of("Passed") {
                sums.add(passed, 0, 0);
                return true;
            }
            if let Some(failed) = of("Failed") {
                sums.add(0, failed, 0);
                return true;
            }
            if let Some(skipped) = of("Skipped") {
                sums.add(0, 0, skipped);
                return true;
            }
            self.dotnet = false;
        }
        false
    }
}

/// minitest, test-unit, RSpec and ExUnit: `3 runs, 4 assertions, 1 failures, 0 errors, 0 skips`.
fn ruby(text: &str, sums: &mut Sums) -> bool {
    let counts = pairs(text, &[',']);
    let of = |words: &[&str]| sum(&counts, words);
    let ran = of(&["runs", "tests", "test", "examples", "example", "doctests", "doctest"]);
    let failed = of(&["failures", "failure", "errors", "error", "invalid"]);
    let skipped = of(&["skips", "pendings", "pending", "omissions", "skipped", "excluded"]);
    // Every part is a number and a word, the first is what was run, and one says what failed.
    let parts = text.split(',').count();
    let begins = counts.first().is_some_and(|(_, word)| {
        matches!(*word, "runs" | "tests" | "test" | "examples" | "example" | "doctests" | "doctest")
    });
    let tells = counts.iter().any(|(_, word)| matches!(*word, "failures" | "failure"));
    if parts < 2 || counts.len() != parts || !begins || !tells {
        return false;
    }
    sums.add(ran.saturating_sub(failed.saturating_add(skipped)), failed, skipped);
    true
}

/// PHPUnit: `OK (3 tests, 4 assertions)`, `Tests: 3, Assertions: 4, Failures: 1, Skipped: 1.`; Pest:
/// `Tests:    1 failed, 2 passed (3 assertions)`.
fn php(text: &str, sums: &mut Sums) -> bool {
    if let Some(inner) = text.strip_prefix("OK (").and_then(|rest| rest.strip_suffix(')')) {
        let counts = pairs(inner, &[',']);
        if sum(&counts, &["assertions", "assertion"]) > 0 || inner.contains("assertion") {
            sums.add(sum(&counts, &["tests", "test"]), 0, 0);
            return true;
        }
        return false;
    }
    let Some(rest) = text.strip_prefix("Tests:") else { return false };
    if rest.contains("Assertions:") {
        let of = |word| named(rest, word).unwrap_or(0);
        let total = rest.split(',').next().and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
        let failed = of("Errors").saturating_add(of("Failures"));
        let skipped = of("Skipped").saturating_add(of("Incomplete"));
        sums.add(total.saturating_sub(failed.saturating_add(skipped)), failed, skipped);
        return true;
    }
    if rest.ends_with(" assertions)") || rest.ends_with(" assertion)") {
        let counts = pairs(rest, &[',']);
        sums.add(
            sum(&counts, &["passed"]),
            sum(&counts, &["failed"]),
            sum(&counts, &["skipped", "todo", "todos", "pending", "incomplete"]),
        );
        return true;
    }
    false
}
