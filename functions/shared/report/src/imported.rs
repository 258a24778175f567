//! SARIF 2.1.0 (OASIS) of other scanners, as findings.
//!
//! The text is hostile: the repository has it. Its size, and how many of everything it holds, are
//! bounded before anything is kept. What cannot be read, and a scanner that says of itself that it
//! did not end well, is said: then what it looked for is not known. Suppressions are taken as they
//! are: whoever writes the report can leave a result out as well. A report can only add findings.

mod form;
mod place;
mod severity;

use std::collections::BTreeSet;

use pact_contract::{Finding, FindingCode, Severity, codes, nesting};

use crate::fingerprint::Fingerprints;
use form::{Descriptor, Log, Message, Run, SarifResult};
use place::Places;

/// Largest text that is read, in bytes.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Longest message, in characters.
const MAX_MESSAGE: usize = 600;
/// Longest remedy, in characters.
const MAX_REMEDY: usize = 300;
/// Most reasons why a report is not whole.
const MAX_REASONS: usize = 20;

/// What a report says.
#[derive(Debug, Default)]
pub struct Imported {
    /// The scanners, each with its version where it has one.
    pub scanners: BTreeSet<String>,
    /// What they found.
    pub results: Vec<ImportedResult>,
    /// How many results their reports say are suppressed; they are not among the findings.
    pub suppressed: usize,
    /// Why the report is not whole.
    pub incomplete: Vec<String>,
}

/// One result.
#[derive(Debug)]
pub struct ImportedResult {
    /// As a finding of ours: the code is the scanner's name and that of its rule.
    pub finding: Finding,
    /// What makes it the same in another report, as in the reports that this program writes.
    pub fingerprint: String,
}

/// Reads a report. `in_tree` says which paths the repository has.
///
/// # Errors
/// Why it is no SARIF 2.1.0, or is more than is read.
pub fn imported(text: &str, in_tree: &dyn Fn(&str) -> bool) -> Result<Imported, String> {
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(format!("it is larger than {} MiB", MAX_BYTES / 1024 / 1024));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let log: Log = serde_json::from_str(text)
        .map_err(|e| short(&nesting::said(&e.to_string(), nesting::JSON), 300))?;
    match log.version.as_deref() {
        Some("2.1.0") => {}
        Some(other) => {
            return Err(format!("it is SARIF {}, and 2.1.0 is read", short(other, 20)));
        }
        None => return Err("it says no version: it is no SARIF".to_owned()),
    }
    let runs = log.runs.ok_or("it has no runs: it is no SARIF")?.0;
    let mut out = Imported::default();
    let mut fingerprints = Fingerprints::default();
    if runs.is_empty() {
        out.incomplete.push("no scanner wrote into it".to_owned());
    }
    for run in runs {
        one_run(run, in_tree, &mut fingerprints, &mut out);
    }
    out.incomplete.truncate(MAX_REASONS);
    Ok(out)
}

fn one_run(
    run: Run,
    in_tree: &dyn Fn(&str) -> bool,
    fingerprints: &mut Fingerprints,
    out: &mut Imported,
) {
    let driver = &run.tool.driver;
    let name = short(driver.name.as_deref().unwrap_or("a scanner without a name"), 60);
    let version = driver.semantic_version.as_deref().or(driver.version.as_deref());
    let scanner = match version {
        Some(version) => format!("{name} {}", short(version, 40)),
        None => name.clone(),
    };
    out.scanners.insert(scanner.clone());
    for invocation in run.invocations.iter().flat_map(|list| &list.0) {
        if invocation.execution_successful == Some(false) {
            out.incomplete.push(format!("{name} says that it did not end well"));
        }
        let notes = invocation.tool_execution_notifications.iter().flat_map(|list| &list.0);
        for note in notes.filter(|note| note.level.as_deref() == Some("error")) {
            let said = note.message.as_ref().and_then(|message| message.text.as_deref());
            let said = short(said.unwrap_or("it says nothing more"), 200);
            out.incomplete.push(format!("{name} met an error: {said}"));
        }
    }
    if run.external_property_file_references.is_some_and(|value| value.has_results()) {
        out.incomplete.push(format!("results of {name} are in other files, which are not read"));
    }
    let Some(results) = run.results else {
        out.incomplete.push(format!("{name} wrote no list of results: it did not look"));
        return;
    };
    let places = Places::new(run.original_uri_base_ids, run.artifacts, in_tree);
    for result in results.0 {
        // What was looked at and is well, or was not looked at, is no finding.
        let kind = result.kind.as_deref().unwrap_or("fail");
        if matches!(kind, "pass" | "notApplicable") {
            continue;
        }
        if result.baseline_state.as_deref() == Some("absent") {
            continue;
        }
        let accepted = |suppression: &form::Suppression| {
            !matches!(suppression.status.as_deref(), Some("underReview" | "rejected"))
        };
        if result.suppressions.as_ref().is_some_and(|list| list.0.iter().any(accepted)) {
            out.suppressed += 1;
            continue;
        }
        let rule = run.tool.rule(&result);
        let severity = match kind {
            "fail" => severity::of(&result, rule),
            // A matter of opinion, or for information.
            _ => Severity::Info,
        };
        let id = rule_id(&result, rule);
        let Some(code) = code(&name, &id) else {
            out.incomplete.push(format!("{name} names a rule that cannot be named here"));
            continue;
        };
        let said = message(&result, rule).unwrap_or_else(|| format!("{name} found {id}"));
        let mut finding = Finding::new(code, severity, short(&said, MAX_MESSAGE))
            .remedy(remedy(rule, &name, &id))
            .evidence(format!("found by {scanner}"));
        if let Some(place) = places.of(&result) {
            finding = finding.at(place.path, place.line, place.column);
        }
        let fingerprint = fingerprints.next(&finding);
        // What was there before is told by the report of the base: what this one says of itself
        // (`baselineState`) comes with the commit.
        out.results.push(ImportedResult { finding, fingerprint });
    }
}

/// The name of the rule as the scanner's people know it.
fn rule_id(result: &SarifResult, rule: Option<&Descriptor>) -> String {
    let own = result.rule_id.as_deref();
    let by_reference = result.rule.as_ref().and_then(|rule| rule.id.as_deref());
    let id = own.or(by_reference).or_else(|| rule.and_then(|rule| rule.id.as_deref()));
    short(id.unwrap_or("unnamed"), 80)
}

/// The code of a finding: letters, digits, `-`, `_` and `.` of both names.
fn code(scanner: &str, rule: &str) -> Option<FindingCode> {
    let plain = |text: &str, most: usize| -> String {
        let mut out = String::new();
        for c in text.chars().take(most) {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') {
                out.push(c);
            } else if !out.ends_with('-') {
                out.push('-');
            }
        }
        out.trim_matches('-').to_owned()
    };
    let scanner = plain(&scanner.to_lowercase(), 30);
    codes::SARIF.code(&format!("sarif-{scanner}-{}", plain(rule, 60))).ok()
}

fn message(result: &SarifResult, rule: Option<&Descriptor>) -> Option<String> {
    let message = result.message.as_ref()?;
    if let Some(text) = message.text.as_deref().or(message.markdown.as_deref()) {
        return Some(text.to_owned());
    }
    let strings = rule?.message_strings.as_ref()?;
    let id = message.id.as_deref()?;
    let (_, text) = strings.0.iter().find(|(name, _)| name == id)?;
    Some(filled(text.text.as_deref()?, message))
}

/// `{0}` and its like, once each.
fn filled(text: &str, message: &Message) -> String {
    let arguments = message.arguments.as_ref().map(|list| list.0.as_slice()).unwrap_or_default();
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let filled = after.split_once('}').and_then(|(number, after)| {
            Some((arguments.get(number.parse::<usize>().ok()?)?, after))
        });
        match filled {
            Some((argument, after)) => {
                out.push_str(&short(argument, MAX_REMEDY));
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
        if out.len() > MAX_MESSAGE * 4 {
            return out;
        }
    }
    out + rest
}

fn remedy(rule: Option<&Descriptor>, scanner: &str, id: &str) -> String {
    let help = rule.and_then(|rule| rule.help.as_ref()).and_then(|help| help.text.as_deref());
    let help = help.map(str::trim).filter(|help| !help.is_empty());
    let uri = rule.and_then(|rule| rule.help_uri.as_deref());
    let uri = uri.filter(|uri| uri.starts_with("https://") || uri.starts_with("http://"));
    match (help, uri) {
        (Some(help), _) => short(help, MAX_REMEDY),
        (None, Some(uri)) => format!("see {}", short(uri, MAX_REMEDY)),
        (None, None) => format!("see what {scanner} says of {id}"),
    }
}

/// On one line, and not longer than that.
fn short(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.chars().map(plain).take(most).collect();
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}
