//! `go test`: its text, and its events as JSON.

use std::collections::HashMap;

use serde::Deserialize;

use super::sums::{Sums, Tool};

/// Most tests whose output is kept until their end.
const TESTS: usize = 1_000;
/// Most bytes of it for each.
const OUTPUT: usize = 1_500;

#[derive(Default)]
pub(super) struct Go {
    /// Inside a verbose run; without `-v` only failures have a line.
    verbose: bool,
    /// What tests have written so far, by package and name.
    output: HashMap<(String, String), String>,
}

/// An event of `go test -json` (`go doc test2json`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    test: String,
    #[serde(default)]
    output: String,
}

impl Tool for Go {
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool {
        if line.starts_with('{') && line.contains("\"Action\":") {
            return match serde_json::from_str::<Event>(line) {
                Ok(event) => self.event(event, sums),
                Err(_) => false,
            };
        }
        self.text(line, sums)
    }
}

impl Go {
    fn event(&mut self, event: Event, sums: &mut Sums) -> bool {
        let Event { action, package, test, output } = event;
        if test.is_empty() {
            // What a package says: `go vet` and the compiler speak so.
            return matches!(&*action, "start" | "output" | "pass" | "fail" | "skip");
        }
        let key = (package, test);
        // A test inside another is part of it, as in the text.
        let top = !key.1.contains('/');
        match &*action {
            "output" => {
                if self.output.len() < TESTS || self.output.contains_key(&key) {
                    let kept = self.output.entry(key).or_default();
                    if kept.len() < OUTPUT && !output.starts_with("=== ") {
                        kept.push_str(&output);
                    }
                }
            }
            "fail" => {
                let detail = self.output.remove(&key).unwrap_or_default();
                sums.add(0, u64::from(top), 0);
                sums.fail(&key.1, detail.trim());
            }
            "pass" | "skip" => {
                self.output.remove(&key);
                let passed = action == "pass";
                sums.add(u64::from(top && passed), 0, u64::from(top && !passed));
            }
            "run" | "pause" | "cont" | "bench" => {}
            _ => return false,
        }
        true
    }

    fn text(&mut self, line: &str, sums: &mut Sums) -> bool {
        if line.starts_with("=== RUN ") {
            self.verbose = true;
            sums.end_detail();
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
        if self.verbose {
            sums.add(passed, failed, skipped);
        }
        sums.end_detail();
        if failed > 0 {
            sums.fail_with_detail(name);
        }
        true
    }
}
