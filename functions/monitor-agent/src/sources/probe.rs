//! Requests of the agent itself to what the health probes ask.

use pact_config::form::{Form, Shape, field};
use serde::{Deserialize, Serialize};

/// The word that chooses this source.
pub(crate) const KIND: &str = "probe";

/// How requests are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Time between two requests in milliseconds.
    pub(crate) interval_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { interval_ms: 100 }
    }
}

/// The settings in `pact.toml`.
pub(crate) fn form() -> Form {
    Form {
        kind: KIND.to_owned(),
        about: "Requests of the monitor agent to the environment's health probes.".to_owned(),
        default: true,
        fields: vec![field(
            "interval_ms",
            "Time between two requests.",
            Shape::Integer { min: 10, max: 60_000 },
        )],
        laws: Vec::new(),
    }
}
