//! From findings to a verdict.

use pact_agent::{AgentError, Outcome};
use pact_contract::{Finding, Severity, StageStatus, actions::SecurityCheckOutput};

/// Most findings that are reported.
pub(crate) const MAX_FINDINGS: usize = 1_000;
/// Most findings that are collected before a check stops looking.
pub(crate) const MAX_COLLECTED: usize = 10_000;

/// What a check saw.
pub(crate) struct Seen {
    /// Files or packages that were looked at.
    pub(crate) checked: usize,
    /// Name of one of them and of several.
    pub(crate) noun: (&'static str, &'static str),
    /// Everything that was found.
    pub(crate) findings: Vec<Finding>,
    /// Why part of the check could not be carried out; then it has not passed.
    pub(crate) incomplete: Option<String>,
}

/// Failed from severity high on; skipped when something could not be checked; passed otherwise.
pub(crate) fn conclude(seen: Seen) -> Result<Outcome, AgentError> {
    let Seen { checked, noun, mut findings, incomplete } = seen;
    let output = SecurityCheckOutput::count(checked, &findings);
    let failed = output.critical + output.high > 0;
    let status = match (failed, &incomplete) {
        (true, _) => StageStatus::Failed,
        (false, Some(_)) => StageStatus::Skipped,
        (false, None) => StageStatus::Passed,
    };
    let mut summary = format!("{checked} {} checked: {}", plural(checked, noun), counts(&output));
    if let Some(reason) = &incomplete {
        summary = format!("not everything could be checked: {reason} ({summary})");
    }
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    if findings.len() > MAX_FINDINGS {
        let more = findings.len() - MAX_FINDINGS;
        findings.truncate(MAX_FINDINGS);
        findings.push(Finding::new(
            "more-findings",
            Severity::Info,
            format!("{more} further findings are not listed"),
        ));
    }
    Ok(Outcome::new(status, summary, &output)?.with_findings(findings))
}

fn plural(count: usize, noun: (&'static str, &'static str)) -> &'static str {
    if count == 1 { noun.0 } else { noun.1 }
}

fn counts(output: &SecurityCheckOutput) -> String {
    let parts: Vec<String> = [
        (output.critical, "critical"),
        (output.high, "high"),
        (output.medium, "medium"),
        (output.low, "low"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, name)| format!("{count} {name}"))
    .collect();
    if parts.is_empty() { "nothing found".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(severities: &[Severity], incomplete: Option<&str>) -> Seen {
        Seen {
            checked: 2,
            noun: ("file", "files"),
            findings: severities.iter().map(|s| Finding::new("x", *s, "x")).collect(),
            incomplete: incomplete.map(str::to_owned),
        }
    }

    #[test]
    fn high_fails_and_what_was_not_checked_never_passes() {
        use Severity::{Critical, High, Info, Medium};
        for (severities, incomplete, status) in [
            (&[][..], None, StageStatus::Passed),
            (&[Medium, Info], None, StageStatus::Passed),
            (&[Medium, High], None, StageStatus::Failed),
            (&[Critical], Some("x"), StageStatus::Failed),
            (&[Medium], Some("x"), StageStatus::Skipped),
        ] {
            let outcome = conclude(seen(severities, incomplete)).expect("an outcome");
            assert_eq!(outcome.status, status, "{severities:?}");
        }
    }

    #[test]
    fn findings_are_bounded_and_the_gravest_stay() {
        let mut severities = vec![Severity::Low; MAX_FINDINGS + 5];
        severities.push(Severity::Critical);
        let outcome = conclude(seen(&severities, None)).expect("an outcome");
        assert_eq!(outcome.findings.len(), MAX_FINDINGS + 1);
        assert_eq!(outcome.findings[0].severity, Severity::Critical);
        assert_eq!(outcome.output["low"], MAX_FINDINGS + 5);
        assert_eq!(outcome.findings[MAX_FINDINGS].message, "6 further findings are not listed");
    }
}
