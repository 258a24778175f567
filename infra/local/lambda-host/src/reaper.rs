//! A process that sees to it that functions end with their host, however the host ends.
//!
//! A program that calls [`die_with_parent`](crate::die_with_parent) does so by itself. Any other
//! would notice only when it asks the Runtime API for its next event, and what it has started would
//! never notice. So the host tells a process of its own who is there; when that process's standard
//! input ends, the host has ended, and it ends whoever is left.

use crate::{
    process::{Pids, kill_tree},
    spec::Reaper,
    sync::lock,
};
use std::{
    collections::BTreeMap,
    io::{BufRead, Write},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::Mutex,
};

/// The host's line to it. Without one, nobody is told.
pub(crate) struct ReaperLink(Option<Mutex<ChildStdin>>);

impl ReaperLink {
    /// Starts the process, in a group of its own: what ends the host by its group spares it.
    pub(crate) fn start(reaper: Option<&Reaper>) -> std::io::Result<ReaperLink> {
        let Some(reaper) = reaper else { return Ok(ReaperLink(None)) };
        let mut child = Command::new(&reaper.program)
            .args(&reaper.args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(ReaperLink(child.stdin.take().map(Mutex::new)))
    }

    /// An instance has begun.
    pub(crate) fn begun(&self, pid: u32, mark: &str) {
        self.send(&format!("begun {pid} {mark}\n"));
    }

    /// Children that an invocation has left behind on purpose; they are spared.
    pub(crate) fn detached(&self, pid: u32, detached: &Pids) {
        let detached: Vec<_> = detached.iter().map(u32::to_string).collect();
        self.send(&format!("detached {pid} {}\n", detached.join(" ")));
    }

    /// An instance has ended; from here on its id may belong to another process.
    pub(crate) fn ended(&self, pid: u32) {
        self.send(&format!("ended {pid}\n"));
    }

    fn send(&self, line: &str) {
        let Some(pipe) = &self.0 else { return };
        // A line is far shorter than what a pipe takes at once.
        if let Err(error) = lock(pipe).write_all(line.as_bytes()) {
            tracing::warn!(%error, "the reaper has ended: functions outlive a host that is killed");
        }
    }
}

/// What the program of a [`Reaper`] does: it follows what its host says on standard input, and
/// when the host has ended, ends the functions that are left, with everything they started
/// except services that an earlier invocation left behind.
///
/// # Errors
/// When standard input cannot be read. The functions are ended then too.
pub fn reap_orphans() -> std::io::Result<()> {
    let mut instances = BTreeMap::<u32, (String, Pids)>::new();
    let mut read = Ok(());
    for line in std::io::stdin().lock().lines() {
        match line {
            Ok(line) => follow(&mut instances, &line),
            Err(error) => {
                read = Err(error);
                break;
            }
        }
    }
    for (pid, (mark, detached)) in &instances {
        kill_tree(*pid, mark, detached);
    }
    read
}

fn follow(instances: &mut BTreeMap<u32, (String, Pids)>, line: &str) {
    let mut words = line.split_whitespace();
    let (what, pid) = (words.next(), words.next().and_then(|word| word.parse().ok()));
    match (what, pid) {
        (Some("begun"), Some(pid)) => {
            let mark = words.next().unwrap_or_default().to_owned();
            instances.insert(pid, (mark, Pids::new()));
        }
        (Some("detached"), Some(pid)) => {
            if let Some((_, detached)) = instances.get_mut(&pid) {
                *detached = words.filter_map(|word| word.parse().ok()).collect();
            }
        }
        (Some("ended"), Some(pid)) => {
            instances.remove(&pid);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_ended_is_not_killed_and_what_was_detached_is_spared() {
        let mut instances = BTreeMap::new();
        for line in
            ["begun 7 http://a/x", "detached 7 8 9", "begun 70 http://a/y", "ended 70", "", "?"]
        {
            follow(&mut instances, line);
        }
        assert_eq!(instances, BTreeMap::from([(7, ("http://a/x".to_owned(), Pids::from([8, 9])))]));
    }
}
