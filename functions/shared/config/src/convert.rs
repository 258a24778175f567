//! From the form of the file to [`Settings`], and what several keys have to agree on.

use pact_contract::settings::{DEFAULT_TEST_TIMEOUT, Probe, Settings};
use serde_json::{Map, Value};
use toml::{Spanned, de::DeTable};

use crate::Faults;

/// How long a person is waited for without `timeout_minutes`.
const DEFAULT_APPROVAL_MINUTES: u32 = 60;

/// Keys of an environment that belong to its target.
const TARGET_KEYS: &[&str] = &["path", "build", "build_timeout_seconds", "keep", "service"];

/// The settings of a file without faults.
pub(crate) fn settings(mut file: Map<String, Value>) -> Result<Settings, serde_json::Error> {
    if let Some(Value::Object(tests)) = file.get_mut("tests") {
        for name in ["unit", "integration", "e2e"] {
            if let Some(Value::Object(test)) = tests.get_mut(name) {
                test.entry("timeout_seconds").or_insert_with(|| DEFAULT_TEST_TIMEOUT.into());
            }
        }
    }
    if let Some(Value::Object(environments)) = file.get_mut("environments") {
        for environment in environments.values_mut().filter_map(Value::as_object_mut) {
            let mut target = Map::new();
            target.insert("kind".to_owned(), environment.remove("target").unwrap_or_default());
            for key in TARGET_KEYS {
                if let Some(value) = environment.remove(*key) {
                    target.insert((*key).to_owned(), value);
                }
            }
            environment.insert("target".to_owned(), Value::Object(target));
            if let Some(Value::Object(approval)) = environment.get_mut("approval") {
                approval
                    .entry("timeout_minutes")
                    .or_insert_with(|| DEFAULT_APPROVAL_MINUTES.into());
            }
        }
    }
    serde_json::from_value(Value::Object(file))
}

/// Faults that no key has by itself. `checked` is what was right in the file.
pub(crate) fn cross_check(
    tree: &DeTable<'_>,
    checked: &Map<String, Value>,
    faults: &mut Faults<'_>,
) {
    let none = Map::new();
    let environments =
        checked.get("environments").and_then(Value::as_object).unwrap_or(&none).iter();
    let environments: Vec<_> =
        environments.filter_map(|(name, e)| e.as_object().map(|e| (name.as_str(), e))).collect();
    for (name, environment) in &environments {
        probes(tree, name, environment, faults);
        if environment.pointer_str("service", "env").is_some_and(|env| env.get("PORT").is_some()) {
            faults.at(
                place(tree, &["environments", name, "service", "env", "PORT"]),
                format!("environments.{name}.service.env must not set PORT"),
                Some("use service.port".to_owned()),
            );
        }
    }
    if let [(_, first), (second_name, second)] = environments.as_slice() {
        let port = |e: &Map<String, Value>| e.pointer_str("service", "port").cloned();
        if port(first).is_some() && port(first) == port(second) {
            faults.at(
                place(tree, &["environments", second_name, "service", "port"]),
                "staging and production must not have the same port".to_owned(),
                Some("leave it out for a free one".to_owned()),
            );
        }
        let path = |e: &Map<String, Value>| e.get("path").and_then(Value::as_str).map(normal);
        if path(first).is_some() && path(first) == path(second) {
            faults.at(
                place(tree, &["environments", second_name, "path"]),
                "staging and production must not have the same path".to_owned(),
                None,
            );
        }
    }
}

/// Whether an environment's probes can succeed at all.
fn probes(
    tree: &DeTable<'_>,
    name: &str,
    environment: &Map<String, Value>,
    faults: &mut Faults<'_>,
) {
    let Some(Value::Array(probes)) = environment.get("health") else { return };
    for (index, value) in probes.iter().enumerate() {
        // What one probe says wrong was reported where it stands.
        let Ok(probe) = serde_json::from_value::<Probe>(value.clone()) else { continue };
        let here = || {
            let array = node(tree, &["environments", name, "health"])?.get_ref().as_array()?;
            Some(array.get(index)?.span())
        };
        if probe.path.starts_with('/') && node(tree, &["environments", name, "service"]).is_none() {
            faults.at(
                here(),
                format!(
                    "environments.{name}.health[{index}] has nothing to ask: there is no service"
                ),
                Some(format!("add [environments.{name}.service] or a whole http address")),
            );
        }
        let needed = u64::from(probe.successes.saturating_sub(1)) * probe.interval_ms;
        if needed > probe.deadline_seconds.saturating_mul(1_000) {
            faults.at(
                here(),
                format!(
                    "environments.{name}.health[{index}] cannot succeed: {} successes {} ms apart \
                     do not fit into {} seconds",
                    probe.successes, probe.interval_ms, probe.deadline_seconds
                ),
                None,
            );
        }
    }
}

trait Inner {
    fn pointer_str(&self, table: &str, key: &str) -> Option<&Value>;
}

impl Inner for Map<String, Value> {
    fn pointer_str(&self, table: &str, key: &str) -> Option<&Value> {
        self.get(table)?.get(key)
    }
}

/// A relative path without `.` and doubled separators.
fn normal(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

fn place(tree: &DeTable<'_>, path: &[&str]) -> Option<std::ops::Range<usize>> {
    node(tree, path).map(Spanned::span)
}

fn node<'t, 'i>(
    tree: &'t DeTable<'i>,
    path: &[&str],
) -> Option<&'t Spanned<toml::de::DeValue<'i>>> {
    let (first, rest) = path.split_first()?;
    let (_, node) = tree.iter().find(|(key, _)| key.get_ref().as_ref() == *first)?;
    if rest.is_empty() {
        return Some(node);
    }
    self::node(node.get_ref().as_table()?, rest)
}
