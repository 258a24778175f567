//! What the agent works with.

use std::sync::Arc;

use pact_agent::ports::{Artifacts, Policies};
use pact_hosts::HostTokens;

use crate::config::Config;

/// Everything outside that the agent reaches.
pub(crate) struct Services {
    pub(crate) config: Config,
    pub(crate) artifacts: Arc<dyn Artifacts>,
    pub(crate) tokens: HostTokens,
    pub(crate) policies: Arc<dyn Policies>,
}
