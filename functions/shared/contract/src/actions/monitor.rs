//! The actions of the monitor agent that ask; [`crate::judgement`] has those that measure.

use serde::{Deserialize, Serialize};

use crate::{ids::EnvironmentName, incident::Health, settings::Probe};

/// `monitor.check_health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckHealth {
    /// The environment.
    pub environment: EnvironmentName,
    /// Address of the environment; probes with a whole address need none.
    #[serde(default)]
    pub url: Option<String>,
    /// What must answer.
    #[serde(default)]
    pub probes: Vec<Probe>,
}

/// `monitor.look_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookAt {
    /// Keys of the environments, as they are stored: what is none is said to be none.
    pub environments: Vec<String>,
}

/// Output of `monitor.look_at`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookAtOutput {
    /// What was seen of each that is watched.
    pub seen: Vec<Looked>,
    /// How many have no release, or no probe.
    pub not_watched: usize,
}

/// How the scheduled watch saw an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Its key, `<repository>#<environment>`.
    pub environment: String,
    /// How it is.
    pub health: Health,
    /// One sentence for people.
    pub summary: String,
}

/// Output of `monitor.check_health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckHealthOutput {
    /// Probes that succeeded.
    pub healthy: usize,
    /// Probes in all.
    pub probes: usize,
    /// Requests that were sent.
    pub requests: u64,
}
