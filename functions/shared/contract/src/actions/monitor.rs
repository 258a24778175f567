//! The actions of the monitor agent that ask; [`crate::judgement`] has those that measure.

use serde::{Deserialize, Serialize};

use crate::{
    ids::EnvironmentName,
    incident::Health,
    objectives::{Counts, Objectives},
    settings::Probe,
};

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LookAtOutput {
    /// What was seen of each that is watched.
    pub seen: Vec<Looked>,
    /// How many have no release, or no probe.
    pub not_watched: usize,
}

/// How the scheduled watch saw an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Looked {
    /// Its key, `<repository>#<environment>`.
    pub environment: String,
    /// How it is.
    pub health: Health,
    /// One sentence for people.
    pub summary: String,
    /// What was counted, and against what, where something is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<Promised>,
}

/// What was counted of an environment of which something is promised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promised {
    /// What is promised.
    pub objectives: Objectives,
    /// What was counted.
    pub counts: Counts,
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
