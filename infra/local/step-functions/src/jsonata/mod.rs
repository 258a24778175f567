//! JSONata as Step Functions has it: the extra functions, `$states`, and no `$eval`.

mod bindings;
mod check;
mod convert;
mod cost;
mod evaluate;
mod expression;
mod fault;
mod functions;
mod limits;
mod tree;
mod wording;

pub(crate) use bindings::{Bindings, Environment, OwnedBindings};
pub(crate) use check::{reads_error_output, refused_operator, top_level_references};
pub(crate) use evaluate::{evaluate, is_small};
pub(crate) use expression::Expression;
pub(crate) use fault::Fault;
pub(crate) use limits::TIME_LIMIT_MS;
pub(crate) use wording::syntax;

pub(crate) use jsonata_core::evaluator::CancelToken;
