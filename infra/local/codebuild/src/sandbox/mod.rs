//! The environment that a build runs in: a program of its own, in three stages.
//!
//! 1. The **outer** stage leaves the host's user, mount, process, IPC, host name and network namespaces and
//!    starts the second stage as the first process of the new ones.
//! 2. The **agent** makes the file system that the build sees, runs the commands phase by phase, and
//!    watches over time, memory, processes and disk. It is process 1 of the build: when it ends, the
//!    kernel ends all the others. It ends when the host asks, and when the host is gone.
//! 3. Each phase is started through a stage that takes another user id, without capabilities, in a
//!    user namespace below the agent's: the build can neither look into the agent nor end it.
//!
//! The build can therefore not say of itself how it ended: the agent has the only way out to the
//! host, and what a command writes arrives there as output and as nothing else.
//!
//! Where the kernel refuses a namespace the build runs without it, and the missing protection is
//! named. Without any, the agent ends whatever descends from it, and nothing hides the machine's files.

mod agent;
mod exec;
mod frame;
mod network;
mod outer;
mod processes;
mod spec;
mod view;
mod watch;

use std::{ffi::OsString, io, path::Path, process::ExitCode};

pub(crate) use frame::{Event, Frame, FrameReader, Outcome};
pub(crate) use network::SOCKET;
pub use spec::{CACHE, Limits, SOURCE, View};
pub(crate) use spec::{INSIDE, Spec};

/// The program: with the path of a specification it is the outer stage, which starts the others.
///
/// It has to be called before the process has a second thread.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let first = arguments.first().and_then(|argument| argument.to_str());
    let done = match (first, arguments.get(1)) {
        (Some("agent"), Some(spec)) => {
            Spec::read(Path::new(spec)).and_then(|spec| agent::main(&spec))
        }
        (Some("exec"), Some(how)) => exec::main(how, arguments.get(2..).unwrap_or_default()),
        (Some(spec), None) => Spec::read(Path::new(spec)).and_then(|read| outer::main(&read, spec)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this is a stage of a build environment",
        )),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            frame::say(&Event::Fault { reason: error.to_string() });
            ExitCode::FAILURE
        }
    }
}
