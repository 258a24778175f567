//! `security.scan_vulnerabilities`: dangerous code in the lines that were added.

use std::{io::Read, sync::OnceLock};

use pact_agent::{AgentError, Call, Outcome, ports::Artifacts};
use pact_contract::{ErrorName, Finding, Severity, codes};

use crate::{
    report::{self, MAX_COLLECTED, Seen},
    sast::{Language, Rules},
    scope::{Ledger, text},
    source::{Source, blocking},
};

/// Largest file that is analysed.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Carries out the action.
pub(crate) async fn act(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let source = Source::load(artifacts, call).await?;
    blocking(move || check(&source)).await
}

/// The rules, read once.
fn rules() -> Result<&'static Rules, AgentError> {
    static RULES: OnceLock<Result<Rules, String>> = OnceLock::new();
    RULES
        .get_or_init(Rules::new)
        .as_ref()
        .map_err(|e| AgentError::internal(format!("the rules are not usable: {e}")))
}

fn check(source: &Source) -> Result<Outcome, AgentError> {
    let rules = rules()?;
    let mut findings = Vec::new();
    let mut ledger = Ledger::default();
    let mut checked = 0;
    source.each_changed(
        &mut ledger,
        |change| !change.added_lines.is_empty() && Language::possible(&change.path),
        |change, entry, ledger| {
            let path = change.path.as_str();
            if entry.link {
                return Ok(());
            }
            if entry.size > MAX_FILE && Language::of(path, "").is_none() {
                return Ok(());
            }
            if entry.size > MAX_FILE {
                ledger.not_read(
                    path,
                    format!("larger than {} MiB, not analysed", MAX_FILE / 1024 / 1024),
                );
                return Ok(());
            }
            if findings.len() >= MAX_COLLECTED {
                ledger.not_read(path, format!("stopped after {MAX_COLLECTED} findings"));
                return Ok(());
            }
            let mut content = Vec::new();
            entry.content.take(MAX_FILE).read_to_end(&mut content).map_err(|e| {
                AgentError::new(ErrorName::SourceUnavailable, format!("the bundle is damaged: {e}"))
            })?;
            let decoded = text::decode(&content);
            let Some(language) = Language::of(path, &decoded.text) else { return Ok(()) };
            checked += 1;
            ledger.read(content.len() as u64);
            let scan = rules.scan(path, language, &decoded.text, |line| change.touches(line));
            findings.extend(scan.findings);
            if scan.allowed > 0 {
                let message = format!("{} findings are allowed by a comment", scan.allowed);
                findings.push(
                    Finding::new(codes::FINDING_ALLOWED, Severity::Info, message)
                        .at(path, None, None),
                );
            }
            Ok(())
        },
    )?;
    if checked == 0 && ledger.incomplete().is_none() {
        let names: Vec<&str> = Language::ALL.iter().map(|(_, name)| *name).collect();
        let outcome = Outcome::nothing_to_check(format!(
            "no changed file in a language with rules ({})",
            names.join(", ")
        ));
        return Ok(outcome.with_findings(ledger.findings()));
    }
    report::conclude(
        Seen {
            checked,
            noun: ("changed file", "changed files"),
            sought: "dangerous code",
            findings,
            ledger,
            ..Seen::default()
        },
        &source.waivers,
    )
}
