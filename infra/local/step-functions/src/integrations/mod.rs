//! What a Task state can call: the integrations that AWS has.
//!
//! `arn:aws:states:::lambda:invoke` is one of the few that Step Functions made itself (optimised),
//! `arn:aws:states:::aws-sdk:dynamodb:query` one of those that pass an action of any service on.
//! What this machine performs is fewer: see [`TaskExecutor::performs`](crate::TaskExecutor).

mod check;
mod optimised;
mod resource;
mod sdk;

pub(crate) use check::{missing, refuse};
pub(crate) use resource::Resource;
