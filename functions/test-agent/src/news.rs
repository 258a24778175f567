//! Events that concern tests: a build has ended, or a phase of it, and a run has.

use pact_agent::News;
use pact_contract::{RunId, StateName};
use serde_json::Value;

/// Variables by which a build, and so the event of its end, names the run and the state that wait.
pub(crate) const RUN: &str = "PACT_RUN";
pub(crate) const STATE: &str = "PACT_STATE";
/// The variable by which it names the state that waits for what comes after in the same build.
pub(crate) const NEXT: &str = "PACT_NEXT";

/// What an event says; none when it is of another kind.
pub(crate) fn read(event: &Value) -> Option<News> {
    let text =
        |value: &Value, at: &str| value.pointer(at).and_then(Value::as_str).map(str::to_owned);
    match event.get("detail-type")?.as_str()? {
        // The first of two suites has ended with its phase, the second with the build.
        kind @ ("CodeBuild Build State Change" | "CodeBuild Build Phase Change") => {
            let at = "/detail/additional-information/environment/environment-variables";
            let variables = event.pointer(at).and_then(Value::as_array);
            let variable = |name: &str| {
                let named = |v: &&Value| v.get("name").and_then(Value::as_str) == Some(name);
                variables?.iter().find(named).and_then(|v| text(v, "/value"))
            };
            let run_id = variable(RUN).and_then(|run| RunId::parse(&run).ok());
            let state = |name| variable(name).and_then(|state| StateName::parse(&state).ok());
            let next = state(NEXT);
            if kind == "CodeBuild Build Phase Change" && next.is_none() {
                return Some(News::Nothing);
            }
            let states: Vec<_> = state(STATE).into_iter().chain(next).collect();
            Some(match run_id.filter(|_| !states.is_empty()) {
                Some(run_id) => News::Changed { run_id, states },
                None => News::Nothing,
            })
        }
        "Step Functions Execution Status Change" => {
            let ended = text(event, "/detail/status").is_some_and(|status| status != "RUNNING");
            let run_id = text(event, "/detail/name").and_then(|name| RunId::parse(&name).ok());
            Some(match run_id.filter(|_| ended) {
                Some(run_id) => News::RunEnded { run_id },
                None => News::Nothing,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_name_who_waits_and_others_are_nobodys() {
        let run_id: RunId = "web-1".parse().expect("an id");
        let event = |kind: &str, variables: Value| {
            json!({
                "detail-type": format!("CodeBuild Build {kind} Change"),
                "detail": { "additional-information": { "environment": {
                    "environment-variables": variables,
                } } },
            })
        };
        let mut variables = vec![
            json!({ "name": RUN, "value": "web-1" }),
            json!({ "name": STATE, "value": "RunUnitTests" }),
        ];
        let changed = |states: &[&str]| {
            let states = states.iter().map(|state| state.parse().expect("a name")).collect();
            Some(News::Changed { run_id: run_id.clone(), states })
        };
        assert_eq!(read(&event("State", json!(variables))), changed(&["RunUnitTests"]));
        assert_eq!(read(&event("State", json!([]))), Some(News::Nothing));
        // A phase says something only where another suite follows.
        assert_eq!(read(&event("Phase", json!(variables))), Some(News::Nothing));
        variables.push(json!({ "name": NEXT, "value": "RunIntegrationTests" }));
        for kind in ["State", "Phase"] {
            let both = changed(&["RunUnitTests", "RunIntegrationTests"]);
            assert_eq!(read(&event(kind, json!(variables))), both);
        }
        let execution = |status: &str| {
            json!({
                "detail-type": "Step Functions Execution Status Change",
                "detail": { "name": "web-1", "status": status },
            })
        };
        assert_eq!(read(&execution("ABORTED")), Some(News::RunEnded { run_id }));
        assert_eq!(read(&execution("RUNNING")), Some(News::Nothing));
        assert_eq!(read(&json!({ "intent": {} })), None);
    }
}
