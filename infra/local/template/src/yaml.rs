//! A YAML document as a tree of nodes that know their line, with short-form tags made long
//! (`!Sub x` becomes `{"Fn::Sub": x}`).

use granit_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};
use std::collections::BTreeSet;

/// The largest template CloudFormation takes.
const MAX_BYTES: usize = 1024 * 1024;
/// Deeper than any sensible template, shallow enough for recursion.
const MAX_DEPTH: usize = 64;

/// Short-form tags and the keys they stand for.
const TAGS: [(&str, &str); 20] = [
    ("Ref", "Ref"),
    ("Condition", "Condition"),
    ("Sub", "Fn::Sub"),
    ("GetAtt", "Fn::GetAtt"),
    ("If", "Fn::If"),
    ("Equals", "Fn::Equals"),
    ("Not", "Fn::Not"),
    ("And", "Fn::And"),
    ("Or", "Fn::Or"),
    ("Join", "Fn::Join"),
    ("Select", "Fn::Select"),
    ("Split", "Fn::Split"),
    ("FindInMap", "Fn::FindInMap"),
    ("Base64", "Fn::Base64"),
    ("GetAZs", "Fn::GetAZs"),
    ("ImportValue", "Fn::ImportValue"),
    ("Transform", "Fn::Transform"),
    ("Cidr", "Fn::Cidr"),
    ("Length", "Fn::Length"),
    ("ToJsonString", "Fn::ToJsonString"),
];

/// A value of the document and the line it begins on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Scalar(Value),
    Seq(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn scalar(line: usize, value: impl Into<Value>) -> Node {
        Node { line, kind: Kind::Scalar(value.into()) }
    }

    pub(crate) fn empty_map(line: usize) -> Node {
        Node { line, kind: Kind::Map(Vec::new()) }
    }

    /// The value of a key, when this is a mapping that has it and it is not null.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|e| e.key == key).map(|e| &e.value).filter(|n| !n.is_null())
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Seq(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar(Value::Null))
    }

    /// The text of a scalar as CloudFormation would pass it on.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Scalar(Value::String(s)) => Some(s.clone()),
            Kind::Scalar(Value::Number(n)) => Some(n.to_string()),
            Kind::Scalar(Value::Bool(b)) => Some(b.to_string()),
            _ => None,
        }
    }

    /// The function call this node is, if it is one: `{"Fn::Sub": …}` or `{"Ref": …}`.
    pub(crate) fn intrinsic(&self) -> Option<(&str, &Node)> {
        match self.entries() {
            [only] if only.key == "Ref" || only.key.starts_with("Fn::") => {
                Some((&only.key, &only.value))
            }
            _ => None,
        }
    }

    pub(crate) fn json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Seq(items) => Value::Array(items.iter().map(Node::json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.json())).collect())
            }
        }
    }

    pub(crate) fn from_json(line: usize, value: &Value) -> Node {
        let kind = match value {
            Value::Array(items) => {
                Kind::Seq(items.iter().map(|v| Node::from_json(line, v)).collect())
            }
            Value::Object(map) => Kind::Map(from_object(line, map)),
            scalar => Kind::Scalar(scalar.clone()),
        };
        Node { line, kind }
    }
}

fn from_object(line: usize, map: &Map<String, Value>) -> Vec<Entry> {
    map.iter()
        .map(|(key, value)| Entry { key: key.clone(), line, value: Node::from_json(line, value) })
        .collect()
}

/// A fault of the YAML itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

/// A collection that is being read.
struct Open {
    line: usize,
    tag: Option<String>,
    kind: Kind,
    /// The key whose value comes next, in a mapping.
    key: Option<(String, usize)>,
    seen: BTreeSet<String>,
}

/// Reads one document; syntax errors end it, anything else is collected.
pub(crate) fn parse(text: &str) -> Result<Node, Vec<Fault>> {
    if text.len() > MAX_BYTES {
        let message = format!("the template is larger than {MAX_BYTES} bytes");
        return Err(vec![Fault { line: None, message }]);
    }
    let mut faults = Vec::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut root: Option<Node> = None;
    let mut documents = 0usize;
    for next in Parser::new_from_str(text) {
        let (event, span) = match next {
            Ok(pair) => pair,
            Err(error) => {
                let line = Some(error.marker().line());
                faults.push(Fault { line, message: format!("not valid YAML: {error}") });
                return Err(faults);
            }
        };
        let line = span.start.line();
        match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    let message = "a template is one YAML document; a second begins here".into();
                    faults.push(Fault { line: Some(line), message });
                    return Err(faults);
                }
            }
            Event::Scalar(value, style, _, tag) => {
                let typed = scalar(&value, style, tag.as_deref());
                // In key position a scalar is a key, whatever it looks like.
                if let Some(open) = stack.last_mut()
                    && matches!(open.kind, Kind::Map(_))
                    && open.key.is_none()
                {
                    if !open.seen.insert(value.to_string()) {
                        let message = format!("the key {value} appears twice");
                        faults.push(Fault { line: Some(line), message });
                    }
                    open.key = Some((value.to_string(), line));
                    continue;
                }
                let node = Node { line, kind: Kind::Scalar(typed) };
                let node = long_form(node, local(tag.as_deref()), &mut faults);
                place(&mut stack, &mut root, node);
            }
            Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag)
                if stack.len() >= MAX_DEPTH || waits_for_key(&stack) =>
            {
                let message = if stack.len() >= MAX_DEPTH {
                    format!("nested deeper than {MAX_DEPTH} levels")
                } else {
                    format!("a key must be a plain text{}", tag.map_or("", |_| ", without a tag"))
                };
                faults.push(Fault { line: Some(line), message });
                return Err(faults);
            }
            Event::SequenceStart(_, _, tag) => {
                stack.push(open(line, local(tag.as_deref()), Kind::Seq(Vec::new())));
            }
            Event::MappingStart(_, _, tag) => {
                stack.push(open(line, local(tag.as_deref()), Kind::Map(Vec::new())));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = stack.pop() {
                    let node = Node { line: open.line, kind: open.kind };
                    let node = long_form(node, open.tag, &mut faults);
                    place(&mut stack, &mut root, node);
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let message = "CloudFormation does not support YAML aliases".to_owned();
                faults.push(Fault { line: Some(line), message });
                return Err(faults);
            }
            _ => {}
        }
    }
    match root {
        _ if !faults.is_empty() => Err(faults),
        Some(node) if node.is_map() => Ok(node),
        _ => Err(vec![Fault { line: None, message: "the template is not a mapping".to_owned() }]),
    }
}

fn open(line: usize, tag: Option<String>, kind: Kind) -> Open {
    Open { line, tag, kind, key: None, seen: BTreeSet::new() }
}

fn waits_for_key(stack: &[Open]) -> bool {
    stack.last().is_some_and(|o| matches!(o.kind, Kind::Map(_)) && o.key.is_none())
}

fn place(stack: &mut [Open], root: &mut Option<Node>, node: Node) {
    let Some(open) = stack.last_mut() else {
        *root = Some(node);
        return;
    };
    match &mut open.kind {
        Kind::Seq(items) => items.push(node),
        Kind::Map(entries) => {
            if let Some((key, line)) = open.key.take() {
                entries.push(Entry { key, line, value: node });
            }
        }
        Kind::Scalar(_) => {}
    }
}

/// The suffix of a local tag such as `!Ref`; tags of YAML's own schema are no function calls.
fn local(tag: Option<&Tag>) -> Option<String> {
    tag.filter(|t| t.handle() == "!").map(|t| t.suffix().to_owned()).filter(|s| !s.is_empty())
}

fn long_form(node: Node, tag: Option<String>, faults: &mut Vec<Fault>) -> Node {
    let Some(tag) = tag else { return node };
    let line = node.line;
    let Some((_, key)) = TAGS.iter().find(|(short, _)| *short == tag) else {
        faults.push(Fault { line: Some(line), message: format!("unknown tag !{tag}") });
        return node;
    };
    // What a function takes as text stays text: `!Ref 1` names a parameter.
    let node = match (&node.kind, *key) {
        (Kind::Scalar(_), "Ref" | "Fn::Sub" | "Fn::GetAtt" | "Condition") => {
            Node::scalar(line, node.text().unwrap_or_default())
        }
        _ => node,
    };
    let entry = Entry { key: (*key).to_owned(), line, value: node };
    Node { line, kind: Kind::Map(vec![entry]) }
}

/// A plain scalar by YAML's core schema. A number is one only when writing it gives the same text
/// again, so that `0644`, `1.10` or a version stays what the author wrote.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let forced_text = tag.is_some_and(|t| t.suffix() == "str");
    if style != ScalarStyle::Plain || forced_text {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return Value::from(number);
    }
    let float = text.parse::<f64>().ok().and_then(Number::from_f64);
    match float {
        Some(number) if number.to_string() == text => Value::Number(number),
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_become_long_forms_with_lines() {
        let node = parse(
            "A: !Ref X\nB: !Sub\n  - '${a}'\n  - {a: !GetAtt Fn.Arn}\nC: !If [c, 1, !Ref AWS::NoValue]\n",
        )
        .unwrap();
        assert_eq!(
            node.json(),
            json!({"A": {"Ref": "X"},
                   "B": {"Fn::Sub": ["${a}", {"a": {"Fn::GetAtt": "Fn.Arn"}}]},
                   "C": {"Fn::If": ["c", 1, {"Ref": "AWS::NoValue"}]}})
        );
        assert_eq!(node.get("C").unwrap().line, 5);
    }

    #[test]
    fn scalars_keep_what_was_written() {
        let node = parse("a: 0644\nb: 1.10\nc: 1.5\nd: 10\ne: '10'\nf: yes\ng: true\nh:\ni: 2012-10-17\nj: !!str 5\nk: 123456789012\n").unwrap();
        assert_eq!(
            node.json(),
            json!({"a": "0644", "b": "1.10", "c": 1.5, "d": 10, "e": "10", "f": "yes", "g": true,
                   "h": null, "i": "2012-10-17", "j": "5", "k": 123_456_789_012_i64})
        );
    }

    #[test]
    fn faults_have_a_line() {
        for (text, line, part) in [
            ("a: 1\na: 2\n", Some(2), "appears twice"),
            ("a: 1\nb: !Nope x\n", Some(2), "unknown tag !Nope"),
            ("a: &x 1\nb: *x\n", Some(2), "aliases"),
            ("a: [1\nb: }\n", Some(2), "not valid YAML"),
            ("- 1\n", None, "not a mapping"),
            ("a: 1\n---\nb: 2\n", Some(2), "one YAML document"),
            ("", None, "not a mapping"),
        ] {
            let faults = parse(text).unwrap_err();
            assert_eq!(faults[0].line, line, "{text:?} {faults:?}");
            assert!(faults[0].message.contains(part), "{text:?} {faults:?}");
        }
        let deep = format!("a: {}1{}", "[".repeat(100), "]".repeat(100));
        assert!(parse(&deep).unwrap_err()[0].message.contains("nested deeper"));
    }
}
