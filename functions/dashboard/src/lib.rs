//! The dashboard: pages and a JSON API over the run store and the logs of builds.
//!
//! It only reads, and only through [`RunReader`] and [`StageLogs`]. Pages are rendered here and work without a
//! script; the script asks for changes while a run is active. What they offer to do, the gateway
//! does: its forms lead there. What it shows comes from
//! repositories and tools that are not trusted: everything is escaped, bounded, and shown under a
//! policy that lets the browser load nothing but the two files below `/assets`.

mod api;
mod assets;
mod entrance;
mod feed;
mod filters;
mod format;
mod graph;
mod gzip;
mod hosts;
mod mark;
mod pages;
mod pipeline;
mod view;
mod viewer;
mod web;

use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use pact_agent::{logs::StageLogs, ports::RunReader};
use pact_web::access::{Doors, People};

/// The routes over `reader`, for those whom the doors let in.
pub fn router(reader: Arc<dyn RunReader>, logs: Arc<dyn StageLogs>, doors: Doors) -> Router {
    router_at(reader, logs, doors, Timestamp::now)
}

/// The routes over `reader` with another clock, for tests.
pub fn router_at(
    reader: Arc<dyn RunReader>,
    logs: Arc<dyn StageLogs>,
    doors: Doors,
    now: fn() -> Timestamp,
) -> Router {
    let provider = doors.people().map(|people| people.provider().into());
    web::routes(web::App { reader, logs, now, provider }, doors)
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
    pact_web::serve(router(Arc::clone(store) as _, services.logs()?, doors)).await
}
