//! What every route needs, and how it answers.

use std::sync::Arc;

use axum::{
    extract::{Query, rejection::QueryRejection},
    http::StatusCode,
    response::{Html, IntoResponse, Json, Response},
};
use jiff::Timestamp;
use maud::Markup;
use pact_agent::{
    incidents::IncidentReader,
    logs::StageLogs,
    ports::{RunReader, StoreError},
    tested::TestLists,
};
use pact_contract::problems::{self, ProblemCode};
use pact_web::Problem;

use crate::{filters::Filters, pages};

/// What every route needs.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) reader: Arc<dyn RunReader>,
    pub(crate) incidents: Arc<dyn IncidentReader>,
    pub(crate) logs: Arc<dyn StageLogs>,
    pub(crate) tests: Arc<dyn TestLists>,
    pub(crate) now: fn() -> Timestamp,
    /// Where people sign in, as they know it.
    pub(crate) provider: Option<Arc<str>>,
}

/// The filters of an address.
pub(crate) type Asked = Result<Query<Filters>, QueryRejection>;

pub(crate) fn filters(asked: Asked) -> Result<Filters, Fault> {
    asked.map(|Query(f)| f).map_err(|e| Fault::Request(e.body_text()))
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no such thing.
    Unknown(String),
    /// The request is wrong.
    Request(String),
    /// The address does not take the method.
    Method(String),
    /// The run store did not answer; the reason is in the log only.
    Store(StoreError),
    /// A defect.
    Internal(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(what) => Self::Request(what),
            error => Self::Store(error),
        }
    }
}

impl Fault {
    fn parts(self) -> (StatusCode, ProblemCode, String) {
        match self {
            Self::Unknown(what) => (StatusCode::NOT_FOUND, problems::NOT_FOUND, what),
            Self::Request(what) => (StatusCode::BAD_REQUEST, problems::INVALID_REQUEST, what),
            Self::Method(what) => {
                (StatusCode::METHOD_NOT_ALLOWED, problems::METHOD_NOT_ALLOWED, what)
            }
            Self::Store(error) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "store");
                let text = "the run store did not answer; try again".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, problems::STORE_UNAVAILABLE, text)
            }
            Self::Internal(what) => {
                tracing::error!(what, "internal fault");
                let text = "the dashboard has a defect; its log says more".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, problems::INTERNAL, text)
            }
        }
    }

    pub(crate) fn page(self) -> Response {
        let (status, _, text) = self.parts();
        (status, page(&pages::fault(status, &text))).into_response()
    }

    pub(crate) fn json(self) -> Response {
        let (status, code, text) = self.parts();
        Problem::new(status, code, text).into_response()
    }
}

pub(crate) fn page(markup: &Markup) -> Html<String> {
    Html(markup.0.clone())
}

pub(crate) fn pages_or_fault(result: Result<Markup, Fault>) -> Response {
    match result {
        Ok(markup) => page(&markup).into_response(),
        Err(fault) => fault.page(),
    }
}

pub(crate) fn json_or_fault(result: Result<serde_json::Value, Fault>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(fault) => fault.json(),
    }
}
