//! Build commands of a release: each in a process group of its own, with a time-out, without
//! the installation's secrets.

use std::{path::Path, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use pact_agent::AgentError;
use pact_contract::{Finding, Severity, actions::ReleaseRecord, codes, error::ErrorName};
use tokio::{io::AsyncReadExt, net::unix::pipe, process::Command};

use super::{
    layout::Layout,
    log::BuildLog,
    processes,
    service::{DEFAULT_PATH, ending, program},
    settings::Settings,
};

/// Variable that tells which environment a build belongs to.
const FOLDER: &str = "PACT_BUILD_FOLDER";

/// What is built.
pub(crate) struct Build<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) environment: &'a str,
    pub(crate) record: &'a ReleaseRecord,
    pub(crate) settings: &'a Settings,
    /// What builds keep between releases.
    pub(crate) cache: Option<&'a Path>,
}

/// How a build ended.
pub(crate) enum Built {
    Succeeded,
    /// A command did not succeed.
    Failed(Finding),
}

/// How a command ended.
enum CommandEnd {
    Succeeded,
    /// What follows the command in a sentence.
    Failed(String),
}

/// Ends builds of the folder that an agent left behind which was killed.
pub(crate) async fn stop_left_behind(layout: &Layout) -> Result<(), AgentError> {
    let marker = layout.marker();
    tokio::task::spawn_blocking(move || processes::stop(|| processes::marked(FOLDER, &marker)))
        .await
        .map_err(|e| AgentError::internal(format!("stopping a build was cut off: {e}")))?
        .map_err(|pids| {
            AgentError::tool(format!("cannot stop an earlier build: processes {pids:?} do not end"))
        })
}

/// Runs every build command of the target, one after the other, in the release's folder.
///
/// # Errors
/// The agent could not do its part.
pub(crate) async fn run(build: &Build<'_>) -> Result<Built, AgentError> {
    if build.settings.build.is_empty() {
        return Ok(Built::Succeeded);
    }
    let notes = build.layout.notes(&build.record.release);
    if let Some(cache) = build.cache {
        tokio::fs::create_dir_all(cache).await.map_err(cannot_log)?;
    }
    tokio::fs::create_dir_all(&notes).await.map_err(cannot_log)?;
    let mut log = BuildLog::create(&notes.join("build.log")).map_err(cannot_log)?;
    for words in &build.settings.build {
        let begun = std::time::Instant::now();
        let end = command(build, words, &mut log).await?;
        tracing::info!(
            command = words.join(" "),
            duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            succeeded = matches!(end, CommandEnd::Succeeded),
            "build command"
        );
        if let CommandEnd::Failed(reason) = end {
            stop_left_behind(build.layout).await?;
            let message = format!("build command `{}` {reason}", words.join(" "));
            let mut finding = Finding::new(codes::BUILD_FAILED, Severity::High, message)
                .remedy("run the target's build commands in a checkout of the commit");
            finding.evidence = log.last_lines();
            return Ok(Built::Failed(finding));
        }
    }
    // A build has no services: what still runs was forgotten.
    stop_left_behind(build.layout).await?;
    Ok(Built::Succeeded)
}

async fn command(
    build: &Build<'_>,
    words: &[String],
    log: &mut BuildLog,
) -> Result<CommandEnd, AgentError> {
    let Some((name, arguments)) = words.split_first() else {
        return Ok(CommandEnd::Failed("is empty".to_owned()));
    };
    let release = build.layout.release(&build.record.release);
    let (reader, writer) = std::io::pipe().map_err(cannot_log)?;
    log.write(format!("$ {}\n", words.join(" ")).as_bytes()).map_err(cannot_log)?;
    let mut command = Command::new(program(name, &release));
    command
        .args(arguments)
        .current_dir(&release)
        .env_clear()
        .env("PATH", DEFAULT_PATH)
        .envs(processes::inherited())
        .env("PACT_RELEASE", build.record.release.as_str())
        .env("PACT_COMMIT", &build.record.commit)
        .env("PACT_ENVIRONMENT", build.environment)
        .env("PACT_SHARED", build.layout.shared())
        .env(FOLDER, build.layout.marker())
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(cannot_log)?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true);
    if let Some(cache) = build.cache {
        command.env("PACT_CACHE", cache);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(CommandEnd::Failed(format!("cannot be run: {error}"))),
    };
    // Dropped before the child: while it has not been waited for, its id is its own.
    let mut group = Group(child.id());
    // The ends of the pipe that this process still holds would keep it open.
    drop(command);
    let mut reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(cannot_log)?;

    let limit = Duration::from_secs(build.settings.build_timeout_seconds.clamp(1, 3_600));
    let until = tokio::time::Instant::now() + limit;
    let late = || CommandEnd::Failed(format!("did not end within {} s", limit.as_secs()));
    let mut part = vec![0_u8; 16 * 1024];
    let mut open = true;
    let status = loop {
        tokio::select! {
            biased;
            count = reader.read(&mut part), if open => match count {
                Ok(0) | Err(_) => open = false,
                Ok(count) => log.write(part.get(..count).unwrap_or_default()).map_err(cannot_log)?,
            },
            status = child.wait() => break status.map_err(cannot_wait)?,
            () = tokio::time::sleep_until(until) => {
                return Ok(late());
            }
        }
        // Endless output must not outlast the time-out.
        if tokio::time::Instant::now() > until {
            return Ok(late());
        }
    };
    group.0 = None;
    // What was written last; a forgotten child may hold the pipe open.
    while open {
        let read = tokio::time::timeout(Duration::from_millis(200), reader.read(&mut part));
        match read.await {
            Ok(Ok(count)) if count > 0 && tokio::time::Instant::now() < until => {
                log.write(part.get(..count).unwrap_or_default()).map_err(cannot_log)?;
            }
            _ => open = false,
        }
    }
    Ok(if status.success() {
        CommandEnd::Succeeded
    } else {
        CommandEnd::Failed(format!("ended with {}", ending(status)))
    })
}

/// A process group that is killed when this is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|pid| i32::try_from(pid).ok())
            && let Err(error) = killpg(Pid::from_raw(pid), Signal::SIGKILL)
        {
            tracing::debug!(pid, %error, "the build has ended");
        }
    }
}

fn cannot_log(error: std::io::Error) -> AgentError {
    AgentError::new(ErrorName::ToolFailed, format!("cannot write the build's log: {error}"))
        .caused_by(error)
}

fn cannot_wait(error: std::io::Error) -> AgentError {
    AgentError::tool(format!("cannot wait for the build: {error}")).caused_by(error)
}
