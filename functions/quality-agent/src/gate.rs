//! `quality.evaluate_gate`: whether the release may go where the plan wants it.
//!
//! A pure function of the plan and the evidence. The worst required rule decides: one that is not
//! met rejects, one that was not checked holds. The rest of the plan says how far it goes.

use pact_agent::{AgentError, Call, Outcome, text::truncated};
use pact_contract::{
    Decision, StageStatus, Tier, Verdict,
    actions::{EvaluateGate, Plan, PlanTarget},
    run::{Checks, RuleOutcome, RuleResult},
};

use crate::rules;

/// Longest summary in bytes.
const MAX_SUMMARY: usize = 450;
/// Longest sentence of a change that would pass, in bytes, and most of them.
const MAX_CHANGE: usize = 300;
const MAX_CHANGES: usize = 12;

pub(crate) fn act(call: &Call) -> Result<Outcome, AgentError> {
    let EvaluateGate { plan, checks } = call.parameters()?;
    let decision = decide_at(&plan, &checks, Some(jiff::Timestamp::now()));
    let status = match decision.verdict {
        Verdict::Promote | Verdict::StageOnly | Verdict::VerifyOnly => StageStatus::Passed,
        Verdict::Hold | Verdict::Reject => StageStatus::Failed,
    };
    Outcome::new(status, decision.summary.clone(), &decision)
}

/// Decides. The same plan and evidence give the same decision.
#[must_use]
pub fn decide(plan: &Plan, checks: &Checks) -> Decision {
    decide_at(plan, checks, None)
}

/// As [`decide`], at this instant: a run that took longer than its template allows is held.
#[must_use]
pub fn decide_at(plan: &Plan, checks: &Checks, now: Option<jiff::Timestamp>) -> Decision {
    let mut reasons = rules::all(plan, checks);
    reasons.extend(now.and_then(|now| rules::in_time(plan, now)));
    reasons.sort_by_key(weight);
    let (verdict, summary) = verdict(plan, &reasons);
    let would_pass = match verdict {
        Verdict::Hold | Verdict::Reject => would_pass(&reasons),
        Verdict::Promote | Verdict::StageOnly | Verdict::VerifyOnly => Vec::new(),
    };
    Decision { verdict, summary: truncated(&summary, MAX_SUMMARY), reasons, would_pass }
}

/// The smallest set of changes with which the release would pass. Every rule that it needs has to
/// be met, so each that is not is one change, and none of them can be left out; lines that are
/// covered among the changed ones count for all lines too.
fn would_pass(reasons: &[RuleResult]) -> Vec<String> {
    let open = reasons.iter().filter(|r| r.required && r.outcome != RuleOutcome::Met);
    let change = |rule: &RuleResult| {
        let what = rule.would_pass.as_deref().unwrap_or("a check that is carried out and passes");
        truncated(&format!("{}: {what}", rule.rule), MAX_CHANGE)
    };
    let mut changes: Vec<String> = open.map(change).collect();
    if changes.is_empty() {
        changes.push("one check at least that the gate needs, over something to check".to_owned());
    }
    changes.truncate(MAX_CHANGES);
    changes
}

/// The decisive rules first.
fn weight(rule: &RuleResult) -> (bool, u8) {
    let outcome = match rule.outcome {
        RuleOutcome::NotMet => 0,
        RuleOutcome::NotChecked => 1,
        RuleOutcome::Met => 2,
    };
    (!rule.required && outcome < 2 || outcome == 2, outcome)
}

fn verdict(plan: &Plan, reasons: &[RuleResult]) -> (Verdict, String) {
    let of = |outcome, required| {
        reasons
            .iter()
            .filter(|r| r.outcome == outcome && r.required == required)
            .collect::<Vec<&RuleResult>>()
    };
    let broken = of(RuleOutcome::NotMet, true);
    if !broken.is_empty() {
        return (Verdict::Reject, format!("Rejected: {}", several(&broken)));
    }
    let unknown = of(RuleOutcome::NotChecked, true);
    // Also where nothing would be deployed: what was not checked was not verified.
    if !unknown.is_empty() {
        return (Verdict::Hold, format!("Held: {}", several(&unknown)));
    }
    if plan.target == PlanTarget::Nothing {
        return (Verdict::VerifyOnly, sentence(&plan.target_reason));
    }
    let met = reasons.iter().filter(|r| r.required).count();
    if met == 0 {
        let summary = "Held: nothing that the gate needs was there to be checked".to_owned();
        return (Verdict::Hold, summary);
    }
    let mut well = match met {
        1 => "the 1 rule that the gate needs is met".to_owned(),
        n => format!("all {n} rules that the gate needs are met"),
    };
    let advisory = of(RuleOutcome::NotMet, false);
    if !advisory.is_empty() {
        well = format!("{well}; worth a look: {}", several(&advisory));
    }
    match plan.target {
        PlanTarget::Production if plan.environments.last_of(Tier::Production).is_some() => {
            (Verdict::Promote, format!("Promoted: {well}"))
        }
        PlanTarget::Staging if plan.environments.last_of(Tier::Staging).is_some() => {
            (Verdict::StageOnly, format!("To staging only ({}): {well}", plan.target_reason))
        }
        _ => (
            Verdict::Hold,
            "Held: the plan names a target without saying how it is set up".to_owned(),
        ),
    }
}

/// The first rules in one sentence.
fn several(rules: &[&RuleResult]) -> String {
    const SHOWN: usize = 2;
    let shown: Vec<_> = rules
        .iter()
        .take(SHOWN)
        .map(|r| truncated(r.message.lines().next().unwrap_or_default().trim_end_matches('.'), 180))
        .collect();
    let shown = shown.join("; ");
    match rules.len().saturating_sub(SHOWN) {
        0 => shown,
        1 => format!("{shown}; and 1 more rule"),
        n => format!("{shown}; and {n} more rules"),
    }
}

/// The text with a capital letter.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
