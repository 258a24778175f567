//! What a build handed over, read as hostile input: entry by entry, each bounded, none kept but for
//! what is wanted.

use std::{io::Read, time::Duration};

use bytes::Bytes;
use flate2::read::GzDecoder;

use crate::{
    capture::{Capture, Captured},
    collector::{LCOV_BYTES, NOTES, REPORT_BYTES, REPORT_FILES},
    lcov_report,
    reports::{Counts, Unread},
    runners::reports::{Report, Wanted},
};

/// Most entries for each suite, and most bytes of all of them together.
const ENTRIES: usize = 4_096;
const BYTES: u64 = 1 << 30;
/// Longest account of the steps.
const STEPS: u64 = 64 * 1024;
/// Most bytes of all coverage reports.
const COVERAGE: usize = 64 << 20;

/// Most of the suites' parts of one account.
const LINES: usize = 2_000;

/// Most tools of one suite.
const TOOLS: usize = 4;

/// How a command of a build ended, as its script says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Step {
    pub(super) code: i32,
    pub(super) took: Option<Duration>,
}

/// What the script of a build says of one suite.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Steps {
    /// What was done before, in order.
    pub(super) setup: Vec<Step>,
    pub(super) test: Option<Step>,
    /// A program that is not installed.
    pub(super) missing: Option<String>,
    /// pytest is not, and nothing else can run the tests.
    pub(super) lacks_pytest: bool,
    /// What the plan says was not there, and its other way was taken.
    pub(super) otherwise: bool,
    /// Files that are too large to be handed over, by their paths.
    pub(super) large: Vec<String>,
    /// The tools that ran it, with their versions.
    pub(super) tools: Vec<String>,
}

impl Steps {
    /// Whether this is an account of something that did not succeed.
    pub(super) fn is_ill(&self) -> bool {
        self.missing.is_some()
            || self.lacks_pytest
            || self.setup.iter().chain(&self.test).any(|step| step.code != 0)
    }
}

/// What the script says of all: where the checkout was, and of which build it is.
#[derive(Debug, Default)]
struct Whole {
    root: Option<String>,
    of: Option<String>,
}

/// What the script says of all, and of each suite.
fn account(text: &str, suites: usize) -> (Whole, Vec<Steps>) {
    let mut whole = Whole::default();
    let mut steps = vec![Steps::default(); suites];
    for line in text.lines().take(LINES) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if kind == "root" {
            whole.root = Some(rest.to_owned())
                .filter(|root| root.starts_with('/') && root.len() > 1 && root.len() < 500)
                .or(whole.root);
            continue;
        }
        if kind == "of" {
            whole.of.get_or_insert_with(|| pact_agent::text::truncated(rest, 100));
            continue;
        }
        let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let Some(steps) = number.parse().ok().and_then(|n: usize| steps.get_mut(n)) else {
            continue;
        };
        match kind {
            "missing" => steps.missing = Some(pact_agent::text::truncated(rest, 100)),
            "lacks" => steps.lacks_pytest = true,
            "large" if steps.large.len() < NOTES => steps.large.push(rest.to_owned()),
            "otherwise" => steps.otherwise = true,
            "tool" if steps.tools.len() < TOOLS => steps.tools.extend(tool(rest)),
            "end" => {
                let mut words = rest.split(' ');
                let name = words.next();
                let code = words.next().and_then(|code| code.parse().ok()).unwrap_or(1);
                let mut time = || words.next().and_then(seconds);
                let took = time().zip(time()).map(|(begun, ended)| (ended - begun).max(0.0));
                let took = took.and_then(|took| Duration::try_from_secs_f64(took).ok());
                let step = Step { code, took };
                match name {
                    Some("test") => steps.test = Some(step),
                    Some(name) if name.starts_with("setup") => steps.setup.push(step),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    (whole, steps)
}

/// What a program says of its version: with its name, where it does not say that itself.
fn tool(text: &str) -> Option<String> {
    let (program, said) = text.split_once(' ')?;
    let said = pact_agent::text::readable(said);
    let said = pact_agent::text::truncated(said.trim(), 100);
    let name = program.trim_end_matches(|c: char| c.is_ascii_digit());
    let named = said.to_ascii_lowercase().starts_with(&name.to_ascii_lowercase());
    match (said.is_empty(), named) {
        (true, _) => None,
        (false, true) => Some(said),
        (false, false) => Some(format!("{} {said}", pact_agent::text::truncated(program, 40))),
    }
}

/// Seconds, with a fraction where the machine's `date` knows one.
fn seconds(text: &str) -> Option<f64> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.get(..number)?.trim_end_matches('.').parse().ok()
}

/// What one suite handed over.
#[derive(Default)]
pub(super) struct Part {
    pub(super) steps: Steps,
    /// What its setup wrote, step by step.
    pub(super) setup: Vec<Captured>,
    pub(super) test: Option<Captured>,
    /// Over the reports of tests; none when there was no readable one.
    pub(super) counts: Option<Counts>,
    /// What is odd about reports, for people.
    pub(super) notes: Vec<String>,
    /// Reports of tests that were not read, and why.
    pub(super) unread: Vec<String>,
}

impl Part {
    fn unread(&mut self, path: &str, reason: &str) {
        if self.unread.len() < NOTES {
            self.unread.push(format!("cannot read the report {}: {reason}", shown(path)));
        }
    }
}

/// Everything that was handed over and is wanted.
pub(super) struct Results {
    pub(super) root: Option<String>,
    /// Of which build they say that they are.
    pub(super) of: Option<String>,
    /// One for each suite.
    pub(super) parts: Vec<Part>,
    pub(super) coverage: Vec<Vec<u8>>,
    /// What was left out, for people.
    pub(super) notes: Vec<String>,
}

/// Reads an archive of results of these suites.
///
/// # Errors
/// It is none, or more than is read.
pub(super) fn read(archive: &Bytes, wanted: &[Wanted]) -> Result<Results, String> {
    let mut parts: Vec<Part> = Vec::new();
    parts.resize_with(wanted.len(), Part::default);
    let mut results =
        Results { root: None, of: None, parts, coverage: Vec::new(), notes: Vec::new() };
    let damaged = |error: std::io::Error| format!("the results are damaged: {error}");
    let mut archive = tar::Archive::new(GzDecoder::new(&archive[..]).take(BYTES));
    let (mut coverage, mut reports) = (0, 0);
    for (number, entry) in archive.entries().map_err(damaged)?.enumerate() {
        if number == ENTRIES * wanted.len().max(1) {
            results.notes.push(format!("more than {number} files; the others were not read"));
            break;
        }
        let mut entry = entry.map_err(damaged)?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let path = entry.path().map_err(damaged)?.into_owned();
        let Some(path) = path.to_str().and_then(|path| path.strip_prefix("pact/")) else {
            continue;
        };
        if path == "steps" {
            let bytes = content(&mut entry, STEPS).map_err(|e| format!("the steps: {e}"))?;
            let (whole, steps) = account(&String::from_utf8_lossy(&bytes), wanted.len());
            (results.root, results.of) = (whole.root, whole.of);
            for ((part, wanted), steps) in results.parts.iter_mut().zip(wanted).zip(steps) {
                for path in &steps.large {
                    if wanted.tests(&format!("files/{path}")).is_some() {
                        part.unread(path, "it is too large to be handed over");
                    }
                }
                part.steps = steps;
            }
            continue;
        }
        let Some((number, path)) = path.split_once('/') else { continue };
        let number: Option<usize> = number.parse().ok();
        let Some((part, wanted)) =
            number.and_then(|n| Some((results.parts.get_mut(n)?, wanted.get(n)?)))
        else {
            continue;
        };
        match path {
            "test.log" => part.test = Some(captured(&mut entry).map_err(damaged)?),
            _ if path.starts_with("setup") && path.ends_with(".log") => {
                part.setup.push(captured(&mut entry).map_err(damaged)?);
            }
            _ if let Some(report) = wanted.tests(path) => {
                reports += 1;
                if reports > REPORT_FILES {
                    if reports == REPORT_FILES + 1 {
                        part.unread(path, &format!("there are more than {REPORT_FILES}"));
                    }
                    continue;
                }
                match (crate::reports::read(&mut entry, REPORT_BYTES), report) {
                    (Ok(counts), _) => part.counts.get_or_insert_default().add(counts),
                    // Other documents may be where reports usually are.
                    (Err(Unread::Foreign(_)), Report::Possible) => {}
                    (Err(Unread::Foreign(reason) | Unread::Broken(reason)), _) => {
                        part.unread(path, &reason);
                    }
                }
            }
            _ if wanted.coverage(path) => match content(&mut entry, LCOV_BYTES) {
                Ok(bytes) if coverage + bytes.len() <= COVERAGE => {
                    coverage += bytes.len();
                    let folder = wanted.folder(path);
                    results.coverage.push(lcov_report::kept(folder, &bytes));
                }
                Ok(_) => results
                    .notes
                    .push(format!("coverage report {} left out: too much in all", shown(path))),
                Err(reason) => results
                    .notes
                    .push(format!("coverage report {} left out: {reason}", shown(path))),
            },
            _ => {}
        }
    }
    Ok(results)
}

fn shown(path: &str) -> String {
    let name = path.strip_prefix("files/").unwrap_or(path);
    let name =
        name.strip_prefix("source/").or_else(|| name.strip_prefix("reports/")).unwrap_or(name);
    pact_agent::text::truncated(name, 200)
}

fn content(entry: &mut impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    entry.take(limit + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    if content.len() as u64 > limit {
        return Err(format!("larger than {} KiB", limit / 1024));
    }
    Ok(content)
}

fn captured(entry: &mut impl Read) -> std::io::Result<Captured> {
    let mut capture = Capture::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match entry.read(&mut buffer)? {
            0 => return Ok(capture.finish()),
            read => capture.push(buffer.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_says_is_read_and_nonsense_is_not() {
        let (whole, steps) = account(
            "of a1\nof b2\nroot /codebuild/output/src/source\nend 0 setup0 0 1.5 2.5\nend 0 test 1 10.250 12.750\n\
             missing 1 npm\nend 2 test x 5 3\nlacks 2 pytest\nend 9 test 0\nroot relative\nhello\n",
            3,
        );
        assert_eq!(whole.root.as_deref(), Some("/codebuild/output/src/source"));
        assert_eq!(whole.of.as_deref(), Some("a1"));
        let [first, second, third] = &steps[..] else { panic!("three suites") };
        assert_eq!(first.setup, [Step { code: 0, took: Some(Duration::from_secs(1)) }]);
        let took = Some(Duration::from_millis(2_500));
        assert_eq!(first.test, Some(Step { code: 1, took }));
        assert_eq!(second.missing.as_deref(), Some("npm"));
        assert_eq!(third.test, Some(Step { code: 1, took: Some(Duration::ZERO) }));
        assert!(third.lacks_pytest && steps.iter().all(Steps::is_ill));
        // A `date` without fractions.
        assert_eq!(seconds("1790000000.N"), Some(1_790_000_000.0));
    }

    #[test]
    fn a_tool_is_named_with_what_it_says_of_its_version() {
        for (text, expected) in [
            (
                "cargo cargo 1.95.0 (f2d3ce0bd 2026-03-21)",
                Some("cargo 1.95.0 (f2d3ce0bd 2026-03-21)"),
            ),
            ("python3 Python 3.11.7", Some("Python 3.11.7")),
            ("node v20.20.2", Some("node v20.20.2")),
            ("mvn \u{1b}[1mApache Maven 3.8.7\u{1b}[m", Some("mvn Apache Maven 3.8.7")),
            ("node ", None),
            ("node", None),
        ] {
            assert_eq!(tool(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let wanted = Wanted::new(&[], &[], "");
        assert!(read(&Bytes::from_static(b"no archive"), &[wanted]).is_err());
    }
}
