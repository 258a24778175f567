//! What the agent reaches.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use pact_agent::{
    AgentError,
    builds::{Builds, SignedUrls},
    ports::{Artifacts, Registry},
};
use pact_hosts::HostTokens;

/// Everything outside that the agent reaches.
#[derive(Clone)]
pub struct Services {
    /// Where bundles are read, and results are kept.
    pub artifacts: Arc<dyn Artifacts>,
    /// Addresses of single objects there, for builds.
    pub urls: Arc<dyn SignedUrls>,
    /// Where code of commits runs.
    pub builds: Arc<dyn Builds>,
    /// What is known of repositories.
    pub registry: Arc<dyn Registry>,
    /// What git hosts are asked with.
    pub tokens: Arc<HostTokens>,
    /// Asks them.
    pub hosts: HostClient,
}

/// Longest wait for a connection to a git host, and for a whole answer of one.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(60);

/// The HTTP client for the APIs of git hosts. It reads the machine's root certificates, so it is made
/// when it is first needed.
#[derive(Clone, Default)]
pub struct HostClient(Arc<OnceLock<reqwest::Client>>);

impl HostClient {
    /// # Errors
    /// There is none.
    pub(crate) fn get(&self) -> Result<reqwest::Client, AgentError> {
        if let Some(client) = self.0.get() {
            return Ok(client.clone());
        }
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // Where an answer sends on to is followed by whoever knows what may go there.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pact/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| AgentError::internal("there is no HTTP client").caused_by(e))?;
        Ok(self.0.get_or_init(|| client).clone())
    }
}
