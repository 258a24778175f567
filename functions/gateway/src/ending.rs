//! The end of a run whose execution ended from outside.
//!
//! What the run began to deploy is taken back by an execution of its own, through the pipeline's own
//! rollback branch: it verifies that the release before answers, writes the final status and tells
//! people. Until then the run is not final, so that nothing is written after its end. Starting it is
//! repeatable: it has a name of its own.

use pact_agent::ports::Claim;
use pact_contract::{
    EnvironmentKey, EnvironmentName, RunId, RunRecord, RunStatus, StateName, Tier, run::TAKE_BACK,
    states::Pipeline,
};
use serde::Deserialize;
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
    if run.deploying.is_none() {
        return Ok(false);
    }
    let Some(plan) = plan(ports, run_id).await? else { return Ok(false) };
    let begun: Vec<Value> = begun(run, &plan)
        .into_iter()
        .map(|environment| {
            json!({
                "environment": environment.name,
                "tier": environment.tier,
                "release": plan.get("release"),
                "status": "pending",
            })
        })
        .collect();
    let settings = settings_of(ports, run_id).await?;
    let mut input = json!(run.request);
    let wanted = json!({
        "status": status,
        "reason": reason,
        "deployments": begun,
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
    for environment in changed(ports, run).await? {
        let key = EnvironmentKey::new(&run.request.repository.name, &environment.name);
        ports.environments.unlock(&key, &run.request.run_id).await?;
    }
    Ok(())
}

/// The environments that the run began to deploy to, in their order.
pub(crate) async fn changed(ports: &Ports, run: &RunRecord) -> Result<Vec<Begun>> {
    if run.deploying.is_none() {
        return Ok(Vec::new());
    }
    let plan = plan(ports, &run.request.run_id).await?;
    Ok(begun(run, &plan.unwrap_or_default()))
}

/// An environment that a run began to deploy to.
#[derive(Deserialize)]
pub(crate) struct Begun {
    pub(crate) name: EnvironmentName,
    tier: Option<Tier>,
}

/// Those of the plan up to the last one that it began; that one alone where the plan is not known.
fn begun(run: &RunRecord, plan: &Value) -> Vec<Begun> {
    let Some(last) = &run.deploying else { return Vec::new() };
    let planned: Vec<Begun> = plan
        .get("environments")
        .and_then(|list| Deserialize::deserialize(list).ok())
        .unwrap_or_default();
    match planned.iter().position(|environment| environment.name == *last) {
        Some(end) => planned.into_iter().take(end + 1).collect(),
        None => vec![Begun { name: last.clone(), tier: Tier::of(last) }],
    }
}

/// The run's plan. One of before environments stood in a list is brought into that form.
async fn plan(ports: &Ports, run_id: &RunId) -> Result<Option<Value>> {
    let Some(mut plan) = output(ports, run_id, Pipeline::PlanPipeline).await? else {
        return Ok(None);
    };
    if plan.get("environments").is_none() {
        let named = |tier: &Tier| {
            let settings = plan.get(tier.as_str()).filter(|settings| settings.is_object())?;
            Some(json!({ "name": tier, "tier": tier, "settings": settings }))
        };
        let environments: Value = Tier::ALL.iter().filter_map(named).collect();
        if let Some(fields) = plan.as_object_mut() {
            fields.insert("environments".to_owned(), environments);
        }
    }
    Ok(Some(plan))
}

/// The settings that the run was judged by.
pub(crate) async fn settings_of(ports: &Ports, run_id: &RunId) -> Result<Option<Value>> {
    let analyzed = output(ports, run_id, Pipeline::AnalyzeChanges).await?;
    Ok(analyzed.and_then(|mut output| output.get_mut("settings").map(Value::take)))
}

/// The tier of an environment in the run's plan; otherwise that of its name.
pub(crate) async fn tier_of(
    ports: &Ports,
    run: &RunRecord,
    environment: &EnvironmentName,
) -> Result<Option<Tier>> {
    let plan = plan(ports, &run.request.run_id).await?.unwrap_or_default();
    let planned: Vec<Begun> = plan
        .get("environments")
        .and_then(|list| Deserialize::deserialize(list).ok())
        .unwrap_or_default();
    let named = planned.into_iter().find(|planned| planned.name == *environment);
    Ok(named.map_or_else(|| Tier::of(environment), |planned| planned.tier))
}

/// Why there is no way back from what the run deployed to an environment, as it was planned.
pub(crate) async fn one_way(
    ports: &Ports,
    run_id: &RunId,
    environment: &EnvironmentName,
) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Planned {
        name: EnvironmentName,
        #[serde(default)]
        one_way: Vec<String>,
    }
    let plan = plan(ports, run_id).await?.unwrap_or_default();
    let planned: Vec<Planned> = plan
        .get("environments")
        .and_then(|list| Deserialize::deserialize(list).ok())
        .unwrap_or_default();
    let named = planned.into_iter().find(|planned| planned.name == *environment);
    Ok(named.map(|planned| planned.one_way).unwrap_or_default())
}

/// What a stage of the run returned to the state machine.
async fn output(ports: &Ports, run_id: &RunId, state: Pipeline) -> Result<Option<Value>> {
    let Ok(state) = StateName::parse(state.as_str()) else { return Ok(None) };
    let stage = ports.runs.stage(run_id, &state).await?;
    Ok(stage.map(|stage| stage.output).filter(Value::is_object))
}
