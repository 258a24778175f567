//! The action of the monitor agent that asks; [`crate::judgement`] has those that measure.

use serde::{Deserialize, Serialize};

use crate::{ids::EnvironmentName, settings::Probe};

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
