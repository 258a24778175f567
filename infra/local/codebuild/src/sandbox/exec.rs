//! The third stage: another user without capabilities, and then the shell.
//!
//! Its standard input is the way to say why the shell does not begin. It is closed when the shell does, so that
//! nothing that runs there can say so in its place.

use std::{
    convert::Infallible,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Command, ExitCode, Stdio},
};

use nix::{
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        resource::{Resource, setrlimit},
    },
    unistd::{getegid, geteuid},
};
use serde::{Deserialize, Serialize};

/// User and group id of the commands.
pub(super) const USER: u32 = 1_000;

/// How a command is started.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct How {
    /// Whether there are namespaces: only then another id can be taken.
    pub(super) isolated: bool,
    pub(super) processes: u64,
    pub(super) file_bytes: u64,
}

pub(super) fn main(how: &OsStr, command: &[OsString]) -> io::Result<ExitCode> {
    // The copy ends with the image of this program.
    let mut word = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let Err(error) = begin(how, command);
    word.write_all(error.to_string().as_bytes())?;
    Ok(ExitCode::FAILURE)
}

/// Becomes the command; comes back where that cannot be.
fn begin(how: &OsStr, command: &[OsString]) -> io::Result<Infallible> {
    let how: How = serde_json::from_slice(how.as_encoded_bytes()).map_err(io::Error::other)?;
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no command"))?;
    if how.isolated {
        let (user, group) = (geteuid(), getegid());
        unshare(CloneFlags::CLONE_NEWUSER)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{USER} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{USER} {group} 1"))?;
        // Counted for the user namespace, so for this build alone.
        limit(Resource::RLIMIT_NPROC, how.processes)?;
    }
    limit(Resource::RLIMIT_FSIZE, how.file_bytes)?;
    limit(Resource::RLIMIT_CORE, 1)?;
    prctl::set_no_new_privs()?;
    // Capabilities end here: the user that begins the program is not root.
    Err(Command::new(program).args(arguments).stdin(Stdio::null()).exec())
}

/// Lowers a limit; zero leaves it.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    if value == 0 {
        return Ok(());
    }
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    let value = value.min(hard);
    Ok(setrlimit(resource, value, value)?)
}
