//! Signing a browser in and out.

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use pact_contract::problems::ProblemCode;
use pact_web::access::{CODE_LIFE, Denied, Doors, Session, same_origin, source};
use serde_json::{Value, json};

use crate::{
    doors::Who,
    error::{Answer, ApiError},
    fields::{Fields, parse},
    forms::{self, go_to, inside, is_form, with_query},
};

/// Where somebody signs in.
pub(crate) const PAGE: &str = "/sign-in";

/// Why nobody is signed in: for a page its code, for a program the whole answer.
struct Refused {
    code: ProblemCode,
    response: Box<Response>,
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self { code: denied.kind().1, response: Box::new(denied.into_response()) }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { code: error.code, response: Box::new(error.into_response()) }
    }
}

/// What somebody shows to be signed in.
struct Shown {
    token: Option<String>,
    code: Option<String>,
}

/// `POST /v1/session`: a form of the sign-in page, or JSON.
pub(crate) async fn begin(doors: &Doors, request: Request) -> Response {
    let form = is_form(request.headers());
    let mut next = None;
    match signed_in(doors, request, &mut next).await {
        Ok(Session { record, cookie }) => {
            let mut response = if form {
                go_to(inside(next.as_deref()))
            } else {
                Json(json!({
                    "owner": record.owner,
                    "scopes": record.scopes,
                    "until": record.expires_at,
                }))
                .into_response()
            };
            tracing::info!(owner = record.owner, "signed in");
            keep(&mut response, cookie);
            response
        }
        Err(refused) if form => {
            let page = with_query(PAGE, "refused", refused.code.as_str());
            go_to(&with_query(&page, "next", inside(next.as_deref())))
        }
        Err(refused) => *refused.response,
    }
}

async fn signed_in(
    doors: &Doors,
    request: Request,
    next: &mut Option<String>,
) -> Result<Session, Refused> {
    let (parts, body) = request.into_parts();
    // Or somebody's page would sign the browser in as somebody else.
    same_origin(&parts.headers)?;
    let too_large = |_| ApiError::invalid("body", "the body is too large");
    let body = axum::body::to_bytes(body, forms::MAX_FORM).await.map_err(too_large)?;
    let shown = if is_form(&parts.headers) {
        let fields = forms::fields(&body);
        let mut fields = fields.ok_or_else(|| ApiError::invalid("body", "a field stands twice"))?;
        *next = forms::take(&mut fields, "next");
        Shown { token: forms::take(&mut fields, "token"), code: forms::take(&mut fields, "code") }
    } else {
        let value = parse(&body)?;
        let fields = Fields::of(&value)?;
        fields.only(&["token", "code"])?;
        let text = |name: &str| -> Answer<Option<String>> {
            Ok(fields.optional_text(name, forms::MAX_FORM)?.map(str::to_owned))
        };
        Shown { token: text("token")?, code: text("code")? }
    };
    let source = source(&parts);
    Ok(match shown {
        Shown { token: Some(token), code: None } => {
            let identity = doors.by_token(token.trim(), &source).await?;
            doors.begin(&identity, &parts.headers).await?
        }
        Shown { token: None, code: Some(code) } => {
            doors.redeem(&code, &source, &parts.headers).await?
        }
        _ => return Err(ApiError::invalid("token", "a token or a code is needed").into()),
    })
}

/// `POST /v1/session/end`: a form, or JSON.
pub(crate) async fn end(doors: &Doors, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let ended = async {
        same_origin(&parts.headers)?;
        doors.end(&parts.headers).await
    };
    match ended.await {
        Ok(cookie) => {
            let mut response = if is_form(&parts.headers) {
                go_to(PAGE)
            } else {
                Json(json!({ "status": "signed out" })).into_response()
            };
            keep(&mut response, cookie);
            response
        }
        Err(denied) => denied.into_response(),
    }
}

/// `POST /v1/sign-in-codes`: a link that signs one browser in as the caller.
pub(crate) async fn code(
    doors: &Doors,
    who: &Who,
    origin: &str,
    body: &[u8],
) -> Answer<Json<Value>> {
    let mut identity = who.0.clone();
    if !body.trim_ascii().is_empty() {
        let value = parse(body)?;
        let fields = Fields::of(&value)?;
        fields.only(&["by"])?;
        identity.owner = who.by(&fields)?;
    }
    let code = doors.make_code(&identity).await?;
    Ok(Json(json!({
        "url": with_query(&format!("{origin}{PAGE}"), "code", &code),
        "code": code,
        "owner": identity.owner,
        "expires_seconds": CODE_LIFE.as_secs(),
    })))
}

fn keep(response: &mut Response, cookie: HeaderValue) {
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    let never = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, never);
}
