//! What one run's page and its JSON are made of, read together.

use jiff::{SignedDuration, Timestamp};
use pact_agent::ports::{ApprovalRecord, Listed, OutboxEntry, RunReader, StoreError, Unreadable};
use pact_contract::{
    Decision, Deployment, EnvironmentName, RunId, RunRecord, RunStatus, StageRecord, StageStatus,
    cause::{Cause, cause},
    cost::Estimate,
    log::{self, LogEntry},
    room::waits,
};
use sha2::{Digest, Sha256};

use crate::{format, mark::Mark};

/// Notifications and the last records arrive a little after the final status.
const SETTLE: SignedDuration = SignedDuration::from_secs(20);

/// A run that is there.
pub(crate) enum Found {
    /// It can be read.
    Run(Box<RunView>),
    /// Its own record cannot be read; what else is known of it can.
    Unreadable(Parts),
}

impl Found {
    /// Reads a run; the transaction log only where it is wanted.
    pub(crate) async fn read(
        reader: &dyn RunReader,
        id: &RunId,
        now: Timestamp,
        with_log: bool,
    ) -> Result<Option<Self>, StoreError> {
        match reader.run(id).await {
            Ok(None) => Ok(None),
            Ok(Some(run)) => {
                let parts = Parts::read(reader, id, with_log).await?;
                let before = reader.waits_behind(&run).await?;
                Ok(Some(Self::Run(Box::new(RunView { run, parts, before, now }))))
            }
            Err(StoreError::Unreadable(unreadable)) => {
                let mut parts = Parts::read(reader, id, with_log).await?;
                parts.unreadable.insert(0, *unreadable);
                Ok(Some(Self::Unreadable(parts)))
            }
            Err(error) => Err(error),
        }
    }
}

/// What belongs to a run.
pub(crate) struct Parts {
    pub(crate) stages: Vec<StageRecord>,
    pub(crate) log: Vec<LogEntry>,
    /// What is wrong with the log as a whole; none when it is as it was written.
    pub(crate) log_fault: Option<String>,
    pub(crate) notifications: Vec<OutboxEntry>,
    pub(crate) approvals: Vec<ApprovalRecord>,
    /// What is there too and cannot be read.
    pub(crate) unreadable: Vec<Unreadable>,
}

impl Parts {
    async fn read(reader: &dyn RunReader, id: &RunId, with_log: bool) -> Result<Self, StoreError> {
        let log = async { if with_log { reader.log(id).await } else { Ok(Listed::default()) } };
        let (stages, log, notifications, approvals) = tokio::try_join!(
            reader.stages(id),
            log,
            reader.notifications(id),
            reader.approvals(id)
        )?;
        // Where an entry is gone from the end, the chain alone does not tell.
        let log_fault = match log.unreadable.first() {
            Some(unreadable) => Some(unreadable.to_string()),
            None => log::verify(&log.items).err(),
        };
        let unreadable =
            [stages.unreadable, log.unreadable, notifications.unreadable, approvals.unreadable];
        Ok(Self {
            stages: stages.items,
            log: log.items,
            log_fault,
            notifications: notifications.items,
            approvals: approvals.items,
            unreadable: unreadable.concat(),
        })
    }
}

/// One run with everything about it.
pub(crate) struct RunView {
    pub(crate) run: RunRecord,
    pub(crate) parts: Parts,
    /// How many runs are before it in its queue.
    pub(crate) before: Option<usize>,
    pub(crate) now: Timestamp,
}

impl RunView {
    /// A short text that changes with everything but the log, which follows the stages.
    pub(crate) fn version(&self) -> String {
        let mut hash = Sha256::new();
        let all = serde_json::json!([
            self.run,
            self.parts.stages,
            self.before,
            self.parts.notifications,
            self.parts.approvals,
            self.parts.unreadable,
            self.settled(),
        ]);
        hash.update(all.to_string().as_bytes());
        hex::encode(hash.finalize()).chars().take(16).collect()
    }

    /// Whether nothing more will change.
    pub(crate) fn settled(&self) -> bool {
        let quiet = self.run.finished_at.is_none_or(|at| self.now.duration_since(at) > SETTLE);
        self.run.status.is_final() && quiet
    }

    /// The reason as it was recorded.
    pub(crate) fn recorded(&self) -> String {
        let reason = self.run.outcome.as_ref().map(|o| o.reason.trim()).filter(|r| !r.is_empty());
        reason.unwrap_or("no reason was recorded").to_owned()
    }

    /// One sentence: how the run ended, or what it does.
    pub(crate) fn reason(&self) -> String {
        if let Some(cause) = self.cause() {
            return cause.sentence;
        }
        if self.run.outcome.is_some() || self.run.status.is_final() {
            return self.recorded();
        }
        if self.run.status == RunStatus::Queued {
            return waits(self.before);
        }
        if let Some(question) = self.open_question() {
            return format!("Waiting for a person: {}", question.question);
        }
        let running: Vec<_> = self
            .parts
            .stages
            .iter()
            .filter(|s| s.status == StageStatus::Running)
            .map(StageRecord::title)
            .collect();
        match running.as_slice() {
            [] => "Waiting for the next state".to_owned(),
            titles => format!("At work: {}", titles.join(", ")),
        }
    }

    /// Why the run did not end well.
    pub(crate) fn cause(&self) -> Option<Cause> {
        cause(&self.run, &self.parts.stages)
    }

    /// What the run has cost so far; none before the first stage.
    pub(crate) fn cost(&self) -> Option<Estimate> {
        let stages = &self.parts.stages;
        (!stages.is_empty()).then(|| Estimate::of(stages))
    }

    /// How long the run took so far.
    pub(crate) fn duration(&self) -> String {
        duration(&self.run, self.now)
    }

    /// The gate's decision, also before the run has ended.
    pub(crate) fn decision(&self) -> Option<Decision> {
        if let Some(decision) = self.run.outcome.as_ref().and_then(|o| o.decision.clone()) {
            return Some(decision);
        }
        let stage = self.parts.stages.iter().find(|s| s.action == "quality.evaluate_gate")?;
        serde_json::from_value(stage.output.clone()).ok()
    }

    /// Deployments, also before the run has ended.
    pub(crate) fn deployments(&self) -> Vec<Deployment> {
        if let Some(outcome) = &self.run.outcome {
            return outcome.deployments.clone();
        }
        let mut out: Vec<Deployment> = Vec::new();
        let stages = self.parts.stages.iter().filter(|s| {
            ["deploy.to_staging", "deploy.to_production", "deploy.rollback"]
                .contains(&s.action.as_str())
        });
        for stage in stages {
            let Ok(new) = serde_json::from_value::<Deployment>(stage.output.clone()) else {
                continue;
            };
            match out.iter_mut().find(|d| d.environment == new.environment) {
                Some(known) => *known = new,
                None => out.push(new),
            }
        }
        out
    }

    /// The environments that the run goes to, in their order, once they are planned; and any other
    /// that it was in.
    pub(crate) fn environments(&self) -> Vec<EnvironmentName> {
        let plan = self.parts.stages.iter().find(|s| s.action == "quality.plan_pipeline");
        let names = |plan: &StageRecord| -> Option<Vec<EnvironmentName>> {
            let list = plan.output.get("environments")?.as_array()?.iter();
            list.map(|one| EnvironmentName::parse(one.get("name")?.as_str()?).ok()).collect()
        };
        let mut all = plan.and_then(names).unwrap_or_default();
        for name in self.parts.stages.iter().filter_map(|stage| stage.state.environment()) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// The name of an environment beside others of the run: of a wave what is its own.
    pub(crate) fn within<'n>(&self, name: &'n EnvironmentName) -> &'n str {
        let plan = self.parts.stages.iter().find(|s| s.action == "quality.plan_pipeline");
        let list = plan.and_then(|plan| plan.output.get("environments")?.as_array());
        let own = list.into_iter().flatten().find(|one| one["name"] == name.as_str());
        let whole = own.and_then(|one| one.pointer("/settings/wave_of")?.as_str());
        let rest = whole.and_then(|whole| name.as_str().strip_prefix(whole)?.strip_prefix('-'));
        rest.unwrap_or(name.as_str())
    }

    /// The template, once the plan has chosen it.
    pub(crate) fn template(&self) -> Option<String> {
        if let Some(template) = self.run.outcome.as_ref().and_then(|o| o.template.clone()) {
            return Some(template);
        }
        let stage = self.parts.stages.iter().find(|s| s.action == "quality.plan_pipeline")?;
        stage.output.get("template").and_then(|t| t.as_str()).map(str::to_owned)
    }

    /// The question that the run waits for.
    pub(crate) fn open_question(&self) -> Option<&ApprovalRecord> {
        self.parts.approvals.iter().find(|a| self.approval(a).0 == Mark::Run)
    }

    /// How a question stands.
    pub(crate) fn approval(&self, approval: &ApprovalRecord) -> (Mark, &'static str) {
        match &approval.answer {
            Some(answer) if answer.approved => (Mark::Pass, "approved"),
            Some(_) => (Mark::Fail, "refused"),
            None if self.run.status != RunStatus::Running || approval.expires_at < self.now => {
                (Mark::Warn, "not answered")
            }
            None => (Mark::Run, "waiting for an answer"),
        }
    }
}

/// How long a run took, or takes.
pub(crate) fn duration(run: &RunRecord, now: Timestamp) -> String {
    let end = run.finished_at.unwrap_or(now);
    format::duration(format::between(run.request.started_at, end))
}
