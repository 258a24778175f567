//! By which settings a commit is judged: those of the commit before, made stricter by its own at
//! once and looser never, and by what the installation asks for.

mod join;
mod places;
#[cfg(test)]
mod tests;

use pact_contract::{
    policy::Floor,
    settings::{CheckMode, Settings, Template},
};
use serde_json::Value;

pub use join::stricter;
pub use places::place_of;

/// Longest value in a sentence, in bytes.
const MAX_VALUE: usize = 80;

/// The settings that count, and where they are not the commit's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// By these the commit is judged.
    pub settings: Settings,
    /// The same without what the floor raised: what the next commit is compared with.
    pub kept: Settings,
    /// What the commit loosens, or may: it counts from the next commit.
    pub loosened: Vec<Difference>,
    /// What the installation raised.
    pub raised: Vec<Difference>,
}

/// A setting that does not count as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The setting as in `gate.min_coverage`.
    pub key: String,
    /// One sentence for people, without its end.
    pub sentence: String,
}

/// The settings that judge a commit with the settings `own`: `before` are those of the commit
/// before it; none where the commit is judged by its own.
#[must_use]
pub fn judge(before: Option<&Settings>, own: &Settings, floor: &Floor) -> Judged {
    let kept = before.map_or_else(|| own.clone(), |before| stricter(before, own));
    let settings = raise(&kept, floor);
    Judged {
        loosened: differences(own, &kept, "this commit is judged"),
        raised: differences(&kept, &settings, "the installation judges"),
        settings,
        kept,
    }
}

/// The settings, nowhere below the floor.
#[must_use]
pub fn raise(settings: &Settings, floor: &Floor) -> Settings {
    let mut raised = Settings {
        template: match floor.template {
            Some(least) => join::template(Some(least), settings.template),
            None => settings.template,
        },
        ..settings.clone()
    };
    for (name, least) in &floor.checks {
        let only = [(name.clone(), *least)].into();
        // A floor that leaves a check out asks for nothing.
        if *least != CheckMode::Skip {
            let mode = settings.checks.get(name).copied().unwrap_or(CheckMode::Auto);
            let mode = join::checks(&only, &[(name.clone(), mode)].into());
            raised.checks.extend(mode);
            // No condition lets off what the installation asks for.
            for condition in &mut raised.conditions {
                condition.skip.retain(|skipped| skipped != name);
            }
        }
    }
    let asked = (floor.template.map(Template::policy), &floor.gate);
    raised.gate = join::gate([asked, join::asked(settings)]);
    if let Some(code) = &floor.code {
        let ignore = settings.code.ignore.clone();
        raised.code = join::code(code, &settings.code);
        // What is not looked at is the repository's affair as long as the commit before said so.
        raised.code.ignore = ignore;
    }
    for (name, approval) in &floor.approval {
        // The first of its waves is where a person is asked.
        let asks = raised.environments.waves_of(name).next().map(|wave| wave.name.clone());
        for asks in [Some(name.clone()), asks].into_iter().flatten() {
            if let Some(environment) = raised.environments.get_mut(&asks) {
                let asked = environment.settings.approval.take();
                environment.settings.approval =
                    Some(asked.map_or_else(|| approval.clone(), |asked| asked.and(approval)));
            }
        }
    }
    raised
}

/// Where `counts` is not what `own` has.
fn differences(own: &Settings, counts: &Settings, judges: &str) -> Vec<Difference> {
    let (Ok(own), Ok(counts)) = (serde_json::to_value(own), serde_json::to_value(counts)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    compare(&mut Vec::new(), &own, &counts, judges, &mut found);
    found
}

fn compare(
    path: &mut Vec<String>,
    own: &Value,
    counts: &Value,
    judges: &str,
    found: &mut Vec<Difference>,
) {
    if own == counts {
        return;
    }
    if let ([key], Value::Array(own), Value::Array(counts)) = (&path[..], own, counts)
        && key == "waivers"
    {
        for waiver in own.iter().filter(|waiver| !counts.contains(waiver)) {
            let text = |name: &str| waiver.get(name).map(shown).unwrap_or_default();
            let sentence = format!(
                "waivers has {} by {} until {}; {judges} without that",
                text("code"),
                text("owner"),
                text("expires")
            );
            found.push(Difference { key: "waivers".to_owned(), sentence });
        }
        return;
    }
    if let ([key], Value::Array(own), Value::Array(counts)) = (&path[..], own, counts)
        && key == "environments"
    {
        environments(own, counts, judges, found);
        return;
    }
    if let (Value::Object(own), Value::Object(counts)) = (own, counts)
        // A command or a target is one thing.
        && !(own.contains_key("kind") && counts.contains_key("kind"))
    {
        let keys: std::collections::BTreeSet<&String> = own.keys().chain(counts.keys()).collect();
        for key in keys {
            path.push(key.clone());
            let value =
                |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
            compare(path, &value(own), &value(counts), judges, found);
            path.pop();
        }
        return;
    }
    let mut key = path.join(".").replace(".runner", "").replace(".shift.", ".");
    // The file has its keys beside those of the environment.
    if let Some(environment) = key.strip_suffix(".shift") {
        key = format!("{environment}.strategy");
    }
    // Not in the file: it follows from the number of findings.
    if key == "gate.quality_score" {
        key = "gate.max_quality_findings".to_owned();
        let sentence = format!("{key} replaces the template's quality score; {judges} by both");
        found.push(Difference { key, sentence });
        return;
    }
    let sentence = match (own, counts) {
        (Value::Null, counts) => {
            format!("{key} is not there; {judges} with {}", shown(counts))
        }
        (own, Value::Null) => format!("{key} = {}; {judges} without it", shown(own)),
        (own, counts) => format!("{key} = {}; {judges} with {}", shown(own), shown(counts)),
    };
    found.push(Difference { key, sentence });
}

/// Environments are compared by their names, and so is their order.
fn environments(own: &[Value], counts: &[Value], judges: &str, found: &mut Vec<Difference>) {
    let name = |environment: &Value| {
        environment.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let with = |list: &[Value], wanted: &str| list.iter().find(|one| name(one) == wanted).cloned();
    let (mine, theirs): (Vec<_>, Vec<_>) =
        (own.iter().map(name).collect(), counts.iter().map(name).collect());
    for name in mine.iter().chain(theirs.iter().filter(|name| !mine.contains(name))) {
        // In the form of the file: the keys of its settings beside its tier.
        let flat = |list: &[Value]| {
            let mut table = with(list, name)?;
            let mut settings = table.get_mut("settings").map(Value::take)?;
            settings.as_object_mut()?.insert("tier".to_owned(), table.get("tier").cloned()?);
            Some(settings)
        };
        let (own, counts) = (flat(own), flat(counts));
        let mut path = vec!["environments".to_owned(), name.clone()];
        compare(
            &mut path,
            &own.unwrap_or(Value::Null),
            &counts.unwrap_or(Value::Null),
            judges,
            found,
        );
    }
    let both = |list: &[String], other: &[String]| -> Vec<String> {
        list.iter().filter(|name| other.contains(name)).cloned().collect()
    };
    let (mine, theirs) = (both(&mine, &theirs), both(&theirs, &mine));
    if mine != theirs {
        let key = "environments".to_owned();
        let sentence = format!(
            "environments stand in the order {}; {judges} in the order {}",
            mine.join(", "),
            theirs.join(", ")
        );
        found.push(Difference { key, sentence });
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Object(map) => match map.get("kind").and_then(Value::as_str) {
            Some(_) if map.contains_key("command") => return shown(&map["command"]),
            _ => value.to_string(),
        },
        other => other.to_string(),
    };
    if text.len() <= MAX_VALUE {
        return text;
    }
    let end = (0..=MAX_VALUE).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}
