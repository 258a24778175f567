//! Where what is shown comes from.
#![expect(clippy::expect_used, reason = "sample data, written by hand")]

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    incidents::MemoryIncidents,
    ports::{RunReader, StoreError},
    tested::{self, Answer, Question, TestLists},
};
use pact_contract::{
    RunId, StateName,
    incident::{Health, Incident, IncidentId, Seen},
    tested::{TestStatus, Tested},
};
use pact_dashboard::Sources;

use super::logs;

/// What is shown, with these runs.
pub(crate) fn sources(reader: impl RunReader + 'static) -> Sources {
    let (reader, tests) = (Arc::new(reader), Arc::new(SampleTests));
    Sources { reader, incidents: incidents(), logs: logs::logs(), tests }
}

/// The unit tests of every run have these single tests; of no other stage any are kept.
struct SampleTests;

#[async_trait]
impl TestLists for SampleTests {
    async fn ask(
        &self,
        _: &RunId,
        state: &StateName,
        question: &Question,
    ) -> Result<Option<Answer>, StoreError> {
        if state.as_str() != "RunUnitTests" {
            return Ok(None);
        }
        let test = |name: &str, status, ms| Tested {
            suite: "cargo".to_owned(),
            ms: Some(ms),
            ..Tested::new(name.to_owned(), status)
        };
        let named = [
            Tested {
                message: Some("assertion failed: <b>left</b> == right".to_owned()),
                file: Some("src/cart.rs".to_owned()),
                line: Some(12),
                ..test("cart::sums_up", TestStatus::Failed, 12)
            },
            Tested { attempts: 2, ..test("cart::is_shaky", TestStatus::Flaky, 310) },
            test("<script>alert(1)</script>", TestStatus::Passed, 4_200),
        ];
        let many = (0..120).map(|n| test(&format!("cart::case_{n}"), TestStatus::Passed, n));
        let packed = tested::write(named.into_iter().chain(many).collect(), Some(130), 0);
        tested::read("sample", &packed.expect("in memory"), question).map(Some)
    }
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
