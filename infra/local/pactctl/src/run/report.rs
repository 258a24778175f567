//! What is known of a run, as one document.

use pact_agent::ports::{ApprovalRecord, RunReader, Unreadable};
use pact_aws::DynamoStore;
use pact_contract::{
    Decision, Deployment, Finding, RepositoryName, RunId, RunRecord, RunStatus, StageRecord,
    StageStatus, StateName,
    cause::{Cause, cause},
    room::waits,
    run::{Fault, NotificationRecord},
};
use serde::Serialize;

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
    /// Reads a run.
    ///
    /// # Errors
    /// A usage failure when there is no such run.
    pub(crate) async fn read(store: &DynamoStore, run_id: &RunId) -> Result<Self, Failure> {
        let run = RunReader::run(store, run_id).await.doing("read the run")?.ok_or_else(|| {
            Failure::usage(format!("there is no run {run_id}"))
                .remedy("`pactctl runs list` lists them")
        })?;
        let stages = store.stages(run_id).await.doing("read the stages")?;
        let notifications = store.notifications(run_id).await.doing("read the notifications")?;
        let unreadable = [stages.unreadable, notifications.unreadable].concat();
        let notifications = notifications.items.into_iter().map(|n| n.record).collect();
        let queued = run.status == RunStatus::Queued;
        let before = store.waits_behind(&run).await.doing("read its place in the queue")?;
        let mut report = Self { unreadable, ..Self::new(run, stages.items, notifications) };
        if queued {
            report.reason = Some(waits(before));
            report.before = before;
        }
        if report.status == RunStatus::Running {
            let all = store.approvals(run_id).await.doing("read the approvals")?;
            let open = all.items.iter().find(|question| question.answer.is_none());
            report.reason = Some(open.map_or_else(|| "it goes on".to_owned(), asks));
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

/// What a run asks, of whom, and how it is answered.
fn asks(question: &ApprovalRecord) -> String {
    let agreed: Vec<_> = question.agreed.iter().map(|answer| answer.by.as_str()).collect();
    let agreed = match question.people {
        0 | 1 => String::new(),
        people if agreed.is_empty() => format!(", of {people} people"),
        people => format!(", {} of {people} agreed ({})", agreed.len(), agreed.join(", ")),
    };
    let ApprovalRecord { question, expires_at, run_id, .. } = question;
    format!(
        "waits for an answer until {expires_at:.0}{agreed}: {question} `pactctl approve {run_id}` gives it"
    )
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
