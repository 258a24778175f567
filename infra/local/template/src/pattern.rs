//! EventBridge event patterns.

use serde_json::{Map, Value};

/// Whether an event matches a pattern: every field of the pattern must match, each by any of the
/// alternatives in its array. A pattern that is malformed matches nothing.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => object(fields, Some(event)),
        _ => false,
    }
}

/// What is wrong with a pattern, if anything.
pub fn check(pattern: &Value) -> Result<(), String> {
    match pattern {
        Value::Object(fields) if fields.is_empty() => Err("an event pattern is empty".to_owned()),
        Value::Object(fields) => check_object(fields, ""),
        _ => Err("an event pattern must be an object".to_owned()),
    }
}

fn check_object(fields: &Map<String, Value>, path: &str) -> Result<(), String> {
    for (name, value) in fields {
        let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Array(patterns) if name == "$or" => {
                for pattern in patterns {
                    let inner = pattern.as_object().ok_or(format!("{here} must hold objects"))?;
                    check_object(inner, path)?;
                }
            }
            Value::Array(matchers) if matchers.is_empty() => {
                return Err(format!("{here} has an empty list, which never matches"));
            }
            Value::Array(matchers) => {
                for matcher in matchers {
                    check_matcher(matcher, &here)?;
                }
            }
            Value::Object(inner) => check_object(inner, &here)?,
            _ => return Err(format!("{here} must be a list of values, or an object")),
        }
    }
    Ok(())
}

fn check_matcher(matcher: &Value, path: &str) -> Result<(), String> {
    match matcher {
        Value::Array(_) => Err(format!("{path} must not hold a list within its list")),
        Value::Object(map) => match map.iter().next() {
            Some((name, _)) if map.len() == 1 => match name.as_str() {
                "prefix" | "suffix" | "anything-but" | "exists" | "numeric" | "wildcard"
                | "equals-ignore-case" => Ok(()),
                other => Err(format!("{path} uses the unknown comparison {other:?}")),
            },
            _ => Err(format!("{path} must use exactly one comparison per object")),
        },
        _ => Ok(()),
    }
}

fn object(fields: &Map<String, Value>, event: Option<&Value>) -> bool {
    // A list of objects matches when one of its elements does.
    if let Some(Value::Array(items)) = event {
        return items.iter().any(|item| object(fields, Some(item)));
    }
    fields.iter().all(|(name, expected)| match expected {
        Value::Array(patterns) if name == "$or" => {
            patterns.iter().any(|p| p.as_object().is_some_and(|inner| object(inner, event)))
        }
        Value::Array(matchers) => field(matchers, event.and_then(|e| e.get(name))),
        Value::Object(inner) => object(inner, event.and_then(|e| e.get(name))),
        _ => false,
    })
}

fn field(matchers: &[Value], value: Option<&Value>) -> bool {
    matchers.iter().any(|matcher| {
        if let Some(exists) = matcher.get("exists").and_then(Value::as_bool) {
            // `exists` looks at leaves only.
            return value.is_some_and(|v| !v.is_object()) == exists;
        }
        match value {
            None => false,
            Some(Value::Array(items)) => items.iter().any(|item| leaf(matcher, item)),
            Some(value) => leaf(matcher, value),
        }
    })
}

fn leaf(matcher: &Value, value: &Value) -> bool {
    let Value::Object(map) = matcher else { return same(matcher, value) };
    let [(name, operand)] = map.iter().collect::<Vec<_>>()[..] else { return false };
    let text = value.as_str();
    match name.as_str() {
        "prefix" => affix(operand, text, |t, p| t.starts_with(p)),
        "suffix" => affix(operand, text, |t, p| t.ends_with(p)),
        "equals-ignore-case" => both(text, operand, |t, p| t.to_lowercase() == p.to_lowercase()),
        "wildcard" => both(text, operand, wildcard),
        "numeric" => value.as_f64().is_some_and(|number| numeric(operand, number)),
        "anything-but" => match operand {
            Value::Array(items) => !items.iter().any(|item| same(item, value)),
            Value::Object(_) => !any_operand(operand, value),
            single => !same(single, value),
        },
        _ => false,
    }
}

/// `{"prefix": ["a", "b"]}` inside `anything-but` excludes any of them.
fn any_operand(operand: &Value, value: &Value) -> bool {
    let Value::Object(map) = operand else { return false };
    map.iter().any(|(name, inner)| match inner {
        Value::Array(items) => items.iter().any(|item| {
            leaf(&Value::Object(Map::from_iter([(name.clone(), item.clone())])), value)
        }),
        _ => leaf(operand, value),
    })
}

fn affix(operand: &Value, text: Option<&str>, test: fn(&str, &str) -> bool) -> bool {
    match operand.get("equals-ignore-case").and_then(Value::as_str) {
        Some(part) => text.is_some_and(|t| test(&t.to_lowercase(), &part.to_lowercase())),
        None => both(text, operand, test),
    }
}

fn both(text: Option<&str>, operand: &Value, test: fn(&str, &str) -> bool) -> bool {
    text.zip(operand.as_str()).is_some_and(|(text, part)| test(text, part))
}

fn same(expected: &Value, value: &Value) -> bool {
    match (expected.as_f64(), value.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => expected == value,
    }
}

/// `["<", 10]` or `[">=", 0, "<", 5]`.
fn numeric(operand: &Value, number: f64) -> bool {
    let Some(parts) = operand.as_array().filter(|p| !p.is_empty()) else { return false };
    parts.chunks(2).all(|pair| match pair {
        [Value::String(operator), bound] => {
            bound.as_f64().is_some_and(|bound| match operator.as_str() {
                "=" => number == bound,
                "<" => number < bound,
                "<=" => number <= bound,
                ">" => number > bound,
                ">=" => number >= bound,
                _ => false,
            })
        }
        _ => false,
    })
}

/// `*` stands for any text. Greedy with one point of return, so linear but for backtracking.
fn wildcard(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut t, mut p) = (0usize, 0usize);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            back = Some((p, t));
            p += 1;
        } else if pattern.get(p) == text.get(t) {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            p = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({"source": "aws.states", "detail-type": "Status Change",
               "detail": {"status": "FAILED", "n": 5, "arn": "arn:x:pipeline:1", "gone": null,
                          "tags": ["a", "b"], "list": [{"k": 1}, {"k": 2}]}})
    }

    #[test]
    fn patterns() {
        for (pattern, expected) in [
            (json!({"source": ["aws.states"]}), true),
            (json!({"source": ["aws.x", "aws.states"], "detail": {"status": ["FAILED"]}}), true),
            (json!({"source": ["aws.states"], "detail": {"status": ["ABORTED"]}}), false),
            (json!({"detail": {"arn": [{"prefix": "arn:x:"}]}}), true),
            (json!({"detail": {"arn": [{"suffix": ":1"}]}}), true),
            (json!({"detail": {"arn": [{"prefix": {"equals-ignore-case": "ARN:"}}]}}), true),
            (json!({"detail": {"status": [{"anything-but": ["SUCCEEDED"]}]}}), true),
            (json!({"detail": {"status": [{"anything-but": "FAILED"}]}}), false),
            (json!({"detail": {"status": [{"anything-but": {"prefix": "FA"}}]}}), false),
            (json!({"detail": {"missing": [{"anything-but": "x"}]}}), false),
            (json!({"detail": {"missing": [{"exists": false}]}}), true),
            (json!({"detail": {"status": [{"exists": true}]}}), true),
            (json!({"detail": {"status": [{"exists": false}]}}), false),
            (json!({"nowhere": {"deep": [{"exists": false}]}}), true),
            (json!({"detail": {"n": [5]}}), true),
            (json!({"detail": {"n": ["5"]}}), false),
            (json!({"detail": {"n": [{"numeric": [">", 0, "<=", 5]}]}}), true),
            (json!({"detail": {"n": [{"numeric": [">", 5]}]}}), false),
            (json!({"detail": {"gone": [null]}}), true),
            (json!({"detail": {"tags": ["b"]}}), true),
            (json!({"detail": {"tags": ["c"]}}), false),
            (json!({"detail": {"list": {"k": [2]}}}), true),
            (json!({"detail": {"status": [{"equals-ignore-case": "failed"}]}}), true),
            (json!({"detail": {"arn": [{"wildcard": "arn:*:pipe*:1"}]}}), true),
            (json!({"detail": {"arn": [{"wildcard": "arn:*:2"}]}}), false),
            (json!({"$or": [{"source": ["x"]}, {"detail": {"n": [5]}}]}), true),
            (json!({"source": "aws.states"}), false),
            (json!([]), false),
        ] {
            assert_eq!(matches(&pattern, &event()), expected, "{pattern}");
        }
    }

    #[test]
    fn malformed_patterns_are_named() {
        for (pattern, part) in [
            (json!({}), "empty"),
            (json!({"source": "x"}), "source must be a list"),
            (json!({"a": {"b": []}}), "a.b has an empty list"),
            (json!({"a": [{"like": "x"}]}), "unknown comparison \"like\""),
        ] {
            assert!(check(&pattern).unwrap_err().contains(part), "{pattern}");
        }
        assert!(check(&json!({"source": ["x", {"exists": true}]})).is_ok());
    }
}
