//! The interpreter: an execution's state, and how events change it.
//!
//! Nothing here does input or output, and nothing changes the state except [`Execution::apply`],
//! so that replaying the events of a journal gives exactly the state that wrote them.

mod apply;
mod environment;
mod event;
mod failure;
mod fan;
mod history;
mod interpreter;
mod probe;
mod redrive;
mod run;
mod state;
mod task;

pub(crate) use event::{Body, Event, ROOT, ScopeId};
pub(crate) use history::{Renderer, instant_seconds};
pub(crate) use interpreter::{
    Attempt, Completion, Effect, Execution, Identity, LARGEST_DATA, MOST_EVENTS,
};
pub(crate) use probe::{Verdict, verdict};
