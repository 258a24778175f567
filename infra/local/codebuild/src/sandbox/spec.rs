//! What the program of a build environment is told.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::buildspec::Phase;

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
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
    }

    /// The folders that a build writes to, where they are outside and inside.
    pub(super) fn writable(&self) -> [(PathBuf, PathBuf); 5] {
        [
            (self.work.join("src"), SOURCE.into()),
            (self.work.join("state"), Path::new(INSIDE).join("state")),
            (self.work.join("tmp"), "/tmp".into()),
            (self.cache.join("home"), self.view.home.clone()),
            (self.cache.join("kept"), CACHE.into()),
        ]
    }
}
