//! `/runs/{id}/tests`: the single tests of a stage, asked for by an address.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use pact_agent::{
    ports::{RunQuery, StoreError},
    tested::{Answer, Question},
};
use pact_contract::{RepositoryName, RunId, StageRecord, StageStatus, StateName, states::Pipeline};
use serde::Deserialize;
use serde_json::json;

use crate::{
    answers::{App, Fault, json_or_fault, pages_or_fault},
    asked::{Asked, has_list},
    pages,
    viewer::Viewer,
};

/// Tests on a page.
const PAGE: usize = 50;
/// What was found of a run.
struct Found {
    run_id: RunId,
    /// The stages that have a list.
    stages: Vec<StageRecord>,
    /// The one that is asked for, or the first that did not pass, and what its list says; none where
    /// no stage has any.
    of: Option<(StateName, Answer)>,
    question: Question,
}

async fn find(
    app: &App,
    id: &str,
    asked: Result<Query<Asked>, QueryRejection>,
    limit: usize,
) -> Result<(Asked, Found), Fault> {
    let unknown = || Fault::Unknown("there is no such run".to_owned());
    let Query(asked) = asked.map_err(|e| Fault::Request(e.body_text()))?;
    let question = asked.question(limit).map_err(Fault::Request)?;
    let run_id = RunId::parse(id).map_err(|_| unknown())?;
    let stages = app.reader.stages(&run_id).await?.items;
    if stages.is_empty() && app.reader.run(&run_id).await?.is_none() {
        return Err(unknown());
    }
    let stages: Vec<StageRecord> = stages.into_iter().filter(has_list).collect();
    let chosen = match asked.stage.trim() {
        "" => stages.iter().find(|s| s.status == StageStatus::Failed).or_else(|| stages.first()),
        name => {
            let found = stages.iter().find(|stage| stage.state.as_str() == name);
            let none = || Fault::Unknown("no single tests of such a stage are kept".to_owned());
            Some(found.ok_or_else(none)?)
        }
    };
    let of = match chosen.map(|stage| stage.state.clone()) {
        Some(state) => {
            let answer = app.tests.ask(&run_id, &state, &question).await?;
            let gone = || Fault::Unknown("the list is not kept any more".to_owned());
            Some((state, answer.ok_or_else(gone)?))
        }
        None => None,
    };
    Ok((asked, Found { run_id, stages, of, question }))
}

pub(crate) async fn page(
    State(app): State<App>,
    viewer: Extension<Viewer>,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let found = find(&app, &id, asked, PAGE).await;
    pages_or_fault(found.map(|(asked, found)| {
        let Found { run_id, stages, of, question } = &found;
        let of = of.as_ref().map(|(state, answer)| (state, answer));
        pages::tests(&viewer, &pages::Tests { run_id, stages, of, asked: &asked, question })
    }))
}

/// Runs over which the tests of a repository are looked at, and tests of each.
const RUNS: usize = 10;
const GRAVEST: usize = 1_000;

/// Whose tests are asked for.
#[derive(Default, Deserialize)]
pub(crate) struct Whose {
    #[serde(default)]
    repository: String,
}

/// The tests of the latest runs of a repository: the lists themselves say what there is, so no more
/// of a run is read.
async fn over_runs(
    app: &App,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<pages::OverRuns, Fault> {
    let Query(Whose { repository }) = whose.map_err(|e| Fault::Request(e.body_text()))?;
    let refused = |_| Fault::Request("the address has to name a repository".to_owned());
    let name = RepositoryName::parse(repository.trim()).map_err(refused)?;
    let query = RunQuery { repository: Some(name.clone()), limit: RUNS, ..RunQuery::default() };
    let runs = app.reader.latest_runs(&query).await?.runs;
    let state = StateName::parse(Pipeline::RunUnitTests.as_str());
    let state = state.map_err(|error| Fault::Internal(error.to_string()))?;
    let mut asked = tokio::task::JoinSet::new();
    for run in runs {
        let (tests, state) = (Arc::clone(&app.tests), state.clone());
        asked.spawn(async move {
            let question = Question { limit: GRAVEST, ..Question::default() };
            tests.ask(&run.request.run_id, &state, &question).await
        });
    }
    let mut lists = Vec::new();
    while let Some(answer) = asked.join_next().await {
        let answer = answer.map_err(|error| Fault::Internal(error.to_string()))?;
        match answer {
            Ok(answer) => lists.extend(answer.map(|answer| answer.tests)),
            // One that is damaged hides no other.
            Err(StoreError::Unreadable(unreadable)) => tracing::warn!(%unreadable, "left out"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(pages::OverRuns::over(name, lists))
}

pub(crate) async fn slowest_page(
    State(app): State<App>,
    viewer: Extension<Viewer>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Response {
    let found = over_runs(&app, whose).await;
    pages_or_fault(found.map(|tests| pages::slowest(&viewer, &tests)))
}

pub(crate) async fn slowest_json(
    State(app): State<App>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Response {
    json_or_fault(over_runs(&app, whose).await.map(|tests| json!(tests)))
}

pub(crate) async fn json(
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let found = find(&app, &id, asked, PAGE).await;
    json_or_fault(found.map(|(_, found)| {
        let Found { run_id, stages, of, question } = found;
        let stages: Vec<_> = stages.iter().map(|stage| &stage.state).collect();
        let Some((stage, answer)) = of else {
            return json!({ "run_id": run_id, "stages": stages, "stage": null, "tests": [] });
        };
        let Answer { head, statuses, found, tests } = answer;
        let end = question.from.saturating_add(tests.len());
        let statuses: serde_json::Map<_, _> = statuses
            .into_iter()
            .map(|(status, number)| (status.as_str().to_owned(), number.into()))
            .collect();
        json!({
            "run_id": run_id,
            "stages": stages,
            "stage": stage,
            "total": head.total,
            "kept": head.kept,
            "left_out": head.left_out,
            "statuses": statuses,
            "found": found,
            "tests": tests,
            "next": (end < found).then_some(end),
        })
    }))
}
