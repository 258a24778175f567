//! The engine: state machines and executions, kept in a journal and driven by tasks of the runtime.

mod drive;
mod nested;
mod open;
mod record;
mod redrive;
mod run;
mod summary;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use uuid::Uuid;

pub(crate) use nested::name_for;
pub(crate) use record::Record;
use run::End;
pub(crate) use run::{Command, Run, Stage, StatusName};

use crate::definition::{Definition, Diagnostic, validate_as};
use crate::error::{ApiError, OpenError};
use crate::execution::{Body, Event, Identity, ScopeId};
use crate::journal::{Journal, Position, SEGMENT};
use crate::task::TaskExecutor;

/// How many status changes a slow receiver may fall behind.
const CHANGES: usize = 4_096;

/// Where an engine keeps its data, and what its ARNs say.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The data folder; made if need be. One engine at a time may have it open.
    pub data_dir: PathBuf,
    /// The region in ARNs and events.
    pub region: String,
    /// The account id in ARNs.
    pub account: String,
}

/// A Step Functions engine. Clones are handles on the same engine.
///
/// When the last handle is gone the engine stops as [`Engine::shutdown`] does, without waiting.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
    _guard: Arc<Guard>,
}

/// Tells the drivers to stop when the last handle is dropped.
struct Guard(watch::Sender<bool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// The status of an execution changed.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusChange {
    /// The execution.
    pub execution_arn: String,
    /// The execution's name.
    pub name: String,
    /// Its state machine.
    pub state_machine_arn: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// When it started, in milliseconds since 1970.
    pub start_date: i64,
    /// When it ended, in milliseconds since 1970.
    pub stop_date: Option<i64>,
    /// Its input, as JSON text.
    pub input: String,
    /// Its output, as JSON text, when it succeeded.
    pub output: Option<String>,
    /// The error's name, when it failed or was stopped with one.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
}

/// A state machine as it is now.
pub(crate) struct Machine {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) express: bool,
    pub(crate) created: i64,
    pub(crate) revision: Arc<Revision>,
}

/// One version of a state machine's definition; executions keep the one they started with.
pub(crate) struct Revision {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) definition: Definition,
    pub(crate) role: String,
    pub(crate) updated: i64,
    /// Whether its expressions were seen to take long.
    pub(crate) slow: AtomicBool,
}

pub(crate) struct Inner {
    pub(crate) options: EngineOptions,
    pub(crate) machines: RwLock<HashMap<String, Arc<Machine>>>,
    pub(crate) runs: RwLock<Runs>,
    /// Which task waits for which token.
    pub(crate) tokens: Mutex<HashMap<String, (Arc<Run>, ScopeId)>>,
    pub(crate) tasks: Arc<dyn TaskExecutor>,
    journal: RwLock<Option<Journal>>,
    /// Told when the journal's writer has ended.
    journal_ended: Mutex<Option<oneshot::Receiver<()>>>,
    changes: broadcast::Sender<StatusChange>,
    stop: watch::Receiver<bool>,
    /// Held by every driver, so that a shutdown can wait for them.
    alive: Mutex<Option<mpsc::Sender<()>>>,
    all_gone: Mutex<Option<mpsc::Receiver<()>>>,
    running: AtomicUsize,
    order: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Runs {
    pub(crate) by_arn: HashMap<String, Arc<Run>>,
    /// In the order in which they started.
    pub(crate) by_machine: HashMap<String, Vec<Arc<Run>>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Engine {
    /// Opens the data folder and continues every execution that had not ended.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, is in use, or holds what this version cannot read.
    pub async fn open(
        options: EngineOptions,
        tasks: Arc<dyn TaskExecutor>,
    ) -> Result<Self, OpenError> {
        open::open(options, tasks, SEGMENT).await
    }

    /// As [`Engine::open`], with journal files of about `bytes` bytes each instead of 64 MiB.
    ///
    /// # Errors
    ///
    /// As [`Engine::open`].
    pub async fn open_with_files_of(
        bytes: u32,
        options: EngineOptions,
        tasks: Arc<dyn TaskExecutor>,
    ) -> Result<Self, OpenError> {
        open::open(options, tasks, bytes).await
    }

    /// Creates a standard state machine, or updates the one of that name. Answers its ARN.
    ///
    /// # Errors
    ///
    /// `InvalidDefinition` or `InvalidName`, or a fault of the journal.
    pub async fn put_state_machine(
        &self,
        name: &str,
        definition: &str,
    ) -> Result<String, ApiError> {
        let arn = self.inner.machine_arn(name);
        match self.inner.machine(&arn) {
            Ok(machine) if machine.revision.text == definition => Ok(arn),
            Ok(machine) => {
                let role = machine.revision.role.clone();
                self.inner
                    .store_machine(name, definition, role, machine.express, Some(machine.created))
                    .await?;
                Ok(arn)
            }
            Err(_) => {
                crate::api::check_name(name)?;
                let role = format!("arn:aws:iam::{}:role/local", self.inner.options.account);
                self.inner.store_machine(name, definition, role, false, None).await?;
                Ok(arn)
            }
        }
    }

    /// The AWS JSON API: `POST /` with the operation in the header `X-Amz-Target`.
    pub fn router(&self) -> axum::Router {
        crate::api::router(self.clone())
    }

    /// Performs an API operation in process: `StartExecution`, `DescribeExecution`, …
    ///
    /// # Errors
    ///
    /// What AWS answers instead of a result.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        crate::api::call(self, operation, input).await
    }

    /// Every start and end of an execution from now on. What a receiver hears is on disk.
    pub fn status_changes(&self) -> broadcast::Receiver<StatusChange> {
        self.inner.changes.subscribe()
    }

    /// How many executions are running.
    pub fn running(&self) -> usize {
        self.inner.running.load(Ordering::Relaxed)
    }

    /// Stops cleanly: running tasks are dropped, and everything is on disk when this returns.
    /// Running executions go on when the folder is opened again.
    pub async fn shutdown(&self) {
        self._guard.0.send_replace(true);
        drop(lock(&self.inner.alive).take());
        let drivers = lock(&self.inner.all_gone).take();
        if let Some(mut drivers) = drivers {
            // Nothing is ever sent: this ends when all senders are gone.
            drivers.recv().await;
        }
        drop(self.inner.journal.write().unwrap_or_else(PoisonError::into_inner).take());
        let writer = lock(&self.inner.journal_ended).take();
        if let Some(writer) = writer {
            // It never sends: its end is the signal.
            drop(writer.await);
        }
    }
}

impl Inner {
    pub(crate) fn machine_arn(&self, name: &str) -> String {
        let EngineOptions { region, account, .. } = &self.options;
        format!("arn:aws:states:{region}:{account}:stateMachine:{name}")
    }

    pub(crate) fn machine(&self, arn: &str) -> Result<Arc<Machine>, ApiError> {
        self.machines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(arn)
            .cloned()
            .ok_or_else(|| ApiError::no_machine(arn))
    }

    pub(crate) fn run(&self, arn: &str) -> Result<Arc<Run>, ApiError> {
        self.runs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_arn
            .get(arn)
            .cloned()
            .ok_or_else(|| ApiError::no_execution(arn))
    }

    pub(crate) fn journal(&self) -> Result<Journal, ApiError> {
        self.journal.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(|| {
            ApiError {
                status: 503,
                code: "ServiceUnavailable".to_owned(),
                message: "the engine has been shut down".to_owned(),
            }
        })
    }

    /// Writes a record; it is on disk when this returns.
    pub(crate) async fn write(&self, record: &Record<'_>) -> Result<Position, ApiError> {
        let bytes = serde_json::to_vec(record)
            .map_err(|error| ApiError::internal(format!("cannot encode a record: {error}")))?;
        self.journal()?
            .append(bytes)
            .await
            .map_err(|error| ApiError::internal(format!("cannot write the journal: {error}")))
    }

    /// Checks and stores a definition: a new machine, or a new revision of one.
    pub(crate) async fn store_machine(
        &self,
        name: &str,
        text: &str,
        role: String,
        express: bool,
        created: Option<i64>,
    ) -> Result<Arc<Machine>, ApiError> {
        let definition = validate_as(text, express).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(Diagnostic::quoted).collect();
            ApiError::new(
                "InvalidDefinition",
                format!("Invalid State Machine Definition: '{}'", faults.join(", ")),
            )
        })?;
        let at = now();
        let arn = self.machine_arn(name);
        let machine = Machine {
            arn: arn.clone(),
            name: name.to_owned(),
            express,
            created: created.unwrap_or(at),
            revision: Arc::new(Revision {
                id: Uuid::new_v4().to_string(),
                text: text.to_owned(),
                definition,
                role,
                updated: at,
                slow: AtomicBool::new(false),
            }),
        };
        self.write(&Record::machine(&machine)).await?;
        let machine = Arc::new(machine);
        self.machines
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(arn, Arc::clone(&machine));
        Ok(machine)
    }

    /// The events of an execution, from the journal.
    pub(crate) fn events(&self, run: &Run) -> Result<Vec<Event>, ApiError> {
        events_at(&self.options.data_dir, &run.positions()).map_err(unreadable)
    }

    /// The input that an execution was started with.
    pub(crate) fn input(&self, run: &Run) -> Result<String, ApiError> {
        if let Some(input) = &run.input {
            return Ok(input.to_string());
        }
        let first = run.bounds().map(|(first, _)| first);
        let events = events_at(&self.options.data_dir, first.as_slice()).map_err(unreadable)?;
        match events.into_iter().next().map(|event| event.body) {
            Some(Body::ExecutionStarted { input, .. }) => Ok(input),
            _ => Err(ApiError::internal("an execution has no start")),
        }
    }

    /// How an execution stands, with its input and output.
    pub(crate) fn snapshot(&self, run: &Run) -> Result<StatusChange, ApiError> {
        let standing = run.standing();
        let end = match run.end() {
            Some(end) => end,
            None if standing.status == StatusName::Running => End { output: None, cause: None },
            None => {
                let last = run.bounds().map(|(_, last)| last);
                let events =
                    events_at(&self.options.data_dir, last.as_slice()).map_err(unreadable)?;
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
    fn announce(&self, run: &Run) {
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

fn unreadable(error: std::io::Error) -> ApiError {
    ApiError::internal(format!("cannot read the journal: {error}"))
}

fn identity(run: &Run) -> Identity {
    Identity {
        arn: run.arn.clone(),
        name: run.name.clone(),
        machine_arn: run.machine_arn.clone(),
        machine_name: run.machine_arn.rsplit(':').next().unwrap_or_default().to_owned(),
        role: run.revision.role.clone(),
    }
}

/// The events in the records at `positions`.
fn events_at(folder: &Path, positions: &[Position]) -> std::io::Result<Vec<Event>> {
    let mut events = Vec::new();
    for bytes in crate::journal::read(folder, positions)? {
        match serde_json::from_slice(&bytes)? {
            Record::Execution { event, .. } => events.push(event.into_owned()),
            Record::Events { events: more, .. } => events.extend(more.into_owned()),
            Record::Machine { .. } | Record::MachineDeleted { .. } => {}
        }
    }
    Ok(events)
}
