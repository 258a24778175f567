//! Opening a data folder: reading the journal and going on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::{broadcast, mpsc, watch};

use super::run::{Birth, Stage};
use super::{CHANGES, Engine, EngineOptions, Guard, Inner, Machine, Record, Revision, Run, Runs};
use crate::definition::validate;
use crate::error::OpenError;
use crate::execution::{Body, Execution, Identity};
use crate::journal::{Journal, Stored};
use crate::task::TaskExecutor;

/// What the journal says so far.
#[derive(Default)]
struct Recovered {
    machines: HashMap<String, Arc<Machine>>,
    revisions: HashMap<String, Arc<Revision>>,
    runs: Runs,
    running: HashMap<String, Execution>,
    order: u64,
}

pub(super) async fn open(
    options: EngineOptions,
    tasks: Arc<dyn TaskExecutor>,
) -> Result<Engine, OpenError> {
    let folder = options.data_dir.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut recovered = Recovered::default();
        let (journal, ended) = Journal::open(&folder, |stored| recovered.take(&stored))?;
        Ok((recovered, journal, ended))
    });
    let (recovered, journal, ended) = match read.await {
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
    let at = super::now();
    for (arn, mut execution) in recovered.running {
        if let Ok(run) = inner.run(&arn) {
            execution.resume(at);
            // Tokens are valid again before anybody can use the engine.
            for (scope, token) in execution.open_tokens() {
                inner.listen(&run, scope, token);
            }
            inner.running.fetch_add(1, Ordering::Relaxed);
            inner.spawn_driver(run, execution);
        }
    }
    Ok(Engine { inner, _guard: Arc::new(Guard(stop)) })
}

impl Recovered {
    fn take(&mut self, stored: &Stored) -> Result<(), String> {
        let record: Record<'_> =
            serde_json::from_slice(&stored.bytes).map_err(|error| error.to_string())?;
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
            } => {
                let checked = validate(&definition).map_err(|faults| {
                    faults.first().map_or_else(String::new, ToString::to_string)
                })?;
                let revision = Arc::new(Revision {
                    id: revision.into_owned(),
                    text: definition.into_owned(),
                    definition: checked,
                    role: role.into_owned(),
                    updated,
                });
                self.revisions.insert(revision.id.clone(), Arc::clone(&revision));
                let machine = Machine {
                    arn: arn.into_owned(),
                    name: name.into_owned(),
                    express,
                    created,
                    revision,
                };
                self.machines.insert(machine.arn.clone(), Arc::new(machine));
            }
            Record::MachineDeleted { arn } => {
                self.machines.remove(arn.as_ref());
            }
            Record::Execution { arn, name, machine, revision, express, event } => {
                let Body::ExecutionStarted { input, role } = &event.body else {
                    return Err("an execution does not begin with its start".to_owned());
                };
                let revision = self
                    .revisions
                    .get(revision.as_ref())
                    .ok_or("an execution's definition is missing")?;
                let identity = Identity {
                    arn: arn.to_string(),
                    name: name.to_string(),
                    machine_arn: machine.to_string(),
                    machine_name: machine.rsplit(':').next().unwrap_or_default().to_owned(),
                    role: role.clone(),
                };
                let mut execution = Execution::new(identity, revision.definition.clone());
                execution.apply(&event);
                self.order += 1;
                let birth = Birth {
                    arn: arn.to_string(),
                    name: name.into_owned(),
                    machine_arn: machine.to_string(),
                    revision: Arc::clone(revision),
                    express,
                    started: event.at,
                    input: input.clone(),
                    order: self.order,
                };
                let run = Arc::new(Run::new(birth, Stage::Running));
                run.record(stored.position, &[]);
                self.runs.add(&run);
                self.running.insert(arn.into_owned(), execution);
            }
            Record::Events { execution, events } => {
                let run = self
                    .runs
                    .by_arn
                    .get(execution.as_ref())
                    .ok_or("events of an execution that never started")?;
                let ended = run.record(stored.position, &events);
                if ended {
                    run.set_stage(Stage::Ended);
                    self.running.remove(execution.as_ref());
                } else if let Some(execution) = self.running.get_mut(execution.as_ref()) {
                    for event in events.iter() {
                        execution.apply(event);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Runs {
    pub(crate) fn add(&mut self, run: &Arc<Run>) {
        self.by_arn.insert(run.arn.clone(), Arc::clone(run));
        self.by_machine.entry(run.machine_arn.clone()).or_default().push(Arc::clone(run));
    }

    pub(crate) fn remove(&mut self, run: &Run) {
        self.by_arn.remove(&run.arn);
        if let Some(runs) = self.by_machine.get_mut(&run.machine_arn) {
            runs.retain(|other| other.arn != run.arn);
        }
    }
}
