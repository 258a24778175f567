//! Reports of other scanners.

use std::collections::{BTreeMap, BTreeSet};

use pact_contract::{Finding, Severity, codes};
use pact_report::imported;

use super::{Files, Others};
use crate::{
    deps::verdict::short,
    report::MAX_COLLECTED,
    scope::{Ledger, text},
    secrets::is_test,
    source::Source,
};

impl Others {
    /// Findings count where the report of the base did not have them; where the base had no report,
    /// where the push touched their line.
    pub(super) fn read_reports(
        &mut self,
        source: &Source,
        files: &Files,
        tree: &BTreeSet<String>,
        ledger: &mut Ledger,
    ) {
        let in_tree = |path: &str| tree.contains(path);
        let mut known: Option<BTreeSet<String>> = None;
        for content in files.before.values() {
            // What cannot be read counts as nothing: then everything is new.
            let Ok(report) = imported(&text::decode(content).text, &in_tree) else { continue };
            let prints = report.results.into_iter().map(|result| result.fingerprint);
            known.get_or_insert_default().extend(prints);
        }
        let changes: BTreeMap<&str, _> =
            source.changes.files.iter().map(|change| (change.path.as_str(), change)).collect();
        for (path, content) in &files.now {
            let report = match content {
                None => Err(format!(
                    "it is larger than {} MiB",
                    pact_report::MAX_SARIF_BYTES / 1024 / 1024
                )),
                Some(content) => {
                    ledger.read(content.len() as u64);
                    imported(&text::decode(content).text, &in_tree)
                }
            };
            let report = match report {
                Ok(report) => report,
                Err(why) => {
                    self.unreadable(path, &why, ledger);
                    continue;
                }
            };
            for why in &report.incomplete {
                self.unreadable(path, why, ledger);
            }
            self.reports += 1;
            self.scanners.extend(report.scanners);
            if report.suppressed > 0 {
                let count = report.suppressed;
                let results = if count == 1 { "result is" } else { "results are" };
                let said = format!("{count} {results} suppressed, says the scanner's report");
                self.before.push(
                    Finding::new(codes::FINDING_ALLOWED, Severity::Info, said).at(path, None, None),
                );
            }
            for result in report.results {
                if self.findings.len() + self.before.len() >= MAX_COLLECTED {
                    ledger.not_read(path, format!("stopped after {MAX_COLLECTED} findings"));
                    return;
                }
                let mut finding = result.finding;
                let at = finding.path.clone();
                if let Some(rule) = at.as_deref().and_then(|at| source.ignore.rule(at)) {
                    ledger.ignored(at.as_deref().unwrap_or(path), &rule);
                    continue;
                }
                // Tests and examples do not ship.
                if at.as_deref().is_some_and(is_test) {
                    finding.severity = finding.severity.min(Severity::Medium);
                }
                let touched = || {
                    let change = at.as_deref().and_then(|at| changes.get(at));
                    change.is_some_and(|change| match finding.line {
                        Some(line) => change.touches(line),
                        None => true,
                    })
                };
                let new = match &known {
                    Some(known) => !known.contains(&result.fingerprint),
                    None => !source.has_base() || touched(),
                };
                if finding.path.is_none() {
                    finding = finding.at(path, None, None);
                }
                if new { &mut self.findings } else { &mut self.before }.push(finding);
            }
        }
    }

    fn unreadable(&mut self, path: &str, why: &str, ledger: &mut Ledger) {
        let why = short(why, 300);
        ledger.not_read(path, format!("the report of another scanner: {why}"));
        self.findings.push(
            Finding::new(codes::SCANNER_REPORT_UNREADABLE, Severity::Medium, why)
                .at(path, None, None)
                .remedy("have the scanner write SARIF 2.1.0 again"),
        );
    }
}
