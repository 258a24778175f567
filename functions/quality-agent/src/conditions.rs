//! The repository's conditions over what was pushed.

use std::sync::Arc;

use pact_conditions::{Facts, holds, risk};
use pact_contract::{
    ChangeSet, RunRequest,
    actions::{AppliedCondition, Risk},
    settings::{CheckMode, Consequence, Settings},
};

/// Most conditions that are looked at.
const MAX_CONDITIONS: usize = 20;

/// What the conditions ask for.
pub(crate) struct Conditions {
    /// The settings with what is demanded and left out.
    pub(crate) settings: Settings,
    /// Those that hold, or of which that cannot be said.
    pub(crate) applied: Vec<AppliedCondition>,
    /// Those by which a check is left out, with the check.
    pub(crate) skipped: Vec<(String, String)>,
    /// Whether a person is asked before users get the release.
    pub(crate) ask: bool,
    /// The risk that they speak of.
    pub(crate) risk: Option<Risk>,
}

impl Conditions {
    /// Looks at all of them. One of which nobody can say whether it holds asks for what it asks for,
    /// and lets off nothing.
    pub(crate) fn of(run: &RunRequest, changes: Option<&ChangeSet>, settings: &Settings) -> Self {
        let mut out = Self {
            settings: settings.clone(),
            applied: Vec::new(),
            skipped: Vec::new(),
            ask: false,
            risk: changes.map(risk),
        };
        if settings.conditions.is_empty() {
            return out;
        }
        let facts = changes.map(|changes| Arc::new(facts(run, changes, out.risk.as_ref())));
        let mut demanded = Vec::new();
        for (index, condition) in settings.conditions.iter().enumerate() {
            let held = match &facts {
                _ if index >= MAX_CONDITIONS => {
                    Err(format!("there are more than {MAX_CONDITIONS} conditions"))
                }
                None => Err("what changed is not known".to_owned()),
                Some(facts) => holds(&condition.when, facts).map_err(|e| format!("it {e}")),
            };
            if held == Ok(false) {
                continue;
            }
            out.applied.push(AppliedCondition {
                name: condition.name.clone(),
                when: condition.when.clone(),
                hold: condition.then == Some(Consequence::Hold),
                unknown: held.clone().err(),
            });
            out.ask |= condition.then == Some(Consequence::Ask);
            demanded.extend(condition.require.iter().cloned());
            if held.is_ok() {
                for check in &condition.skip {
                    out.skipped.push((check.clone(), condition.name.clone()));
                }
            }
        }
        let checks = &mut out.settings.checks;
        // What one condition demands, another does not let off; nor does it what the file demands.
        out.skipped.retain(|(check, _)| {
            !demanded.contains(check) && checks.get(check) != Some(&CheckMode::Require)
        });
        for (check, _) in &out.skipped {
            checks.insert(check.clone(), CheckMode::Skip);
        }
        checks.extend(demanded.into_iter().map(|check| (check, CheckMode::Require)));
        out
    }

    /// The condition by which a check is left out.
    pub(crate) fn skips(&self, check: &str) -> Option<String> {
        let (_, name) = self.skipped.iter().find(|(skipped, _)| skipped == check)?;
        Some(format!("left out by the condition {name:?}"))
    }
}

fn facts(run: &RunRequest, changes: &ChangeSet, risk: Option<&Risk>) -> Facts {
    let tag = run.reference.strip_prefix("refs/tags/");
    let lines = changes.files.iter().map(|file| file.added.saturating_add(file.deleted));
    let old = changes.files.iter().filter_map(|file| file.old_path.as_ref());
    Facts {
        branch: tag.map_or_else(|| run.branch.clone(), |_| String::new()),
        tag: tag.unwrap_or_default().to_owned(),
        trigger: run.trigger.kind.clone(),
        author: run.author.clone().unwrap_or_default(),
        message: run.message.clone().unwrap_or_default(),
        labels: run.pull.as_ref().map_or_else(Vec::new, |pull| pull.labels.clone()),
        paths: changes.files.iter().map(|file| &file.path).chain(old).cloned().collect(),
        files: changes.files.len() as u64,
        lines: lines.fold(0, u64::saturating_add),
        risk: risk.map_or(100, |risk| risk.score),
    }
}
