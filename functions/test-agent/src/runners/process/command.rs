//! Runs one command in a process group of its own, against a clock, and leaves nothing behind.
//!
//! Every process of the command inherits a marker in its environment. When the command is done,
//! its group is ended, and with it whatever left the group but still carries the marker. The same
//! happens when the future is dropped.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, Command},
    time::Instant,
};

use crate::{capture::Capture, runners::runner::End};

/// Name of the marker.
const MARKER: &str = "PACT_TEST_RUN";
/// How long processes have to end by themselves after a time-out.
const GRACE: Duration = Duration::from_secs(2);
/// How long children that the command left behind have.
const GRACE_LEFTOVER: Duration = Duration::from_millis(200);
/// How long output is awaited once everything has ended.
const DRAIN: Duration = Duration::from_secs(1);

/// What is run.
pub(crate) struct Spec<'a> {
    /// Program and arguments.
    pub(crate) command: &'a [String],
    /// Where.
    pub(crate) directory: &'a Path,
    /// The whole environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Until when.
    pub(crate) until: Instant,
}

/// The file that would be run for `program`, when it is there and can be run.
pub(crate) fn locate(program: &str, directory: &Path, path: Option<&str>) -> Option<PathBuf> {
    let runnable = |candidate: &PathBuf| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(candidate)
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if program.is_empty() {
        return None;
    }
    if program.contains('/') {
        return Some(directory.join(program)).filter(runnable);
    }
    std::env::split_paths(path?).map(|folder| directory.join(folder).join(program)).find(runnable)
}

/// Runs a command to its end; its output goes to `capture`.
///
/// # Errors
/// When the program cannot be started.
pub(crate) async fn run(spec: &Spec<'_>, capture: &mut Capture) -> io::Result<End> {
    let [program, arguments @ ..] = spec.command else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
    };
    let path = spec.environment.get("PATH").map(String::as_str);
    let file = locate(program, spec.directory, path).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("{program} is not installed"))
    })?;
    let marker = uuid::Uuid::new_v4().to_string();
    // One pipe for both, so that what was written first is read first.
    let (reader, writer) = io::pipe()?;
    let mut reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut command = Command::new(file);
    command
        .args(arguments)
        .current_dir(spec.directory)
        .env_clear()
        .envs(spec.environment)
        .env(MARKER, &marker)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    // The writing ends that it holds would keep the pipe open for ever.
    drop(command);
    let group = Group::new(&child, marker);

    let mut buffer = vec![0; 16 * 1024];
    let mut open = true;
    let end = loop {
        tokio::select! {
            read = reader.read(&mut buffer), if open => match read {
                Ok(0) => open = false,
                Ok(n) => capture.push(buffer.get(..n).unwrap_or_default()),
                Err(error) => {
                    tracing::warn!(%error, "cannot read the command's output");
                    open = false;
                }
            },
            status = child.wait() => break End::Exited(status?.code()),
            () = tokio::time::sleep_until(spec.until) => break End::TimedOut,
        }
    };
    let grace = if end == End::TimedOut { GRACE } else { GRACE_LEFTOVER };
    let mut stopped = std::pin::pin!(group.stop(&mut child, grace));
    let mut drained = None;
    loop {
        let drain = drained.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
        tokio::select! {
            () = &mut stopped, if drained.is_none() => drained = Some(Instant::now() + DRAIN),
            read = reader.read(&mut buffer), if open => match read {
                Ok(n) if n > 0 => capture.push(buffer.get(..n).unwrap_or_default()),
                _ => open = false,
            },
            () = tokio::time::sleep_until(drain) => break,
            else => break,
        }
        if drained.is_some() && !open {
            break;
        }
    }
    Ok(end)
}

/// The processes of a command. Ends them all when it is dropped.
struct Group {
    id: Pid,
    marker: String,
    /// Whether all has been ended: after that, the id may belong to somebody else.
    ended: AtomicBool,
}

impl Group {
    fn new(child: &Child, marker: String) -> Self {
        // Without an id the child has been reaped, which only happens after `wait`.
        let id = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(i32::MAX);
        Self { id: Pid::from_raw(id), marker, ended: AtomicBool::new(false) }
    }

    /// Asks all processes to end, then makes them.
    async fn stop(&self, child: &mut Child, grace: Duration) {
        let until = Instant::now() + grace;
        let mut alive = self.signal(Some(Signal::SIGTERM));
        while alive && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
            // Reaps it, so that it no longer counts as a member of the group.
            if let Err(error) = child.try_wait() {
                tracing::warn!(%error, "cannot wait for the command");
            }
            alive = self.signal(None);
        }
        self.end();
        if tokio::time::timeout(DRAIN, child.wait()).await.is_err() {
            tracing::warn!(group = %self.id, "the command does not end");
        }
    }

    /// Sends a signal, or none, to the group. False when there is nobody left.
    fn signal(&self, signal: Option<Signal>) -> bool {
        match killpg(self.id, signal) {
            Ok(()) => true,
            Err(Errno::ESRCH) => false,
            Err(error) => {
                tracing::warn!(%error, group = %self.id, "cannot signal the command");
                true
            }
        }
    }

    fn end(&self) {
        if self.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        self.signal(Some(Signal::SIGKILL));
        sweep(&self.marker);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends every process that carries the marker, also those that left the group. Several rounds,
/// since one that is about to be ended may start another.
#[cfg(target_os = "linux")]
fn sweep(marker: &str) {
    let wanted = format!("{MARKER}={marker}");
    for _ in 0..5 {
        let mut found = false;
        let Ok(processes) = std::fs::read_dir("/proc") else { return };
        for process in processes.flatten() {
            let Some(id) = process.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
                continue;
            };
            if carries(&process.path().join("environ"), wanted.as_bytes()) {
                found = true;
                if let Err(error) = nix::sys::signal::kill(Pid::from_raw(id), Signal::SIGKILL) {
                    tracing::debug!(%error, id, "cannot end a process");
                }
            }
        }
        if !found {
            return;
        }
    }
}

#[cfg(target_os = "linux")]
fn carries(environment: &Path, wanted: &[u8]) -> bool {
    use std::io::Read;
    let mut content = Vec::new();
    // Not readable means not ours, or gone.
    let read = std::fs::File::open(environment)
        .and_then(|file| file.take(1024 * 1024).read_to_end(&mut content));
    read.is_ok() && content.split(|b| *b == 0).any(|entry| entry == wanted)
}

/// Elsewhere the group has to do.
#[cfg(not(target_os = "linux"))]
fn sweep(_marker: &str) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> BTreeMap<String, String> {
        BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").expect("a PATH"))])
    }

    async fn shell(script: &str, seconds: u64) -> (End, String, Duration) {
        let command = ["sh", "-c", script].map(str::to_owned);
        let mut capture = Capture::default();
        let begun = Instant::now();
        let spec = Spec {
            command: &command,
            directory: Path::new("/"),
            environment: &environment(),
            until: begun + Duration::from_secs(seconds),
        };
        let end = run(&spec, &mut capture).await.expect("it starts");
        (end, capture.finish().text, begun.elapsed())
    }

    fn gone(id: &str) -> bool {
        match std::fs::read_to_string(format!("/proc/{}/stat", id.trim())) {
            Ok(stat) => stat.rsplit(") ").next().is_some_and(|s| s.starts_with(['Z', 'X'])),
            Err(_) => true,
        }
    }

    #[tokio::test]
    async fn output_of_both_kinds_comes_in_order_with_the_exit_code() {
        let (end, text, _) = shell("echo one; echo two >&2; echo three; exit 3", 10).await;
        assert_eq!((end, text.as_str()), (End::Exited(Some(3)), "one\ntwo\nthree\n"));
        let (end, ..) = shell("kill -9 $$", 10).await;
        assert_eq!(end, End::Exited(None));
    }

    #[tokio::test]
    async fn a_time_out_ends_grandchildren_that_ignore_signals_and_leave_the_group() {
        let (end, text, took) = shell(
            "trap '' TERM; (trap '' TERM; sleep 300) & echo $!; setsid sleep 301 & echo $!; sleep 302",
            1,
        )
        .await;
        assert_eq!(end, End::TimedOut);
        assert!(took < Duration::from_secs(15), "{took:?}");
        let ids: Vec<_> = text.lines().collect();
        assert_eq!(ids.len(), 2, "{text}");
        assert!(ids.iter().all(|id| gone(id)), "{text}");
    }

    #[tokio::test]
    async fn children_left_in_the_background_are_ended_and_do_not_hold_up_the_result() {
        let (end, text, took) = shell("sleep 300 & echo $!; exit 0", 60).await;
        assert_eq!(end, End::Exited(Some(0)));
        assert!(took < Duration::from_secs(15), "{took:?}");
        assert!(gone(&text), "{text}");
    }

    #[tokio::test]
    async fn endless_output_is_stopped_in_time_and_kept_small() {
        let (end, text, took) = shell("yes", 1).await;
        assert_eq!(end, End::TimedOut);
        assert!(took < Duration::from_secs(15), "{took:?}");
        assert!(text.len() < 400 * 1024 && text.contains("bytes left out"));
    }

    #[tokio::test]
    async fn dropping_the_future_ends_everything() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("id");
        let script = format!("sleep 300 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let task = tokio::spawn(async move { shell(&script, 60).await });
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        task.abort();
        assert!(task.await.is_err_and(|e| e.is_cancelled()));
        let id = std::fs::read_to_string(file).expect("an id");
        for _ in 0..200 {
            if gone(&id) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("process {id} is still there");
    }

    #[tokio::test]
    async fn a_missing_program_is_told_apart() {
        let command = ["no-such-program-anywhere".to_owned()];
        let environment = environment();
        let spec = Spec {
            command: &command,
            directory: Path::new("/"),
            environment: &environment,
            until: Instant::now() + Duration::from_secs(1),
        };
        let error = run(&spec, &mut Capture::default()).await.expect_err("it does not start");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
