//! JUnit reports. There is no single schema: what is not a number where one should be counts as
//! missing, elements that are not known are passed over, and depth is bounded.

use pact_agent::text::truncated;
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

use crate::tool_output::{Failure, MAX_FAILURES};

/// Elements inside each other that are accepted.
const MAX_DEPTH: usize = 64;
/// Bytes that are kept of what is written about one failure.
const MAX_TEXT: usize = 64 * 1024;

/// Counts over reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that ran.
    pub(crate) total: u64,
    /// Tests that failed, errors included.
    pub(crate) failed: u64,
    /// Tests that did not run.
    pub(crate) skipped: u64,
    /// The tests that failed, bounded.
    pub(crate) failures: Vec<Failure>,
}

/// An element that has begun and not ended.
enum Element {
    Suite(Suite),
    Case(Case),
    /// What went wrong in a test: message and text.
    Fault(String, String),
    Skipped,
    Other,
}

#[derive(Default)]
struct Suite {
    tests: u64,
    failed: u64,
    skipped: u64,
    file: Option<String>,
    /// Whether it has suites or tests inside, which count instead of its totals.
    has_inner: bool,
}

struct Case {
    failure: Failure,
    skipped: bool,
    failed: bool,
}

impl Counts {
    /// Counts the tests of one report.
    ///
    /// # Errors
    /// Says why the report cannot be read.
    pub(crate) fn read(report: &[u8]) -> Result<Self, String> {
        let mut counts = Self::default();
        counts.parse(&String::from_utf8_lossy(report))?;
        Ok(counts)
    }

    /// Adds those of another report.
    pub(crate) fn add(&mut self, more: Self) {
        self.add_totals(more.total, more.failed, more.skipped);
        let room = MAX_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(more.failures.into_iter().take(room));
    }

    fn add_totals(&mut self, total: u64, failed: u64, skipped: u64) {
        self.total = self.total.saturating_add(total);
        self.failed = self.failed.saturating_add(failed);
        self.skipped = self.skipped.saturating_add(skipped);
    }

    fn parse(&mut self, report: &str) -> Result<(), String> {
        let mut reader = Reader::from_str(report.trim_start_matches('\u{feff}').trim_start());
        reader.config_mut().allow_dangling_amp = true;
        let mut open: Vec<Element> = Vec::new();
        let mut begun = false;
        loop {
            match reader.read_event().map_err(|e| e.to_string())? {
                Event::Start(tag) => {
                    begun = true;
                    if open.len() >= MAX_DEPTH {
                        return Err(format!("more than {MAX_DEPTH} elements inside each other"));
                    }
                    let element = begin(&tag, &mut open)?;
                    open.push(element);
                }
                Event::Empty(tag) => {
                    begun = true;
                    let element = begin(&tag, &mut open)?;
                    self.end(element, &mut open);
                }
                Event::End(_) => {
                    if let Some(element) = open.pop() {
                        self.end(element, &mut open);
                    }
                }
                Event::Text(text) => write(&mut open, &text.xml10_content()),
                Event::CData(text) => write(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => write(&mut open, &meaning(&reference)),
                Event::DocType(_) if !open.is_empty() => {
                    return Err("a document type inside an element".to_owned());
                }
                Event::Eof if !begun => return Err("there is no element".to_owned()),
                Event::Eof if !open.is_empty() => {
                    return Err("it ends in the middle of an element".to_owned());
                }
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn end(&mut self, element: Element, open: &mut [Element]) {
        match (element, open.last_mut()) {
            (Element::Suite(suite), _) if !suite.has_inner => {
                // A report with totals only.
                let ran = suite.tests.saturating_sub(suite.skipped);
                self.add_totals(ran, suite.failed, suite.skipped);
            }
            (Element::Case(case), _) if case.failed => {
                self.add_totals(1, 1, 0);
                if self.failures.len() < MAX_FAILURES {
                    self.failures.push(case.failure);
                }
            }
            (Element::Case(case), _) if case.skipped => self.add_totals(0, 0, 1),
            (Element::Case(_), _) => self.add_totals(1, 0, 0),
            (Element::Skipped, Some(Element::Case(case))) => case.skipped = true,
            (Element::Fault(message, text), Some(Element::Case(case))) if !case.failed => {
                case.failed = true;
                let detail = match (message.trim(), text.trim()) {
                    (message, text) if text.starts_with(message) => text.to_owned(),
                    (message, text) => format!("{message}\n{text}"),
                };
                case.failure.detail = truncated(detail.trim(), 4_000);
            }
            _ => {}
        }
    }
}

/// The element that a tag begins, inside those that are open.
fn begin(tag: &BytesStart<'_>, open: &mut [Element]) -> Result<Element, String> {
    let name = tag.local_name();
    let known = match name.as_ref() {
        "testsuites" | "testsuite" | "testrun" => {
            let count = |name| attribute(tag, name).and_then(|v| v.parse::<u64>().ok());
            let count = |name| count(name).unwrap_or(0);
            Element::Suite(Suite {
                tests: count("tests"),
                failed: count("failures").saturating_add(count("errors")),
                skipped: count("skipped"),
                file: attribute(tag, "file").or_else(|| file_of(open)),
                has_inner: false,
            })
        }
        "testcase" => {
            let name = attribute(tag, "name").unwrap_or_default();
            let name = match attribute(tag, "classname") {
                Some(class) if !class.is_empty() => format!("{class}::{name}"),
                _ => name,
            };
            let line = attribute(tag, "line").and_then(|v| v.parse().ok()).filter(|l| *l > 0);
            let failure = Failure {
                name: truncated(&name, 300),
                detail: String::new(),
                file: attribute(tag, "file").or_else(|| file_of(open)),
                line,
            };
            Element::Case(Case { failure, skipped: false, failed: false })
        }
        "failure" | "error" => {
            Element::Fault(attribute(tag, "message").unwrap_or_default(), String::new())
        }
        "skipped" => Element::Skipped,
        _ => Element::Other,
    };
    match (open.last_mut(), &known) {
        (None, Element::Suite(_)) => {}
        (None, _) => return Err(format!("<{}> begins no JUnit report", name.as_ref())),
        (Some(Element::Suite(outer)), Element::Suite(_) | Element::Case(_)) => {
            outer.has_inner = true;
        }
        (Some(_), _) => {}
    }
    Ok(known)
}

/// The file of the innermost suite.
fn file_of(open: &[Element]) -> Option<String> {
    match open.last()? {
        Element::Suite(suite) => suite.file.clone(),
        _ => None,
    }
}

/// Adds text to what is written about a failure.
fn write(open: &mut [Element], more: &str) {
    if let Some(Element::Fault(_, text)) = open.last_mut()
        && text.len() < MAX_TEXT
    {
        text.push_str(more);
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    attributes.with_checks(false);
    let found = attributes.flatten().find(|a| a.key.local_name().as_ref() == name)?;
    let value = found.normalized_value(XmlVersion::Implicit1_0);
    Some(value.map_or_else(|_| found.value.clone().into_owned(), |v| v.into_owned()))
}

/// What a reference such as `&lt;` stands for; one that is not known stands for itself.
fn meaning(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return c.to_string();
    }
    let name = reference.xml10_content();
    match quick_xml::escape::resolve_predefined_entity(&name) {
        Some(text) => text.to_owned(),
        None => format!("&{name};"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(report: &str) -> Result<Counts, String> {
        Counts::read(report.as_bytes())
    }

    #[test]
    fn a_bare_suite_with_odd_numbers_is_read() {
        let counts = read(
            "\u{feff}<?xml version=\"1.0\"?>\n<testsuite name='a > b' time=\"1,234.01\" tests='3' line='-1'>\
             <testcase name='ok' classname='A' time='0,5'/>\
             <testcase name='bad' classname='A' file='tests/a.py' line='7'><failure message='1 &lt; 2'>1 &lt; 2 at a.py</failure></testcase>\
             <testcase name='later'><skipped/></testcase><testcase name='broken'><error message='x'/></testcase></testsuite>",
        )
        .expect("it is read");
        assert_eq!((counts.total, counts.failed, counts.skipped), (3, 2, 1));
        assert_eq!(counts.failures[0].name, "A::bad");
        assert_eq!(counts.failures[0].detail, "1 < 2 at a.py");
        assert_eq!(
            (counts.failures[0].file.as_deref(), counts.failures[0].line),
            (Some("tests/a.py"), Some(7))
        );
    }

    #[test]
    fn nested_suites_and_totals_without_cases_are_counted() {
        let counts = read(
            "<testsuites><testsuite name='o'><testsuite name='i'><testcase name='a'/></testsuite></testsuite>\
             <testsuite name='t' tests='5' failures='1' errors='1' skipped='2'/></testsuites>",
        )
        .expect("it is read");
        assert_eq!((counts.total, counts.failed, counts.skipped), (4, 2, 2));
    }

    #[test]
    fn what_is_hidden_in_comments_does_not_make_depth_smaller() {
        let bomb = "<testsuite><!-- </testsuite> --><![CDATA[</testsuite>]]>".repeat(100_000);
        assert!(read(&bomb).is_err_and(|e| e.contains("inside each other")));
        assert!(read(&"<testsuite>".repeat(1_000_000)).is_err());
    }

    #[test]
    fn damaged_reports_are_refused_with_a_reason() {
        for report in ["", "no xml", "<testsuite><testcase name='a'>", "<testsuite name='a"] {
            assert!(read(report).is_err_and(|e| !e.is_empty()), "{report}");
        }
    }

    proptest! {
        #[test]
        fn nothing_written_into_a_report_breaks_the_reader(text in "(<testsuite|<testcase|time=|'|\"|>|/>|<!--|-->|<!\\[CDATA\\[|\\]\\]>|&lt;|\\PC){0,60}") {
            let _outcome = read(&text);
        }
    }
}
