//! `pactctl logs`: what the tests and builds of a run write.

use std::{
    collections::HashMap,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use console::style;
use pact_agent::logs::{LogLine, StageLogs};
use pact_aws::{Logs, ObjectArtifacts};
use pact_contract::{RunId, StateName};
use serde_json::json;

use super::reader::Reader;
use crate::{
    cli::LogsArgs,
    failure::{Context, Exit, Failure},
    term,
};

/// How often a run that goes on is looked at.
const LOOK: Duration = Duration::from_millis(400);

/// Carries the command out.
pub(crate) fn logs(args: &LogsArgs) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        let reader = Reader::open(&args.data.data).await?;
        let shown = show(&reader, args).await;
        reader.close().await;
        shown
    })
}

async fn show(reader: &Reader, args: &LogsArgs) -> Result<Exit, Failure> {
    let run = args.run.as_deref().filter(|run| *run != "latest");
    let run = run.map(parse_run).transpose()?;
    let run_id = reader.latest(run).await?;
    if reader.store.run(&run_id).await.doing("read the run")?.is_none() {
        return Err(Failure::usage(format!("there is no run {run_id}"))
            .remedy("`pactctl runs list` shows those there are"));
    }
    let logs = open(reader, &args.data.data).await?;
    let mut shown = Shown { args, places: HashMap::new(), stages: Vec::new() };
    loop {
        // What is written between this and the end of the reading is read the next time.
        let run = reader.store.run(&run_id).await.doing("read the run")?;
        let goes_on = args.follow && run.is_some_and(|run| !run.status.is_final());
        shown.stages = stages(&logs, &run_id, args.stage.as_deref()).await?;
        match shown.read(&logs, &run_id).await {
            Err(Stop::Closed) => return Ok(Exit::Success),
            Err(Stop::Failed(failure)) if reader.is_up() => return Err(failure),
            Err(Stop::Failed(failure)) => {
                return Err(failure.remedy("the stage did not end: `pactctl up` goes on with it"));
            }
            Ok(()) if goes_on => tokio::time::sleep(LOOK).await,
            Ok(()) => break,
        }
    }
    if shown.stages.is_empty() {
        let what = match &args.stage {
            Some(stage) => format!("{run_id} has no log of a stage {stage:?}"),
            None => format!("nothing of {run_id} wrote a log"),
        };
        let all = stages(&logs, &run_id, None).await?;
        let names: Vec<&str> = all.iter().map(StateName::as_str).collect();
        return Err(Failure::usage(what).remedy(match names.as_slice() {
            [] => "tests and builds write logs once they are begun; -f waits for them".to_owned(),
            names => format!("there are {}", names.join(", ")),
        }));
    }
    Ok(Exit::Success)
}

fn parse_run(text: &str) -> Result<RunId, Failure> {
    RunId::parse(text).map_err(|error| {
        Failure::usage(format!("{text:?} is no run: {error}"))
            .remedy("the stage is the second argument: `pactctl logs latest unit`")
    })
}

async fn open(reader: &Reader, data: &Path) -> Result<Logs, Failure> {
    let artifacts = artifacts(data)?;
    Ok(Logs::new(Arc::new(reader.store.clone()), &reader.sdk().await, Arc::new(artifacts)))
}

/// What runs kept in the data folder.
pub(super) fn artifacts(data: &Path) -> Result<ObjectArtifacts, Failure> {
    ObjectArtifacts::folder(&bucket(data)?).doing("open what is kept")
}

/// The folder of the artifact store: there is one bucket, as long as there is the data folder.
fn bucket(data: &Path) -> Result<PathBuf, Failure> {
    let buckets = std::fs::read_dir(data.join("s3")).doing("open what is kept")?;
    let bucket = buckets.flatten().map(|bucket| bucket.path()).find(|path| path.is_dir());
    bucket.ok_or_else(|| Failure::usage("nothing is kept in the data folder"))
}

/// The stages that are asked for.
async fn stages(
    logs: &Logs,
    run_id: &RunId,
    wanted: Option<&str>,
) -> Result<Vec<StateName>, Failure> {
    let wanted = wanted.map(str::to_ascii_lowercase);
    let mut all = logs.stages(run_id).await.doing("list the stages with logs")?;
    let exact = |stage: &StateName| wanted.as_deref() == Some(&stage.as_str().to_ascii_lowercase());
    if all.iter().any(exact) {
        all.retain(exact);
    } else if let Some(wanted) = &wanted {
        all.retain(|stage| stage.as_str().to_ascii_lowercase().contains(wanted));
    }
    Ok(all)
}

/// Why no more is printed.
enum Stop {
    /// Nobody reads any more.
    Closed,
    Failed(Failure),
}

/// What was printed.
struct Shown<'a> {
    args: &'a LogsArgs,
    /// Where each stage is read on; none: it is read to its end.
    places: HashMap<StateName, Option<String>>,
    stages: Vec<StateName>,
}

impl Shown<'_> {
    /// Prints what there is further of every stage.
    async fn read(&mut self, logs: &Logs, run_id: &RunId) -> Result<(), Stop> {
        for stage in self.stages.clone() {
            loop {
                let from = match self.places.get(&stage) {
                    Some(None) => break,
                    Some(Some(place)) => Some(place.as_str()),
                    None => None,
                };
                let page = logs.page(run_id, &stage, from).await.doing("read a log");
                let Some(page) = page.map_err(Stop::Failed)? else { break };
                self.print(&stage, &page.lines).map_err(|_| Stop::Closed)?;
                self.places.insert(stage.clone(), page.next);
                if page.at_end {
                    break;
                }
            }
        }
        Ok(())
    }

    fn print(&self, stage: &StateName, lines: &[LogLine]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        for line in lines {
            if self.args.json {
                let document = json!({ "stage": stage, "at": line.at, "text": line.text });
                writeln!(out, "{}", term::escaped(&document.to_string()))?;
                continue;
            }
            // With one stage only there is nothing to tell apart.
            if self.args.stage.is_none() || self.stages.len() > 1 {
                write!(out, "{} ", style(stage.as_str()).dim())?;
            }
            writeln!(out, "{}", term::plain(&line.text))?;
        }
        out.flush()
    }
}
