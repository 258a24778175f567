//! Step Functions on one machine: parse, validate, execute; durable history; the AWS JSON API.
//!
//! The engine runs state machines written in the Amazon States Language with the JSONata query
//! language. A definition that needs JSONPath is refused with the field that needs it.
//!
//! What it guarantees:
//!
//! - Every event of an execution is in the journal, on disk, before anything outside can see its
//!   effect: before a task is invoked, before a timer is armed, before the history shows it.
//! - After a crash at any moment, [`Engine::open`] on the same folder continues every execution
//!   from its last recorded event. A state that had finished is not run again; a task that was
//!   scheduled but had not finished is invoked again with the same task token, so tasks run at
//!   least once; timers that fell due in between fire at once.
//! - What an expression costs is known to be small before it is evaluated, or else it is evaluated
//!   in a process of its own, with a limit on its memory and its time: see [`EvaluatorProgram`].
//! - Event types, order, ids, `previousEventId`, error names and causes follow what AWS records.
//!
//! How it is made: [`definition`](validate) turns text into a checked graph; `execution` is the
//! interpreter, without any input or output, whose state changes only by applying events; `journal`
//! keeps those events; `engine` drives executions and answers the API. What a Task may name is known
//! to `integrations`, by a catalogue of what AWS has.

mod api;
mod definition;
mod engine;
mod error;
mod evaluator;
mod execution;
mod instant;
mod integrations;
mod journal;
mod jsonata;
mod sync;
mod task;

pub use definition::{Definition, Diagnostic, Severity, validate};
pub use engine::{Clock, Engine, EngineOptions, Health, Losses, StatusChange};
pub use error::{ApiError, OpenError};
pub use evaluator::{EvaluatorProgram, evaluator_main};
pub use journal::Damage;
pub use task::{TaskExecutor, TaskFailure, TaskRequest};
