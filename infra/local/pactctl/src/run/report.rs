//! What is known of a run, as one document.

use pact_agent::ports::{RunReader, Unreadable};
use pact_aws::DynamoStore;
use pact_contract::{
    Decision, Deployment, Finding, RepositoryName, RunId, RunRecord, RunStatus, StageRecord,
    StageStatus, StateName,
    cause::{Cause, cause},
    loosened::{AGREED, Loosened},
    run::{Fault, NotificationRecord},
};
use serde::Serialize;

use super::waits::{self, Waits};
use crate::failure::{Context, Failure};

/// The document that `pactctl run --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The run.
    pub run_id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// One sentence: why.
    pub reason: Option<String>,
    /// How many runs of its repository are before it, while it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<usize>,
    /// What it waits for, until it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// What its commit loosens that nobody was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loosened: Option<ToAgree>,
    /// Why it did not end well: the thing, the message, the place, and what would mend it.
    pub cause: Option<Cause>,
    /// Full name of the repository.
    pub repository: RepositoryName,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: String,
    /// Commit the changes are relative to.
    pub base: Option<String>,
    /// Template that was used; none when the run ended before the plan.
    pub template: Option<String>,
    /// From the push to the final status.
    pub duration_ms: u64,
    /// The execution, for any AWS client.
    pub execution_arn: String,
    /// The run's page on the dashboard.
    pub url: String,
    /// The gate's decision.
    pub decision: Option<Decision>,
    /// Every stage in the order in which it began.
    pub stages: Vec<Stage>,
    /// What was deployed, taken back included.
    pub deployments: Vec<Deployment>,
    /// Who was told, or why not.
    pub notifications: Vec<NotificationRecord>,
    /// The fault that ended the run, if it was one.
    pub fault: Option<Fault>,
    /// What the store has of the run and cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
    /// The stages as they are stored.
    #[serde(skip)]
    pub records: Vec<StageRecord>,
}

/// Rules that are looser once somebody agrees.
#[derive(Debug, Serialize)]
pub(crate) struct ToAgree {
    /// That they do not count yet.
    pub sentence: String,
    /// The command by which somebody agrees.
    pub command: String,
}

/// One stage of the document.
#[derive(Debug, Serialize)]
pub(crate) struct Stage {
    /// State of the state machine.
    pub state: StateName,
    /// The agent.
    pub agent: String,
    /// The action.
    pub action: String,
    /// The verdict.
    pub status: StageStatus,
    /// How long it took.
    pub duration_ms: u64,
    /// One sentence for people.
    pub summary: String,
    /// Error name, for a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// How many findings there are in all.
    pub findings_total: usize,
    /// The numbers behind the verdict.
    pub output: serde_json::Value,
}

impl Report {
    /// Reads a run; `options` are those that find it again, with a space before each.
    ///
    /// # Errors
    /// A usage failure when there is no such run.
    pub(crate) async fn read(
        store: &DynamoStore,
        run_id: &RunId,
        options: &str,
    ) -> Result<Self, Failure> {
        let run = RunReader::run(store, run_id).await.doing("read the run")?.ok_or_else(|| {
            Failure::usage(format!("there is no run {run_id}"))
                .remedy("`pactctl runs list` lists them")
        })?;
        let stages = store.stages(run_id).await.doing("read the stages")?;
        let notifications = store.notifications(run_id).await.doing("read the notifications")?;
        let unreadable = [stages.unreadable, notifications.unreadable].concat();
        let notifications = notifications.items.into_iter().map(|n| n.record).collect();
        let waits = waits::of(store, &run, Some(&stages.items), options).await;
        let waits = waits.doing("read what the run waits for")?;
        let loosened = match Loosened::of(&run, &stages.items) {
            Some(loosened) if !agreed(store, run_id).await? => {
                Some(ToAgree { sentence: loosened.sentence(), command: loosened.command(options) })
            }
            _ => None,
        };
        let mut report =
            Self { unreadable, loosened, ..Self::new(run, stages.items, notifications) };
        if let Some(waits) = waits {
            report.reason = Some(waits.sentence.clone());
            report.before = waits.before;
            report.waits = Some(waits);
        }
        Ok(report)
    }

    /// The document of what was read.
    pub(crate) fn new(
        run: RunRecord,
        records: Vec<StageRecord>,
        notifications: Vec<NotificationRecord>,
    ) -> Self {
        let end = run.finished_at.unwrap_or_else(jiff::Timestamp::now);
        let duration = end.duration_since(run.request.started_at).as_millis();
        let stages = records.iter().map(Stage::from).collect();
        let cause = cause(&run, &records);
        let outcome = run.outcome;
        Self {
            cause,
            before: None,
            waits: None,
            loosened: None,
            run_id: run.request.run_id.clone(),
            status: run.status,
            reason: outcome.as_ref().map(|o| o.reason.clone()),
            repository: run.request.repository.name,
            branch: run.request.branch,
            commit: run.request.commit,
            base: run.request.base,
            template: outcome.as_ref().and_then(|o| o.template.clone()).or(run.request.template),
            duration_ms: u64::try_from(duration).unwrap_or_default(),
            execution_arn: run.execution_arn,
            url: run.request.url,
            decision: outcome.as_ref().and_then(|o| o.decision.clone()),
            stages,
            deployments: outcome.as_ref().map(|o| o.deployments.clone()).unwrap_or_default(),
            notifications,
            fault: outcome.and_then(|o| o.fault),
            unreadable: Vec::new(),
            records,
        }
    }
}

/// Whether somebody agreed to what the run's commit loosens.
async fn agreed(store: &DynamoStore, run_id: &RunId) -> Result<bool, Failure> {
    let log = RunReader::log(store, run_id).await.doing("read the log")?;
    Ok(log.items.iter().any(|entry| entry.action == AGREED))
}

impl From<&StageRecord> for Stage {
    fn from(record: &StageRecord) -> Self {
        Self {
            state: record.state.clone(),
            agent: record.agent.clone(),
            action: record.action.clone(),
            status: record.status,
            duration_ms: record.duration_ms,
            summary: record.summary.clone(),
            error: record.error.clone(),
            findings: record.findings.clone(),
            findings_total: record.findings_total,
            output: record.output.clone(),
        }
    }
}
