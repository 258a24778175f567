//! What the agent works with.

use std::sync::Arc;

use pact_agent::{
    ports::{Artifacts, Policies},
    secrets::Secrets,
};

use crate::config::Config;

/// Everything outside that the agent reaches.
pub(crate) struct Services {
    pub(crate) config: Config,
    pub(crate) artifacts: Arc<dyn Artifacts>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) policies: Arc<dyn Policies>,
}
