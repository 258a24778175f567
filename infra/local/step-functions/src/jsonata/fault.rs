//! Why an expression has no value.

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It evaluated to nothing.
    Undefined,
    /// It evaluated to a function or a regular expression.
    Unsupported,
    /// It threw; the message with its code.
    Threw(String),
    /// It was stopped at a limit.
    Bound(&'static str),
}
