//! Alarms of the pipeline itself: what goes off becomes an incident like that of an environment, is told to
//! one channel more the longer nobody answers, and is over when the alarm is.
//!
//! CloudWatch tells of each change of an alarm's state by an event, at least once and in no order: what an
//! event says counts from the time that it says.

use jiff::Timestamp;
use pact_agent::{AgentError, text::truncated};
use pact_contract::{
    EnvironmentKey,
    incident::{ALARMS, Health, Seen},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{incidents, ports::Ports};

/// What such an event is called.
pub(crate) const STATE_CHANGE: &str = "CloudWatch Alarm State Change";
/// Longest name of an alarm here, as that of an environment; the end tells alarms of a stack apart.
const MAX_NAME: usize = 64;

/// What the event says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alarm {
    alarm_name: String,
    state: State,
    #[serde(default)]
    configuration: Configuration,
}

#[derive(Debug, Deserialize)]
struct State {
    value: String,
    #[serde(default)]
    reason: String,
    /// As CloudWatch writes it: `2026-11-28T07:28:03.123+0000`.
    timestamp: String,
}

#[derive(Debug, Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    description: String,
}

/// Opens the alarm's incident, or ends it.
///
/// # Errors
/// An event that is not one of CloudWatch's; when a store does not answer, and the same may be said again.
pub(crate) async fn changed(ports: &Ports, alarm: &Alarm) -> Result<Value, AgentError> {
    let at = time(&alarm.state.timestamp)
        .ok_or_else(|| AgentError::invalid("the alarm's state has no time"))?;
    let environment = key(&alarm.alarm_name)
        .ok_or_else(|| AgentError::invalid("the alarm has no name that is known here"))?;
    let description = alarm.configuration.description.trim();
    let reason = [description, alarm.state.reason.trim()].join(" ");
    let seen = Seen {
        environment,
        release: None,
        health: if alarm.state.value == "ALARM" { Health::Unhealthy } else { Health::Healthy },
        reason: truncated(reason.trim(), 400),
    };
    let incident = match alarm.state.value.as_str() {
        "ALARM" => Some(incidents::raised(ports, &seen, at).await?),
        "OK" => incidents::settled(ports, &seen, at).await?,
        // Nobody can say: what goes on goes on.
        _ => None,
    };
    Ok(json!({ "incident": incident.map(|incident| incident.id) }))
}

fn key(name: &str) -> Option<EnvironmentKey> {
    let skipped = name.chars().count().saturating_sub(MAX_NAME);
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = name.chars().skip(skipped).map(plain).collect();
    format!("{ALARMS}#{}", name.trim_start_matches('-')).parse().ok()
}

fn time(text: &str) -> Option<Timestamp> {
    let written = text.parse::<Timestamp>().ok();
    written.or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_of_cloudwatch_are_read() {
        let key = |name: &str| key(name).map(|key| key.to_string());
        assert_eq!(key("pact-api-error-alarm").as_deref(), Some("alarms#pact-api-error-alarm"));
        assert_eq!(key("My alarm: 5 %").as_deref(), Some("alarms#My-alarm--5--"));
        let long = format!("{}-queue-alarm", "x".repeat(200));
        assert!(key(&long).is_some_and(|key| key.len() < 80 && key.ends_with("-queue-alarm")));
        assert_eq!(key(""), None);
        let noon: Option<Timestamp> = "2026-01-01T12:00:00.123Z".parse().ok();
        assert_eq!(time("2026-01-01T12:00:00.123+0000"), noon);
        assert_eq!((time("2026-01-01T12:00:00.123Z"), time("noon")), (noon, None));
    }
}
