//! Calls that are answered later: kept in the run store while something outside goes on, and
//! answered by the task token of the execution that waits.

use std::time::Duration;

use async_trait::async_trait;
use pact_contract::{RunId, SchemaVersion, StageRecord, StateName, envelope::Context};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{agent::Call, error::StoreError, ports::Listed};

/// A call that was begun and is not answered yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitingCall {
    /// Version of this form.
    pub schema: SchemaVersion,
    /// The run.
    pub run_id: RunId,
    /// The state that waits: a run waits with each state once.
    pub state: StateName,
    /// Identity of the request.
    pub key: String,
    /// Name of the action.
    pub action: String,
    /// Its parameters.
    pub parameters: Map<String, Value>,
    /// Where the intent came from, without its task token.
    pub context: Context,
    /// The stage as it was begun.
    pub stage: StageRecord,
    /// How far it is: the agent's own affair.
    pub progress: Value,
}

impl WaitingCall {
    /// Version of the form that is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// The build that carries the call out, where a build does: how far such a call is says so by
    /// this name.
    #[must_use]
    pub fn build(&self) -> Option<&str> {
        self.progress.get("build").and_then(Value::as_str)
    }

    /// The call, for the agent.
    #[must_use]
    pub fn call(&self, deadline: Instant) -> Call {
        Call {
            action: self.action.clone(),
            parameters: self.parameters.clone(),
            run_id: Some(self.run_id.clone()),
            state: self.state.clone(),
            key: self.key.clone(),
            deadline,
        }
    }
}

/// The calls that wait.
#[async_trait]
pub trait WaitingCalls: Send + Sync {
    /// Keeps a call under its run and state, with the task token of who waits for it. One with the
    /// same key that waits there already stays as it is, but for its token; it is returned.
    async fn keep(&self, call: &WaitingCall, task_token: &str) -> Result<WaitingCall, StoreError>;
    /// The call that waits, and its task token. None when none does, or does any more.
    async fn waiting(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<(WaitingCall, String)>, StoreError>;
    /// Every call of a run that waits.
    async fn of_run(&self, run_id: &RunId) -> Result<Listed<WaitingCall>, StoreError>;
    /// Writes how far a call is. [`StoreError::Conflict`] when it does not wait any more.
    async fn progress(&self, call: &WaitingCall) -> Result<(), StoreError>;
    /// Takes the looking after a call upon oneself, for so long. False when another has: that one is
    /// told by its [`unclaim`](Self::unclaim) that there was something to see.
    async fn claim(&self, call: &WaitingCall, lease: Duration) -> Result<bool, StoreError>;
    /// Gives a claim back, as the call goes on. False when another wanted it meanwhile: the claim is
    /// kept, and the caller looks again.
    async fn unclaim(&self, call: &WaitingCall) -> Result<bool, StoreError>;
    /// Notes that a call does not wait any more; nothing happens when it does not.
    async fn close(&self, call: &WaitingCall) -> Result<(), StoreError>;
}

/// Executions that wait for an answer.
#[async_trait]
pub trait TaskTokens: Send + Sync {
    /// Gives the answer. False when nobody waits for it any more.
    async fn succeed(&self, task_token: &str, output: &Value) -> Result<bool, StoreError>;
    /// Raises an error in its place. False when nobody waits for it any more.
    async fn fail(&self, task_token: &str, error: &str, cause: &str) -> Result<bool, StoreError>;
}
