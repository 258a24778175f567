//! What the gateway says of the agents: it depends on none of them.

use pact_contract::{agents, capability::advertisement};
use serde_json::Value;

/// What every agent advertises.
#[must_use]
pub fn advertisements() -> Value {
    agents::ALL.iter().map(|(id, capabilities)| advertisement(id, capabilities)).collect()
}
