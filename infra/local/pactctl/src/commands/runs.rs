//! `pactctl runs`: what ran, what was decided, and whether the log is as it was written.

use std::fmt::Write;

use console::style;
use pact_agent::ports::{Listed, RunQuery, RunReader, Unreadable};
use pact_contract::{RunId, RunRecord, RunStatus, StageRecord, StageStatus, cause::cause, log};
use pact_report::Stored;
use serde_json::json;

use super::reader::{Reader, read_report};
use crate::{
    cli::RunsCommand,
    failure::{Context, Exit, Failure},
    run::{
        Shown,
        report::Report,
        summary,
        waits::{self, Waits},
    },
    term,
};

/// Carries out the command.
pub(crate) fn runs(command: RunsCommand) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        match command {
            RunsCommand::List {
                repository,
                branch,
                author,
                environment,
                status,
                text,
                limit,
                json,
                data,
            } => {
                let status = status.map(|s| parse_status(&s)).transpose()?;
                let cursor = None;
                let query = RunQuery {
                    repository,
                    status,
                    branch,
                    author,
                    environment,
                    text,
                    limit,
                    cursor,
                };
                let reader = Reader::open(&data.data).await?;
                let result = list(&reader, &query, json).await;
                reader.close().await;
                result
            }
            RunsCommand::Watch { run_id, json, data } => {
                super::watch::watch(run_id, Shown { json, data: &data.data }).await
            }
            RunsCommand::Show { run_id, all, json, data } => {
                let reader = Reader::open(&data.data).await?;
                let result = show(&reader, run_id, (all, json)).await;
                reader.close().await;
                result
            }
            RunsCommand::Tests(args) => {
                let reader = Reader::open(&args.data.data).await?;
                let result = super::tested::tests(&reader, &args).await;
                reader.close().await;
                result
            }
            RunsCommand::Log { run_id, json, data } => {
                let reader = Reader::open(&data.data).await?;
                let result = print_log(&reader, run_id, json).await;
                reader.close().await;
                result
            }
            RunsCommand::Cost { run_id, json, data } => {
                let reader = Reader::open(&data.data).await?;
                let report = read_report(&reader, run_id).await;
                reader.close().await;
                super::cost::cost(&data.data, &report?, json).await
            }
            RunsCommand::Sarif { run_id, data } => {
                let reader = Reader::open(&data.data).await?;
                let result = sarif(&reader, run_id).await;
                reader.close().await;
                result
            }
            RunsCommand::Summary { run_id, data } => {
                let reader = Reader::open(&data.data).await?;
                let result = markdown(&reader, run_id).await;
                reader.close().await;
                result
            }
            RunsCommand::Verify { run_id, data } => {
                let reader = Reader::open(&data.data).await?;
                let result = verify(&reader, run_id).await;
                reader.close().await;
                result
            }
        }
    })
}

fn parse_status(text: &str) -> Result<RunStatus, Failure> {
    RunStatus::parse(text).ok_or_else(|| {
        let known: Vec<_> = RunStatus::ALL.iter().map(|s| s.as_str()).collect();
        Failure::usage(format!("there is no status {text:?}"))
            .remedy(format!("there are {}", known.join(", ")))
    })
}

async fn list(reader: &Reader, query: &RunQuery, json: bool) -> Result<Exit, Failure> {
    let page = reader.store.latest_runs(query).await.doing("list the runs")?;
    let waiting = waiting(reader, &page.runs).await?;
    if json {
        let runs: Vec<_> = page
            .runs
            .iter()
            .zip(&waiting)
            .map(|(r, waits)| {
                json!({
                    "run_id": r.request.run_id,
                    "status": r.status,
                    "repository": r.request.repository.name,
                    "branch": r.request.branch,
                    "commit": r.request.commit,
                    "started_at": r.request.started_at,
                    "finished_at": r.finished_at,
                    "message": r.request.message,
                    "author": r.request.author,
                    "duration_ms": duration(r),
                    "reason": r.outcome.as_ref().map(|o| &o.reason),
                    "cause": cause(r, &[]).map(|cause| cause.sentence),
                    "waits": waits,
                })
            })
            .collect();
        let document =
            json!({ "runs": runs, "unreadable": page.unreadable, "cursor": page.cursor });
        println!("{}", serde_json::to_string_pretty(&document).doing("write the list")?);
        return Ok(Exit::Success);
    }
    if page.runs.is_empty() && page.unreadable.is_empty() {
        println!("no run matches");
    }
    if !page.runs.is_empty() {
        print!("{}", style(header()).dim());
    }
    for (run, waits) in page.runs.iter().zip(&waiting) {
        print!("{}", row(run, waits.as_ref()));
    }
    for item in &page.unreadable {
        println!("{}", unreadable(item));
    }
    if !reader.is_up() && page.runs.iter().any(|run| !run.status.is_final()) {
        term::hint(&format!(
            "no stack is up: `pactctl up{}` goes on with what has not ended",
            reader.options
        ));
    }
    Ok(Exit::Success)
}

/// What each of the runs waits for.
async fn waiting(reader: &Reader, runs: &[RunRecord]) -> Result<Vec<Option<Waits>>, Failure> {
    /// Most runs of which all is read that they wait for: what a list of hundreds in a queue says of
    /// each is that it is queued.
    const MOST: usize = 50;
    let mut all: Vec<Option<Waits>> = Vec::with_capacity(runs.len());
    let mut asked = 0;
    for run in runs {
        let ask = !run.status.is_final() && asked < MOST;
        asked += usize::from(ask);
        all.push(match ask {
            true => waits::of(&reader.store, run, None, &reader.options)
                .await
                .doing("read what a run waits for")?,
            false => None,
        });
    }
    Ok(all)
}

/// A line of the list, in columns; the status is as wide as its column.
fn columns(
    status: &str,
    [started, took, repository, branch, commit, message]: [&str; 6],
) -> String {
    format!(
        "{status} {started:<19} {took:>9}  {repository:<24} {branch:<12} {commit:<10} {message}\n"
    )
}

fn header() -> String {
    let heads = ["STARTED (UTC)", "TOOK", "REPOSITORY", "BRANCH", "COMMIT", "MESSAGE"];
    columns(&format!("{:<16}", "STATUS"), heads)
}

/// One run: a line of columns, then its id with why it did not end well or what it waits for, and how
/// that is answered.
fn row(run: &RunRecord, waits: Option<&Waits>) -> String {
    let request = &run.request;
    let commit: String = request.commit.chars().take(10).collect();
    let status = format!("{:<16}", run.status.as_str());
    let mut out = columns(
        &term::run_style(run.status).apply_to(status).to_string(),
        [
            &request.started_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            &term::duration(duration(run)),
            request.repository.name.as_str(),
            &term::plain(&request.branch),
            &commit,
            &term::plain(request.message.as_deref().unwrap_or("(no message)")),
        ],
    );
    let id = style(&request.run_id).dim();
    let said = cause(run, &[]).map(|cause| cause.sentence);
    let said = said.or_else(|| waits.map(|waits| waits.sentence.clone()));
    out.push_str(&format!("  {id} {}", term::plain(&said.unwrap_or_default())).trim_end());
    out.push('\n');
    if let Some(how) = waits.and_then(Waits::how) {
        out.push_str(&format!("  {how}\n"));
    }
    out
}

/// How long the run took, or has taken so far, in milliseconds.
fn duration(run: &RunRecord) -> u64 {
    let end = run.finished_at.unwrap_or_else(jiff::Timestamp::now);
    u64::try_from(end.duration_since(run.request.started_at).as_millis()).unwrap_or_default()
}

/// A line about what cannot be read.
fn unreadable(item: &Unreadable) -> String {
    format!("{:<16} {}", style("unreadable").yellow(), term::plain(&item.to_string()))
}

async fn show(
    reader: &Reader,
    run_id: Option<RunId>,
    (all, json): (bool, bool),
) -> Result<Exit, Failure> {
    let run_id = reader.latest(run_id).await?;
    let report = Report::read(&reader.store, &run_id, &reader.options).await?;
    let lines = if all { usize::MAX } else { summary::EVIDENCE };
    if json {
        println!("{}", serde_json::to_string_pretty(&report).doing("write the report")?);
        return Ok(Exit::Success);
    }
    let mut out = String::new();
    for stage in &report.records {
        let (mark, colour) = term::stage_mark(stage.status);
        let line = format!(
            "{} {:<28} {:>9}  {}",
            colour.apply_to(mark),
            stage.title(),
            term::duration(stage.duration_ms),
            term::plain(&stage.summary)
        );
        writeln!(out, "{line}").doing("write the report")?;
        // What is bad stands below, with the first of its findings; here is all of it, where asked.
        if all || stage.status == StageStatus::Passed {
            for finding in &stage.findings {
                summary::write_finding(&mut out, finding, lines).doing("write the report")?;
            }
        }
        if let (true, Some(key)) =
            (all && stage.findings_total > stage.findings.len(), &stage.details_key)
        {
            let line = format!("    {} in all: {key} of the artifacts", stage.findings_total);
            writeln!(out, "{line}").doing("write the report")?;
        }
    }
    for item in &report.unreadable {
        writeln!(out, "{}", unreadable(item)).doing("write the report")?;
    }
    print!("{out}{}", summary::text(&report, &reader.options));
    Ok(Exit::Success)
}

/// Waits for the end of a run on somebody else's stack.
async fn print_log(reader: &Reader, run_id: Option<RunId>, json: bool) -> Result<Exit, Failure> {
    let run_id = reader.latest(run_id).await?;
    let entries = read_log(reader, &run_id).await?;
    for item in &entries.unreadable {
        term::error(&item.to_string());
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&entries.items).doing("write the log")?);
        return Ok(Exit::Success);
    }
    for entry in &entries.items {
        let hash: String = entry.hash.chars().take(12).collect();
        let said = ["summary", "message", "skip", "state"]
            .iter()
            .find_map(|k| entry.body.get(*k).and_then(serde_json::Value::as_str));
        println!(
            "{:>4} {} {:<16} {:<9} {:<30} {} {}",
            entry.sequence,
            entry.timestamp.strftime("%H:%M:%S%.3f"),
            entry.actor,
            format!("{:?}", entry.kind).to_lowercase(),
            entry.action,
            style(hash).dim(),
            term::plain(said.unwrap_or_default()),
        );
    }
    Ok(Exit::Success)
}

/// A run with its stages, as they are stored.
async fn stored(
    reader: &Reader,
    run_id: Option<RunId>,
) -> Result<(RunRecord, Vec<StageRecord>), Failure> {
    let run_id = reader.latest(run_id).await?;
    let run = RunReader::run(&reader.store, &run_id).await.doing("read the run")?;
    let run = run.ok_or_else(|| {
        Failure::usage(format!("there is no run {run_id}")).remedy("`pactctl runs list` lists them")
    })?;
    let stages = reader.store.stages(&run_id).await.doing("read the stages")?;
    for item in &stages.unreadable {
        term::error(&item.to_string());
    }
    Ok((run, stages.items))
}

async fn sarif(reader: &Reader, run_id: Option<RunId>) -> Result<Exit, Failure> {
    let (run, stages) = stored(reader, run_id).await?;
    let log =
        pact_report::sarif(Stored { run: &run, stages: &stages }).doing("write the findings")?;
    println!("{}", serde_json::to_string_pretty(&log).doing("write the findings")?);
    Ok(Exit::Success)
}

async fn markdown(reader: &Reader, run_id: Option<RunId>) -> Result<Exit, Failure> {
    let (run, stages) = stored(reader, run_id).await?;
    print!("{}", pact_report::markdown(Stored { run: &run, stages: &stages }));
    Ok(Exit::Success)
}

async fn read_log(reader: &Reader, run_id: &RunId) -> Result<Listed<log::LogEntry>, Failure> {
    let entries = reader.store.log(run_id).await.doing("read the log")?;
    if entries.items.is_empty() && entries.unreadable.is_empty() {
        return Err(Failure::usage(format!("there is no run {run_id}, or it has no log"))
            .remedy("`pactctl runs list` lists the runs"));
    }
    Ok(entries)
}

async fn verify(reader: &Reader, run_id: Option<RunId>) -> Result<Exit, Failure> {
    let run_id = reader.latest(run_id).await?;
    match reader.store.verify(&run_id).await.doing("read what is recorded of the run")? {
        log::Verified::Proven(proof) => {
            let how = if proof.is_keyed {
                "sealed"
            } else {
                "chained; without a key, whoever can write to the table could have made it all anew"
            };
            println!(
                "{run_id}: {} entries and {} stage records, all as they were written and {how}",
                proof.entries, proof.stages
            );
            Ok(Exit::Success)
        }
        log::Verified::Tampered(tampered) => {
            term::error(&format!("{run_id}: {tampered}"));
            Ok(Exit::NotReleased)
        }
    }
}

#[cfg(test)]
mod tests {
    use pact_contract::testing::failed_runs;

    use super::*;

    #[test]
    fn the_list_says_message_duration_and_why_under_heads_that_fit() {
        let runs = failed_runs(jiff::Timestamp::UNIX_EPOCH);
        let run = runs.iter().find(|r| r.name == "secret").expect("a sample");
        let row = console::strip_ansi_codes(&row(&run.run, None)).into_owned();
        for text in [
            "Configure the bucket",
            "Secrets: 1 changed file checked",
            "web-shop-3f9c2ab17d-secret",
        ] {
            assert!(row.contains(text), "{row}");
        }
        let header = header();
        let at = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
        for (head, value) in [
            ("REPOSITORY", "acme/web-shop"),
            ("BRANCH", "main"),
            ("COMMIT", "3f9c2ab17d"),
            ("MESSAGE", "Configure"),
        ] {
            assert_eq!(at(&header, head), at(&row, value), "{head}\n{header}\n{row}");
        }
    }
}
