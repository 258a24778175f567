//! Reads a report element by element. There is no single schema of JUnit's: what is not a number
//! where one should be counts as missing, elements that are not known are passed over, and depth is
//! bounded. The same test several times is one test that was tried several times, where it failed
//! at first.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::BufRead,
};

use pact_agent::text::{readable, truncated};
use pact_contract::tested::{TestStatus, Tested};
use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::{
    counts::{Counts, MAX_FLAKY, Unread},
    elements::{Described, Dialect, Meaning, Verdict, meaning},
};
use crate::{
    cases,
    output::{Failure, MAX_FAILURES},
};

/// Elements inside each other that are accepted.
const MAX_DEPTH: usize = 64;
/// Bytes that are kept of what is written about one failure.
const MAX_TEXT: usize = 64 * 1024;
/// Bytes of a failure that are shown.
const MAX_DETAIL: usize = 4_000;
/// Most tests of one report: what is known of each is kept, to know it again.
const MAX_TESTS: usize = 2_000_000;

/// An element that has begun and not ended.
enum Element {
    Suite(Suite),
    Case(Case),
    /// What went wrong in a test: message and text.
    Fault(String, String),
    Skipped,
    Expected,
    Earlier,
    Text,
    Other,
}

#[derive(Default)]
struct Suite {
    name: String,
    file: Option<String>,
    total: u64,
    failed: u64,
    skipped: u64,
    /// Whether it has suites or tests inside, which count instead of its totals.
    has_inner: bool,
}

struct Case {
    described: Described,
    detail: Option<String>,
    skipped: bool,
    /// It failed, and was to.
    expected: bool,
    /// Attempts before that failed, where it passed.
    flaky: u32,
    /// Whether it has tests inside, which count instead of it.
    has_inner: bool,
}

/// Reads a report.
pub(super) fn parse(report: impl BufRead) -> Result<Counts, Unread> {
    let mut parser = Parser::default();
    let mut reader = Reader::from_reader(report);
    reader.config_mut().allow_dangling_amp = true;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        match event.map_err(|error| broken(error.to_string()))? {
            Event::Start(tag) => {
                if parser.open.len() >= MAX_DEPTH {
                    return Err(broken(format!(
                        "more than {MAX_DEPTH} elements inside each other"
                    )));
                }
                let element = parser.begin(&tag)?;
                parser.open.push(element);
            }
            Event::Empty(tag) => {
                let element = parser.begin(&tag)?;
                parser.end(element)?;
            }
            Event::End(_) => {
                if let Some(element) = parser.open.pop() {
                    parser.end(element)?;
                }
            }
            Event::Text(text) => parser.write(&text.xml10_content()),
            Event::CData(text) => parser.write(&text.xml10_content()),
            Event::GeneralRef(reference) => parser.write(&stands_for(&reference)),
            Event::DocType(_) if parser.dialect.is_some() => {
                return Err(broken("a document type inside an element"));
            }
            // No report of tests needs any; what they make of a small file has no bound.
            Event::DocType(text) if text.contains("<!ENTITY") => {
                return Err(broken("it declares entities, which are not read"));
            }
            Event::Eof if parser.dialect.is_none() => return Err(broken("there is no element")),
            Event::Eof if !parser.open.is_empty() => {
                return Err(broken("it ends in the middle of an element"));
            }
            Event::Eof => return Ok(parser.counts),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn broken(reason: impl Into<String>) -> Unread {
    Unread::Broken(reason.into())
}

/// What is known of a test that was met before.
#[derive(Clone, Copy)]
struct Tried {
    /// Whether it failed in all tries so far.
    failed: bool,
    /// Where it is among those that are kept.
    at: Option<u32>,
}

#[derive(Default)]
struct Parser {
    dialect: Option<Dialect>,
    open: Vec<Element>,
    counts: Counts,
    /// The tests so far, by what is known of each.
    tried: HashMap<u64, Tried>,
}

impl Parser {
    /// The element that a tag begins, inside those that are open.
    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<Element, Unread> {
        let dialect = match self.dialect {
            Some(_) if self.open.is_empty() => return Err(broken("two elements at the root")),
            Some(dialect) => dialect,
            None => {
                let name = tag.local_name();
                let root = name.as_ref();
                let found = Dialect::of(root);
                let foreign = || {
                    Unread::Foreign(format!("<{}> begins no report of tests", truncated(root, 60)))
                };
                let dialect = found.ok_or_else(foreign)?;
                self.dialect = Some(dialect);
                dialect
            }
        };
        let element = match meaning(dialect, tag) {
            Meaning::Suite { name, file, total, failed, skipped } => Element::Suite(Suite {
                name,
                file: file.or_else(|| self.file()),
                total,
                failed,
                skipped,
                has_inner: false,
            }),
            Meaning::Case(mut described) => {
                described.file = described.file.or_else(|| self.file());
                Element::Case(Case {
                    described,
                    detail: None,
                    skipped: false,
                    expected: false,
                    flaky: 0,
                    has_inner: false,
                })
            }
            Meaning::Fault(message) => Element::Fault(message, String::new()),
            Meaning::Skipped => Element::Skipped,
            Meaning::Expected => Element::Expected,
            Meaning::Earlier => Element::Earlier,
            Meaning::Text => Element::Text,
            Meaning::Other => Element::Other,
        };
        if matches!(element, Element::Suite(_) | Element::Case(_)) {
            for outer in &mut self.open {
                match outer {
                    Element::Suite(suite) => suite.has_inner = true,
                    Element::Case(case) => case.has_inner = true,
                    _ => {}
                }
            }
        }
        Ok(element)
    }

    /// The file of the innermost suite.
    fn file(&self) -> Option<String> {
        self.open.iter().rev().find_map(|element| match element {
            Element::Suite(suite) => suite.file.clone(),
            _ => None,
        })
    }

    /// Adds text to what is written about a failure.
    fn write(&mut self, more: &str) {
        for element in self.open.iter_mut().rev() {
            match element {
                Element::Fault(_, text) if text.len() < MAX_TEXT => {
                    text.push_str(more);
                    return;
                }
                // What stands in a part of a fault is the fault's.
                Element::Text => {}
                _ => return,
            }
        }
    }

    fn end(&mut self, element: Element) -> Result<(), Unread> {
        match element {
            Element::Suite(suite) if !suite.has_inner => {
                // A report with totals only.
                let counts = &mut self.counts;
                counts.total = counts.total.saturating_add(suite.total);
                counts.failed = counts.failed.saturating_add(suite.failed);
                counts.skipped = counts.skipped.saturating_add(suite.skipped);
            }
            Element::Case(case) if !case.has_inner => self.count(case)?,
            Element::Fault(message, text) => self.fault(&message, &text)?,
            Element::Skipped => {
                if let Some(Element::Case(case)) = self.open.last_mut() {
                    case.skipped = true;
                }
            }
            Element::Expected => {
                if let Some(Element::Case(case)) = self.open.last_mut() {
                    case.expected = true;
                }
            }
            Element::Earlier => {
                if let Some(Element::Case(case)) = self.open.last_mut() {
                    case.flaky = case.flaky.saturating_add(1);
                }
            }
            // What separates the parts of a fault.
            Element::Text => self.write("\n"),
            _ => {}
        }
        Ok(())
    }

    /// What went wrong in a test, or beside all of them.
    fn fault(&mut self, message: &str, text: &str) -> Result<(), Unread> {
        let detail = match (message.trim(), text.trim()) {
            (message, text) if text.starts_with(message) => text.to_owned(),
            (message, text) => format!("{message}\n{text}"),
        };
        let detail = truncated(readable(detail.trim()).trim(), MAX_DETAIL);
        let innermost = self.open.iter_mut().rev().find_map(|element| match element {
            Element::Case(case) => Some(Ok(case)),
            Element::Suite(suite) => Some(Err(suite)),
            _ => None,
        });
        match innermost {
            Some(Ok(case)) => {
                case.detail.get_or_insert(detail);
                Ok(())
            }
            Some(Err(suite)) => {
                // A class that could not be set up has no test of its own: it failed as one.
                let name = if suite.name.is_empty() { "setup" } else { &suite.name };
                let described = Described {
                    name: format!("{name} (no single test)"),
                    file: suite.file.clone(),
                    line: None,
                    ms: None,
                    verdict: Some(Verdict::Failed),
                };
                let detail = Some(detail);
                suite.has_inner = true;
                self.count(Case {
                    described,
                    detail,
                    skipped: false,
                    expected: false,
                    flaky: 0,
                    has_inner: false,
                })
            }
            None => Ok(()),
        }
    }

    fn count(&mut self, case: Case) -> Result<(), Unread> {
        let Case { described, detail, skipped, expected, flaky, .. } = case;
        let Described { name, file, line, ms, verdict } = described;
        let verdict = match verdict {
            _ if detail.is_some() => Verdict::Failed,
            Some(Verdict::Failed) => Verdict::Failed,
            _ if expected => Verdict::Expected,
            _ if skipped => Verdict::Skipped,
            verdict => verdict.unwrap_or(Verdict::Passed),
        };
        let counts = &mut self.counts;
        let key = self.open.iter().filter_map(|element| match element {
            Element::Suite(suite) => Some(suite.name.as_str()),
            _ => None,
        });
        let mut hasher = DefaultHasher::new();
        key.for_each(|suite| suite.hash(&mut hasher));
        (&name, &file).hash(&mut hasher);
        let key = hasher.finish();
        // Nearly all are plain.
        let plain = name.bytes().all(|b| (b' '..=b'~').contains(&b));
        let name = truncated(&if plain { name } else { readable(&name) }, 300);
        if !name.is_empty()
            && let Some(Tried { at, failed: true }) = self.tried.get(&key).copied()
        {
            // Tried again after it had failed: one test. It has failed unless it passed.
            counts.cases.again(at, verdict == Verdict::Passed, ms);
            if verdict == Verdict::Passed {
                self.tried.insert(key, Tried { failed: false, at });
                counts.failed = counts.failed.saturating_sub(1);
                if let Some(index) = counts.failures.iter().rposition(|f| f.name == name) {
                    counts.failures.remove(index);
                }
                flaked(counts, name);
            }
            return Ok(());
        }
        if self.tried.len() >= MAX_TESTS {
            return Err(broken(format!("more than {MAX_TESTS} tests")));
        }
        let detail = detail.unwrap_or_default();
        let status = match verdict {
            Verdict::Passed if flaky > 0 => TestStatus::Flaky,
            Verdict::Passed => TestStatus::Passed,
            Verdict::Failed => TestStatus::Failed,
            Verdict::Skipped => TestStatus::Skipped,
            Verdict::Expected => TestStatus::Expected,
        };
        let file = file.map(|file| truncated(&file, 1_000));
        let at = counts.cases.push(Tested {
            ms,
            line,
            file: file.clone(),
            message: cases::message(&detail),
            attempts: flaky.saturating_add(1),
            ..Tested::new(name.clone(), status)
        });
        self.tried.insert(key, Tried { failed: verdict == Verdict::Failed, at });
        counts.total = counts.total.saturating_add(1);
        match verdict {
            Verdict::Passed if flaky > 0 => flaked(counts, name),
            Verdict::Passed => {}
            Verdict::Skipped => counts.skipped = counts.skipped.saturating_add(1),
            Verdict::Expected => counts.expected = counts.expected.saturating_add(1),
            Verdict::Failed => {
                counts.failed = counts.failed.saturating_add(1);
                if counts.failures.len() < MAX_FAILURES {
                    counts.failures.push(Failure { name, detail, file, line });
                }
            }
        }
        Ok(())
    }
}

fn flaked(counts: &mut Counts, name: String) {
    counts.flaky = counts.flaky.saturating_add(1);
    if counts.unsteady.len() < MAX_FLAKY {
        counts.unsteady.push(name);
    }
}

/// What a reference such as `&lt;` stands for; one that is not known stands for itself.
fn stands_for(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return c.to_string();
    }
    let name = reference.xml10_content();
    match quick_xml::escape::resolve_predefined_entity(&name) {
        Some(text) => text.to_owned(),
        None => format!("&{name};"),
    }
}
