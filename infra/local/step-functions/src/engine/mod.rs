//! The engine: state machines and executions, kept in a journal and driven by tasks of the runtime.

mod drive;
mod handle;
mod health;
mod inner;
mod machine;
mod machines;
mod names;
mod nested;
mod open;
mod options;
mod pages;
mod places;
mod quarantine;
mod record;
mod redrive;
mod retention;
mod run;
mod slots;
mod start;
mod status;
mod summary;
mod trail;
mod within;

pub use handle::Engine;
pub use health::{Health, Losses};
pub use options::{Clock, EngineOptions};
pub use status::StatusChange;

pub(crate) use inner::Inner;
pub(crate) use machine::{Configuration, Draft, Machine, Revision, Tag};
pub(crate) use names::{check_length, check_name, execution_arn};
pub(crate) use pages::Wanted;
pub(crate) use run::{Command, Run, Stage};
