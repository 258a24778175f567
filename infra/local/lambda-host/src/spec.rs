//! What a host is told, and what it tells.

use crate::watch::Watcher;
use bytes::Bytes;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// A function and the program that is its runtime and handler.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The function's name.
    pub name: String,
    /// The function's ARN.
    pub arn: String,
    /// The program of an instance.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The function's own environment variables.
    pub env: BTreeMap<String, String>,
    /// The time limit of an invocation.
    pub timeout: Duration,
    /// The memory size, as told to the function; it is not enforced.
    pub memory_mb: u32,
    /// How many instances may run at once; [`Policy::unreserved`] when not given.
    pub max_concurrency: Option<u32>,
    /// Where the output of its instances goes.
    pub log: Option<PathBuf>,
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
    /// Ends the functions when the host is killed; programs that call
    /// [`die_with_parent`](crate::die_with_parent) need none.
    pub watcher: Option<Watcher>,
}

impl Default for HostOptions {
    fn default() -> Self {
        HostOptions {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            max_payload: 6 * 1024 * 1024,
            watcher: None,
        }
    }
}

/// How instances are started, kept and ended.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The concurrency limit of a function that sets none.
    pub unreserved: u32,
    /// How many invocations of a function may wait for an instance.
    pub queue: usize,
    /// After how long without work an instance ends.
    pub idle: Duration,
    /// How long an instance may take until it asks for its first event.
    pub init: Duration,
    /// The pauses before an asynchronous invocation that failed is tried again.
    pub retries: Vec<Duration>,
    /// How many asynchronous invocations may be pending.
    pub events: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            unreserved: 16,
            queue: 100,
            idle: Duration::from_secs(300),
            init: Duration::from_secs(30),
            retries: vec![Duration::from_secs(60), Duration::from_secs(120)],
            events: 1000,
        }
    }
}

/// Whether the caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvocationType {
    /// The caller gets the result.
    RequestResponse,
    /// The event is taken, run in the background, and tried again when it fails.
    Event,
    /// Nothing runs; only whether it could.
    DryRun,
}

/// The result of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// What the function answered: its result, or the error it or the host reports.
    pub payload: Bytes,
    /// `Unhandled` when the payload is an error.
    pub function_error: Option<String>,
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
