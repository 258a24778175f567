//! JSONata as Step Functions has it: the extra functions, `$states`, and no `$eval`.

mod check;
mod convert;
mod evaluate;
mod expression;
mod fault;
mod functions;
mod limits;
mod tree;
mod wording;

pub(crate) use check::{reads_error_output, refused_operator, top_level_references};
pub(crate) use convert::from_json;
pub(crate) use evaluate::{Environment, evaluate};
pub(crate) use expression::Expression;
pub(crate) use fault::Fault;
pub(crate) use wording::syntax;
