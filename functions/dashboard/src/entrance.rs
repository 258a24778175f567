//! The entrance: who may see pages and their JSON. Only what a browser needs to sign in is open.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pact_contract::{access::Scope, problems};
use pact_web::access::{Denied, Doors};

use crate::{format::encoded, pages, viewer::Viewer};

/// Where somebody signs in.
pub(crate) const SIGN_IN: &str = "/sign-in";

/// Whether everybody may see it: it says nothing of any run.
fn is_open(path: &str) -> bool {
    path == SIGN_IN || path == "/favicon.ico" || path.starts_with("/assets/")
}

/// Lets those in who may read: a layer of every route, known or not.
pub(crate) async fn let_in(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if is_open(path) {
        return next.run(request).await;
    }
    let program = path.starts_with("/api/");
    let page = request.uri().path_and_query().map_or("/", |whole| whole.as_str()).to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let (mut parts, body) = request.into_parts();
    let known = match doors.identify(&parts).await {
        Ok(identity) => identity.needs(Scope::Read).map(|()| identity),
        Err(denied) => Err(denied),
    };
    match known {
        Ok(identity) => {
            let query = parts.uri.query().unwrap_or_default();
            let refused = query.split('&').find_map(|pair| pair.strip_prefix("refused="));
            let refused = refused.and_then(problems::explain);
            let page = without_refusal(parts.uri.path(), query);
            parts.extensions.insert(Viewer::new(identity).on(page, refused));
            next.run(Request::from_parts(parts, body)).await
        }
        Err(denied) if program => denied.into_response(),
        Err(Denied::Nobody) if reads => {
            let page =
                if page == "/" { String::new() } else { format!("?next={}", encoded(&page)) };
            let to = HeaderValue::from_str(&format!("{SIGN_IN}{page}"));
            let to = to.unwrap_or(HeaderValue::from_static(SIGN_IN));
            (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
        }
        Err(denied) => {
            let (status, _) = denied.kind();
            let text = denied.to_string();
            let hints = denied.into_response();
            let page = axum::response::Html(pages::fault(status, &text).0);
            let mut response = (status, page).into_response();
            for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
                if let Some(value) = hints.headers().get(&name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            response
        }
    }
}

/// The page's address, without what was refused on it before.
fn without_refusal(path: &str, query: &str) -> String {
    let kept: Vec<_> =
        query.split('&').filter(|p| !p.is_empty() && !p.starts_with("refused=")).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}
