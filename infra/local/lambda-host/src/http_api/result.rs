//! What a function returned, as an HTTP response.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;

/// The server counts and frames the body itself.
const OWN: [HeaderName; 3] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// Reads a proxy result; any other JSON is the body of a plain 200.
pub(super) fn response(payload: &[u8]) -> Result<Response<Body>, &'static str> {
    let value: Value = serde_json::from_slice(payload).map_err(|_| "the result is not JSON")?;
    let Some(status) = value.get("statusCode") else {
        let body = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut response = Response::new(Body::from(body));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        return Ok(response);
    };
    let code = match status {
        Value::Number(number) => number.as_u64().and_then(|code| u16::try_from(code).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    // A final status; 1xx would leave the client waiting.
    let code = code
        .filter(|code| (200..600).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or("the status code is none")?;
    let body = match value.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) if value.get("isBase64Encoded") == Some(&Value::Bool(true)) => {
            BASE64.decode(text).map_err(|_| "the body is not base64")?
        }
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(_) => return Err("the body is not a text"),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    if let Some(headers) = value.get("headers").and_then(Value::as_object) {
        for (name, value) in headers {
            add(&mut response, name, value, false)?;
        }
    }
    if let Some(headers) = value.get("multiValueHeaders").and_then(Value::as_object) {
        for (name, values) in headers {
            let values = values.as_array().ok_or("a multi-value header is no list")?;
            for (at, value) in values.iter().enumerate() {
                add(&mut response, name, value, at > 0)?;
            }
        }
    }
    for cookie in value.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        add(&mut response, header::SET_COOKIE.as_str(), cookie, true)?;
    }
    let default = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().entry(header::CONTENT_TYPE).or_insert(default);
    Ok(response)
}

fn add(
    response: &mut Response<Body>,
    name: &str,
    value: &Value,
    append: bool,
) -> Result<(), &'static str> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => return Ok(()),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err("a header value is no text"),
    };
    let name: HeaderName = name.parse().map_err(|_| "a header name is invalid")?;
    if OWN.contains(&name) {
        return Ok(());
    }
    let value =
        HeaderValue::from_bytes(text.as_bytes()).map_err(|_| "a header value is invalid")?;
    if append {
        response.headers_mut().append(name, value);
    } else {
        response.headers_mut().insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn read(value: Value) -> Result<(u16, Vec<(String, String)>, String), &'static str> {
        let response = response(value.to_string().as_bytes())?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
            .collect();
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        Ok((status, headers, String::from_utf8(body.to_vec()).unwrap()))
    }

    #[tokio::test]
    async fn proxy_results() {
        let (status, headers, body) = read(json!({
            "statusCode": 202, "headers": {"X-One": "1", "Content-Length": "99"},
            "multiValueHeaders": {"x-many": ["a", "b"]}, "cookies": ["a=1", "b=2"],
            "body": "aGk=", "isBase64Encoded": true}))
        .await
        .unwrap();
        assert_eq!((status, body.as_str()), (202, "hi"));
        let has = |n: &str, v: &str| headers.iter().any(|(a, b)| a == n && b == v);
        assert!(has("x-one", "1") && has("x-many", "a") && has("x-many", "b"));
        assert!(has("set-cookie", "a=1") && has("set-cookie", "b=2"));
        assert!(has("content-type", "text/plain; charset=utf-8") && !has("content-length", "99"));
    }

    #[tokio::test]
    async fn plain_results() {
        assert_eq!(read(json!({"a": 1})).await.unwrap().2, r#"{"a":1}"#);
        assert_eq!(read(json!("hello")).await.unwrap().2, "hello");
    }

    #[tokio::test]
    async fn wrong_results() {
        for wrong in [
            json!({"statusCode": 42}),
            json!({"statusCode": 100}),
            json!({"statusCode": "x"}),
            json!({"statusCode": 200, "body": {}}),
            json!({"statusCode": 200, "body": "!", "isBase64Encoded": true}),
            json!({"statusCode": 200, "headers": {"a b": "c"}}),
            json!({"statusCode": 200, "headers": {"a": "c\nd"}}),
        ] {
            assert!(read(wrong.clone()).await.is_err(), "{wrong}");
        }
    }
}
