//! JUnit reports. There is no single schema: what cannot be read as a number is blanked before the
//! reader sees it, and documents that are nested too deeply are refused.

use junit_parser::{TestStatus, TestSuite, TestSuites};
use pact_agent::adapter::truncated;

use crate::summary::{Failure, MAX_FAILURES};

/// Elements inside each other that are accepted.
const MAX_DEPTH: usize = 64;

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

impl Counts {
    /// Adds the tests of one report.
    ///
    /// # Errors
    /// Says why the report cannot be read; nothing was added.
    pub(crate) fn add(&mut self, report: &[u8]) -> Result<(), String> {
        let suites = parse(report)?;
        if suites.suites.is_empty() {
            let failed = suites.failures.saturating_add(suites.errors);
            self.add_totals(suites.tests, failed, suites.skipped);
        }
        for suite in &suites.suites {
            self.add_suite(suite);
        }
        Ok(())
    }

    fn add_totals(&mut self, tests: u64, failed: u64, skipped: u64) {
        self.total = self.total.saturating_add(tests.saturating_sub(skipped));
        self.failed = self.failed.saturating_add(failed);
        self.skipped = self.skipped.saturating_add(skipped);
    }

    fn add_suite(&mut self, suite: &TestSuite) {
        if suite.cases.is_empty() && suite.suites.is_empty() {
            // A report with totals only.
            let failed = suite.failures.saturating_add(suite.errors);
            self.add_totals(suite.tests, failed, suite.skipped);
        }
        for case in &suite.cases {
            let (message, text) = match &case.status {
                TestStatus::Success => {
                    self.total += 1;
                    continue;
                }
                TestStatus::Skipped(_) => {
                    self.skipped += 1;
                    continue;
                }
                TestStatus::Error(e) => (&e.message, &e.text),
                TestStatus::Failure(f) => (&f.message, &f.text),
            };
            self.total += 1;
            self.failed += 1;
            if self.failures.len() < MAX_FAILURES {
                let detail = match (message.trim(), text.trim()) {
                    (message, text) if text.starts_with(message) => text.to_owned(),
                    (message, text) => format!("{message}\n{text}"),
                };
                self.failures.push(Failure {
                    name: truncated(case.name.trim_start_matches(':'), 300),
                    detail: truncated(detail.trim(), 4_000),
                    file: case.file.clone().or_else(|| suite.file.clone()),
                    line: case.line.and_then(|l| u32::try_from(l).ok()).filter(|l| *l > 0),
                });
            }
        }
        for inner in &suite.suites {
            self.add_suite(inner);
        }
    }
}

fn parse(report: &[u8]) -> Result<TestSuites, String> {
    let text = String::from_utf8_lossy(report);
    let text = normalise(text.trim_start_matches('\u{feff}').trim_start())?;
    junit_parser::from_reader(text.as_bytes()).map_err(|error| {
        let mut message = error.to_string();
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            next = cause.source();
        }
        message
    })
}

/// The document with numeric attributes that are not numbers (`time="1,234.01"`) left blank.
fn normalise(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut depth = 0usize;
    while let Some(start) = rest.find('<') {
        let (before, markup) = rest.split_at(start);
        push_text(before, &mut out);
        let end = if markup.starts_with("<!--") {
            after(markup, "-->")
        } else if markup.starts_with("<![CDATA[") {
            after(markup, "]]>")
        } else if markup.starts_with("<?") {
            after(markup, "?>")
        } else {
            tag_end(markup)
        };
        let (tag, after) = markup.split_at(end.unwrap_or(markup.len()));
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
            out.push_str(tag);
        } else if tag.starts_with("<!DOCTYPE") && depth > 0 {
            return Err("a document type inside an element".to_owned());
        } else if tag.starts_with("<!") || tag.starts_with("<?") {
            out.push_str(tag);
        } else {
            if !tag.ends_with("/>") {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!("more than {MAX_DEPTH} elements inside each other"));
                }
            }
            blank_numbers(tag, &mut out);
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn after(text: &str, mark: &str) -> Option<usize> {
    text.find(mark).map(|i| i + mark.len())
}

/// The reader loses references in text (`&lt;`): text that has any becomes a CDATA section.
fn push_text(text: &str, out: &mut String) {
    if !text.contains('&') {
        out.push_str(text);
        return;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        let (before, reference) = rest.split_at(start);
        plain.push_str(before);
        let end = reference.bytes().take(12).position(|b| b == b';');
        let name = end.and_then(|end| reference.get(1..end)).unwrap_or_default();
        match (named(name), end) {
            (Some(c), Some(end)) => {
                plain.push(c);
                rest = reference.get(end + 1..).unwrap_or_default();
            }
            _ => {
                plain.push('&');
                rest = reference.get(1..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    out.push_str("<![CDATA[");
    out.push_str(&plain.replace("]]>", "]]]]><![CDATA[>"));
    out.push_str("]]>");
}

/// The character that a reference stands for.
fn named(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// Where the tag ends that `text` begins with; `>` may occur in quotes.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(index + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), b) if open == b => quote = None,
            _ => {}
        }
    }
    None
}

fn blank_numbers(tag: &str, out: &mut String) {
    let is_ours = ["<testsuites", "<testsuite", "<testcase", "<testrun"]
        .iter()
        .any(|n| tag.strip_prefix(n).is_some_and(|r| r.starts_with([' ', '\t', '\n', '\r'])));
    if !is_ours {
        out.push_str(tag);
        return;
    }
    let mut rest = tag;
    while let Some(open) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(open);
        let quote = if quoted.starts_with('"') { '"' } else { '\'' };
        let body = quoted.get(1..).unwrap_or_default();
        let Some(close) = body.find(quote) else { break };
        let (value, after) = body.split_at(close);
        let name = before.trim_end_matches(|c: char| c == '=' || c.is_whitespace());
        let name = name.rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_number = match name {
            "time" => value.parse::<f64>().is_ok(),
            "tests" | "errors" | "failures" | "skipped" | "assertions" | "line" => {
                value.parse::<u64>().is_ok()
            }
            _ => true,
        };
        out.push_str(before);
        out.push(quote);
        if is_number {
            out.push_str(value);
        }
        out.push(quote);
        rest = after.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(report: &str) -> Result<Counts, String> {
        let mut counts = Counts::default();
        counts.add(report.as_bytes()).map(|()| counts)
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
