//! State machine definitions: text in, a checked graph of states out.

mod diagnostic;
mod duplicates;
mod fields;
mod graph;
mod parse;
mod reader;
mod rules;
mod state;
mod template;
mod validate;

pub use diagnostic::{Diagnostic, Severity};
pub use state::Definition;
pub use validate::validate;

pub(crate) use diagnostic::NOT_PERFORMED;
pub(crate) use graph::calls;
pub(crate) use state::{Graph, Kind, Retrier, Rule, State, StateType, Wait};
pub(crate) use template::{Evaluate, Template, TemplateFault};
pub(crate) use validate::{reread, validate_as};
