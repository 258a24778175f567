//! `pactctl gate`: why a run was decided as it was, and what other rules would have decided.

use std::path::Path;

use console::style;
use pact_agent::{
    bundle,
    ports::{RunQuery, RunReader},
};
use pact_aws::ObjectArtifacts;
use pact_contract::{
    ChangeSet, Decision, RepositoryName, RunId, RunRecord, StageRecord, run::RuleOutcome,
    settings::Settings,
};
use pact_quality_agent::Evidence;
use serde_json::{Value, json};

use super::{logs, reader::Reader, validate::settings_file};
use crate::{
    cli::GateCommand,
    document,
    failure::{Context, Exit, Failure},
    term,
};

/// Runs of a page while they are read.
const PAGE: usize = 50;

/// Carries out the command.
pub(crate) fn gate(command: GateCommand) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        match command {
            GateCommand::Explain { run_id, json, data } => {
                let reader = Reader::open(&data.data).await?;
                let result = explain(&reader, run_id, json).await;
                reader.close().await;
                result
            }
            GateCommand::Try { rules, repository, branch, limit, json, data } => {
                let settings = settings(&rules)?;
                let reader = Reader::open(&data.data).await?;
                let query = RunQuery { repository, branch, limit, ..RunQuery::default() };
                let rules = Rules::new(settings, &data.data)?;
                let result = trial(&reader, query, &rules, json).await;
                reader.close().await;
                result
            }
        }
    })
}

/// The rules that are tried.
struct Rules {
    settings: Settings,
    /// Where change sets are kept: conditions speak of what changed.
    artifacts: Option<ObjectArtifacts>,
}

impl Rules {
    fn new(settings: Settings, data: &Path) -> Result<Self, Failure> {
        let speak = !settings.conditions.is_empty();
        let artifacts = if speak { Some(logs::artifacts(data)?) } else { None };
        Ok(Self { settings, artifacts })
    }

    /// What changed in a run, where the rules speak of that.
    async fn changes(&self, stages: &[StageRecord]) -> Result<Option<ChangeSet>, String> {
        let Some(artifacts) = &self.artifacts else { return Ok(None) };
        let analyzed = stages.iter().find(|stage| stage.action == "code.analyze_changes");
        let key = analyzed.and_then(|stage| stage.output.get("changes_key")?.as_str());
        let key = key.ok_or("what changed is not stored, which the conditions speak of")?;
        bundle::change_set(artifacts, key).await.map(Some).map_err(|error| error.message)
    }
}

fn settings(path: &Path) -> Result<Settings, Failure> {
    let file = settings_file(path)?
        .ok_or_else(|| Failure::usage(format!("there is no pact.toml in {}", path.display())))?;
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Failure::usage(format!("cannot read {}: {e}", file.display())))?;
    pact_config::parse(&text, &file.to_string_lossy())
        .map_err(|errors| Failure::usage(errors.to_string()))
}

fn decision(run: &RunRecord) -> Option<&Decision> {
    run.outcome.as_ref()?.decision.as_ref()
}

async fn explain(reader: &Reader, run_id: Option<RunId>, json: bool) -> Result<Exit, Failure> {
    let run_id = reader.latest(run_id).await?;
    let run = RunReader::run(&reader.store, &run_id).await.doing("read the run")?;
    let run = run.ok_or_else(|| {
        Failure::usage(format!("there is no run {run_id}")).remedy("`pactctl runs list` lists them")
    })?;
    let decision = decision(&run).ok_or_else(|| {
        Failure::usage(format!("{run_id}: the gate did not decide it"))
            .remedy(format!("`pactctl runs show {run_id}` says how it ended"))
    })?;
    if json {
        document::print(decision)?;
        return Ok(Exit::Success);
    }
    let verdict = decision.verdict.as_str().replace('_', " ");
    println!("{} {verdict}: {}", style("Decision").bold(), term::plain(&decision.summary));
    if !decision.would_pass.is_empty() {
        println!("\n{}", style("It would pass with all of this, and with no less:").bold());
        for change in &decision.would_pass {
            println!("  - {}", term::plain(change));
        }
    }
    println!("\n{}", style("Rules").bold());
    for rule in &decision.reasons {
        let (mark, outcome) = match rule.outcome {
            RuleOutcome::Met => (style("✓").green(), "met"),
            RuleOutcome::NotMet if rule.required => (style("✗").red(), "not met"),
            RuleOutcome::NotMet => (style("✗").yellow(), "not met, not needed"),
            RuleOutcome::NotChecked if rule.required => (style("–").red(), "not checked, needed"),
            RuleOutcome::NotChecked => (style("–").dim(), "not checked, not needed"),
        };
        println!("  {mark} {:<24} {outcome}", rule.rule);
        println!("    {}", term::plain(&rule.message));
        if rule.value != Value::Null || rule.threshold != Value::Null {
            let line =
                format!("measured {}, asked for {}", shown(&rule.value), shown(&rule.threshold));
            println!("    {}", style(term::plain(&line)).dim());
        }
    }
    Ok(Exit::Success)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect();
            fields.join(", ")
        }
        other => other.to_string(),
    }
}

/// What became of one run under the rules.
struct Tried {
    run_id: RunId,
    repository: RepositoryName,
    before: Option<Decision>,
    after: Result<Decision, String>,
}

impl Tried {
    fn differs(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Ok(after)) => before.verdict != after.verdict,
            _ => false,
        }
    }
}

async fn trial(
    reader: &Reader,
    mut query: RunQuery,
    rules: &Rules,
    json: bool,
) -> Result<Exit, Failure> {
    let limit = query.limit;
    let mut tried = Vec::new();
    loop {
        query.limit = PAGE.min(limit - tried.len());
        let page = reader.store.latest_runs(&query).await.doing("list the runs")?;
        for run in &page.runs {
            tried.push(one(reader, run, rules).await?);
        }
        query.cursor = page.cursor;
        if query.cursor.is_none() || tried.len() >= limit {
            break;
        }
    }
    let differ: Vec<&Tried> = tried.iter().filter(|tried| tried.differs()).collect();
    let not_tried: Vec<&Tried> = tried.iter().filter(|tried| tried.after.is_err()).collect();
    if json {
        let document = json!({
            "tried": tried.len() - not_tried.len(),
            "differ": differ.iter().map(|tried| json!({
                "run_id": tried.run_id,
                "repository": tried.repository,
                "before": tried.before,
                "after": tried.after.as_ref().ok(),
            })).collect::<Vec<_>>(),
            "not_tried": not_tried.iter().map(|tried| json!({
                "run_id": tried.run_id,
                "reason": tried.after.as_ref().err(),
            })).collect::<Vec<_>>(),
        });
        document::print(&document)?;
        return Ok(Exit::Success);
    }
    for tried in &differ {
        if let (Some(before), Ok(after)) = (&tried.before, &tried.after) {
            let name = |decision: &Decision| decision.verdict.as_str().replace('_', " ");
            println!(
                "{} {}: {} → {}",
                style(&tried.run_id).bold(),
                tried.repository,
                name(before),
                name(after)
            );
            println!("  {}", term::plain(&after.summary));
            for change in &after.would_pass {
                println!("  {} {}", style("would pass:").cyan(), term::plain(change));
            }
        }
    }
    for tried in &not_tried {
        if let Err(reason) = &tried.after {
            let line = format!("{} not tried: {reason}", tried.run_id);
            println!("{}", style(term::plain(&line)).dim());
        }
    }
    let number = tried.len() - not_tried.len();
    println!("{} of {number} runs would have been decided otherwise", differ.len());
    Ok(Exit::Success)
}

async fn one(reader: &Reader, run: &RunRecord, rules: &Rules) -> Result<Tried, Failure> {
    let run_id = run.request.run_id.clone();
    let before = decision(run).cloned();
    let after = match &before {
        None => Err(pact_quality_agent::NoEvidence::NotDecided.to_string()),
        Some(decision) => {
            let stages = reader.store.stages(&run_id).await.doing("read the stages")?;
            match stages.unreadable.first() {
                // Half of the evidence is none.
                Some(unreadable) => Err(unreadable.to_string()),
                None => match Evidence::of(&stages.items, decision) {
                    Err(reason) => Err(reason.to_string()),
                    Ok(evidence) => rules.changes(&stages.items).await.and_then(|changes| {
                        evidence
                            .under(&run.request, changes.as_ref(), &rules.settings)
                            .map_err(|error| error.message)
                    }),
                },
            }
        }
    };
    Ok(Tried { run_id, repository: run.request.repository.name.clone(), before, after })
}
