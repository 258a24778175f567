//! Calls that wait, with the races that there are.

use std::time::Duration;

use pact_agent::{
    ports::StoreError,
    waiting::{WaitingCall, WaitingCalls},
};
use pact_contract::{RunId, StageRecord, StageStatus, StateName, envelope::Context};
use serde_json::{Map, Value, json};

use super::store;

fn call(key: &str, progress: Value) -> WaitingCall {
    call_of("web-1".parse().unwrap(), "RunUnitTests".parse().unwrap(), key, progress)
}

/// A call of a run's state that waits.
pub(super) fn call_of(run_id: RunId, state: StateName, key: &str, progress: Value) -> WaitingCall {
    WaitingCall {
        schema: WaitingCall::VERSION,
        run_id: run_id.clone(),
        state: state.clone(),
        key: key.to_owned(),
        action: "tests.run_unit".to_owned(),
        parameters: Map::new(),
        context: Context::default(),
        stage: StageRecord {
            schema: StageRecord::VERSION,
            run_id,
            state,
            agent: "test-agent".to_owned(),
            action: "tests.run_unit".to_owned(),
            status: StageStatus::Running,
            summary: String::new(),
            attempt: 1,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            finished_at: None,
            duration_ms: 0,
            findings: Vec::new(),
            findings_total: 0,
            output: Value::Null,
            details_key: None,
            error: None,
            fallback: None,
        },
        progress,
    }
}

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_call_waits_with_the_last_token_until_it_is_closed() {
    let store = store().await;
    let first = call("k", json!({ "n": 1 }));
    assert_eq!(store.keep(&first, "one").await.unwrap(), first);
    let again = store.keep(&call("k", json!({ "n": 0 })), "two").await.unwrap();
    assert_eq!(again, first, "how far it is stays");
    let (found, token) = store.waiting(&first.run_id, &first.state).await.unwrap().unwrap();
    assert_eq!((found, token.as_str()), (first.clone(), "two"));
    let further = WaitingCall { progress: json!({ "n": 2 }), ..first.clone() };
    store.progress(&further).await.unwrap();
    assert_eq!(store.of_run(&first.run_id).await.unwrap().items, std::slice::from_ref(&further));
    for _ in 0..2 {
        store.close(&further).await.unwrap();
    }
    assert_eq!(store.waiting(&first.run_id, &first.state).await.unwrap(), None);
    assert_eq!(store.of_run(&first.run_id).await.unwrap().items, []);
    let late = store.progress(&further).await.unwrap_err();
    assert!(matches!(late, StoreError::Conflict(_)), "{late}");
}

#[tokio::test]
async fn one_at_a_time_looks_and_hears_of_what_happened_meanwhile() {
    let store = store().await;
    let call = call("k", json!(null));
    store.keep(&call, "one").await.unwrap();
    assert!(store.claim(&call, LEASE).await.unwrap());
    assert!(!store.claim(&call, LEASE).await.unwrap(), "another looks");
    assert!(!store.unclaim(&call).await.unwrap(), "there was something to see");
    assert!(store.unclaim(&call).await.unwrap());
    assert!(store.claim(&call, Duration::ZERO).await.unwrap());
    // A process that ended halfway keeps nobody from it for ever.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(store.claim(&call, LEASE).await.unwrap());
}
