//! What the gateway works with: the ports that `pact-aws` implements.

use std::sync::Arc;

use pact_agent::{
    access::Tokens,
    arrivals::{Arrivals, Motor},
    heads::Heads,
    incidents::Incidents,
    metrics::Metrics,
    open::OpenRuns,
    ports::{
        Branches, Callbacks, Environments, Executions, Policies, Recorder, Registry, Runs,
        TransactionLog,
    },
    pulls::Pulls,
    room::Room,
    secrets::{SecretKeeper, Secrets},
    statuses::Statuses,
    waiting::{TaskTokens, WaitingCalls},
};
use pact_aws::Services;
use pact_contract::room::Limits;
use pact_hosts::HostTokens;
use pact_web::access::Doors;

use crate::{
    config::{Config, Supersede},
    ls_refs::Asking,
    oidc::provider::Provider,
    status_client::StatusClient,
    strangers::Strangers,
};

/// Everything outside that the gateway reaches.
#[derive(Clone)]
pub(crate) struct Ports {
    /// Pushes at the door.
    pub(crate) arrivals: Arc<dyn Arrivals>,
    /// Who does what was accepted.
    pub(crate) motor: Arc<dyn Motor>,
    /// What it was told in tests, and has not done.
    #[cfg(test)]
    pub(crate) told: Arc<std::sync::Mutex<Vec<serde_json::Value>>>,
    /// Whether a newer push of a branch takes the place of older ones.
    pub(crate) supersede: Supersede,
    /// Runs and claims.
    pub(crate) runs: Arc<dyn Runs>,
    /// Those that have not ended.
    pub(crate) open: Arc<dyn OpenRuns>,
    /// Who has room, and who waits for it.
    pub(crate) room: Arc<dyn Room>,
    /// How much room there is.
    pub(crate) limits: Limits,
    /// The order of pushes.
    pub(crate) branches: Arc<dyn Branches>,
    /// The transaction log.
    pub(crate) recorder: Arc<dyn Recorder>,
    /// The same, to read it.
    pub(crate) log: Arc<dyn TransactionLog>,
    /// Environments and their locks.
    pub(crate) environments: Arc<dyn Environments>,
    /// Repositories that are run.
    pub(crate) registry: Arc<dyn Registry>,
    /// The rules of repositories.
    pub(crate) policies: Arc<dyn Policies>,
    /// Open approvals.
    pub(crate) callbacks: Arc<dyn Callbacks>,
    /// The pipeline's executions.
    pub(crate) executions: Arc<dyn Executions>,
    /// Calls that are answered later.
    pub(crate) calls: Arc<dyn WaitingCalls>,
    /// Executions that wait for an answer.
    pub(crate) tasks: Arc<dyn TaskTokens>,
    /// What is counted and timed.
    pub(crate) metrics: Arc<dyn Metrics>,
    /// API tokens.
    pub(crate) tokens: Arc<dyn Tokens>,
    /// Who may call.
    pub(crate) doors: Doors,
    /// The provider that people sign in at.
    pub(crate) provider: Arc<Provider>,
    /// Pull requests of forks.
    pub(crate) pulls: Arc<dyn Pulls>,
    /// What commits are to show.
    pub(crate) statuses: Arc<dyn Statuses>,
    /// What serves and is not well.
    pub(crate) incidents: Arc<dyn Incidents>,
    /// Asks the git hosts to show it.
    pub(crate) status_client: Arc<StatusClient>,
    /// With which tokens they are asked.
    pub(crate) host_tokens: Arc<HostTokens>,
    /// Heads of branches at their hosts.
    pub(crate) heads: Arc<dyn Heads>,
    /// How the hosts are asked for them.
    pub(crate) asking: Arc<Asking>,
    /// What webhooks are signed with.
    pub(crate) secrets: Arc<dyn Secrets>,
    /// The same, to change those of repositories.
    pub(crate) keeper: Arc<dyn SecretKeeper>,
    /// Who is asked for whom nobody knows.
    pub(crate) strangers: Arc<Strangers>,
}

impl Ports {
    /// What `pact-aws` has, as it is configured.
    pub(crate) fn new(services: &Services, config: &Config) -> Self {
        Self {
            arrivals: Arc::clone(&services.store) as _,
            motor: services.motor(),
            #[cfg(test)]
            told: Arc::default(),
            supersede: config.supersede,
            room: Arc::clone(&services.store) as _,
            limits: config.limits,
            heads: Arc::clone(&services.store) as _,
            asking: Arc::new(Asking::of(config.sources.clone())),
            runs: Arc::clone(&services.store) as _,
            open: Arc::clone(&services.store) as _,
            branches: Arc::clone(&services.store) as _,
            recorder: Arc::clone(&services.store) as _,
            log: Arc::clone(&services.store) as _,
            environments: Arc::clone(&services.store) as _,
            registry: Arc::clone(&services.store) as _,
            policies: Arc::clone(&services.store) as _,
            callbacks: Arc::clone(&services.store) as _,
            statuses: Arc::clone(&services.store) as _,
            incidents: Arc::clone(&services.store) as _,
            status_client: Arc::default(),
            host_tokens: Arc::new(HostTokens::new(services.secrets(), config.app.clone())),
            provider: Arc::default(),
            pulls: Arc::clone(&services.store) as _,
            calls: Arc::clone(&services.store) as _,
            tasks: services.executions(),
            executions: services.executions(),
            metrics: Arc::clone(&services.metrics),
            tokens: Arc::clone(&services.store) as _,
            doors: Doors::new(
                Arc::clone(&services.store) as _,
                Arc::clone(&services.store) as _,
                services.secrets(),
            )
            .noting_use(),
            secrets: services.secrets(),
            keeper: services.secret_keeper(),
            strangers: Arc::default(),
        }
    }
}
