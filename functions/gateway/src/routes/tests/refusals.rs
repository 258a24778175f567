//! What is refused, and that it starts nothing.

use proptest::prelude::*;

use super::*;

/// Sends it, and makes sure that nothing came of it.
async fn refused(request: Request<Body>) -> (u16, Value) {
    let world = World::new();
    let answer = send(&world.gateway(), request).await;
    let state = world.state();
    assert!(state.executions.is_empty() && state.runs.is_empty() && state.claims.is_empty());
    answer
}

fn start_body() -> Value {
    json!({
        "repository": { "name": "acme/web", "url": "https://git.example.com/acme/web.git" },
        "branch": "main",
        "commit": "2".repeat(40),
    })
}

#[tokio::test]
async fn an_unsigned_or_wrongly_signed_webhook_is_unauthorized() {
    let body = push_event('2').to_string();
    let with = |signature: Option<String>| {
        let mut request = push("d-1", &push_event('2'));
        request.headers_mut().remove("x-hub-signature-256");
        if let Some(signature) = signature {
            request.headers_mut().insert("x-hub-signature-256", signature.parse().unwrap());
        }
        request
    };
    let right = sign(body.as_bytes());
    assert_eq!(send(&World::new().gateway(), with(Some(right.clone()))).await.0, 202);
    for wrong in [
        None,
        Some(String::new()),
        Some(right.replace("sha256=", "sha1=")),
        Some(right.replace("sha256=", "")),
        Some(sign(b"something else")),
    ] {
        let (status, body) = refused(with(wrong.clone())).await;
        assert_eq!((status, error_code(&body)), (401, "unauthorized"), "{wrong:?}");
    }
    // Not even malformed bodies are looked at before.
    let mut request = webhook("push", "d-1", b"{".to_vec());
    request.headers_mut().insert("x-hub-signature-256", sign(b"[").parse().unwrap());
    assert_eq!(refused(request).await.0, 401);
}

#[tokio::test]
async fn without_a_secret_or_token_everything_is_closed() {
    let world = World::new();
    let gateway = world.unconfigured();
    let start = start_body().to_string();
    for short in [false, true] {
        if short {
            // What can be guessed is no secret, even when the caller knows it.
            world.set_secret("webhook-secret", "hunter2");
            world.set_secret("api-token", "hunter2");
        }
        for request in [
            push("d-1", &push_event('2')),
            api("POST", "/v1/pipelines", &start),
            api("GET", "/v1/runs/web-1", ""),
            api("POST", "/v1/runs/web-1/cancel", ""),
        ] {
            let (status, body) = send(&gateway, request).await;
            assert_eq!((status, error_code(&body)), (503, "not_configured"));
            let text = body.to_string();
            assert!(!text.contains("hunter2"), "{body}");
            let remedy = if short { "needs at least 16 characters" } else { "put-parameter" };
            assert!(text.contains("/memory/") && text.contains(remedy), "{body}");
        }
        let (status, _) =
            send(&gateway, Request::get("/health").body(Body::empty()).unwrap()).await;
        assert_eq!(status, 200);
    }
    assert!(world.state().executions.is_empty());
}

#[tokio::test]
async fn a_secret_that_was_changed_is_the_only_one() {
    let world = World::new();
    let gateway = world.gateway();
    assert_eq!(send(&gateway, api("GET", "/v1/runs/web-1", "")).await.0, 404);
    world.set_secret("api-token", "another-token-of-the-api");
    assert_eq!(send(&gateway, api("GET", "/v1/runs/web-1", "")).await.0, 401);
    world.set_secret("webhook-secret", "another-secret-of-the-webhooks");
    assert_eq!(send(&gateway, push("d-1", &push_event('2'))).await.0, 401);
    world.set_secret("webhook-secret", crate::testing::SECRET);
    assert_eq!(send(&gateway, push("d-1", &push_event('2'))).await.0, 202);
}

#[tokio::test]
async fn a_wrong_token_is_unauthorized() {
    let start = start_body().to_string();
    for (method, path, body) in [
        ("POST", "/v1/pipelines", start.as_str()),
        ("POST", "/v1/pipelines", "{"),
        ("GET", "/v1/runs/web-1", ""),
        ("POST", "/v1/runs/web-1/cancel", ""),
    ] {
        for token in [None, Some("Bearer wrong"), Some("Basic dXNlcg==")] {
            let mut request = api(method, path, body);
            request.headers_mut().remove("authorization");
            if let Some(token) = token {
                request.headers_mut().insert("authorization", token.parse().unwrap());
            }
            let (status, body) = refused(request).await;
            assert_eq!((status, error_code(&body)), (401, "unauthorized"), "{path} {token:?}");
        }
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_told_in_json() {
    for (method, path, expected) in [
        ("GET", "/", 404),
        ("POST", "/webhooks/bitbucket", 404),
        ("GET", "/v1/runs", 404),
        ("GET", "/webhooks/github", 405),
        ("PUT", "/v1/pipelines", 405),
        ("DELETE", "/v1/runs/web-1", 405),
        ("POST", "/health", 405),
    ] {
        let (status, body) = refused(api(method, path, "")).await;
        assert_eq!(status, expected, "{method} {path}");
        assert!(body["detail"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn a_malformed_body_is_refused_with_the_field() {
    let mut event = push_event('2');
    event["repository"]["full_name"] = json!(7);
    let (status, body) = refused(push("d-1", &event)).await;
    assert_eq!((status, &body["field"]), (400, &json!("repository.full_name")));
    let (status, body) = refused(webhook("push", "d-1", b"{\"ref\":".to_vec())).await;
    assert_eq!((status, &body["field"]), (400, &json!("body")));

    for header in ["x-github-event", "x-github-delivery"] {
        let mut request = push("d-1", &push_event('2'));
        request.headers_mut().remove(header);
        let (status, body) = refused(request).await;
        assert_eq!(status, 400);
        let field = body["field"].as_str().unwrap();
        assert!(field.eq_ignore_ascii_case(header), "{field}");
    }
    let mut request = push("d-1", &push_event('2'));
    let form = "application/x-www-form-urlencoded";
    request.headers_mut().insert("content-type", form.parse().unwrap());
    let (status, body) = refused(request).await;
    assert_eq!((status, &body["field"]), (400, &json!("payload")));

    let mut start = start_body();
    start["commit"] = json!("HEAD");
    let (status, body) = refused(api("POST", "/v1/pipelines", &start.to_string())).await;
    assert_eq!((status, &body["field"]), (400, &json!("commit")));
    start = start_body();
    start["repository"]["url"] = json!("file:///etc");
    let (status, body) = refused(api("POST", "/v1/pipelines", &start.to_string())).await;
    assert_eq!((status, &body["field"]), (400, &json!("repository.url")));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whoever_signed_it() {
    let large = vec![b' '; crate::validate::MAX_BODY + 1];
    let (status, body) = refused(webhook("push", "d-1", large)).await;
    assert_eq!((status, error_code(&body)), (413, "too_large"));
    let large = " ".repeat(crate::validate::MAX_BODY + 1);
    assert_eq!(refused(api("POST", "/v1/pipelines", &large)).await.0, 413);

    let mut event = push_event('2');
    event["commits"] = json!([""]);
    let spare = crate::validate::MAX_BODY - event.to_string().len();
    event["commits"] = json!(["x".repeat(spare)]);
    assert_eq!(send(&World::new().gateway(), push("d-1", &event)).await.0, 202);
}

#[tokio::test]
async fn what_starts_nothing_is_accepted_as_ignored() {
    let mut tag = push_event('2');
    tag["ref"] = json!("refs/tags/v1");
    let mut deleted = push_event('0');
    deleted["deleted"] = json!(true);
    for request in
        [push("d-1", &tag), push("d-1", &deleted), webhook("issues", "d-1", b"{}".to_vec())]
    {
        let (status, body) = refused(request).await;
        assert_eq!((status, &body["status"]), (202, &json!("ignored")));
        assert!(body["reason"].is_string());
    }
    let (status, body) = refused(webhook("ping", "d-1", b"{}".to_vec())).await;
    assert_eq!((status, &body["status"]), (200, &json!("pong")));
}

/// Answers every event, whatever it holds, and starts nothing.
#[test]
fn no_event_is_a_fault_of_the_gateway() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let world = World::new();
    let gateway = world.gateway();
    // Every route that there is, with names that there are and none that exists elsewhere.
    let known = crate::routes::table().into_iter().flat_map(|route| {
        ["acme/web", "web-1", "0123456789abcdef"].map(|name| {
            let (before, rest) = route.path.split_once('{').unwrap_or((&route.path, ""));
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            let name = if rest.is_empty() { "" } else { name };
            &*format!("{before}{name}{after}").leak()
        })
    });
    let others = ["/webhooks/x", "/webhooks/x/a/b", "/v1/none"];
    let paths: &'static [&'static str] = known.chain(others).collect::<Vec<_>>().leak();
    // Signed and with the token, so that it gets as far as it can.
    proptest!(|(mut event in pact_web::testing::events(paths), known in any::<bool>())| {
        if known {
            let body = event["body"].as_str().unwrap_or_default().as_bytes().to_vec();
            event["isBase64Encoded"] = json!(false);
            event["headers"]["x-hub-signature-256"] = sign(&body).into();
            event["headers"]["x-github-event"] = "push".into();
            event["headers"]["x-github-delivery"] = "d-1".into();
            event["headers"]["authorization"] = format!("Bearer {}", crate::testing::TOKEN).into();
        }
        let event = lambda_runtime::LambdaEvent::new(event, lambda_runtime::Context::default());
        let answer = runtime.block_on(pact_web::answer(router(gateway.clone()), event)).unwrap();
        let status = answer["statusCode"].as_u64().unwrap();
        // The forge has no secret here: its door is closed, which is no fault.
        let closed = answer["body"].as_str().is_some_and(|body| body.contains("not_configured"));
        prop_assert!((200..500).contains(&status) || closed, "{answer}");
        if status >= 400 && answer["body"].as_str().is_some_and(|body| !body.is_empty()) {
            let kind = answer["headers"]["content-type"].as_str();
            prop_assert_eq!(kind, Some("application/problem+json"), "{}", answer);
        }
    });
    assert!(world.state().executions.is_empty());
}

#[tokio::test]
async fn runs_that_do_not_exist_are_not_found() {
    for path in ["/v1/runs/web-1", "/v1/runs/a%2F..%2Fb", "/v1/runs/%00"] {
        assert_eq!(refused(api("GET", path, "")).await.0, 404, "{path}");
        assert_eq!(refused(api("POST", &format!("{path}/cancel"), "")).await.0, 404, "{path}");
    }
}
