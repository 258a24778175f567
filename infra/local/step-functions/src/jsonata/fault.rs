//! Why an expression has no value.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// It evaluated to nothing.
    Undefined,
    /// It evaluated to a function or a regular expression.
    Unsupported,
    /// It threw; the message with its code.
    Threw(String),
    /// It was stopped at a limit.
    Bound(Cow<'static, str>),
    /// Nobody waits for the value any longer.
    Interrupted,
    /// It could not be evaluated, whatever it is.
    Broken(String),
}

impl Fault {
    /// It nests too deeply.
    pub(crate) const STACK: Self = Self::Bound(Cow::Borrowed(
        "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive.",
    ));
    /// It takes too long.
    pub(crate) const TIME: Self =
        Self::Bound(Cow::Borrowed("Expression evaluation timeout: Check for infinite loop"));
    /// It takes too much memory.
    pub(crate) const MEMORY: Self = Self::Bound(Cow::Borrowed(
        "Expression evaluation memory limit exceeded: Check for excessive memory usage",
    ));
}
