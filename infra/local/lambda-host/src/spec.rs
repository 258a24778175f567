//! What a host is told, and what it tells.

use crate::name::LATEST;
use bytes::Bytes;
use pact_processes::apart::{Apart, Shown};
use std::{
    collections::BTreeMap, fmt, future::Future, io, path::PathBuf, pin::Pin, sync::Arc,
    time::Duration,
};

/// A function and the program that is its runtime and handler.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The function's name.
    pub name: String,
    /// The function's ARN.
    pub arn: String,
    /// The version that it is: a number, or `$LATEST`.
    pub version: String,
    /// The runtime as AWS names it.
    pub runtime: String,
    /// The folder of its code, where it is started; that of the program without it.
    pub folder: Option<PathBuf>,
    /// What it is for.
    pub description: String,
    /// The ARN of its role.
    pub role: Option<String>,
    /// The program of an instance. It is started in its own folder, as on AWS.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The handler, which `_HANDLER` tells the program.
    pub handler: String,
    /// The environment variables of its configuration.
    pub env: BTreeMap<String, String>,
    /// Further ones from whoever runs the host: where services are, and with which credentials.
    /// They are no part of the configuration that is shown.
    pub service_env: BTreeMap<String, String>,
    /// Whether it gets what [`HostOptions::inherit`] names.
    pub inherits: bool,
    /// What it may not see of the machine, and what it may within that.
    pub apart: Option<(Apart, Vec<Shown>)>,
    /// The time limit of an invocation.
    pub timeout: Duration,
    /// The memory size in MB, as told to the function; it is not enforced.
    pub memory_mb: u32,
    /// The size of `/tmp` in MB, as it is shown; it is not enforced.
    pub ephemeral_mb: u32,
    /// How many instances may run at once; [`Policy::unreserved`] when not given.
    pub max_concurrency: Option<u32>,
    /// How often an asynchronous invocation is tried again after an error of the function.
    pub retries: u32,
    /// How long an asynchronous invocation is tried.
    pub max_event_age: Duration,
    /// Where the output of its instances goes.
    pub log: Option<PathBuf>,
}

impl FunctionSpec {
    /// A function with AWS's defaults.
    pub fn new(
        name: impl Into<String>,
        arn: impl Into<String>,
        program: impl Into<PathBuf>,
    ) -> FunctionSpec {
        FunctionSpec {
            name: name.into(),
            arn: arn.into(),
            version: LATEST.to_owned(),
            runtime: "provided.al2023".to_owned(),
            folder: None,
            inherits: true,
            apart: None,
            description: String::new(),
            role: None,
            program: program.into(),
            args: Vec::new(),
            handler: "bootstrap".to_owned(),
            env: BTreeMap::new(),
            service_env: BTreeMap::new(),
            timeout: Duration::from_secs(3),
            memory_mb: 128,
            ephemeral_mb: 512,
            max_concurrency: None,
            retries: 2,
            max_event_age: Duration::from_secs(6 * 3600),
            log: None,
        }
    }
}

/// What all functions of a host share.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The region functions believe to run in.
    pub region: String,
    /// The account.
    pub account: String,
    /// The largest payload, in and out, in bytes; AWS has 6 MiB.
    pub max_payload: usize,
    /// Names of the variables that functions inherit from the host's own environment.
    pub inherit: Vec<String>,
    /// Ends the functions when the host is killed; programs that call
    /// [`die_with_parent`](crate::die_with_parent) need none.
    pub reaper: Option<Reaper>,
    /// Where functions are kept that are made by the API; without it none can be made.
    pub functions: Option<FunctionStore>,
}

impl Default for HostOptions {
    fn default() -> Self {
        HostOptions {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            max_payload: 6 * 1024 * 1024,
            inherit: ["PATH", "LANG", "LC_ALL"].map(str::to_owned).to_vec(),
            reaper: None,
            functions: None,
        }
    }
}

/// The program of a process that ends the functions of a host that was killed. It has to call
/// [`reap_orphans`](crate::reap_orphans).
#[derive(Debug, Clone)]
pub struct Reaper {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Where functions are kept that are made by the API, and what they may have of this machine.
#[derive(Clone)]
pub struct FunctionStore {
    /// The folder. Its owner alone reads it: it has the variables of the functions.
    pub folder: PathBuf,
    /// Where interpreters are looked for, as in `PATH`.
    pub path: String,
    /// What these functions may not see. Their own code is shown to them.
    pub apart: Option<Apart>,
    /// What reads objects of buckets, for code that is in one.
    pub objects: Option<Arc<dyn Objects>>,
    /// How many bytes all zips may have together; AWS has 75 GB.
    pub max_storage: u64,
}

impl FunctionStore {
    /// A store with AWS's limit, without buckets.
    pub fn new(folder: impl Into<PathBuf>, path: impl Into<String>) -> FunctionStore {
        let (folder, path) = (folder.into(), path.into());
        FunctionStore { folder, path, objects: None, apart: None, max_storage: 75 << 30 }
    }
}

impl fmt::Debug for FunctionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The object with this key in this bucket, where there is one of at most that many bytes.
pub type Object<'a> = Pin<Box<dyn Future<Output = io::Result<Option<Bytes>>> + Send + 'a>>;

/// Reads objects of buckets.
pub trait Objects: Send + Sync {
    /// The object with this key; none where there is none.
    fn get<'a>(&'a self, bucket: &'a str, key: &'a str, most: u64) -> Object<'a>;
}

/// How instances are started, kept and ended.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The concurrency limit of a function that sets none.
    pub unreserved: u32,
    /// How many invocations of a function may wait for an instance. AWS lets none wait: what does
    /// not fit is refused.
    pub queue: usize,
    /// How many bytes of events may wait with them.
    pub queue_bytes: usize,
    /// After how long without work an instance ends.
    pub idle: Duration,
    /// How long an instance may take until it asks for its first event.
    pub init: Duration,
    /// The pauses before an asynchronous invocation that failed is tried again; the last one counts
    /// for all that follow.
    pub retries: Vec<Duration>,
    /// The pause before an asynchronous invocation that found no free instance asks again, and the
    /// longest that it grows to, twofold each time.
    pub throttled: (Duration, Duration),
    /// How many asynchronous invocations may be pending.
    pub events: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            unreserved: 16,
            queue: 1_000,
            queue_bytes: 64 * 1024 * 1024,
            idle: Duration::from_secs(300),
            init: Duration::from_secs(30),
            retries: vec![Duration::from_secs(60), Duration::from_secs(120)],
            throttled: (Duration::from_secs(1), Duration::from_secs(300)),
            events: 1000,
        }
    }
}

/// Header of the trace that a request over HTTP belongs to.
pub(crate) const TRACE: &str = "x-amzn-trace-id";

/// Whether the caller waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InvocationType {
    /// The caller gets the result.
    #[default]
    RequestResponse,
    /// The event is taken, run in the background, and tried again when it fails.
    Event,
    /// Nothing runs; only whether it could.
    DryRun,
}

impl InvocationType {
    /// The type as AWS names it.
    pub fn parse(text: &str) -> Option<InvocationType> {
        match text {
            "RequestResponse" => Some(InvocationType::RequestResponse),
            "Event" => Some(InvocationType::Event),
            "DryRun" => Some(InvocationType::DryRun),
            _ => None,
        }
    }

    /// The HTTP status of a request that was taken.
    pub fn status(self) -> u16 {
        match self {
            InvocationType::RequestResponse => 200,
            InvocationType::Event => 202,
            InvocationType::DryRun => 204,
        }
    }
}

/// What is asked of a function.
#[derive(Debug, Clone, Default)]
pub struct InvokeRequest {
    /// The function's name, or its ARN, partial or whole; with a qualifier or without.
    pub function: String,
    /// Version or alias, where the name does not say so.
    pub qualifier: Option<String>,
    /// Whether the caller waits.
    pub kind: InvocationType,
    /// The event; nothing is an empty object.
    pub payload: Bytes,
    /// Header of the trace that the invocation is part of; without one it begins a trace.
    pub trace: Option<String>,
    /// What the caller tells of itself, as JSON.
    pub client_context: Option<String>,
}

impl InvokeRequest {
    /// A caller that waits.
    pub fn new(function: impl Into<String>, payload: impl Into<Bytes>) -> InvokeRequest {
        let (function, payload) = (function.into(), payload.into());
        InvokeRequest { function, payload, ..InvokeRequest::default() }
    }

    /// The same, with another type.
    #[must_use]
    pub fn kind(mut self, kind: InvocationType) -> InvokeRequest {
        self.kind = kind;
        self
    }
}

/// The result of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// What the function answered: its result, or the error it or the host reports.
    pub payload: Bytes,
    /// `Unhandled` when the payload is an error.
    pub function_error: Option<String>,
    /// The version that was run.
    pub version: String,
    /// The id of the invocation.
    pub request_id: String,
    /// The last output of the instance during the invocation, at most 4 KB.
    pub log_tail: String,
    /// How long the invocation took, without waiting and cold start.
    pub duration: Duration,
}

/// A process that runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceInfo {
    /// The function's name.
    pub function: String,
    /// The process id, which is also that of its process group.
    pub pid: u32,
    /// Whether it serves an invocation.
    pub busy: bool,
}
