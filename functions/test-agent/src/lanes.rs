//! The suites of one stage may be run by several runners: their work goes on side by side, and the
//! verdict is over all of it.

use pact_agent::{AgentError, Stand};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    collector::Collector,
    runners::{Built, Ended, Execution, Part, Planned, Progress, Runner, Task},
};

/// What one runner is to do.
pub(crate) struct Lane<'a> {
    /// The runner, or why there is none.
    pub(crate) runner: Result<Box<dyn Runner>, String>,
    pub(crate) task: Task<'a>,
}

/// How far all of it is.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    lanes: Vec<At>,
    /// The build among it, under the name by which a waiting call says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    build: Option<String>,
}

/// How far one runner is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct At {
    /// None: there is nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work: Option<Value>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    /// Why it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_run: Option<String>,
    /// Why there are no tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    none: Option<String>,
}

impl Lane<'_> {
    /// Whether it builds, and tests nothing.
    fn builds(&self) -> bool {
        !self.task.own && self.task.suites.is_empty() && !self.task.releases.is_empty()
    }

    /// What it means that nothing of it was done.
    fn not_run(&self, reason: &str) -> Ended {
        if self.task.skip.is_some() {
            return Ended { skipped: Some(reason.to_owned()), ..Ended::default() };
        }
        if self.builds() {
            let not = |_| Built::Not(reason.to_owned());
            return Ended {
                built: self.task.releases.iter().map(not).collect(),
                ..Ended::default()
            };
        }
        Ended { parts: vec![part(self, reason)], ..Ended::default() }
    }
}

impl State {
    fn read(work: &Value, lanes: &[Lane<'_>]) -> Result<Self, AgentError> {
        let state = Self::deserialize(work);
        let state =
            state.map_err(|e| AgentError::internal(format!("work of another form: {e}")))?;
        if state.lanes.len() == lanes.len() {
            return Ok(state);
        }
        Err(AgentError::internal("work of other suites than those that are asked for"))
    }

    fn later(mut self) -> Result<Stand, AgentError> {
        let build = |at: &At| at.work.as_ref()?.get("build")?.as_str().map(str::to_owned);
        self.build = self.lanes.iter().find_map(build);
        serde_json::to_value(self)
            .map(Stand::Later)
            .map_err(|e| AgentError::internal(format!("cannot write down the work: {e}")))
    }

    fn goes_on(&self) -> bool {
        self.lanes.iter().any(|at| at.work.is_some() && !at.ended)
    }
}

fn runner<'l>(lane: &'l Lane<'_>) -> Result<&'l dyn Runner, AgentError> {
    match &lane.runner {
        Ok(runner) => Ok(&**runner),
        Err(reason) => Err(AgentError::invalid(reason.clone())),
    }
}

/// Plans all of it. Starts nothing. None: nobody has anything to do.
///
/// # Errors
/// Those of the runners.
pub(crate) async fn begin(lanes: &[Lane<'_>]) -> Result<Option<Stand>, AgentError> {
    let mut state = State { lanes: Vec::new(), build: None };
    for lane in lanes {
        let at = match &lane.runner {
            Err(reason) => At { not_run: Some(not_run(lane, reason)), ..At::default() },
            Ok(runner) => match runner.plan(&lane.task).await? {
                Planned::Work(work) => At { work: Some(work), ..At::default() },
                Planned::Nothing(Execution::NotRun(reason)) => {
                    At { not_run: Some(reason), ..At::default() }
                }
                Planned::Nothing(Execution::NoTests(why)) => {
                    At { none: Some(why), ..At::default() }
                }
                Planned::Nothing(_) => At::default(),
            },
        };
        state.lanes.push(at);
    }
    let nothing = state.lanes.iter().all(|at| at.work.is_none() && at.not_run.is_none());
    if nothing { Ok(None) } else { state.later().map(Some) }
}

fn not_run(lane: &Lane<'_>, reason: &str) -> String {
    let table = lane.task.table;
    if lane.builds() {
        return format!("[{table}]: {reason}");
    }
    format!("the tests were not run: [{table}]: {reason}")
}

/// How all of it stands; none: it goes on, as far as `Stand` says.
pub(crate) enum Looked {
    Goes(Stand),
    Ended(Ended),
}

/// Looks how all of it stands, and takes the next step of each. What has ended is looked at once more
/// when the rest has ended too: what it brings is too much to be kept meanwhile.
///
/// # Errors
/// Those of the runners. One that does not pass ends the others.
pub(crate) async fn look<'c>(
    lanes: &[Lane<'_>],
    work: &Value,
    collector: impl Fn() -> Collector<'c>,
) -> Result<(Looked, Collector<'c>), AgentError> {
    let mut state = State::read(work, lanes)?;
    let looked = step(lanes, &mut state, &collector).await;
    match looked {
        Ok((Some(ended), collector)) => Ok((Looked::Ended(ended), collector)),
        Ok((None, collector)) => Ok((Looked::Goes(state.later()?), collector)),
        Err(error) => {
            if !error.name.retryable() {
                end(lanes, &state).await?;
            }
            Err(error)
        }
    }
}

async fn step<'c>(
    lanes: &[Lane<'_>],
    state: &mut State,
    collector: &impl Fn() -> Collector<'c>,
) -> Result<(Option<Ended>, Collector<'c>), AgentError> {
    for (lane, at) in lanes.iter().zip(&mut state.lanes) {
        let Some(work) = at.work.as_ref().filter(|_| !at.ended) else { continue };
        match runner(lane)?.look(&lane.task, work, &mut collector()).await? {
            Progress::Goes(next) => at.work = Some(next),
            Progress::Ended(_) => at.ended = true,
        }
    }
    let mut all = Ended::default();
    let mut collector = collector();
    if state.goes_on() {
        return Ok((None, collector));
    }
    for (lane, at) in lanes.iter().zip(&mut state.lanes) {
        if let Some(reason) = &at.not_run {
            all.add(lane.not_run(reason));
        }
        if let Some(why) = &at.none {
            all.add(Ended { skipped: Some(why.clone()), none: true, ..Ended::default() });
        }
        let Some(work) = &at.work else { continue };
        match runner(lane)?.look(&lane.task, work, &mut collector).await? {
            Progress::Ended(ended) => all.add(ended),
            Progress::Goes(next) => {
                *at = At { work: Some(next), ..At::default() };
                return Ok((None, collector));
            }
        }
    }
    Ok((Some(all), collector))
}

fn part(lane: &Lane<'_>, reason: &str) -> Part {
    Part {
        name: lane.task.name.to_owned(),
        execution: Execution::NotRun(reason.to_owned()),
        timeout: lane.task.timeout,
        reports: Vec::new(),
        counts: None,
        notes: Vec::new(),
        unread: Vec::new(),
        tools: Vec::new(),
    }
}

/// Ends all of it.
///
/// # Errors
/// Some of it may go on.
pub(crate) async fn stop(lanes: &[Lane<'_>], work: &Value) -> Result<(), AgentError> {
    end(lanes, &State::read(work, lanes)?).await
}

async fn end(lanes: &[Lane<'_>], state: &State) -> Result<(), AgentError> {
    let mut failed = None;
    for (lane, at) in lanes.iter().zip(&state.lanes) {
        let Some(work) = &at.work else { continue };
        // The others are ended all the same.
        if let Err(error) = runner(lane)?.stop(work).await {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}
