//! Where what an agent does is recorded.

use std::sync::Arc;

use crate::{
    metrics::Metrics,
    ports::{Artifacts, Idempotency, Recorder},
    waiting::{TaskTokens, WaitingCalls},
};

/// Where the adapter records.
#[derive(Clone)]
pub struct Recording {
    /// Stage records and the transaction log.
    pub recorder: Arc<dyn Recorder>,
    /// Answers by idempotency key.
    pub idempotency: Arc<dyn Idempotency>,
    /// Whole results that are too large for a record.
    pub artifacts: Arc<dyn Artifacts>,
    /// What is counted and timed.
    pub metrics: Arc<dyn Metrics>,
    /// What an agent needs whose answers may come later.
    pub later: Option<Later>,
}

/// Where calls are kept whose answer comes later, and how they are answered.
#[derive(Clone)]
pub struct Later {
    /// The calls.
    pub calls: Arc<dyn WaitingCalls>,
    /// The executions that wait.
    pub tokens: Arc<dyn TaskTokens>,
}
