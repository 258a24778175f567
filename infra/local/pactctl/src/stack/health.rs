//! `/health` of the stack: what the gateway says of itself, and what the engine of the state
//! machines cannot do or has lost.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use local_step_functions::{Engine, Losses};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::{disk::Full, term};

/// The longest answer of the gateway that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// The API, with a `/health` that knows of the engine and of the disk.
pub(crate) fn over(api: Router, engine: Engine, disk: Disk) -> Router {
    let checked = Checked { api: api.clone(), engine, disk };
    Router::new().route("/health", get(answer)).with_state(checked).fallback_service(api)
}

/// What is wrong with the disk now.
pub(crate) type Disk = watch::Receiver<Option<Full>>;

#[derive(Clone)]
struct Checked {
    api: Router,
    engine: Engine,
    disk: Disk,
}

async fn answer(
    State(Checked { api, engine, disk }): State<Checked>,
    request: Request,
) -> Response {
    let health = engine.health();
    let full = disk.borrow().as_ref().map(ToString::to_string);
    if full.is_some() || health.refusing.is_some() {
        let wrong = [
            ("disk", full.map(|full| json!({ "full": full }))),
            ("step_functions", health.refusing.map(|reason| json!({ "refusing": reason }))),
        ];
        let wrong = wrong.into_iter().filter_map(|(part, said)| Some((part.to_owned(), said?)));
        let status = ("status".to_owned(), json!("unavailable"));
        let body = std::iter::once(status).chain(wrong).collect();
        return respond(StatusCode::SERVICE_UNAVAILABLE, &Value::Object(body));
    }
    let response = match api.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if health.losses.is_empty() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, MAX_ANSWER).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let Ok(Value::Object(mut said)) = serde_json::from_slice(&body) else {
        return Response::from_parts(parts, Body::from(body));
    };
    said.insert("step_functions".to_owned(), lost(&health.losses));
    respond(parts.status, &Value::Object(said))
}

fn respond(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn lost(losses: &Losses) -> Value {
    let damage: Vec<String> = losses.damage.iter().map(ToString::to_string).collect();
    json!({ "damage": damage, "executions": losses.executions })
}

/// Says on standard error what was lost.
pub(crate) fn log_losses(losses: &Losses) {
    for damage in &losses.damage {
        term::error(&damage.to_string());
    }
    for execution in &losses.executions {
        term::error(&format!("records of {execution} are lost; if it was running, it failed"));
    }
    if !losses.damage.is_empty() {
        term::note("the damaged files are kept; everything else in them was read");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use axum::Json;
    use local_step_functions::{EngineOptions, TaskExecutor, TaskFailure, TaskRequest};

    use super::*;

    struct Nobody;

    #[async_trait]
    impl TaskExecutor for Nobody {
        async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
            Ok(task.arguments)
        }
    }

    async fn health(engine: &Engine) -> (StatusCode, Value) {
        let gateway = Router::new()
            .route("/health", get(|| async { Json(json!({ "status": "ok", "version": "1" })) }))
            .route("/other", get(|| async { "other" }));
        let api = over(gateway, engine.clone(), watch::channel(None).1);
        let ask = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(api.clone().oneshot(ask("/other")).await.unwrap().status(), StatusCode::OK);
        let answer = api.oneshot(ask("/health")).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), MAX_ANSWER).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn the_engine_is_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let options = || EngineOptions::new(folder.path(), "us-east-1", "000000000000");
        let engine = Engine::open(options(), Arc::new(Nobody)).await.unwrap();
        let machine = r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}"#;
        engine.put_state_machine("m", machine).await.unwrap();
        let well = json!({ "status": "ok", "version": "1" });
        assert_eq!(health(&engine).await, (StatusCode::OK, well));

        engine.shutdown().await;
        let (status, body) = health(&engine).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_ne!(body["status"], "ok");
        assert!(body["step_functions"]["refusing"].is_string(), "{body}");
        drop(engine);

        std::fs::write(folder.path().join("journal-00000000.log"), "").unwrap();
        let engine = Engine::open(options(), Arc::new(Nobody)).await.unwrap();
        let (status, body) = health(&engine).await;
        assert_eq!(status, StatusCode::OK);
        let told = body["step_functions"]["damage"][0].as_str().unwrap();
        assert!(told.contains("journal-00000000.log is damaged from byte 0"), "{told}");
        engine.shutdown().await;
    }
}
