//! Starting the execution of a run: under the run's own name, so that it is started once, however often
//! and by whomever.

use pact_agent::ports::StoreError;
use pact_contract::RunRecord;
use serde_json::{Value, json};

use crate::ports::Ports;

/// Starts it, with the input that is kept with the run, and answers with its ARN. A run that was ended
/// at this very moment has it stopped again.
pub(crate) async fn launch(
    ports: &Ports,
    run: &RunRecord,
    input: Option<Value>,
    trace: Option<&str>,
) -> Result<String, StoreError> {
    let run_id = &run.request.run_id;
    let input = input.unwrap_or_else(|| json!(run.request));
    let arn = ports.executions.start(run_id.as_str(), &input, trace).await?;
    stop_if_ended(ports, run, &arn).await?;
    Ok(arn)
}

/// Whoever ends a run stops its execution, which may not have been there yet.
pub(crate) async fn stop_if_ended(
    ports: &Ports,
    run: &RunRecord,
    execution_arn: &str,
) -> Result<(), StoreError> {
    let now = ports.runs.run(&run.request.run_id).await?;
    if let Some(now) = now.filter(|now| now.status.is_final()) {
        let cause = now.outcome.map(|outcome| outcome.reason).unwrap_or_default();
        ports.executions.stop(execution_arn, &cause).await?;
    }
    Ok(())
}
