//! What the agent reaches.

use std::sync::Arc;

use pact_agent::{
    builds::{Builds, SignedUrls},
    ports::Artifacts,
};

/// Everything outside that the agent reaches.
#[derive(Clone)]
pub struct Services {
    /// Where bundles are read, and results are kept.
    pub artifacts: Arc<dyn Artifacts>,
    /// Addresses of single objects there, for builds.
    pub urls: Arc<dyn SignedUrls>,
    /// Where code of commits runs.
    pub builds: Arc<dyn Builds>,
}
