//! The dashboard: pages and a JSON API over the run store and the logs of builds.
//!
//! It only reads, and only through the ports of [`Sources`]. Pages are rendered here and work without a
//! script; the script asks for changes while a run is active. What they offer to do, the gateway
//! does: its forms lead there. What it shows comes from
//! repositories and tools that are not trusted: everything is escaped, bounded, and shown under a
//! policy that lets the browser load nothing but the two files below `/assets`.

mod answers;
mod api;
mod asked;
mod assets;
mod entrance;
mod feed;
mod filters;
mod format;
mod graph;
mod gzip;
mod hosts;
mod mark;
mod measures;
mod pages;
mod pipeline;
mod tested;
mod view;
mod viewer;
mod web;

use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use pact_agent::{
    incidents::IncidentReader,
    logs::StageLogs,
    ports::RunReader,
    tested::{KeptTests, TestLists},
};
use pact_web::access::{Doors, People};

/// Where what is shown comes from.
#[derive(Clone)]
pub struct Sources {
    /// Runs and environments.
    pub reader: Arc<dyn RunReader>,
    /// Incidents of what serves.
    pub incidents: Arc<dyn IncidentReader>,
    /// What the builds of runs write.
    pub logs: Arc<dyn StageLogs>,
    /// The single tests of their stages.
    pub tests: Arc<dyn TestLists>,
}

/// The routes, for those whom the doors let in.
pub fn router(sources: Sources, doors: Doors) -> Router {
    router_at(sources, doors, Timestamp::now)
}

/// The routes with another clock, for tests.
pub fn router_at(sources: Sources, doors: Doors, now: fn() -> Timestamp) -> Router {
    let provider = doors.people().map(|people| people.provider().into());
    let Sources { reader, incidents, logs, tests } = sources;
    web::routes(answers::App { reader, incidents, logs, tests, now, provider }, doors)
}

/// Runs the dashboard as a Lambda function until the environment ends it.
///
/// # Errors
/// When the environment is not set up, or the Lambda Runtime API cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    pact_agent::telemetry::init();
    let services = pact_aws::Services::from_env()?;
    let store = &services.store;
    let doors = Doors::new(Arc::clone(store) as _, Arc::clone(store) as _, services.secrets());
    let doors = doors.for_people(People::from_env()?.map(Arc::new));
    let sources = Sources {
        reader: Arc::clone(store) as _,
        incidents: Arc::clone(store) as _,
        logs: services.logs()?,
        tests: Arc::new(KeptTests(services.artifacts()?)),
    };
    pact_web::serve(router(sources, doors)).await
}
