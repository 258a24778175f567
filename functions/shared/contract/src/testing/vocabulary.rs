//! The words of this project, and what holds every summary to them.
//!
//! | word | what it is |
//! | --- | --- |
//! | run | one push on its way through the pipeline |
//! | stage | one state of a run that an agent worked in |
//! | check | a stage whose verdict the gate decides on |
//! | finding | one thing that a check found, with a code, a place, and what would make it go away |
//! | gate | what decides on the checks: promote, stage only, verify only, hold, reject |
//! | rule | one question of the gate, with what was measured and what was asked for |
//! | met | a rule that asked for something and got it; what asks for nothing is not met |
//! | not checked | a check that was not carried out, whatever the reason; of nothing else |
//! | release | what is deployed, by its id |
//! | environment | where a release is deployed, by its name |
//! | in effect | the release that an environment's target names as its own |
//! | taken back | the release before is in effect again |
//! | baseline | what the release before was measured at |
//! | probe | one request that an agent makes to see whether a release answers |
//! | incident | something that serves and is not well, one for each cause |
//!
//! A summary is one sentence on one line without a full stop. That of a verdict names what it speaks of: read
//! alone, in a message or on a telephone, it has to say whether it is about secrets or about tests.

use crate::{Decision, StageStatus, cause::plain, run::RuleOutcome};

/// What the summary of a stage names: one of these words, by the action.
const NAMES: &[(&str, &[&str])] = &[
    ("code.analyze_changes", &["changed", "pact.toml", "merge", "commit", "branch", "base"]),
    ("code.validate_syntax", &["pars", "syntax", "file"]),
    ("code.check_quality", &["function", "complex", "quality", "duplicat"]),
    ("tests.run_", &["test", "suite", "release was not built", "build"]),
    ("tests.check_coverage", &["cover"]),
    ("security.scan_vulnerabilities", &["vulnerabilit", "dangerous code"]),
    ("security.check_dependencies", &["package", "dependenc", "advisor", "lock file"]),
    ("security.validate_secrets", &["secret"]),
    ("quality.plan_pipeline", &["template", "deploy", "environment", "check"]),
    (
        "quality.evaluate_gate",
        &["Promote", "Held", "Rejected", "verified only", "staging", "deployed"],
    ),
    ("quality.judge_release", &["release", "baseline", "request", "judge", "latency"]),
    ("deploy.", &["release", "deployed", "environment"]),
    ("monitor.check_health", &["answer", "probe", "health"]),
    ("monitor.look_at", &["environment"]),
    ("monitor.track_metrics", &["request", "measured", "asked", "release"]),
    ("monitor.detect_anomalies", &["baseline", "anomal", "compared", "worse", "measured"]),
    ("notify.", &["told", "sent", "slack", "email", "jira", "webhook", "configured", "answer"]),
];

/// What is a check: the gate decides on it.
const CHECKS: &[&str] = &["code.", "tests.", "security.", "quality.evaluate_gate"];

/// Of the words above, what the summary of an ended stage does not keep to, in a sentence each.
#[must_use]
pub fn misworded(action: &str, status: StageStatus, said: &str) -> Vec<String> {
    let mut faults = Vec::new();
    // A fault is told in the words of whatever failed.
    if matches!(status, StageStatus::Running | StageStatus::Error) {
        return faults;
    }
    if said.trim().is_empty() || said.trim() != said || said.contains('\n') {
        faults.push("it is not one line".to_owned());
    }
    if said.ends_with('.') && !said.ends_with("...") {
        faults.push("it ends with a full stop".to_owned());
    }
    if plain(said) != said {
        faults.push("it has characters that are obeyed where they are shown".to_owned());
    }
    if said.contains("not checked") && !CHECKS.iter().any(|check| action.starts_with(check)) {
        faults.push("only a check is said to be not checked".to_owned());
    }
    // What was not checked says why, in the words of whatever kept it from that.
    if status == StageStatus::Skipped {
        return faults;
    }
    let named = NAMES.iter().find(|(prefix, _)| action.starts_with(prefix));
    if !named.is_none_or(|(_, words)| words.iter().any(|word| said.contains(word))) {
        faults.push(format!("it does not name its thing, as one of {:?}", named.map(|n| n.1)));
    }
    faults
}

/// Of the words above, what a decision does not keep to.
#[must_use]
pub fn misworded_decision(decision: &Decision) -> Vec<String> {
    let reasons = decision.reasons.iter();
    let met = reasons.filter(|rule| rule.outcome == RuleOutcome::Met && rule.threshold.is_null());
    met.map(|rule| format!("{} asks for nothing, and is said to be met", rule.rule)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_held() {
        let told = |action: &str, said: &str| {
            misworded(action, StageStatus::Passed, said).into_iter().next().unwrap_or_default()
        };
        assert_eq!(
            told("security.validate_secrets", "3 lines checked for secrets: nothing found"),
            ""
        );
        for (action, said, why) in [
            ("security.validate_secrets", "1 file checked: 3 critical", "does not name its thing"),
            ("tests.run_unit", "2 tests passed.", "full stop"),
            ("tests.run_unit", "2 tests\npassed", "not one line"),
            ("tests.run_unit", "", "not one line"),
            ("tests.run_unit", "2 tests \u{202e}passed", "obeyed"),
            ("deploy.to_staging", "release r-1 was not checked", "only a check"),
        ] {
            assert!(
                told(action, said).contains(why),
                "{action}: {said:?}: {:?}",
                told(action, said)
            );
        }
        // Whatever failed has words of its own.
        assert!(misworded("tests.run_unit", StageStatus::Error, "503.").is_empty());
        let why = "the syntax is not valid";
        assert!(misworded("code.check_quality", StageStatus::Skipped, why).is_empty());
    }
}
