//! The PACT Gateway: where pushes, people and the end of executions come in.
//!
//! Two functions. The gateway answers HTTP: webhooks, the trigger API, runs, approvals, tokens and
//! signing in; the buttons of the dashboard's pages lead here, as it alone has effects. The
//! reconciler is called by the pipeline, to open an approval, and by the events that an execution
//! began or ended: it counts them, closes what ended from outside, and lets those begin that wait for
//! room. A schedule calls it too, for what no event told of: no run stays `running`, or `queued`, for
//! ever.
//!
//! Everything fails closed: what is not signed, not allowed or not configured starts nothing.
//! Everything may be sent again: whatever step the function died at, the same request sent once
//! more completes the work and never does it twice.

mod accept;
mod admission;
mod alarms;
mod approvals;
mod auth;
mod cancel;
mod config;
mod doors;
mod ending;
mod error;
mod fields;
mod filters;
mod forms;
mod heads;
mod hosts;
mod incidents;
mod known;
mod launch;
mod ls_refs;
mod metrics;
mod motor;
mod oidc;
mod openapi;
mod pass;
mod ports;
mod pulls;
mod push;
mod reconciler;
mod registry;
mod requests;
mod rollback;
mod rotate;
mod routes;
mod rules;
mod settle;
mod sign_in;
mod signed;
mod status_client;
mod statuses;
mod strangers;
mod supersede;
#[cfg(test)]
mod testing;
mod tokens;
mod validate;
mod wake;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use pact_agent::{secrets::Parameter, telemetry};
use pact_aws::Services;
use serde_json::Value;
use tracing::Instrument as _;

use config::Config;
pub use hosts::{Composed, PushNotice, compose, documentation, webhook_path_of, webhook_paths};
pub use oidc::CALLBACK;
use ports::Ports;
use reconciler::reconcile;
use routes::{Gateway, router};

/// The secrets that an installation may have for the gateway.
pub fn parameters() -> impl Iterator<Item = &'static Parameter> {
    hosts::parameters().chain([&pact_web::access::API_TOKEN, &oidc::SECRET])
}

/// Runs the gateway as a Lambda function until the environment ends it.
///
/// # Errors
/// When the environment is not valid, or the Lambda Runtime API cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let services = Services::from_env()?;
    let config = Config::from_env()?;
    let mut ports = Ports::new(&services, &config);
    ports.doors = ports.doors.for_people(config.people.clone());
    let gateway = Gateway { ports, config };
    pact_web::serve(router(gateway)).await
}

/// Runs the reconciler as a Lambda function until the environment ends it.
///
/// # Errors
/// When the environment is not valid, or the Lambda Runtime API cannot be reached.
pub async fn serve_reconciler() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let ports = Ports::new(&Services::from_env()?, &Config::from_env()?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let ports = ports.clone();
        let span = telemetry::invocation_span("reconciler", &event.context);
        async move {
            reconcile(&ports, event.payload).await.map_err(|error| {
                tracing::error!(error = error.name.as_str(), cause = error.chain(), "fault");
                Diagnostic::from(error)
            })
        }
        .instrument(span)
    }))
    .await
}
