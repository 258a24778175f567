//! Findings that somebody answers for: they are listed, and stop nothing.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use pact_contract::{Finding, Severity, Waived, Waiver};

use crate::{AgentError, globs::Globs};

/// Most waivers that a summary names.
const SHOWN: usize = 3;

/// The waivers of a repository on one day.
#[derive(Debug, Default)]
pub struct Waivers {
    all: Vec<(Waiver, Option<Globs>)>,
    today: Date,
}

impl Waivers {
    /// Those that the settings have, today.
    ///
    /// # Errors
    /// A path is no glob.
    pub fn new(waivers: &[Waiver]) -> Result<Self, AgentError> {
        Self::on(waivers, Timestamp::now().to_zoned(TimeZone::UTC).date())
    }

    /// Those that the settings have, on a day.
    ///
    /// # Errors
    /// A path is no glob.
    pub fn on(waivers: &[Waiver], today: Date) -> Result<Self, AgentError> {
        let with_globs = |waiver: &Waiver| {
            let path = waiver.path.as_ref();
            let globs = path.map(|path| Globs::new("waivers.path", &[path])).transpose()?;
            Ok((waiver.clone(), globs))
        };
        Ok(Self { all: waivers.iter().map(with_globs).collect::<Result<_, AgentError>>()?, today })
    }

    /// Lets off what somebody answers for, and says so in the finding. What nobody answers for any
    /// more says that too.
    pub fn apply(&self, findings: &mut [Finding]) {
        for finding in findings.iter_mut().filter(|finding| finding.severity > Severity::Info) {
            let (valid, lapsed): (Vec<&Waiver>, Vec<&Waiver>) =
                self.of(finding).partition(|waiver| waiver.grant.expires >= self.today);
            if let Some(waiver) = valid.into_iter().max_by_key(|waiver| waiver.grant.expires) {
                let severity = finding.severity;
                finding.message =
                    format!("waived {} ({}: {})", waiver.grant, severity.as_str(), finding.message);
                finding.severity = Severity::Info;
                finding.waived = Some(Waived { severity, grant: waiver.grant.clone() });
            } else if let Some(waiver) = lapsed.into_iter().max_by_key(|one| one.grant.expires) {
                finding.message = format!("{}; it was waived {}", finding.message, waiver.grant);
            }
        }
    }

    fn of(&self, finding: &Finding) -> impl Iterator<Item = &Waiver> {
        let is_there = |globs: &Option<Globs>| match (globs, finding.path.as_deref()) {
            (None, _) => true,
            (Some(globs), Some(path)) => globs.covers(path),
            (Some(_), None) => false,
        };
        self.all
            .iter()
            .filter(move |(waiver, globs)| waiver.code == finding.code && is_there(globs))
            .map(|(waiver, _)| waiver)
    }
}

/// What was let off, in words that end a summary; none where nothing was.
#[must_use]
pub fn told(findings: &[Finding]) -> Option<String> {
    let mut grants: BTreeMap<String, usize> = BTreeMap::new();
    for waived in findings.iter().filter_map(|finding| finding.waived.as_ref()) {
        *grants.entry(waived.grant.to_string()).or_default() += 1;
    }
    let total: usize = grants.values().sum();
    let shown: Vec<String> = grants
        .iter()
        .take(SHOWN)
        .map(
            |(grant, count)| {
                if grants.len() > 1 { format!("{count} {grant}") } else { grant.clone() }
            },
        )
        .collect();
    let more = if grants.len() > SHOWN { ", …" } else { "" };
    (total > 0).then(|| format!("{total} waived {}{more}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use pact_contract::{Grant, codes};

    use super::*;

    fn waiver(path: Option<&str>, expires: &str) -> Waiver {
        Waiver {
            code: codes::SYNTAX_ERROR,
            path: path.map(str::to_owned),
            grant: Grant {
                owner: "ada".to_owned(),
                reason: "broken\non purpose".to_owned(),
                expires: expires.parse().expect("a day"),
            },
        }
    }

    fn finding(path: &str) -> Finding {
        Finding::new(codes::SYNTAX_ERROR, Severity::High, "does not parse").at(path, Some(1), None)
    }

    fn applied(waivers: &[Waiver], mut findings: Vec<Finding>) -> Vec<Finding> {
        let today = "2026-11-26".parse().expect("a day");
        Waivers::on(waivers, today).expect("waivers").apply(&mut findings);
        findings
    }

    #[test]
    fn what_is_waived_is_listed_and_counts_for_nothing() {
        let other = Finding::new(codes::TEST_FAILED, Severity::High, "failed");
        let here = waiver(Some("tests/bad/"), "2026-11-26");
        let found =
            applied(&[here], vec![finding("tests/bad/a.py"), finding("src/a.py"), other.clone()]);
        assert_eq!(found[0].severity, Severity::Info);
        assert_eq!(
            found[0].message,
            "waived by ada until 2026-11-26: broken on purpose (high: does not parse)"
        );
        let waived = found[0].waived.as_ref().expect("is waived");
        assert_eq!((waived.severity, waived.grant.owner.as_str()), (Severity::High, "ada"));
        assert_eq!(found[1], finding("src/a.py"));
        assert_eq!(found[2], other);
        let text = "1 waived by ada until 2026-11-26: broken on purpose";
        assert_eq!(told(&found).as_deref(), Some(text));
        assert_eq!(told(&found[1..]), None);
    }

    #[test]
    fn the_day_after_its_last_it_counts_no_more_and_says_so() {
        let found = applied(&[waiver(None, "2026-11-25")], vec![finding("a.py")]);
        assert_eq!(found[0].severity, Severity::High);
        assert!(found[0].waived.is_none());
        assert!(found[0].message.contains("it was waived by ada until 2026-11-25"));
        let both = [waiver(None, "2026-11-25"), waiver(None, "2026-12-01")];
        let found = applied(&both, vec![finding("a.py")]);
        assert_eq!(found[0].waived.as_ref().expect("is waived").grant.expires.day(), 1);
    }

    #[test]
    fn a_finding_without_a_place_is_waived_by_its_code_alone() {
        let nowhere = || Finding::new(codes::SYNTAX_ERROR, Severity::High, "x");
        let found = applied(&[waiver(Some("*"), "2027-01-01")], vec![nowhere()]);
        assert!(found[0].waived.is_none());
        let found = applied(&[waiver(None, "2027-01-01")], vec![nowhere()]);
        assert!(found[0].waived.is_some());
    }
}
