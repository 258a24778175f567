//! Where what an agent does is recorded.

use std::sync::Arc;

use crate::{
    metrics::Metrics,
    ports::{Artifacts, Idempotency, Recorder},
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
}
