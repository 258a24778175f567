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
mod view;
mod watch;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::{Deserialize, Serialize};

use crate::buildspec::Phase;

pub(crate) use frame::{Event, Frame, FrameReader, Outcome};
pub(crate) use network::SOCKET;

/// Where the checkout and its neighbours are inside.
pub(crate) const INSIDE: &str = "/codebuild";
/// The folder that commands begin in.
pub const SOURCE: &str = "/codebuild/output/src";
/// A folder that is kept for the next build with the same cache namespace.
pub const CACHE: &str = "/codebuild/cache";

/// What a build may use. Zero means: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory of all processes.
    pub memory: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Bytes on disk.
    pub disk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 8 << 30, processes: 4_096, disk: 20 << 30 }
    }
}

/// What a build sees of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Files and folders that are shown at their place and cannot be written.
    pub read_only: Vec<PathBuf>,
    /// Folders that are shown at their place; what a build writes there goes to its cache.
    pub overlays: Vec<PathBuf>,
    /// Files below them that are shown empty: what they hold is nobody's business.
    pub masked: Vec<PathBuf>,
    /// The home folder. It begins empty, but for what is shown in it.
    pub home: PathBuf,
}

/// Everything that the program is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// This program and its arguments, to start its own next stage.
    pub(crate) program: Vec<OsString>,
    /// The folder of this build; nobody else works there.
    pub(crate) work: PathBuf,
    /// The folder that is kept for the next build.
    pub(crate) cache: PathBuf,
    /// The folder of the host's proxy.
    pub(crate) network: PathBuf,
    /// Ports of the machine's loopback that the build may reach.
    pub(crate) ports: Vec<u16>,
    pub(crate) view: View,
    pub(crate) limits: Limits,
    /// The whole environment of the commands.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) shell: String,
    pub(crate) phases: Vec<Phase>,
    /// How long processes have to end by themselves, in milliseconds.
    pub(crate) grace_ms: u64,
}

impl Spec {
    fn read(path: &Path) -> io::Result<Self> {
        serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
    }

    /// The folders that a build writes to, where they are outside and inside.
    fn writable(&self) -> [(PathBuf, PathBuf); 5] {
        [
            (self.work.join("src"), SOURCE.into()),
            (self.work.join("state"), Path::new(INSIDE).join("state")),
            (self.work.join("tmp"), "/tmp".into()),
            (self.cache.join("home"), self.view.home.clone()),
            (self.cache.join("kept"), CACHE.into()),
        ]
    }
}

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
