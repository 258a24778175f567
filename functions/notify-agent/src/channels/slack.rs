//! `notify.slack_team`: a message by an incoming webhook.
//!
//! An incoming webhook takes no key by which it would know a message again. The outbox is told
//! before a message is sent, and after; an agent that is killed between the two leaves it open
//! whether the message arrived, and the next attempt sends it again: two messages are better
//! than none. The record then says so.

use async_trait::async_trait;
use pact_agent::{AgentError, secrets::Parameter};
use pact_config::{
    Rule,
    form::{Form, Shape, field},
};
use pact_contract::{Capability, agents};
use serde::Deserialize;
use serde_json::{Value, json};

use super::channel::{Channel, Work};
use crate::{
    delivery::{DeliveryOutcome, Interrupted},
    http::{self, Answer},
    message::{Message, line},
};

/// Most characters of a header.
const MAX_HEADER: usize = 150;
/// Most characters of the reason and of the findings: Slack takes 3,000 in a section, and about
/// 13,200 in all.
const MAX_SECTION: usize = 2_500;
/// Most characters of a field's value and of the text that a notification shows.
const MAX_VALUE: usize = 400;
/// Most fields of a section.
const MAX_FIELDS: usize = 10;

/// Address of the incoming webhook.
static ADDRESS: Parameter = Parameter {
    name: "slack-webhook-url",
    about: "address of Slack's incoming webhook",
    variable: Some("PACT_SLACK_WEBHOOK_URL"),
};

/// What a repository sets.
#[derive(Deserialize)]
struct Settings {
    /// The channel's name, for display: the webhook has its own.
    channel: Option<String>,
}

/// Slack, by an incoming webhook.
pub(super) struct Slack;

#[async_trait]
impl Channel for Slack {
    fn kind(&self) -> &'static str {
        "slack"
    }

    fn title(&self) -> &'static str {
        "Slack"
    }

    fn capability(&self) -> &'static Capability {
        &agents::NOTIFY_SLACK
    }

    fn form(&self) -> Form {
        let channel = Shape::Text(Rule::Channel);
        Form {
            kind: self.kind().to_owned(),
            about: "Slack.".to_owned(),
            fields: vec![field("channel", "Channel for display.", channel)],
            ..Form::default()
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        std::slice::from_ref(&ADDRESS)
    }

    fn reaches_people(&self) -> bool {
        true
    }

    async fn send(&self, work: &Work<'_>) -> Result<DeliveryOutcome, Interrupted> {
        let delivery = work.delivery;
        let settings: Settings = work.settings()?;
        let address = match work.installed.address(ADDRESS.name) {
            Ok(address) => address,
            Err(reason) => return Ok(DeliveryOutcome::Skipped(reason)),
        };
        let client = work.client.get()?;
        let unsure = delivery.claim().await?;
        let request = client.post(address).json(&render(&delivery.message));
        let answer = http::send(delivery.call, self.title(), request).await?;
        if !answer.status.is_success() {
            return Ok(DeliveryOutcome::Refused(format!(
                "Slack refuses the message: {}",
                answer.refusal()
            )));
        }
        if let Some(refused) = taken(&answer)? {
            return Ok(DeliveryOutcome::Refused(refused));
        }
        let mut detail = match settings.channel.as_deref() {
            Some(channel) => format!("sent to {}", line(channel, 80)),
            None => "sent to the team's channel".to_owned(),
        };
        if unsure {
            detail.push_str("; perhaps twice, as an attempt before was interrupted");
        }
        Ok(DeliveryOutcome::Sent { detail, reference: None, findings: Vec::new() })
    }
}

/// What a success says: Slack's own word is `ok`, servers that speak the same say it in JSON or say
/// nothing. Some: it is refused in JSON.
///
/// # Errors
/// `ERR_CHANNEL_UNAVAILABLE` where it is somebody else's answer.
fn taken(answer: &Answer) -> Result<Option<String>, AgentError> {
    let said = answer.body.trim_ascii();
    if said.is_empty() || said.eq_ignore_ascii_case(b"ok") {
        return Ok(None);
    }
    let Ok(Value::Object(said)) = serde_json::from_slice(said) else {
        return Err(http::foreign("Slack", answer));
    };
    let no = ["ok", "success"].iter().any(|word| said.get(*word) == Some(&Value::Bool(false)));
    Ok(no.then(|| format!("Slack refuses the message: {}", answer.refusal())))
}

/// The message as blocks, within Slack's limits.
pub(super) fn render(message: &Message) -> Value {
    let mut blocks = vec![
        json!({
            "type": "header",
            "text": { "type": "plain_text", "text": cut(&message.title, MAX_HEADER), "emoji": false },
        }),
        section(&escape(&message.reason)),
    ];
    if !message.findings.is_empty() {
        let lines: Vec<_> = message.findings.iter().map(|f| format!("• {}", escape(f))).collect();
        blocks.push(section(&lines.join("\n")));
    }
    let fields: Vec<_> = message
        .facts
        .iter()
        .take(MAX_FIELDS)
        .map(|(name, value)| {
            json!({ "type": "mrkdwn", "text": format!("*{name}*\n{}", cut(&escape(value), MAX_VALUE)) })
        })
        .collect();
    blocks.push(json!({ "type": "section", "fields": fields }));
    if let Some(link) = &message.link {
        let link = escape(link).replace('|', "%7C");
        blocks.push(section(&format!("<{link}|{}>", message.link_text)));
    }
    json!({ "text": cut(&escape(&message.title), MAX_VALUE), "blocks": blocks })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(text, MAX_SECTION) } })
}

/// `text` without meaning for Slack: no links, mentions or calls to everybody.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// At most `limit` characters, and no half of an escape.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(limit - 1).collect();
    if let Some(start) = out.rfind('&')
        && !out.get(start..).unwrap_or_default().contains(';')
    {
        out.truncate(start);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_message_is_within_the_limits() {
        let long = "<&>".repeat(500);
        let message = Message {
            title: long.clone(),
            reason: long.clone(),
            facts: vec![("Name", "&".repeat(250)); 20],
            findings: vec![long.clone(); 6],
            link: Some("https://x.test/a|b>c".to_owned()),
            link_text: "Open the run",
            id: "r".to_owned(),
        };
        let value = render(&message);
        let blocks = value["blocks"].as_array().expect("blocks");
        assert!(blocks.len() <= 50);
        for block in blocks {
            if let Some(text) = block["text"]["text"].as_str() {
                let limit = if block["type"] == "header" { 150 } else { 3_000 };
                assert!(text.chars().count() <= limit);
                assert!(!text.trim_end_matches('…').ends_with("&am"), "{text}");
            }
            for field in block["fields"].as_array().into_iter().flatten() {
                assert!(field["text"].as_str().expect("text").len() <= 2_000);
            }
        }
        assert!(value.to_string().chars().count() < 13_200);
        assert!(value.to_string().contains("a%7Cb&gt;c|Open the run"));
    }

    #[test]
    fn nobody_can_be_called_by_a_commit_message() {
        assert_eq!(escape("<!channel> & <@U1>"), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
        assert_eq!(cut("abc&amp;def", 6), "abc…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
