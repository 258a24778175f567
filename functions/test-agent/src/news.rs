//! Events that concern tests: a build has ended, and a run has.

use pact_agent::News;
use pact_contract::{RunId, StateName};
use serde_json::Value;

/// Variables by which a build, and so the event of its end, names the run and the state that wait.
pub(crate) const RUN: &str = "PACT_RUN";
pub(crate) const STATE: &str = "PACT_STATE";

/// What an event says; none when it is of another kind.
pub(crate) fn read(event: &Value) -> Option<News> {
    let text =
        |value: &Value, at: &str| value.pointer(at).and_then(Value::as_str).map(str::to_owned);
    match event.get("detail-type")?.as_str()? {
        "CodeBuild Build State Change" => {
            let at = "/detail/additional-information/environment/environment-variables";
            let variables = event.pointer(at).and_then(Value::as_array);
            let variable = |name: &str| {
                let named = |v: &&Value| v.get("name").and_then(Value::as_str) == Some(name);
                variables?.iter().find(named).and_then(|v| text(v, "/value"))
            };
            let run_id = variable(RUN).and_then(|run| RunId::parse(&run).ok());
            let state = variable(STATE).and_then(|state| StateName::parse(&state).ok());
            Some(match (run_id, state) {
                (Some(run_id), Some(state)) => News::Changed { run_id, state },
                _ => News::Nothing,
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
        let build = |variables: Value| {
            json!({
                "detail-type": "CodeBuild Build State Change",
                "detail": { "additional-information": { "environment": {
                    "environment-variables": variables,
                } } },
            })
        };
        let named = build(json!([
            { "name": RUN, "value": "web-1" }, { "name": STATE, "value": "RunUnitTests" },
        ]));
        let state: StateName = "RunUnitTests".parse().expect("a name");
        assert_eq!(read(&named), Some(News::Changed { run_id: run_id.clone(), state }));
        assert_eq!(read(&build(json!([]))), Some(News::Nothing));
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
