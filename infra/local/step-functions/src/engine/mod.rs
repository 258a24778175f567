//! The engine: state machines and executions, kept in a journal and driven by tasks of the runtime.

mod drive;
mod handle;
mod inner;
mod machine;
mod machines;
mod names;
mod nested;
mod open;
mod options;
mod record;
mod redrive;
mod run;
mod status;
mod summary;

pub use handle::Engine;
pub use options::{Clock, EngineOptions};
pub use status::StatusChange;

pub(crate) use inner::Inner;
pub(crate) use machine::{Configuration, Draft, Machine, Revision, Tag};
pub(crate) use names::{check_length, check_name, execution_arn};
pub(crate) use run::{Command, Run, Stage};
