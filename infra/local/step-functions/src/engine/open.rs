//! Opening a data folder: reading the journal and going on.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

use super::health::Losses;
use super::inner::{Inner, Runs, events_in};
use super::machine::{Machine, Revision};
use super::options::EngineOptions;
use super::places::SharedPlaces;
use super::quarantine::{self, Suspects};
use super::record::Record;
use super::run::{Birth, End, RETENTION_MS, Run, Stage};
use super::status::{Change, StatusName};
use super::summary::{Started, Summary};
use super::trail::Trail;
use crate::definition::reread;
use crate::error::OpenError;
use crate::evaluator::Evaluator;
use crate::execution::{Body, Event};
use crate::journal::{self, Damage, Opened, Position, Reader, Stored, read};
use crate::task::TaskExecutor;

/// How many status changes a slow receiver may fall behind.
const CHANGES: usize = 4_096;
/// What an execution ends with of which records were lost.
const LOST: &str = "Records of the execution were lost by damage to the engine's journal: it cannot go on. The engine's health says which files are damaged.";

/// What an execution ends with that ended the process.
const DEADLY: &str = "The engine's process ended five times in a row while it computed this step of the execution: the step is not tried again, so that everything else goes on.";

/// An engine that was opened, and what it lives by.
pub(super) struct Running {
    pub(super) inner: Arc<Inner>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) drivers: Runtime,
}

pub(super) async fn open(
    options: EngineOptions,
    tasks: Arc<dyn TaskExecutor>,
) -> Result<Running, OpenError> {
    let folder = options.data_dir.clone();
    let file_bytes = options.journal_file_bytes;
    let clock = options.clock.clone();
    let now = clock.now();
    let read = tokio::task::spawn_blocking(move || {
        let mut journal = Recovered::new(&folder);
        let summing = folder.clone();
        let on_sealed = Arc::new(move |segment| Summary::make(&summing, segment, clock.now()));
        let opened = journal::open(&folder, file_bytes, now, &mut journal, on_sealed)?;
        let suspected = quarantine::suspected(&folder);
        let found = journal.judge(&opened, now);
        let noting = Suspects::open(&folder);
        let noting = noting.map_err(|source| OpenError::Io { path: folder, source })?;
        Ok((found, opened, suspected, noting))
    });
    let io = |source| OpenError::Io { path: options.data_dir.clone(), source };
    let (found, opened, suspected, noting) = match read.await {
        Ok(result) => result?,
        Err(error) => return Err(io(std::io::Error::other(error))),
    };
    let drivers = runtime().map_err(io)?;
    let (stop, stopped) = watch::channel(false);
    let (alive, all_gone) = mpsc::channel(1);
    let revisions = found.revisions.iter().map(Arc::downgrade).collect();
    let evaluator = Evaluator::new(options.evaluator.clone());
    let inner = Arc::new(Inner {
        options,
        machines: RwLock::new(found.machines),
        runs: RwLock::new(found.runs),
        tokens: Mutex::new(HashMap::new()),
        changing: tokio::sync::Mutex::new(()),
        tasks,
        evaluator,
        suspects: noting,
        journal: RwLock::new(Some(opened.journal)),
        journal_ended: Mutex::new(Some(opened.ended)),
        changes: broadcast::Sender::new(CHANGES),
        stop: stopped,
        alive: Mutex::new(Some(alive)),
        all_gone: Mutex::new(Some(all_gone)),
        running: AtomicUsize::new(0),
        order: AtomicU64::new(found.order),
        revisions: Mutex::new(revisions),
        losses: found.losses,
        reading: Semaphore::new((threads() / 2).max(1)),
        places: SharedPlaces::default(),
        drivers: drivers.handle().clone(),
        performers: Handle::current(),
    });
    let at = inner.now();
    for Resumed { run, events, whole } in found.running {
        let mut execution = inner.replay(&run, &events);
        let suspicion = suspected.get(&run.arn).filter(|known| known.records == run.records());
        let times = suspicion.map_or(0, |suspicion| suspicion.times);
        if !whole {
            execution.break_off(at, LOST);
        } else if times >= quarantine::MOST {
            tracing::error!(
                execution = run.arn,
                "an execution is not run again: the process ended each time while it was computed"
            );
            execution.break_off(at, DEADLY);
        } else {
            execution.resume(at);
        }

        // Tokens are valid again before anybody can use the engine.
        for (scope, token) in execution.open_tokens() {
            inner.listen(&run, scope, token);
        }
        inner.running.fetch_add(1, Ordering::Relaxed);
        inner.spawn_driver_of(run, execution, times > 0);
    }
    inner.keep_forgetting();
    Ok(Running { inner, stop, drivers })
}

/// How many threads the machine runs at once.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Each has room for deep expressions: otherwise the evaluator maps a stack of its own for every one,
/// and unmaps it again.
const STACK_BYTES: usize = 8 << 20;

/// The threads on which executions are driven.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads().max(2))
        .thread_name("step-functions")
        .thread_stack_size(STACK_BYTES)
        .enable_time()
        .build()
}

/// What the journal says so far.
struct Recovered {
    folder: PathBuf,
    machines: HashMap<String, Machine>,
    revisions: HashMap<String, Arc<Revision>>,
    executions: HashMap<String, Found>,
    order: u64,
    /// The summary of the file being read.
    summary: Summary,
    damage: Vec<Damage>,
}

/// What the journal says of one execution.
#[derive(Default)]
struct Found {
    order: u64,
    /// How it began; none when the record of that is lost or was removed.
    birth: Option<Started>,
    input: Option<String>,
    trail: Trail,
    change: Option<Change>,
    end: Option<End>,
    /// All its events, while it runs and where they are at hand.
    events: Option<Vec<Event>>,
}

/// What there is to go on with.
struct Whole {
    machines: HashMap<String, Arc<Machine>>,
    revisions: Vec<Arc<Revision>>,
    runs: Runs,
    running: Vec<Resumed>,
    order: u64,
    losses: Losses,
}

/// An execution that had not ended.
struct Resumed {
    run: Arc<Run>,
    events: Vec<Event>,
    /// Whether all its records are there.
    whole: bool,
}

impl Reader for Recovered {
    fn summarised(&mut self, segment: u32) -> bool {
        let Some(summary) = Summary::load(&self.folder, segment) else {
            return false;
        };
        // What cannot be read of it, the file itself is asked for, and tells where it is wrong.
        let Ok(machines) = read(&self.folder, &summary.machines) else {
            return false;
        };
        for (position, bytes) in summary.machines.iter().zip(machines) {
            let taken = serde_json::from_slice(&bytes)
                .map_err(|error| error.to_string())
                .and_then(|record| self.take(*position, record));
            if taken.is_err() {
                return false;
            }
        }
        self.take_summary(summary);
        true
    }

    fn record(&mut self, stored: Stored) -> Result<(), String> {
        let record: Record<'_> =
            serde_json::from_slice(&stored.bytes).map_err(|error| error.to_string())?;
        self.summary.add(stored.position, &record);
        self.take(stored.position, record)
    }

    fn finished(&mut self, segment: u32, sealed: bool, damage: &[Damage]) {
        let mut summary = std::mem::take(&mut self.summary);
        if sealed {
            summary.damage = damage.to_vec();
            summary.save(&self.folder, segment);
        }
        self.damage.extend_from_slice(damage);
    }
}

impl Recovered {
    fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            machines: HashMap::new(),
            revisions: HashMap::new(),
            executions: HashMap::new(),
            order: 0,
            summary: Summary::default(),
            damage: Vec::new(),
        }
    }

    fn take_summary(&mut self, summary: Summary) {
        for damage in summary.damage {
            tracing::warn!(%damage, "the journal has been damaged before");
            self.damage.push(damage);
        }
        for touched in summary.executions {
            if let Some(birth) = touched.birth {
                let found = self.begin(&touched.arn);
                found.birth = Some(birth);
            }
            let found = self.of(&touched.arn);
            found.trail.append(&touched.trail);
            found.events = None;
            if touched.change.is_some() {
                found.change = touched.change;
                found.end = None;
            }
        }
    }

    /// An execution that begins; one of the same name before it was forgotten by then.
    fn begin(&mut self, arn: &str) -> &mut Found {
        self.executions.remove(arn);
        self.of(arn)
    }

    fn of(&mut self, arn: &str) -> &mut Found {
        let order = &mut self.order;
        self.executions.entry(arn.to_owned()).or_insert_with(|| {
            *order += 1;
            Found { order: *order, ..Found::default() }
        })
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
                let again = Record::Revision { revision, role, definition, updated, configuration };
                let revision = self.take_revision(position, again)?;
                let machine = Machine {
                    arn: arn.into_owned(),
                    name: name.into_owned(),
                    express,
                    created,
                    tags: tags.into_owned(),
                    revision,
                    segment: position.segment,
                };
                self.machines.insert(machine.arn.clone(), machine);
            }
            Record::MachineDeleted { arn } => {
                self.machines.remove(arn.as_ref());
            }
            Record::Tags { arn, tags } => {
                if let Some(known) = self.machines.get_mut(arn.as_ref()) {
                    known.tags = tags.into_owned();
                }
            }
            record @ Record::Revision { .. } => {
                self.take_revision(position, record)?;
            }
            Record::Execution { arn, name, machine, revision, express, event, by } => {
                let Body::ExecutionStarted { input, .. } = &event.body else {
                    return Err("an execution does not begin with its start".to_owned());
                };
                let birth = Started {
                    name: name.into_owned(),
                    machine: machine.into_owned(),
                    revision: revision.into_owned(),
                    express,
                    at: event.at,
                    by: by.map(std::borrow::Cow::into_owned),
                };
                let found = self.begin(&arn);
                found.birth = Some(birth);
                found.input = Some(input.clone());
                found.trail.push(position, Some(0), std::slice::from_ref(&*event));
                found.events = Some(vec![event.into_owned()]);
            }
            Record::Events { execution, events, number } => {
                let found = self.of(&execution);
                found.trail.push(position, number, &events);
                match Change::of(&events, found.change.as_ref()) {
                    None => {
                        if let Some(known) = &mut found.events {
                            known.extend(events.into_owned());
                        }
                    }
                    Some(change) => {
                        let ended = change.status != StatusName::Running;
                        let end = events.last().filter(|_| ended).map(End::of);
                        found.end = end.filter(End::is_short);
                        found.change = Some(change);
                        // Where it was redriven, its earlier events are needed again.
                        found.events = None;
                    }
                }
            }
        }
        Ok(())
    }

    fn take_revision(
        &mut self,
        position: Position,
        record: Record<'_>,
    ) -> Result<Arc<Revision>, String> {
        let Record::Revision { revision, role, definition, updated, configuration } = record else {
            return Err("a definition was expected".to_owned());
        };
        if let Some(known) = self.revisions.get(revision.as_ref()) {
            known.set_segment(position.segment);
            return Ok(Arc::clone(known));
        }
        let checked = reread(&definition)
            .map_err(|faults| faults.first().map_or_else(String::new, ToString::to_string))?;
        let revision = Arc::new(Revision {
            id: revision.into_owned(),
            text: definition.into_owned(),
            definition: checked,
            role: role.into_owned(),
            configuration: configuration.into_owned(),
            updated,
            segment: AtomicU32::new(position.segment),
        });
        self.revisions.insert(revision.id.clone(), Arc::clone(&revision));
        Ok(revision)
    }

    /// Makes the executions that are known, and tells those of which something is lost.
    fn judge(mut self, opened: &Opened, now: i64) -> Whole {
        let mut executions: Vec<(String, Found)> = self.executions.drain().collect();
        executions.sort_by_key(|(_, found)| found.order);
        let mut runs = Runs::default();
        let mut running = Vec::new();
        let mut lost = Vec::new();
        // What no record is left of is named by damage only.
        let mut named: HashSet<String> =
            self.damage.iter().flat_map(|damage| damage.executions.iter().cloned()).collect();
        for (arn, mut found) in executions {
            let named = named.remove(&arn);
            let ended = found.change.as_ref().filter(|change| change.status != StatusName::Running);
            if ended.is_some_and(|change| change.at.saturating_add(RETENTION_MS) <= now) {
                continue;
            }
            let ended = ended.is_some();
            // It was forgotten before the files with its beginning were removed.
            if found.birth.is_none() && ended && opened.compacted {
                continue;
            }
            let events = if ended { None } else { self.events(&mut found) };
            let revision = self.revision_of(&found);
            // One that runs on would not know what it has done.
            let whole = !found.trail.is_broken()
                && found.birth.is_some()
                && revision.is_ok()
                && (ended || !named);
            let revision = match revision {
                Ok(revision) => revision,
                Err(id) => {
                    let revision = Arc::new(Revision::lost(id.clone()));
                    self.revisions.insert(id, Arc::clone(&revision));
                    revision
                }
            };
            if !whole {
                tracing::error!(execution = arn, "records of an execution are lost");
                lost.push(arn.clone());
            }
            let run = Arc::new(found.run(arn, revision, ended));
            runs.add(&run);
            if let Some(events) = events {
                running.push(Resumed { run, events, whole });
            }
        }
        lost.extend(named);
        self.damage.extend_from_slice(&opened.missing);
        Whole {
            machines: self
                .machines
                .into_iter()
                .map(|(arn, machine)| (arn, Arc::new(machine)))
                .collect(),
            revisions: self.revisions.into_values().collect(),
            runs,
            running,
            order: self.order,
            losses: Losses { damage: self.damage, executions: lost },
        }
    }

    /// The definition that an execution runs, or its id.
    fn revision_of(&self, found: &Found) -> Result<Arc<Revision>, String> {
        let id = found.birth.as_ref().map_or("", |birth| birth.revision.as_str());
        self.revisions.get(id).cloned().ok_or_else(|| id.to_owned())
    }

    /// The events of an execution that runs, as far as they can be read.
    fn events(&self, found: &mut Found) -> Option<Vec<Event>> {
        if let Some(events) = found.events.take() {
            return Some(events);
        }
        let mut events = Vec::new();
        for position in found.trail.positions() {
            match read(&self.folder, &[position]).and_then(|records| events_in(&records)) {
                Ok(more) => events.extend(more),
                Err(error) => {
                    tracing::error!(%error, "a record cannot be read");
                    found.trail.note_gap();
                }
            }
        }
        Some(events)
    }
}

impl Found {
    fn run(self, arn: String, revision: Arc<Revision>, ended: bool) -> Run {
        let started = self.birth.unwrap_or_else(|| {
            // As its ARN says: `…:execution:machine:name`.
            let mut parts = arn.rsplit(':');
            let name = parts.next().unwrap_or_default().to_owned();
            let machine = parts.next().unwrap_or_default();
            let prefix = arn.split(":execution:").next().unwrap_or_default();
            Started {
                name,
                machine: format!("{prefix}:stateMachine:{machine}"),
                revision: String::new(),
                express: false,
                at: self.change.as_ref().map_or(0, |change| change.at),
                by: None,
            }
        });
        let birth = Birth {
            arn,
            name: started.name,
            machine_arn: started.machine,
            revision,
            express: started.express,
            started: started.at,
            order: self.order,
            by: started.by,
        };
        let stage = if ended { Stage::Ended } else { Stage::Running };
        let run = Run::new(birth, self.input.as_deref(), stage);
        run.restore(self.trail, self.change, self.end);
        run
    }
}
