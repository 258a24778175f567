//! `pactctl environments`: what is in effect where, and what was.

use std::collections::BTreeMap;

use console::style;
use jiff::Timestamp;
use pact_agent::ports::{EnvironmentView, RunReader};
use pact_contract::{
    RunRecord,
    ledger::{LedgerEntry, Standing},
};
use serde_json::{Value, json};

use super::{
    reader::Reader,
    rollback::{only_one, wave_of},
};
use crate::{
    cli::EnvironmentsCommand,
    document,
    failure::{Context, Exit, Failure},
    term,
};

/// Carries the command out.
pub(crate) fn environments(command: EnvironmentsCommand) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        let data = match &command {
            EnvironmentsCommand::List { data, .. } | EnvironmentsCommand::History { data, .. } => {
                &data.data
            }
        };
        let reader = Reader::open(data).await?;
        let done = match &command {
            EnvironmentsCommand::List { json, .. } => list(&reader, *json).await,
            EnvironmentsCommand::History { environment, repository, json, .. } => {
                match repository {
                    Some(name) => history(&reader, (name, environment), *json).await,
                    None => match only_one(&reader.store, environment).await {
                        Ok(name) => history(&reader, (&name, environment), *json).await,
                        Err(failure) => Err(failure),
                    },
                }
            }
        };
        reader.close().await;
        done
    })
}

async fn list(reader: &Reader, as_json: bool) -> Result<Exit, Failure> {
    let mut all = reader.store.environments().await.doing("list the environments")?;
    all.items.sort_by(|a, b| a.key.cmp(&b.key));
    if as_json {
        print(&json!({ "environments": all.items, "unreadable": all.unreadable }))?;
        return Ok(Exit::Success);
    }
    for unreadable in &all.unreadable {
        term::warning(&unreadable.to_string());
    }
    if all.items.is_empty() {
        println!("nothing was deployed yet");
    }
    for view in &all.items {
        let EnvironmentView { key, record, .. } = view;
        let what = match &record.current {
            Some(current) => format!(
                "{} of commit {}, since {:.0}, by run {}",
                current.release,
                short(&current.commit),
                record.serving_since().unwrap_or(current.deployed_at),
                current.run_id
            ),
            None => "nothing is in effect".to_owned(),
        };
        let whole = wave_of(view).map_or_else(String::new, |whole| format!(" (wave of {whole})"));
        println!("{} {}{whole}: {what}", key.repository, style(&key.environment).bold());
    }
    Ok(Exit::Success)
}

async fn history(
    reader: &Reader,
    (repository, environment): (&pact_contract::RepositoryName, &pact_contract::EnvironmentName),
    as_json: bool,
) -> Result<Exit, Failure> {
    let listed = reader.store.environments_of(repository).await.doing("read the environment")?;
    let found = listed.items.iter().find(|view| view.key.environment == *environment);
    let Some(view) = found else {
        let waves = listed.items.iter().filter(|view| wave_of(view) == Some(environment));
        let waves: Vec<&str> = waves.map(|view| view.key.environment.as_str()).collect();
        if !waves.is_empty() {
            let say = format!("{environment} has waves, each with a history of its own");
            return Err(Failure::usage(say).remedy(format!("name one: {}", waves.join(", "))));
        }
        return Err(Failure::usage(format!(
            "nothing of {repository} was deployed to {environment} yet"
        ))
        .remedy("`pactctl environments list` shows what is deployed where"));
    };
    let (entries, now) = (view.record.ledger.entries(), Timestamp::now());
    // A run that is so old that it is gone leaves its release without a person.
    let mut runs = BTreeMap::new();
    for entry in entries {
        if let Some(run) = reader.store.run(&entry.run_id).await.doing("read a run")? {
            runs.insert(entry.run_id.clone(), run);
        }
    }
    let rows: Vec<Row<'_>> =
        entries.iter().map(|entry| Row::new(entry, runs.get(&entry.run_id), now)).collect();
    if as_json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        print(&json!({ "repository": repository, "environment": environment, "history": rows }))?;
        return Ok(Exit::Success);
    }
    println!("{repository} {}, the latest first", style(environment).bold());
    for row in &rows {
        row.show();
    }
    Ok(Exit::Success)
}

/// One release in the history.
struct Row<'a> {
    entry: &'a LedgerEntry,
    /// Who brought it: a person's word, or else who pushed, or whose commit it is.
    who: Option<String>,
    /// How long it was in effect so far, in seconds.
    served: u64,
}

impl<'a> Row<'a> {
    fn new(entry: &'a LedgerEntry, run: Option<&RunRecord>, now: Timestamp) -> Self {
        let word = entry.origin.on_purpose.as_ref().map(|word| word.by.clone());
        let run = run.map(|run| &run.request);
        let who = word
            .or_else(|| run.and_then(|run| run.trigger.actor.clone()))
            .or_else(|| run.and_then(|run| run.author.clone()));
        let since = entry.serving_since.map_or(0, |since| now.duration_since(since).as_secs());
        let served = entry.served_seconds.saturating_add(u64::try_from(since).unwrap_or(0));
        Self { entry, who, served }
    }

    fn json(&self) -> Value {
        let Self { entry, who, served } = self;
        json!({
            "release": entry.release,
            "commit": entry.commit,
            "run_id": entry.run_id,
            "branch": entry.origin.branch,
            "verdict": entry.standing,
            "reason": entry.reason,
            "who": who,
            "on_purpose": entry.origin.on_purpose,
            "deployed_at": entry.deployed_at,
            "judged_at": entry.judged_at,
            "in_effect": entry.serving_since.is_some(),
            "served_seconds": served,
        })
    }

    fn show(&self) {
        let Self { entry, who, served } = self;
        let verdict = entry.standing.as_str();
        let verdict = match entry.standing {
            Standing::Good => style(verdict).green(),
            Standing::Rejected => style(verdict).red(),
            Standing::Candidate | Standing::Withdrawn => style(verdict).yellow(),
        };
        let now = if entry.serving_since.is_some() { ", in effect" } else { "" };
        println!(
            "  {} {verdict}  commit {}  by {}  {:.0}  served {}{now}",
            entry.release,
            short(&entry.commit),
            term::plain(who.as_deref().unwrap_or("unknown")),
            entry.deployed_at,
            span(*served),
        );
        println!("    {} {}", style("run").dim(), entry.run_id);
        if let Some(word) = &entry.origin.on_purpose {
            println!("    {} {}", style("on purpose").dim(), term::plain(&word.reason));
        }
        if let Some(reason) = &entry.reason {
            println!("    {} {}", style("taken back").dim(), term::plain(reason));
        }
    }
}

fn print(document: &Value) -> Result<(), Failure> {
    document::print(document)?;
    Ok(())
}

fn short(commit: &str) -> String {
    commit.chars().take(10).collect()
}

/// A time in its two largest units.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_says_who_brought_it_and_how_long_it_served() {
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        let entry = LedgerEntry {
            release: "20261123-102030-0123456789".parse().expect("a name"),
            commit: "0123456789abcdef".to_owned(),
            run_id: "web-1".parse().expect("an id"),
            origin: Default::default(),
            standing: Standing::Good,
            reason: None,
            deployed_at: at(1_000),
            judged_at: Some(at(1_010)),
            serving_since: Some(at(2_000)),
            served_seconds: 500,
        };
        let row = Row::new(&entry, None, at(2_100)).json();
        assert_eq!((&row["served_seconds"], &row["in_effect"]), (&json!(600), &json!(true)));
        assert_eq!((&row["verdict"], &row["who"]), (&json!("good"), &Value::Null));
        // A clock that was set back takes nothing away.
        assert_eq!(Row::new(&entry, None, at(10)).served, 500);
        let shown = [59, 61, 3_700, 90_000].map(span);
        assert_eq!(shown, ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
