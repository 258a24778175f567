//! What an agent can do, as it advertises it.

use serde::Serialize;
use serde_json::{Value, json};

/// One action of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Name of the action, for example `tests.run_unit`.
    pub action: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// Parameters without which the action is refused.
    pub required: &'static [&'static str],
    /// Parameters that have a default.
    pub optional: &'static [&'static str],
}

/// The advertisement of an agent, valid against the PACT capability schema.
#[must_use]
pub fn advertisement(agent_id: &str, capabilities: &[Capability]) -> Value {
    json!({
        "agent_id": agent_id,
        "capabilities": capabilities.iter().map(|c| json!({
            "action": c.action,
            "description": c.description,
            "parameters": { "required": c.required, "optional": c.optional },
            "response_format": { "type": "object" },
        })).collect::<Vec<_>>(),
        "fallback_preferences": ["parameter_adaptation", "graceful_failure"],
    })
}
