//! Where a state goes and what becomes of its errors: `Choices`, `Retry` and `Catch`.

use serde_json::Value;

use super::diagnostic::{SCHEMA, UNSUPPORTED_LANGUAGE};
use super::fields::{LONGEST_WAIT, read_assign};
use super::graph::Transition;
use super::reader::{AllowedFields, Faults, Reader};
use super::state::{Catcher, Kind, Retrier, Rule};
use super::template::expression_text;

pub(super) fn read_choice(
    reader: &Reader<'_>,
    out: &mut Vec<Transition>,
    faults: &mut Faults,
) -> Option<Kind> {
    reader.require(&["Choices"], faults);
    let choices = reader.list("Choices", faults)?;
    if choices.is_empty() {
        faults.add(SCHEMA, "Expected at least one choice rule", &reader.path("Choices"));
    }
    let mut rules = Vec::new();
    for (index, value) in choices.iter().enumerate() {
        let at = format!("{}[{index}]", reader.path("Choices"));
        let Value::Object(object) = value else {
            faults.add(SCHEMA, "Expected value of type Object", &at);
            continue;
        };
        let rule = Reader { object, at: &at, jsonata: reader.jsonata, whole: reader.whole };
        let known = AllowedFields {
            both: &[&["Next", "Assign", "Comment"]],
            jsonata: &["Condition", "Output"],
            jsonpath: &["Variable", "And", "Or", "Not"],
        };
        if !rule.jsonata {
            if rule.field("Condition").is_some() {
                rule.only(&known, faults);
                continue;
            }
            faults.add(
                UNSUPPORTED_LANGUAGE,
                "The JSONPath query language is not supported by this engine: a Choice state needs QueryLanguage JSONata",
                &at,
            );
            continue;
        }
        rule.only(&known, faults);
        if !rule.require(&["Condition", "Next"], faults) {
            continue;
        }
        match rule.field("Condition") {
            Some(Value::Bool(_)) => {}
            Some(Value::String(text)) if expression_text(text).is_some() => {}
            _ => {
                faults.add(
                    SCHEMA,
                    "Value is not a valid JSONata expression or Boolean",
                    &rule.path("Condition"),
                );
                continue;
            }
        }
        let Some(next) = rule.text("Next", faults) else {
            continue;
        };
        out.push(Transition { target: next.to_owned(), at: rule.path("Next") });
        if let Some(condition) = rule.template("Condition", faults) {
            rules.push(Rule {
                condition,
                next: next.to_owned(),
                assign: read_assign(&rule, faults),
                output: rule.template("Output", faults),
            });
        }
    }
    let default = reader.text("Default", faults).map(str::to_owned);
    if let Some(default) = &default {
        out.push(Transition { target: default.clone(), at: reader.path("Default") });
    }
    Some(Kind::Choice { rules, default })
}

/// The names in `ErrorEquals`.
fn read_errors(reader: &Reader<'_>, last: bool, faults: &mut Faults) -> Vec<String> {
    let Some(list) = reader.list("ErrorEquals", faults) else {
        return Vec::new();
    };
    let at = reader.path("ErrorEquals");
    if list.is_empty() {
        faults.add(SCHEMA, "Expected at least one error name", &at);
    }
    let names: Vec<String> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if names.len() != list.len() {
        faults.add(SCHEMA, "Expected value of type String", &at);
    }
    if names.iter().any(|name| name == "States.ALL") && (names.len() > 1 || !last) {
        faults.add(SCHEMA, "States.ALL must appear alone and in the last entry", &at);
    }
    names
}

pub(super) fn read_retry(reader: &Reader<'_>, faults: &mut Faults) -> Vec<Retrier> {
    let Some(list) = reader.list("Retry", faults) else {
        return Vec::new();
    };
    let mut retriers = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let at = format!("{}[{index}]", reader.path("Retry"));
        let Value::Object(object) = value else {
            faults.add(SCHEMA, "Expected value of type Object", &at);
            continue;
        };
        let entry = Reader { object, at: &at, jsonata: reader.jsonata, whole: reader.whole };
        let known = [
            "ErrorEquals",
            "IntervalSeconds",
            "MaxAttempts",
            "BackoffRate",
            "MaxDelaySeconds",
            "JitterStrategy",
            "Comment",
        ];
        entry.only(&AllowedFields { both: &[&known], ..AllowedFields::default() }, faults);
        if !entry.require(&["ErrorEquals"], faults) {
            continue;
        }
        let backoff_rate = match entry.field("BackoffRate") {
            None => 2.0,
            Some(_) => entry.number("BackoffRate", 1.0..=f64::MAX, faults).unwrap_or(2.0),
        };
        let full_jitter = match entry.text("JitterStrategy", faults) {
            None | Some("NONE") => false,
            Some("FULL") => true,
            Some(_) => {
                faults.add(
                    SCHEMA,
                    "Value is not one of the accepted values: [FULL, NONE]",
                    &entry.path("JitterStrategy"),
                );
                false
            }
        };
        retriers.push(Retrier {
            errors: read_errors(&entry, index + 1 == list.len(), faults),
            interval_seconds: entry
                .integer("IntervalSeconds", 1..=LONGEST_WAIT, faults)
                .unwrap_or(1),
            max_attempts: entry.integer("MaxAttempts", 0..=LONGEST_WAIT, faults).unwrap_or(3),
            backoff_rate,
            max_delay_seconds: entry.integer("MaxDelaySeconds", 1..=31_622_399, faults),
            full_jitter,
        });
    }
    retriers
}

pub(super) fn read_catch(
    reader: &Reader<'_>,
    out: &mut Vec<Transition>,
    faults: &mut Faults,
) -> Vec<Catcher> {
    let Some(list) = reader.list("Catch", faults) else {
        return Vec::new();
    };
    let mut catchers = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let at = format!("{}[{index}]", reader.path("Catch"));
        let Value::Object(object) = value else {
            faults.add(SCHEMA, "Expected value of type Object", &at);
            continue;
        };
        let entry = Reader { object, at: &at, jsonata: reader.jsonata, whole: reader.whole };
        let known = AllowedFields {
            both: &[&["ErrorEquals", "Next", "Assign", "Comment"]],
            jsonata: &["Output"],
            jsonpath: &["ResultPath"],
        };
        entry.only(&known, faults);
        if !entry.require(&["ErrorEquals", "Next"], faults) {
            continue;
        }
        let Some(next) = entry.text("Next", faults) else {
            continue;
        };
        out.push(Transition { target: next.to_owned(), at: entry.path("Next") });
        catchers.push(Catcher {
            errors: read_errors(&entry, index + 1 == list.len(), faults),
            next: next.to_owned(),
            assign: read_assign(&entry, faults),
            output: entry.template("Output", faults),
        });
    }
    catchers
}
