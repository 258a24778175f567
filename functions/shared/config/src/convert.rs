//! From the form of the file to [`Settings`].

use pact_contract::{
    Tier,
    settings::{DEFAULT_TEST_TIMEOUT, Settings},
    shell::word,
    shift::{Asked, Shift, Step, Strategy, Wrong},
};
use serde_json::{Map, Value, json};

use crate::{
    check::Ordered,
    form::{Forms, Law, Seam},
    shape::WORKFLOWS,
    waves,
};

/// How long a person is waited for without `timeout_minutes`.
const DEFAULT_APPROVAL_MINUTES: u32 = 60;

/// The keys of a target that is told what builds its releases.
const BUILD: &str = "build";
const BUILD_TIMEOUT: &str = "build_timeout_seconds";
/// What builds them, where that is not this installation. No target has such a key in the file.
const BUILD_RUNNER: &str = "build_runner";

/// Whether what is built can be deployed to a target of this kind.
pub(crate) fn takes_builds(forms: &Forms, kind: &str) -> bool {
    let form = forms.find(Seam::Target, kind);
    form.is_some_and(|form| form.fields.iter().any(|field| field.name == BUILD))
}

/// What is built for all environments is built for each whose target says nothing else: as these are
/// the same commands, they run once.
fn build_once(environment: &mut Map<String, Value>, build: &Map<String, Value>, forms: &Forms) {
    let Some(Value::Object(target)) = environment.get_mut("target") else { return };
    let kind = target.get("kind").and_then(Value::as_str).unwrap_or_default();
    if target.contains_key(BUILD) || !takes_builds(forms, kind) {
        return;
    }
    for (theirs, ours) in [(BUILD, "commands"), (BUILD_TIMEOUT, "timeout_seconds")] {
        if let Some(value) = build.get(ours) {
            target.insert(theirs.to_owned(), value.clone());
        }
    }
    if build.get("runner").and_then(Value::as_str) == Some(WORKFLOWS) {
        let text = |key: &str, default: &str| {
            build.get(key).and_then(Value::as_str).unwrap_or(default).to_owned()
        };
        let (workflow, artifact) = (text("workflow", "pact.yml"), text("artifact", "release"));
        // A target knows what was built for it by what builds it.
        let mut commands = vec![json!([WORKFLOWS, workflow, artifact])];
        let own = build.get("commands").and_then(Value::as_array).cloned().unwrap_or_default();
        let line = own.iter().filter_map(command_line).collect::<Vec<_>>().join(" && ");
        commands.extend(own);
        target.insert(BUILD.to_owned(), commands.into());
        let mut runner =
            json!({ "kind": WORKFLOWS, "workflow": workflow, "artifacts": [artifact] });
        if !line.is_empty()
            && let Some(runner) = runner.as_object_mut()
        {
            runner.insert("command".to_owned(), json!(["sh", "-c", line]));
        }
        target.insert(BUILD_RUNNER.to_owned(), runner);
    }
}

/// A command as a line for the shell.
fn command_line(command: &Value) -> Option<String> {
    let words: Vec<&str> = command.as_array()?.iter().filter_map(Value::as_str).collect();
    if let ["sh", "-c", line] = words[..] {
        return Some(line.to_owned());
    }
    Some(words.iter().map(|text| word(text)).collect::<Vec<_>>().join(" "))
}

/// What an environment is measured by is its target, where the source says nothing else and can.
fn measured_by_target(environment: &mut Map<String, Value>, forms: &Forms) {
    let Some(Value::Object(target)) = environment.get("target").cloned() else { return };
    let source = environment.get_mut("watch").and_then(|watch| watch.get_mut("source"));
    let Some(Value::Object(source)) = source else { return };
    let kind = source.get("kind").and_then(Value::as_str).unwrap_or_default();
    let laws = forms.find(Seam::Source, kind).map(|form| form.laws.as_slice());
    for law in laws.unwrap_or_default() {
        let Law::OneOf { keys, of_target: Some((kind, theirs)) } = law else { continue };
        let said = keys.iter().any(|key| source.contains_key(key));
        if said || target.get("kind").and_then(Value::as_str) != Some(kind) {
            continue;
        }
        for key in theirs {
            if let Some(value) = target.get(key) {
                source.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
    }
}

/// Why nothing takes a release back from the environment's target.
fn no_return(environment: &Map<String, Value>, forms: &Forms) -> Option<String> {
    let target = environment.get("target")?.as_object()?;
    let kind = target.get("kind")?.as_str()?;
    let lacking = forms.find(Seam::Target, kind)?.lacks_for_return(target)?;
    Some(format!("the target {kind} has no {lacking}"))
}

/// The settings of a file without faults.
pub(crate) fn settings(
    mut file: Map<String, Value>,
    order: Vec<Ordered>,
    forms: &Forms,
) -> Result<Settings, serde_json::Error> {
    if let Some(Value::Object(tests)) = file.get_mut("tests") {
        for suite in tests.values_mut().filter_map(Value::as_object_mut) {
            suite.entry("timeout_seconds").or_insert_with(|| DEFAULT_TEST_TIMEOUT.into());
        }
    }
    let build = match file.remove("build") {
        Some(Value::Object(build)) => build,
        _ => Map::new(),
    };
    if let Some(Value::Object(mut environments)) = file.remove("environments") {
        let named = |environment: Ordered| {
            let all = environments.remove(&environment.name);
            let Some(Value::Object(table)) = all else { return Vec::new() };
            let waves = waves::expanded(&environment.name, table).into_iter();
            waves
                .filter_map(|(name, table)| one(name, environment.tier, table, &build, forms))
                .collect()
        };
        file.insert("environments".to_owned(), order.into_iter().flat_map(named).collect());
    }
    serde_json::from_value(Value::Object(file))
}

/// One environment of the list, of its table in the file.
fn one(
    name: String,
    tier: Tier,
    mut table: Map<String, Value>,
    build: &Map<String, Value>,
    forms: &Forms,
) -> Option<Value> {
    table.remove("tier");
    build_once(&mut table, build, forms);
    measured_by_target(&mut table, forms);
    if let Some(why) = no_return(&table, forms) {
        table.insert("no_return".to_owned(), why.into());
    }
    if let Some(Value::Object(approval)) = table.get_mut("approval") {
        approval.entry("timeout_minutes").or_insert_with(|| DEFAULT_APPROVAL_MINUTES.into());
    }
    // What is wrong with it was reported where it stands.
    let (shift, _) = shift(&table);
    for key in SHIFT {
        table.remove(key);
    }
    // Where users are every release is watched, and wherever it is shifted step by step.
    if tier == Tier::Production || !shift.steps.is_empty() {
        table.entry("watch").or_insert_with(|| json!({}));
    }
    table.insert("shift".to_owned(), serde_json::to_value(shift).ok()?);
    Some(json!({ "name": name, "tier": tier, "settings": table }))
}

/// The keys of an environment that say how a release comes to its requests.
pub(crate) const SHIFT: [&str; 4] = ["strategy", "steps", "by", "every"];

/// How a release comes to its requests by the keys of an environment, and what is wrong with them.
pub(crate) fn shift(environment: &Map<String, Value>) -> (Shift, Option<Wrong>) {
    let strategy = environment.get("strategy").and_then(Value::as_str).and_then(Strategy::parse);
    let step = |step: &Value| {
        let weight = step.get("weight").and_then(Value::as_u64);
        Step {
            weight: weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(0),
            seconds: step.get("minutes").map_or(0, seconds),
        }
    };
    let steps = environment.get("steps").and_then(Value::as_array);
    let by = environment.get("by").and_then(Value::as_u64);
    let asked = Asked {
        steps: steps.map(|steps| steps.iter().map(step).collect()),
        by: by.and_then(|by| u32::try_from(by).ok()),
        every: environment.get("every").map(seconds),
    };
    match Shift::resolve(strategy.unwrap_or_default(), &asked) {
        Ok(shift) => (shift, None),
        Err(wrong) => (Shift::default(), Some(wrong)),
    }
}

/// Minutes of a file in seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 600")]
fn seconds(minutes: &Value) -> u64 {
    (minutes.as_f64().unwrap_or(0.0).clamp(0.0, 60.0) * 60.0).round() as u64
}
