//! What the waves of an environment have to agree on.

use std::collections::BTreeMap;

use pact_contract::environments::MAX_ENVIRONMENTS;
use serde_json::Value;
use toml::de::DeTable;

use crate::{
    Faults,
    check::Checked,
    form::Seam,
    laws::span,
    shape::environment_name,
    waves::{self, WAVES},
};

/// What no key of a wave gets wrong by itself: each has a name and a place of its own, and they are not
/// too many.
pub(crate) fn check(tree: &DeTable<'_>, checked: &Checked, faults: &mut Faults<'_>) {
    let Some(Value::Object(environments)) = checked.file.get("environments") else { return };
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for (name, environment) in environments {
        let several = waves::of(environment);
        count += several.len().max(1);
        if several.is_empty() {
            taken.insert(name.clone(), format!("[environments.{name}]"));
        }
    }
    for (name, environment) in environments {
        let mut places: Vec<(Option<Value>, &str)> = Vec::new();
        for (index, wave) in waves::of(environment).iter().enumerate() {
            let own = format!("{name}-{}", waves::label(wave));
            let here = format!("environments.{name}.{WAVES}[{index}]");
            let key = if wave.get("name").is_some() { "name" } else { "region" };
            let at = |key: &str| span(tree, &format!("{here}.{key}"));
            if let Err(why) = environment_name().check(&own) {
                let remedy = "give it a shorter name, by `name` of the wave".to_owned();
                faults.at(
                    at(key),
                    format!("{here} is the environment {own:?}, which {why}"),
                    Some(remedy),
                );
                continue;
            }
            if let Some(other) = taken.get(&own) {
                let message = format!("{here} is the environment {own}, and so is {other}");
                let remedy = "give one of them another name, by `name` of the wave".to_owned();
                faults.at(at(key), message, Some(remedy));
                continue;
            }
            let place = environment.as_object().map(|table| waves::merged(table, wave));
            let place = place.and_then(|own| own.get(Seam::Target.tag()).cloned());
            if let Some((_, other)) = places.iter().find(|(known, _)| *known == place) {
                let message = format!("{here} deploys to the same place as {}", quoted(other));
                let remedy = "give it another region, role or function, or take it out".to_owned();
                faults.at(at("region"), message, Some(remedy));
            }
            places.push((place, waves::label(wave)));
            taken.insert(own, here);
        }
    }
    if count > MAX_ENVIRONMENTS && count > environments.len() {
        let message = format!(
            "the environments are {count} with their waves; there may be {MAX_ENVIRONMENTS}"
        );
        faults.at(span(tree, "environments"), message, None);
    }
}

fn quoted(label: &str) -> String {
    format!("the wave {label:?}")
}
