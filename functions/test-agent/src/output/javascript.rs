//! mocha (its reporter `json` too), jest, vitest, AVA, Playwright, Deno and Bun.

use super::sums::{Sums, Tool, pair, pairs, sum};

#[derive(Default)]
pub(super) struct JavaScript {
    mocha: Mocha,
    json: Json,
    ava: Ava,
}

/// AVA says how many tests passed only where all did.
#[derive(Default)]
struct Ava {
    /// Tests that it ticked off.
    ticked: u64,
    /// Whether there was one that it said to have failed.
    failed: bool,
    /// Whether it said how many passed.
    told: bool,
}

/// Where in mocha's list of failures the output is.
#[derive(Default)]
enum Mocha {
    #[default]
    Outside,
    /// Behind `N failing`.
    Inside,
    /// In the lines that name a failing test, with what of the name was seen.
    Name(String),
}

/// Where in the document of mocha's reporter `json` the output is.
#[derive(Default)]
enum Json {
    #[default]
    Outside,
    /// In its numbers: passes, failures, pending.
    Stats([Option<u64>; 3]),
    /// In one of its lists that is passed over.
    Other,
    Failures,
}

impl Tool for JavaScript {
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool {
        let text = line.trim();
        self.json(line, sums)
            || self.mocha(text, sums)
            || jest(text, sums)
            || self.ava(line, sums)
            || deno(text, sums)
            || bun(line, sums)
    }

    fn end(&mut self, sums: &mut Sums) {
        if self.ava.failed && !self.ava.told {
            sums.add(self.ava.ticked, 0, 0);
        }
    }
}

impl JavaScript {
    /// The document that mocha's reporter `json` writes: `stats`, then lists of tests. Two signs
    /// before the keys of its first level.
    fn json(&mut self, line: &str, sums: &mut Sums) -> bool {
        let of = |text: &str, key: &str| -> Option<u64> {
            let value = text.strip_prefix('"')?.strip_prefix(key)?.strip_prefix("\":")?;
            value.trim().trim_end_matches(',').parse().ok()
        };
        let text = line.trim();
        match (&mut self.json, line) {
            (Json::Outside, "  \"stats\": {") => self.json = Json::Stats([None; 3]),
            (Json::Outside, _) => return false,
            (Json::Stats(numbers), "  }," | "  }") => {
                if let [Some(passed), Some(failed), Some(pending)] = *numbers {
                    sums.add(passed, failed, pending);
                }
                self.json = Json::Other;
            }
            (Json::Stats(numbers), _) => {
                for (number, key) in numbers.iter_mut().zip(["passes", "failures", "pending"]) {
                    *number = of(text, key).or(*number);
                }
            }
            (_, "}") => self.json = Json::Outside,
            (Json::Other, "  \"failures\": [") => self.json = Json::Failures,
            (Json::Failures, "  ]," | "  ]") => {
                sums.end_detail();
                self.json = Json::Other;
            }
            (Json::Failures, _) => {
                let key = |key: &str| {
                    let value = text.strip_prefix(key)?.trim().trim_end_matches(',');
                    serde_json::from_str::<String>(value).ok()
                };
                if let Some(name) = key("\"fullTitle\":") {
                    sums.fail_with_detail(&name);
                } else if let Some(message) = key("\"message\":") {
                    sums.add_detail(&message);
                }
            }
            (Json::Other, _) => {}
        }
        true
    }

    /// `3 passing (5ms)`, `1 failing`, then the failures with their numbers.
    fn mocha(&mut self, text: &str, sums: &mut Sums) -> bool {
        if let Some((number, rest)) = text.split_once(' ')
            && let Ok(number) = number.parse::<u64>()
        {
            let with_time = |word: &str| {
                rest.strip_prefix(word).is_some_and(|rest| {
                    rest.is_empty() || (rest.starts_with(" (") && rest.ends_with(')'))
                })
            };
            if with_time("passing") {
                sums.add(number, 0, 0);
                return true;
            }
            if rest == "failing" {
                self.mocha = Mocha::Inside;
                sums.add(0, number, 0);
                return true;
            }
            if rest == "pending" {
                sums.add(0, 0, number);
                return true;
            }
        }
        let numbered = || {
            let (number, name) = text.split_once(") ")?;
            number.bytes().all(|b| b.is_ascii_digit()).then_some(name)
        };
        match &mut self.mocha {
            Mocha::Outside => return false,
            Mocha::Inside => {
                let Some(name) = numbered() else { return false };
                self.mocha = Mocha::Name(name.to_owned());
            }
            // The name goes on, level by level, up to a colon.
            Mocha::Name(name) if name.len() < 300 => {
                name.push_str(" › ");
                name.push_str(text);
            }
            Mocha::Name(_) => {
                self.mocha = Mocha::Inside;
                return false;
            }
        }
        if let Mocha::Name(name) = &self.mocha
            && let Some(whole) = name.strip_suffix(':')
        {
            sums.fail_with_detail(whole);
            self.mocha = Mocha::Inside;
        }
        true
    }

    /// `1 test failed`, `2 tests passed`, each on its line; `✘ [fail]: adds`.
    fn ava(&mut self, line: &str, sums: &mut Sums) -> bool {
        let text = line.trim();
        if let Some(name) = text.strip_prefix("✘ [fail]: ") {
            self.ava.failed = true;
            sums.fail_with_detail(name);
            return true;
        }
        if line.starts_with("  ✔ ") {
            self.ava.ticked += 1;
            return false;
        }
        let words: Vec<_> = text.split(' ').collect();
        let (number, what) = match words[..] {
            [number, "test" | "tests", what] => (number, what),
            [number, "known", what] => (number, what),
            [number, "uncaught", "exception" | "exceptions"]
            | [number, "unhandled", "rejection" | "rejections"] => (number, "failed"),
            _ => return false,
        };
        let Ok(number) = number.parse::<u64>() else { return false };
        match what {
            "passed" => {
                self.ava.told = true;
                sums.add(number, 0, 0);
            }
            "failed" => sums.add(0, number, 0),
            "skipped" | "todo" => sums.add(0, 0, number),
            "failure" | "failures" => sums.expected(number),
            _ => return false,
        }
        sums.end_detail();
        true
    }
}

/// `Tests: 1 failed, 3 passed, 4 total` of jest, `Tests  1 failed | 3 passed (4)` of vitest.
fn jest(text: &str, sums: &mut Sums) -> bool {
    let jest = text.strip_prefix("Tests:").filter(|t| t.ends_with(" total"));
    let vitest = text.strip_prefix("Tests ").filter(|t| t.ends_with(')') && t.contains(" ("));
    if let Some(rest) = jest.or(vitest) {
        sums.end_detail();
        let counts = pairs(rest, &[',', '|']);
        sums.add(
            sum(&counts, &["passed"]),
            sum(&counts, &["failed"]),
            sum(&counts, &["skipped", "todo", "pending"]),
        );
        return true;
    }
    // jest says so of a test, of a file that could not be run, and of what was printed.
    if let Some(name) = text.strip_prefix("● ")
        && !name.starts_with("Console")
        && !name.starts_with("Test suite failed to run")
    {
        sums.fail_with_detail(name);
        return true;
    }
    // vitest: `FAIL  a.test.js > math > adds`.
    if let Some(name) = text.strip_prefix("FAIL ")
        && name.contains(" > ")
    {
        sums.fail_with_detail(name);
        return true;
    }
    false
}

/// `ok | 3 passed | 1 failed | 2 ignored (12ms)`, and `FAILED | …`.
fn deno(text: &str, sums: &mut Sums) -> bool {
    let Some(rest) = text.strip_prefix("ok | ").or_else(|| text.strip_prefix("FAILED | ")) else {
        return false;
    };
    if !rest.ends_with(')') {
        return false;
    }
    let counts = pairs(rest, &['|']);
    if !counts.iter().any(|(_, word)| *word == "passed") {
        return false;
    }
    sums.add(sum(&counts, &["passed"]), sum(&counts, &["failed"]), sum(&counts, &["ignored"]));
    true
}

/// ` 3 pass`, ` 1 fail`, ` 2 skip`, each on its line, one space in.
fn bun(line: &str, sums: &mut Sums) -> bool {
    let Some(text) = line.strip_prefix(' ').filter(|text| !text.starts_with(' ')) else {
        return false;
    };
    match pair(text).filter(|(number, word)| text.trim_end() == format!("{number} {word}")) {
        Some((number, "pass")) => sums.add(number, 0, 0),
        Some((number, "fail")) => sums.add(0, number, 0),
        Some((number, "skip" | "todo")) => sums.add(0, 0, number),
        _ => return false,
    }
    true
}
