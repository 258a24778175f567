//! What is recorded of one attempt: its stage and its entries in the transaction log.

use jiff::Timestamp;
use pact_contract::{
    Finding, PROTOCOL_VERSION, ResponseEnvelope, RunId, StageRecord, StageStatus, StateName,
    envelope::{Context, IntentEnvelope, Response, ResponseMetadata, Sender},
    log::{LogKind, NewEntry, RECORD_FIELD, record_digest},
};
use serde_json::{Map, Value, json};

use crate::{
    agent::{Agent, Outcome},
    error::AgentError,
    recording::Recording,
    shown::{About, with_lines},
    text::truncated,
};

/// Findings that travel with a response.
const RESPONSE_FINDINGS: usize = 10;
/// Findings that stay in a stage record when the whole result is in the artifact store.
const RECORD_FINDINGS: usize = 50;
/// A stage record larger than this goes to the artifact store (claim check).
const CLAIM_CHECK_BYTES: usize = 32 * 1024;

/// The largest output that stays in a stage record all the same: what takes a run back reads its
/// plan and its settings there, and reaches no artifact store.
const RECORD_OUTPUT: usize = 128 * 1024;

/// The record of one attempt while it is made.
pub(crate) struct Stage {
    agent: &'static str,
    pub(crate) context: Context,
    pub(crate) record: StageRecord,
    about: About,
}

impl Stage {
    pub(crate) async fn begin(
        agent: &dyn Agent,
        recording: &Recording,
        intent: &IntentEnvelope,
    ) -> Result<Self, AgentError> {
        let context = intent.intent.context.clone();
        let state = match &context.state {
            Some(state) => state.clone(),
            None => StateName::parse(&intent.intent.action)
                .map_err(|error| AgentError::invalid(error.to_string()))?,
        };
        let now = Timestamp::now();
        let record = StageRecord {
            schema: StageRecord::VERSION,
            run_id: context.run_id.clone().unwrap_or(RunId::BY_HAND),
            state,
            agent: agent.id().to_owned(),
            action: intent.intent.action.clone(),
            status: StageStatus::Running,
            summary: String::new(),
            attempt: context.retry.unwrap_or(0) + 1,
            started_at: now,
            finished_at: None,
            duration_ms: 0,
            findings: Vec::new(),
            findings_total: 0,
            output: Value::Null,
            details_key: None,
            error: None,
            fallback: None,
        };
        let about = About::of(&intent.intent.parameters);
        let stage = Self { agent: agent.id(), context, record, about };
        if let Some(run_id) = &stage.context.run_id {
            recording.recorder.record_stage(&stage.record).await?;
            let body = json!({
                "state": stage.record.state,
                "attempt": stage.record.attempt,
                "sender": intent.metadata.sender.agent_id,
                "parameters": bounded(&intent.intent.parameters),
                "skip": stage.context.skip,
                RECORD_FIELD: stage.digest()?,
            });
            stage.log(recording, run_id, LogKind::Intent, body).await?;
        }
        Ok(stage)
    }

    /// The stage of an attempt that was begun before, perhaps by another process.
    pub(crate) fn resume(
        agent: &dyn Agent,
        context: Context,
        record: StageRecord,
        parameters: &Map<String, Value>,
    ) -> Self {
        Self { agent: agent.id(), context, record, about: About::of(parameters) }
    }

    /// Digest of the record as it is stored.
    fn digest(&self) -> Result<String, AgentError> {
        let text = serde_json::to_string(&self.record)
            .map_err(|error| AgentError::internal(format!("cannot write the record: {error}")))?;
        Ok(record_digest(&text))
    }

    async fn log(
        &self,
        recording: &Recording,
        run_id: &RunId,
        kind: LogKind,
        body: Value,
    ) -> Result<(), AgentError> {
        let actor = match kind {
            LogKind::Intent => "pact.pipeline".to_owned(),
            _ => self.agent.to_owned(),
        };
        let entry = NewEntry {
            timestamp: Timestamp::now(),
            actor,
            kind,
            action: self.record.action.clone(),
            body,
        };
        recording.recorder.append_log(run_id, entry).await?;
        Ok(())
    }

    fn close(&mut self) {
        let now = Timestamp::now();
        self.record.finished_at = Some(now);
        // By the clock: an answer that comes later is given by another process.
        let took = now.duration_since(self.record.started_at).as_millis();
        self.record.duration_ms = u64::try_from(took).unwrap_or(0);
    }

    /// Records the verdict and makes the response envelope.
    pub(crate) async fn finish(
        mut self,
        recording: &Recording,
        outcome: Outcome,
        key: Option<&str>,
    ) -> Result<Value, AgentError> {
        self.close();
        let response = ResponseEnvelope {
            version: PROTOCOL_VERSION.to_owned(),
            response: Response {
                action: self.record.action.clone(),
                status: outcome.status,
                summary: truncated(&outcome.summary, 500),
                output: outcome.output.clone(),
                findings: outcome.findings.iter().take(RESPONSE_FINDINGS).map(short).collect(),
                findings_total: outcome.findings.len(),
                not_applicable: outcome.not_applicable,
                fallback: outcome.fallback.clone(),
            },
            metadata: ResponseMetadata {
                sender: Sender {
                    agent_id: format!("pact.{}", self.agent),
                    timestamp: self.record.finished_at.unwrap_or_else(Timestamp::now),
                },
                in_reply_to: key.map(str::to_owned),
                duration_ms: self.record.duration_ms,
            },
        };
        self.record.status = outcome.status;
        self.record.summary = outcome.summary;
        self.record.findings_total = outcome.findings.len();
        let about = (&self.about, self.record.action.as_str());
        self.record.findings = with_lines(&*recording.artifacts, about, outcome.findings).await;
        self.record.output = outcome.output;
        self.record.fallback = outcome.fallback;
        if let Some(run_id) = self.context.run_id.clone() {
            self.claim_check(recording, &run_id).await?;
            recording.recorder.record_stage(&self.record).await?;
            let body = json!({
                "state": self.record.state,
                "attempt": self.record.attempt,
                "status": self.record.status,
                "summary": response.response.summary,
                "findings": self.record.findings_total,
                "output": bounded_value(&self.record.output),
                RECORD_FIELD: self.digest()?,
            });
            self.log(recording, &run_id, LogKind::Response, body).await?;
        }
        tracing::info!(
            status = self.record.status.as_str(),
            duration_ms = self.record.duration_ms,
            findings = self.record.findings_total,
            "done"
        );
        serde_json::to_value(&response)
            .map_err(|error| AgentError::internal(format!("cannot write the response: {error}")))
    }

    /// Moves a large record to the artifact store and keeps a summary.
    async fn claim_check(
        &mut self,
        recording: &Recording,
        run_id: &RunId,
    ) -> Result<(), AgentError> {
        let whole = serde_json::to_vec(&self.record)
            .map_err(|error| AgentError::internal(format!("cannot write the record: {error}")))?;
        if whole.len() <= CLAIM_CHECK_BYTES {
            return Ok(());
        }
        let state = self.record.state.as_str().replace(' ', "-");
        let key = format!("runs/{run_id}/stages/{state}.json");
        recording.artifacts.put(&key, whole.into()).await?;
        self.record.details_key = Some(key);
        self.record.findings =
            self.record.findings.iter().take(RECORD_FINDINGS).map(short).collect();
        if self.record.output.to_string().len() > RECORD_OUTPUT {
            self.record.output = bounded_value(&self.record.output);
        }
        self.record.summary = truncated(&self.record.summary, 2_000);
        Ok(())
    }

    /// Records the fault. What cannot be recorded is logged: the fault itself matters more.
    pub(crate) async fn fail(mut self, recording: &Recording, error: &AgentError) {
        let Some(run_id) = self.context.run_id.clone() else { return };
        self.close();
        self.record.status = StageStatus::Error;
        self.record.summary = truncated(&error.chain(), 2_000);
        self.record.error = Some(error.name.as_str().to_owned());
        if let Err(second) = recording.recorder.record_stage(&self.record).await {
            tracing::error!(error = %second, "cannot record the fault");
        }
        let body = json!({
            "state": self.record.state,
            "attempt": self.record.attempt,
            "error": error.name,
            "message": self.record.summary,
            RECORD_FIELD: self.digest().ok(),
        });
        if let Err(second) = self.log(recording, &run_id, LogKind::Fault, body).await {
            tracing::error!(error = %second, "cannot log the fault");
        }
    }
}

/// The finding with its texts cut to what fits into a response.
fn short(finding: &Finding) -> Finding {
    let mut finding = finding.clone();
    finding.message = truncated(&finding.message, 300);
    finding.remedy = finding.remedy.map(|t| truncated(&t, 300));
    finding.evidence = finding.evidence.map(|t| truncated(&t, 300));
    finding.path = finding.path.map(|t| truncated(&t, 300));
    finding
}

/// Parameters for the log: large values are replaced by their size.
fn bounded(parameters: &Map<String, Value>) -> Value {
    let kept = |(name, value): (&String, &Value)| {
        let mut kept = bounded_value(value);
        // What a run came to is held against this, however much is said of it.
        if name == "outcome"
            && kept != *value
            && let (Value::Object(kept), Value::Object(whole)) = (&mut kept, value)
        {
            let told = ["status", "reason", "deployments"];
            kept.extend(
                told.iter()
                    .filter_map(|part| Some(((*part).to_owned(), whole.get(*part)?.clone()))),
            );
        }
        (name.clone(), kept)
    };
    Value::Object(parameters.iter().map(kept).collect())
}

fn bounded_value(value: &Value) -> Value {
    let size = value.to_string().len();
    if size <= 4_096 { value.clone() } else { json!({ "bytes": size }) }
}
