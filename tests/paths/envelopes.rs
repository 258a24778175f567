//! Whether what a machine sends is what the agents understand.

use pact_contract::{
    EnvironmentName, IntentEnvelope, PROTOCOL_VERSION, StateName,
    actions::{
        AnalyzeChanges, AskApprovers, CheckCoverage, CheckHealth, CheckQuality, CheckStatus,
        Deploy, DetectAnomalies, EvaluateGate, JudgeRelease, Notify, PlanPipeline, Rollback,
        RunTests, SecurityCheck, TrackMetrics, ValidateSyntax,
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Which function offers an action.
fn function(action: &str) -> Option<&'static str> {
    Some(match action.split_once('.')?.0 {
        "code" => "CodeAgentFunctionArn",
        "tests" => "TestAgentFunctionArn",
        "security" => "SecurityAgentFunctionArn",
        "quality" => "QualityAgentFunctionArn",
        "deploy" => "DeployAgentFunctionArn",
        "monitor" => "MonitorAgentFunctionArn",
        "notify" => "NotifyAgentFunctionArn",
        _ => return None,
    })
}

/// The intent in a task's arguments, or what is wrong with it.
pub(crate) fn read(arguments: &Value, state: &str) -> Result<IntentEnvelope, String> {
    let intent: IntentEnvelope = serde_json::from_value(arguments["Payload"].clone())
        .map_err(|error| format!("{state} sends no intent envelope: {error}"))?;
    let action = intent.intent.action.as_str();
    let wrong = |what: &str| Err(format!("{state} ({action}): {what}"));
    if intent.version != PROTOCOL_VERSION {
        return wrong("another version of the protocol");
    }
    if function(action) != arguments["FunctionName"].as_str() {
        return wrong("another agent's function");
    }
    let named = intent.intent.context.state.as_ref();
    if named.map(StateName::state) != Some(state) {
        return wrong("the context names another state");
    }
    let about = intent.intent.parameters.get("environment").and_then(Value::as_str);
    let of = named.and_then(StateName::environment);
    if about.is_some() && of.as_ref().map(EnvironmentName::as_str) != about {
        return wrong("the context names another environment");
    }
    if let Some(key) = &intent.metadata.idempotency_key
        && let Some(named) = named
        && !key.contains(&format!("/{named}/"))
    {
        return wrong("the key does not tell the state's calls apart");
    }
    if intent.intent.context.run_id.is_none() && intent.intent.context.execution.is_none() {
        return wrong("the context says neither the run nor the execution");
    }
    if intent.metadata.idempotency_key.is_none() {
        return wrong("no idempotency key");
    }
    let skipped = intent.intent.context.skip.is_some();
    let parameters = Value::Object(intent.intent.parameters.clone());
    // An agent does not look at the parameters of what it skips.
    match check(action, parameters) {
        Err(error) if !skipped => wrong(&error),
        _ => Ok(intent),
    }
}

fn check(action: &str, parameters: Value) -> Result<(), String> {
    match action {
        "code.analyze_changes" => typed::<AnalyzeChanges>(parameters),
        "code.validate_syntax" => typed::<ValidateSyntax>(parameters),
        "code.check_quality" => typed::<CheckQuality>(parameters),
        "tests.run_unit" | "tests.run_integration" | "tests.run_e2e" => {
            typed::<RunTests>(parameters)
        }
        "tests.check_coverage" => typed::<CheckCoverage>(parameters),
        "security.scan_vulnerabilities"
        | "security.check_dependencies"
        | "security.validate_secrets" => typed::<SecurityCheck>(parameters),
        "quality.plan_pipeline" => typed::<PlanPipeline>(parameters),
        "quality.evaluate_gate" => typed::<EvaluateGate>(parameters),
        "quality.judge_release" => typed::<JudgeRelease>(parameters),
        "deploy.to_staging" | "deploy.to_production" => typed::<Deploy>(parameters),
        "deploy.rollback" => typed::<Rollback>(parameters),
        "deploy.check_status" => typed::<CheckStatus>(parameters),
        "monitor.check_health" => typed::<CheckHealth>(parameters),
        "monitor.track_metrics" => typed::<TrackMetrics>(parameters),
        "monitor.detect_anomalies" => typed::<DetectAnomalies>(parameters),
        "notify.ask_approvers" => typed::<AskApprovers>(parameters),
        "notify.slack_team" | "notify.email_stakeholders" | "notify.update_jira" => {
            typed::<Notify>(parameters)
        }
        _ => Err("no such action".to_owned()),
    }
}

fn typed<T: DeserializeOwned>(parameters: Value) -> Result<(), String> {
    serde_json::from_value::<T>(parameters).map(drop).map_err(|error| error.to_string())
}
