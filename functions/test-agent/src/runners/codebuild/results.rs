//! What a build handed over, read as hostile input: entry by entry, each bounded, none kept but for
//! what is wanted.

use std::{io::Read, path::Path, time::Duration};

use bytes::Bytes;
use flate2::read::GzDecoder;

use crate::{
    capture::{Capture, Captured},
    collector::{JUNIT_BYTES, LCOV_BYTES},
};

use super::reports::Wanted;

/// Most entries, and most bytes of all of them together.
const ENTRIES: usize = 4_096;
const BYTES: u64 = 1 << 30;
/// Longest account of the steps.
const STEPS: u64 = 64 * 1024;
/// Most bytes of all coverage reports.
const COVERAGE: usize = 64 << 20;

/// How a command of a build ended, as its script says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Step {
    pub(super) code: i32,
    pub(super) took: Option<Duration>,
}

/// What the script of a build says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Steps {
    pub(super) root: Option<String>,
    pub(super) setup: Option<Step>,
    pub(super) test: Option<Step>,
    /// A program that is not installed.
    pub(super) missing: Option<String>,
    /// pytest is not, and nothing else can run the tests.
    pub(super) lacks_pytest: bool,
    /// The tool that was used in place of the planned one.
    pub(super) tool: Option<String>,
}

impl Steps {
    pub(super) fn parse(text: &str) -> Self {
        let mut steps = Self::default();
        for line in text.lines().take(200) {
            let mut words = line.split(' ');
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            match kind {
                "root" if rest.starts_with('/') && rest.len() > 1 && rest.len() < 500 => {
                    steps.root = Some(rest.to_owned());
                }
                "missing" => steps.missing = Some(pact_agent::text::truncated(rest, 100)),
                "lacks" => steps.lacks_pytest = true,
                "tool" if rest == "unittest" => steps.tool = Some(rest.to_owned()),
                "end" => {
                    let name = words.nth(1);
                    let code = words.next().and_then(|code| code.parse().ok()).unwrap_or(1);
                    let mut time = || words.next().and_then(seconds);
                    let took = time().zip(time()).map(|(begun, ended)| (ended - begun).max(0.0));
                    let took = took.and_then(|took| Duration::try_from_secs_f64(took).ok());
                    let step = Step { code, took };
                    match name {
                        Some("setup") => steps.setup = Some(step),
                        Some("test") => steps.test = Some(step),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        steps
    }
}

/// Seconds, with a fraction where the machine's `date` knows one.
fn seconds(text: &str) -> Option<f64> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.get(..number)?.trim_end_matches('.').parse().ok()
}

/// Everything that was handed over and is wanted.
pub(super) struct Results {
    pub(super) steps: Steps,
    pub(super) setup: Option<Captured>,
    pub(super) test: Option<Captured>,
    /// JUnit reports that could be read, or why not, each with its name.
    pub(super) junit: Vec<(String, Result<Vec<u8>, String>)>,
    pub(super) coverage: Vec<Vec<u8>>,
    /// What was left out, for people.
    pub(super) notes: Vec<String>,
}

/// Reads an archive of results.
///
/// # Errors
/// It is none, or more than is read.
pub(super) fn read(archive: &Bytes, wanted: &Wanted) -> Result<Results, String> {
    let mut results = Results {
        steps: Steps::default(),
        setup: None,
        test: None,
        junit: Vec::new(),
        coverage: Vec::new(),
        notes: Vec::new(),
    };
    let damaged = |error: std::io::Error| format!("the results are damaged: {error}");
    let mut archive = tar::Archive::new(GzDecoder::new(&archive[..]).take(BYTES));
    let mut coverage = 0;
    for (number, entry) in archive.entries().map_err(damaged)?.enumerate() {
        if number == ENTRIES {
            results.notes.push(format!("more than {ENTRIES} files; the others were not read"));
            break;
        }
        let mut entry = entry.map_err(damaged)?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let path = entry.path().map_err(damaged)?.into_owned();
        let Some(path) = path.to_str() else { continue };
        match path {
            "pact/steps" => {
                let bytes = content(&mut entry, STEPS).map_err(|e| format!("the steps: {e}"))?;
                results.steps = Steps::parse(&String::from_utf8_lossy(&bytes));
            }
            "pact/setup.log" => results.setup = Some(captured(&mut entry).map_err(damaged)?),
            "pact/test.log" => results.test = Some(captured(&mut entry).map_err(damaged)?),
            _ if wanted.junit(path) => {
                let name = shown(path);
                results.junit.push((name, content(&mut entry, JUNIT_BYTES)));
            }
            _ if wanted.coverage(path) => match content(&mut entry, LCOV_BYTES) {
                Ok(bytes) if coverage + bytes.len() <= COVERAGE => {
                    coverage += bytes.len();
                    results.coverage.push(bytes);
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
    let name = path.strip_prefix("source/").unwrap_or(path);
    let name = if path.starts_with("pact/") {
        Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(name)
    } else {
        name
    };
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
        let steps = Steps::parse(
            "root /codebuild/output/src/source\nend setup 0 1.5 2.5\nend test 1 10.250 12.750\nhello\n",
        );
        assert_eq!(steps.root.as_deref(), Some("/codebuild/output/src/source"));
        assert_eq!(steps.setup, Some(Step { code: 0, took: Some(Duration::from_secs(1)) }));
        let took = Some(Duration::from_millis(2_500));
        assert_eq!(steps.test, Some(Step { code: 1, took }));
        let odd = Steps::parse("end test x 5 3\nroot relative\nmissing npm\n");
        assert_eq!(odd.test, Some(Step { code: 1, took: Some(Duration::ZERO) }));
        assert_eq!((odd.root, odd.missing.as_deref()), (None, Some("npm")));
        // A `date` without fractions.
        assert_eq!(seconds("1790000000.N"), Some(1_790_000_000.0));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let wanted = Wanted::new(&[], &[], ".");
        assert!(read(&Bytes::from_static(b"no archive"), &wanted).is_err());
    }
}
