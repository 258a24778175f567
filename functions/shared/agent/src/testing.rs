//! The ports in memory, for tests of the agents. Not part of what ships.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use pact_contract::{
    EnvironmentKey, EnvironmentName, RepositoryName, RunId, StageRecord,
    actions::EnvironmentRecord,
    log::{GENESIS, LogEntry, NewEntry},
    policy::PolicyRecord,
    testing::vocabulary,
};
use serde_json::Value;

use crate::{
    metrics::{MetricEvent, Metrics},
    ports::{
        Artifacts, Environments, Idempotency, Lock, Outbox, OutboxEntry, Policies, Recorder,
        StoreError,
    },
    recording::Recording,
    secrets::{Secret, SecretKeeper, Secrets},
};

/// All ports over plain maps.
#[derive(Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    artifacts: BTreeMap<String, Bytes>,
    answers: BTreeMap<String, Value>,
    stages: Vec<StageRecord>,
    logs: BTreeMap<RunId, Vec<LogEntry>>,
    environments: BTreeMap<EnvironmentKey, Environment>,
    outbox: BTreeMap<String, OutboxEntry>,
    metric_events: Vec<MetricEvent>,
    secrets: BTreeMap<String, Secret>,
    policies: BTreeMap<RepositoryName, PolicyRecord>,
    proposals: BTreeMap<RunId, PolicyRecord>,
}

#[derive(Default)]
struct Environment {
    record: EnvironmentRecord,
    fence: u64,
    holder: Option<(RunId, Timestamp)>,
}

impl Memory {
    /// Empty ports.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The adapter's ports, all of them this.
    #[must_use]
    pub fn recording(self: &Arc<Self>) -> Recording {
        Recording {
            recorder: Arc::clone(self) as _,
            idempotency: Arc::clone(self) as _,
            artifacts: Arc::clone(self) as _,
            metrics: Arc::clone(self) as _,
            later: None,
        }
    }

    /// Sets a secret.
    pub fn set_secret(&self, name: &str, value: &str) {
        self.lock_state().secrets.insert(name.to_owned(), Secret::new(value));
    }

    /// Everything that was counted, in order.
    #[must_use]
    pub fn metric_events(&self) -> Vec<MetricEvent> {
        self.lock_state().metric_events.clone()
    }

    /// Every stage record that was written, in order.
    #[must_use]
    pub fn stages(&self) -> Vec<StageRecord> {
        self.lock_state().stages.clone()
    }

    /// The transaction log of a run.
    #[must_use]
    pub fn log(&self, run_id: &RunId) -> Vec<LogEntry> {
        self.lock_state().logs.get(run_id).cloned().unwrap_or_default()
    }

    /// The run judged what it deployed as good, as its state machine writes it.
    pub fn judge_good(&self, environment: &EnvironmentKey, run_id: &RunId) {
        if let Some(entry) = self.lock_state().environments.get_mut(environment) {
            entry.record.judged_good(run_id, Timestamp::now());
        }
    }

    /// Keys in the artifact store.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.lock_state().artifacts.keys().cloned().collect()
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Artifacts for Memory {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        self.lock_state().artifacts.insert(key.to_owned(), content);
        Ok(())
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.lock_state().artifacts.get(key).cloned())
    }
    async fn has_recent(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.lock_state().artifacts.contains_key(key))
    }
    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.lock_state().artifacts.get(key).map(|content| content.len() as u64))
    }
}

#[async_trait]
impl Policies for Memory {
    async fn policy(&self, name: &RepositoryName) -> Result<Option<PolicyRecord>, StoreError> {
        Ok(self.lock_state().policies.get(name).cloned())
    }
    async fn put_policy(
        &self,
        name: &RepositoryName,
        record: &PolicyRecord,
    ) -> Result<bool, StoreError> {
        let mut state = self.lock_state();
        let may = state.policies.get(name).is_none_or(|known| record.replaces(known));
        if may {
            state.policies.insert(name.clone(), record.clone());
        }
        Ok(may)
    }
    async fn proposal(&self, run_id: &RunId) -> Result<Option<PolicyRecord>, StoreError> {
        Ok(self.lock_state().proposals.get(run_id).cloned())
    }
    async fn propose(&self, record: &PolicyRecord) -> Result<(), StoreError> {
        self.lock_state().proposals.insert(record.run_id.clone(), record.clone());
        Ok(())
    }
}

#[async_trait]
impl Secrets for Memory {
    async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        Ok(self.lock_state().secrets.get(name).cloned())
    }
    fn place(&self, name: &str) -> String {
        format!("/memory/{name}")
    }
}

#[async_trait]
impl SecretKeeper for Memory {
    async fn latest(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        self.secret(name).await
    }
    async fn keep(&self, name: &str, secret: &Secret) -> Result<(), StoreError> {
        self.lock_state().secrets.insert(name.to_owned(), secret.clone());
        Ok(())
    }
    async fn forget(&self, name: &str) -> Result<(), StoreError> {
        self.lock_state().secrets.remove(name);
        Ok(())
    }
}

impl Metrics for Memory {
    fn emit(&self, event: &MetricEvent) {
        self.lock_state().metric_events.push(event.clone());
    }
}

#[async_trait]
impl Idempotency for Memory {
    async fn completed(&self, key: &str) -> Result<Option<Value>, StoreError> {
        Ok(self.lock_state().answers.get(key).cloned())
    }
    async fn complete(&self, key: &str, answer: &Value) -> Result<(), StoreError> {
        self.lock_state().answers.entry(key.to_owned()).or_insert_with(|| answer.clone());
        Ok(())
    }
}

#[async_trait]
impl Recorder for Memory {
    async fn record_stage(&self, record: &StageRecord) -> Result<(), StoreError> {
        let misworded = vocabulary::misworded(&record.action, record.status, &record.summary);
        assert!(misworded.is_empty(), "{}: {:?}: {misworded:?}", record.action, record.summary);
        self.lock_state().stages.push(record.clone());
        Ok(())
    }
    async fn append_log(&self, run_id: &RunId, entry: NewEntry) -> Result<LogEntry, StoreError> {
        let mut state = self.lock_state();
        let log = state.logs.entry(run_id.clone()).or_default();
        let previous = log.last().map_or(GENESIS, |e| e.hash.as_str()).to_owned();
        let entry = entry.chain(log.len() as u64 + 1, &previous);
        log.push(entry.clone());
        Ok(entry)
    }
}

#[async_trait]
impl Environments for Memory {
    async fn lock(
        &self,
        environment: &EnvironmentKey,
        run_id: &RunId,
        lease: Duration,
    ) -> Result<Lock, StoreError> {
        let now = Timestamp::now();
        let mut state = self.lock_state();
        let entry = state.environments.entry(environment.clone()).or_default();
        match &entry.holder {
            Some((holder, until)) if holder != run_id && *until > now => {
                return Ok(Lock::Busy { run_id: holder.clone() });
            }
            Some((holder, _)) if holder == run_id => {}
            _ => entry.fence += 1,
        }
        let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        entry.holder = Some((run_id.clone(), until));
        Ok(Lock::Held { fence: entry.fence })
    }
    async fn unlock(&self, environment: &EnvironmentKey, run_id: &RunId) -> Result<(), StoreError> {
        let mut state = self.lock_state();
        if let Some(entry) = state.environments.get_mut(environment)
            && entry.holder.as_ref().is_some_and(|(holder, _)| holder == run_id)
        {
            entry.holder = None;
        }
        Ok(())
    }
    async fn load(&self, environment: &EnvironmentKey) -> Result<EnvironmentRecord, StoreError> {
        let state = self.lock_state();
        let entry = state.environments.get(environment);
        Ok(entry.map(|e| e.record.clone()).unwrap_or_default())
    }
    async fn waves(
        &self,
        repository: &RepositoryName,
        whole: &EnvironmentName,
    ) -> Result<Vec<(EnvironmentKey, EnvironmentRecord)>, StoreError> {
        let state = self.lock_state();
        let all = state.environments.iter().map(|(key, entry)| (key.clone(), entry.record.clone()));
        let of = all.filter(|(key, record)| {
            key.repository == *repository && record.wave_of() == Some(whole)
        });
        Ok(of.collect())
    }
    async fn store(
        &self,
        environment: &EnvironmentKey,
        record: &EnvironmentRecord,
        fence: u64,
    ) -> Result<(), StoreError> {
        let mut state = self.lock_state();
        let entry = state.environments.entry(environment.clone()).or_default();
        if entry.fence != fence {
            return Err(StoreError::Conflict(format!(
                "the lock has fence {}, not {fence}",
                entry.fence
            )));
        }
        entry.record = record.clone();
        Ok(())
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn notification(
        &self,
        run_id: &RunId,
        channel: &str,
    ) -> Result<Option<OutboxEntry>, StoreError> {
        Ok(self.lock_state().outbox.get(&format!("{run_id}#{channel}")).cloned())
    }
    async fn put_notification(
        &self,
        run_id: &RunId,
        entry: &OutboxEntry,
    ) -> Result<(), StoreError> {
        let key = format!("{run_id}#{}", entry.record.channel);
        self.lock_state().outbox.insert(key, entry.clone());
        Ok(())
    }
    async fn replace_notification(
        &self,
        run_id: &RunId,
        old: &OutboxEntry,
        entry: &OutboxEntry,
    ) -> Result<bool, StoreError> {
        let key = format!("{run_id}#{}", entry.record.channel);
        let mut state = self.lock_state();
        if state.outbox.get(&key) != Some(old) {
            return Ok(false);
        }
        state.outbox.insert(key, entry.clone());
        Ok(true)
    }
    async fn due_notifications(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RunId, String)>, StoreError> {
        let state = self.lock_state();
        let due = state
            .outbox
            .iter()
            .filter(|(_, entry)| entry.later.as_ref().is_some_and(|later| later.due <= now));
        let parse = |key: &String| {
            let (run_id, channel) = key.split_once('#')?;
            Some((RunId::parse(run_id).ok()?, channel.to_owned()))
        };
        Ok(due.filter_map(|(key, _)| parse(key)).take(limit).collect())
    }
}

/// What a function logs, line by line.
#[derive(Clone, Default)]
pub struct Logged(Arc<Mutex<Vec<u8>>>);

/// One log at a time.
static LOG: Mutex<()> = Mutex::new(());

/// Gives the log back when it is dropped.
pub struct LogGuard {
    _subscriber: tracing::subscriber::DefaultGuard,
    _alone: MutexGuard<'static, ()>,
}

impl Logged {
    /// Takes the log of this thread until the guard is dropped. Which events are of interest is
    /// known to the whole process: all tests of a binary that logs have to begin with this.
    #[must_use]
    pub fn here(filter: &str) -> (Self, LogGuard) {
        let alone = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        let logged = Self::default();
        let writer = logged.clone();
        let filter = filter.parse().unwrap_or_default();
        let subscriber = crate::telemetry::subscriber(filter, move || writer.clone());
        let subscriber = tracing::subscriber::set_default(subscriber);
        (logged, LogGuard { _subscriber: subscriber, _alone: alone })
    }

    /// Every line so far.
    ///
    /// # Panics
    /// When a line is not JSON.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a line that is not JSON is a failed test")]
    pub fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a line is JSON")).collect()
    }
}

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
