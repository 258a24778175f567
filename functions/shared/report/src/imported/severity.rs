//! How much a result matters.

use pact_contract::Severity;

use super::form::{Descriptor, Properties, SarifResult};

/// By the number that code hosts go by, where there is one; otherwise by the level, which is
/// `warning` where nobody says another (SARIF 2.1.0, 3.27.10).
pub(super) fn of(result: &SarifResult, rule: Option<&Descriptor>) -> Severity {
    let own = score(result.properties.as_ref());
    if let Some(score) = own.or_else(|| score(rule?.properties.as_ref())) {
        return scored(score);
    }
    let default = rule.and_then(|rule| rule.default_configuration.as_ref()?.level.as_deref());
    match result.level.as_deref().or(default) {
        Some("error") => Severity::High,
        Some("note") => Severity::Low,
        Some("none") => Severity::Info,
        _ => Severity::Medium,
    }
}

fn score(properties: Option<&Properties>) -> Option<f64> {
    let value = properties?.security_severity.as_ref()?;
    let score = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (0.0..=10.0).contains(&score).then_some(score)
}

/// The bounds of CVSS 3 and 4.
fn scored(score: f64) -> Severity {
    match score {
        score if score >= 9.0 => Severity::Critical,
        score if score >= 7.0 => Severity::High,
        score if score >= 4.0 => Severity::Medium,
        score if score > 0.0 => Severity::Low,
        _ => Severity::Info,
    }
}
