//! Tests of a commit that wait until they are told to go on. They run in a build of their own, where
//! no file of this machine is to be seen: they are known by their name, and told by a signal.

use std::sync::atomic::{AtomicU32, Ordering};

use pact_e2e::{send_signal, wait_for};

/// A test that waits.
pub(crate) struct Gate(String);

impl Gate {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(format!("pact-gate-{}-{number}", std::process::id()))
    }

    /// What the test runs.
    pub(crate) fn script(&self) -> String {
        let wait = "trap \"exit 0\" USR1; while :; do sleep 0.1; done";
        format!("exec sh -c '{wait}' {}\n", self.0)
    }

    /// The processes that wait.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let end = format!("\0{}\0", self.0);
        let waits = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"sh\0-c\0trap") && line.ends_with(end.as_bytes())
        };
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        processes.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(waits).collect()
    }

    /// Waits until so many tests wait.
    pub(crate) fn wait(&self, number: usize) {
        wait_for("the tests of the run", 60, || (self.processes().len() >= number).then_some(()));
    }

    /// Waits until none is left, however it ended.
    pub(crate) fn gone(&self, seconds: u64) {
        wait_for("the end of the tests", seconds, || self.processes().is_empty().then_some(()));
    }

    /// Lets every test that waits go on; at least one does.
    pub(crate) fn open(&self) {
        self.wait(1);
        self.processes().into_iter().for_each(|pid| send_signal(pid, "USR1"));
    }
}
