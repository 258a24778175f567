//! Any text is judged; what is accepted is a machine that runs, and has a history.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use local_step_functions::validate;
use local_step_functions_fuzz::with_engine;
use serde_json::json;

fuzz_target!(|text: &str| {
    if validate(text).is_err() {
        return;
    }
    with_engine(|engine| async move {
        let machine = engine.put_state_machine("machine", text).await.unwrap();
        let start = json!({ "stateMachineArn": machine, "input": r#"{"a":[1,"b"]}"# });
        let execution = engine.call("StartExecution", start).await.unwrap();
        let mut changes = engine.status_changes();
        let end = async {
            while engine.running() > 0 && changes.recv().await.is_ok() {}
        };
        // Some wait for long, or for a token.
        drop(tokio::time::timeout(Duration::from_millis(200), end).await);
        let arn = &execution["executionArn"];
        engine.call("GetExecutionHistory", json!({ "executionArn": arn })).await.unwrap();
        drop(engine.call("StopExecution", json!({ "executionArn": arn })).await);
    });
});
