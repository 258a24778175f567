//! The gateway's doors: what each route needs, who the caller is, and in whose name something is
//! recorded.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{Method, StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pact_contract::{access::Scope, problems};
use pact_web::access::{CSRF_HEADER, Denied, Doors, INSTALLATION, Identity, same_origin};

use crate::{
    error::{Answer, ApiError},
    fields::{Fields, line},
};

/// Longest name of a person.
const MAX_PERSON: usize = 200;

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: what it answers is no secret, and what it does is nobody's business.
    Nothing,
    /// It looks at credentials by itself: a signature over the body, or those that begin a session.
    Own,
    /// Somebody who is known, whatever they may do.
    Caller,
    /// This scope.
    Scope(Scope),
}

/// Lets those in who may, and says to the route who they are: a layer of every route that needs it.
pub(crate) async fn let_in(
    State((doors, scope)): State<(Doors, Option<Scope>)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let admitted = async {
        let identity = doors.identify(&parts).await?;
        if let Some(scope) = scope {
            identity.needs(scope)?;
        }
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        if identity.csrf().is_some() && !reads {
            same_origin(&parts.headers)?;
            let said = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
            identity.sent_by_page(said)?;
        }
        Ok::<_, Denied>(identity)
    };
    match admitted.await {
        Ok(identity) => {
            parts.extensions.insert(Who(identity));
            next.run(Request::from_parts(parts, body)).await
        }
        Err(denied) => {
            tracing::info!(reason = %denied, "not let in");
            denied.into_response()
        }
    }
}

/// The caller of a route that needs one.
#[derive(Clone, Debug)]
pub(crate) struct Who(pub(crate) Identity);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a route asks who calls, and lets everybody in");
            let message = "the gateway has a defect; its log says more";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, problems::INTERNAL, message)
        })
    }
}

impl Who {
    /// The name under which is recorded what the caller does. The owner of a token speaks for
    /// nobody else. The installation's own token is nobody's in particular: whom it says that it
    /// acts for is recorded as what it is, its word.
    ///
    /// # Errors
    /// When `by` names somebody else than the caller.
    pub(crate) fn speaks_as(&self, by: Option<&str>) -> Answer<String> {
        let owner = &self.0.owner;
        match by.map(str::trim).filter(|by| !by.is_empty()) {
            Some(by) if owner == INSTALLATION && by != INSTALLATION => {
                Ok(format!("{owner} for {by}"))
            }
            Some(by) if by != owner => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                problems::NOT_THE_CALLER,
                format!("the token is {owner}'s: nobody else is spoken for; leave it out"),
            )
            .at("by")),
            _ => Ok(owner.clone()),
        }
    }

    /// The name of [`Self::speaks_as`], by the field `by` of a body.
    pub(crate) fn by(&self, fields: &Fields<'_>) -> Answer<String> {
        let by = fields.optional_text("by", MAX_PERSON)?;
        self.speaks_as(by.and_then(|text| line(text, MAX_PERSON)).as_deref())
    }

    /// The name under which is recorded what the caller does about somebody's commit: whose it is
    /// says nothing of who calls, unless it is the installation that passes it on.
    pub(crate) fn about(&self, author: Option<&str>) -> String {
        let author = author.filter(|_| self.0.owner == INSTALLATION);
        self.speaks_as(author).unwrap_or_else(|_| self.0.owner.clone())
    }
}

#[cfg(test)]
impl Who {
    /// The installation's own token.
    pub(crate) fn installation() -> Self {
        Self(Identity::of(INSTALLATION, pact_contract::access::Scopes::all(), None))
    }
}
