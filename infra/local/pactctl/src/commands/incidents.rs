//! `pactctl incidents`: what serves and is not well.

use jiff::Timestamp;
use pact_contract::incident::{Affected, Incident};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::repos::ask;
use crate::{
    cli::{IncidentsCommand, WordArgs},
    document,
    failure::{Context, Exit, Failure},
    term,
};

/// Carries the command out.
pub(crate) fn incidents(command: IncidentsCommand) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        match command {
            IncidentsCommand::List { open, json: as_json, data } => {
                let mut answer = ask(&data, Method::GET, "/v1/incidents", None).await?;
                if open && let Some(Value::Array(all)) = answer.get_mut("incidents") {
                    all.retain(|one| one.get("closed_at").is_none_or(Value::is_null));
                }
                if as_json { document(&answer) } else { list(answer, open) }
            }
            IncidentsCommand::Show { id, json: as_json, data } => {
                let answer = ask(&data, Method::GET, &format!("/v1/incidents/{id}"), None).await?;
                if as_json { document(&answer) } else { show(answer) }
            }
            IncidentsCommand::Acknowledge(args) => say(&args, "acknowledge").await,
            IncidentsCommand::Close(args) => say(&args, "close").await,
        }
    })
}

async fn say(args: &WordArgs, word: &str) -> Result<Exit, Failure> {
    let mut body = json!({ "by": args.by });
    if let (Some(note), Some(fields)) = (&args.note, body.as_object_mut()) {
        fields.insert("note".to_owned(), json!(note));
    }
    let path = format!("/v1/incidents/{}/{word}", args.id);
    let answer = ask(&args.data, Method::POST, &path, Some(&body)).await?;
    if args.json { document(&answer) } else { show(answer) }
}

fn document(answer: &Value) -> Result<Exit, Failure> {
    document::print(answer)?;
    Ok(Exit::Success)
}

fn list(answer: Value, open: bool) -> Result<Exit, Failure> {
    #[derive(Deserialize)]
    struct Listed {
        incidents: Vec<Incident>,
        unreadable: Vec<Value>,
        cursor: Option<String>,
    }
    let listed: Listed = serde_json::from_value(answer).doing("understand the list")?;
    if listed.incidents.is_empty() {
        term::note(if open { "no incident goes on" } else { "there was no incident yet" });
    }
    let now = Timestamp::now();
    for incident in &listed.incidents {
        println!("{}", line(incident, now));
    }
    if !listed.unreadable.is_empty() {
        term::note(&format!("{} cannot be read: see --json", listed.unreadable.len()));
    }
    if listed.cursor.is_some() {
        term::note("there are older ones; these are the latest");
    }
    Ok(Exit::Success)
}

/// An incident in a line.
fn line(incident: &Incident, now: Timestamp) -> String {
    let since = incident.opened_at.strftime("%Y-%m-%d %H:%M UTC");
    let minutes = incident.duration(now).as_mins();
    let state = match (&incident.closed_at, &incident.acknowledged) {
        (Some(_), _) => format!("over after {minutes} min"),
        (None, Some(by)) => {
            format!("open for {minutes} min, {} looks after it", term::plain(&by.by))
        }
        (None, None) => format!("open for {minutes} min, nobody looks after it"),
    };
    let what = match incident.affected.as_slice() {
        [one] => place(one),
        [first, rest @ ..] => format!("{} and {} more", place(first), rest.len()),
        [] => "nothing".to_owned(),
    };
    format!("{}  {since}  {state}  {what}", incident.id)
}

fn place(affected: &Affected) -> String {
    if let Some(alarm) = affected.alarm() {
        return format!("the alarm {alarm}");
    }
    let key = &affected.environment;
    format!("{} {}", key.repository, key.environment)
}

fn show(answer: Value) -> Result<Exit, Failure> {
    let incident: Incident =
        serde_json::from_value(answer).doing("understand the gateway's answer")?;
    println!("{}", line(&incident, Timestamp::now()));
    if let Some(acknowledged) = &incident.acknowledged {
        let note = acknowledged.note.as_deref().map(|note| format!(": {}", term::plain(note)));
        println!("  {} looks after it{}", term::plain(&acknowledged.by), note.unwrap_or_default());
    }
    for affected in &incident.affected {
        let release = affected.release.as_ref().map(|release| format!(" with {release}"));
        let health = match affected.until {
            Some(until) => format!("well again since {}", until.strftime("%H:%M UTC")),
            None => format!("{}: {}", affected.health.as_str(), term::plain(&affected.reason)),
        };
        println!("  {}{}  {health}", place(affected), release.unwrap_or_default());
        if let Some(run) = &affected.taken_back_by {
            println!("    the release before it comes back by the run {run}");
        }
    }
    Ok(Exit::Success)
}
