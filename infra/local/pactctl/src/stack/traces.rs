//! Which trace an execution belongs to, from its start to the functions that it invokes.
//!
//! The engine knows nothing of traces. What goes on after a restart of the stack begins new ones.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

/// Executions that are remembered; the oldest goes first.
const MOST: usize = 1_000;

/// ARNs of executions, with the headers of their traces.
#[derive(Clone, Default)]
pub(crate) struct Traces(Arc<Mutex<VecDeque<(String, String)>>>);

impl Traces {
    /// Keeps the trace that a request to Step Functions starts an execution in.
    pub(crate) fn observe(&self, target: &str, body: &[u8]) {
        if target != "AWSStepFunctions.StartExecution" {
            return;
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        if let (Some(machine), Some(name), Some(header)) =
            (text("stateMachineArn"), text("name"), text("traceHeader"))
        {
            let arn = machine.replacen(":stateMachine:", ":execution:", 1);
            let arn = format!("{arn}:{name}");
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The same start again does not change what goes on.
            if known.iter().all(|(own, _)| *own != arn) {
                known.push_back((arn, header.to_owned()));
            }
            if known.len() > MOST {
                known.pop_front();
            }
        }
    }

    /// Header of the trace of an execution.
    pub(crate) fn of(&self, execution_arn: &str) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(arn, _)| arn == execution_arn).map(|(_, header)| header.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_belongs_to_the_trace_that_it_was_first_started_in() {
        let traces = Traces::default();
        let arn = |kind: &str| format!("arn:aws:states:us-east-1:000000000000:{kind}:pipeline");
        for trace in ["Root=1-a-b", "Root=1-c-d"] {
            let start = serde_json::json!({
                "stateMachineArn": arn("stateMachine"), "name": "shop-1", "traceHeader": trace,
            });
            traces.observe("AWSStepFunctions.StartExecution", start.to_string().as_bytes());
        }
        let execution = format!("{}:shop-1", arn("execution"));
        assert_eq!(traces.of(&execution).as_deref(), Some("Root=1-a-b"));
        traces.observe("AWSStepFunctions.StartExecution", b"{");
        assert_eq!(traces.of("another"), None);
    }
}
