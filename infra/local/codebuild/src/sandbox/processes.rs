//! The processes of a build, as the agent sees and ends them.

use std::{fs, path::Path};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// The processes of one build.
#[derive(Clone, Copy, Debug)]
pub(super) enum Processes {
    /// All but the agent, which is process 1 of a namespace.
    Namespace,
    /// All that descend from the agent, which inherits those whose parent has ended.
    Descendants,
}

/// What they take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Processes.
    pub(super) count: u64,
    /// Bytes of memory; pages that several share count for each.
    pub(super) resident: u64,
}

impl Processes {
    /// Sends a signal to all of them. Several rounds, since one that is about to end may start
    /// another.
    pub(super) fn signal(self, signal: Signal) {
        match self {
            Self::Namespace => {
                // Nobody left is no error.
                kill(Pid::from_raw(-1), signal).ok();
            }
            Self::Descendants => {
                for _ in 0..5 {
                    let found = self.list();
                    for id in &found {
                        kill(Pid::from_raw(*id), signal).ok();
                    }
                    if found.is_empty() || signal != Signal::SIGKILL {
                        return;
                    }
                    reap(None);
                }
            }
        }
    }

    /// Their ids.
    pub(super) fn list(self) -> Vec<i32> {
        let own = nix::unistd::getpid().as_raw();
        let all: Vec<(i32, i32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|id| *id != own)
            .map(|id| (id, parent(id).unwrap_or(0)))
            .collect();
        match self {
            Self::Namespace => all.into_iter().map(|(id, _)| id).collect(),
            Self::Descendants => {
                let mut family = vec![own];
                let mut next = 0;
                while let Some(parent) = family.get(next).copied() {
                    family.extend(all.iter().filter(|(_, p)| *p == parent).map(|(id, _)| *id));
                    next += 1;
                }
                family.split_off(1)
            }
        }
    }

    /// What they take now.
    pub(super) fn taken(self) -> Taken {
        let mut taken = Taken::default();
        for id in self.list() {
            let Ok(statm) = fs::read_to_string(format!("/proc/{id}/statm")) else { continue };
            let pages: u64 =
                statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
            taken.count += 1;
            taken.resident += pages * 4096;
        }
        taken
    }

    /// Bytes of memory, each shared page counted once.
    pub(super) fn proportional(self) -> u64 {
        let of = |id: i32| -> Option<u64> {
            let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        };
        self.list().into_iter().filter_map(of).sum::<u64>() * 1024
    }
}

fn parent(id: i32) -> Option<i32> {
    stat(id)?.get(1)?.parse().ok()
}

/// Whether a process was stopped by a signal.
pub(super) fn is_stopped(id: i32) -> bool {
    stat(id).is_some_and(|fields| fields.first().is_some_and(|state| state == "T"))
}

/// What the kernel says of a process after its name: its state, its parent and so on.
fn stat(id: i32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace().take(2).map(str::to_owned).collect())
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Code(i32),
    Signal(Signal),
}

/// Takes note of every process that has ended; says how the one that is asked for did.
pub(super) fn reap(wanted: Option<i32>) -> Option<Exit> {
    let mut found = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(id, code)) if Some(id.as_raw()) == wanted => {
                found = Some(Exit::Code(code));
            }
            Ok(WaitStatus::Signaled(id, signal, _)) if Some(id.as_raw()) == wanted => {
                found = Some(Exit::Signal(signal));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return found,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return found,
        }
    }
}
