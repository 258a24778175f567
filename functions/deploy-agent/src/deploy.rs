//! `deploy.to_staging`, `deploy.to_production`.
//!
//! Before anything is done, the store says what is about to be put into effect and what it
//! replaces. From then on the same call again completes what was begun, and a rollback takes it
//! back, wherever the agent was when it was killed.

use jiff::Timestamp;
use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    Deployment, EnvironmentKey, Finding, FindingCode, ReleaseId, Severity, StageStatus, Tier,
    actions::{Deploy, PendingDeployment, ReleaseRecord},
    codes,
    error::ErrorName,
    ledger::{Against, LedgerEntry, Origin, Standing},
    run::{Apart, DeploymentStatus},
    shift::{PendingShift, Strategy, WHOLE},
};

use crate::{
    agent::{self, DeployAgent, PATIENCE},
    lease::Lease,
    restore::Restored,
    targets::{self, Activated, Activation, Claimed, NewRelease, Prepared, Shifted, Target},
};

/// One deployment.
struct Work<'a> {
    agent: &'a DeployAgent,
    call: &'a Call,
    wanted: &'a Deploy,
    key: EnvironmentKey,
    target: Box<dyn Target>,
    lease: Lease<'a>,
    /// The release as it is recorded.
    new: ReleaseRecord,
    /// The release to return to: the last one that was judged good.
    replaces: Option<ReleaseRecord>,
    /// The release that is in effect without this one: as a rule the same.
    was: Option<ReleaseRecord>,
    /// Whether an attempt before this one was begun and not ended: who knows how far it came.
    interrupted: bool,
}

pub(crate) async fn deploy(
    agent: &DeployAgent,
    call: &Call,
    tier: Tier,
) -> Result<Outcome, AgentError> {
    let wanted: Deploy = call.parameters()?;
    let environment = &agent::of_tier(wanted.environment.as_ref(), tier)?;
    let key = EnvironmentKey::new(&wanted.repository.name, environment);
    let target = match agent.target(&key, &wanted.settings) {
        Ok(target) => target,
        Err(reason) => {
            let refused = refusal(
                codes::TARGET_REFUSED,
                reason,
                "correct the environment's target, or how this installation is set up for it",
            );
            let none = Deployment::new(environment, &wanted.release, DeploymentStatus::Failed);
            return not_deployed(refused, none);
        }
    };
    let lease = Lease::take(&*agent.environments, call, key.clone()).await?;
    let new = ReleaseRecord {
        release: wanted.release.clone(),
        commit: wanted.source.commit.clone(),
        run_id: call.scope(),
        deployed_at: Timestamp::now(),
        settings: wanted.settings.clone(),
    };
    let mut work = Work {
        agent,
        call,
        wanted: &wanted,
        key,
        target,
        lease,
        new,
        replaces: None,
        was: None,
        interrupted: false,
    };
    let result = work.run().await;
    work.lease.end().await;
    result
}

impl Work<'_> {
    async fn run(&mut self) -> Result<Outcome, AgentError> {
        let claimed = self.target.claim(PATIENCE.min(self.call.time_left())).await?;
        // The same request may have been at work until now.
        self.lease.reload().await?;
        let record = &mut self.lease.record;
        if record.pending.is_none()
            && record.current.is_some()
            && self.target.is_led_by_waves().await?
        {
            // From before the waves. What they put there is what is returned to, as the target found it.
            (record.current, record.previous) = (None, None);
        }
        (self.replaces, self.was) = self.what_it_replaces();
        self.interrupted = self.lease.record.pending.is_some();
        let _claim = match claimed {
            Claimed::Ours(claim) => claim,
            Claimed::Foreign(reason) => {
                let reason = refusal(
                    codes::FOLDER_TAKEN,
                    format!("the target cannot be used: {reason}"),
                    "give each environment a folder of its own",
                );
                return self.give_up(reason, false).await;
            }
        };
        if self.is_in_effect().await? {
            return self.deployed(", as before", Vec::new()).await;
        }
        if let Some(reason) = self.other_commit().or_else(|| self.against_the_order()) {
            return self.give_up(reason, false).await;
        }
        if let Some(reason) = self.no_way_back().await? {
            return self.give_up(reason, false).await;
        }

        let percent = self.percent();
        if percent < WHOLE && !self.target.weights() {
            return self.give_up(no_shares(self.wanted.settings.shift.strategy), false).await;
        }
        let before = self.steps_before();
        let reached = before.as_ref().and_then(|before| before.reached);
        self.lease.record.pending = Some(PendingDeployment {
            release: self.new.clone(),
            replaces: self.replaces.clone(),
            fence: self.lease.fence(),
            shift: (percent < WHOLE || reached.is_some()).then(|| PendingShift {
                wanted: percent,
                reached,
                walked: before.map(|before| before.walked).unwrap_or_default(),
                origin: self.wanted.origin.clone().unwrap_or_default(),
            }),
        });
        self.lease.write().await?;
        self.agent.steps.reached("recorded")?;

        // What has requests is prepared.
        if reached.is_none() {
            let new = NewRelease {
                record: &self.new,
                source: &self.wanted.source,
                built: &self.wanted.built,
                replaces: self.replaces.as_ref().map(|r| &r.release),
            };
            if let Prepared::Refused(reason) = self.target.prepare(&new).await? {
                return self.give_up(*reason, false).await;
            }
        }
        self.lease.renew().await?;
        if percent < WHOLE {
            return self.shift(percent).await;
        }
        let elsewhere = self.elsewhere();
        let activated =
            self.target.activate(&self.new, Activation::New, elsewhere.as_deref()).await?;
        let url = match activated {
            Activated::InEffect { url } => url,
            Activated::Refused(reason) => return self.give_up(reason, false).await,
            Activated::Failed(reason) => return self.give_up(reason, true).await,
        };

        let now = Timestamp::now();
        let entry = self.entry(now);
        let record = &mut self.lease.record;
        record.ledger.deployed(entry);
        let shift = record.pending.as_mut().and_then(|pending| pending.shift.take());
        record.current = Some(ReleaseRecord { deployed_at: now, ..self.new.clone() });
        record.previous = self.replaces.clone();
        record.pending = None;
        record.url = url;
        self.lease.write().await?;
        self.agent.steps.reached("completed")?;
        self.tidy().await;
        let weights = shift.map(|mut shift| {
            shift.reach(WHOLE);
            shift.walked
        });
        self.deployed("", weights.unwrap_or_default()).await
    }

    /// The part of the requests that the release gets now: all of them where no other release could
    /// have the rest.
    fn percent(&self) -> u32 {
        let asked = self.wanted.weight.unwrap_or(WHOLE).min(WHOLE);
        let beside = self.was.as_ref().is_some_and(|was| was.release != self.new.release);
        if beside && self.elsewhere().is_none() { asked } else { WHOLE }
    }

    /// What actions before this one gave it.
    fn steps_before(&self) -> Option<PendingShift> {
        let pending = self.lease.record.pending.as_ref()?;
        let own = pending.release.release == self.new.release
            && pending.release.commit == self.new.commit;
        pending.shift.clone().filter(|_| own)
    }

    /// One step: the release gets a part of the requests, and the one before has the rest.
    async fn shift(&mut self, percent: u32) -> Result<Outcome, AgentError> {
        let url = match self.target.shift(&self.new, percent).await? {
            Shifted::Done { url } => url,
            Shifted::Refused(reason) => return self.give_up(reason, false).await,
        };
        let record = &mut self.lease.record;
        if let Some(shift) = record.pending.as_mut().and_then(|pending| pending.shift.as_mut()) {
            shift.reach(percent);
        }
        record.url = url;
        self.lease.write().await?;
        self.agent.steps.reached("step recorded")?;
        let record = &self.lease.record;
        let (environment, release) = (&self.key.environment, &self.new.release);
        let mut partly = Deployment::new(environment, release, DeploymentStatus::Pending);
        partly.previous = record.current.as_ref().map(|r| r.release.clone());
        partly.url.clone_from(&record.url);
        partly.weight = Some(percent);
        let shift = record.pending.as_ref().and_then(|pending| pending.shift.as_ref());
        partly.weights = shift.map(|shift| shift.walked.clone()).unwrap_or_default();
        partly.apart = self.apart().await;
        let rest = match &partly.previous {
            Some(previous) => format!("; {previous} has the rest"),
            None => String::new(),
        };
        let at = record.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        let summary =
            format!("release {release} has {percent} % of the requests in {environment}{at}{rest}");
        Outcome::new(StageStatus::Passed, summary, &partly)
    }

    /// The release to return to, and the one that is in effect now. Whoever was interrupted goes
    /// on with what it found when it began.
    fn what_it_replaces(&self) -> (Option<ReleaseRecord>, Option<ReleaseRecord>) {
        let record = &self.lease.record;
        let new = &self.new;
        let was = match &record.current {
            Some(current) if current.release == new.release => record.previous.clone(),
            current => current.clone(),
        };
        let replaces = match &record.pending {
            Some(p) if p.release.release == new.release && p.release.commit == new.commit => {
                p.replaces.clone()
            }
            // What nobody judged good is replaced, and never returned to.
            _ => was
                .clone()
                .filter(|release| record.ledger.is_good(&release.release))
                .or_else(|| record.previous.clone()),
        };
        (replaces, was)
    }

    /// Why there would be no way back, while nothing was done yet. A person may say that it is
    /// deployed all the same.
    async fn no_way_back(&self) -> Result<Option<Finding>, AgentError> {
        let on_purpose = self.wanted.origin.as_ref().is_some_and(|o| o.on_purpose.is_some());
        if on_purpose {
            return Ok(None);
        }
        let old = self.replaces.as_ref().filter(|old| old.release != self.new.release);
        let Some(old) = old else { return self.no_way_back_from_a_first_wave().await };
        match self.agent.target(&self.key, &old.settings) {
            Ok(home) if home.returns() => home.way_back(old).await,
            // A person was asked.
            Ok(_) if !self.target.returns() => Ok(None),
            Ok(home) if home.location() == self.target.location() => {
                self.target.way_back(old).await
            }
            Ok(_) => Ok(Some(refusal(
                codes::NO_WAY_BACK,
                format!("nothing would take the environment back to {}", old.release),
                "start the run with `on_purpose` and the reason to deploy all the same",
            ))),
            Err(reason) => Ok(Some(refusal(
                codes::NO_WAY_BACK,
                format!("there would be no way back to {}: {reason}", old.release),
                "set this installation up for it, or start the run with `on_purpose` and the reason",
            ))),
        }
    }

    /// The same for an environment that has waves since its last release: what serves there is not in the
    /// record of any of them. Where the target does not bring back what it finds, the way back would be to
    /// nothing.
    async fn no_way_back_from_a_first_wave(&self) -> Result<Option<Finding>, AgentError> {
        let Some(whole) = &self.new.settings.wave_of else { return Ok(None) };
        // Of one that leads one way a person was asked.
        let settings = &self.new.settings;
        let asked = !self.target.returns() || settings.no_return.is_some();
        if self.was.is_some() || targets::restores(&settings.target.kind) || asked {
            return Ok(None);
        }
        let key = EnvironmentKey::new(&self.key.repository, whole);
        let record = self.agent.environments.load(&key).await?;
        Ok(record.current.map(|current| {
            refusal(
                codes::NO_WAY_BACK,
                format!(
                    "{} of {whole} is in effect, which has waves since: the first release of {} could be \
                     taken back to nothing only",
                    current.release, self.key.environment
                ),
                "start the run with `on_purpose` and the reason: a person says that it is deployed",
            )
        }))
    }

    /// What the ledger has against it: a newer push, or a verdict.
    fn against_the_order(&self) -> Option<Finding> {
        // Without an origin it was sent by hand, by a person.
        let origin = self.wanted.origin.as_ref()?;
        let refused = self.lease.record.ledger.refuses(&self.new.commit, origin)?;
        let code = match refused.against {
            Against::Order => codes::RELEASE_OUTDATED,
            Against::Verdict => codes::RELEASE_REJECTED,
        };
        Some(refusal(code, refused.message, refused.remedy))
    }

    /// What the ledger keeps of the release.
    fn entry(&self, now: Timestamp) -> LedgerEntry {
        let entry = candidate(&self.new, self.wanted.origin.clone().unwrap_or_default(), now);
        // By hand nobody judges it later: the person who deploys it does.
        if self.call.run_id.is_some() {
            return entry;
        }
        LedgerEntry { standing: Standing::Good, judged_at: Some(now), ..entry }
    }

    /// Where the release before is, when its settings were others.
    fn elsewhere(&self) -> Option<Box<dyn Target>> {
        let before = self.agent.target(&self.key, &self.was.as_ref()?.settings).ok()?;
        (before.location() != self.target.location()).then_some(before)
    }

    /// Whether this very release is in effect already.
    async fn is_in_effect(&self) -> Result<bool, AgentError> {
        let record = &self.lease.record;
        let recorded = record.pending.is_none()
            && record.current.as_ref().is_some_and(|current| {
                current.release == self.new.release
                    && current.commit == self.new.commit
                    && current.settings.target == self.new.settings.target
            });
        if !recorded {
            return Ok(false);
        }
        let status = self.target.status(&self.new.release, WHOLE).await?;
        Ok(status.problems.is_empty() && status.ready)
    }

    /// A release's name stands for one commit as long as the release may be needed.
    fn other_commit(&self) -> Option<Finding> {
        let record = &self.lease.record;
        let other = [&record.current, &record.previous]
            .into_iter()
            .flatten()
            .find(|r| r.release == self.new.release && r.commit != self.new.commit)?;
        Some(refusal(
            codes::RELEASE_NAME_TAKEN,
            format!(
                "release {} is commit {} already, and cannot become commit {}",
                other.release, other.commit, self.new.commit
            ),
            "give the release another name",
        ))
    }

    /// Leaves the environment as it was, and says why the release was not put into effect.
    /// `touched`: the release before has been stopped for it.
    async fn give_up(&mut self, reason: Finding, touched: bool) -> Result<Outcome, AgentError> {
        let mut none =
            Deployment::new(&self.key.environment, &self.new.release, DeploymentStatus::Failed);
        none.previous = self.replaces.as_ref().map(|r| r.release.clone());
        none.url.clone_from(&self.lease.record.url);
        if self.lease.record.pending.is_none() {
            return not_deployed(reason, none);
        }
        // What is in effect is this very release, deployed again, and was not touched.
        let again =
            self.lease.record.current.as_ref().is_some_and(|c| c.release == self.new.release);
        // What was only prepared stands beside the one in effect.
        if touched || self.interrupted && !again {
            self.go_back(&reason, touched, again).await?;
            none.url.clone_from(&self.lease.record.url);
        } else if !again {
            // What could not be put into effect is made anew next time.
            self.target.history().discard(&self.new.release).await?;
        }
        self.lease.record.pending = None;
        self.lease.write().await?;
        not_deployed(reason, none)
    }

    /// Puts the release before into effect again, if it is not: an interrupted attempt before
    /// this one may have stopped it.
    async fn go_back(
        &mut self,
        reason: &Finding,
        touched: bool,
        again: bool,
    ) -> Result<(), AgentError> {
        let restored = self.agent.restore(&self.key, &*self.target, self.was.as_ref()).await?;
        match restored {
            Restored::Done { url } => self.lease.record.url = url,
            Restored::Failed(second) if touched => {
                return Err(AgentError::new(
                    ErrorName::DeployFailed,
                    format!(
                        "{}; and the release before could not be restored: {}",
                        reason.message, second.message
                    ),
                ));
            }
            Restored::Failed(second) => {
                tracing::warn!(reason = second.message, "the release before does not run");
            }
        }
        if again {
            let before = match &self.was {
                Some(old) => self.target.history().before(&old.release).await?,
                None => None,
            };
            let record = &mut self.lease.record;
            let restored = self.was.as_ref().map(|r| &r.release);
            let why = (false, reason.message.as_str());
            record.ledger.taken_back(&self.new.release, restored, why, Timestamp::now());
            record.current.clone_from(&self.was);
            record.previous = before.filter(|older| record.ledger.is_good(&older.release));
        }
        // What could not be put into effect is made anew next time.
        self.target.history().discard(&self.new.release).await
    }

    /// Where the release and the one that it stands beside are asked each for itself. Without it the release
    /// is compared with the time before alone: that is no reason not to deploy it.
    async fn apart(&self) -> Option<Apart> {
        let old = self.was.as_ref().filter(|old| old.release != self.new.release)?;
        match self.target.apart(&self.new.release, &old.release).await {
            Ok(apart) => apart,
            Err(error) => {
                tracing::warn!(error = error.chain(), "whether both can be asked is not known");
                None
            }
        }
    }

    /// Removes old releases.
    async fn tidy(&self) {
        let record = &self.lease.record;
        let protected: Vec<_> =
            [&record.current, &record.previous].into_iter().flatten().map(|r| &r.release).collect();
        self.target.tidy(&protected).await;
    }

    /// `weights`: the parts of the requests that it had, where it came step by step.
    async fn deployed(&self, how: &str, weights: Vec<u32>) -> Result<Outcome, AgentError> {
        let record = &self.lease.record;
        let environment = &self.key.environment;
        let mut live = Deployment::new(environment, &self.new.release, DeploymentStatus::Live);
        live.previous = record.previous.as_ref().map(|r| r.release.clone());
        live.url.clone_from(&record.url);
        live.weight = Some(WHOLE);
        live.weights = weights;
        live.apart = self.apart().await;
        let at = record.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        let before = match &live.previous {
            Some(previous) => format!("; the release before is {previous}"),
            None => "; it is the first release there".to_owned(),
        };
        let summary =
            format!("release {} is in effect in {environment}{at}{how}{before}", self.new.release);
        Outcome::new(StageStatus::Passed, summary, &live)
    }
}

/// What the ledger has of a release that nobody judged yet.
pub(crate) fn candidate(release: &ReleaseRecord, origin: Origin, now: Timestamp) -> LedgerEntry {
    LedgerEntry {
        release: release.release.clone(),
        commit: release.commit.clone(),
        run_id: release.run_id.clone(),
        origin,
        standing: Standing::Candidate,
        reason: None,
        deployed_at: now,
        judged_at: None,
        serving_since: None,
        served_seconds: 0,
    }
}

fn no_shares(strategy: Strategy) -> Finding {
    refusal(
        codes::TARGET_REFUSED,
        format!("this target cannot share requests, as the strategy {strategy} asks for"),
        "use the strategy all-at-once, or a target whose requests can be shared",
    )
}

/// Why a release was not put into effect.
fn refusal(code: FindingCode, message: String, remedy: &str) -> Finding {
    Finding::new(code, Severity::High, message).remedy(remedy)
}

fn not_deployed(reason: Finding, none: Deployment) -> Result<Outcome, AgentError> {
    let summary = format!(
        "release {} was not deployed to {}, nothing was replaced: {}",
        none.release.as_ref().map_or("", ReleaseId::as_str),
        none.environment,
        reason.message
    );
    Ok(Outcome::new(StageStatus::Failed, summary, &none)?.with_findings(vec![reason]))
}
