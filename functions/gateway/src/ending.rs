//! The end of a run whose execution ended from outside.
//!
//! What the run began to deploy is taken back by an execution of its own, through the pipeline's own
//! rollback branch: it verifies that the release before answers, writes the final status and tells
//! people. Until then the run is not final, so that nothing is written after its end. Starting it is
//! repeatable: it has a name of its own.

use pact_agent::ports::Claim;
use pact_contract::{
    EnvironmentKey, RunId, RunRecord, RunStatus, StateName, run::TAKE_BACK, settings::ENVIRONMENTS,
    states::Pipeline,
};
use serde_json::{Value, json};

use crate::{known::KEEP, ports::Ports};

type Result<T> = std::result::Result<T, pact_agent::ports::StoreError>;

/// The run that an execution belongs to, and whether it is the one that takes back.
pub(crate) fn run_of(execution: &str) -> Option<(RunId, bool)> {
    let name = execution.strip_suffix(TAKE_BACK);
    let run_id = RunId::parse(name.unwrap_or(execution)).ok()?;
    Some((run_id, name.is_some()))
}

/// Starts taking back what the run began to deploy. False when nothing is known that could be taken
/// back: it has not begun to deploy, or what it planned is gone.
pub(crate) async fn take_back(
    ports: &Ports,
    run: &RunRecord,
    status: RunStatus,
    reason: &str,
) -> Result<bool> {
    let run_id = &run.request.run_id;
    let Some(environment) = &run.deploying else { return Ok(false) };
    let Some(plan) = output(ports, run_id, Pipeline::PlanPipeline).await? else { return Ok(false) };
    let analyzed = output(ports, run_id, Pipeline::AnalyzeChanges).await?;
    let settings = analyzed.and_then(|mut output| output.get_mut("settings").map(Value::take));
    let mut input = json!(run.request);
    let wanted = json!({
        "status": status,
        "reason": reason,
        "environment": environment,
        "plan": plan,
        "settings": settings.unwrap_or_else(|| json!({ "notify": {} })),
    });
    if let Some(fields) = input.as_object_mut() {
        fields.insert("take_back".to_owned(), wanted);
    }
    // Whoever is still at work for the run finds the environment in other hands; but the way back
    // itself, once it is begun, keeps it.
    if ports.runs.claim(&format!("back/{run_id}"), run_id, KEEP).await? == Claim::New {
        unlock(ports, run).await?;
    }
    let name = format!("{run_id}{TAKE_BACK}");
    ports.executions.start(&name, &input, None).await?;
    tracing::warn!(run_id = run_id.as_str(), reason, "what the run began is taken back");
    Ok(true)
}

/// Gives the locks of a run back that it still holds.
pub(crate) async fn unlock(ports: &Ports, run: &RunRecord) -> Result<()> {
    for environment in ENVIRONMENTS {
        let key = EnvironmentKey::new(&run.request.repository.name, environment);
        ports.environments.unlock(&key, &run.request.run_id).await?;
    }
    Ok(())
}

/// What a stage of the run returned to the state machine.
async fn output(ports: &Ports, run_id: &RunId, state: Pipeline) -> Result<Option<Value>> {
    let Ok(state) = StateName::parse(state.as_str()) else { return Ok(None) };
    let stage = ports.runs.stage(run_id, &state).await?;
    Ok(stage.map(|stage| stage.output).filter(Value::is_object))
}
