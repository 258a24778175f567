//! Where what is shown comes from.
#![expect(clippy::expect_used, reason = "sample data, written by hand")]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pact_agent::{incidents::MemoryIncidents, ports::RunReader};
use pact_contract::incident::{Health, Incident, IncidentId, Seen};
use pact_dashboard::Sources;

use super::logs;

/// What is shown, with these runs.
pub(crate) fn sources(reader: impl RunReader + 'static) -> Sources {
    Sources { reader: Arc::new(reader), incidents: incidents(), logs: logs::logs() }
}

/// Two incidents: one that nobody looks after, and one that is over.
fn incidents() -> Arc<MemoryIncidents> {
    let before = |seconds| Timestamp::now() - SignedDuration::from_secs(seconds);
    let ill = |environment: &str, health, reason: &str| Seen {
        environment: format!("acme/web-shop#{environment}").parse().expect("a key"),
        release: Some("20261123-102030-3f9c2ab17d".parse().expect("a release")),
        health,
        reason: reason.to_owned(),
    };
    let seen = ill("production", Health::Unhealthy, "GET /health answers 500: <b>no</b> database");
    let mut open = Incident::begin(IncidentId::new(&seen.cause(), 1), &seen, before(900));
    open.see(&ill("staging", Health::Unhealthy, "GET /health answers 500"), before(600));
    let seen = ill("production", Health::Unknown, "ERR_METRICS_UNAVAILABLE: no answer in 10 s");
    let mut over = Incident::begin(IncidentId::new(&seen.cause(), 1), &seen, before(90_000));
    over.acknowledge("grace", Some("the metrics server restarts".to_owned()), before(89_000));
    over.recover(&seen.environment, before(88_000));
    Arc::new(MemoryIncidents::of([open, over]))
}
