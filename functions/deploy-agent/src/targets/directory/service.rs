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
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pact_agent::AgentError;
use pact_contract::{
    Finding, FindingCode, ReleaseId, Severity, actions::ReleaseRecord, codes, error::ErrorName,
};
use serde::{Deserialize, Serialize};
use tokio::{process::Command, time::Instant};

use super::{
    layout::{Layout, read_json, write_json},
    log,
    ports::{connect, is_free, port},
    processes::{self, Identity},
    settings::Service,
};
use crate::steps::Steps;

/// Variable that tells which environment a service belongs to.
const FOLDER: &str = "PACT_SERVICE_FOLDER";
/// How long a service may take until it listens.
const LISTENS: Duration = Duration::from_secs(10);
/// A service that ends sooner than this was not started.
const SETTLED: Duration = Duration::from_millis(if cfg!(test) { 60 } else { 500 });
/// How long a port may take to become free after its service was stopped.
const FREED: Duration = Duration::from_secs(3);
/// Largest log.
const MAX_LOG: u64 = 16 * 1024 * 1024;

/// A service as it was noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) release: ReleaseId,
    pub(crate) port: u16,
    pub(crate) url: String,
    pub(crate) process: Identity,
}

/// How the start of a service ended.
pub(crate) enum Started {
    /// It takes connections.
    Running(Running),
    /// It does not run, and nothing of it is left.
    Failed(Finding),
}

/// What a service is started with.
pub(crate) struct Start<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) environment: &'a str,
    pub(crate) record: &'a ReleaseRecord,
    pub(crate) service: &'a Service,
    pub(crate) steps: &'a Steps,
}

/// The services of the folder that are noted and alive.
pub(crate) fn running(layout: &Layout) -> Vec<Running> {
    let Ok(entries) = fs::read_dir(layout.run()) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| read_json::<Running>(&entry.path().join("service.json")).ok()?)
        .filter(|service| service.process.is_alive())
        .collect();
    found.sort_by(|a, b| a.release.cmp(&b.release));
    found
}

/// Processes of the folder's services, noted or not.
pub(crate) fn processes(layout: &Layout) -> Vec<Identity> {
    let mut all: Vec<_> = running(layout).into_iter().map(|s| s.process).collect();
    all.extend(processes::marked(FOLDER, &layout.marker()));
    all.sort();
    all.dedup();
    all
}

/// The noted service of `release`, if it is alive and takes connections.
pub(crate) async fn answering(layout: &Layout, release: &ReleaseId) -> Option<Running> {
    let service = running(layout).into_iter().find(|s| s.release == *release)?;
    connect(service.port).await.map(|_| service)
}

/// Stops every service of the folder but `keep`, and waits until they have ended.
///
/// # Errors
/// `ERR_DEPLOY_FAILED` when one cannot be ended.
pub(crate) async fn stop(layout: &Layout, keep: Option<&Running>) -> Result<(), AgentError> {
    let layout = layout.clone();
    let keep = keep.cloned();
    // When the action is cut off by its deadline, the thread must not go on to stop what the
    // next action starts.
    let cut_off = CutOff::default();
    let flag = Arc::clone(&cut_off.0);
    tokio::task::spawn_blocking(move || {
        processes::stop(|| match flag.load(Ordering::SeqCst) {
            true => Vec::new(),
            false => to_stop(&layout, keep.as_ref()),
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
pub(crate) fn stop_blocking(layout: &Layout) -> Result<(), Vec<u32>> {
    processes::stop(|| to_stop(layout, None))
}

/// Processes of the folder's services without those of `keep` and its children.
fn to_stop(layout: &Layout, keep: Option<&Running>) -> Vec<Identity> {
    let kept = |identity: &Identity| {
        keep.is_some_and(|k| {
            k.process == *identity
                || processes::environment_has(identity.pid, "PACT_RELEASE", k.release.as_str())
        })
    };
    processes(layout).into_iter().filter(|p| !kept(p)).collect()
}

/// Says so when the program cannot be found: before anything is stopped for it.
pub(crate) fn missing_program(command: &[String], release: &Path) -> Option<Finding> {
    let name = command.first().map(String::as_str).unwrap_or_default();
    let runnable = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let found = if name.contains('/') {
        runnable(&program(name, release))
    } else {
        let path = processes::path().unwrap_or_else(|| DEFAULT_PATH.to_owned());
        std::env::split_paths(&path).any(|folder| runnable(&folder.join(name)))
    };
    (!found).then(|| {
        failure(
            codes::SERVICE_PROGRAM_MISSING,
            format!("the service's program {name:?} is not there or cannot be run"),
            "build it with a build command of the target, or correct the service's command",
        )
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
/// The agent could not do its part.
pub(crate) async fn start(what: &Start<'_>) -> Result<Started, AgentError> {
    let port = port(what.layout, what.service).map_err(|e| fault("cannot pick a port", e))?;
    let until = Instant::now() + FREED;
    while !is_free(port) {
        if Instant::now() >= until {
            return Ok(Started::Failed(port_in_use(port)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let release = what.layout.release(&what.record.release);
    if let Some(reason) = missing_program(&what.service.command, &release) {
        return Ok(Started::Failed(reason));
    }
    let (log, file) = open_log(what).map_err(|e| fault("cannot write the service's log", e))?;
    let begun = Instant::now();
    let mut child = match command(what, &release, port, file)
        .map_err(|e| fault("cannot write the service's log", e))?
        .spawn()
    {
        Ok(child) => child,
        Err(error) => {
            return Ok(Started::Failed(failure(
                codes::SERVICE_NOT_STARTED,
                format!("the service cannot be started: {error}"),
                "correct the service's command",
            )));
        }
    };
    what.steps.reached("service spawned")?;
    let identity = child.id().and_then(Identity::of);
    let mut service = identity.map(|process| Running {
        release: what.record.release.clone(),
        port,
        url: format!("http://127.0.0.1:{port}"),
        process,
    });
    let note = what.layout.notes(&what.record.release).join("service.json");
    if let Some(service) = &service {
        write_json(&note, service).map_err(|e| fault("cannot note the service", e))?;
    }
    what.steps.reached("service noted")?;

    let problem = loop {
        if let Some(status) = child.try_wait().map_err(|e| fault("cannot watch the service", e))? {
            break failure(
                codes::SERVICE_EXITED,
                format!(
                    "the service of {} ended {} ms after its start with {}",
                    what.record.release,
                    begun.elapsed().as_millis(),
                    ending(status)
                ),
                "start the service's command by hand in a checkout, with PORT set",
            );
        }
        let passed = begun.elapsed();
        if let (Some(service), Some(address)) = (&mut service, connect(port).await)
            && passed >= SETTLED
        {
            if address.is_ipv6() {
                service.url = format!("http://[::1]:{port}");
                write_json(&note, service).map_err(|e| fault("cannot note the service", e))?;
            }
            return Ok(Started::Running(service.clone()));
        }
        if passed > LISTENS {
            break failure(
                codes::SERVICE_NOT_LISTENING,
                format!(
                    "the service of {} does not listen on port {port} after {} s",
                    what.record.release,
                    LISTENS.as_secs()
                ),
                "let the service listen on the port in the variable PORT",
            );
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    stop(what.layout, None).await?;
    Ok(Started::Failed(Finding { evidence: log::tail(&log), ..problem }))
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
        .envs(processes::inherited())
        .envs(&what.service.env)
        .env("PORT", port.to_string())
        .env("PACT_RELEASE", what.record.release.as_str())
        .env("PACT_COMMIT", &what.record.commit)
        .env("PACT_ENVIRONMENT", what.environment)
        .env("PACT_SHARED", what.layout.shared())
        .env(FOLDER, what.layout.marker())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(false);
    Ok(command)
}

/// A new log; the one before is kept beside it.
fn open_log(what: &Start<'_>) -> io::Result<(PathBuf, File)> {
    let notes = what.layout.notes(&what.record.release);
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
pub(crate) fn trim_logs(layout: &Layout) {
    let Ok(entries) = fs::read_dir(layout.run()) else { return };
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

pub(crate) fn port_in_use(port: u16) -> Finding {
    failure(
        codes::PORT_IN_USE,
        format!("port {port} is in use by another program"),
        "stop that program, or set another port for the service",
    )
}

fn failure(code: FindingCode, message: String, remedy: &str) -> Finding {
    Finding::new(code, Severity::High, message).remedy(remedy)
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
