//! The first stage: new namespaces, and the agent as their first process.

use std::{
    fs, io,
    process::{Command, ExitCode, Stdio},
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::{getegid, geteuid},
};

use super::Spec;

/// Tells the agent which protections are missing, one a line.
pub(super) const MISSING: &str = "CODEBUILD_SANDBOX_MISSING";
/// Tells the agent that the build has a network of its own.
pub(super) const NETWORK: &str = "CODEBUILD_SANDBOX_NETWORK";

pub(super) fn main(spec: &Spec, path: &str) -> io::Result<ExitCode> {
    for (outside, _) in spec.writable() {
        fs::create_dir_all(outside)?;
    }
    let (network, missing) = isolate();
    let (program, prefix) = spec
        .program
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the program is not named"))?;
    // What the host says goes to the agent, and what the agent says to the host.
    let mut agent = Command::new(program)
        .args(prefix)
        .args(["agent", path])
        .env_clear()
        .env(MISSING, missing.join("\n"))
        .env(NETWORK, if network { "own" } else { "" })
        .stdin(Stdio::inherit())
        .spawn()?;
    let status = agent.wait()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Leaves the host's namespaces: whether the network's too, and what could not be left.
fn isolate() -> (bool, Vec<String>) {
    let (user, group) = (geteuid(), getegid());
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if let Err(error) = unshare(all) {
        return (false, vec![format!("namespaces ({error})")]);
    }
    // The agent is the root of its own namespace, and nobody outside.
    let maps = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {group} 1")));
    if let Err(error) = maps {
        return (false, vec![format!("user ids ({error})")]);
    }
    let mut missing = Vec::new();
    // After the ids: the network's files belong to the root of the namespace then.
    let network = unshare(CloneFlags::CLONE_NEWNET);
    if let Err(error) = network {
        missing.push(format!("network ({error})"));
    }
    // Hides the groups of the host's processes; older kernels have none.
    if let Err(error) = unshare(CloneFlags::CLONE_NEWCGROUP) {
        missing.push(format!("cgroup namespace ({error})"));
    }
    (network.is_ok(), missing)
}
