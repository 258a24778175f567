//! What a host knows: its services and their instances, as they are kept on disk.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use pact_processes::Identity;
use serde::{Deserialize, Serialize};

use crate::refusal::{Code, Refusal};

/// Version in which the state is written. A reader takes every version up to its own; a newer one
/// is left alone.
pub(crate) const SCHEMA: u32 = 1;

/// Most services of a host.
pub(crate) const MAX_SERVICES: usize = 500;
/// Most instances of a service.
pub(crate) const MAX_INSTANCES: usize = 32;
/// Most words of a command, variables of an environment, labels, probes.
const MAX_WORDS: usize = 512;
/// Most bytes of a word or a value.
const MAX_TEXT: usize = 64 * 1024;
/// Longest start of an instance, in milliseconds.
const MAX_STARTUP: u64 = 15 * 60 * 1000;

/// What an instance is started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Working directory.
    pub folder: PathBuf,
    /// Its whole environment, but for the variable with its port and two that mark it as the host's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Name of the variable with the port that it is to listen on.
    #[serde(default = "port_variable")]
    pub port_variable: String,
    /// Folders besides its own that it may use, where what the host hides from it lies around them.
    #[serde(default)]
    pub data: Vec<PathBuf>,
    /// File for its output. The one before is kept beside it; it is emptied above 16 MiB.
    pub log: PathBuf,
    /// How long it may take until it listens, in milliseconds.
    #[serde(default = "startup")]
    pub startup_ms: u64,
    /// How long it may take from then on until its probes answer, in milliseconds.
    #[serde(default = "startup")]
    pub probe_ms: u64,
    /// An instance that ends sooner than this was not started; in milliseconds.
    #[serde(default = "settle")]
    pub settle_ms: u64,
    /// What has to answer before it gets a request.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// For whoever asked for it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A request that a new instance has to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Path, with a query where there is one.
    pub path: String,
    /// The right status.
    pub status: u16,
    /// Text that the body has.
    #[serde(default)]
    pub contains: Option<String>,
    /// After how many wrong answers in a row the instance is given up; 0: only when its time is over.
    /// 503 and refused connections are waited for.
    #[serde(default)]
    pub give_up_after: u32,
}

fn port_variable() -> String {
    "PORT".to_owned()
}

fn startup() -> u64 {
    10_000
}

fn settle() -> u64 {
    500
}

/// Where an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It was started and does not take requests yet.
    Starting,
    /// It takes requests, as many as its weight says.
    Ready,
    /// It ended by itself after it had been ready, and is started again.
    Restarting,
    /// It was never ready, and nothing of it runs; `failure` says why.
    Failed,
    /// It is drained and ended, and then forgotten.
    Ending,
}

/// Why an instance was never ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What it is.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
}

/// What kept an instance from being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The program cannot be run.
    NotStarted,
    /// It ended.
    Exited,
    /// It takes no connections in its time.
    NotListening,
    /// It answers its probes wrongly.
    ProbeFailed,
}

/// When and how an instance ended by itself the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When it was noticed.
    pub at: Timestamp,
    /// Exit code or signal.
    pub how: String,
}

/// An instance of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) spec: Spec,
    pub(crate) phase: Phase,
    /// Its share of the requests, beside the weights of the others. 0: it is warm.
    pub(crate) weight: u32,
    pub(crate) port: Option<u16>,
    pub(crate) process: Option<Identity>,
    /// Whether it was ready once.
    pub(crate) served: bool,
    /// How often it was started again after it had ended by itself.
    pub(crate) restarts: u32,
    pub(crate) last_end: Option<End>,
    pub(crate) failure: Option<Failure>,
    /// Since when it gets no new request.
    pub(crate) idle_since: Option<Timestamp>,
    /// How long it is kept warm then, in milliseconds; none: until it is let go.
    pub(crate) keep_ms: Option<u64>,
    /// How long its last requests may take when it is ended, in milliseconds.
    pub(crate) drain_ms: u64,
}

impl Instance {
    pub(crate) fn new(spec: Spec) -> Self {
        Self {
            spec,
            phase: Phase::Starting,
            weight: 0,
            port: None,
            process: None,
            served: false,
            restarts: 0,
            last_end: None,
            failure: None,
            idle_since: None,
            keep_ms: None,
            drain_ms: 0,
        }
    }
}

/// A service: one address, served by its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// The port of its address.
    pub(crate) port: u16,
    /// Whether it takes connections: from the first time on that an instance has weight.
    pub(crate) listening: bool,
    pub(crate) instances: BTreeMap<String, Instance>,
}

/// Everything that survives the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Version of this type.
    pub(crate) schema: u32,
    /// Port of the host's own protocol; 0: none was bound yet.
    pub(crate) control_port: u16,
    pub(crate) services: BTreeMap<String, Service>,
}

impl Default for State {
    fn default() -> Self {
        Self { schema: SCHEMA, control_port: 0, services: BTreeMap::new() }
    }
}

impl State {
    pub(crate) fn service(&self, name: &str) -> Result<&Service, Refusal> {
        self.services.get(name).ok_or_else(|| no_service(name))
    }

    pub(crate) fn service_mut(&mut self, name: &str) -> Result<&mut Service, Refusal> {
        self.services.get_mut(name).ok_or_else(|| no_service(name))
    }

    pub(crate) fn instance_mut(&mut self, key: &Key) -> Result<&mut Instance, Refusal> {
        let service = self.service_mut(&key.service)?;
        service.instances.get_mut(&key.id).ok_or_else(|| no_instance(key))
    }
}

fn no_service(name: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no service {name:?}"))
}

pub(crate) fn no_instance(key: &Key) -> Refusal {
    let Key { service, id } = key;
    Refusal::new(Code::NotFound, format!("the service {service:?} has no instance {id:?}"))
}

/// An instance of a service, by its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) service: String,
    pub(crate) id: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.id)
    }
}

/// Checks the name of a service or an instance: it goes into paths, variables and headers.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.is_empty() && name.len() <= 200 && name.chars().all(plain) {
        return Ok(());
    }
    let shown: String = name.chars().take(50).collect();
    let rule = "1 to 200 letters, digits, dots, dashes and underscores";
    Err(Refusal::new(Code::Invalid, format!("{shown:?} is no name: use {rule}")))
}

impl Spec {
    /// Checks what could not be started, or would be without bounds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let refused = |reason: &str| Err(Refusal::new(Code::Invalid, reason));
        if self.command.first().is_none_or(|program| program.trim().is_empty()) {
            return refused("the command names no program");
        }
        let lists = [self.command.len(), self.env.len(), self.labels.len(), self.probes.len() * 16];
        if lists.into_iter().any(|length| length > MAX_WORDS) {
            return refused("the command, its environment, labels or probes are too many");
        }
        let maps = self.env.iter().chain(&self.labels);
        let texts = self.command.iter().chain(maps.flat_map(|(name, value)| [name, value]));
        let texts = texts.chain(self.probes.iter().map(|probe| &probe.path));
        if texts.into_iter().any(|text| text.len() > MAX_TEXT || text.contains('\0')) {
            return refused("a text of the instance is too long, or has a zero byte");
        }
        let variable = |name: &str| !name.is_empty() && !name.contains(['=', '\0']);
        if !variable(&self.port_variable) || !self.env.keys().all(|name| variable(name)) {
            return refused("a variable of the instance has no name that a variable can have");
        }
        if !self.folder.is_absolute() || !self.log.is_absolute() {
            return refused("the folder and the log of the instance must be absolute paths");
        }
        if [self.startup_ms, self.probe_ms, self.settle_ms].into_iter().any(|t| t > MAX_STARTUP) {
            return refused("an instance has up to 15 minutes to listen, to answer and to settle");
        }
        let probes = self.probes.iter();
        if !probes.clone().all(|p| p.path.starts_with('/') && !p.path.contains(char::is_whitespace))
        {
            return refused("the path of a probe begins with / and has no spaces");
        }
        Ok(())
    }
}
