//! What the elements of each dialect mean.

use quick_xml::{
    XmlVersion,
    events::{BytesStart, attributes::Attribute},
};

use crate::cases::milliseconds;

/// Bytes that are kept of one attribute.
const MAX_ATTRIBUTE: usize = 16 * 1024;

/// Kinds of reports, by their first element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    JUnit,
    /// NUnit 2 and 3.
    NUnit,
    /// xUnit.net, version 2.
    XUnit,
    /// Visual Studio.
    Trx,
}

impl Dialect {
    pub(super) fn of(root: &str) -> Option<Self> {
        Some(match root {
            "testsuites" | "testsuite" | "testrun" => Self::JUnit,
            "test-run" | "test-results" => Self::NUnit,
            "assemblies" | "assembly" => Self::XUnit,
            "TestRun" => Self::Trx,
            _ => return None,
        })
    }
}

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    Skipped,
    /// It failed, and was to.
    Expected,
}

/// What an element is, whatever the dialect calls it.
pub(super) enum Meaning {
    /// With the numbers that it says of itself: all, failed, skipped.
    Suite {
        name: String,
        file: Option<String>,
        total: u64,
        failed: u64,
        skipped: u64,
    },
    Case(Described),
    /// What went wrong, with what an attribute says of it.
    Fault(String),
    Skipped,
    /// The test failed, and was to.
    Expected,
    /// An attempt before the one that counts.
    Earlier,
    /// A part of a fault whose text belongs to it.
    Text,
    Other,
}

/// A test.
pub(super) struct Described {
    pub(super) name: String,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    /// How long it took, in milliseconds.
    pub(super) ms: Option<u64>,
    /// What an attribute says became of it.
    pub(super) verdict: Option<Verdict>,
}

/// The meaning of an element.
pub(super) fn meaning(dialect: Dialect, tag: &BytesStart<'_>) -> Meaning {
    let name = tag.local_name();
    match (dialect, name.as_ref()) {
        (Dialect::JUnit, name) => junit(name, tag),
        (Dialect::NUnit, name) => nunit(name, tag),
        (Dialect::XUnit, name) => xunit(name, tag),
        (Dialect::Trx, name) => trx(name, tag),
    }
}

/// The form of Ant, with what Maven's surefire, Gradle, GoogleTest, CTest and nextest add.
fn junit(name: &str, tag: &BytesStart<'_>) -> Meaning {
    match name {
        "testsuites" | "testsuite" | "testrun" => {
            let skipped = number(tag, "skipped").max(number(tag, "ignored"));
            suite(
                tag,
                number(tag, "tests"),
                number(tag, "failures").saturating_add(number(tag, "errors")),
                skipped.saturating_add(number(tag, "disabled")),
            )
        }
        "testcase" => {
            let names = ["name", "classname", "status", "result", "line", "time", "file"];
            let [name, class, status, result, line, time, file] = attributes(tag, names);
            let named = name.unwrap_or_default();
            let name = match class {
                Some(class) if !class.is_empty() => format!("{class}::{named}"),
                _ => named,
            };
            let verdict = [status, result].into_iter().flatten().find_map(|said| {
                Some(match said.to_ascii_lowercase().as_str() {
                    "notrun" | "disabled" | "skipped" | "suppressed" | "ignored" => {
                        Verdict::Skipped
                    }
                    "fail" | "failed" | "failure" | "error" => Verdict::Failed,
                    _ => return None,
                })
            });
            let line = line.and_then(|v| v.parse().ok()).filter(|l| *l > 0);
            let ms = time.and_then(|time| milliseconds(&time));
            Meaning::Case(Described { name, file, line, ms, verdict })
        }
        "failure" | "error" => Meaning::Fault(attribute(tag, "message").unwrap_or_default()),
        // pytest's word for a test that is to fail.
        "skipped" if attribute(tag, "type").as_deref() == Some("pytest.xfail") => Meaning::Expected,
        "skipped" => Meaning::Skipped,
        "flakyFailure" | "flakyError" => Meaning::Earlier,
        _ => Meaning::Other,
    }
}

fn nunit(name: &str, tag: &BytesStart<'_>) -> Meaning {
    match name {
        "test-run" | "test-results" | "test-suite" => {
            let skipped = number(tag, "skipped").max(number(tag, "not-run"));
            let failed = number(tag, "failed").max(number(tag, "failures"));
            let failed = failed.saturating_add(number(tag, "errors"));
            suite(tag, number(tag, "total").max(number(tag, "testcasecount")), failed, skipped)
        }
        "test-case" => {
            let result = attribute(tag, "result").unwrap_or_default();
            let is = |name: &str, value: &str| {
                attribute(tag, name).is_some_and(|v| v.eq_ignore_ascii_case(value))
            };
            let verdict = match result.as_str() {
                "Passed" | "Success" | "Warning" => Verdict::Passed,
                "Skipped" | "Ignored" | "Inconclusive" | "NotRunnable" => Verdict::Skipped,
                "Failed" | "Failure" | "Error" | "Cancelled" => Verdict::Failed,
                _ if is("executed", "false") => Verdict::Skipped,
                _ if is("success", "true") => Verdict::Passed,
                _ => Verdict::Failed,
            };
            let name = attribute(tag, "fullname").or_else(|| attribute(tag, "name"));
            // Version 3, version 2.
            let time = attribute(tag, "duration").or_else(|| attribute(tag, "time"));
            case(name, time.and_then(|time| milliseconds(&time)), verdict)
        }
        "failure" => Meaning::Fault(String::new()),
        "message" | "stack-trace" => Meaning::Text,
        _ => Meaning::Other,
    }
}

fn xunit(name: &str, tag: &BytesStart<'_>) -> Meaning {
    match name {
        "assemblies" | "assembly" | "collection" => {
            let failed = number(tag, "failed").saturating_add(number(tag, "errors"));
            suite(tag, number(tag, "total"), failed, number(tag, "skipped"))
        }
        "test" => {
            let verdict = match attribute(tag, "result").unwrap_or_default().as_str() {
                "Pass" => Verdict::Passed,
                "Skip" | "NotRun" => Verdict::Skipped,
                _ => Verdict::Failed,
            };
            let time = attribute(tag, "time").and_then(|time| milliseconds(&time));
            case(attribute(tag, "name"), time, verdict)
        }
        // What failed beside any test.
        "error" => Meaning::Fault(attribute(tag, "name").unwrap_or_default()),
        "failure" => Meaning::Fault(String::new()),
        "message" | "stack-trace" => Meaning::Text,
        _ => Meaning::Other,
    }
}

fn trx(name: &str, tag: &BytesStart<'_>) -> Meaning {
    match name {
        "TestRun" | "Results" => suite(tag, 0, 0, 0),
        "Counters" => Meaning::Other,
        "UnitTestResult" => {
            let verdict = match attribute(tag, "outcome").unwrap_or_default().as_str() {
                "Passed" | "PassedButRunAborted" | "Warning" | "Completed" => Verdict::Passed,
                "NotExecuted" | "NotRunnable" | "Inconclusive" | "Pending" => Verdict::Skipped,
                _ => Verdict::Failed,
            };
            let time = attribute(tag, "duration").and_then(|time| clock(&time));
            case(attribute(tag, "testName"), time, verdict)
        }
        "ErrorInfo" => Meaning::Fault(String::new()),
        "Message" | "StackTrace" => Meaning::Text,
        _ => Meaning::Other,
    }
}

fn suite(tag: &BytesStart<'_>, total: u64, failed: u64, skipped: u64) -> Meaning {
    let name = attribute(tag, "name").unwrap_or_default();
    Meaning::Suite { name, file: attribute(tag, "file"), total, failed, skipped }
}

/// Milliseconds of `00:00:01.2345678`.
fn clock(text: &str) -> Option<u64> {
    let mut parts = text.rsplitn(3, ':');
    let seconds = milliseconds(parts.next()?)?;
    let mut whole = || parts.next().map_or(Some(0), |part| part.parse::<u64>().ok());
    let (minutes, hours) = (whole()?, whole()?);
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    minutes.checked_mul(60_000)?.checked_add(seconds)
}

fn case(name: Option<String>, ms: Option<u64>, verdict: Verdict) -> Meaning {
    let name = name.unwrap_or_default();
    Meaning::Case(Described { name, file: None, line: None, ms, verdict: Some(verdict) })
}

fn number(tag: &BytesStart<'_>, name: &str) -> u64 {
    attribute(tag, name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let [found] = attributes(tag, [name]);
    found
}

/// What these attributes say, by one pass over the tag: in a report of a million tests every further
/// one is seen.
fn attributes<const N: usize>(tag: &BytesStart<'_>, names: [&str; N]) -> [Option<String>; N] {
    let mut found = [const { None }; N];
    let mut attributes = tag.attributes();
    attributes.with_checks(false);
    for attribute in attributes.flatten() {
        let key = attribute.key.local_name();
        let at = names.iter().position(|name| *name == key.as_ref());
        if let Some(slot @ None) = at.and_then(|at| found.get_mut(at)) {
            *slot = Some(value(&attribute));
        }
    }
    found
}

fn value(attribute: &Attribute<'_>) -> String {
    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
    let value = value.unwrap_or_else(|_| attribute.value.clone());
    if value.len() > MAX_ATTRIBUTE {
        return pact_agent::text::truncated(&value, MAX_ATTRIBUTE);
    }
    value.into_owned()
}
