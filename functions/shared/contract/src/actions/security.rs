//! The actions of the security agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    actions::code::SourceRef, finding::Finding, settings::SecuritySettings, waiver::Waiver,
};

/// `security.scan_vulnerabilities`, `security.check_dependencies`, `security.validate_secrets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityCheck {
    /// The source bundle.
    pub source: SourceRef,
    /// Key of the change set.
    pub changes_key: String,
    /// What to look at.
    #[serde(default)]
    pub settings: SecuritySettings,
    /// Findings that somebody answers for.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// Output of a security check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityCheckOutput {
    /// Files, or packages for dependencies, that were looked at.
    pub checked: usize,
    /// Findings by severity.
    pub critical: usize,
    /// See [`Self::critical`].
    pub high: usize,
    /// See [`Self::critical`].
    pub medium: usize,
    /// See [`Self::critical`].
    pub low: usize,
    /// See [`Self::critical`].
    pub info: usize,
    /// What was there before the change, whatever its severity; it is in none of the other counts.
    #[serde(default)]
    pub preexisting: usize,
    /// What was read, and what was not.
    #[serde(default)]
    pub scope: Scope,
    /// Key of the software bill of materials (CycloneDX 1.5), of the check that reads lock files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom_key: Option<String>,
}

/// What a check looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Files that were read.
    pub read: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What should have been read and was not, each with the reason; the first of them.
    pub not_read: Vec<String>,
    /// How many there are of these.
    pub not_read_total: usize,
    /// Files that were left out, by the rule that says so.
    pub ignored: BTreeMap<String, usize>,
}

impl SecurityCheckOutput {
    /// Counts `findings`.
    #[must_use]
    pub fn count(checked: usize, findings: &[Finding]) -> Self {
        use crate::finding::Severity;
        let mut out = Self { checked, ..Self::default() };
        for finding in findings {
            *match finding.severity {
                Severity::Critical => &mut out.critical,
                Severity::High => &mut out.high,
                Severity::Medium => &mut out.medium,
                Severity::Low => &mut out.low,
                Severity::Info => &mut out.info,
            } += 1;
        }
        out
    }
}
