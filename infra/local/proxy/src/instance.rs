//! An instance: started or adopted, watched, started again, drained and ended.
//!
//! What is about to be done is in the state before it is done. The process of an instance is known by
//! its id and start time; between its start and the note it is known by its marks, two variables of
//! its environment. So a host that was killed anywhere finds what it began, and starts nothing twice.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use pact_processes::{
    self as processes, Identity,
    apart::{Shown, Word},
    ending,
};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::Instant,
};

use crate::{
    core::Core,
    model::{End, Failure, FailureKind, Key, Phase, Spec, State},
    ports,
    probe::{Probes, Probing},
    refusal::{Code, Refusal},
};

/// Variable with the folder of the host that an instance belongs to.
pub(crate) const HOST: &str = "LOCAL_PROXY_HOST";
/// Variable with the service and the name of an instance.
pub(crate) const INSTANCE: &str = "LOCAL_PROXY_INSTANCE";
/// Time between two looks at a process or a port that tells nothing by itself.
const LOOK: Duration = Duration::from_millis(20);
/// An instance that ran this long is started again as if it had never ended.
const STEADY: Duration = Duration::from_secs(60);
/// Largest log.
const MAX_LOG: u64 = 16 * 1024 * 1024;

/// What is wanted of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Run,
    /// It is to end, once its requests in flight have, but not later than this.
    End {
        drain: Duration,
    },
}

/// One instance.
pub(crate) struct Runner {
    core: Arc<Core>,
    key: Key,
    spec: Spec,
    wanted: watch::Receiver<Wanted>,
}

/// Its process.
enum Process {
    /// A child of this host.
    Own(Child),
    /// Started by a host before.
    Adopted(Identity),
}

impl Process {
    /// Waits until it has ended; says how.
    async fn ended(&mut self) -> String {
        match self {
            Self::Own(child) => match child.wait().await {
                Ok(status) => ending(status),
                Err(error) => format!("an unknown status ({error})"),
            },
            Self::Adopted(identity) => {
                while identity.is_alive() {
                    tokio::time::sleep(LOOK).await;
                }
                "a status that was told to the host before".to_owned()
            }
        }
    }
}

/// How a start ended.
enum Begun {
    Ready(SocketAddr),
    Failed(Failure),
}

/// How a life ended.
enum Over {
    /// It was never ready.
    Failed(Failure),
    /// It had been ready, for this long.
    Died { how: String, after: Duration },
}

impl Runner {
    pub(crate) fn new(
        core: Arc<Core>,
        key: Key,
        spec: Spec,
        wanted: watch::Receiver<Wanted>,
    ) -> Self {
        Self { core, key, spec, wanted }
    }

    /// Runs the instance until it is let go. `again`: an earlier host may have started it.
    pub(crate) async fn run(mut self, again: bool) {
        let mut wanted = self.wanted.clone();
        let drain = tokio::select! {
            drain = end_wanted(&mut wanted) => drain,
            never = self.live(again) => match never {},
        };
        self.end(drain).await;
    }

    /// Stays failed, as a host before left it, until it is let go.
    pub(crate) async fn rest(self) {
        let drain = end_wanted(&mut self.wanted.clone()).await;
        self.end(drain).await;
    }

    async fn live(&mut self, again: bool) -> std::convert::Infallible {
        let mut process = if again { self.found().await } else { None };
        let mut pause = self.core.options.backoff;
        loop {
            let over = self.life(process.take()).await;
            self.core.set_address(&self.key, None);
            self.stop_processes().await;
            let served = self.core.read(|state| is_served(state, &self.key));
            match over {
                Over::Failed(failure) if !served => {
                    tracing::warn!(instance = %self.key, failure.message, "an instance failed");
                    self.note(|instance| {
                        instance.phase = Phase::Failed;
                        instance.process = None;
                        instance.failure = Some(failure);
                    });
                    return std::future::pending().await;
                }
                Over::Failed(failure) => self.died(&failure.message),
                Over::Died { how, after } => {
                    self.died(&how);
                    if after >= STEADY {
                        pause = self.core.options.backoff;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.core.options.max_backoff);
        }
    }

    fn died(&self, how: &str) {
        tracing::warn!(instance = %self.key, how, "an instance ended and is started again");
        let end = End { at: Timestamp::now(), how: how.to_owned() };
        self.note(|instance| {
            instance.phase = Phase::Restarting;
            instance.process = None;
            instance.restarts = instance.restarts.saturating_add(1);
            instance.last_end = Some(end);
        });
    }

    /// One life of it, from the start, or from where it was found, to its end.
    async fn life(&mut self, found: Option<(Identity, u16)>) -> Over {
        let (mut process, port) = match found {
            Some((identity, port)) => (Process::Adopted(identity), port),
            None => match self.spawn().await {
                Ok(started) => started,
                Err(failure) => return Over::Failed(failure),
            },
        };
        let address = match self.begin(&mut process, port).await {
            Begun::Ready(address) => address,
            Begun::Failed(failure) => return Over::Failed(failure),
        };
        let since = Instant::now();
        self.core.set_address(&self.key, Some(address));
        self.note(|instance| {
            instance.phase = Phase::Ready;
            instance.served = true;
            instance.failure = None;
        });
        let how = process.ended().await;
        Over::Died { how, after: since.elapsed() }
    }

    /// What a host before has left of it: it is taken over where it lives, and ended where it is not
    /// known to be whole.
    async fn found(&mut self) -> Option<(Identity, u16)> {
        let (noted, port) = self.core.read(|state| {
            let instance = state.services.get(&self.key.service)?.instances.get(&self.key.id)?;
            Some((instance.process.clone(), instance.port?))
        })?;
        // Killed between the start and the note, its leader is found by its marks.
        let process =
            noted.or_else(|| marked(&self.core.store.folder, &self.key).into_iter().min());
        match process.filter(Identity::is_alive) {
            Some(process) => {
                tracing::info!(instance = %self.key, pid = process.pid, "adopted");
                let noted = process.clone();
                self.note(|instance| instance.process = Some(noted));
                Some((process, port))
            }
            None => {
                self.stop_processes().await;
                None
            }
        }
    }

    async fn spawn(&mut self) -> Result<(Process, u16), Failure> {
        let failed = |message: String| Failure { kind: FailureKind::NotStarted, message };
        let taken = self.core.read(taken_ports);
        let port = ports::for_instance(&taken).map_err(|e| failed(e.to_string()))?;
        self.core
            .update(&self.key, |instance| {
                instance.port = Some(port);
                instance.process = None;
            })
            .map_err(|refusal| failed(refusal.message))?;
        let first = !self.core.read(|state| is_served(state, &self.key));
        let not = |error: io::Error| failed(format!("the program cannot be started: {error}"));
        let (mut command, word) = self.command(port, first).map_err(not)?;
        let child = command.spawn().map_err(not)?;
        drop(command);
        let process = child.id().and_then(Identity::of);
        self.note(|instance| instance.process = process);
        if let Some(word) = word {
            let begun = tokio::task::spawn_blocking(|| word.begun()).await;
            begun.map_err(io::Error::other).flatten().map_err(not)?;
        }
        Ok((Process::Own(child), port))
    }

    fn command(&self, port: u16, first: bool) -> io::Result<(Command, Option<Word>)> {
        let Spec { command, folder, env, port_variable, log, data, .. } = &self.spec;
        let (name, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let log = open_log(log, first)?;
        // A program that is named by a path is below its folder.
        let program = if name.contains('/') { folder.join(name) } else { PathBuf::from(name) };
        let (mut command, word) = match &self.core.options.apart {
            Some(apart) => {
                let shown = [folder].into_iter().chain(data);
                let shown = shown.map(|path| Shown { path: path.clone(), writable: true });
                let (command, word) =
                    apart.telling(&program, folder, &shown.collect::<Vec<_>>())?;
                (Command::from(command), Some(word))
            }
            None => {
                let mut command = Command::new(program);
                command.current_dir(folder).stdin(Stdio::null());
                (command, None)
            }
        };
        command
            .args(arguments)
            .env_clear()
            .envs(env)
            .env(port_variable, port.to_string())
            .env(HOST, &self.core.store.folder)
            .env(INSTANCE, self.key.to_string())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(false);
        Ok((command, word))
    }

    /// Waits until it listens, answers its probes and has settled.
    async fn begin(&self, process: &mut Process, port: u16) -> Begun {
        let begun = Instant::now();
        tokio::select! {
            how = process.ended() => {
                let after = begun.elapsed().as_millis();
                let message = format!("it ended {after} ms after its start with {how}");
                Begun::Failed(Failure { kind: FailureKind::Exited, message })
            }
            begun = self.ready(port, begun) => begun,
        }
    }

    async fn ready(&self, port: u16, begun: Instant) -> Begun {
        let time = Duration::from_millis;
        let listens = async {
            loop {
                if let Some(address) = ports::connect(port).await {
                    return address;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let Ok(address) = tokio::time::timeout(time(self.spec.startup_ms), listens).await else {
            let after = time(self.spec.startup_ms).as_secs_f32();
            let message = format!("it does not listen on port {port} after {after} s");
            return Begun::Failed(Failure { kind: FailureKind::NotListening, message });
        };
        let failed = |message| Begun::Failed(Failure { kind: FailureKind::ProbeFailed, message });
        let mut probes = Probes::new(&self.spec.probes);
        let until = Instant::now() + time(self.spec.probe_ms);
        loop {
            match tokio::time::timeout_at(until, probes.ask(address)).await {
                Ok(Probing::Answers) => break,
                Ok(Probing::NotYet) => tokio::time::sleep(LOOK).await,
                Ok(Probing::Wrong(message)) => return failed(message),
                Err(_) => {
                    let after = time(self.spec.probe_ms).as_secs_f32();
                    return failed(format!("its probes are not answered after {after} s"));
                }
            }
        }
        tokio::time::sleep_until(begun + time(self.spec.settle_ms)).await;
        Begun::Ready(address)
    }

    /// Drains and ends it, and forgets it.
    async fn end(&self, drain: Duration) {
        self.note(|instance| instance.phase = Phase::Ending);
        let backend = self.core.backend(&self.key);
        if tokio::time::timeout(drain, backend.drained()).await.is_err() {
            tracing::warn!(instance = %self.key, cut = backend.in_flight(), "drained too long");
        }
        self.stop_processes().await;
        let forgotten = self.core.change(&self.key.service, |state| {
            state.service_mut(&self.key.service)?.instances.remove(&self.key.id);
            Ok(())
        });
        if let Err(refusal) = forgotten {
            tracing::debug!(%refusal, instance = %self.key, "is forgotten with its service");
        }
    }

    /// Ends every process of it, its children included.
    async fn stop_processes(&self) {
        let folder = self.core.store.folder.clone();
        let key = self.key.clone();
        let noted = self.core.read(|state| {
            state.services.get(&key.service)?.instances.get(&key.id)?.process.clone()
        });
        let stopped = tokio::task::spawn_blocking(move || {
            processes::stop(|| {
                let mut all = marked(&folder, &key);
                all.extend(noted.clone().filter(Identity::is_alive));
                all.sort();
                all.dedup();
                all
            })
        });
        match stopped.await {
            Ok(Ok(())) => {}
            Ok(Err(pids)) => tracing::error!(instance = %self.key, ?pids, "processes do not end"),
            Err(error) => tracing::error!(%error, "ending processes was cut off"),
        }
    }

    fn note(&self, change: impl FnOnce(&mut crate::model::Instance)) {
        match self.core.update(&self.key, change) {
            Err(refusal) if refusal.code != Code::NotFound => {
                tracing::error!(%refusal, instance = %self.key, "cannot be noted");
            }
            _ => {}
        }
    }
}

/// Waits until it is to end; how long its requests may take then. Without anybody to say so, never.
async fn end_wanted(wanted: &mut watch::Receiver<Wanted>) -> Duration {
    match wanted.wait_for(|wanted| *wanted != Wanted::Run).await.map(|wanted| *wanted) {
        Ok(Wanted::End { drain }) => drain,
        Ok(Wanted::Run) | Err(_) => std::future::pending().await,
    }
}

fn is_served(state: &State, key: &Key) -> bool {
    let service = state.services.get(&key.service);
    service.and_then(|s| s.instances.get(&key.id)).is_some_and(|instance| instance.served)
}

/// Ports that somebody of this host has, or is about to have.
pub(crate) fn taken_ports(state: &State) -> Vec<u16> {
    let services = state.services.values();
    services
        .flat_map(|s| s.instances.values().filter_map(|i| i.port).chain([s.port]))
        .chain([state.control_port])
        .collect()
}

/// Processes that bear the marks of an instance of the host with this folder.
fn marked(folder: &Path, key: &Key) -> Vec<Identity> {
    let name = key.to_string();
    let folder = folder.to_string_lossy();
    processes::marked(HOST, &folder)
        .into_iter()
        .filter(|process| processes::environment_has(process.pid, INSTANCE, &name))
        .collect()
}

/// Ends what bears the marks of this host and belongs to no instance that it knows. Blocks.
pub(crate) fn end_orphans(folder: &Path, known: &[Key]) {
    let names: Vec<_> = known.iter().map(Key::to_string).collect();
    let folder = folder.to_string_lossy();
    let orphans = || -> Vec<Identity> {
        processes::marked(HOST, &folder)
            .into_iter()
            .filter(|p| !names.iter().any(|n| processes::environment_has(p.pid, INSTANCE, n)))
            .collect()
    };
    let found = orphans();
    if found.is_empty() {
        return;
    }
    tracing::warn!(?found, "processes of no instance are ended");
    if let Err(pids) = processes::stop(orphans) {
        tracing::error!(?pids, "they do not end");
    }
}

/// The log, for output at its end. A new instance begins a new one, and the one before is kept beside
/// it.
fn open_log(path: &Path, first: bool) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if first {
        match fs::rename(path, path.with_extension("1.log")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Empties a log that has become too large. Instances append, so they go on at its beginning.
pub(crate) fn trim_log(path: &Path) {
    if fs::metadata(path).is_ok_and(|m| m.len() > MAX_LOG)
        && let Err(error) = OpenOptions::new().write(true).open(path).and_then(|f| f.set_len(0))
    {
        tracing::warn!(path = %path.display(), %error, "cannot empty the log");
    }
}

/// Whether the instance can take requests as it stands.
pub(crate) fn check_ready(state: &State, key: &Key) -> Result<(), Refusal> {
    let service = state.service(&key.service)?;
    let instance = service.instances.get(&key.id).ok_or_else(|| crate::model::no_instance(key))?;
    if instance.phase == Phase::Ready {
        return Ok(());
    }
    let message = format!("the instance {key} takes no requests now");
    Err(Refusal::new(Code::InstanceNotReady, message))
}
