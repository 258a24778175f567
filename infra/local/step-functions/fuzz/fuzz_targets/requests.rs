//! Any requests are answered. Each line is one: an operation, a space, the body. `@machine` and
//! `@execution` stand for the ARNs of the machine `m` and its execution `e`.
#![no_main]

use axum::body::Body;
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use local_step_functions_fuzz::with_engine;
use tower::ServiceExt;

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
const EXECUTION: &str = "arn:aws:states:us-east-1:123456789012:execution:m:e";

fuzz_target!(|text: &str| {
    with_engine(|engine| async move {
        let api = engine.router();
        for line in text.lines().take(8) {
            let (operation, body) = line.split_once(' ').unwrap_or((line, ""));
            let body = body.replace("@machine", MACHINE).replace("@execution", EXECUTION);
            let request = Request::post("/")
                .header("x-amz-target", format!("AWSStepFunctions.{operation}"))
                .body(Body::from(body));
            let Ok(request) = request else { continue };
            let answer = api.clone().oneshot(request).await.unwrap();
            assert!(answer.status() != 500, "{line}");
        }
    });
});
