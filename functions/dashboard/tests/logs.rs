//! What the dashboard logs. A binary of its own: which events are of interest is known to the whole
//! process.

#[path = "../examples/support/doors.rs"]
mod doors;
#[path = "../examples/support/logs.rs"]
mod logs;
#[path = "../examples/support/sources.rs"]
mod sources;

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use lambda_http::{Context, RequestExt as _};
use pact_agent::{
    ports::{
        ApprovalRecord, EnvironmentView, Listed, OutboxEntry, RunPage, RunQuery, RunReader,
        StoreError,
    },
    testing::Logged,
};
use pact_contract::{RunId, RunRecord, StageRecord, log::LogEntry};
use tower::ServiceExt as _;

/// A store that does not answer.
struct Gone;

fn gone<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("the table is gone".to_owned(), None))
}

#[async_trait]
impl RunReader for Gone {
    async fn latest_runs(&self, _: &RunQuery) -> Result<RunPage, StoreError> {
        gone()
    }
    async fn run(&self, _: &RunId) -> Result<Option<RunRecord>, StoreError> {
        gone()
    }
    async fn stages(&self, _: &RunId) -> Result<Listed<StageRecord>, StoreError> {
        gone()
    }
    async fn log(&self, _: &RunId) -> Result<Listed<LogEntry>, StoreError> {
        gone()
    }
    async fn notifications(&self, _: &RunId) -> Result<Listed<OutboxEntry>, StoreError> {
        gone()
    }
    async fn approvals(&self, _: &RunId) -> Result<Listed<ApprovalRecord>, StoreError> {
        gone()
    }
    async fn environments(&self) -> Result<Listed<EnvironmentView>, StoreError> {
        gone()
    }
}

#[tokio::test]
async fn a_fault_of_the_store_is_logged_with_its_request_trace_route_and_run() {
    let (logged, _guard) = Logged::here("info");
    let mut context = Context::default();
    context.request_id = "request-1".to_owned();
    context.xray_trace_id = Some("Root=1-a-b;Sampled=1".to_owned());
    let request = Request::get("/runs/shop-1").body(Body::empty()).expect("a request");
    let answer = doors::signed_in(pact_dashboard::router(sources::sources(Gone), doors::doors()))
        .oneshot(request.with_lambda_context(context))
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let line = logged.lines().remove(0);
    for (name, value) in [
        ("request_id", "request-1"),
        ("trace_id", "1-a-b"),
        ("agent", "dashboard"),
        ("run_id", "shop-1"),
        ("action", "GET /runs/{id}"),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert_eq!(line["attempt"], 1, "{line}");
}
