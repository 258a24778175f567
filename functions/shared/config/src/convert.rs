//! From the form of the file to [`Settings`].

use pact_contract::settings::{DEFAULT_TEST_TIMEOUT, Settings};
use serde_json::{Map, Value};

/// How long a person is waited for without `timeout_minutes`.
const DEFAULT_APPROVAL_MINUTES: u32 = 60;

/// The settings of a file without faults.
pub(crate) fn settings(mut file: Map<String, Value>) -> Result<Settings, serde_json::Error> {
    if let Some(Value::Object(tests)) = file.get_mut("tests") {
        for suite in tests.values_mut().filter_map(Value::as_object_mut) {
            suite.entry("timeout_seconds").or_insert_with(|| DEFAULT_TEST_TIMEOUT.into());
        }
    }
    if let Some(Value::Object(environments)) = file.get_mut("environments") {
        for environment in environments.values_mut().filter_map(Value::as_object_mut) {
            if let Some(Value::Object(approval)) = environment.get_mut("approval") {
                approval
                    .entry("timeout_minutes")
                    .or_insert_with(|| DEFAULT_APPROVAL_MINUTES.into());
            }
        }
    }
    serde_json::from_value(Value::Object(file))
}
