//! The Lambda API over HTTP.

use super::{host, serve, spec, until};
use local_lambda_host::{FunctionSpec, Host, HostOptions, Policy};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_invoke_api() {
    let host = host(vec![spec("f")]).await;
    let url = serve(host.router()).await;
    let client = reqwest::Client::new();
    let to = |name: &str| client.post(format!("{url}/2015-03-31/functions/{name}/invocations"));
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
    let ok = to(arn).header("X-Amz-Log-Type", "Tail").body(r#"{"a":1}"#).send().await.unwrap();
    assert_eq!(ok.status(), 200);
    assert_eq!(ok.headers()["x-amz-executed-version"], "$LATEST");
    assert!(ok.headers().contains_key("x-amz-log-result"));
    assert!(!ok.headers().contains_key("x-amz-function-error"));
    assert_eq!(ok.json::<Value>().await.unwrap()["echo"], json!({"a": 1}));
    let failed = to("f").body(r#"{"do":"fail"}"#).send().await.unwrap();
    assert_eq!(
        (failed.status().as_u16(), &failed.headers()["x-amz-function-error"]),
        (200, &"Unhandled".parse().unwrap())
    );
    let event = to("f").header("X-Amz-Invocation-Type", "Event").body("{}").send().await.unwrap();
    assert_eq!(event.status(), 202);
    let dry = to("f").header("X-Amz-Invocation-Type", "DryRun").body("{}").send().await.unwrap();
    assert_eq!(dry.status(), 204);
    for (response, status, code) in [
        (to("g").body("{}").send().await.unwrap(), 404, "ResourceNotFoundException"),
        (to("f").body("{").send().await.unwrap(), 400, "InvalidRequestContentException"),
        (to("f").body(vec![b' '; 7 << 20]).send().await.unwrap(), 413, "RequestTooLargeException"),
    ] {
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-amzn-errortype"], code);
        assert!(response.json::<Value>().await.unwrap()["Message"].is_string());
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qualifier_is_honoured() {
    let host = host(vec![spec("f")]).await;
    let url = serve(host.router()).await;
    let client = reqwest::Client::new();
    let to = |name: &str, query: &str| {
        let path = format!("{url}/2015-03-31/functions/{name}/invocations{query}");
        client.post(path).body("{}").send()
    };
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    for (name, query, invoked) in [
        ("f", "", arn.to_owned()),
        ("f", "?Qualifier=%24LATEST", format!("{arn}:$LATEST")),
        ("f:%24LATEST", "", format!("{arn}:$LATEST")),
        ("f:%24LATEST", "?Qualifier=%24LATEST", format!("{arn}:$LATEST")),
    ] {
        let answer = to(name, query).await.unwrap();
        assert_eq!(answer.status(), 200, "{name}{query}");
        assert_eq!(answer.json::<Value>().await.unwrap()["arn"], json!(invoked));
    }
    for (name, query, status, code, message) in [
        ("f", "?Qualifier=live", 404, "ResourceNotFoundException", ":function:f:live"),
        ("f:7", "", 404, "ResourceNotFoundException", ":function:f:7"),
        ("f:7", "?Qualifier=8", 400, "InvalidParameterValueException", "does not match"),
        ("f", "?Qualifier=a%20b", 400, "ValidationException", "'qualifier'"),
        ("a%20b", "", 400, "ValidationException", "'functionName'"),
    ] {
        let answer = to(name, query).await.unwrap();
        assert_eq!(answer.status(), status, "{name}{query}");
        assert_eq!(answer.headers()["x-amzn-errortype"], code);
        let body: Value = answer.json().await.unwrap();
        assert!(body["Message"].as_str().unwrap().contains(message), "{body}");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_throttled_with_the_limit_that_refused_it() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let reserved = FunctionSpec { max_concurrency: Some(1), ..spec("reserved") };
    let policy = Policy { unreserved: 1, queue: 0, ..Policy::default() };
    let functions = vec![spec("f"), reserved];
    let host = Host::start_with(HostOptions::default(), policy, functions).await.unwrap();
    let url = serve(host.router()).await;
    let client = reqwest::Client::new();
    let invoke = |name: &str, event: Value| {
        let url = format!("{url}/2015-03-31/functions/{name}/invocations");
        client.post(url).body(event.to_string()).send()
    };
    for (name, reason) in [
        ("f", "ConcurrentInvocationLimitExceeded"),
        ("reserved", "ReservedFunctionConcurrentInvocationLimitExceeded"),
    ] {
        let first = tokio::spawn(invoke(name, json!({"do": "wait", "file": go})));
        until("the first at work", || host.instances().iter().any(|i| i.busy)).await;
        let second = invoke(name, json!({})).await.unwrap();
        assert_eq!(second.status(), 429);
        assert_eq!(second.headers()["x-amzn-errortype"], "TooManyRequestsException");
        assert_eq!(second.headers()["retry-after"], "1");
        let said: Value = second.json().await.unwrap();
        assert_eq!(
            (&said["Reason"], &said["Type"], &said["message"]),
            (&json!(reason), &json!("User"), &json!("Rate Exceeded."))
        );
        std::fs::write(&go, "").unwrap();
        assert_eq!(first.await.unwrap().unwrap().status(), 200);
        std::fs::remove_file(&go).unwrap();
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_listed_page_by_page_and_described() {
    let mut described = FunctionSpec {
        description: "What it is for".to_owned(),
        role: Some("arn:aws:iam::000000000000:role/f".to_owned()),
        handler: "function.handle".to_owned(),
        ephemeral_mb: 1024,
        max_concurrency: Some(3),
        ..spec("f0")
    };
    described.service_env.insert("AWS_ENDPOINT_URL".to_owned(), "http://x".to_owned());
    let missing = FunctionSpec { program: "/does/not/exist".into(), ..spec("missing") };
    let others = (1..5).map(|n| spec(&format!("f{n}")));
    let functions = std::iter::once(described).chain(others).chain([missing]).collect();
    let host = host(functions).await;
    let url = serve(host.router()).await;
    let get = async |path: &str| -> (u16, Value) {
        let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    };

    let (mut names, mut marker, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let (status, page) =
            get(&format!("/2015-03-31/functions/?MaxItems=2&Marker={marker}")).await;
        assert_eq!(status, 200);
        pages += 1;
        let functions = page["Functions"].as_array().unwrap();
        assert!(functions.len() <= 2);
        names.extend(functions.iter().map(|f| f["FunctionName"].as_str().unwrap().to_owned()));
        match page["NextMarker"].as_str() {
            Some(next) => marker = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((names.join(" ").as_str(), pages), ("f0 f1 f2 f3 f4 missing", 3));
    let (_, all) = get("/2015-03-31/functions?FunctionVersion=ALL").await;
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f0";
    assert_eq!(all["Functions"][0]["FunctionArn"], json!(format!("{arn}:$LATEST")));
    assert_eq!(get("/2015-03-31/functions?MaxItems=0").await.0, 400);

    let (_, function) = get("/2015-03-31/functions/f0").await;
    let configuration = &function["Configuration"];
    for (field, value) in [
        ("FunctionArn", json!(arn)),
        ("Runtime", json!("provided.al2023")),
        ("Role", json!("arn:aws:iam::000000000000:role/f")),
        ("Handler", json!("function.handle")),
        ("Description", json!("What it is for")),
        ("Timeout", json!(20)),
        ("MemorySize", json!(256)),
        ("EphemeralStorage", json!({"Size": 1024})),
        ("Environment", json!({"Variables": {"OWN": "value"}})),
        ("State", json!("Active")),
        ("Version", json!("$LATEST")),
    ] {
        assert_eq!(configuration[field], value, "{field}");
    }
    let program = super::example("fixture-function");
    assert_eq!(configuration["CodeSize"], json!(program.metadata().unwrap().len()));
    assert_eq!(configuration["CodeSha256"].as_str().unwrap().len(), 44);
    assert_eq!(function["Concurrency"], json!({"ReservedConcurrentExecutions": 3}));
    assert!(function["Code"]["Location"].as_str().unwrap().starts_with("file:///"));
    let (_, own) = get("/2015-03-31/functions/f0/configuration?Qualifier=%24LATEST").await;
    assert_eq!(own["FunctionArn"], json!(format!("{arn}:$LATEST")));
    assert_eq!(
        get("/2019-09-30/functions/f0/concurrency").await.1,
        json!({"ReservedConcurrentExecutions": 3})
    );
    assert_eq!(get("/2015-03-31/functions/f0?Qualifier=live").await.0, 404);

    // What cannot run does not look as if it could.
    let (_, broken) = get("/2015-03-31/functions/missing/configuration").await;
    assert_eq!(broken["State"], json!("Failed"));
    assert!(broken["StateReason"].as_str().unwrap().contains("/does/not/exist"));
    assert_eq!(get("/2015-03-31/functions/f0/policy").await.0, 404);
    let (status, unknown) = get("/2015-03-31/functions/f0/event-invoke-config").await;
    assert_eq!(status, 404);
    assert!(unknown["message"].as_str().unwrap().contains("no operation"), "{unknown}");
}
