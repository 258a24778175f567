//! Watches over what a build takes.
//!
//! A control group would do it too, but only root or a session manager may make one. The agent sees
//! every process of the build and looks often enough: what is taken between two looks is what a
//! build may be over its limit for a moment.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use nix::sys::statvfs::statvfs;

use super::{Limits, processes::Processes};

/// Time between two looks at memory and processes, and at the disk.
const LOOK: Duration = Duration::from_millis(100);
const DISK: Duration = Duration::from_millis(500);
/// Most files that are measured at one look.
const FILES: usize = 2_000_000;

pub(super) struct Watch {
    limits: Limits,
    processes: Processes,
    folders: Vec<PathBuf>,
    /// Bytes that the disk had free at the beginning.
    free: u64,
    looked: Instant,
    looked_at_disk: Instant,
}

impl Watch {
    pub(super) fn new(limits: Limits, processes: Processes, folders: Vec<PathBuf>) -> Self {
        let free = folders.first().and_then(free).unwrap_or(u64::MAX);
        let now = Instant::now();
        Self { limits, processes, folders, free, looked: now, looked_at_disk: now }
    }

    /// Why the build has to end, if it has to.
    pub(super) fn exceeded(&mut self) -> Option<String> {
        let now = Instant::now();
        if now.duration_since(self.looked) < LOOK {
            return None;
        }
        self.looked = now;
        let Limits { memory, processes, disk } = self.limits;
        let taken = self.processes.taken();
        if processes > 0 && taken.count > processes {
            return Some(format!("the build had more than {processes} processes"));
        }
        if memory > 0 && taken.resident > memory && self.processes.proportional() > memory {
            return Some(format!("the build took more than {} of memory", size(memory)));
        }
        if disk > 0 && now.duration_since(self.looked_at_disk) >= DISK {
            self.looked_at_disk = now;
            // Measuring is only worth its time when so much is gone at all.
            let gone = self.free.saturating_sub(self.folders.first().and_then(free)?);
            if gone > disk && self.written() > disk {
                return Some(format!("the build wrote more than {} to disk", size(disk)));
            }
        }
        None
    }

    fn written(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let mut bytes = 0;
        let mut left = FILES;
        let mut open = self.folders.clone();
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                bytes += metadata.blocks() * 512;
                left -= 1;
                if left == 0 {
                    return bytes;
                }
                if metadata.is_dir() {
                    open.push(entry.path());
                }
            }
        }
        bytes
    }
}

fn free(folder: &PathBuf) -> Option<u64> {
    let seen = statvfs(folder).ok()?;
    Some(seen.blocks_free() * seen.fragment_size())
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 30 && bytes.is_multiple_of(1 << 30) {
        format!("{} GiB", bytes >> 30)
    } else {
        format!("{} MiB", bytes >> 20)
    }
}
