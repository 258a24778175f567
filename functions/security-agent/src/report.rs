//! From findings to a verdict.

use pact_agent::{
    AgentError, Outcome,
    waivers::{self, Waivers},
};
use pact_contract::{Finding, Severity, StageStatus, actions::SecurityCheckOutput, codes};

use crate::scope::Ledger;

/// Most findings that are reported.
pub(crate) const MAX_FINDINGS: usize = 1_000;
/// Most findings that are collected before a check stops looking.
pub(crate) const MAX_COLLECTED: usize = 10_000;

/// What a check saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Files or packages that were looked at.
    pub(crate) checked: usize,
    /// Name of one of them and of several.
    pub(crate) noun: (&'static str, &'static str),
    /// What was looked for: every summary names the thing that it speaks of.
    pub(crate) sought: &'static str,
    /// What the change added or made worse.
    pub(crate) findings: Vec<Finding>,
    /// What was there before: listed, and no reason to stop the change.
    pub(crate) before: Vec<Finding>,
    /// What else the check went by, in words that follow the counts.
    pub(crate) besides: Option<String>,
    /// What was read and what was not.
    pub(crate) ledger: Ledger,
    /// Further reasons why part of the check could not be carried out; then it has not passed.
    pub(crate) incomplete: Vec<String>,
}

/// Failed from severity high on; skipped when something could not be checked; passed otherwise.
///
/// What somebody answers for counts for nothing.
pub(crate) fn conclude(seen: Seen, waivers: &Waivers) -> Result<Outcome, AgentError> {
    let Seen { checked, noun, sought, mut findings, before, besides, ledger, mut incomplete } =
        seen;
    waivers.apply(&mut findings);
    incomplete.extend(ledger.incomplete());
    let mut output = SecurityCheckOutput::count(checked, &findings);
    output.preexisting = before.len();
    output.scope = ledger.scope();
    let failed = output.critical + output.high > 0;
    let status = match (failed, incomplete.is_empty()) {
        (true, _) => StageStatus::Failed,
        (false, false) => StageStatus::Skipped,
        (false, true) => StageStatus::Passed,
    };
    let noun = plural(checked, noun);
    let mut summary = format!("{checked} {noun} checked for {sought}: {}", counts(&output));
    if let Some(besides) = besides {
        summary = format!("{summary}, {besides}");
    }
    if !before.is_empty() {
        summary = format!("{summary}; {} there before", before.len());
    }
    if let Some(waived) = waivers::told(&findings) {
        summary = format!("{summary}; {waived}");
    }
    if !incomplete.is_empty() {
        let reasons = crate::deps::verdict::short(&incomplete.join("; "), 1_000);
        summary = format!("not everything could be checked: {reasons} ({summary})");
    }
    findings.extend(before.into_iter().map(was_there));
    findings.extend(ledger.findings());
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    if findings.len() > MAX_FINDINGS {
        let more = findings.len() - MAX_FINDINGS;
        findings.truncate(MAX_FINDINGS);
        findings.push(Finding::new(
            codes::MORE_FINDINGS,
            Severity::Info,
            format!("{more} further findings are not listed"),
        ));
    }
    Ok(Outcome::new(status, summary, &output)?.with_findings(findings))
}

/// A finding that the change did not bring: its severity is said, and counts for nothing.
fn was_there(mut finding: Finding) -> Finding {
    if finding.severity > Severity::Info {
        finding.message = format!(
            "there before this change ({}): {}",
            finding.severity.as_str(),
            finding.message
        );
        finding.severity = Severity::Info;
    }
    finding
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
            sought: "this",
            findings: severities
                .iter()
                .map(|s| Finding::new(codes::NOT_SCANNED, *s, "x"))
                .collect(),
            incomplete: incomplete.map(str::to_owned).into_iter().collect(),
            ..Seen::default()
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
            let outcome =
                conclude(seen(severities, incomplete), &Waivers::default()).expect("an outcome");
            assert_eq!(outcome.status, status, "{severities:?}");
        }
        let mut unread = seen(&[], None);
        unread.ledger.not_read("a.7z", "not opened");
        let outcome = conclude(unread, &Waivers::default()).expect("an outcome");
        assert_eq!(outcome.status, StageStatus::Skipped);
        assert!(outcome.summary.contains("a.7z: not opened"), "{}", outcome.summary);
        assert_eq!(outcome.output["scope"]["not_read"][0], "a.7z: not opened");
    }

    #[test]
    fn what_was_there_before_is_listed_and_stops_nothing() {
        let mut old = seen(&[], None);
        old.before.push(Finding::new(codes::NOT_SCANNED, Severity::Critical, "bad"));
        let outcome = conclude(old, &Waivers::default()).expect("an outcome");
        assert_eq!(outcome.status, StageStatus::Passed);
        assert_eq!(outcome.summary, "2 files checked for this: nothing found; 1 there before");
        assert_eq!(outcome.findings[0].message, "there before this change (critical): bad");
        assert_eq!(outcome.output["critical"], 0);
    }

    #[test]
    fn findings_are_bounded_and_the_gravest_stay() {
        let mut severities = vec![Severity::Low; MAX_FINDINGS + 5];
        severities.push(Severity::Critical);
        let outcome = conclude(seen(&severities, None), &Waivers::default()).expect("an outcome");
        assert_eq!(outcome.findings.len(), MAX_FINDINGS + 1);
        assert_eq!(outcome.findings[0].severity, Severity::Critical);
        assert_eq!(outcome.output["low"], MAX_FINDINGS + 5);
        assert_eq!(outcome.findings[MAX_FINDINGS].message, "6 further findings are not listed");
    }
}
