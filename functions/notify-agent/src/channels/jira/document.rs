//! Comments, in the Atlassian Document Format.

use serde_json::{Value, json};

use crate::message::Message;

pub(super) fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The text by which a run's comment is found again.
pub(super) fn marker(message: &Message) -> String {
    format!("PACT run {}", message.id)
}

/// Whether a document has a text that is exactly `text`.
pub(super) fn has_text(document: &Value, text: &str) -> bool {
    let mut next = vec![document];
    while let Some(node) = next.pop() {
        if text_at(node, "/text") == Some(text) {
            return true;
        }
        next.extend(list(node, "/content"));
    }
    false
}

/// The message in Atlassian Document Format.
pub(in crate::channels) fn render(message: &Message) -> Value {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let strong =
        |text: &str| json!({ "type": "text", "text": text, "marks": [{ "type": "strong" }] });
    let paragraph = |content: Vec<Value>| json!({ "type": "paragraph", "content": content });
    // A text node must not be empty.
    let plain = |value: &str| if value.is_empty() { vec![] } else { vec![text(value)] };

    let mut content =
        vec![paragraph(vec![strong(&message.title)]), paragraph(plain(&message.reason))];
    if !message.findings.is_empty() {
        let items: Vec<_> = message
            .findings
            .iter()
            .map(|f| json!({ "type": "listItem", "content": [paragraph(plain(f))] }))
            .collect();
        content.push(json!({ "type": "bulletList", "content": items }));
    }
    let mut facts = Vec::new();
    for (name, value) in &message.facts {
        if !facts.is_empty() {
            facts.push(json!({ "type": "hardBreak" }));
        }
        facts.push(strong(&format!("{name}: ")));
        facts.extend(plain(value));
    }
    content.push(paragraph(facts));
    if let Some(link) = &message.link {
        content.push(paragraph(vec![json!({
            "type": "text",
            "text": message.link_text,
            "marks": [{ "type": "link", "attrs": { "href": link } }],
        })]));
    }
    content.push(paragraph(vec![text(&marker(message))]));
    json!({ "type": "doc", "version": 1, "content": content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_of_another_run_is_not_taken_for_this_ones() {
        let comment = json!({ "type": "doc", "content": [
            { "type": "paragraph", "content": [{ "type": "text", "text": "PACT run web-1-2" }] }] });
        assert!(has_text(&comment, "PACT run web-1-2"));
        assert!(!has_text(&comment, "PACT run web-1"));
        assert!(!has_text(&json!("PACT run web-1-2"), "PACT run web-1-2"));
    }
}
