//! What holds on every path.

use pact_contract::{
    Deployment, StageStatus, Tier, Verdict,
    run::{DeploymentStatus, Outcome, RunStatus},
    states::Pipeline,
};

use crate::answers::{self, RELEASE};
use crate::explore::Report;
use crate::machine::Machine;
use crate::script::{Answer, Fault, Turn, When, base};
use crate::world::Effect;

/// Errors after which nobody knows what was done.
pub(crate) const CRASHES: &[&str] = &[
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "States.Timeout",
    "ERR_TIMEOUT",
    "ERR_DEPLOY_FAILED",
    "ERR_INTERNAL",
    "Unlisted",
];

const CHANNELS: &[Pipeline] = &[Pipeline::NotifySlack, Pipeline::NotifyEmail, Pipeline::NotifyJira];

/// The checks with their states.
const CHECKS: &[(Pipeline, &str)] = &[
    (Pipeline::ValidateSyntax, "syntax"),
    (Pipeline::CheckQuality, "quality"),
    (Pipeline::RunUnitTests, "unit"),
    (Pipeline::RunIntegrationTests, "integration"),
    (Pipeline::CheckCoverage, "coverage"),
    (Pipeline::ScanVulnerabilities, "vulnerabilities"),
    (Pipeline::CheckDependencies, "dependencies"),
    (Pipeline::ValidateSecrets, "secrets"),
];

/// The state in which a run ends that ended like this.
fn terminal(status: RunStatus) -> Pipeline {
    match status {
        RunStatus::Succeeded => Pipeline::Succeeded,
        RunStatus::Held => Pipeline::Held,
        RunStatus::Rejected => Pipeline::Rejected,
        RunStatus::Superseded => Pipeline::Superseded,
        RunStatus::RolledBack => Pipeline::ReleaseRolledBack,
        RunStatus::Cancelled => Pipeline::TakenBack,
        RunStatus::RollbackFailed => Pipeline::RollbackFailed,
        _ => Pipeline::Failed,
    }
}

struct Look<'a> {
    report: &'a Report,
    machine: &'a Machine,
    broken: Vec<String>,
}

/// Everything that does not hold.
pub(crate) fn violations(report: &Report, machine: &Machine) -> Vec<String> {
    let mut look = Look { report, machine, broken: report.world.violations.clone() };
    if report.world.case.faults.iter().any(|fault| fault.turn == Turn::Overtaken) {
        look.overtaken();
        return look.broken;
    }
    match look.outcome() {
        None => {}
        Some(outcome) if report.world.case.variant.ended => {
            look.ends_agree(&outcome);
            look.way_back(&outcome);
        }
        Some(outcome) => {
            look.ends_agree(&outcome);
            look.reason_and_fault(&outcome);
            look.environments(&outcome);
        }
    }
    look.gate();
    look.locks();
    look.checks();
    look.retries();
    look.broken
}

impl Look<'_> {
    fn must(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.broken.push(what.into());
        }
    }

    fn called(&self, state: impl AsRef<str>) -> u64 {
        self.report.world.calls.get(state.as_ref()).copied().unwrap_or(0)
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.report.world.case.faults.iter().filter(|f| self.called(&f.state) > 0)
    }

    fn position(&self, wanted: impl Fn(&Effect) -> bool) -> Option<usize> {
        self.report.world.effects.iter().position(wanted)
    }

    /// A run that was ended from outside ends as it was ended, with what it had begun and was not
    /// judged good taken back; or a person is called.
    fn way_back(&mut self, outcome: &Outcome) {
        let recorded = self.report.world.outcome.is_some();
        let status = outcome.status;
        self.must(
            matches!(status, RunStatus::Cancelled | RunStatus::RollbackFailed) || !recorded,
            format!("it was cancelled, and ended as {status:?}"),
        );
        let names = self.report.world.case.variant.environments;
        for name in names {
            let restored = self.report.world.restored(name);
            let stays = self.report.world.places[*name].good;
            self.must(!stays || names.last() != Some(name), format!("{name} was never good"));
            self.must(
                restored || stays || status == RunStatus::RollbackFailed || !recorded,
                format!("{name} is not restored, but the run is {status:?}"),
            );
        }
        self.newest_first(names.iter().map(|name| (*name).to_owned()).collect());
        let deployed = self.position(|e| matches!(e, Effect::Deploying(_) | Effect::Begun(_)));
        self.must(deployed.is_none(), "something was deployed on the way back");
        let kept = self.position(|e| matches!(e, Effect::Kept(_)));
        self.must(kept.is_none(), "something was judged good on the way back");
    }

    /// What the run changed is taken back newest first, and all of it, or nothing.
    fn newest_first(&mut self, mut changed: Vec<String>) {
        let order = self.report.world.order.iter();
        let back: Vec<String> =
            order.filter_map(|s| s.strip_prefix("Rollback.").map(str::to_owned)).collect();
        changed.reverse();
        self.must(
            back.is_empty() || back == changed,
            format!("{back:?} were taken back, not {changed:?}"),
        );
    }

    /// Somebody ended the run: nothing is deployed, written or told by it any more.
    fn overtaken(&mut self) {
        let state = self.report.world.case.faults.iter().find(|f| f.turn == Turn::Overtaken);
        let begins = state.map_or("", |fault| fault.state.as_str()).to_owned();
        let last = self.report.world.order.last().cloned().unwrap_or_default();
        self.must(last == begins, format!("{last} was done after the end"));
        self.must(self.report.world.outcome.is_none(), "the final status was written twice");
        let end = self.report.entered.last().cloned().unwrap_or_default();
        self.must(end == Pipeline::Overtaken.as_str(), format!("it ended in {end}"));
        for (name, place) in self.report.world.places.clone() {
            self.must(place.lock.is_none(), format!("{name} stays locked"));
        }
    }

    /// The outcome that was recorded, or that people were told when it could not be.
    fn outcome(&mut self) -> Option<Outcome> {
        for channel in CHANNELS {
            let told = self.called(channel) > 0;
            self.must(told, format!("{channel} was not tried"));
        }
        self.must(self.called(Pipeline::RecordOutcome) > 0, "no final status was written");
        let world = &self.report.world;
        let told = world.effects.iter().find_map(|effect| match effect {
            Effect::Notified(_, outcome) => Some((**outcome).clone()),
            _ => None,
        });
        if let Some(text) = &world.outcome {
            return match serde_json::from_str::<Outcome>(text) {
                Ok(outcome) => Some(outcome),
                Err(error) => {
                    self.broken.push(format!("the outcome is not valid: {error}: {text}"));
                    None
                }
            };
        }
        let store_was_down =
            self.faults().any(|f| f.state == Pipeline::RecordOutcome.as_str() && f.times.is_none());
        self.must(store_was_down, "the run has no final status");
        if let Some(told) = &told {
            self.must(
                told.status == RunStatus::Failed,
                format!("unrecorded, but {:?} was told", told.status),
            );
        }
        told
    }

    fn ends_agree(&mut self, outcome: &Outcome) {
        let world = &self.report.world;
        let change = &self.report.change;
        self.must(outcome.status.is_final(), "the final status is running");
        if world.outcome.is_some() {
            self.must(
                world.status == outcome.status.as_str(),
                format!("status {} but outcome {:?}", world.status, outcome.status),
            );
        }
        let last = self.report.entered.last().map_or("", String::as_str);
        let wanted = terminal(outcome.status);
        self.must(last == wanted.as_str(), format!("{:?} ended in {last}", outcome.status));
        for effect in &world.effects {
            if let Effect::Notified(channel, told) = effect {
                self.must(
                    **told == *outcome,
                    format!("{channel} told {told:?} but the outcome is {outcome:?}"),
                );
            }
        }
        let well = matches!(
            outcome.status,
            RunStatus::Succeeded | RunStatus::Held | RunStatus::Superseded | RunStatus::Cancelled
        );
        let expected = if well { "SUCCEEDED" } else { "FAILED" };
        self.must(change.status == expected, format!("the execution is {}", change.status));
        let error = change.error.as_deref().unwrap_or_default();
        self.must(!error.starts_with("States."), format!("the execution ended with {error}"));
        if !well {
            self.must(error.starts_with("Pact."), format!("the execution ended with {error:?}"));
            let cause = change.cause.as_deref().unwrap_or_default();
            self.must(cause == outcome.reason, format!("cause {cause:?} is not the reason"));
        }
    }

    fn reason_and_fault(&mut self, outcome: &Outcome) {
        let reason = outcome.reason.as_str();
        let status = outcome.status;
        self.must(!reason.trim().is_empty() && reason != "undecided", "there is no reason");
        self.must(reason.len() <= 8_000, "the reason is too long for a person");
        let answer = self.report.world.case.variant.approval;
        if status != RunStatus::Succeeded {
            let named = self.faults().any(|fault| match &fault.turn {
                // That is how it reads when a person does not answer.
                Turn::Error { error, .. }
                    if base(&fault.state) == Pipeline::AwaitApproval.as_str()
                        && error == "States.Timeout" =>
                {
                    reason.contains("nobody approved")
                }
                Turn::Error { error, .. } => {
                    reason.contains(&format!("boom in {}", fault.state)) || reason.contains(error)
                }
                Turn::Malformed => reason.contains("States.QueryEvaluationError"),
                _ => reason.contains(&format!("{} says", fault.state)),
            });
            let by_person = match answer {
                Some(Answer::No) => reason.contains("not approved by ada: AwaitApproval says no"),
                Some(Answer::Nothing) => reason.contains("nobody approved"),
                Some(Answer::Nameless) => reason.contains("an error without a name"),
                _ => false,
            };
            let closed =
                self.report.world.case.variant.frozen && reason.contains("takes no release");
            self.must(named || by_person || closed, format!("the reason names no cause: {reason}"));
        }
        let errors = self.faults().filter(|f| f.is_error()).cloned().collect::<Vec<_>>();
        if let Some(fault) = &outcome.fault {
            let known = errors.iter().any(|f| {
                fault.state == *f.state
                    && match &f.turn {
                        Turn::Error { error, .. } => *error == fault.error,
                        _ => fault.error == "States.QueryEvaluationError",
                    }
            }) || (answer == Some(Answer::Nameless)
                && fault.state.state() == Pipeline::AwaitApproval.as_str());
            self.must(known, format!("a fault that did not happen: {fault:?}"));
            self.must(
                !matches!(status, RunStatus::Rejected | RunStatus::Held | RunStatus::Succeeded),
                format!("a fault is reported as the verdict {status:?}"),
            );
        }
        if status == RunStatus::Failed && outcome.fault.is_none() {
            // Only a deployment that replaced nothing fails without a fault.
            let refused = outcome.deployments.iter().any(|d| d.status == DeploymentStatus::Failed);
            self.must(refused, "failed without a fault and without a failed deployment");
        }
        if errors.is_empty() && answer != Some(Answer::Nameless) {
            self.must(
                outcome.fault.is_none(),
                format!("a verdict is reported as the fault {:?}", outcome.fault),
            );
        }
    }

    fn environments(&mut self, outcome: &Outcome) {
        let names = self.report.world.case.variant.environments;
        let deployed: Vec<String> = names
            .iter()
            .filter(|n| self.called(format!("Deploy.{n}")) > 0)
            .map(|n| (*n).to_owned())
            .collect();
        let listed: Vec<_> =
            outcome.deployments.iter().map(|d| d.environment.to_string()).collect();
        self.must(
            listed == deployed,
            format!("{deployed:?} were deployed to, and {listed:?} said"),
        );
        self.newest_first(deployed);
        for name in names {
            self.environment(name, outcome);
        }
        let recorded = self.report.world.outcome.is_some();
        let stuck = |d: &Deployment| d.status == DeploymentStatus::RollbackFailed;
        let stuck = outcome.deployments.iter().any(stuck);
        self.must(
            stuck == (outcome.status == RunStatus::RollbackFailed) || !recorded,
            format!("{:?} in a run that is {:?}", outcome.deployments, outcome.status),
        );
    }

    fn environment(&mut self, name: &str, outcome: &Outcome) {
        let status = outcome.status;
        let recorded = self.report.world.outcome.is_some();
        let deploy = format!("Deploy.{name}");
        let entry = outcome.deployments.iter().find(|d| d.environment == name).cloned();
        let first = |wanted: fn(&str) -> Effect| self.position(|e| *e == wanted(name));
        let begun = first(|name| Effect::Begun(name.to_owned()));
        let deploying = first(|name| Effect::Deploying(name.to_owned()));
        self.must(
            deploying.is_none() || begun.is_some_and(|begun| Some(begun) < deploying),
            format!("{name} was deployed to before the run was marked"),
        );
        let restored = self.report.world.restored(name);
        if self.called(&deploy) == 0 {
            self.must(restored, format!("{name} changed without a deployment"));
            return;
        }
        let back = self.called(format!("Rollback.{name}")) > 0;
        if let Some(ends) = self.refused(&deploy) {
            self.must(restored, format!("{name} was refused, but touched"));
            self.must(!back, format!("{name} was refused, and taken back"));
            self.must(
                status == ends || !recorded,
                format!("{name} was refused, and the run is {status:?}"),
            );
            return;
        }
        if back {
            self.taken_back(name, outcome, entry.as_ref());
            return;
        }
        let place = &self.report.world.places[name];
        let (good, live) = (place.good, place.current.as_deref() == Some(RELEASE));
        self.must(live, format!("{name} counts as done, but the release is not live"));
        let unwritten = self.faults().any(|f| f.state == format!("MarkGood.{name}"));
        // What the watch does not tell is left to a person, where it is.
        let held = self.report.entered.iter().any(|s| s == Pipeline::HoldRelease.as_str());
        let left = held && !good && self.called(format!("JudgeRelease.{name}")) > 0;
        self.must(good || unwritten || left, format!("{name} keeps what was not judged good"));
        let entry_is_live = entry.as_ref().is_some_and(|d| d.status == DeploymentStatus::Live);
        self.must(entry_is_live, format!("{name} is live, but has {entry:?}"));
        // A person, or a newer push, stops it at a later one.
        let stays =
            [RunStatus::Succeeded, RunStatus::Held, RunStatus::Rejected, RunStatus::Superseded];
        self.must(
            stays.contains(&status) || !recorded,
            format!("{name} keeps a release of a run that is {status:?}"),
        );
    }

    /// Whatever was begun went back, unless it was good and nothing is known against it; or a person
    /// is called.
    fn taken_back(&mut self, name: &str, outcome: &Outcome, entry: Option<&Deployment>) {
        let status = outcome.status;
        let recorded = self.report.world.outcome.is_some();
        let restored = self.report.world.restored(name);
        let stands = entry.map(|d| d.status);
        let good = self.report.world.places[name].good;
        let failed = stands == Some(DeploymentStatus::RollbackFailed);
        self.must(status != RunStatus::Succeeded, format!("succeeded without {name}"));
        if good && !failed {
            let judged = self.report.world.judged;
            self.must(!judged, format!("{name} keeps what was judged bad later"));
            let live = stands == Some(DeploymentStatus::Live);
            self.must(live, format!("{name} stays good, but has {entry:?}"));
            return;
        }
        if recorded {
            self.must(
                restored || status == RunStatus::RollbackFailed,
                format!("{name} is not restored, but the run is {status:?}"),
            );
        }
        self.must(restored || failed, format!("{name} is not restored and has {entry:?}"));
        if stands == Some(DeploymentStatus::RolledBack) {
            let answers = format!("CheckRestored.{name}");
            let there = self.report.world.places[name].current.is_some();
            let checked = self.called(&answers) > 0;
            self.must(!there || checked, format!("nobody asked whether {name} answers again"));
            let wrong = self.faults().any(|f| {
                f.state == answers
                    && f.times.is_none()
                    && (f.is_error() || f.turn == Turn::Verdict(StageStatus::Failed))
            });
            self.must(!wrong, format!("rolled back, but {answers} said otherwise"));
        }
    }

    /// How a run ends whose deployment the ledger refuses; none where it does not.
    fn refused(&self, state: &str) -> Option<RunStatus> {
        self.faults().filter(|f| f.state == state).find_map(|f| match f.turn {
            Turn::Refused("release-outdated") => Some(RunStatus::Superseded),
            Turn::Refused(_) => Some(RunStatus::Rejected),
            _ => None,
        })
    }

    fn gate(&mut self) {
        let decided = self.report.world.effects.iter().rev().find_map(|e| match e {
            Effect::Decided(verdict) => Some(*verdict),
            _ => None,
        });
        let (mut before, mut asked) = (None, 0);
        for name in self.report.world.case.variant.environments {
            let at = self.position(|e| matches!(e, Effect::Deploying(n) if n == name));
            let Some(at) = at else { continue };
            let users = answers::tier(name) == Tier::Production;
            let allowed = match decided {
                Some(Verdict::Promote) => true,
                Some(Verdict::StageOnly) => !users,
                _ => false,
            };
            self.must(allowed, format!("{name} was deployed to after {decided:?}"));
            self.must(before < Some(at), format!("{name} was deployed to out of order"));
            before = Some(at);
            if users && self.report.world.case.variant.approval.is_some() {
                // For all waves once.
                asked += usize::from(answers::asks(name));
                let yes = |e: &&Effect| **e == Effect::Answered(true);
                let said = self.report.world.effects.iter().take(at).filter(yes).count();
                self.must(said >= asked, format!("{name} was deployed to unasked"));
            }
        }
    }

    fn locks(&mut self) {
        let cannot = self.faults().any(|f| {
            f.state.starts_with("FreeEnvironment.")
                && f.times.is_none()
                && matches!(&f.turn, Turn::Error { when: When::Before, .. })
        });
        for (name, place) in self.report.world.places.clone() {
            self.must(place.lock.is_none() || cannot, format!("{name} stays locked"));
            let freed = self
                .report
                .world
                .effects
                .iter()
                .rposition(|e| matches!(e, Effect::Freed(n) if *n == name));
            let touched = self.report.world.effects.iter().rposition(|e| {
                matches!(e, Effect::Deploying(n) | Effect::Deployed(n) | Effect::TakenBack(n) | Effect::Kept(n) if *n == name)
            });
            if let (Some(freed), Some(touched)) = (freed, touched) {
                self.must(
                    touched < freed || cannot,
                    format!("the lock of {name} was released too early"),
                );
            }
        }
    }

    /// What the gate was told of each check.
    fn checks(&mut self) {
        let Some(checks) = self.report.world.checks.clone() else { return };
        for (state, name) in CHECKS {
            let Some(check) = checks.get(*name) else {
                self.broken.push(format!("the gate was told nothing of {name}"));
                continue;
            };
            let always =
                self.faults().find(|f| f.state == state.as_str() && f.times.is_none()).cloned();
            let (expected, said) = match always.map(|f| f.turn) {
                Some(Turn::Error { error, .. }) => (StageStatus::Error, error),
                Some(Turn::Malformed) => (StageStatus::Error, "States.Query".to_owned()),
                Some(Turn::Verdict(status)) => (status, String::new()),
                _ => continue,
            };
            let reason = check.reason();
            let says = check.status == StageStatus::Skipped || reason.contains(&said);
            self.must(says, format!("the gate was told {reason:?} of {name}, not {said}"));
            // Skipped, because what comes before it was not well.
            let allowed = check.status == expected
                || (check.status == StageStatus::Skipped && check.summary.contains("not"));
            self.must(
                allowed,
                format!("the gate was told {:?} of {name}, not {expected:?}", check.status),
            );
        }
    }

    fn retries(&mut self) {
        for (state, calls) in self.report.world.calls.clone() {
            let entries = match self.report.world.keys.get(&state) {
                Some(keys) => keys.len(),
                None if state.contains('.') => 1,
                None => self.report.entered.iter().filter(|s| **s == state).count(),
            } as u64;
            let mine: Vec<Fault> = self.faults().filter(|f| f.state == state).cloned().collect();
            let most = mine
                .iter()
                .map(|f| match &f.turn {
                    Turn::Error { error, .. } => self.machine.tries(&state, error),
                    Turn::Malformed => self.machine.tries(&state, "States.QueryEvaluationError"),
                    _ => 1,
                })
                .max()
                .unwrap_or(1);
            self.must(calls <= entries * most, format!("{state} was tried {calls} times"));
            let always = mine.iter().any(|f| {
                f.times.is_none() && matches!(f.turn, Turn::Error { when: When::Before, .. })
            });
            if always && entries == 1 {
                self.must(calls == most, format!("{state} was tried {calls} times, not {most}"));
            }
            let crashed = mine.iter().any(|f| {
                matches!(&f.turn, Turn::Error { error, .. } if CRASHES.contains(&error.as_str()))
            });
            if crashed && base(&state) == "Deploy" {
                self.must(calls == 1, format!("{state} was tried again after a crash"));
            }
        }
    }
}
