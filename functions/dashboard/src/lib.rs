//! The dashboard: pages and a JSON API over the run store.
//!
//! It only reads, and only through [`RunReader`]. Pages are rendered here and work without a
//! script; the script asks for changes while a run is active. What it shows comes from
//! repositories and tools that are not trusted: everything is escaped, bounded, and shown under a
//! policy that lets the browser load nothing but the two files below `/assets`.

mod api;
mod assets;
mod filters;
mod format;
mod graph;
mod gzip;
mod mark;
mod pages;
mod pipeline;
mod view;
mod web;

use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use pact_agent::ports::RunReader;

/// The routes over `reader`.
pub fn router(reader: Arc<dyn RunReader>) -> Router {
    router_at(reader, Timestamp::now)
}

/// The routes over `reader` with another clock, for tests.
pub fn router_at(reader: Arc<dyn RunReader>, now: fn() -> Timestamp) -> Router {
    web::routes(web::App { reader, now })
}

/// Runs the dashboard as a Lambda function until the environment ends it.
///
/// # Errors
/// When the environment is not set up, or the Lambda Runtime API cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    pact_agent::telemetry::init();
    let services = pact_aws::Services::from_env()?;
    pact_web::serve(router(services.store)).await
}
