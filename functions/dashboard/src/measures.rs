//! How well it goes: what is deployed where, how well an environment is delivered to, and where the
//! time of runs goes.

use axum::{Extension, extract::State, response::Response};
use pact_agent::ports::{EnvironmentPage, RunPage, RunQuery};
use pact_contract::{
    EnvironmentName, RepositoryName, RunStatus, cost::Estimate, delivery::delivery,
    durations::stage_times,
};
use serde_json::json;

use crate::{
    answers::{App, Asked, Fault, filters, json_or_fault, pages_or_fault},
    api,
    filters::Filters,
    pages,
    viewer::Viewer,
};

pub(crate) async fn environments(
    State(app): State<App>,
    viewer: Extension<Viewer>,
    asked: Asked,
) -> Response {
    let result = async {
        let filters = filters(asked)?;
        let page = page_of_environments(&app, &filters).await?;
        Ok(pages::environments(&viewer, &filters, &page, (app.now)()))
    };
    pages_or_fault(result.await)
}

/// Those of one repository, or a page of all.
async fn page_of_environments(app: &App, filters: &Filters) -> Result<EnvironmentPage, Fault> {
    let query = filters.query().map_err(Fault::Request)?;
    Ok(match &query.repository {
        Some(name) => {
            EnvironmentPage { listed: app.reader.environments_of(name).await?, cursor: None }
        }
        None => app.reader.environments_page(query.cursor.as_deref()).await?,
    })
}

pub(crate) async fn api_environments(State(app): State<App>, asked: Asked) -> Response {
    let result =
        async { Ok(api::environments(&page_of_environments(&app, &filters(asked)?).await?)) };
    json_or_fault(result.await)
}

pub(crate) async fn api_environments_version(State(app): State<App>, asked: Asked) -> Response {
    let result = async {
        let page = page_of_environments(&app, &filters(asked)?).await?;
        Ok(json!({ "version": pages::environments_version(&page.listed) }))
    };
    json_or_fault(result.await)
}

/// The runs that began to deploy to an environment of a repository, the latest ones.
async fn deployed(
    app: &App,
    asked: Asked,
) -> Result<(RepositoryName, EnvironmentName, RunPage), Fault> {
    let query = filters(asked)?.query().map_err(Fault::Request)?;
    let (Some(repository), Some(environment)) = (query.repository, query.environment) else {
        return Err(Fault::Request(
            "the address has to name repository and environment".to_owned(),
        ));
    };
    let (name, place) = (Some(repository.clone()), Some(environment.clone()));
    let query =
        RunQuery { repository: name, environment: place, limit: DEPLOYED, ..RunQuery::default() };
    Ok((repository, environment, app.reader.latest_runs(&query).await?))
}

/// Runs that measures of delivery are made of: what a page may cost bounds it.
const DEPLOYED: usize = 25;

pub(crate) async fn insights(
    State(app): State<App>,
    viewer: Extension<Viewer>,
    asked: Asked,
) -> Response {
    let found = deployed(&app, asked).await;
    pages_or_fault(found.map(|(repository, environment, found)| {
        let delivery = delivery(&found.runs, &environment);
        let looked = (found.runs.len(), found.cursor.is_some());
        let (repository, environment, delivery) = (&repository, &environment, &delivery);
        pages::insights(&viewer, &pages::Insights { repository, environment, delivery, looked })
    }))
}

pub(crate) async fn api_insights(State(app): State<App>, asked: Asked) -> Response {
    let found = deployed(&app, asked).await;
    json_or_fault(found.map(|(repository, environment, found)| {
        api::insights((&repository, &environment), &found, &delivery(&found.runs, &environment))
    }))
}

/// The latest runs of a repository that ended: what they cost, and how long their stages took.
async fn stages(app: &App, asked: Asked) -> Result<pages::Spent, Fault> {
    /// Runs that are looked at, and those of them whose stages are read: what a page may cost bounds it.
    const RUNS: usize = 8;
    const READ: usize = 3;
    /// Bytes of stages: a read unit is for eight kilobytes that may be a moment old, and the list of runs
    /// has ten of thirty.
    const BYTES: usize = 20 * 8 * 1_024;
    let query = filters(asked)?.query().map_err(Fault::Request)?;
    let Some(repository) = query.repository else {
        return Err(Fault::Request("the address has to name a repository".to_owned()));
    };
    let of = Some(repository.clone());
    let query = RunQuery { repository: of, limit: RUNS, ..RunQuery::default() };
    let found = app.reader.latest_runs(&query).await?.runs.into_iter();
    let ended = found.filter(|run| run.status.is_final() && run.status != RunStatus::Superseded);
    let ended: Vec<_> = ended.map(|run| run.request.run_id).take(READ).collect();
    let (mut records, mut costs, mut bytes, mut largest) = (Vec::new(), Vec::new(), 0, 0);
    for run_id in ended {
        // Another as large as the largest one would be too much.
        if bytes + largest > BYTES {
            break;
        }
        let stages = app.reader.stages_at_rest(&run_id).await?.items;
        let size = serde_json::to_vec(&stages).map_or(BYTES, |text| text.len());
        (bytes, largest) = (bytes + size, largest.max(size));
        costs.push((run_id, Estimate::of(&stages)));
        records.extend(stages);
    }
    Ok(pages::Spent { repository, costs, times: stage_times(&records) })
}

pub(crate) async fn durations(
    State(app): State<App>,
    viewer: Extension<Viewer>,
    asked: Asked,
) -> Response {
    let found = stages(&app, asked).await;
    pages_or_fault(found.map(|spent| pages::durations(&viewer, &spent)))
}

pub(crate) async fn api_durations(State(app): State<App>, asked: Asked) -> Response {
    let found = stages(&app, asked).await;
    json_or_fault(found.map(|pages::Spent { repository, costs, times }| {
        let runs: Vec<_> = costs.iter().map(|(run_id, _)| run_id).collect();
        let costs = costs.iter().map(|(run_id, cost)| json!({ "run_id": run_id, "cost": cost }));
        json!({ "repository": repository, "runs": runs, "costs": costs.collect::<Vec<_>>(), "stages": times })
    }))
}
