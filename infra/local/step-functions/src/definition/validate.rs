//! From the text of a definition to one that can run.

use serde_json::Value;

use super::diagnostic::{DUPLICATE, Diagnostic, INVALID_JSON, SCHEMA, Severity};
use super::state::Definition;
use super::{duplicates, parse};

/// The longest definition that AWS takes, in bytes.
const LONGEST: usize = 1_048_576;

/// Checks `definition` and makes it ready to run, or lists every fault with its location.
///
/// # Errors
///
/// All faults that were found; never an empty list.
pub fn validate(definition: &str) -> Result<Definition, Vec<Diagnostic>> {
    validate_as(definition, false)
}

/// As [`validate`]; an Express machine may not wait for what it calls.
pub(crate) fn validate_as(definition: &str, express: bool) -> Result<Definition, Vec<Diagnostic>> {
    let object = read(definition)?;
    let mut faults: Vec<Diagnostic> = duplicates::twice(definition)
        .into_iter()
        .map(|(path, name)| Diagnostic {
            severity: Severity::Error,
            code: DUPLICATE,
            message: format!("Duplicate State name: {name}"),
            location: Some(path),
        })
        .collect();
    let (definition, others) = parse::definition(&object, express);
    faults.extend(others);
    match definition {
        Some(definition) if faults.is_empty() => Ok(definition),
        _ => Err(faults),
    }
}

/// A definition that was checked when it was stored. What is refused since then does not keep a
/// machine from running, as long as there is one.
pub(crate) fn reread(definition: &str) -> Result<Definition, Vec<Diagnostic>> {
    let (definition, faults) = parse::definition(&read(definition)?, false);
    definition.ok_or(faults)
}

fn read(definition: &str) -> Result<serde_json::Map<String, Value>, Vec<Diagnostic>> {
    let whole = |code, message: &str, location| {
        vec![Diagnostic { severity: Severity::Error, code, message: message.to_owned(), location }]
    };
    if definition.len() > LONGEST {
        return Err(whole(SCHEMA, "Definition is longer than 1048576 bytes", None));
    }
    if definition.trim().is_empty() {
        return Err(whole(SCHEMA, "Definition must be a valid JSON object", None));
    }
    let value: Value = serde_json::from_str(definition).map_err(|error| {
        let (message, location) = json_fault(definition, &error);
        whole(INVALID_JSON, &message, Some(location))
    })?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(whole(SCHEMA, "Definition must be a valid JSON object", None)),
    }
}

/// A JSON fault as AWS's parser words it.
fn json_fault(text: &str, error: &serde_json::Error) -> (String, String) {
    const SHOWN: usize = 500;
    let shown: String = text.chars().take(SHOWN).collect();
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let token: String = line
        .chars()
        .skip(error.column().saturating_sub(1))
        .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '$')
        .collect();
    let start: String = line
        .chars()
        .take(error.column().saturating_sub(1))
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '$')
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let token = format!("{start}{token}");
    let first = token.chars().next();
    let (reason, column) = if first.is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$') {
        let end = error.column().saturating_sub(start.chars().count()) + token.chars().count();
        (
            format!(
                "Unrecognized token '{token}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
            ),
            end,
        )
    } else {
        (error.to_string(), error.column())
    };
    let location =
        format!("[Source: (String)\"{shown}\"; line: {}, column: {column}]", error.line());
    (format!("{reason}\n at {location}"), location)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(states: Value) -> Vec<String> {
        let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": states });
        match validate(&definition.to_string()) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn every_fault_has_its_place() {
        assert_eq!(
            faults(json!({
                "A": { "Type": "Pass", "Output": "{% phone %}", "Next": "B" },
                "C": { "Type": "Succeed" },
            })),
            [
                "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. at /States/A/Output",
                "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next",
                "MISSING_TRANSITION_TARGET: State \"C\" is not reachable. at /States/C",
            ]
        );
        assert_eq!(
            faults(json!({ "A": { "Type": "Pass", "Next": "A" } })),
            ["MISSING_END_STATE: Workflow has no terminal state"]
        );
        assert_eq!(
            faults(json!({ "A": { "Type": "Pass", "Catch": [], "Parameters": {}, "End": true } })),
            [
                "SCHEMA_VALIDATION_FAILED: Field 'Catch' is not supported at /States/A",
                "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONata', but field 'Parameters' is only supported for the 'JSONPath' QueryLanguage at /States/A",
            ]
        );
        assert_eq!(
            faults(
                json!({ "A": { "Type": "Pass", "Output": { "x": ["{% 1 + %}"] }, "End": true } })
            ),
            ["INVALID_JSONATA_EXPRESSION: Unexpected end of expression at /States/A/Output/x[0]"]
        );
    }

    #[test]
    fn inner_scopes_have_variables_of_their_own() {
        let inner = |state: &str, name: &str| json!({ "StartAt": state, "States": { state: { "Type": "Pass", "Assign": { name: 2 }, "End": true } } });
        let outer = |branches: Value| json!({ "A": { "Type": "Parallel", "Branches": branches, "Assign": { "x": 1 }, "End": true } });
        assert_eq!(
            faults(outer(json!([inner("B", "y"), inner("C", "x")]))),
            [
                "SCHEMA_VALIDATION_FAILED: Variable 'x' is already assigned in an outer scope at /States/A/Branches[1]/States/C/Assign/x"
            ]
        );
        assert!(faults(outer(json!([inner("B", "y"), inner("C", "y")]))).is_empty());
        assert_eq!(
            faults(outer(json!([inner("B", "y"), inner("B", "y")]))),
            ["DUPLICATE_STATE_NAME: Duplicate State name: B at /States/A/Branches[1]/States/B"]
        );
    }

    #[test]
    fn catchers_of_a_fan_may_assign_what_its_branches_assign() {
        let inner = json!({ "StartAt": "I", "States": {
            "I": { "Type": "Pass", "Assign": { "seen": 1 }, "End": true } } });
        let catch =
            json!([{ "ErrorEquals": ["States.ALL"], "Assign": { "seen": 2 }, "Next": "F" }]);
        let map = json!({ "Type": "Map", "ItemProcessor": inner, "Catch": catch, "Next": "F" });
        let parallel =
            json!({ "Type": "Parallel", "Branches": [inner], "Catch": catch, "Next": "F" });
        for fan in [&map, &parallel] {
            assert!(faults(json!({ "A": fan, "F": { "Type": "Succeed" } })).is_empty());
        }
        // Another state around them that assigns it is still in the way.
        let nested = |assign: &str| {
            faults(
                json!({ "A": map, "F": { "Type": "Pass", "Assign": { assign: 3 }, "End": true } }),
            )
        };
        assert!(nested("other").is_empty());
        assert_eq!(
            nested("seen"),
            [
                "SCHEMA_VALIDATION_FAILED: Variable 'seen' is already assigned in an outer scope at /States/A/ItemProcessor/States/I/Assign/seen"
            ]
        );
        let mut own = map.clone();
        own["Assign"] = json!({ "seen": 3 });
        assert_eq!(faults(json!({ "A": own, "F": { "Type": "Succeed" } })).len(), 1);
    }

    #[test]
    fn jsonpath_is_refused_by_name() {
        let definition = json!({ "StartAt": "A", "States": {
            "A": { "Type": "Pass", "Parameters": { "x.$": "$.y" }, "ResultPath": "$.z", "End": true } } });
        let faults = validate(&definition.to_string()).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert!(faults.iter().all(|fault| fault.code == "UNSUPPORTED_QUERY_LANGUAGE"));
        assert_eq!(faults[0].location.as_deref(), Some("/States/A/Parameters"));
        // Nothing here needs a query language.
        let plain = json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "Result": 1, "End": true } } });
        assert_eq!(validate(&plain.to_string()).unwrap().state_names(), ["A"]);
    }

    #[test]
    fn what_was_stored_still_runs() {
        let twice = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
            "A": { "Type": "Map", "End": true, "ItemProcessor": { "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } } } } });
        assert!(validate(&twice.to_string()).is_err());
        assert_eq!(reread(&twice.to_string()).unwrap().state_names(), ["A", "A"]);
        assert!(reread("{}").is_err());
    }
}
