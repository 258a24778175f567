//! Why somebody is not let in.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use pact_agent::ports::StoreError;
use pact_contract::{
    access::Scope,
    problems::{self, ProblemCode},
};

use crate::problem::Problem;

/// Why somebody is not let in, or not further.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Nothing says who calls.
    #[error("the request needs an API token as bearer, or a browser that is signed in")]
    Nobody,
    /// What is said counts for nothing.
    #[error("the token is wrong, has expired, or was revoked")]
    Wrong,
    /// The caller's address guesses.
    #[error("too many wrong credentials came from your address; wait {seconds} seconds")]
    TooMany {
        /// How long, from now on.
        seconds: u64,
    },
    /// The credential is good, and not for this.
    #[error("this needs the scope `{0}`, which your token does not have")]
    Scope(Scope),
    /// A page of another origin made the browser send it, or an old page of this one.
    #[error("no page of this installation sent this; load the page again")]
    Forged,
    /// The provider knows them, and nothing is granted to them.
    #[error("the sign-in provider knows you, and nothing is granted to you here")]
    NoGrant,
    /// The installation is not set up to let anybody in.
    #[error("{0}")]
    Closed(String),
    /// Nobody can say.
    #[error("the request could not be completed now; send it again")]
    Store(#[from] StoreError),
}

impl Denied {
    /// The status and the code of the refusal.
    #[must_use]
    pub const fn kind(&self) -> (StatusCode, ProblemCode) {
        match self {
            Self::Nobody | Self::Wrong => (StatusCode::UNAUTHORIZED, problems::UNAUTHORIZED),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, problems::TOO_MANY_ATTEMPTS),
            Self::Scope(_) => (StatusCode::FORBIDDEN, problems::SCOPE_MISSING),
            Self::NoGrant => (StatusCode::FORBIDDEN, problems::NO_GRANT),
            Self::Forged => (StatusCode::FORBIDDEN, problems::NOT_FROM_A_PAGE),
            Self::Closed(_) => (StatusCode::SERVICE_UNAVAILABLE, problems::NOT_CONFIGURED),
            Self::Store(StoreError::Unreadable(_)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, problems::RECORD_UNREADABLE)
            }
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, problems::UNAVAILABLE),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        if let Self::Store(error) = &self {
            tracing::error!(%error, source = ?std::error::Error::source(error), "the doors' store");
        }
        let (status, code) = self.kind();
        let hint = match &self {
            Self::Nobody | Self::Wrong => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::TooMany { seconds } => Some((header::RETRY_AFTER, HeaderValue::from(*seconds))),
            Self::Store(_) | Self::Closed(_) => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("30")))
            }
            Self::Scope(_) | Self::Forged | Self::NoGrant => None,
        };
        let mut response = Problem::new(status, code, self.to_string()).into_response();
        if let Some((name, value)) = hint {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
