//! Opening a data folder: reading the journal and going on.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::{broadcast, mpsc, watch};

use super::inner::{Inner, Runs, events_at, identity};
use super::machine::{Machine, Revision};
use super::options::EngineOptions;
use super::record::Record;
use super::run::{Birth, Run, Stage};
use super::status::{Change, StatusName};
use super::summary::Summary;
use crate::definition::reread;
use crate::error::OpenError;
use crate::execution::{Body, Event, Execution};
use crate::journal::{Journal, Position, Reader, Stored, read};
use crate::task::TaskExecutor;

/// How many status changes a slow receiver may fall behind.
const CHANGES: usize = 4_096;

/// What the journal says so far.
#[derive(Default)]
struct Recovered {
    folder: PathBuf,
    machines: HashMap<String, Arc<Machine>>,
    revisions: HashMap<String, Arc<Revision>>,
    runs: Runs,
    /// The executions that have not ended, with all their events where those are at hand.
    running: HashMap<String, Option<Vec<Event>>>,
    order: u64,
    /// The summary of the file being read.
    summary: Summary,
    fault: Option<String>,
}

pub(super) async fn open(
    options: EngineOptions,
    tasks: Arc<dyn TaskExecutor>,
) -> Result<(Arc<Inner>, watch::Sender<bool>), OpenError> {
    let folder = options.data_dir.clone();
    let file_bytes = options.journal_file_bytes;
    let read = tokio::task::spawn_blocking(move || {
        let mut recovered = Recovered { folder: folder.clone(), ..Recovered::default() };
        let summing = folder.clone();
        let on_sealed = Arc::new(move |segment| Summary::make(&summing, segment));
        let (journal, ended) = Journal::open(&folder, file_bytes, &mut recovered, on_sealed)?;
        let executions = recovered.executions()?;
        Ok((recovered, executions, journal, ended))
    });
    let (recovered, executions, journal, ended) = match read.await {
        Ok(result) => result?,
        Err(error) => {
            return Err(OpenError::Io {
                path: options.data_dir,
                source: std::io::Error::other(error),
            });
        }
    };
    let (stop, stopped) = watch::channel(false);
    let (alive, all_gone) = mpsc::channel(1);
    let inner = Arc::new(Inner {
        options,
        machines: RwLock::new(recovered.machines),
        runs: RwLock::new(recovered.runs),
        tokens: Mutex::new(HashMap::new()),
        changing: tokio::sync::Mutex::new(()),
        tasks,
        journal: RwLock::new(Some(journal)),
        journal_ended: Mutex::new(Some(ended)),
        changes: broadcast::Sender::new(CHANGES),
        stop: stopped,
        alive: Mutex::new(Some(alive)),
        all_gone: Mutex::new(Some(all_gone)),
        running: AtomicUsize::new(0),
        order: AtomicU64::new(recovered.order),
    });
    let at = inner.now();
    for (run, mut execution) in executions {
        execution.resume(at);
        // Tokens are valid again before anybody can use the engine.
        for (scope, token) in execution.open_tokens() {
            inner.listen(&run, scope, token);
        }
        inner.running.fetch_add(1, Ordering::Relaxed);
        inner.spawn_driver(run, execution);
    }
    Ok((inner, stop))
}

impl Reader for Recovered {
    fn summarised(&mut self, segment: u32) -> bool {
        let Some(summary) = Summary::load(&self.folder, segment) else {
            return false;
        };
        match self.take_summary(&summary) {
            Ok(()) => true,
            Err(fault) => {
                // What the file itself says is asked next, and tells where it is wrong.
                self.fault.get_or_insert(fault);
                false
            }
        }
    }

    fn record(&mut self, stored: Stored) -> Result<(), String> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let record: Record<'_> =
            serde_json::from_slice(&stored.bytes).map_err(|error| error.to_string())?;
        self.summary.add(stored.position, &record);
        self.take(stored.position, record)
    }

    fn finished(&mut self, segment: u32, sealed: bool) {
        let summary = std::mem::take(&mut self.summary);
        if sealed {
            summary.save(&self.folder, segment);
        }
    }
}

impl Recovered {
    fn take_summary(&mut self, summary: &Summary) -> Result<(), String> {
        let machines = read(&self.folder, &summary.machines).map_err(|error| error.to_string())?;
        for (position, bytes) in summary.machines.iter().zip(machines) {
            let record: Record<'_> =
                serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            self.take(*position, record)?;
        }
        for touched in &summary.executions {
            if let Some(birth) = &touched.birth {
                let revision = self.revision(&birth.revision)?;
                self.order += 1;
                let birth = Birth {
                    arn: touched.arn.clone(),
                    name: birth.name.clone(),
                    machine_arn: birth.machine.clone(),
                    revision,
                    express: birth.express,
                    started: birth.at,
                    order: self.order,
                    by: birth.by.clone(),
                };
                self.runs.add(&Arc::new(Run::new(birth, None, Stage::Running)));
            }
            let run = self
                .runs
                .by_arn
                .get(&touched.arn)
                .ok_or("events of an execution that never started")?;
            run.restore(&touched.positions, touched.change.as_ref());
            if run.status() == StatusName::Running {
                run.set_stage(Stage::Running);
                self.running.insert(touched.arn.clone(), None);
            } else {
                run.set_stage(Stage::Ended);
                self.running.remove(&touched.arn);
            }
        }
        Ok(())
    }

    fn revision(&self, id: &str) -> Result<Arc<Revision>, String> {
        let known = self.revisions.get(id).map(Arc::clone);
        known.ok_or_else(|| "an execution's definition is missing".to_owned())
    }

    fn take(&mut self, position: Position, record: Record<'_>) -> Result<(), String> {
        match record {
            Record::Machine {
                arn,
                name,
                express,
                role,
                revision,
                definition,
                created,
                updated,
                configuration,
                tags,
            } => {
                let checked = reread(&definition).map_err(|faults| {
                    faults.first().map_or_else(String::new, ToString::to_string)
                })?;
                let revision = Arc::new(Revision {
                    id: revision.into_owned(),
                    text: definition.into_owned(),
                    definition: checked,
                    role: role.into_owned(),
                    configuration: configuration.into_owned(),
                    updated,
                    slow: std::sync::atomic::AtomicBool::new(false),
                });
                self.revisions.insert(revision.id.clone(), Arc::clone(&revision));
                let machine = Machine {
                    arn: arn.into_owned(),
                    name: name.into_owned(),
                    express,
                    created,
                    tags: tags.into_owned(),
                    revision,
                };
                self.machines.insert(machine.arn.clone(), Arc::new(machine));
            }
            Record::MachineDeleted { arn } => {
                self.machines.remove(arn.as_ref());
            }
            Record::Tags { arn, tags } => {
                if let Some(known) = self.machines.get(arn.as_ref()) {
                    let machine = known.tagged(tags.into_owned());
                    self.machines.insert(arn.into_owned(), Arc::new(machine));
                }
            }
            Record::Execution { arn, name, machine, revision, express, event, by } => {
                let Body::ExecutionStarted { input, .. } = &event.body else {
                    return Err("an execution does not begin with its start".to_owned());
                };
                self.order += 1;
                let birth = Birth {
                    arn: arn.to_string(),
                    name: name.into_owned(),
                    machine_arn: machine.into_owned(),
                    revision: self.revision(&revision)?,
                    express,
                    started: event.at,
                    order: self.order,
                    by: by.map(std::borrow::Cow::into_owned),
                };
                let run = Arc::new(Run::new(birth, Some(input), Stage::Running));
                run.record(position, &[]);
                self.runs.add(&run);
                self.running.insert(arn.into_owned(), Some(vec![event.into_owned()]));
            }
            Record::Events { execution, events } => {
                let run = self
                    .runs
                    .by_arn
                    .get(execution.as_ref())
                    .ok_or("events of an execution that never started")?;
                run.record(position, &events);
                if run.status() != StatusName::Running {
                    run.set_stage(Stage::Ended);
                    self.running.remove(execution.as_ref());
                } else if Change::of(&events, None).is_some() {
                    // Redriven: its earlier events are needed again.
                    run.set_stage(Stage::Running);
                    self.running.insert(execution.into_owned(), None);
                } else if let Some(Some(known)) = self.running.get_mut(execution.as_ref()) {
                    known.extend(events.into_owned());
                }
            }
        }
        Ok(())
    }

    /// The executions that go on, as their events left them.
    fn executions(&mut self) -> Result<Vec<(Arc<Run>, Execution)>, OpenError> {
        let mut executions = Vec::with_capacity(self.running.len());
        for (arn, events) in std::mem::take(&mut self.running) {
            let Some(run) = self.runs.by_arn.get(&arn).map(Arc::clone) else {
                continue;
            };
            let events = match events {
                Some(events) => events,
                None => events_at(&self.folder, &run.positions()).map_err(|error| {
                    OpenError::Record {
                        path: self.folder.clone(),
                        offset: 0,
                        reason: format!("cannot read the events of {arn}: {error}"),
                    }
                })?,
            };
            let identity = identity(&run);
            let definition = run.revision.definition.clone();
            executions.push((run, Execution::replay(identity, definition, &events)));
        }
        Ok(executions)
    }
}
