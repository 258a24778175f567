//! AWS Lambda on one machine.
//!
//! Each instance of a function is a child process that speaks the Lambda Runtime API, serves one
//! invocation at a time and is used again. A crash, a time-out or a kill is as real as on AWS: the
//! process with everything it started is killed, and the caller gets the error AWS would
//! report. Only what an earlier invocation left behind on purpose, in a process group of its own and
//! with a clean environment, lives on: a service.
//!
//! - [`Host`] runs the functions; [`Host::invoke`] is the `Invoke` operation.
//! - [`Host::router`] serves that operation over HTTP, for any AWS client.
//! - [`http_api`] turns HTTP requests into API Gateway events.
//! - [`die_with_parent`] is called by a function's program, so that it ends with its host; for any
//!   other program there is a [`Watcher`].

mod error;
mod function;
mod host;
pub mod http_api;
mod instance;
mod invoke_api;
mod log;
mod pool;
mod process;
mod runtime_api;
mod spec;
mod watch;

pub use error::{HostError, InvokeError};
pub use host::Host;
pub use process::die_with_parent;
pub use spec::{FunctionSpec, HostOptions, InstanceInfo, Invocation, InvocationType, Policy};
pub use watch::{Watcher, watch};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a lock guards stays consistent between statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
