//! `security.scan_vulnerabilities`: dangerous code in the lines that were added.

use std::sync::OnceLock;

use pact_agent::{AgentError, Call, Outcome, ports::Artifacts};
use pact_contract::{Finding, Severity};

use crate::{
    report::{self, MAX_COLLECTED, Seen},
    sast::{self, Rules},
    source::{Source, blocking},
};

/// Largest file that is parsed.
const MAX_FILE: u64 = 1024 * 1024;

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
    let (mut checked, mut unscanned) = (0, 0);
    let mut incomplete = None;
    source.visit(
        MAX_FILE,
        |path| sast::language(path).is_some(),
        |change, content| {
            let path = change.path.as_str();
            let (Some(language), Some(content)) = (sast::language(path), content) else {
                unscanned += 1;
                let message = format!("larger than {} KiB, not analysed", MAX_FILE / 1024);
                findings.push(
                    Finding::new("not-scanned", Severity::Info, message).at(path, None, None),
                );
                return;
            };
            if findings.len() >= MAX_COLLECTED {
                incomplete = Some(format!("stopped after {MAX_COLLECTED} findings"));
                return;
            }
            checked += 1;
            let text = String::from_utf8_lossy(content);
            let scan = rules.scan(path, language, &text, |line| change.touches(line));
            findings.extend(scan.findings);
            if scan.allowed > 0 {
                let message = format!("{} findings are allowed by a comment", scan.allowed);
                findings.push(
                    Finding::new("finding-allowed", Severity::Info, message).at(path, None, None),
                );
            }
        },
    )?;
    if checked == 0 {
        let outcome = if unscanned > 0 {
            Outcome::skipped("the changed files are too large to be analysed")
        } else {
            Outcome::nothing_to_check(
                "no changed file in a language with rules (Rust, Python, JavaScript, TypeScript, Go, Java)",
            )
        };
        return Ok(outcome.with_findings(findings));
    }
    report::conclude(Seen {
        checked,
        noun: ("changed file", "changed files"),
        findings,
        incomplete,
    })
}
