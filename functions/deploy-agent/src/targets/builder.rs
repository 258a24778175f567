//! Where commands run: apart from the agent.

use std::sync::Arc;

use pact_agent::builds::{Builds, SignedUrls};

/// Where commands run.
#[derive(Clone)]
pub struct Builder {
    /// The build service.
    pub builds: Arc<dyn Builds>,
    /// Addresses of what a build fetches and hands over.
    pub urls: Arc<dyn SignedUrls>,
}
