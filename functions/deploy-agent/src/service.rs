//! The program that serves a release: started, noted, found again and stopped.
//!
//! It belongs to no agent: it has a process group of its own, nothing on its standard input and
//! a log file as its output, and it goes on when the agent ends. It is noted in
//! `run/<release>/service.json`. Between its start and the note, its environment tells whose it
//! is, so that a kill in between loses nothing.
//!
//! Its log is bounded when the agent passes by: a log of more than 16 MiB is emptied.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pact_agent::AgentError;
use pact_contract::{actions::ReleaseRecord, error::ErrorName};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, process::Command, time::Instant};

use crate::{
    folder::{Folder, hash, read_json, write_json},
    log,
    process::{self, Identity},
    steps::Steps,
    targets::directory::Service,
};

/// Variable that tells which environment a service belongs to.
const FOLDER: &str = "PACT_SERVICE_FOLDER";
/// How long a service may take until it listens.
const LISTENS: Duration = Duration::from_secs(10);
/// A service that ends sooner than this was not started.
const SETTLED: Duration = Duration::from_millis(if cfg!(test) { 60 } else { 500 });
/// How long a port may take to become free after its service was stopped.
const FREED: Duration = Duration::from_secs(3);
/// Ports that are picked for services: below those that systems give to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Largest log.
const MAX_LOG: u64 = 16 * 1024 * 1024;

/// A service as it was noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) release: String,
    pub(crate) port: u16,
    pub(crate) url: String,
    pub(crate) process: Identity,
}

/// Why a service was not started, and what its log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotStarted {
    /// Code of the finding.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) remedy: &'static str,
    pub(crate) log: Option<String>,
}

/// What a service is started with.
pub(crate) struct Start<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) environment: &'a str,
    pub(crate) record: &'a ReleaseRecord,
    pub(crate) service: &'a Service,
    pub(crate) steps: &'a Steps,
}

/// The services of the folder that are noted and alive.
pub(crate) fn running(folder: &Folder) -> Vec<Running> {
    let Ok(entries) = fs::read_dir(folder.run()) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| read_json::<Running>(&entry.path().join("service.json")).ok()?)
        .filter(|service| service.process.is_alive())
        .collect();
    found.sort_by(|a, b| a.release.cmp(&b.release));
    found
}

/// Processes of the folder's services, noted or not.
pub(crate) fn processes(folder: &Folder) -> Vec<Identity> {
    let mut all: Vec<_> = running(folder).into_iter().map(|s| s.process).collect();
    all.extend(process::marked(FOLDER, &folder.marker()));
    all.sort();
    all.dedup();
    all
}

/// The noted service of `release`, if it is alive and takes connections.
pub(crate) async fn answering(folder: &Folder, release: &str) -> Option<Running> {
    let service = running(folder).into_iter().find(|s| s.release == release)?;
    connect(service.port).await.map(|_| service)
}

/// Stops every service of the folder but `keep`, and waits until they have ended.
///
/// # Errors
/// `ERR_DEPLOY_FAILED` when one cannot be ended.
pub(crate) async fn stop(folder: &Folder, keep: Option<&Running>) -> Result<(), AgentError> {
    let folder = folder.clone();
    let keep = keep.cloned();
    // When the action is cut off by its deadline, the thread must not go on to stop what the
    // next action starts.
    let cut_off = CutOff::default();
    let flag = Arc::clone(&cut_off.0);
    tokio::task::spawn_blocking(move || {
        process::stop(|| match flag.load(Ordering::SeqCst) {
            true => Vec::new(),
            false => to_stop(&folder, keep.as_ref()),
        })
    })
    .await
    .map_err(|e| AgentError::internal(format!("stopping services was cut off: {e}")))?
    .map_err(|pids| {
        AgentError::new(
            ErrorName::DeployFailed,
            format!("cannot stop the service: processes {pids:?} do not end"),
        )
    })
}

/// Says so when it is dropped.
#[derive(Default)]
struct CutOff(Arc<AtomicBool>);

impl Drop for CutOff {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Stops every service of the folder; says which processes did not end. Blocks.
pub(crate) fn stop_blocking(folder: &Folder) -> Result<(), Vec<u32>> {
    process::stop(|| to_stop(folder, None))
}

/// Processes of the folder's services without those of `keep` and its children.
fn to_stop(folder: &Folder, keep: Option<&Running>) -> Vec<Identity> {
    let kept = |identity: &Identity| {
        keep.is_some_and(|k| {
            k.process == *identity
                || process::environment_has(identity.pid, "PACT_RELEASE", &k.release)
        })
    };
    processes(folder).into_iter().filter(|p| !kept(p)).collect()
}

/// The port of the folder's service: the configured one, or the one that was picked before, or
/// a free one, which is kept for ever after.
pub(crate) fn port(folder: &Folder, service: &Service) -> io::Result<u16> {
    match service.port {
        Some(port) => Ok(port),
        None => match read_json::<u16>(&folder.run().join(".port"))? {
            Some(port) if PORTS.contains(&port) => Ok(port),
            _ => pick_port(folder),
        },
    }
}

/// Picks a free port and keeps it. Folders begin their search at different places.
pub(crate) fn pick_port(folder: &Folder) -> io::Result<u16> {
    let count = PORTS.end - PORTS.start;
    let first = u16::try_from(hash(&folder.marker()) % u64::from(count)).unwrap_or(0);
    let port = (0..count)
        .map(|offset| PORTS.start + (first + offset) % count)
        .find(|port| is_free(*port))
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "every port is in use"))?;
    write_json(&folder.run().join(".port"), &port)?;
    Ok(port)
}

/// Whether no program listens on the port, on any address of this machine.
pub(crate) fn is_free(port: u16) -> bool {
    let in_use = |address: SocketAddr| {
        TcpListener::bind(address).is_err_and(|e| e.kind() == io::ErrorKind::AddrInUse)
    };
    !in_use((Ipv4Addr::UNSPECIFIED, port).into())
        && !in_use((Ipv4Addr::LOCALHOST, port).into())
        && !in_use((Ipv6Addr::UNSPECIFIED, port).into())
}

/// Where something takes connections on the port, if it does.
async fn connect(port: u16) -> Option<SocketAddr> {
    for address in
        [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()]
    {
        let attempt = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address));
        if let Ok(Ok(_)) = attempt.await {
            return Some(address);
        }
    }
    None
}

/// Says whether the program can be found: before anything is stopped for it.
pub(crate) fn check_program(command: &[String], release: &Path) -> Result<(), NotStarted> {
    let name = command.first().map(String::as_str).unwrap_or_default();
    let runnable = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let found = if name.contains('/') {
        runnable(&program(name, release))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        std::env::split_paths(&path).any(|folder| runnable(&folder.join(name)))
    };
    if found {
        return Ok(());
    }
    Err(NotStarted {
        code: "service-program-missing",
        message: format!("the service's program {name:?} is not there or cannot be run"),
        remedy: "build it with a build command of the target, or correct the service's command",
        log: None,
    })
}

/// Where programs are looked for when the agent has no `PATH`.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program that is named by a path is below the release.
pub(crate) fn program(name: &str, release: &Path) -> PathBuf {
    if name.contains('/') { release.join(name) } else { PathBuf::from(name) }
}

/// Starts the service and waits until it takes connections. Every other service of the folder
/// has been stopped.
///
/// # Errors
/// The outer result: a fault. The inner one: the service does not run, and nothing of it is left.
pub(crate) async fn start(what: &Start<'_>) -> Result<Result<Running, NotStarted>, AgentError> {
    let port = port(what.folder, what.service).map_err(|e| fault("cannot pick a port", e))?;
    let until = Instant::now() + FREED;
    while !is_free(port) {
        if Instant::now() >= until {
            return Ok(Err(port_in_use(port)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let release = what.folder.release(&what.record.release);
    if let Err(reason) = check_program(&what.service.command, &release) {
        return Ok(Err(reason));
    }
    let (log, file) = open_log(what).map_err(|e| fault("cannot write the service's log", e))?;
    let begun = Instant::now();
    let mut child = match command(what, &release, port, file)
        .map_err(|e| fault("cannot write the service's log", e))?
        .spawn()
    {
        Ok(child) => child,
        Err(error) => return Ok(Err(not_started(format!("cannot be started: {error}"), None))),
    };
    what.steps.reached("service spawned")?;
    let identity = child.id().and_then(Identity::of);
    let mut service = identity.map(|process| Running {
        release: what.record.release.clone(),
        port,
        url: format!("http://127.0.0.1:{port}"),
        process,
    });
    let note = what.folder.notes(&what.record.release).join("service.json");
    if let Some(service) = &service {
        write_json(&note, service).map_err(|e| fault("cannot note the service", e))?;
    }
    what.steps.reached("service noted")?;

    let problem = loop {
        if let Some(status) = child.try_wait().map_err(|e| fault("cannot watch the service", e))? {
            break NotStarted {
                code: "service-exited",
                message: format!(
                    "the service of {} ended {} ms after its start with {}",
                    what.record.release,
                    begun.elapsed().as_millis(),
                    ending(status)
                ),
                remedy: "start the service's command by hand in a checkout, with PORT set",
                log: log::tail(&log),
            };
        }
        let passed = begun.elapsed();
        if let (Some(service), Some(address)) = (&mut service, connect(port).await)
            && passed >= SETTLED
        {
            if address.is_ipv6() {
                service.url = format!("http://[::1]:{port}");
                write_json(&note, service).map_err(|e| fault("cannot note the service", e))?;
            }
            return Ok(Ok(service.clone()));
        }
        if passed > LISTENS {
            break NotStarted {
                code: "service-not-listening",
                message: format!(
                    "the service of {} does not listen on port {port} after {} s",
                    what.record.release,
                    LISTENS.as_secs()
                ),
                remedy: "let the service listen on the port in the variable PORT",
                log: log::tail(&log),
            };
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    stop(what.folder, None).await?;
    Ok(Err(problem))
}

fn command(what: &Start<'_>, release: &Path, port: u16, log: File) -> io::Result<Command> {
    let (name, arguments) =
        what.service.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program(name, release));
    command
        .args(arguments)
        .current_dir(release)
        .env_clear()
        .env("PATH", DEFAULT_PATH)
        .envs(process::inherited())
        .envs(&what.service.env)
        .env("PORT", port.to_string())
        .env("PACT_RELEASE", &what.record.release)
        .env("PACT_COMMIT", &what.record.commit)
        .env("PACT_ENVIRONMENT", what.environment)
        .env("PACT_SHARED", what.folder.shared())
        .env(FOLDER, what.folder.marker())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(false);
    Ok(command)
}

/// A new log; the one before is kept beside it.
fn open_log(what: &Start<'_>) -> io::Result<(PathBuf, File)> {
    let notes = what.folder.notes(&what.record.release);
    fs::create_dir_all(&notes)?;
    let path = notes.join("service.log");
    match fs::rename(&path, notes.join("service.1.log")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().create(true).append(true).open(&path)?;
    Ok((path, file))
}

/// Empties logs that have become too large. Services append, so they go on at the beginning.
pub(crate) fn trim_logs(folder: &Folder) {
    let Ok(entries) = fs::read_dir(folder.run()) else { return };
    for entry in entries.flatten() {
        let path = entry.path().join("service.log");
        if fs::metadata(&path).is_ok_and(|m| m.len() > MAX_LOG)
            && let Err(error) =
                OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(0))
        {
            tracing::warn!(path = %path.display(), %error, "cannot empty the log");
        }
    }
}

pub(crate) fn port_in_use(port: u16) -> NotStarted {
    NotStarted {
        code: "port-in-use",
        message: format!("port {port} is in use by another program"),
        remedy: "stop that program, or set another port for the service",
        log: None,
    }
}

fn not_started(reason: String, log: Option<String>) -> NotStarted {
    NotStarted {
        code: "service-not-started",
        message: format!("the service {reason}"),
        remedy: "correct the service's command",
        log,
    }
}

/// How a process ended, for people.
pub(crate) fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

fn fault(what: &str, error: io::Error) -> AgentError {
    AgentError::new(ErrorName::DeployFailed, format!("{what}: {error}")).caused_by(error)
}
