//! What a source has to be able to do.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::SdkConfig;
use pact_agent::AgentError;
use pact_config::form::Form;
use pact_contract::{
    EnvironmentName,
    actions::Metrics,
    run::Apart,
    settings::{Instance, Probe},
};
use tokio::time::Instant;

use crate::http::Client;

/// A kind of source: its settings, and how one is reached.
pub(crate) struct Kind {
    /// The word that chooses it.
    pub(crate) name: &'static str,
    /// Its settings in `pact.toml`.
    pub(crate) form: fn() -> Form,
    /// Reads and checks the settings. Asks nobody.
    ///
    /// # Errors
    /// Why the settings are refused.
    pub(crate) open: fn(&Instance, &Surroundings) -> Opened,
}

/// A source, or why its settings are refused.
pub(crate) type Opened = Result<Box<dyn MetricSource>, String>;

/// What a source may use of the agent.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// Sends requests to the service that is watched.
    pub(crate) http: Arc<Client>,
    /// The account's services, where this installation has them.
    pub(crate) aws: Option<SdkConfig>,
}

/// Where the numbers come from by which a release is judged.
#[async_trait]
pub(crate) trait MetricSource: Send + Sync {
    /// Measures for as long as the window says, and the watcher wants.
    ///
    /// # Errors
    /// The source could not be asked: a fault, and no word about the release.
    async fn measure(
        &self,
        window: &Window<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<Measured, AgentError>;
}

/// Who looks at the numbers while they come in.
pub(crate) trait Watcher: Send {
    /// Whether there is a look due after so many requests.
    fn due(&self, requests: u64) -> bool;
    /// Looks. What is clear ends the watch.
    fn look(&mut self, so_far: &mut Metrics) -> Watching;
    /// Looks once more at the end of the time: for how much longer the watch goes on, if it does.
    fn end(&mut self, all: &mut Metrics) -> Option<Duration>;
}

/// Whether a watch goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watching {
    GoesOn,
    Ends,
}

/// What is measured, and when.
pub(crate) struct Window<'a> {
    pub(crate) environment: &'a EnvironmentName,
    /// Address of the environment, where it has one.
    pub(crate) url: Option<&'a str>,
    /// Where the release that is judged and the one before it are asked each for itself, where they can be.
    pub(crate) apart: Option<&'a Apart>,
    /// The environment's health probes.
    pub(crate) probes: &'a [Probe],
    pub(crate) begun: Instant,
    pub(crate) length: Duration,
    /// When the call ends, whatever is still to be waited for.
    pub(crate) last: Instant,
    /// Whether a release is judged, which has only just come. Otherwise what was measured lately
    /// does as well as what is measured now.
    pub(crate) judged: bool,
}

/// What came of it.
pub(crate) enum Measured {
    Metrics(Metrics),
    /// There was nothing to measure, for this reason.
    Nothing(String),
}
