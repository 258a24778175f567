//! The asynchronous runtime of a command.

use tokio::runtime::Runtime;

use crate::failure::{Context, Failure};

/// Starts it, with a thread for each core.
pub(crate) fn start() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().doing("start the runtime")
}
