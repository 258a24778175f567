//! The Parameter Store of Systems Manager, as far as it is read: names and values.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::State,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{ACCOUNT, REGION};

/// Largest body of a request: ten names.
const MAX_BODY: usize = 64 * 1024;
/// Most names in one request.
const MAX_NAMES: usize = 10;

/// What there is, by whole name: what the stack was started with, and what is given by command while
/// it is up.
struct Parameters {
    fixed: BTreeMap<String, String>,
    /// The data folder, and what the names of its parameters begin with.
    given: Option<(PathBuf, String)>,
}

impl Parameters {
    fn now(&self) -> std::io::Result<BTreeMap<String, String>> {
        let mut all = self.fixed.clone();
        if let Some((folder, path)) = &self.given {
            let given = crate::data::parameters(folder)?;
            all.extend(given.into_iter().map(|(name, value)| (format!("{path}/{name}"), value)));
        }
        Ok(all)
    }
}

/// Answers for these parameters, and for those that the data folder has: below this path.
pub(crate) fn router(fixed: BTreeMap<String, String>, given: Option<(PathBuf, String)>) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(Parameters { fixed, given }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
    #[serde(default)]
    with_decryption: bool,
}

async fn answer(State(parameters): State<Arc<Parameters>>, request: Request<Body>) -> Response {
    let target = request.headers().get("x-amz-target").and_then(|v| v.to_str().ok());
    if target != Some("AmazonSSM.GetParameters") {
        return refused("UnknownOperationException", "only GetParameters is served here");
    }
    let Ok(body) = to_bytes(request.into_body(), MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match serde_json::from_slice::<GetParameters>(&body) {
        Ok(wanted) if (1..=MAX_NAMES).contains(&wanted.names.len()) => match parameters.now() {
            Ok(parameters) => Json(found(&parameters, &wanted)).into_response(),
            Err(error) => {
                tracing::error!(%error, "the parameters of the data folder cannot be read");
                let body = json!({ "__type": "InternalServerError" });
                (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
            }
        },
        Ok(_) => refused("ValidationException", "between one and ten names are wanted"),
        Err(error) => refused("SerializationException", &error.to_string()),
    }
}

fn refused(kind: &str, message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "__type": kind, "message": message }))).into_response()
}

/// What is there, and the names of what is not.
fn found(parameters: &BTreeMap<String, String>, wanted: &GetParameters) -> Value {
    let mut there = Vec::new();
    let mut missing = Vec::new();
    for name in &wanted.names {
        match parameters.get(name) {
            // A secret stays one for whoever does not ask for its text.
            Some(value) => there.push(json!({
                "Name": name,
                "Type": "SecureString",
                "Value": if wanted.with_decryption { value } else { "encrypted" },
                "Version": 1,
                "ARN": arn(name),
                "DataType": "text",
            })),
            None => missing.push(name),
        }
    }
    json!({ "Parameters": there, "InvalidParameters": missing })
}

/// ARN of the parameter of this name.
pub(super) fn arn(name: &str) -> String {
    let separator = if name.starts_with('/') { "" } else { "/" };
    format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{separator}{name}")
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(operation: &str, body: Value) -> (u16, Value) {
        let fixed = BTreeMap::from([("/pact/api-token".to_owned(), "t0ken".to_owned())]);
        let router = router(fixed, None);
        let request = Request::post("/")
            .header("x-amz-target", format!("AmazonSSM.{operation}"))
            .body(Body::from(body.to_string()))
            .expect("a request");
        let answer = router.oneshot(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), MAX_BODY).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn what_is_there_is_told_and_what_is_not_is_named() {
        let names = json!(["/pact/api-token", "/pact/none"]);
        let (status, body) =
            ask("GetParameters", json!({ "Names": names, "WithDecryption": true })).await;
        assert_eq!(status, 200);
        assert_eq!(body["Parameters"][0]["Value"], "t0ken");
        assert_eq!(
            body["Parameters"][0]["ARN"],
            "arn:aws:ssm:us-east-1:000000000000:parameter/pact/api-token"
        );
        assert_eq!(body["InvalidParameters"], json!(["/pact/none"]));
        let (_, body) = ask("GetParameters", json!({ "Names": names })).await;
        assert!(!body.to_string().contains("t0ken"), "{body}");
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let (status, body) = ask("PutParameter", json!({})).await;
        assert_eq!((status, &body["__type"]), (400, &json!("UnknownOperationException")));
        let (status, body) = ask("GetParameters", json!({ "Names": [] })).await;
        assert_eq!((status, &body["__type"]), (400, &json!("ValidationException")));
    }
}
