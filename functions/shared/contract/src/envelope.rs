//! Intent and response envelopes, valid against the PACT JSON schemas.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    fallback::Fallback,
    finding::Finding,
    ids::{RunId, StateName},
    run::StageStatus,
};

/// Version of the PACT protocol that this crate speaks.
pub const PROTOCOL_VERSION: &str = "0.1.0";

/// A request to one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntentEnvelope {
    /// Protocol version of the sender.
    pub version: String,
    /// What is wanted.
    pub intent: Intent,
    /// Who wants it and how.
    pub metadata: Metadata,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Name of the action, for example `tests.run_unit`.
    pub action: String,
    /// Arguments of the action.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Where the intent comes from.
    #[serde(default)]
    pub context: Context,
}

/// Where an intent comes from. Every field may be absent: an intent can also be sent by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Run whose results this belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Name of the state that calls; the key under which the result is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateName>,
    /// ARN of the execution that calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// When set, the action is recorded as skipped with this reason and not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    /// How often the state was retried before this call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<u32>,
    /// Task token of an execution that waits for the answer, which then may come later. Whoever
    /// knows it may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token: Option<String>,
}

/// Who sends an intent and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The sending agent.
    pub sender: Sender,
    /// Urgency, a hint only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Two intents with the same key are the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Credentials of intents that enter through the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

/// The sending agent and the time of sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Identity, for example `pact.pipeline`.
    pub agent_id: String,
    /// RFC 3339 instant.
    pub timestamp: Timestamp,
}

/// Urgency of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The usual.
    Normal,
    /// Before others.
    High,
}

/// Credentials of an intent from outside.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// Signature over the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// How far the sender is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_level: Option<TrustLevel>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("trust_level", &self.trust_level).finish_non_exhaustive()
    }
}

/// How far a sender is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustLevel {
    /// Unknown senders.
    Low,
    /// Known senders.
    Medium,
    /// This installation's own agents.
    High,
}

/// The answer of one agent: what the state machine branches on. Kept small; details are in the
/// run store and, above 32 KB, in the artifact store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseEnvelope {
    /// Protocol version of the answering agent.
    pub version: String,
    /// The result.
    pub response: Response,
    /// Who answers.
    pub metadata: ResponseMetadata,
}

/// The result of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The action that was asked for.
    pub action: String,
    /// The verdict.
    pub status: StageStatus,
    /// One sentence for people.
    pub summary: String,
    /// What later states need, typed per action in [`crate::actions`].
    #[serde(default)]
    pub output: Value,
    /// The gravest findings, bounded; all of them are in the stage record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// How many findings there are in all.
    #[serde(default)]
    pub findings_total: usize,
    /// Set with `skipped` when the push has nothing of the kind that could be checked: no tests, no
    /// file in a language that is known. Otherwise a skipped check is one that is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_applicable: bool,
    /// Set when the answer was reached by a fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

/// Who answers, to what, and how long it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResponseMetadata {
    /// The answering agent.
    pub sender: Sender,
    /// Idempotency key of the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// Time spent on the action.
    pub duration_ms: u64,
}

impl IntentEnvelope {
    /// An intent of this version of the protocol.
    #[must_use]
    pub fn new(
        sender: &str,
        now: Timestamp,
        action: &str,
        parameters: Map<String, Value>,
        context: Context,
    ) -> Self {
        Self {
            version: PROTOCOL_VERSION.to_owned(),
            intent: Intent { action: action.to_owned(), parameters, context },
            metadata: Metadata {
                sender: Sender { agent_id: sender.to_owned(), timestamp: now },
                priority: None,
                idempotency_key: None,
                auth: None,
            },
        }
    }
}
