//! Somebody told that work has changed which a state of a run waits for: the state is asked to look.
//!
//! It is asked by its task token, as when nothing was heard of the work for a while: it then asks its
//! agent again, which looks for itself. So nothing that was told is believed, nobody has to be able to
//! call the agent, and an event that is lost costs no more than the time until the next look.

use pact_agent::ports::StoreError;
use pact_contract::{ErrorName, RepositoryName, correlation::Correlation};
use serde_json::json;

use crate::ports::Ports;

/// Asks the state to look. False when it does not wait, or not for work of this repository.
///
/// # Errors
/// The store or the executions cannot be reached; the same event may be told again.
pub(crate) async fn wake(
    ports: &Ports,
    repository: &RepositoryName,
    correlation: &Correlation,
) -> Result<bool, StoreError> {
    let Correlation { run_id, state, token } = correlation;
    let Some((call, task_token)) = ports.calls.waiting(run_id, state).await? else {
        return Ok(false);
    };
    let of = call.parameters.get("repository").and_then(|repository| repository.get("name"));
    if of.and_then(|name| name.as_str()) != Some(repository.as_str()) {
        tracing::warn!(run_id = run_id.as_str(), "another repository told of the run's work");
        return Ok(false);
    }
    let name = ErrorName::LookAgain.as_str();
    let message = format!("the work {token} has changed");
    let cause = json!({ "errorType": name, "errorMessage": message }).to_string();
    // Whoever waited with an older token looks already.
    ports.tasks.fail(&task_token, name, &cause).await
}

#[cfg(test)]
pub(crate) use tests::Waiting;

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use async_trait::async_trait;
    use pact_agent::{
        ports::Listed,
        waiting::{TaskTokens, WaitingCall, WaitingCalls},
    };
    use pact_contract::{RunId, StateName};
    use serde_json::Value;

    use super::*;
    use crate::testing::World;

    /// One call that waits, and what those who wait were told.
    #[derive(Default)]
    pub(crate) struct Waiting {
        call: Mutex<Option<(WaitingCall, String)>>,
        told: Mutex<Vec<(String, String)>>,
    }

    #[async_trait]
    impl WaitingCalls for Waiting {
        async fn keep(&self, call: &WaitingCall, _: &str) -> Result<WaitingCall, StoreError> {
            Ok(call.clone())
        }
        async fn waiting(
            &self,
            run_id: &RunId,
            state: &StateName,
        ) -> Result<Option<(WaitingCall, String)>, StoreError> {
            let kept = self.call.lock().unwrap().clone();
            Ok(kept.filter(|(call, _)| call.run_id == *run_id && call.state == *state))
        }
        async fn of_run(&self, _: &RunId) -> Result<Listed<WaitingCall>, StoreError> {
            Ok(Listed::default())
        }
        async fn progress(&self, _: &WaitingCall) -> Result<(), StoreError> {
            Ok(())
        }
        async fn claim(&self, _: &WaitingCall, _: Duration) -> Result<bool, StoreError> {
            Ok(false)
        }
        async fn unclaim(&self, _: &WaitingCall) -> Result<bool, StoreError> {
            Ok(true)
        }
        async fn close(&self, _: &WaitingCall) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[async_trait]
    impl TaskTokens for Waiting {
        async fn succeed(&self, _: &str, _: &Value) -> Result<bool, StoreError> {
            Ok(false)
        }
        async fn fail(&self, token: &str, error: &str, _: &str) -> Result<bool, StoreError> {
            self.told.lock().unwrap().push((token.to_owned(), error.to_owned()));
            Ok(true)
        }
    }

    fn call() -> WaitingCall {
        let stage = json!({
            "schema": 1, "run_id": "web-1", "state": "RunUnitTests", "agent": "test-agent",
            "action": "tests.run_unit", "status": "running", "summary": "", "attempt": 1,
            "started_at": "2026-11-01T00:00:00Z", "finished_at": null, "duration_ms": 0,
            "findings": [], "findings_total": 0, "output": null, "details_key": null,
            "error": null, "fallback": null,
        });
        WaitingCall {
            schema: WaitingCall::VERSION,
            run_id: "web-1".parse().unwrap(),
            state: "RunUnitTests".parse().unwrap(),
            key: "key".to_owned(),
            action: "tests.run_unit".to_owned(),
            parameters: json!({ "repository": { "name": "acme/web" } })
                .as_object()
                .unwrap()
                .clone(),
            context: <_>::default(),
            stage: serde_json::from_value(stage).unwrap(),
            progress: Value::Null,
        }
    }

    #[tokio::test]
    async fn only_who_waits_for_work_of_that_repository_is_asked_to_look() {
        let waiting = Arc::new(Waiting::default());
        let ports = Ports {
            calls: Arc::clone(&waiting) as _,
            tasks: Arc::clone(&waiting) as _,
            ..World::new().ports()
        };
        let told = Correlation::find("web-1/RunUnitTests/0123abcd").unwrap();
        let (own, other) = ("acme/web".parse().unwrap(), "acme/shop".parse().unwrap());
        assert!(!wake(&ports, &own, &told).await.unwrap(), "nobody waits");

        *waiting.call.lock().unwrap() = Some((call(), "t0ken".to_owned()));
        assert!(!wake(&ports, &other, &told).await.unwrap(), "it is of another repository");
        assert!(waiting.told.lock().unwrap().is_empty());
        // Told twice, it looks twice.
        for _ in 0..2 {
            assert!(wake(&ports, &own, &told).await.unwrap());
        }
        let told = waiting.told.lock().unwrap().clone();
        assert_eq!(told, vec![("t0ken".to_owned(), "ERR_LOOK_AGAIN".to_owned()); 2]);
    }
}
