//! Forms of the installation's own pages. Each becomes the JSON that a program would send, and the
//! answer becomes the page to show next: what a button does is what the route does, no more.
//!
//! A form without the field `csrf` of a page that was shown to whoever is signed in is refused by
//! the doors behind this, as any other request of a browser is.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pact_web::access::{CSRF_FIELD, CSRF_HEADER};
use serde_json::{Map, Value};

/// Largest form.
pub(crate) const MAX_FORM: usize = 16 * 1024;
/// Largest answer whose run is looked for.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// Longest address of a page to go on to.
const MAX_NEXT: usize = 1_000;

/// The fields of a form.
pub(crate) type Fields = Map<String, Value>;

/// Whether the body is a form's.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The fields of a form; none where one stands twice. What is empty was not filled in, and what is
/// `true` or `false` was chosen.
pub(crate) fn fields(body: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        let value = match value.trim() {
            "" => continue,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => Value::String(text.to_owned()),
        };
        if fields.insert(name.into_owned(), value).is_some() {
            return None;
        }
    }
    Some(fields)
}

/// Takes a text out of a form.
pub(crate) fn take(fields: &mut Fields, name: &str) -> Option<String> {
    match fields.remove(name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The page to go on to: of this installation, whatever the form says.
pub(crate) fn inside(next: Option<&str>) -> &str {
    let own = |next: &&str| {
        let mut bytes = next.bytes();
        bytes.next() == Some(b'/')
            && !matches!(bytes.next(), Some(b'/' | b'\\'))
            && next.len() <= MAX_NEXT
            && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(own).unwrap_or("/")
}

/// Shows another page.
pub(crate) fn go_to(address: &str) -> Response {
    let location = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// The address with one more part of its query.
pub(crate) fn with_query(address: &str, name: &str, value: &str) -> String {
    let sign = if address.contains('?') { '&' } else { '?' };
    let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    format!("{address}{sign}{name}={value}")
}

/// Makes a form JSON, and the answer a page: a layer of the routes that pages have buttons for.
pub(crate) async fn translate(request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if !is_form(&parts.headers) || parts.headers.contains_key(header::AUTHORIZATION) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let read = axum::body::to_bytes(body, MAX_FORM).await.ok();
    let Some(mut form) = read.as_deref().and_then(fields) else {
        return go_to("/?refused=invalid_request");
    };
    let page = take(&mut form, "next");
    let page = inside(page.as_deref()).to_owned();
    parts.headers.remove(CSRF_HEADER);
    let csrf = take(&mut form, CSRF_FIELD).and_then(|text| HeaderValue::from_str(&text).ok());
    if let Some(csrf) = csrf {
        parts.headers.insert(CSRF_HEADER, csrf);
    }
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = Body::from(Value::Object(form).to_string());
    let response = next.run(Request::from_parts(parts, body)).await;
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        return go_to(&with_query("/sign-in", "next", &page));
    }
    let answer = axum::body::to_bytes(response.into_body(), MAX_ANSWER).await.unwrap_or_default();
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    if !status.is_success() {
        return go_to(&with_query(&page, "refused", text("code").unwrap_or("internal")));
    }
    match text("run_id").and_then(|id| pact_contract::RunId::parse(id).ok()) {
        Some(id) => go_to(&format!("/runs/{id}")),
        None => go_to(&page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_leads_to_another_site() {
        for (next, page) in [
            ("/runs/a?x=1", "/runs/a?x=1"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nset-cookie: b", "/"),
            ("", "/"),
        ] {
            assert_eq!(inside(Some(next)), page, "{next:?}");
        }
        assert_eq!(inside(None), "/");
        assert_eq!(with_query("/?a=b", "next", "/c?d=é"), "/?a=b&next=%2Fc%3Fd%3D%C3%A9");
    }

    #[test]
    fn a_field_that_stands_twice_is_no_form() {
        let read = fields(b"approved=true&reason=+fine+&by=").unwrap();
        assert_eq!(Value::Object(read).to_string(), r#"{"approved":true,"reason":"fine"}"#);
        assert!(fields(b"approved=false&approved=true").is_none());
    }
}
