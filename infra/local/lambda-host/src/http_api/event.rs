//! A request as an API Gateway event, payload format 2.0.

use super::{routes::Found, settings::Options};
use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, Version, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

pub(super) fn build(parts: &Parts, body: &[u8], found: &Found<'_>, options: &Options) -> Value {
    let now = jiff::Timestamp::now();
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let source = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or_else(|| "127.0.0.1".to_owned(), |info| info.0.ip().to_string());
    let domain = text(&parts.headers, header::HOST.as_str())
        .or_else(|| parts.uri.authority().map(ToString::to_string))
        .unwrap_or_else(|| "localhost".to_owned());
    let protocol = match parts.version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    };
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.key(),
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, &source),
        "requestContext": {
            "accountId": options.account,
            "apiId": options.api_id,
            "domainName": domain,
            "domainPrefix": domain.split(['.', ':']).next().unwrap_or_default(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": protocol,
                "sourceIp": source,
                "userAgent": text(&parts.headers, header::USER_AGENT.as_str()).unwrap_or_default(),
            },
            "requestId": uuid::Uuid::new_v4().to_string(),
            "routeKey": found.key(),
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let Some(fields) = event.as_object_mut() else { return event };
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        fields.insert("cookies".to_owned(), json!(cookies));
    }
    if !query.is_empty() {
        fields.insert("queryStringParameters".to_owned(), Value::Object(parameters(query)));
    }
    if !found.parameters.is_empty() {
        fields.insert("pathParameters".to_owned(), json!(found.parameters));
    }
    if !body.is_empty() {
        let plain = std::str::from_utf8(body).ok().filter(|_| is_text(&parts.headers));
        fields.insert("isBase64Encoded".to_owned(), json!(plain.is_none()));
        let body = plain.map_or_else(|| BASE64.encode(body), ToOwned::to_owned);
        fields.insert("body".to_owned(), Value::String(body));
    }
    event
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Names in lower case, repeated headers joined; cookies have a place of their own.
fn headers(headers: &HeaderMap, source: &str) -> Map<String, Value> {
    let mut map = Map::new();
    for name in headers.keys().filter(|name| **name != header::COOKIE) {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        map.insert(name.as_str().to_owned(), Value::String(values.join(",")));
    }
    let forwarded = match map.get("x-forwarded-for").and_then(Value::as_str) {
        Some(before) => format!("{before}, {source}"),
        None => source.to_owned(),
    };
    map.insert("x-forwarded-for".to_owned(), Value::String(forwarded));
    map.entry("x-forwarded-proto").or_insert_with(|| json!("http"));
    map
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

fn parameters(query: &str) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let joined = match map.get(name.as_ref()).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        map.insert(name.into_owned(), Value::String(joined));
    }
    map
}

/// Forms are among what API Gateway sends as base64.
fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let Some(kind) = text(headers, header::CONTENT_TYPE.as_str()) else { return true };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json" | "application/xml" | "application/javascript"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_api::{routes::Table, settings::HttpRoute};
    use axum::{body::Body, http::Request};

    fn event(request: axum::http::request::Builder, body: &[u8]) -> Value {
        let table = Table::new(vec![HttpRoute {
            method: "ANY".to_owned(),
            path: "/v1/{id}".to_owned(),
            function: "f".to_owned(),
        }]);
        let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
        let found = table.find(parts.method.as_str(), parts.uri.path()).unwrap();
        build(&parts, body, &found, &Options::default())
    }

    #[test]
    fn a_request_becomes_an_event() {
        let request = Request::post("/v1/a%20b?x=1&x=2&y=%C3%A9+z&flag")
            .header("Host", "api.example.org:8080")
            .header("X-Many", "one")
            .header("X-Many", "two")
            .header("Cookie", "a=1; b=2")
            .header("Content-Type", "application/json; charset=utf-8")
            .header("User-Agent", "test");
        let event = event(request, br#"{"a":"e"}"#);
        assert_eq!(event["routeKey"], "ANY /v1/{id}");
        assert_eq!(event["rawPath"], "/v1/a%20b");
        assert_eq!(event["rawQueryString"], "x=1&x=2&y=%C3%A9+z&flag");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "é z", "flag": ""}));
        assert_eq!(event["pathParameters"], json!({"id": "a b"}));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["headers"]["x-many"], "one,two");
        assert!(event["headers"].get("cookie").is_none());
        assert_eq!(event["body"], r#"{"a":"e"}"#);
        assert_eq!(event["isBase64Encoded"], false);
        let context = &event["requestContext"];
        assert_eq!(context["domainName"], "api.example.org:8080");
        assert_eq!(context["http"]["method"], "POST");
        assert_eq!(context["stage"], "$default");
        assert!(context["timeEpoch"].as_i64().unwrap() > 1_700_000_000_000);
    }

    #[test]
    fn what_is_not_text_is_base64() {
        for (kind, body, encoded) in [
            (Some("application/octet-stream"), &b"abc"[..], true),
            (Some("application/x-www-form-urlencoded"), b"a=1", true),
            (Some("application/json"), b"\xff", true),
            (Some("application/vnd.api+json"), b"{}", false),
            (Some("text/plain"), b"a", false),
            (None, b"a", false),
        ] {
            let mut request = Request::post("/v1/a");
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            assert_eq!(event(request, body)["isBase64Encoded"], encoded, "{kind:?}");
        }
        let event = event(Request::get("/v1/a"), b"");
        assert!(event.get("body").is_none() && event.get("cookies").is_none());
    }
}
