//! Why a run did not end well, in one sentence: the thing, the message, the place. The page, the
//! list, the JSON and the command line all say this one.
//!
//! It is made of the gravest finding of the stage that decided, or of the verdict itself where
//! nothing was found, or of what was raised. Without stages it is made of the decision alone.

mod kind;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;

use crate::{
    actions::JudgeReleaseOutput,
    codes::{self, FindingCode},
    finding::{Finding, Severity},
    ids::StateName,
    run::{Decision, Fault, Outcome, RuleOutcome, RuleResult, RunRecord, RunStatus},
    run::{StageRecord, StageStatus, Verdict},
};

pub use kind::CauseKind;
pub use text::{Excerpt, excerpt, plain, turns};

/// Longest message in characters.
const MAX_MESSAGE: usize = 240;
/// Longest place in characters.
const MAX_PLACE: usize = 160;
/// Lines of the log that are shown with the sentence.
const LINES: usize = 6;

/// Why a run did not end well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of thing went wrong.
    pub kind: CauseKind,
    /// The thing, the message and the place in one sentence without a full stop, of at most about
    /// 500 characters.
    pub sentence: String,
    /// `path:line:column`, as far as it is known.
    pub place: Option<String>,
    /// Stage that says it.
    pub state: Option<StateName>,
    /// Code of the finding, or name of the error.
    pub code: Option<String>,
    /// The lines that say it: of the log, or what was seen.
    pub excerpt: Excerpt,
    /// What would make it pass.
    pub remedy: Option<String>,
    /// Who can do that.
    pub who: String,
}

/// What the sentence is made of.
struct Draft {
    kind: CauseKind,
    subject: String,
    message: String,
    place: Option<String>,
    state: Option<StateName>,
    code: Option<String>,
    evidence: String,
    remedy: Option<String>,
    who: String,
    more: usize,
}

/// Why the run did not end well; none while it is running, and of one that ended well.
#[must_use]
pub fn cause(run: &RunRecord, stages: &[StageRecord]) -> Option<Cause> {
    let author = run.request.author.as_deref().map(|name| text::line(name, 60));
    let author = author.as_deref();
    let view = View { author, stages, outcome: run.outcome.as_ref() };
    match run.status {
        RunStatus::Queued | RunStatus::Running | RunStatus::Succeeded => None,
        RunStatus::Cancelled | RunStatus::TimedOut | RunStatus::Superseded => {
            Some(view.stopped(run.status))
        }
        RunStatus::Rejected | RunStatus::Held => Some(view.decided()),
        RunStatus::RollbackFailed => Some(view.stuck()),
        RunStatus::Failed | RunStatus::RolledBack => Some(finish(view.failed(), &[])),
    }
}

struct View<'a> {
    author: Option<&'a str>,
    stages: &'a [StageRecord],
    outcome: Option<&'a Outcome>,
}

impl<'a> View<'a> {
    /// The gate, or a person, did not let it go on.
    fn decided(&self) -> Cause {
        let decision = self.outcome.and_then(|o| o.decision.as_ref());
        match decision {
            Some(decision) if matches!(decision.verdict, Verdict::Reject | Verdict::Hold) => {
                self.gate(decision)
            }
            Some(_) => finish(self.unapproved(), &[]),
            None => finish(self.failed(), &[]),
        }
    }

    /// The decisive rule with the gravest finding; the others by name.
    fn gate(&self, decision: &Decision) -> Cause {
        let of =
            |outcome| decision.reasons.iter().filter(move |r| r.required && r.outcome == outcome);
        let wanted = match decision.verdict {
            Verdict::Reject => RuleOutcome::NotMet,
            _ => RuleOutcome::NotChecked,
        };
        let drafts: Vec<(Option<Severity>, Draft)> =
            of(wanted).map(|rule| self.rule(rule)).collect();
        let worst = drafts.iter().map(|(severity, _)| *severity).max().flatten();
        let at = drafts.iter().position(|(severity, _)| *severity == worst);
        let mut drafts: Vec<Draft> = drafts.into_iter().map(|(_, draft)| draft).collect();
        let first = match at {
            Some(at) if at < drafts.len() => drafts.remove(at),
            _ => self.reason(CauseKind::Other, None),
        };
        let mut also: Vec<String> = Vec::new();
        for draft in drafts {
            if draft.subject != first.subject && !also.contains(&draft.subject) {
                also.push(draft.subject);
            }
        }
        finish(first, &also)
    }

    fn rule(&self, rule: &RuleResult) -> (Option<Severity>, Draft) {
        let action = kind::checked_by(&rule.rule).unwrap_or_default();
        let stage = self.stages.iter().rfind(|s| s.action == action);
        let worst = stage.and_then(worst);
        let mut draft = match stage {
            Some(stage) if worst.is_some() || stage.status == StageStatus::Error => {
                self.stage(stage)
            }
            _ => {
                let kind = kind::of(action, None);
                Draft {
                    subject: match kind {
                        CauseKind::Other => rule.rule.clone(),
                        kind => kind::subject(None, action, kind),
                    },
                    message: rule.message.clone(),
                    state: stage.map(|s| s.state.clone()),
                    ..self.reason(kind, None)
                }
            }
        };
        draft.remedy = draft.remedy.or_else(|| rule.would_pass.clone());
        (worst.map(|finding| finding.severity), draft)
    }

    /// A person said no, or nobody answered.
    fn unapproved(&self) -> Draft {
        let again = "start the run again, and ask for the answer";
        Draft {
            subject: format!("Approval of {}", self.asked_for()),
            remedy: Some(again.to_owned()),
            ..self.reason(CauseKind::Approval, None)
        }
    }

    /// The environment that a person was asked for: the one after those that were deployed to.
    fn asked_for(&self) -> String {
        let plan = self.stages.iter().rfind(|s| s.action == "quality.plan_pipeline");
        let done = self.outcome.map_or(0, |outcome| outcome.deployments.len());
        let next = plan.and_then(|plan| plan.output.get("environments")?.get(done)?.get("name"));
        next.and_then(serde_json::Value::as_str)
            .map_or("production".to_owned(), |name| text::line(name, 64))
    }

    /// A fault ended the run, or the release was not as it should be.
    fn failed(&self) -> Draft {
        if let Some(fault) = self.outcome.and_then(|o| o.fault.as_ref()) {
            return self.fault(fault);
        }
        // Of the stages that end a run by their verdict the last: before it all was well.
        let ends = |s: &&StageRecord| {
            let aside = ["Rollback", "CheckRestored", "TrackMetrics", "DetectAnomalies"];
            let effect = s.state.environment().is_some() && !aside.contains(&s.state.state());
            s.status == StageStatus::Failed && (effect || is_before_gate(s))
        };
        match self.stages.iter().rfind(ends) {
            Some(stage) => self.stage(stage),
            None => self.reason(CauseKind::Other, None),
        }
    }

    fn fault(&self, fault: &Fault) -> Draft {
        let said = fault.cause.as_deref().unwrap_or_default();
        let (remedy, author) = kind::fault(&fault.error, said);
        let kind = CauseKind::Fault;
        let by = if author { CauseKind::Test } else { kind };
        Draft {
            subject: kind::subject(Some(&fault.state), "", kind),
            message: fault.sentence(),
            place: None,
            state: Some(fault.state.clone()),
            code: Some(fault.error.clone()),
            evidence: fault.cause.as_ref().map(|_| fault.sentence()).unwrap_or_default(),
            remedy: Some(remedy.to_owned()),
            who: kind::who(by, None, self.author),
            more: 0,
            kind,
        }
    }

    /// The release could not be taken back; and why it had to be.
    fn stuck(&self) -> Cause {
        let stuck = |s: &&StageRecord| {
            let bad = matches!(s.status, StageStatus::Failed | StageStatus::Error);
            bad && (s.action == "deploy.rollback" || s.state.state() == "CheckRestored")
        };
        let mut stuck = self.stages.iter().filter(stuck);
        let rollback = stuck.next();
        let also: Vec<String> =
            stuck.map(|stage| kind::subject(Some(&stage.state), "", CauseKind::Rollback)).collect();
        let kind = CauseKind::Rollback;
        let mut draft = match rollback {
            Some(stage) => Draft { kind, ..self.stage(stage) },
            None => self.reason(kind, None),
        };
        if let Some(stage) = rollback {
            draft.subject = kind::subject(Some(&stage.state), "", kind);
        }
        draft.who = kind::who(kind, None, self.author);
        let without_fault = self.outcome.map(|o| Outcome { fault: None, ..o.clone() });
        let before = View { outcome: without_fault.as_ref(), ..*self };
        let mut cause = finish(draft, &also);
        let why = finish(before.failed(), &[]);
        if why.state.is_some() && why.state != cause.state {
            cause.sentence =
                format!("{}; it was taken back for this: {}", cause.sentence, why.sentence);
        }
        cause
    }

    /// Ended from outside.
    fn stopped(&self, status: RunStatus) -> Cause {
        let at = self.stages.iter().rfind(|s| s.status == StageStatus::Running);
        let mut draft = self.reason(CauseKind::Stopped, at.map(|s| s.state.clone()));
        if let Some(stage) = at {
            draft.subject = stage.title();
        }
        let remedy = match status {
            RunStatus::TimedOut => {
                "find what took so long in the timeline; then start the run again"
            }
            _ => "start the run again",
        };
        draft.remedy = Some(remedy.to_owned());
        finish(draft, &[])
    }

    /// What a stage found, at its gravest.
    fn stage(&self, stage: &StageRecord) -> Draft {
        if stage.status == StageStatus::Error {
            return self.fault(&Fault {
                state: stage.state.clone(),
                error: stage.error.clone().unwrap_or_else(|| "fault".to_owned()),
                cause: Some(stage.summary.clone()),
            });
        }
        let judgement: Option<JudgeReleaseOutput> = (stage.action == "quality.judge_release")
            .then(|| serde_json::from_value(stage.output.clone()).ok())
            .flatten();
        let broken = judgement
            .and_then(|j| j.reasons.into_iter().find(|r| r.outcome == RuleOutcome::NotMet));
        let worst = worst(stage);
        let code = worst.map(|finding| &finding.code);
        let kind = kind::of(&stage.action, code);
        let listed = || stage.findings.iter().filter(|f| f.severity > Severity::Info);
        let remedy = worst.and_then(|f| f.remedy.clone());
        Draft {
            subject: kind::found(&stage.state, &stage.action, code),
            message: match (worst, &broken) {
                (Some(finding), _) => said(finding),
                (None, Some(rule)) => rule.message.clone(),
                (None, None) => stage.summary.clone(),
            },
            // What says that too few lines are covered has no place; the lines have.
            place: worst.and_then(|f| f.place().or_else(|| listed().find_map(Finding::place))),
            state: Some(stage.state.clone()),
            code: code.map(ToString::to_string),
            evidence: worst.and_then(lines).unwrap_or_default(),
            remedy: remedy
                .or_else(|| {
                    let wanted = broken.and_then(|rule| rule.would_pass)?;
                    Some(format!("find what the release does worse; it would pass with {wanted}"))
                })
                .or_else(|| code.and_then(codes::remedy).map(str::to_owned)),
            who: kind::who(kind, code, self.author),
            more: worst.map_or(0, |finding| as_grave(stage, finding)),
            kind,
        }
    }

    /// The reason that was recorded, where nothing says more.
    fn reason(&self, kind: CauseKind, state: Option<StateName>) -> Draft {
        let reason = self.outcome.map(|o| o.reason.trim()).filter(|r| !r.is_empty());
        Draft {
            subject: String::new(),
            message: reason.unwrap_or("no reason was recorded").to_owned(),
            place: None,
            code: None,
            evidence: String::new(),
            remedy: None,
            who: kind::who(kind, None, self.author),
            more: 0,
            state,
            kind,
        }
    }
}

/// Whether the stage comes before the gate and ends the run by itself.
fn is_before_gate(stage: &StageRecord) -> bool {
    ["code.analyze_changes", "quality.plan_pipeline"].contains(&stage.action.as_str())
}

/// The gravest finding, the first of several; what is only worth knowing is no reason.
fn worst(stage: &StageRecord) -> Option<&Finding> {
    let severity = stage.findings.iter().map(|f| f.severity).max()?;
    stage.findings.iter().find(|f| f.severity == severity && severity > Severity::Info)
}

/// How many findings of the stage are as grave as its gravest, beside that one.
fn as_grave(stage: &StageRecord, worst: &Finding) -> usize {
    let same = stage.findings.iter().filter(|f| f.severity == worst.severity).count();
    // The gravest are kept first: where all that is kept is as grave, so may be what is not.
    let all = same == stage.findings.len();
    let unlisted = if all { stage.findings_total.saturating_sub(same) } else { 0 };
    same.saturating_sub(1) + unlisted
}

/// Codes whose evidence is a log, of which the message does not say what is in it.
const LOGS: &[FindingCode] = &[
    codes::TESTS_FAILED,
    codes::TESTS_TIMED_OUT,
    codes::TEST_SETUP_FAILED,
    codes::BUILD_FAILED,
    codes::SERVICE_EXITED,
    codes::SERVICE_NOT_STARTED,
    codes::SERVICE_NOT_LISTENING,
    codes::SERVICE_UNHEALTHY,
];

/// What shows what a finding says: the source, or what was seen.
fn lines(finding: &Finding) -> Option<String> {
    let source = finding.source.as_ref().map(|source| source.0.clone());
    source.or_else(|| finding.evidence.clone())
}

/// What a finding says; with the line of the log that says why.
fn said(finding: &Finding) -> String {
    let log = finding.evidence.as_deref().filter(|_| LOGS.contains(&finding.code));
    match log.and_then(text::speaking) {
        Some(line) if !finding.message.contains(line) => {
            format!("{}: {}", text::line(&finding.message, MAX_MESSAGE), text::line(line, 160))
        }
        _ => finding.message.clone(),
    }
}

/// The sentence.
fn finish(draft: Draft, also: &[String]) -> Cause {
    let Draft { kind, subject, message, place, state, code, evidence, remedy, who, more } = draft;
    let mut sentence = text::line(&text::without_statistics(&message), MAX_MESSAGE + 160);
    if !subject.is_empty() {
        sentence = format!("{subject}: {sentence}");
    }
    let place = place.map(|place| text::line(&place, MAX_PLACE));
    match &place {
        Some(place) if !sentence.contains(place.as_str()) => {
            sentence.push_str(&format!(" ({place})"))
        }
        _ => {}
    }
    if more > 0 {
        sentence.push_str(&format!(", and {more} more"));
    }
    if !also.is_empty() {
        sentence.push_str(&format!("; also {}", also.join(", ")));
    }
    let remedy = remedy.map(|remedy| text::line(&remedy, 400));
    Cause { kind, sentence, place, state, code, excerpt: excerpt(&evidence, LINES), remedy, who }
}
