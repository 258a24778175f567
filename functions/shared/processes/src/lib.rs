//! Processes that outlive whoever started them: who they are, whether they live, and how they are
//! ended.
//!
//! A process is known by its id together with the time it was started, so that another process
//! that was given the same id later is never signalled. Processes that were started but not yet
//! noted (whoever started them was killed in between), and their children, are found by a marker in
//! their environment; where the operating system has no `/proc`, only noted ones are found.

pub mod apart;
mod place;

use std::{
    collections::BTreeSet,
    process::ExitStatus,
    time::{Duration, Instant},
};

pub use place::Place;

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, getpgid},
};
use serde::{Deserialize, Serialize};

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// How long a killed process may take to vanish.
const KILLED: Duration = Duration::from_secs(3);

/// One process, and no other that has its id later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// When it was started, as the operating system puts it.
    pub started: String,
}

impl Identity {
    /// The living process with this id.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        started(pid).map(|started| Self { pid, started })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        started(self.pid).as_ref() == Some(&self.started)
    }

    /// Sends `signal` to the process, and to its group where it leads one.
    fn signal(&self, signal: Signal) {
        let Ok(raw) = i32::try_from(self.pid) else { return };
        if raw <= 1 || !self.is_alive() {
            return;
        }
        let pid = Pid::from_raw(raw);
        let to = if getpgid(Some(pid)) == Ok(pid) { Pid::from_raw(-raw) } else { pid };
        match kill(to, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => tracing::warn!(pid = raw, %signal, %error, "cannot signal"),
        }
    }
}

/// When the process was started; none when there is no such process or it has ended.
#[cfg(target_os = "linux")]
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (state, ticks) = parse_stat(&stat)?;
    if matches!(state, 'Z' | 'X') {
        return None;
    }
    // Ticks count from the boot: the same process id and ticks after another boot are another
    // process.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{}/{ticks}", boot.trim()))
}

/// When the process was started, where there is no `/proc`.
#[cfg(not(target_os = "linux"))]
fn started(pid: u32) -> Option<String> {
    let out = std::process::Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    let (state, started) = text.split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

/// State and start time (field 22) of `/proc/<pid>/stat`. The name in it may hold anything,
/// parentheses and spaces included, so fields are counted from its end.
#[cfg(any(target_os = "linux", test))]
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Processes in whose environment `variable` has this value, this one left out.
#[cfg(target_os = "linux")]
#[must_use]
pub fn marked(variable: &str, value: &str) -> Vec<Identity> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let me = std::process::id();
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != me && environment_has(*pid, variable, value))
        .filter_map(Identity::of)
        .collect()
}

/// Whether `variable` has this value in the environment that the process was started with.
#[cfg(target_os = "linux")]
#[must_use]
pub fn environment_has(pid: u32, variable: &str, value: &str) -> bool {
    use std::io::Read;

    // Those of other users cannot be read, and are not ours.
    let Ok(file) = std::fs::File::open(format!("/proc/{pid}/environ")) else { return false };
    let mut environment = Vec::new();
    if file.take(1024 * 1024).read_to_end(&mut environment).is_err() {
        return false;
    }
    let marker = format!("{variable}={value}").into_bytes();
    environment.split(|b| *b == 0).any(|v| v == marker)
}

/// The environment of another process, where there is no `/proc`: not known.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn environment_has(_pid: u32, _variable: &str, _value: &str) -> bool {
    false
}

/// Processes by marker, where there is no `/proc`.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn marked(_variable: &str, _value: &str) -> Vec<Identity> {
    Vec::new()
}

/// Ends every process that `find` finds: asks first, kills what is left after a while. Blocks.
///
/// `find` is asked again until it finds nothing, so that children are ended too which outlived
/// their parent.
///
/// # Errors
/// Ids of the processes that could not be ended.
pub fn stop(find: impl Fn() -> Vec<Identity>) -> Result<(), Vec<u32>> {
    let begun = Instant::now();
    let mut asked = BTreeSet::new();
    let mut killed = BTreeSet::new();
    let mut pause = Duration::from_millis(2);
    loop {
        let living = find();
        if living.is_empty() {
            return Ok(());
        }
        let passed = begun.elapsed();
        if passed > GRACE + KILLED {
            return Err(living.iter().map(|p| p.pid).collect());
        }
        for process in living {
            if passed > GRACE {
                if killed.insert(process.clone()) {
                    process.signal(Signal::SIGKILL);
                }
            } else if asked.insert(process.clone()) {
                process.signal(Signal::SIGTERM);
            }
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// How a process ended, for people.
#[must_use]
pub fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_cannot_confuse_the_fields(name in "[^\0]{0,15}", ticks in 0u64..u64::MAX) {
            let stat = format!(
                "12 ({name}) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 99 100"
            );
            prop_assert_eq!(parse_stat(&stat), Some(('S', ticks)));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,200}") {
            parse_stat(&text);
        }
    }

    #[test]
    fn a_process_is_not_taken_for_a_later_one() {
        let me = Identity::of(std::process::id()).expect("this process");
        assert!(me.is_alive());
        let later = Identity { started: format!("{}1", me.started), ..me.clone() };
        assert!(!later.is_alive());
        assert!(stop(|| [later.clone()].into_iter().filter(Identity::is_alive).collect()).is_ok());
    }

    #[test]
    fn an_ended_child_that_nobody_waited_for_counts_as_ended() {
        let mut child =
            std::process::Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let identity = Identity::of(child.id()).expect("lives");
        child.kill().expect("is killed");
        let deadline = Instant::now() + Duration::from_secs(5);
        while identity.is_alive() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(!identity.is_alive());
        child.wait().expect("is reaped");
    }
}
