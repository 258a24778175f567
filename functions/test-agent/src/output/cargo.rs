//! `cargo test` and `cargo nextest`.

use std::collections::HashMap;

use super::sums::{Sums, Tool, pair, pairs, sum};

/// Most failed attempts whose words are kept, and most bytes of each.
const ATTEMPTS: usize = 200;
const WORDS: usize = 1_500;

#[derive(Default)]
pub(super) struct Cargo {
    /// What nextest said of attempts that failed, by the test's name.
    attempts: HashMap<String, String>,
    /// The attempt that the coming lines are about.
    current: Option<String>,
    /// Behind nextest's summary, where it names what failed.
    over: bool,
}

impl Tool for Cargo {
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool {
        self.nextest(line, sums) || cargo(line, sums)
    }
}

/// What stands at the beginning of a line: nextest shows the output of a test further in.
fn cargo(line: &str, sums: &mut Sums) -> bool {
    if let Some(rest) = line.strip_prefix("test result: ") {
        sums.end_detail();
        let counts = pairs(rest, &[';', '.']);
        let of = |word| sum(&counts, &[word]);
        sums.add(of("passed"), of("failed"), of("ignored"));
        return true;
    }
    let text = line.trim_end();
    if let Some(name) = text.strip_prefix("test ").and_then(|t| t.strip_suffix(" ... FAILED")) {
        sums.fail(name, "");
        return true;
    }
    let block = text.strip_prefix("---- ").and_then(|t| t.strip_suffix(" stdout ----"));
    if let Some(name) = block {
        // A test that printed while it ran has no line of its own with its result.
        sums.fail_with_detail(name);
        return true;
    }
    if text == "failures:" {
        sums.end_detail();
        return true;
    }
    false
}

impl Cargo {
    fn nextest(&mut self, line: &str, sums: &mut Sums) -> bool {
        let text = line.trim();
        if text.starts_with("Summary [") && text.contains(" tests run: ") {
            let counts = text.rsplit(" tests run: ").next().unwrap_or_default();
            // `5 passed (1 slow, 2 flaky)`: what is in brackets is part of the number before.
            let flaky = counts.split(['(', ')', ',']).filter_map(pair);
            sums.flaky(flaky.filter(|(_, word)| *word == "flaky").map(|(n, _)| n).sum());
            let outside: String =
                counts.split('(').map(|part| part.rsplit(')').next().unwrap_or_default()).collect();
            let counts = pairs(&outside, &[',']);
            sums.add(
                sum(&counts, &["passed"]),
                sum(&counts, &["failed", "timed", "exec"]),
                sum(&counts, &["skipped"]),
            );
            self.over = true;
            self.current = None;
            return true;
        }
        if let Some(name) = failed(text).filter(|_| line.starts_with(' ')) {
            if self.over {
                let said = self.attempts.remove(name).unwrap_or_default();
                sums.fail(name, said.trim());
            } else if self.attempts.len() < ATTEMPTS || self.attempts.contains_key(name) {
                self.attempts.insert(name.to_owned(), String::new());
                self.current = Some(name.to_owned());
            }
            return true;
        }
        // What an attempt wrote stands four signs in.
        let Some(name) = &self.current else { return false };
        let Some(said) = line.strip_prefix("    ") else {
            if !matches!(text, "stdout ───" | "stderr ───" | "output ───") {
                self.current = None;
            }
            return false;
        };
        let ours = ["running ", "test ", "failures:", "note: run with"];
        if let Some(kept) = self.attempts.get_mut(name)
            && kept.len() < WORDS
            && !ours.iter().any(|begin| said.starts_with(begin))
        {
            kept.push_str(said);
            kept.push('\n');
        }
        true
    }
}

/// The test of a line such as `TRY 2 FAIL [   0.006s] (1/3) x t::bad`.
fn failed(text: &str) -> Option<&str> {
    let (what, rest) = text.split_once(" [")?;
    let what = match what.strip_prefix("TRY ") {
        Some(rest) => rest.split_once(' ')?.1,
        None => what,
    };
    if !matches!(what, "FAIL" | "TIMEOUT" | "SIGABRT" | "SIGSEGV" | "ABORT" | "LEAK-FAIL" | "TMT") {
        return None;
    }
    let (_, name) = rest.split_once(']')?;
    let name = name.trim_start();
    let name = match name.strip_prefix('(') {
        Some(rest) => rest.split_once(") ")?.1,
        None => name,
    };
    Some(name.trim())
}
