//! Child processes: starting one, ending it with everything it started, and ending with one's parent.

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, getpgrp, getpid},
};
use std::{
    collections::BTreeSet,
    io::Read,
    net::SocketAddr,
    os::unix::{fs::FileTypeExt, process::ExitStatusExt},
    path::Path,
    process::{ExitStatus, Stdio},
};
use tokio::process::{Child, Command};

use crate::spec::{FunctionSpec, HostOptions};

/// Tells a child that its standard input ends when its host does.
const LIFELINE: &str = "LAMBDA_HOST_LIFELINE";

/// Marks the environment of an instance, and with it of all that it starts.
const MARK: &str = "LAMBDA_HOST_INSTANCE";

/// A mark that no other instance has or will have.
pub(crate) fn new_mark() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Starts an instance in a process group of its own.
pub(crate) fn spawn(
    spec: &FunctionSpec,
    options: &HostOptions,
    runtime_api: SocketAddr,
    mark: &str,
) -> std::io::Result<Child> {
    let stream = format!(
        "{}/[{}]{}",
        jiff::Timestamp::now().strftime("%Y/%m/%d"),
        spec.version,
        uuid::Uuid::new_v4().simple()
    );
    // The code's own folder is where Lambda starts it.
    let folder = spec.folder.as_deref().or_else(|| spec.program.parent());
    let folder = folder.filter(|folder| folder.is_absolute());
    let mut command = match &spec.apart {
        Some((apart, shown)) => {
            let folder = folder.unwrap_or_else(|| Path::new("/"));
            Command::from(apart.command(&spec.program, folder, shown))
        }
        None => Command::new(&spec.program),
    };
    command.args(&spec.args).env_clear();
    for name in options.inherit.iter().filter(|_| spec.inherits) {
        if let Some(mut value) = std::env::var_os(name) {
            // The Runtime API is asked directly, also where the outside is asked through a proxy.
            if name.eq_ignore_ascii_case("no_proxy") {
                value.push(",127.0.0.0/8");
            }
            command.env(name, value);
        }
    }
    if let Some(folder) = folder {
        command.current_dir(folder).env("LAMBDA_TASK_ROOT", folder);
    }
    command
        .envs(&spec.env)
        .envs(&spec.service_env)
        .env("AWS_LAMBDA_FUNCTION_NAME", &spec.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", &spec.version)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string())
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", stream)
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_REGION", &options.region)
        .env("AWS_DEFAULT_REGION", &options.region)
        .env("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", spec.runtime))
        .env("_HANDLER", &spec.handler)
        .env("TZ", ":UTC")
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .env(MARK, mark)
        .env(LIFELINE, "stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Kills an instance with what belongs to it: its process group; who has `mark` in its environment,
/// as everything that it starts has by default; and its descendants, also in groups of their own and
/// without its environment.
///
/// Excepted are children that an earlier invocation has `detached` on purpose, in a group of
/// their own and with a clean environment: services that somebody else looks after.
pub(crate) fn kill_tree(pid: u32, mark: &str, detached: &Pids) {
    let Some(leader) = raw(pid) else { return };
    // Stopped first, so that nothing new is started while the others are looked for.
    signal_group(leader, Signal::SIGSTOP);
    kill_relatives(pid, mark, detached);
    signal_group(leader, Signal::SIGKILL);
    // What was being started at that moment.
    kill_relatives(pid, mark, detached);
}

fn kill_relatives(pid: u32, mark: &str, detached: &Pids) {
    for relative in relatives(pid, mark, detached) {
        if let Some(relative) = raw(relative).filter(|r| *r != getpid()) {
            report(kill(relative, Signal::SIGKILL));
        }
    }
}

/// Process ids.
pub(crate) type Pids = BTreeSet<u32>;

/// Written to the lifeline of a process when an invocation has ended.
pub(crate) const END: u8 = b'E';

/// The children of a process, right now.
pub(crate) fn children(pid: u32) -> Pids {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let files = tasks.into_iter().flatten().flatten().map(|task| task.path().join("children"));
    let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
    texts
        .flat_map(|text| text.split_whitespace().map(str::parse).collect::<Vec<_>>())
        .flatten()
        .collect()
}

fn signal_group(leader: Pid, signal: Signal) {
    report(killpg(leader, signal));
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1).map(Pid::from_raw)
}

/// A process that ended by itself meanwhile is what was wanted.
fn report(result: nix::Result<()>) {
    match result {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(%error, "failed to signal a process"),
    }
}

/// See [`kill_tree`].
#[cfg(target_os = "linux")]
fn relatives(pid: u32, mark: &str, detached: &Pids) -> Pids {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Pids::from([pid]) };
    let mut parents = Vec::new();
    let mut known = Pids::from([pid]);
    for entry in folder.flatten() {
        let Some(other) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let path = entry.path();
        let Ok(stat) = std::fs::read_to_string(path.join("stat")) else { continue };
        // The name in parentheses may hold anything; state, parent and group follow it.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(1);
        let parent = fields.next().and_then(|field| field.parse::<u32>().ok());
        let group = fields.next().and_then(|field| field.parse::<u32>().ok());
        parents.extend(parent.filter(|_| !detached.contains(&other)).map(|parent| (other, parent)));
        let marked = !mark.is_empty()
            && std::fs::read(path.join("environ")).is_ok_and(|environment| {
                environment.windows(mark.len()).any(|part| part == mark.as_bytes())
            });
        if group == Some(pid) || marked {
            known.insert(other);
        }
    }
    loop {
        let before = known.len();
        for (child, parent) in &parents {
            if known.contains(parent) {
                known.insert(*child);
            }
        }
        if known.len() == before {
            return known;
        }
    }
}

/// Whether a child has ended, waited for or not.
#[cfg(target_os = "linux")]
pub(crate) fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().split_whitespace().next();
    matches!(state, None | Some("Z" | "X"))
}

/// Not known here: an invocation that meets a process which has just ended is reported as a crash.
#[cfg(not(target_os = "linux"))]
pub(crate) fn has_ended(_pid: u32) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn relatives(pid: u32, _mark: &str, _left: &Pids) -> Pids {
    Pids::from([pid])
}

/// As the Lambda service words the end of a runtime.
pub(crate) fn exit_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, signal) => {
            let name = match signal {
                Some(2) => "interrupt".to_owned(),
                Some(6) => "aborted".to_owned(),
                Some(9) => "killed".to_owned(),
                Some(11) => "segmentation fault".to_owned(),
                Some(15) => "terminated".to_owned(),
                other => format!("signal {}", other.unwrap_or_default()),
            };
            format!("Runtime exited with error: signal: {name}")
        }
    }
}

/// To be called first by the program of a function: when the host that started it ends, however it
/// ends, this process ends too, with everything it started except services that an earlier
/// invocation left behind. Without such a host it does nothing.
pub fn die_with_parent() {
    if std::env::var_os(LIFELINE).is_none() || !stdin_is_pipe() {
        return;
    }
    std::thread::spawn(|| {
        let own = getpid().as_raw().unsigned_abs();
        let mut detached = Pids::new();
        let mut byte = [0u8];
        // The end of the pipe is the end of the host.
        loop {
            match std::io::stdin().read(&mut byte) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(_) => detached = children(own),
            }
        }
        let mark = std::env::var(MARK).unwrap_or_default();
        kill_relatives(own, &mark, &detached);
        if getpgrp() == getpid() {
            signal_group(getpid(), Signal::SIGKILL);
        }
        std::process::abort();
    });
}

fn stdin_is_pipe() -> bool {
    std::fs::metadata("/dev/stdin").is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_worded_as_aws_words_them() {
        for (raw, text) in [
            (0, "Runtime exited without providing a reason"),
            (3 << 8, "Runtime exited with error: exit status 3"),
            (9, "Runtime exited with error: signal: killed"),
            (11, "Runtime exited with error: signal: segmentation fault"),
        ] {
            assert_eq!(exit_text(ExitStatus::from_raw(raw)), text);
        }
    }
}
