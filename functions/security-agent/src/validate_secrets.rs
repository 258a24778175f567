//! `security.validate_secrets`: secrets in the lines that were added.

use std::sync::OnceLock;

use pact_agent::{AgentError, Call, Outcome, ports::Artifacts};
use pact_contract::{Finding, Severity};

use crate::{
    report::{self, MAX_COLLECTED, Seen},
    secrets::{Engine, LONG_LINE},
    source::{Source, blocking},
};

/// Largest file that is looked at.
const MAX_FILE: u64 = 5 * 1024 * 1024;

/// Carries out the action.
pub(crate) async fn act(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let source = Source::load(artifacts, call).await?;
    blocking(move || check(&source)).await
}

/// The engine, made once.
fn engine() -> Result<&'static Engine, AgentError> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    ENGINE
        .get_or_init(Engine::new)
        .as_ref()
        .map_err(|e| AgentError::internal(format!("the rules for secrets are not usable: {e}")))
}

fn check(source: &Source) -> Result<Outcome, AgentError> {
    let engine = engine()?;
    let mut findings = Vec::new();
    let mut checked = 0;
    let mut left_out = None;
    source.visit(MAX_FILE, |_| true, |change, content| {
        let path = change.path.as_str();
        let Some(content) = content else {
            findings.push(
                Finding::new(
                    "not-scanned",
                    Severity::Info,
                    format!("larger than {} MiB, not scanned for secrets", MAX_FILE / 1024 / 1024),
                )
                .at(path, None, None),
            );
            return;
        };
        if findings.len() >= MAX_COLLECTED {
            left_out = Some(format!("stopped after {MAX_COLLECTED} findings"));
            return;
        }
        checked += 1;
        let text = String::from_utf8_lossy(content);
        let limit = MAX_COLLECTED - findings.len();
        let scan = engine.scan(path, &text, |line| change.touches(line), limit);
        findings.extend(scan.findings);
        if scan.long_lines > 0 {
            findings.push(info(
                "long-lines",
                path,
                format!(
                    "{} lines longer than {LONG_LINE} bytes were searched for tokens of known form only",
                    scan.long_lines
                ),
            ));
        }
        if scan.allowed > 0 {
            findings.push(info(
                "secret-allowed",
                path,
                format!("{} findings are allowed by a comment", scan.allowed),
            ));
        }
    })?;
    report::conclude(Seen {
        checked,
        noun: ("changed file", "changed files"),
        findings,
        incomplete: left_out,
    })
}

fn info(code: &str, path: &str, message: String) -> Finding {
    Finding::new(code, Severity::Info, message).at(path, None, None)
}
