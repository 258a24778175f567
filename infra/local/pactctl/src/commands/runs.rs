//! `pactctl runs`: what ran, what was decided, and whether the log is as it was written.

use std::fmt::Write;

use console::style;
use pact_agent::ports::{Listed, RunQuery, RunReader};
use pact_contract::{RunId, RunRecord, RunStatus, StageRecord, StageStatus, log};
use pact_report::Stored;

use super::{
    listed,
    reader::{Reader, read_report},
};
use crate::{
    cli::RunsCommand,
    document,
    failure::{Context, Exit, Failure},
    run::{Shown, report::Report, summary},
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
                let result = listed::list(&reader, &query, json).await;
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

async fn show(
    reader: &Reader,
    run_id: Option<RunId>,
    (all, json): (bool, bool),
) -> Result<Exit, Failure> {
    let run_id = reader.latest(run_id).await?;
    let report = Report::read(&reader.store, &run_id, &reader.options).await?;
    let lines = if all { usize::MAX } else { summary::EVIDENCE };
    if json {
        document::print(&report)?;
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
        writeln!(out, "{}", listed::unreadable(item)).doing("write the report")?;
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
        document::print(&entries.items)?;
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
    document::print(&log)?;
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
