//! AWS CodeBuild on one machine.
//!
//! A build runs the commands of its buildspec in an environment of its own: it sees the machine's
//! toolchains, and neither the processes nor the files of whoever started it. What AWS does with a
//! container is done with Linux namespaces, without root and without another program. Where the
//! kernel does not allow one of them, the build runs without it, and says so in the context of its
//! phase `PROVISIONING` (see [`sandbox`]).
//!
//! - [`CodeBuild`] keeps projects and builds; [`CodeBuild::call`] performs one operation.
//! - [`CodeBuild::router`] serves the operations over HTTP, for any AWS client, and the reading part
//!   of CloudWatch Logs for what builds wrote.
//! - [`CodeBuild::events`] has the state changes that EventBridge would be told.
//! - [`sandbox::main`] is the program that a build runs in.
//!
//! A build ends with its host: after a kill of the host nothing of it is left, and the next start
//! says of it that it was a fault.

mod api;
mod build;
mod buildspec;
mod error;
mod host;
mod log;
mod project;
mod proxy;
mod run;
pub mod sandbox;
mod shell;
mod store;
mod sync;

pub use build::{StateChange, Status};
pub use buildspec::{Buildspec, BuildspecError};
pub use error::{ApiError, OpenError};
pub use host::{CodeBuild, Options};
pub use project::Project;
pub use sandbox::{Limits, View};
pub use store::{Spent, spent};
