//! From an event of the HTTP API to a request and back.
//!
//! `lambda_http` makes requests of events, and ends the function at one that it cannot: a Host
//! that is no name, a body that is no base64. Whoever sends such a thing made a mistake, and the
//! function did not: so what it would stumble over is mended or refused before.

use axum::{
    Router,
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use lambda_http::{
    Adapter, Service as _, aws_lambda_events::apigw::ApiGatewayV2httpRequest,
    request::LambdaRequest, service_fn,
};
use lambda_runtime::LambdaEvent;
use pact_agent::AgentError;
use pact_contract::problems;
use serde_json::{Value, json};
use url::Url;

use crate::problem::Problem;

const SCHEME: &str = "x-forwarded-proto";

/// Serves requests as a Lambda function behind an HTTP API until the environment ends it.
///
/// # Errors
/// When the Lambda Runtime API cannot be reached.
pub async fn serve(router: Router) -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(lambda_runtime::service_fn(move |event| answer(router.clone(), event)))
        .await
}

/// Answers one event.
///
/// # Errors
/// `ERR_INTERNAL`: an answer that cannot be written as JSON, which has no reason to be.
pub async fn answer(router: Router, event: LambdaEvent<Value>) -> Result<Value, AgentError> {
    let LambdaEvent { payload, context } = event;
    let mut router = router;
    match readable(payload) {
        Ok(request) => {
            let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(request), context);
            let Ok(response) = Adapter::from(&mut router).call(event).await;
            serde_json::to_value(response).map_err(internal)
        }
        Err(reason) => {
            tracing::info!(reason, "an event that is no request");
            let refusal = service_fn(move |_| async move { Ok::<_, Never>(refused(reason)) });
            let request = serde_json::from_value(harmless()).map_err(internal)?;
            let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(request), context);
            let Ok(response) = Adapter::from(refusal).call(event).await;
            serde_json::to_value(response).map_err(internal)
        }
    }
}

fn internal(error: serde_json::Error) -> AgentError {
    AgentError::internal("cannot write the answer").caused_by(error)
}

type Never = std::convert::Infallible;

fn refused(reason: &'static str) -> Response {
    Problem::new(StatusCode::BAD_REQUEST, problems::INVALID_REQUEST, reason).into_response()
}

/// The least event that is a request.
fn harmless() -> Value {
    json!({
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {},
        "requestContext": { "http": { "method": "GET", "path": "/" }, "timeEpoch": 0 },
        "isBase64Encoded": false,
    })
}

/// The event, if it can be made a request.
fn readable(payload: Value) -> Result<ApiGatewayV2httpRequest, &'static str> {
    let mut event: ApiGatewayV2httpRequest =
        serde_json::from_value(payload).map_err(|_| "the request is not understood")?;
    if event.is_base64_encoded
        && let Some(body) = &event.body
        && BASE64.decode(body).is_err()
    {
        return Err("the body is not base64");
    }
    let scheme = event.headers.get(SCHEME).map(|value| value.as_bytes());
    if scheme.is_some_and(|scheme| scheme != b"http" && scheme != b"https") {
        event.headers.remove(SCHEME);
    }
    let path = event.raw_path.as_deref().unwrap_or_default();
    if !path.starts_with('/') {
        return Err("the path does not begin with '/'");
    }
    let host = event.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or(event.request_context.domain_name.as_deref()).unwrap_or("localhost");
    let stage = event.request_context.stage.as_deref().unwrap_or_default();
    let query = event.raw_query_string.as_deref().unwrap_or_default();
    if !is_address(host, stage, path, query) {
        if !is_address("localhost", stage, path, query) {
            return Err("the address of the request is not valid");
        }
        event.headers.remove(header::HOST);
        event.request_context.domain_name = None;
    }
    Ok(event)
}

/// Whether an address is made of these, with the stage before the path and without it, and the
/// host is no more than that: `Host: a/b` would change the path.
fn is_address(host: &str, stage: &str, path: &str, query: &str) -> bool {
    let is_uri = |url: &str| {
        let whole = if query.is_empty() { url.to_owned() } else { format!("{url}?{query}") };
        whole.parse::<Uri>().is_ok()
    };
    let at = |host: &str, prefix: &str| Url::parse(&format!("https://{host}{prefix}{path}")).ok();
    [String::new(), format!("/{stage}")].iter().all(|prefix| {
        let (Some(url), Some(plain)) = (at(host, prefix), at("localhost", prefix)) else {
            return false;
        };
        let same = (url.path(), url.query(), url.fragment())
            == (plain.path(), plain.query(), plain.fragment());
        same && url.username().is_empty() && is_uri(url.as_str()) && is_uri(url.path())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use axum::{extract::Request, routing::any};
    use lambda_runtime::Context;
    use proptest::prelude::*;

    async fn echo(request: Request) -> String {
        request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()
    }

    async fn sent(event: Value) -> Value {
        let router = Router::new().route("/{*rest}", any(echo)).route("/", any(echo));
        answer(router, LambdaEvent::new(event, Context::default())).await.unwrap()
    }

    #[tokio::test]
    async fn what_would_end_the_function_is_mended_or_refused() {
        let with = |name: &str, value: Value| {
            let mut event = harmless();
            event["rawPath"] = json!("/v1/x");
            match name.split_once('.') {
                Some((outer, inner)) => event[outer][inner] = value,
                None => event[name] = value,
            }
            event
        };
        for good in [
            with("headers.host", json!("[")),
            with("headers.host", json!("a b")),
            with("headers.host", json!("")),
            with("headers.host", json!("a/b")),
            with("headers.host", json!("user@a")),
            with("headers.x-forwarded-proto", json!("not a scheme")),
            with("requestContext.domainName", json!("<>")),
            with("rawQueryString", json!("a=%zz&b")),
        ] {
            let answer = sent(good.clone()).await;
            assert_eq!(answer["statusCode"], 200, "{good} {answer}");
            assert!(answer["body"].as_str().unwrap().starts_with("/v1/x"), "{answer}");
        }
        for bad in [
            json!(null),
            json!({}),
            with("rawPath", json!("v1")),
            with("rawPath", json!("/".to_owned() + &"x".repeat(70_000))),
            with("rawQueryString", json!("a b")),
            with("headers", json!({ "a b": "c" })),
            with("requestContext.http", json!({ "method": "A B" })),
            {
                let mut event = with("isBase64Encoded", json!(true));
                event["body"] = json!("!");
                event
            },
        ] {
            let answer = sent(bad.clone()).await;
            assert_eq!(answer["statusCode"], 400, "{bad} {answer}");
            assert!(answer["body"].as_str().unwrap().contains("invalid_request"), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn every_event_has_an_answer(event in testing::events(&["/", "/v1/x"])) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let answer = runtime.block_on(sent(event));
            let status = answer["statusCode"].as_u64().unwrap();
            prop_assert!((200..500).contains(&status), "{answer}");
        }
    }
}
