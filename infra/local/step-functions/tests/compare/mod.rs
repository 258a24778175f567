//! Loose comparison of what AWS recorded with what the engine gives.
//!
//! - Numbers are equal by value.
//! - `<token>` and `<token:1>` in an expected string stand for any text, the same one throughout.
//! - An expected string that is a placeholder as a whole stands for any string or number.
//! - Instants in an actual string count as the word `date` where that is expected.
//! - An expected object against JSON text, or JSON text against JSON text, is compared parsed.

use std::collections::HashMap;

use serde_json::Value;

const WHOLE: [&str; 12] = [
    "timestamp",
    "date",
    "datetime",
    "time",
    "RequestId",
    "x-amzn-RequestId",
    "x-amzn-requestid",
    "x-amz-crc32",
    "X-Amzn-Trace-Id",
    "start-date",
    "stop-date",
    "snf_role_arn",
];

struct Comparison<'a> {
    whole: &'a [&'a str],
    bound: HashMap<String, String>,
    out: Vec<String>,
}

/// What differs between `expected` and `actual`; `whole` are further placeholders.
pub(crate) fn compare(expected: &Value, actual: &Value, whole: &[&str]) -> Vec<String> {
    let mut comparison = Comparison { whole, bound: HashMap::new(), out: Vec::new() };
    comparison.values(expected, actual, "$");
    comparison.out
}

impl Comparison<'_> {
    fn differ(&mut self, at: &str, expected: &Value, actual: &Value) {
        self.out.push(format!("{at}: want {expected}, got {actual}"));
    }

    fn values(&mut self, expected: &Value, actual: &Value, at: &str) {
        match expected {
            Value::String(text) => self.text(text, actual, at),
            Value::Object(members) => {
                let parsed: Option<Value> = actual
                    .as_str()
                    .filter(|t| t.starts_with('{'))
                    .and_then(|t| serde_json::from_str(t).ok());
                let Some(object) = parsed.as_ref().unwrap_or(actual).as_object() else {
                    return self.differ(at, expected, actual);
                };
                for key in members.keys().filter(|key| !object.contains_key(*key)) {
                    self.out.push(format!("{at}.{key}: missing"));
                }
                for key in object.keys().filter(|key| !members.contains_key(*key)) {
                    self.out.push(format!("{at}.{key}: unexpected {}", object[key]));
                }
                for (key, value) in members {
                    if let Some(other) = object.get(key) {
                        self.values(value, other, &format!("{at}.{key}"));
                    }
                }
            }
            Value::Array(items) => match actual.as_array() {
                Some(others) => {
                    if others.len() != items.len() {
                        self.out.push(format!(
                            "{at}: want {} items, got {}: {actual}",
                            items.len(),
                            others.len()
                        ));
                    }
                    for (index, (item, other)) in items.iter().zip(others).enumerate() {
                        self.values(item, other, &format!("{at}[{index}]"));
                    }
                }
                None => self.differ(at, expected, actual),
            },
            Value::Number(number) => {
                if actual.as_f64() != number.as_f64() {
                    self.differ(at, expected, actual);
                }
            }
            Value::Null | Value::Bool(_) => {
                if expected != actual {
                    self.differ(at, expected, actual);
                }
            }
        }
    }

    fn text(&mut self, text: &str, actual: &Value, at: &str) {
        if !actual.is_null()
            && (WHOLE.contains(&text) || self.whole.contains(&text) || text == "sfn_role_arn")
        {
            return;
        }
        let expected = Value::String(text.to_owned());
        let Some(other) = actual.as_str() else {
            return self.differ(at, &expected, actual);
        };
        if text == other {
            return;
        }
        if text.starts_with('{')
            && other.starts_with('{')
            && let (Ok(a), Ok(b)) =
                (serde_json::from_str::<Value>(text), serde_json::from_str::<Value>(other))
        {
            return self.values(&a, &b, at);
        }
        let other = if text.contains("date") { without_instants(other) } else { other.to_owned() };
        if text != other && !self.pattern(text, &other) {
            self.differ(at, &expected, actual);
        }
    }

    /// Whether `other` matches `text`, whose tokens stand for any text that is not empty.
    fn pattern(&mut self, text: &str, other: &str) -> bool {
        let mut bound = self.bound.clone();
        let matched = matches(&pieces(text), other, &mut bound);
        if matched {
            self.bound = bound;
        }
        matched
    }
}

enum Piece<'a> {
    Text(&'a str),
    Token(&'a str),
}

/// Splits `text` at its tokens.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(start) = rest[from..].find('<').map(|index| index + from) {
        let end = rest[start..].find('>').map(|index| index + start);
        let Some(end) = end else { break };
        let name = &rest[start + 1..end];
        let (word, number) = name.split_once(':').unwrap_or((name, "0"));
        let token = word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
            && number.chars().all(|c| c.is_ascii_digit());
        if token {
            pieces.push(Piece::Text(&rest[..start]));
            pieces.push(Piece::Token(&rest[start..=end]));
            rest = &rest[end + 1..];
            from = 0;
        } else {
            from = start + 1;
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn matches(pieces: &[Piece<'_>], other: &str, bound: &mut HashMap<String, String>) -> bool {
    match pieces {
        [] => other.is_empty(),
        [Piece::Text(text), rest @ ..] => {
            other.strip_prefix(text).is_some_and(|other| matches(rest, other, bound))
        }
        [Piece::Token(name), rest @ ..] => {
            if let Some(value) = bound.get(*name).cloned() {
                return other
                    .strip_prefix(value.as_str())
                    .is_some_and(|other| matches(rest, other, bound));
            }
            for (end, _) in other.char_indices().skip(1).chain([(other.len(), ' ')]) {
                bound.insert((*name).to_owned(), other[..end].to_owned());
                if end > 0 && matches(rest, &other[end..], bound) {
                    return true;
                }
                bound.remove(*name);
            }
            false
        }
    }
}

/// `text` with every instant replaced by the word `date`.
fn without_instants(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .find(|(_, c)| !(c.is_ascii_digit() || "-:.TZ+".contains(*c)))
            .map_or(rest.len(), |(index, _)| index);
        let (mut word, mut tail) = rest.split_at(end);
        if word.ends_with('.') {
            (word, tail) = rest.split_at(end - 1);
        }
        if word.len() >= 20 && word.parse::<jiff::Timestamp>().is_ok() {
            out.push_str("date");
            rest = tail;
        } else {
            let next = rest.chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[..next]);
            rest = &rest[next..];
        }
    }
    out
}

#[test]
fn compares_as_it_says() {
    use serde_json::json;
    let same = |a: Value, b: Value| compare(&a, &b, &[]).is_empty();
    assert!(same(json!("a <uuid:1> b"), json!("a 123 b")));
    assert!(!same(json!("a <uuid:1> b"), json!("a 123 c")));
    assert!(!same(json!({"x": "<uuid:1>", "y": "<uuid:1>"}), json!({"x": "p", "y": "q"})));
    assert!(same(json!({"k": 1}), json!("{\"k\": 1.0}")));
    assert!(!same(json!(1), json!(true)));
    assert!(same(json!("date"), json!("x")));
    assert!(same(json!("at date."), json!("at 2024-01-02T03:04:05Z.")));
    assert!(!same(json!({"a": 1}), json!({"a": 1, "b": 2})));
}
