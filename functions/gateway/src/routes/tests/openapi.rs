//! The document says what there is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::routes::{document, table};

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document();
    let described: BTreeSet<String> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .filter(|route| !route.contains(" /api/"))
        .collect();
    let there: BTreeSet<String> = table()
        .iter()
        .map(|route| format!("{} {}", route.method, route.path.replace("{*", "{")))
        .collect();
    assert_eq!(described, there);
}

#[test]
fn what_is_referred_to_is_there() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn a_scope_is_said_where_one_is_needed() {
    let document = document();
    let cancel = &document["paths"]["/v1/runs/{id}/cancel"]["post"];
    assert_eq!(cancel["x-pact-scope"], "operate");
    assert_eq!(cancel["security"], json!([{ "token": [] }]));
    assert_eq!(document["paths"]["/health"]["get"]["security"], json!([]));
    assert_eq!(
        document["paths"]["/v1/repositories/{name}"]["get"]["parameters"][0]["name"],
        "name"
    );
}
