//! From the form of the file to [`Settings`].

use pact_contract::{
    Tier,
    settings::{DEFAULT_TEST_TIMEOUT, Settings},
};
use serde_json::{Map, Value, json};

use crate::check::Ordered;

/// How long a person is waited for without `timeout_minutes`.
const DEFAULT_APPROVAL_MINUTES: u32 = 60;

/// The settings of a file without faults.
pub(crate) fn settings(
    mut file: Map<String, Value>,
    order: Vec<Ordered>,
) -> Result<Settings, serde_json::Error> {
    if let Some(Value::Object(tests)) = file.get_mut("tests") {
        for suite in tests.values_mut().filter_map(Value::as_object_mut) {
            suite.entry("timeout_seconds").or_insert_with(|| DEFAULT_TEST_TIMEOUT.into());
        }
    }
    if let Some(Value::Object(mut environments)) = file.remove("environments") {
        let named = |environment: Ordered| {
            let Ordered { name, tier, .. } = environment;
            let mut settings = environments.remove(&name)?;
            let table = settings.as_object_mut()?;
            table.remove("tier");
            if let Some(Value::Object(approval)) = table.get_mut("approval") {
                approval
                    .entry("timeout_minutes")
                    .or_insert_with(|| DEFAULT_APPROVAL_MINUTES.into());
            }
            // Where users are every release is watched.
            if tier == Tier::Production {
                table.entry("watch").or_insert_with(|| json!({}));
            }
            Some(json!({ "name": name, "tier": tier, "settings": settings }))
        };
        file.insert("environments".to_owned(), order.into_iter().filter_map(named).collect());
    }
    serde_json::from_value(Value::Object(file))
}
