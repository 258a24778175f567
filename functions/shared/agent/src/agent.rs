//! An agent, what it is asked and what it answers.

use std::time::Duration;

use async_trait::async_trait;
use pact_contract::{Capability, Fallback, Finding, RunId, StageStatus, StateName};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::error::AgentError;

/// One of the seven agents.
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    /// Identity, for example `code-agent`.
    fn id(&self) -> &'static str;

    /// The actions that [`Agent::act`] carries out.
    fn capabilities(&self) -> &'static [Capability];

    /// Carries out one action. May be called more than once for the same request: every effect
    /// is idempotent.
    ///
    /// # Errors
    /// A fault: the work could not be done. A verdict, however bad, is `Ok`.
    async fn act(&self, call: &Call) -> Result<Outcome, AgentError>;

    /// Begins an action whose caller can wait for the answer. May be called more than once for the
    /// same request: what it begins outside is begun by [`Agent::look`], after its progress was
    /// kept.
    ///
    /// # Errors
    /// As [`Agent::act`].
    async fn begin(&self, call: &Call) -> Result<Stand, AgentError> {
        self.act(call).await.map(Stand::Done)
    }

    /// Looks how an action stands that was begun, and takes its next step. Called again with the
    /// same progress it takes the same step, once.
    ///
    /// # Errors
    /// As [`Agent::act`].
    async fn look(&self, call: &Call, _progress: &Value) -> Result<Stand, AgentError> {
        Err(AgentError::internal(format!("{} is never waited for", call.action)))
    }

    /// Ends what an action began, as nobody waits for it any more.
    ///
    /// # Errors
    /// What was begun may go on.
    async fn stop(&self, _call: &Call, _progress: &Value) -> Result<(), AgentError> {
        Ok(())
    }

    /// Ends what was begun for a run that has ended, whatever of it was waited for.
    ///
    /// # Errors
    /// What was begun may go on.
    async fn run_ended(&self, _run_id: &RunId) -> Result<(), AgentError> {
        Ok(())
    }

    /// Does what is left to do, as a schedule asks by `{"pass": {}}`; none where nothing ever is.
    async fn pass(&self, _deadline: Instant) -> Option<Result<Value, AgentError>> {
        None
    }

    /// What an event says that is no intent; none when it is nothing to this agent.
    fn news(&self, _event: &Value) -> Option<News> {
        None
    }
}

/// How an action stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Stand {
    /// It is done.
    Done(Outcome),
    /// It goes on, as far as this says. Small: it is kept in the run store.
    Later(Value),
}

/// What an event from outside is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something that actions of these states wait for has changed.
    Changed {
        /// The run.
        run_id: RunId,
        /// The states whose actions may wait.
        states: Vec<StateName>,
    },
    /// A run has ended, whatever of it was waited for.
    RunEnded {
        /// The run.
        run_id: RunId,
    },
    /// Of the right kind, but of nobody's interest.
    Nothing,
}

/// One request to an agent.
#[derive(Clone, Debug)]
pub struct Call {
    /// Name of the action; one of the agent's capabilities.
    pub action: String,
    /// Parameters, with all required ones present.
    pub parameters: Map<String, Value>,
    /// Run that the request belongs to; none for an intent sent by hand.
    pub run_id: Option<RunId>,
    /// State of the state machine that calls; the action's name without one.
    pub state: StateName,
    /// Identity of the request: the same key is the same request.
    pub key: String,
    /// When the agent is stopped.
    pub deadline: Instant,
}

impl Call {
    /// The parameters as their type.
    ///
    /// # Errors
    /// `ERR_INVALID_INTENT` with the place of the first fault.
    pub fn parameters<T: DeserializeOwned>(&self) -> Result<T, AgentError> {
        serde_json::from_value(Value::Object(self.parameters.clone())).map_err(|error| {
            AgentError::invalid(format!("parameters of {} are not valid: {error}", self.action))
        })
    }

    /// Time left before the deadline, less a margin to record the result.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline
            .saturating_duration_since(Instant::now())
            .saturating_sub(Duration::from_millis(500))
    }

    /// The run, or [`RunId::BY_HAND`]: a folder's name in the artifact store.
    #[must_use]
    pub fn scope(&self) -> RunId {
        self.run_id.clone().unwrap_or(RunId::BY_HAND)
    }
}

/// What an action found or did.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub status: StageStatus,
    /// One sentence for people.
    pub summary: String,
    /// Everything that was found.
    pub findings: Vec<Finding>,
    /// What later states need; small.
    pub output: Value,
    /// Set when the result was reached by another way than asked for.
    pub fallback: Option<Fallback>,
    /// Skipped because there is nothing of the kind: a gate that needs the check does not miss it.
    pub not_applicable: bool,
}

impl Outcome {
    /// An outcome with its output.
    ///
    /// # Errors
    /// `ERR_INTERNAL` when the output cannot be written as JSON.
    pub fn new<T: Serialize>(
        status: StageStatus,
        summary: impl Into<String>,
        output: &T,
    ) -> Result<Self, AgentError> {
        let output = serde_json::to_value(output)
            .map_err(|error| AgentError::internal(format!("cannot write the output: {error}")))?;
        Ok(Self {
            status,
            summary: summary.into(),
            findings: Vec::new(),
            output,
            fallback: None,
            not_applicable: false,
        })
    }

    /// Nothing was checked, for this reason.
    #[must_use]
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self {
            status: StageStatus::Skipped,
            summary: reason.into(),
            findings: Vec::new(),
            output: Value::Null,
            fallback: None,
            not_applicable: false,
        }
    }

    /// There is nothing that could be checked: no tests, no file in a language that is known. Not
    /// for what is there and could not be checked, a missing tool for example.
    #[must_use]
    pub fn nothing_to_check(reason: impl Into<String>) -> Self {
        Self { not_applicable: true, ..Self::skipped(reason) }
    }

    /// Adds findings, the gravest first.
    #[must_use]
    pub fn with_findings(mut self, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
        self.findings = findings;
        self
    }
}
