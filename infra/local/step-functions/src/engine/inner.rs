//! What all handles on an engine and all its drivers share.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::Duration;

use serde_json::Value;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};

use super::health::Losses;
use super::machine::{Machine, Revision};
use super::options::EngineOptions;
use super::places::SharedPlaces;
use super::quarantine::Suspects;
use super::record::Record;
use super::run::{End, Run};
use super::status::{StatusChange, StatusName};
use crate::error::ApiError;
use crate::evaluator::Evaluator;
use crate::execution::{Body, Event, Execution, Identity, ScopeId};
use crate::journal::{Journal, Position};
use crate::sync;
use crate::task::{TaskExecutor, TaskFailure, TaskRequest};

pub(crate) struct Inner {
    pub(crate) options: EngineOptions,
    pub(crate) machines: RwLock<HashMap<String, Arc<Machine>>>,
    pub(crate) runs: RwLock<Runs>,
    /// Which task waits for which token.
    pub(crate) tokens: Mutex<HashMap<String, (Arc<Run>, ScopeId)>>,
    /// Held by whoever changes a machine.
    pub(super) changing: tokio::sync::Mutex<()>,
    pub(crate) tasks: Arc<dyn TaskExecutor>,
    pub(crate) evaluator: Evaluator,
    pub(super) journal: RwLock<Option<Journal>>,
    /// Told when the journal's writer has ended.
    pub(super) journal_ended: Mutex<Option<oneshot::Receiver<()>>>,
    pub(super) changes: broadcast::Sender<StatusChange>,
    pub(super) stop: watch::Receiver<bool>,
    /// Held by every driver, so that a shutdown can wait for them.
    pub(super) alive: Mutex<Option<mpsc::Sender<()>>>,
    pub(super) all_gone: Mutex<Option<mpsc::Receiver<()>>>,
    pub(super) running: AtomicUsize,
    pub(super) order: AtomicU64,
    /// All revisions that somebody uses.
    pub(super) revisions: Mutex<Vec<Weak<Revision>>>,
    /// What opening could not read.
    pub(super) losses: Losses,
    pub(super) suspects: Suspects,
    /// Held while a history is read, so that the machine has threads left for others.
    pub(super) reading: Semaphore,
    pub(super) places: SharedPlaces,
    /// Where the drivers run: what they compute holds up nobody else.
    pub(super) drivers: Handle,
    /// Whose sockets and timers tasks have: the runtime that the engine was opened on.
    pub(super) performers: Handle,
}

#[derive(Default)]
pub(crate) struct Runs {
    pub(crate) by_arn: HashMap<String, Arc<Run>>,
    /// In the order in which they started.
    pub(crate) by_machine: HashMap<String, Vec<Arc<Run>>>,
}

impl Runs {
    pub(crate) fn add(&mut self, run: &Arc<Run>) {
        self.by_arn.insert(run.arn.clone(), Arc::clone(run));
        self.by_machine.entry(run.machine_arn.clone()).or_default().push(Arc::clone(run));
    }

    /// Forgets the executions that ended long ago. Answers how many.
    pub(crate) fn forget(&mut self, now: i64) -> usize {
        let before = self.by_arn.len();
        self.by_arn.retain(|_, run| !run.is_forgotten(now));
        if self.by_arn.len() < before {
            for runs in self.by_machine.values_mut() {
                runs.retain(|run| !run.is_forgotten(now));
            }
            self.by_machine.retain(|_, runs| !runs.is_empty());
        }
        before - self.by_arn.len()
    }

    pub(crate) fn remove(&mut self, run: &Run) {
        self.by_arn.remove(&run.arn);
        if let Some(runs) = self.by_machine.get_mut(&run.machine_arn) {
            runs.retain(|other| other.arn != run.arn);
        }
    }
}

impl Inner {
    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.options.clock.now()
    }

    pub(crate) fn machine_arn(&self, name: &str) -> String {
        let EngineOptions { region, account, .. } = &self.options;
        format!("arn:aws:states:{region}:{account}:stateMachine:{name}")
    }

    pub(crate) fn machine(&self, arn: &str) -> Result<Arc<Machine>, ApiError> {
        sync::read(&self.machines).get(arn).cloned().ok_or_else(|| ApiError::no_machine(arn))
    }

    pub(crate) fn run(&self, arn: &str) -> Result<Arc<Run>, ApiError> {
        let known = sync::read(&self.runs).by_arn.get(arn).cloned();
        let now = self.now();
        known.filter(|run| !run.is_forgotten(now)).ok_or_else(|| ApiError::no_execution(arn))
    }

    pub(crate) fn journal(&self) -> Result<Journal, ApiError> {
        sync::read(&self.journal).clone().ok_or_else(|| ApiError {
            status: 503,
            code: "ServiceUnavailable".to_owned(),
            message: "the engine has been shut down".to_owned(),
        })
    }

    /// Writes a record; it is on disk when this returns.
    pub(crate) async fn write(&self, record: &Record<'_>) -> Result<Position, ApiError> {
        let bytes = serde_json::to_vec(record)
            .map_err(|error| ApiError::internal(format!("cannot encode a record: {error}")))?;
        self.journal()?.append(bytes).await.map_err(|error| self.unwritable(&error))
    }

    /// Does work on the threads of the drivers, where evaluating holds nobody up. None when it takes
    /// longer than `most`.
    pub(crate) async fn drive<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        most: Duration,
    ) -> Result<Option<T>, ApiError> {
        let done = self.drivers.spawn(tokio::time::timeout(most, work)).await;
        let done = done.map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(done.ok())
    }

    /// Performs a task, if it is one that is performed here.
    pub(super) async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        if !self.tasks.performs(&task.resource) {
            return Err(TaskFailure::not_performed(&task.resource));
        }
        self.tasks.execute(task).await
    }

    /// Performs a task on the threads of the runtime that the engine was opened on.
    pub(crate) async fn perform(self: &Arc<Self>, task: TaskRequest) -> Result<Value, TaskFailure> {
        let inner = Arc::clone(self);
        let performed = self.performers.spawn(async move { inner.execute(task).await });
        performed.await.unwrap_or_else(|error| {
            let cause = Some(format!("The task executor failed: {error}"));
            Err(TaskFailure { error: "States.TaskFailed".to_owned(), cause })
        })
    }

    /// Why nothing can be kept.
    pub(super) fn unwritable(&self, error: &std::io::Error) -> ApiError {
        let folder = self.options.data_dir.display();
        let remedy = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "; it goes on by itself as soon as there is room"
            }
            _ => "",
        };
        ApiError {
            status: 503,
            code: "ServiceUnavailable".to_owned(),
            message: format!("cannot write the journal in {folder}: {error}{remedy}"),
        }
    }

    /// An execution as events left it.
    pub(super) fn replay(&self, run: &Run, events: &[Event]) -> Execution {
        let evaluator = self.evaluator.for_execution(run.interrupt.clone());
        Execution::replay(identity(run), run.revision.definition.clone(), evaluator, events)
    }

    /// The events of an execution, from the journal.
    pub(crate) fn events(&self, run: &Run) -> Result<Vec<Event>, ApiError> {
        events_at(&self.options.data_dir, &run.positions()).map_err(|error| unreadable(&error))
    }

    /// The input that an execution was started with.
    pub(crate) fn input(&self, run: &Run) -> Result<String, ApiError> {
        if let Some(input) = &run.input {
            return Ok(input.to_string());
        }
        let first = run.bounds().map(|(first, _)| first);
        let events = events_at(&self.options.data_dir, first.as_slice())
            .map_err(|error| unreadable(&error))?;
        match events.into_iter().next().map(|event| event.body) {
            Some(Body::ExecutionStarted { input, .. }) => Ok(input),
            // Its start was lost by damage to the journal.
            _ => Ok(String::new()),
        }
    }

    /// Whether a start with this input is the one that started `run`, which is still open.
    pub(crate) fn started_by(&self, run: &Run, input: &str) -> Result<bool, ApiError> {
        if run.status() != StatusName::Running {
            return Ok(false);
        }
        let known = self.input(run)?;
        Ok(known == input
            || serde_json::from_str::<Value>(&known).ok()
                == serde_json::from_str::<Value>(input).ok())
    }

    /// How an execution stands, with its input and output.
    pub(crate) fn snapshot(&self, run: &Run) -> Result<StatusChange, ApiError> {
        let standing = run.standing();
        let end = match run.end() {
            Some(end) => end,
            None if standing.status == StatusName::Running => End { output: None, cause: None },
            None => {
                let last = run.bounds().map(|(_, last)| last);
                let events = events_at(&self.options.data_dir, last.as_slice())
                    .map_err(|error| unreadable(&error))?;
                events.last().map_or(End { output: None, cause: None }, End::of)
            }
        };
        Ok(StatusChange {
            execution_arn: run.arn.clone(),
            name: run.name.clone(),
            state_machine_arn: run.machine_arn.clone(),
            status: standing.status.text().to_owned(),
            start_date: run.started,
            stop_date: standing.stopped,
            input: self.input(run)?,
            output: end.output.map(String::from),
            error: standing.error,
            cause: end.cause.map(String::from),
        })
    }

    /// Tells whoever listens that the status of an execution changed.
    pub(super) fn announce(&self, run: &Run) {
        if self.changes.receiver_count() == 0 {
            return;
        }
        match self.snapshot(run) {
            // They may have gone.
            Ok(change) => drop(self.changes.send(change)),
            Err(error) => tracing::error!(execution = run.arn, %error, "cannot announce a status"),
        }
    }
}

pub(super) fn unreadable(error: &std::io::Error) -> ApiError {
    ApiError::internal(format!("cannot read the journal: {error}"))
}

pub(super) fn identity(run: &Run) -> Identity {
    Identity {
        arn: run.arn.clone(),
        name: run.name.clone(),
        machine_arn: run.machine_arn.clone(),
        machine_name: run.machine_arn.rsplit(':').next().unwrap_or_default().to_owned(),
        role: run.revision.role.clone(),
    }
}

/// The events in the records at `positions`.
pub(super) fn events_at(folder: &Path, positions: &[Position]) -> std::io::Result<Vec<Event>> {
    events_in(&crate::journal::read(folder, positions)?)
}

/// The events in records.
pub(super) fn events_in(records: &[Vec<u8>]) -> std::io::Result<Vec<Event>> {
    let mut events = Vec::new();
    for bytes in records {
        match serde_json::from_slice(bytes)? {
            Record::Execution { event, .. } => events.push(event.into_owned()),
            Record::Events { events: more, .. } => events.extend(more.into_owned()),
            _ => {}
        }
    }
    Ok(events)
}
