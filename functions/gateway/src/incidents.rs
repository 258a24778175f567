//! Incidents of what serves: what the scheduled watch sees becomes one, once for each cause, and a
//! release that turned bad while it was young is taken back.
//!
//! The watch says of each environment what it saw. An environment that is not well names its incident
//! first and joins it then, and one that is well leaves it in the opposite order, so that whoever
//! dies between the two finds it again at the next look. Whom an incident is to be told to follows
//! from its age and its acknowledgement alone; who was told is the outbox's affair.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pact_agent::{AgentError, ports::StoreError};
use pact_contract::{
    EnvironmentKey, ErrorName, ReleaseId, Repository,
    actions::{EnvironmentRecord, Looked, ReleaseRecord, WatchResult},
    incident::{Health, Incident, IncidentId, Seen, TellIncident},
    ledger::Standing,
    objectives::Budget,
    problems,
    settings::{NotifySettings, Watch},
};
use pact_statistics::burns;
use serde_json::{Value, json};

use crate::{
    accept::Caller,
    doors::Who,
    ending,
    error::{Answer, ApiError},
    fields::{Fields, line, parse},
    ports::Ports,
    rollback::{self, Wanted},
};

/// Most incidents that are looked at after one watch, …
const MOST: usize = 500;
/// … and most bytes of what is to be told of them: what states hand on has at most 256 KiB. One incident
/// is always below it.
const MOST_BYTES: usize = 200_000;
/// How long one that goes on is handed out: its last level is reached long before, and what was told
/// does not hide what is new.
const TOLD_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Attempts to change an incident that others change at this very moment.
const ATTEMPTS: u32 = 40;
/// Most incidents of one cause that are full, before an environment is left out.
const MOST_FULL: u32 = 100;
/// Who takes back what turned bad.
const WATCH: &str = "the scheduled watch";
/// Most characters that are kept of what the watch saw.
const MAX_SUMMARY: usize = 1_000;
/// Longest note of a person.
const MAX_NOTE: usize = 500;
/// Incidents on a page.
const PAGE: usize = 50;

/// Keeps what the watch saw of several environments. What cannot be kept of one holds up no other.
///
/// # Errors
/// When a store does not answer; the same may be said again.
pub(crate) async fn watched(
    ports: &Ports,
    seen: &[Looked],
    now: Timestamp,
) -> Result<Value, AgentError> {
    let mut fault = None;
    for one in seen {
        if let Err(error) = keep(ports, one, now).await {
            tracing::error!(environment = one.environment, cause = error.chain(), "not kept");
            fault = Some(error);
        }
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok(json!({ "kept": seen.len() })),
    }
}

async fn keep(ports: &Ports, watched: &Looked, now: Timestamp) -> Result<(), AgentError> {
    let Ok(key) = watched.environment.parse::<EnvironmentKey>() else {
        // Nobody can be told of it by name; the log has it.
        tracing::error!(key = watched.environment, why = watched.summary, "no environment");
        return Ok(());
    };
    let (mut health, mut summary) = (watched.health, watched.summary.clone());
    let mut budget = None;
    if let Some(promised) = &watched.promised {
        let kept = match ports.incidents.budget(&key).await {
            Ok(kept) => kept.unwrap_or_default(),
            // It begins anew; what cannot be read is told by whoever lists it.
            Err(StoreError::Unreadable(_)) => Budget::default(),
            Err(error) => return Err(error.into()),
        };
        let kept = budget.insert(kept);
        kept.count(&promised.counts, now);
        // What is well at this moment may not have been for an hour.
        if let Some(why) =
            burns(kept, &promised.objectives, now).filter(|_| health == Health::Healthy)
        {
            (health, summary) = (Health::Unhealthy, why);
        }
    }
    let summary: String = summary.chars().take(MAX_SUMMARY).collect();
    let result =
        WatchResult { health: health.as_str().to_owned(), summary: summary.clone(), at: now };
    let known = ports.incidents.keep_watch(&key, &result, budget.as_ref()).await?;
    if health == Health::Healthy {
        if let Some(id) = &known {
            change(ports, id, |incident| incident.recover(&key, now)).await?;
            ports.incidents.set_incident_of(&key, None).await?;
        }
        return Ok(());
    }
    // A record that cannot be read is itself what is not known here.
    let record = match ports.environments.load(&key).await {
        Ok(record) => record,
        Err(StoreError::Unreadable(_)) => EnvironmentRecord::default(),
        Err(error) => return Err(error.into()),
    };
    let seen = Seen {
        environment: key.clone(),
        release: record.current.as_ref().map(|current| current.release.clone()),
        health,
        reason: summary.clone(),
    };
    let incident = join(ports, known, &seen, now).await?;
    if health == Health::Unhealthy && !taken_back(ports, &incident, &key).await? {
        take_back(ports, &incident, &key, &record, &summary, now).await?;
    }
    Ok(())
}

/// Something goes off that is no environment. What was said before it was over is late, and opens nothing.
pub(crate) async fn raised(
    ports: &Ports,
    seen: &Seen,
    at: Timestamp,
) -> Result<Incident, AgentError> {
    if let Some((latest, _)) = latest_of(ports, seen).await?
        && latest
            .of(&seen.environment)
            .is_some_and(|last| last.until.is_some_and(|until| at <= until))
    {
        return Ok(latest);
    }
    join(ports, None, seen, at).await
}

/// It is over, unless it went off since.
pub(crate) async fn settled(
    ports: &Ports,
    seen: &Seen,
    at: Timestamp,
) -> Result<Option<Incident>, AgentError> {
    let Some((latest, _)) = latest_of(ports, seen).await? else { return Ok(None) };
    let is_late = latest.of(&seen.environment).is_none_or(|last| at < last.since);
    if is_late {
        return Ok(Some(latest));
    }
    Ok(change(ports, &latest.id, |incident| incident.recover(&seen.environment, at)).await?)
}

async fn latest_of(ports: &Ports, seen: &Seen) -> Result<Option<(Incident, u64)>, StoreError> {
    // The cause is what it is when it is not well.
    let ill = Seen { health: Health::Unhealthy, ..seen.clone() };
    ports.incidents.latest_incident(&IncidentId::new(&ill.cause(), 1)).await
}

/// The environment's incident goes on, or that of the cause, or a new one is opened.
async fn join(
    ports: &Ports,
    known: Option<IncidentId>,
    seen: &Seen,
    now: Timestamp,
) -> Result<Incident, AgentError> {
    if let Some(id) = known
        && let Some(incident) = change(ports, &id, |incident| incident.see(seen, now)).await?
        && incident.is_open()
        && incident.of(&seen.environment).is_some()
    {
        return Ok(incident);
    }
    let mut id = IncidentId::new(&seen.cause(), 1);
    if let Some((latest, _)) = ports.incidents.latest_incident(&id).await? {
        id = latest.id;
    }
    for _ in 0..MOST_FULL {
        // Its name is known before it is there: whoever dies here finds it by the cause.
        ports.incidents.set_incident_of(&seen.environment, Some(&id)).await?;
        match change(ports, &id, |incident| incident.see(seen, now)).await? {
            None => {
                let begun = Incident::begin(id.clone(), seen, now);
                if ports.incidents.store_incident(&begun, 0).await? {
                    tracing::warn!(incident = %begun.id, environment = %seen.environment, "opened");
                    return Ok(begun);
                }
            }
            Some(incident) if incident.is_open() && incident.of(&seen.environment).is_some() => {
                return Ok(incident);
            }
            // Over, or full.
            Some(_) => id = id.next(),
        }
    }
    Err(AgentError::new(ErrorName::StoreUnavailable, "no incident takes the environment in"))
}

/// Changes an incident that is open, whoever else changes it; returns it as it stands, and nothing
/// when there is none.
async fn change(
    ports: &Ports,
    id: &IncidentId,
    how: impl Fn(&mut Incident),
) -> Result<Option<Incident>, StoreError> {
    for attempt in 0..ATTEMPTS {
        let Some((incident, version)) = ports.incidents.incident(id).await? else {
            return Ok(None);
        };
        if !incident.is_open() {
            return Ok(Some(incident));
        }
        let mut changed = incident.clone();
        how(&mut changed);
        if changed == incident || ports.incidents.store_incident(&changed, version).await? {
            return Ok(Some(changed));
        }
        tokio::time::sleep(Duration::from_millis(u64::from(5 * attempt.min(20)))).await;
    }
    Err(StoreError::Conflict(format!("the incident {id} is changed by too many at once")))
}

/// Whether the watch took the release back from there before, in this incident or an earlier one of the
/// same cause, which is the same release: who closes an incident does not ask for it again.
async fn taken_back(
    ports: &Ports,
    incident: &Incident,
    key: &EnvironmentKey,
) -> Result<bool, AgentError> {
    let by_it = |incident: &Incident| {
        incident.of(key).is_some_and(|affected| affected.taken_back_by.is_some())
    };
    let (mut taken, mut earlier) = (by_it(incident), incident.id.previous());
    for _ in 0..MOST_FULL {
        let Some(id) = earlier.filter(|_| !taken) else { break };
        taken = match ports.incidents.incident(&id).await {
            Ok(found) => found.is_some_and(|(incident, _)| by_it(&incident)),
            // Not known whether it was: it is not tried, and a person is needed.
            Err(StoreError::Unreadable(_)) => true,
            Err(error) => return Err(error.into()),
        };
        earlier = id.previous();
    }
    Ok(taken)
}

/// Takes a release back that turned bad while it was young, where there is a good one to return to,
/// through the pipeline's own rollback. Once for each release: should that not help, a person is needed.
async fn take_back(
    ports: &Ports,
    incident: &Incident,
    key: &EnvironmentKey,
    record: &EnvironmentRecord,
    summary: &str,
    now: Timestamp,
) -> Result<(), AgentError> {
    let Some((release, deployed)) = young(record, now) else { return Ok(()) };
    let one_way = ending::one_way(ports, &deployed.run_id, &key.environment).await?;
    if !one_way.is_empty() {
        tracing::warn!(environment = %key, ?one_way, "there is no way back from the release");
        return Ok(());
    }
    let reason = format!("it turned bad: {summary}");
    let before = ports.runs.run(&deployed.run_id).await?.map(|run| run.request.url);
    let caller = Caller {
        origin: before.as_deref().and_then(origin).unwrap_or_default().to_owned(),
        trace: None,
        host: None,
    };
    match rollback::begin(ports, &Wanted::before(key, WATCH, &reason), &caller).await {
        Ok(accepted) => {
            let run_id = accepted.run_id;
            tracing::warn!(environment = %key, %release, run_id = run_id.as_str(), "taken back");
            change(ports, &incident.id, |incident| incident.take_back(key, &run_id)).await?;
            Ok(())
        }
        Err(error) if error.status.is_server_error() => {
            Err(AgentError::new(ErrorName::StoreUnavailable, error.message))
        }
        // Somebody is at work there, or has been since.
        Err(error) => {
            tracing::warn!(environment = %key, %release, why = error.message, "not taken back");
            Ok(())
        }
    }
}

/// The release in effect, if it may be taken back by the watch: it was judged good, it is young, and
/// there is a good one before it.
fn young(record: &EnvironmentRecord, now: Timestamp) -> Option<(ReleaseId, &ReleaseRecord)> {
    let current = record.current.as_ref().filter(|_| record.pending.is_none())?;
    let previous = record.previous.as_ref()?;
    // Its run is at work while it is not judged.
    let entry = record.ledger.of(&current.release)?;
    let settings = &current.settings;
    let hours = settings
        .watch
        .as_ref()
        .map_or_else(|| Watch::default().take_back_hours, |watch| watch.take_back_hours);
    let since = entry.serving_since.unwrap_or(current.deployed_at);
    let age = now.duration_since(since);
    let may = entry.standing == Standing::Good
        && record.ledger.is_good(&previous.release)
        && settings.no_return.is_none()
        && age < SignedDuration::from_hours(hours.into());
    may.then(|| (current.release.clone(), current))
}

/// The installation's own address in that of a run's page.
fn origin(url: &str) -> Option<&str> {
    url.split_once("/runs/").map(|(origin, _)| origin)
}

/// What is to be told after a watch. Of an incident that is over that is said at one watch more, in
/// case the first could not; the outbox has each message once.
///
/// # Errors
/// When a store does not answer.
pub(crate) async fn due(ports: &Ports, now: Timestamp) -> Result<Value, AgentError> {
    let (mut tell, mut bytes) = (Vec::new(), 0);
    for id in ports.incidents.open_incidents(MOST).await? {
        let (incident, version) = match ports.incidents.incident(&id).await {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            // One that cannot be read hides no other.
            Err(StoreError::Unreadable(error)) => {
                tracing::error!(incident = %id, %error, "the incident is not told");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let is_old = incident.is_open() && incident.duration(now) >= TOLD_FOR;
        if incident.end_told || is_old {
            continue;
        }
        let Some(told) = telling(ports, incident.clone(), now).await? else { continue };
        bytes += json!(told).to_string().len();
        if bytes > MOST_BYTES {
            tracing::warn!(incident = %id, "it is told of when there is room again");
            break;
        }
        if let Some(over) = incident.closed_at
            && now.duration_since(over) >= SignedDuration::from_mins(1)
        {
            let ended = Incident { end_told: true, ..incident };
            // Somebody else may have said so.
            ports.incidents.store_incident(&ended, version).await?;
        }
        tell.push(told);
    }
    Ok(json!({ "tell": tell }))
}

/// An incident as it is told; none that nothing is known to be affected by.
async fn telling(
    ports: &Ports,
    incident: Incident,
    now: Timestamp,
) -> Result<Option<TellIncident>, AgentError> {
    let Some(first) = incident.affected.first() else { return Ok(None) };
    let key = first.environment.clone();
    let repository = Repository {
        name: key.repository.clone(),
        url: String::new(),
        default_branch: "main".to_owned(),
    };
    let settings = NotifySettings::default();
    let level = incident.level(now);
    let mut told = TellIncident { incident, level, repository, url: String::new(), settings };
    let record = match ports.environments.load(&key).await {
        Ok(record) => record,
        Err(StoreError::Unreadable(_)) => EnvironmentRecord::default(),
        Err(error) => return Err(error.into()),
    };
    // The run may have expired long before its release is replaced.
    if let Some(current) = record.current {
        if let Some(run) = ports.runs.run(&current.run_id).await? {
            let origin = origin(&run.request.url);
            told.url = origin.map(|origin| format!("{origin}/environments")).unwrap_or_default();
            told.repository = run.request.repository;
        }
        let settings = ending::settings_of(ports, &current.run_id).await?;
        let notify = settings.and_then(|mut settings| settings.get_mut("notify").map(Value::take));
        told.settings = notify.and_then(|n| serde_json::from_value(n).ok()).unwrap_or_default();
    }
    if told.settings.channels.is_empty() {
        // The installation may have a channel of its own.
        told.settings.channels.insert("slack".to_owned(), <_>::default());
    }
    Ok(Some(told))
}

/// A page of incidents, the latest first.
pub(crate) async fn list(ports: &Ports, cursor: Option<&str>) -> Answer<Value> {
    if cursor.is_some_and(|cursor| cursor.is_empty() || cursor.len() > 100) {
        return Err(ApiError::invalid("cursor", "the cursor is that of the page before"));
    }
    let page = ports.incidents.incidents(PAGE, cursor).await?;
    Ok(json!({
        "incidents": page.incidents,
        "unreadable": page.unreadable,
        "cursor": page.cursor,
    }))
}

/// One incident.
pub(crate) async fn show(ports: &Ports, id: &str) -> Answer<Incident> {
    let none = || {
        let shown = line(id, 40).unwrap_or_default();
        ApiError::not_found(format!("there is no incident {shown:?}"))
    };
    let id: IncidentId = id.parse().map_err(|_| none())?;
    ports.incidents.incident(&id).await?.map(|(incident, _)| incident).ok_or_else(none)
}

/// What a person says to an incident.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    /// They look after it.
    Acknowledged,
    /// It is over.
    Closed,
}

/// Takes a person's word: `{"by", "note"}`. The same again changes nothing.
pub(crate) async fn say(
    ports: &Ports,
    id: &str,
    word: Word,
    body: &[u8],
    who: &Who,
) -> Answer<Incident> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["by", "note"])?;
    let by = who.by(&fields)?;
    let note = fields.optional_text("note", MAX_NOTE)?.and_then(|note| line(note, MAX_NOTE));
    let id = show(ports, id).await?.id;
    let now = Timestamp::now();
    let said = change(ports, &id, |incident| match word {
        Word::Acknowledged => incident.acknowledge(&by, note.clone(), now),
        Word::Closed => incident.close(&by, now),
    });
    let incident = said.await?.ok_or_else(|| ApiError::not_found("the incident is gone"))?;
    let heard = match word {
        Word::Acknowledged => incident.acknowledged.is_some(),
        Word::Closed => !incident.is_open(),
    };
    if heard {
        return Ok(incident);
    }
    Err(ApiError::conflict(problems::INCIDENT_OVER, "the incident is over already"))
}
