//! What one run would have cost on AWS, from what it did here.

mod logs;
mod price;

pub(crate) use logs::{Invocation, invocations};
pub(crate) use price::{Bill, Measured};
