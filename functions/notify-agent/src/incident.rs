//! Incidents of the scheduled watch: told to one channel more the longer nobody answers, and at
//! their end to everybody who was told.

use futures::future;
use jiff::Timestamp;
use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    RunId, RunRequest,
    incident::{Affected, Incident, TellIncident},
    run::Trigger,
};
use serde_json::{Map, Value};

use crate::{
    NotifyAgent,
    channels::{self, Channel},
    delivery::{Delivery, Opened},
    message::{Message, duration, line, link_of},
    together,
};

/// Most environments that are told one by one.
const MAX_ENVIRONMENTS: usize = 8;

impl NotifyAgent {
    /// Tells the first channels of those that reach people and that the settings want. What was told
    /// is not told again.
    pub(crate) async fn tell_incident(&self, call: &Call) -> Result<Outcome, AgentError> {
        let told: TellIncident = call.parameters()?;
        let run = stand_in(&told)?;
        let reach = channels::ALL.iter().copied().filter(|channel| channel.reaches_people());
        let tells = reach
            .filter_map(|channel| Some((channel, told.settings.get(channel.kind())?)))
            .take(told.level)
            .map(|(channel, settings)| self.tell_by(channel, call, &told, &run, settings));
        let outcomes: Result<Vec<_>, _> = future::join_all(tells).await.into_iter().collect();
        let outcomes = outcomes?.into_iter().flatten().map(Ok).collect();
        together(outcomes, "nobody is told: no channel that reaches people is set up, or was told")
    }

    /// None: of the end of what it was not told of a channel does not hear.
    async fn tell_by(
        &self,
        channel: &dyn Channel,
        call: &Call,
        told: &TellIncident,
        run: &RunRequest,
        settings: &Map<String, Value>,
    ) -> Result<Option<Outcome>, AgentError> {
        let kind = channel.kind();
        let begun = format!("{kind}/begun");
        let over = told.incident.closed_at.is_some();
        if over {
            let before = self.outbox.notification(&run.run_id, &begun).await?;
            if before.is_none_or(|before| !before.record.sent) {
                return Ok(None);
            }
        }
        let message = message(told, run, Timestamp::now());
        let key = if over { format!("{kind}/over") } else { begun };
        let what = (run.clone(), message);
        match Delivery::incident(&*self.outbox, call, kind, key, what).await? {
            Opened::AlreadySent(answer) => Ok(Some(*answer)),
            Opened::Pending(delivery) => self.send(channel, &delivery, settings).await.map(Some),
        }
    }
}

/// What stands in for a run, which an incident has none of: the outbox knows messages by it.
pub(crate) fn stand_in(told: &TellIncident) -> Result<RunRequest, AgentError> {
    let run_id = RunId::parse(&format!("incident-{}", told.incident.id))
        .map_err(|error| AgentError::internal("an incident's name is none").caused_by(error))?;
    Ok(RunRequest {
        schema: RunRequest::VERSION,
        run_id,
        repository: told.repository.clone(),
        reference: String::new(),
        branch: String::new(),
        commit: String::new(),
        base: None,
        message: None,
        author: None,
        trigger: Trigger { kind: "watch".to_owned(), actor: None, delivery: None },
        template: None,
        environment: None,
        url: told.url.clone(),
        started_at: told.incident.opened_at,
        policy: <_>::default(),
        place: None,
        on_purpose: None,
        verify_only: None,
        pull: None,
    })
}

/// What is told of it, by how it stands.
pub(crate) fn message(told: &TellIncident, run: &RunRequest, now: Timestamp) -> Message {
    let incident = &told.incident;
    let (closed, suffix) = match incident.closed_at {
        Some(_) => (true, "-over"),
        None => (false, ""),
    };
    let seconds = u64::try_from(incident.duration(now).as_secs()).unwrap_or(0);
    let ill = || incident.affected.iter().filter(|affected| affected.until.is_none());
    let (what, is) = match incident.affected.as_slice() {
        [one] => (place(one), "is"),
        several => (format!("{} environments", several.len()), "are"),
    };
    let title = match (closed, ill().next()) {
        (true, _) => format!("Well again after {}: {what}", duration(seconds)),
        (false, Some(first)) if first.alarm().is_some() => format!("Incident: {what} went off"),
        (false, Some(first)) => format!("Incident: {what} {is} {}", first.health.as_str()),
        (false, None) => format!("Incident: {what}"),
    };
    let first = incident.affected.first().map(|affected| line(&affected.reason, 400));
    let reason = match (closed, &incident.closed_by) {
        (true, Some(by)) => format!("{} closed the incident.", line(by, 80)),
        (true, None) => format!("It was: {}", first.unwrap_or_default()),
        (false, _) => first.unwrap_or_default(),
    };
    let mut facts = vec![("Since", format!("{:.0}", incident.opened_at))];
    if closed {
        facts.push(("Duration", duration(seconds)));
    } else {
        let say = format!("`pactctl incidents acknowledge {}`: nobody else is told", incident.id);
        facts.push(("Answer", say));
    }
    if let Some(acknowledged) = &incident.acknowledged {
        facts.push(("Looked after by", line(&acknowledged.by, 80)));
    }
    facts.push(("Incident", incident.id.to_string()));
    Message {
        title,
        reason,
        facts,
        findings: findings(incident, closed),
        link: link_of(&told.url),
        link_text: "Open the environments",
        // What is told twice has two ids.
        id: format!("{}{suffix}", run.run_id),
    }
}

fn place(affected: &Affected) -> String {
    if let Some(alarm) = affected.alarm() {
        return format!("the alarm {alarm}");
    }
    let key = &affected.environment;
    format!("{} in {}", line(key.repository.as_str(), 80), key.environment)
}

/// The environments, each in a line.
fn findings(incident: &Incident, closed: bool) -> Vec<String> {
    let said = |affected: &Affected| {
        let release = affected.release.as_ref().map(|release| format!(" with {release}"));
        let mut text = format!("{}{}", place(affected), release.unwrap_or_default());
        if affected.alarm().is_none() && !closed {
            let health = match affected.until {
                Some(_) => "well again".to_owned(),
                None => format!("{}: {}", affected.health.as_str(), line(&affected.reason, 200)),
            };
            text.push_str(&format!(" is {health}"));
        }
        if let Some(run) = &affected.taken_back_by {
            text.push_str(&format!("; the release before it comes back by the run {run}"));
        }
        text
    };
    let mut lines: Vec<_> = incident.affected.iter().take(MAX_ENVIRONMENTS).map(said).collect();
    let more = incident.affected.len().saturating_sub(MAX_ENVIRONMENTS);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}
