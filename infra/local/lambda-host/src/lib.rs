//! AWS Lambda on one machine.
//!
//! Each instance of a function is a child process that speaks the Lambda Runtime API, serves one
//! invocation at a time and is used again. A crash, a time-out or a kill is as real as on AWS: the
//! process with everything it started is killed, and the caller gets the error AWS would
//! report. Only what an earlier invocation left behind on purpose, in a process group of its own and
//! with a clean environment, lives on: a service.
//!
//! - [`Host`] runs the functions; [`Host::invoke`] is the `Invoke` operation.
//! - [`Host::router`] serves that operation, and what describes functions, over HTTP, for any AWS
//!   client.
//! - [`http_api`] turns HTTP requests into API Gateway events.
//! - [`die_with_parent`] is called by a function's program, so that it ends with its host; for any
//!   other program there is a [`Reaper`].

mod api;
mod error;
mod events;
mod function;
mod host;
pub mod http_api;
mod instance;
mod log;
pub mod loopback;
mod managed;
mod name;
mod pool;
mod process;
mod reaper;
mod runtime_api;
mod spec;
mod sync;
mod urls;

pub use error::{HostError, RequestError, Throttle};
pub use host::Host;
pub use process::die_with_parent;
pub use reaper::reap_orphans;
pub use spec::{
    FunctionSpec, FunctionStore, HostOptions, InstanceInfo, Invocation, InvocationType,
    InvokeRequest, Object, Objects, Policy, Reaper,
};
