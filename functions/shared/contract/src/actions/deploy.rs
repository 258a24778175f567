//! The actions of the deploy agent, and what it records of environments.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    actions::code::SourceRef,
    actions::suites::BuiltRelease,
    ids::{EnvironmentName, ReleaseId, RunId},
    ledger::{Ledger, Origin},
    run::{Deployment, DeploymentStatus, Repository},
    schema::SchemaVersion,
    settings::Environment,
    shift::PendingShift,
};

/// `deploy.to_staging`, `deploy.to_production`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    /// The repository.
    pub repository: Repository,
    /// Name of the release.
    pub release: ReleaseId,
    /// The source bundle.
    pub source: SourceRef,
    /// The environment; none: the one that has the name of the action's tier.
    #[serde(default)]
    pub environment: Option<EnvironmentName>,
    /// How it is set up.
    pub settings: Environment,
    /// Where the release comes from: what it may replace. Without it no order is kept.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// What was built of the commit, for targets that build.
    #[serde(default)]
    pub built: Vec<BuiltRelease>,
    /// The part of the requests that it is to have after this, in percent; none: all of them.
    #[serde(default)]
    pub weight: Option<u32>,
}

/// `deploy.rollback`: takes back what this run deployed, or began to deploy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollback {
    /// The repository.
    pub repository: Repository,
    /// The environment.
    pub environment: EnvironmentName,
    /// The release that is taken back.
    pub release: ReleaseId,
    /// How the environment is set up.
    pub settings: Environment,
    /// Why it is taken back.
    #[serde(default)]
    pub why: Option<WhyTakenBack>,
    /// The release to return to; none: the last good one before it.
    #[serde(default)]
    pub to: Option<ReleaseId>,
}

/// Why a release is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyTakenBack {
    /// Whether it was judged bad. Where nobody could say, by a fault or a cancellation, it was not.
    pub judged: bool,
    /// One sentence for people.
    pub reason: String,
}

/// `deploy.check_status`: whether a release is in effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// The repository.
    pub repository: Repository,
    /// The environment.
    pub environment: EnvironmentName,
    /// The release that ought to be current; none: whichever is.
    #[serde(default)]
    pub release: Option<ReleaseId>,
    /// How the environment is set up.
    pub settings: Environment,
}

/// Output of every deploy action. For a rollback `release` is the one taken back and `previous`
/// the one that is current again.
pub type DeployOutput = Deployment;

/// The state of one environment of one repository, as the run store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentRecord {
    /// Release in effect.
    pub current: Option<ReleaseRecord>,
    /// Release to return to: one that was in effect before and was judged good.
    pub previous: Option<ReleaseRecord>,
    /// What is about to be put into effect, with what it replaces: written before anything is done.
    pub pending: Option<PendingDeployment>,
    /// Address of the service, where it has one.
    pub url: Option<String>,
    /// Which releases served, and how each was judged.
    pub ledger: Ledger,
}

impl EnvironmentRecord {
    /// Version in which it is written: the second has the ledger.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST.next();

    /// Since when what is in effect serves: a release that was returned to since its return.
    #[must_use]
    pub fn serving_since(&self) -> Option<Timestamp> {
        let current = self.current.as_ref()?;
        let entry = self.ledger.of(&current.release);
        Some(entry.and_then(|entry| entry.serving_since).unwrap_or(current.deployed_at))
    }

    /// The environment of which this is one region or account, by what is in effect or on its way.
    #[must_use]
    pub fn wave_of(&self) -> Option<&EnvironmentName> {
        let pending = self.pending.as_ref().map(|pending| &pending.release);
        self.current.as_ref().or(pending)?.settings.wave_of.as_ref()
    }

    /// The run judged what it deployed as good, if that is still what is in effect.
    pub fn judged_good(&mut self, run_id: &RunId, at: Timestamp) -> bool {
        match &self.current {
            Some(current) if current.run_id == *run_id => {
                self.ledger.judged_good(&current.release, run_id, at)
            }
            _ => false,
        }
    }

    /// Whether what the run deployed is in effect and was not judged yet.
    #[must_use]
    pub fn has_candidate_of(&self, run_id: &RunId) -> bool {
        self.current.as_ref().is_some_and(|current| {
            current.run_id == *run_id && !self.ledger.is_good(&current.release)
        })
    }
}

/// What the scheduled watch saw of an environment, written by its state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatchResult {
    /// `healthy`, `unhealthy` or `unknown`.
    pub health: String,
    /// One sentence for people.
    pub summary: String,
    /// When it looked.
    pub at: Timestamp,
}

impl WatchResult {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;
}

/// One release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Name of the release.
    pub release: ReleaseId,
    /// The commit.
    pub commit: String,
    /// Run that deployed it.
    pub run_id: RunId,
    /// When it came into effect.
    pub deployed_at: Timestamp,
    /// How the environment was set up when it was deployed: what a later restart needs.
    pub settings: Environment,
}

/// A deployment that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingDeployment {
    /// The new release.
    pub release: ReleaseRecord,
    /// The release that it replaces.
    pub replaces: Option<ReleaseRecord>,
    /// Number that grows with each deployment: effects of an older one are refused.
    pub fence: u64,
    /// How far its requests are shifted, where that goes step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<PendingShift>,
}

impl Deployment {
    /// A deployment in this state.
    #[must_use]
    pub fn new(
        environment: &EnvironmentName,
        release: &ReleaseId,
        status: DeploymentStatus,
    ) -> Self {
        Self { release: Some(release.clone()), ..Self::without_release(environment, status) }
    }

    /// What is said of an environment that no release is known of.
    #[must_use]
    pub fn without_release(environment: &EnvironmentName, status: DeploymentStatus) -> Self {
        let environment = environment.clone();
        Self {
            environment,
            tier: None,
            wave_of: None,
            release: None,
            previous: None,
            status,
            url: None,
            weight: None,
            weights: Vec::new(),
            apart: None,
        }
    }
}
