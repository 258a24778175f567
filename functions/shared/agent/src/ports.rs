//! The world outside, one narrow trait per need.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use pact_contract::{
    EnvironmentKey, EnvironmentName, RepositoryName, RunId, RunRecord, RunStatus, StageRecord,
    StateName,
    actions::EnvironmentRecord,
    incident::IncidentId,
    log::{LogEntry, NewEntry},
    objectives::Budget,
    policy::PolicyRecord,
    pushes::BranchRecord,
    registry::RepositoryEntry,
    run::{NotificationRecord, Outcome, RunRequest},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::approval::{ApprovalAnswer, ApprovalRecord};
pub use crate::error::{StoreError, Unreadable, UnreadableReason};
pub use pact_contract::actions::WatchResult;

/// What a list of the store has: what can be read of it, in the list's order, and what cannot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed<T> {
    /// What can be read.
    pub items: Vec<T>,
    /// What is there too and cannot be read.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), unreadable: Vec::new() }
    }
}

impl<T> From<Vec<T>> for Listed<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, unreadable: Vec::new() }
    }
}

impl<T> FromIterator<Result<T, Unreadable>> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = Result<T, Unreadable>>>(items: I) -> Self {
        let mut listed = Self::default();
        for item in items {
            match item {
                Ok(item) => listed.items.push(item),
                Err(unreadable) => listed.unreadable.push(unreadable),
            }
        }
        listed
    }
}

/// Large, immutable things by key: source bundles, change sets, logs.
#[async_trait]
pub trait Artifacts: Send + Sync {
    /// Keeps `content` under `key`; the same key twice replaces.
    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError>;
    /// What is kept under `key`.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;
    /// How many bytes are kept under `key`; none when nothing is.
    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError>;
    /// Whether something is kept under `key` that stays about as long as what is put now: it was
    /// put within the last day. What is older may go while a run still refers to it: put it again.
    async fn has_recent(&self, key: &str) -> Result<bool, StoreError>;
}

/// Answers by idempotency key.
#[async_trait]
pub trait Idempotency: Send + Sync {
    /// The answer that was given under `key`, if the request was completed before.
    async fn completed(&self, key: &str) -> Result<Option<Value>, StoreError>;
    /// Keeps the answer for a day. The first answer stays.
    async fn complete(&self, key: &str, answer: &Value) -> Result<(), StoreError>;
}

/// Where results of stages and the transaction log go.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Keeps the record under its run and state; a later one replaces it.
    async fn record_stage(&self, record: &StageRecord) -> Result<(), StoreError>;
    /// Appends to the run's transaction log.
    async fn append_log(&self, run_id: &RunId, entry: NewEntry) -> Result<LogEntry, StoreError>;
    /// Whether anything of the run is still to be recorded.
    async fn standing(&self, _run_id: &RunId) -> Result<Standing, StoreError> {
        Ok(Standing::NotKept)
    }
}

/// Where a run stands, for whoever would record something of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Runs are not kept here: nobody can say.
    NotKept,
    /// There is no such run.
    Unknown,
    /// It is carried out by this execution.
    Open {
        /// ARN of the execution.
        execution: String,
    },
    /// It has its final status; its people are told of it by this execution.
    Ended {
        /// ARN of the execution.
        execution: String,
    },
}

/// The transaction log, from its reader's side.
#[async_trait]
pub trait TransactionLog: Send + Sync {
    /// Every entry of a run, in order.
    async fn entries(&self, run_id: &RunId) -> Result<Listed<LogEntry>, StoreError>;
}

/// Result of asking for an environment's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// The caller holds it. The fence grows with each new holder.
    Held {
        /// Number to present with each change.
        fence: u64,
    },
    /// Another run holds it.
    Busy {
        /// That run.
        run_id: RunId,
    },
}

/// Environments of repositories: what is deployed there, and who may change it.
#[async_trait]
pub trait Environments: Send + Sync {
    /// Takes the lock for `run_id` until `lease` is over. Taking it again as the same run renews
    /// it and keeps the fence; a lock whose lease is over is taken from its holder.
    async fn lock(
        &self,
        environment: &EnvironmentKey,
        run_id: &RunId,
        lease: Duration,
    ) -> Result<Lock, StoreError>;
    /// Gives the lock back; nothing happens when `run_id` does not hold it.
    async fn unlock(&self, environment: &EnvironmentKey, run_id: &RunId) -> Result<(), StoreError>;
    /// What is deployed; the default when nothing ever was.
    async fn load(&self, environment: &EnvironmentKey) -> Result<EnvironmentRecord, StoreError>;
    /// The environments of a repository that are waves of `whole`, with what is deployed in each. One that
    /// cannot be read is an error: who asks for all of them means all.
    async fn waves(
        &self,
        repository: &RepositoryName,
        whole: &EnvironmentName,
    ) -> Result<Vec<(EnvironmentKey, EnvironmentRecord)>, StoreError>;
    /// Writes what is deployed. [`StoreError::Conflict`] when the lock now has another fence.
    async fn store(
        &self,
        environment: &EnvironmentKey,
        record: &EnvironmentRecord,
        fence: u64,
    ) -> Result<(), StoreError>;
}

/// Notifications of a run, delivered or not.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// What became of the run's message on `channel`, if it was handled before.
    async fn notification(
        &self,
        run_id: &RunId,
        channel: &str,
    ) -> Result<Option<OutboxEntry>, StoreError>;
    /// Writes what became of it.
    async fn put_notification(&self, run_id: &RunId, entry: &OutboxEntry)
    -> Result<(), StoreError>;
    /// Writes the entry in the place of `old`. False when something else is there.
    async fn replace_notification(
        &self,
        run_id: &RunId,
        old: &OutboxEntry,
        entry: &OutboxEntry,
    ) -> Result<bool, StoreError>;
    /// At most `limit` runs and channels with a message that is to be sent again, those due longest
    /// first. The list follows a write after a moment: each has to be read before something is done.
    async fn due_notifications(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RunId, String)>, StoreError>;
}

/// One message of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// What became of it.
    pub record: NotificationRecord,
    /// The message as it was, or would have been, sent.
    pub body: String,
    /// The channel's own reference to the message, to edit it later.
    pub reference: Option<String>,
    /// When this was written.
    pub at: Timestamp,
    /// How it is sent again; none: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<SendLater>,
}

/// A message that its channel did not take, and that is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendLater {
    /// The action that sends it.
    pub action: String,
    /// Its parameters.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// Attempts so far: one for all that the pipeline made, none of what is not due before.
    pub attempts: u32,
    /// When the first was made.
    pub since: Timestamp,
    /// When the next one is.
    pub due: Timestamp,
}

impl SendLater {
    /// How long it is tried for.
    pub const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
    /// Wait after the pipeline's attempts; it doubles with each.
    const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(300);
    /// Longest wait between two attempts.
    const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(2);

    /// After the first attempt.
    #[must_use]
    pub fn new(
        action: String,
        parameters: serde_json::Map<String, serde_json::Value>,
        now: Timestamp,
    ) -> Self {
        let due = now.saturating_add(Self::FIRST_WAIT).unwrap_or(now);
        Self { action, parameters, attempts: 1, since: now, due }
    }

    /// What is to be sent at a time, and not before.
    #[must_use]
    pub fn at(
        due: Timestamp,
        action: String,
        parameters: serde_json::Map<String, serde_json::Value>,
    ) -> Self {
        Self { action, parameters, attempts: 0, since: due, due }
    }

    /// The same while one more attempt is made, which nobody else makes meanwhile.
    #[must_use]
    pub fn taken(self, now: Timestamp) -> Self {
        let wait = Self::FIRST_WAIT.checked_mul(1 << self.attempts.min(10));
        let wait = wait.unwrap_or(Self::LONGEST_WAIT).min(Self::LONGEST_WAIT);
        let due = now.saturating_add(wait).unwrap_or(now);
        Self { attempts: self.attempts.saturating_add(1), due, ..self }
    }

    /// The same, and not before a time that the channel asks for.
    #[must_use]
    pub fn not_before(self, at: Timestamp) -> Self {
        Self { due: self.due.max(at), ..self }
    }

    /// Whether it was tried for long enough.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) >= Self::PATIENCE
    }
}

/// The registry of repositories.
#[async_trait]
pub trait Registry: Send + Sync {
    /// What is registered under the name.
    async fn repository(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryEntry>, StoreError>;
    /// Writes the entry in the place of `old`; none: of nothing. False when something else is there.
    async fn put_repository(
        &self,
        entry: &RepositoryEntry,
        old: Option<&RepositoryEntry>,
    ) -> Result<bool, StoreError>;
    /// Takes the entry out, and the rules that count for it; nothing happens when there is none.
    async fn remove_repository(&self, name: &RepositoryName) -> Result<(), StoreError>;
    /// Every entry.
    async fn repositories(&self) -> Result<Listed<RepositoryEntry>, StoreError>;
}

/// The rules of repositories, as far as somebody agreed to them.
#[async_trait]
pub trait Policies: Send + Sync {
    /// The rules that count for the repository; none before its first commit was judged.
    async fn policy(&self, name: &RepositoryName) -> Result<Option<PolicyRecord>, StoreError>;
    /// Makes these the rules that count. False, and nothing happens, when those of a later push do.
    async fn put_policy(
        &self,
        name: &RepositoryName,
        record: &PolicyRecord,
    ) -> Result<bool, StoreError>;
    /// The rules that a run's commit asks for, and that nobody has agreed to yet.
    async fn proposal(&self, run_id: &RunId) -> Result<Option<PolicyRecord>, StoreError>;
    /// Keeps what the record's run asks for.
    async fn propose(&self, record: &PolicyRecord) -> Result<(), StoreError>;
}

/// Result of the gateway's de-duplication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Not seen before: the caller goes on.
    New,
    /// Seen before, as this run.
    Seen {
        /// The run that it started.
        run_id: RunId,
    },
}

/// Runs, from the gateway's side.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Claims `key` (a delivery id, or a push) for `run_id`. The first claim stays for `keep`.
    async fn claim(&self, key: &str, run_id: &RunId, keep: Duration) -> Result<Claim, StoreError>;
    /// The run that a key was claimed for, if it was.
    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError>;
    /// Takes a claim back, when what it was made for did not happen.
    async fn unclaim(&self, key: &str) -> Result<(), StoreError>;
    /// Writes a new run, queued or running; an existing one stays as it is. The input of its execution is
    /// kept with it where that is more than the request.
    async fn create_run(
        &self,
        request: &RunRequest,
        execution_arn: &str,
        status: RunStatus,
        input: Option<&Value>,
    ) -> Result<(), StoreError>;
    /// Writes that a queued run is running from now on. False when it is not queued any more.
    async fn begin_run(&self, run_id: &RunId) -> Result<bool, StoreError>;
    /// The input of a run's execution, where it is more than the request.
    async fn input(&self, run_id: &RunId) -> Result<Option<Value>, StoreError>;
    /// One run.
    async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError>;
    /// Those of at most a hundred runs that are there, by one question.
    async fn runs(&self, run_ids: &[RunId]) -> Result<Listed<RunRecord>, StoreError>;
    /// Writes the outcome of a run that has not begun to deploy. False when it has, or has ended.
    async fn finish_before_deploying(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
    /// The record of one stage.
    async fn stage(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<StageRecord>, StoreError>;
    /// Takes a run that has its outcome off the list of open ones: nothing is left to be done for it.
    async fn close_run(&self, run_id: &RunId) -> Result<(), StoreError>;
    /// Writes the outcome of a run that has none. False when it has one already.
    async fn finish_run(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// The pushes of branches, in their order.
#[async_trait]
pub trait Branches: Send + Sync {
    /// What is known of a branch, and the version to change it by; the default, and 0, of one that
    /// was never pushed to.
    async fn branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
    ) -> Result<(BranchRecord, u64), StoreError>;
    /// Writes it. False when somebody else wrote since that version was read.
    async fn store_branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
        record: &BranchRecord,
        version: u64,
    ) -> Result<bool, StoreError>;
}

/// What the dashboard and the command line read.
#[async_trait]
pub trait RunReader: Send + Sync {
    /// The latest runs, newest first.
    async fn latest_runs(&self, query: &RunQuery) -> Result<RunPage, StoreError>;
    /// One run.
    async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError>;
    /// How many runs are before a queued one in the queue of its repository, of which the first
    /// [`COUNTED`](pact_contract::room::COUNTED) are counted; none where it is in no queue.
    async fn waits_behind(&self, _run: &RunRecord) -> Result<Option<usize>, StoreError> {
        Ok(None)
    }
    /// Its stages, in the order in which they began.
    async fn stages(&self, run_id: &RunId) -> Result<Listed<StageRecord>, StoreError>;
    /// The same of a run that has ended, at half the price: what was written a moment ago may be as it
    /// was before.
    async fn stages_at_rest(&self, run_id: &RunId) -> Result<Listed<StageRecord>, StoreError> {
        self.stages(run_id).await
    }
    /// Its transaction log, in order.
    async fn log(&self, run_id: &RunId) -> Result<Listed<LogEntry>, StoreError>;
    /// Its notifications.
    async fn notifications(&self, run_id: &RunId) -> Result<Listed<OutboxEntry>, StoreError>;
    /// Open and answered approvals of the run.
    async fn approvals(&self, run_id: &RunId) -> Result<Listed<ApprovalRecord>, StoreError>;
    /// Every environment.
    async fn environments(&self) -> Result<Listed<EnvironmentView>, StoreError>;
    /// A page of them in bounded reads, in the order of their keys: those after the cursor that the
    /// page before ended with.
    async fn environments_page(&self, after: Option<&str>) -> Result<EnvironmentPage, StoreError> {
        // Where all of them are at hand.
        let listed = if after.is_none() { self.environments().await? } else { Listed::default() };
        Ok(EnvironmentPage { listed, cursor: None })
    }
    /// The environments of one repository.
    async fn environments_of(
        &self,
        repository: &RepositoryName,
    ) -> Result<Listed<EnvironmentView>, StoreError> {
        let mut all = self.environments().await?;
        all.items.retain(|environment| environment.key.repository == *repository);
        Ok(all)
    }
}

/// One environment of one repository, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnvironmentView {
    /// Which one.
    #[serde(flatten)]
    pub key: EnvironmentKey,
    /// What is deployed.
    pub record: EnvironmentRecord,
    /// What the scheduled watch saw last; none before its first look.
    pub watch: Option<WatchResult>,
    /// The incident that it is affected by.
    pub incident: Option<IncidentId>,
    /// What it used of what is promised.
    pub budget: Option<Budget>,
}

/// One page of environments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnvironmentPage {
    /// What is on it.
    pub listed: Listed<EnvironmentView>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Of this repository.
    pub repository: Option<RepositoryName>,
    /// With this status.
    pub status: Option<RunStatus>,
    /// On this branch.
    pub branch: Option<String>,
    /// Whose commit has this author, whatever the case.
    pub author: Option<String>,
    /// That began to deploy to this environment.
    pub environment: Option<EnvironmentName>,
    /// With each of these words among the first of the commit's message, or with this beginning of
    /// its id.
    pub text: Option<String>,
    /// At most so many; 0 means 50.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// One page of runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunPage {
    /// The runs, newest first.
    pub runs: Vec<RunRecord>,
    /// What stands between them in the list and cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}

/// Open task tokens of approvals.
#[async_trait]
pub trait Callbacks: Send + Sync {
    /// Keeps the question with its task token. The first one for a run's state stays: it is
    /// returned, with its task token replaced by the new one.
    async fn open_approval(
        &self,
        approval: &ApprovalRecord,
        task_token: &str,
    ) -> Result<ApprovalRecord, StoreError>;
    /// Every question of a run, answered or not.
    async fn questions(&self, run_id: &RunId) -> Result<Listed<ApprovalRecord>, StoreError>;
    /// The question of one state of a run.
    async fn question(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        let all = self.questions(run_id).await?.items;
        Ok(all.into_iter().find(|question| question.state == *state))
    }
    /// The question and its task token.
    async fn approval(
        &self,
        callback: &str,
    ) -> Result<Option<(ApprovalRecord, String)>, StoreError>;
    /// Writes the answer. False when there is one already.
    async fn answer_approval(
        &self,
        callback: &str,
        answer: &ApprovalAnswer,
    ) -> Result<bool, StoreError>;
}

/// How an execution stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionState {
    /// As Step Functions names it: `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED` or
    /// `PENDING_REDRIVE`.
    pub status: String,
    /// Name of the error that it ended by.
    pub error: Option<String>,
    /// Its cause.
    pub cause: Option<String>,
}

/// Step Functions, from the gateway's side.
#[async_trait]
pub trait Executions: Send + Sync {
    /// ARN that an execution of this name has.
    fn execution_arn(&self, name: &str) -> String;
    /// Starts the pipeline, as part of the trace that the header names. Starting the same name
    /// with the same input again does nothing.
    async fn start(
        &self,
        name: &str,
        input: &Value,
        trace: Option<&str>,
    ) -> Result<String, StoreError>;
    /// How an execution stands; none where there is no such execution.
    async fn state(&self, execution_arn: &str) -> Result<Option<ExecutionState>, StoreError>;
    /// Stops an execution; nothing happens when it has ended.
    async fn stop(&self, execution_arn: &str, cause: &str) -> Result<(), StoreError>;
    /// Answers a task token. False when nobody waits for it any more.
    async fn task_success(&self, task_token: &str, output: &Value) -> Result<bool, StoreError>;
}
