//! Other rules tried on runs that are stored: what the gate would have decided of the same
//! evidence.

use std::collections::BTreeMap;

use pact_agent::AgentError;
use pact_contract::{
    ChangeSet, Decision, RunRequest, StageRecord, StageStatus,
    actions::Plan,
    run::{CheckResult, Checks, Fault},
    settings::Settings,
};

use crate::{gate::decide, plan};

/// The actions whose results the gate looks at, by the name of the check; and the rule over each.
const CHECKS: &[(&str, &str, &str)] = &[
    ("code.validate_syntax", "syntax", "syntax-valid"),
    ("code.check_quality", "quality", "quality"),
    ("tests.run_unit", "unit", "tests-pass"),
    ("tests.run_integration", "integration", "integration-tests-pass"),
    ("tests.check_coverage", "coverage", "coverage"),
    ("security.scan_vulnerabilities", "vulnerabilities", "no-vulnerabilities"),
    ("security.check_dependencies", "dependencies", "dependencies-safe"),
    ("security.validate_secrets", "secrets", "no-secrets"),
];

/// Why rules cannot be tried on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEvidence {
    /// It ended before the gate.
    #[error("it ended before the gate decided")]
    NotDecided,
    /// Its plan is not there, or of another version.
    #[error("its plan is not stored in a form that can be read")]
    NoPlan,
    /// The evidence that is stored leads to another decision than the one that is stored.
    #[error("what is stored of it does not lead to what was decided")]
    NotReproduced,
}

/// What the gate decided a run by.
#[derive(Clone, Debug)]
pub struct Evidence {
    plan: Plan,
    checks: Checks,
}

impl Evidence {
    /// The evidence of a run whose gate decided `decision`. That it leads there is made sure.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(stages: &[StageRecord], decision: &Decision) -> Result<Self, NoEvidence> {
        let planned = stages.iter().find(|stage| stage.action == "quality.plan_pipeline");
        let plan: Plan = planned
            .and_then(|stage| serde_json::from_value(stage.output.clone()).ok())
            .ok_or(NoEvidence::NoPlan)?;
        let mut checks: Checks = BTreeMap::new();
        for stage in stages {
            if let Some((_, check, rule)) =
                CHECKS.iter().find(|(action, ..)| *action == stage.action)
            {
                checks.insert((*check).to_owned(), result(stage, decision, rule));
            }
        }
        let again = decide(&plan, &checks).verdict;
        // The time is not tried again: a run that took too long was held for that alone.
        let in_time = decision.reasons.iter().all(|r| r.rule != "in-time" || !r.required);
        if again != decision.verdict && in_time {
            return Err(NoEvidence::NotReproduced);
        }
        Ok(Self { plan, checks })
    }

    /// What would have been decided under these settings and their conditions over `changes`. How
    /// far the release may go stays as it was planned; what the gate asks for is the settings'.
    ///
    /// # Errors
    /// When the run asked for a template that there is not.
    pub fn under(
        &self,
        run: &RunRequest,
        changes: Option<&ChangeSet>,
        settings: &Settings,
    ) -> Result<Decision, AgentError> {
        Ok(decide(&plan::under(&self.plan, run, changes, settings)?, &self.checks))
    }
}

fn result(stage: &StageRecord, decision: &Decision, rule: &str) -> CheckResult {
    // What was left out because there is nothing to check says so without the word.
    let said = decision.reasons.iter().find(|reason| reason.rule == rule);
    let missed = said.is_none_or(|reason| reason.message.contains(" not checked: "));
    let fault = stage.error.as_ref().map(|error| Fault {
        state: stage.state.clone(),
        error: error.clone(),
        cause: Some(stage.summary.clone()),
    });
    CheckResult {
        status: stage.status,
        summary: stage.summary.clone(),
        output: stage.output.clone(),
        findings: stage.findings.clone(),
        not_applicable: stage.status == StageStatus::Skipped && !missed,
        fault,
    }
}
