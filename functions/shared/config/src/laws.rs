//! What several keys have to agree on: the laws of the instances, and those of the probes.

use std::{collections::BTreeMap, ops::Range};

use pact_contract::{
    freeze::{Freeze, MAX_FREEZES},
    settings::{Probe, probed},
    shift::{MAX_STEP_SECONDS, MAX_STEPS_IN_ALL, Shift, observations},
};
use serde_json::{Map, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    Faults,
    check::{Checked, Choice},
    convert,
    form::{Field, Form, Forms, Law, Seam, Shape},
    values::Rule,
    waves,
};

/// How many times as long a step may take whose numbers do not tell.
const EXTENDED: u64 = 4;

/// Reports the faults that no key has by itself.
pub(crate) fn check(tree: &DeTable<'_>, forms: &Forms, checked: &Checked, faults: &mut Faults<'_>) {
    let mut places = Laws { tree, faults, seen: BTreeMap::new() };
    let environments = checked.file.get("environments").and_then(Value::as_object);
    for (name, environment) in environments.into_iter().flatten() {
        let table = format!("environments.{name}");
        places.probes_can_succeed(&table, environment);
        for (index, wave) in waves::of(environment).iter().enumerate() {
            places.probes_can_succeed(&format!("{table}.{}[{index}]", waves::WAVES), wave);
        }
        for (nth, own) in waves::different(environment).iter().enumerate() {
            places.shifts(name, own, nth == 0);
        }
        places.freezes(name, environment);
    }
    places.steps_in_all(environments);
    places.down_steps(checked.file.get("migrations"));
    let takes = |choice: &&Choice| {
        choice.seam == Seam::Target && convert::takes_builds(forms, &choice.kind)
    };
    if checked.file.contains_key("build") && !checked.choices.iter().any(|c| takes(&c)) {
        places.build_for_nobody();
    }
    for choice in &checked.choices {
        let Some(form) = forms.find(choice.seam, &choice.kind) else { continue };
        places.shares(choice, form, environments);
        for law in &form.laws {
            match law {
                Law::Distinct { key, remedy } => {
                    places.distinct(choice, form, key, remedy.as_deref())
                }
                Law::Reserved { key, name, remedy } => {
                    places.reserved(choice, key, name, remedy.as_deref());
                }
                Law::AddressNeeds { key } => places.address(choice, &checked.file, key),
                Law::OneOf { keys, of_target } => {
                    let kind = of_target.as_ref().map(|(kind, _)| kind.as_str());
                    places.one_of(choice, keys, kind, environments);
                }
                Law::Shares { .. } | Law::ReturnNeeds { .. } => {}
            }
        }
    }
}

struct Laws<'c, 'f, 't, 'i> {
    tree: &'c DeTable<'i>,
    faults: &'f mut Faults<'t>,
    /// Values that must be different, with the first table that has each.
    seen: BTreeMap<(Seam, &'c str, &'c str, String), &'c Choice>,
}

impl<'c> Laws<'c, '_, '_, '_> {
    fn distinct(&mut self, choice: &'c Choice, form: &'c Form, key: &'c str, remedy: Option<&str>) {
        let Some(value) = value(&choice.settings, key) else { return };
        let value = match (value, rule(&form.fields, key)) {
            (Value::String(path), Some(Rule::Inside)) => normal(path),
            (value, _) => value.to_string(),
        };
        let id = (choice.seam, choice.kind.as_str(), key, value);
        let Some(first) = self.seen.get(&id) else {
            self.seen.insert(id, choice);
            return;
        };
        let name = |choice: &Choice| choice.path.last().cloned().unwrap_or_default();
        let what = key.rsplit('.').next().unwrap_or(key);
        let message = format!("{} and {} must not have the same {what}", name(first), name(choice));
        self.faults.at(self.place(choice, key), message, remedy.map(str::to_owned));
    }

    fn reserved(&mut self, choice: &Choice, key: &str, name: &str, remedy: Option<&str>) {
        let Some(Value::Object(map)) = value(&choice.settings, key) else { return };
        if map.contains_key(name) {
            let message = format!("{}.{key} must not set {name}", choice.path.join("."));
            let place = self.place(choice, &format!("{key}.{name}"));
            self.faults.at(place, message, remedy.map(str::to_owned));
        }
    }

    /// One of several keys, unless the target has what is meant.
    fn one_of(
        &mut self,
        choice: &Choice,
        keys: &[String],
        target: Option<&str>,
        environments: Option<&Map<String, Value>>,
    ) {
        let there: Vec<_> = keys.iter().filter(|key| choice.settings.contains_key(*key)).collect();
        let table = choice.path.join(".");
        let environment = choice.path.get(1).and_then(|name| environments?.get(name));
        let kind = environment.and_then(|table| table.pointer("/target/kind")?.as_str());
        match &there[..] {
            [_] => {}
            [] if target.is_some() && kind == target => {}
            [] => {
                let message = format!("{table} does not say what is meant");
                let remedy = format!("add one of {}", keys.join(", "));
                self.faults.at(self.span(&table), message, Some(remedy));
            }
            [first, second, ..] => {
                let message = format!("{table} has both {first} and {second}");
                self.faults.at(self.place(choice, second), message, Some("keep one".to_owned()));
            }
        }
    }

    /// A probe with a path alone asks what the target deploys.
    fn address(&mut self, choice: &Choice, file: &Map<String, Value>, key: &str) {
        let table: Vec<&str> = choice.path.iter().map(String::as_str).collect();
        if value(&choice.settings, key).is_some() {
            return;
        }
        let mut environment = file.get(*table.first().unwrap_or(&""));
        for name in table.iter().skip(1) {
            environment = environment.and_then(|value| value.get(*name));
        }
        let waves = environment.map(waves::of).unwrap_or_default();
        if !waves.is_empty() && waves.iter().all(|wave| wave.get(key).is_some()) {
            return;
        }
        let probes = environment.and_then(|e| e.get("health")).and_then(Value::as_array);
        for (index, probe) in probes.into_iter().flatten().enumerate() {
            let path = probe.get("path").and_then(Value::as_str).unwrap_or("/");
            if path.starts_with('/') {
                let environment = choice.path.join(".");
                let message =
                    format!("{environment}.health[{index}] has nothing to ask: there is no {key}");
                let remedy = format!("add [{environment}.{key}] or a whole http address");
                let place = self.place(choice, &format!("health[{index}].path"));
                self.faults.at(place, message, Some(remedy));
            }
        }
    }

    /// Whether the probes of an environment, or of a wave that has its own, can succeed at all.
    fn probes_can_succeed(&mut self, table: &str, value: &Value) {
        let probes = value.get("health").and_then(Value::as_array);
        for (index, value) in probes.into_iter().flatten().enumerate() {
            // What one probe says wrong was reported where it stands.
            let Ok(probe) = serde_json::from_value::<Probe>(value.clone()) else { continue };
            let needed = u64::from(probe.successes.saturating_sub(1)) * probe.interval_ms;
            if needed > probe.deadline_seconds.saturating_mul(1_000) {
                let here = format!("{table}.health[{index}]");
                let message = format!(
                    "{here} cannot succeed: {} successes {} ms apart do not fit into {} seconds",
                    probe.successes, probe.interval_ms, probe.deadline_seconds
                );
                let said = ["deadline_seconds", "successes", "interval_ms"];
                let said = said.into_iter().find(|key| value.get(*key).is_some());
                let key = said.map_or(here.clone(), |key| format!("{here}.{key}"));
                self.faults.at(self.span(&key), message, None);
            }
        }
    }

    /// A down step is found by the names of both.
    fn down_steps(&mut self, migrations: Option<&Value>) {
        let set = |key: &str| migrations.is_some_and(|table| table.get(key).is_some());
        let (there, missing) = match (set("up"), set("down")) {
            (true, false) => ("up", "down"),
            (false, true) => ("down", "up"),
            _ => return,
        };
        let place = self.span(&format!("migrations.{there}"));
        let message = format!("migrations.{there} says nothing without migrations.{missing}");
        let remedy = "name both, as in up = \".up.sql\" and down = \".down.sql\"";
        self.faults.at(place, message, Some(remedy.to_owned()));
    }

    /// A release that no environment gets is not made.
    fn build_for_nobody(&mut self) {
        let place = self.span("build");
        let remedy = "add an environment, or name the commands as a suite in [[tests.suites]]";
        let message = "build makes a release, and there is no environment that could get it";
        self.faults.at(place, message.to_owned(), Some(remedy.to_owned()));
    }

    /// Whether the strategy of an environment, or of one of its waves, has steps that can be walked.
    fn shifts(&mut self, name: &str, environment: &Value, first: bool) {
        let (shift, wrong) = environment.as_object().map(convert::shift).unwrap_or_default();
        let Some((key, why)) = wrong else {
            return self.watches(name, environment, &shift);
        };
        // What all waves have in common is said once.
        if !first {
            return;
        }
        let remedy = match environment.get("strategy") {
            None => "add strategy = \"canary\" or strategy = \"linear\"",
            Some(_) => {
                "write steps = [{ weight = 10, minutes = 5 }, { weight = 50, minutes = 5 }] \
                        for a canary, by and every for a linear shift, and none of them otherwise"
            }
        };
        let key = format!("environments.{name}.{key}");
        self.faults.at(self.span(&key), format!("{key} {why}"), Some(remedy.to_owned()));
    }

    /// Whether an environment's windows are of this calendar.
    fn freezes(&mut self, name: &str, environment: &Value) {
        let windows = environment.get("freeze").and_then(Value::as_array);
        for (index, window) in windows.into_iter().flatten().enumerate() {
            // What one window says wrong was reported where it stands.
            let Ok(freeze) = serde_json::from_value::<Freeze>(window.clone()) else { continue };
            let here = format!("environments.{name}.freeze[{index}]");
            if index == MAX_FREEZES {
                let message =
                    format!("environments.{name}.freeze has more than {MAX_FREEZES} windows");
                self.faults.at(self.span(&here), message, None);
            } else if index < MAX_FREEZES {
                for (key, why) in freeze.faults() {
                    let key = format!("{here}.{key}");
                    self.faults.at(self.span(&key), format!("{key} {why}"), None);
                }
            }
        }
    }

    /// What a run does at every step fits into the history of one execution.
    fn steps_in_all(&mut self, environments: Option<&Map<String, Value>>) {
        let shifts = environments.into_iter().flatten().filter_map(|(_, environment)| {
            let steps = convert::shift(environment.as_object()?).0.steps.len();
            Some(steps * waves::of(environment).len().max(1))
        });
        let steps: usize = shifts.sum();
        if steps > MAX_STEPS_IN_ALL {
            let message = format!(
                "the environments have {steps} steps in all; there may be {MAX_STEPS_IN_ALL}"
            );
            let place = self.span("environments");
            self.faults.at(place, message, Some("use fewer, longer steps".to_owned()));
        }
    }

    /// Steps that are watched need something that is watched.
    fn watches(&mut self, name: &str, environment: &Value, shift: &Shift) {
        let probes = environment.get("health").and_then(Value::as_array);
        let measured = environment.pointer("/watch/source/kind").and_then(Value::as_str);
        let watched = probes.is_some_and(|probes| !probes.is_empty())
            || measured.is_some_and(|kind| kind != "probe");
        if !watched && shift.steps.iter().any(|step| step.seconds > 0) {
            let strategy = shift.strategy;
            let message = format!(
                "environments.{name}.strategy is {strategy}, and nothing says what is watched meanwhile"
            );
            let remedy = format!("add [[environments.{name}.health]]");
            let place = self.span(&format!("environments.{name}.strategy"));
            self.faults.at(place, message, Some(remedy));
        } else if measured.is_none_or(|kind| kind == "probe") {
            self.steps_show_something(name, environment, shift);
        }
    }

    /// Whether each step lasts long enough for what is sent to say anything of its part of the
    /// requests.
    fn steps_show_something(&mut self, name: &str, environment: &Value, shift: &Shift) {
        let watch = environment.get("watch");
        let policy = watch.and_then(|watch| watch.get("inconclusive")).and_then(Value::as_str);
        let longer = match policy {
            Some("keep") => return,
            Some("extend") | None => EXTENDED,
            Some(_) => 1,
        };
        let interval = watch.and_then(|watch| watch.pointer("/source/interval_ms"));
        let interval = interval.and_then(Value::as_u64);
        let apart = interval.map_or_else(String::new, |interval| format!(", {interval} ms apart,"));
        let steps = shift.steps.iter().enumerate();
        for (nth, step) in steps.filter(|(_, step)| step.seconds > 0) {
            let long = step.seconds.saturating_mul(longer).min(MAX_STEP_SECONDS.max(step.seconds));
            let (sent, needed) = (probed(long, interval), observations(step.weight));
            if sent < needed {
                let remedy = "let the step last longer, give it more weight, or make the watch's \
                              interval_ms shorter";
                let table = format!("environments.{name}");
                let written =
                    ["steps", "every", "strategy"].map(|key| environment.get(key).is_some());
                let place = match written {
                    [true, ..] => format!("{table}.steps[{nth}].minutes"),
                    [_, true, _] => format!("{table}.every"),
                    _ => format!("{table}.strategy"),
                };
                let message = format!(
                    "{place}: at most {sent} requests{apart} are sent while the release has {} %, \
                     and {needed} are needed to see that it fails",
                    step.weight
                );
                self.faults.at(self.span(&place), message, Some(remedy.to_owned()));
                return;
            }
        }
    }

    /// A target that cannot share requests takes no strategy that does.
    fn shares(&mut self, choice: &Choice, form: &Form, environments: Option<&Map<String, Value>>) {
        let [_, name] = &choice.path[..] else { return };
        let environment = environments.and_then(|all| all.get(name)).and_then(Value::as_object);
        let shift = environment.map(|environment| convert::shift(environment).0);
        let Some(shift) = shift.filter(|shift| !shift.steps.is_empty()) else { return };
        if choice.seam != Seam::Target {
            return;
        }
        let needs = form.laws.iter().find_map(|law| match law {
            Law::Shares { needs } => Some(needs.as_deref()),
            _ => None,
        });
        let missing = match needs {
            Some(None) => return,
            Some(Some(key)) if value(&choice.settings, key).is_some() => return,
            Some(Some(key)) => Some(key),
            None => None,
        };
        let strategy = shift.strategy;
        let place = format!("environments.{name}.strategy");
        let (message, remedy) = match missing {
            Some(key) => (
                format!("{place} is {strategy}, and without {key} there are no requests to share"),
                format!("add [environments.{name}.{key}] or use strategy = \"all-at-once\""),
            ),
            None => (
                format!("{place} is {strategy}, which the target {} cannot do", form.kind),
                "use strategy = \"all-at-once\"".to_owned(),
            ),
        };
        self.faults.at(self.place(choice, "strategy"), message, Some(remedy));
    }

    fn place(&self, choice: &Choice, key: &str) -> Option<Range<usize>> {
        self.span(&format!("{}.{key}", choice.path.join(".")))
    }

    fn span(&self, key: &str) -> Option<Range<usize>> {
        span(self.tree, key)
    }
}

/// The value of a key such as `service.port`.
fn value<'v>(settings: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    let mut parts = key.split('.');
    let first = settings.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// The rule of a text such as `service.name`.
fn rule<'f>(fields: &'f [Field], key: &str) -> Option<&'f Rule> {
    match shape(fields, key)? {
        Shape::Text(rule) => Some(rule),
        _ => None,
    }
}

/// What a key such as `service.port` holds.
pub(crate) fn shape<'f>(fields: &'f [Field], key: &str) -> Option<&'f Shape> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(f, r)| (f, Some(r)));
    let field = fields.iter().find(|field| field.name == first)?;
    match (&field.shape, rest) {
        (shape, None) => Some(shape),
        (Shape::Table(inner), Some(rest)) => self::shape(inner, rest),
        _ => None,
    }
}

/// A relative path without `.` and doubled separators.
fn normal(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

/// Where a key stands, as in `environments.live.freeze[1].zone`; where it does not, where the nearest table
/// or list above it does.
pub(crate) fn span(tree: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let mut found: Option<&Spanned<DeValue<'_>>> = None;
    for part in key.split('.') {
        let table = match found {
            None => tree,
            Some(node) => match node.get_ref().as_table() {
                Some(table) => table,
                None => break,
            },
        };
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some((_, node)) = table.iter().find(|(key, _)| key.get_ref().as_ref() == name) else {
            break;
        };
        let entry = index.and_then(|index| node.get_ref().as_array()?.get(index));
        found = Some(entry.unwrap_or(node));
    }
    found.map(Spanned::span)
}
