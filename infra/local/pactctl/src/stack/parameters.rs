//! The Parameter Store of Systems Manager: names and values are read, a secret is put in the place of
//! another one of the data folder, or deleted there.

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
/// Longest value of a standard parameter, in bytes.
const MAX_VALUE: usize = 4_096;

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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutParameter {
    name: String,
    value: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    overwrite: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteParameter {
    name: String,
}

/// Why a parameter is not changed.
enum NotPut {
    Refused(&'static str, &'static str),
    Failed(crate::failure::Failure),
}

impl Parameters {
    /// One of the data folder: the folder, and its name there.
    fn own<'n>(&self, whole: &'n str) -> Option<(&std::path::Path, &'n str)> {
        let (folder, path) = self.given.as_ref()?;
        let name = whole.strip_prefix(path.as_str())?.strip_prefix('/')?;
        (!name.is_empty() && !self.fixed.contains_key(whole)).then_some((folder.as_path(), name))
    }

    /// Deletes one of the data folder.
    fn delete(&self, wanted: &DeleteParameter) -> Result<(), NotPut> {
        let Some((folder, name)) = self.own(&wanted.name) else {
            let why = "no parameter of this name is changed here";
            return Err(NotPut::Refused("AccessDeniedException", why));
        };
        let mut there = false;
        let deleted = crate::data::change_parameter(folder, name, |known| {
            there = known.is_some();
            None
        });
        deleted.map_err(NotPut::Failed)?;
        match there {
            true => Ok(()),
            false => Err(NotPut::Refused("ParameterNotFound", "there is none of this name")),
        }
    }

    /// Puts one into the data folder. What the stack was started with is changed where it was said.
    fn put(&self, wanted: &PutParameter) -> Result<(), NotPut> {
        let refused = |kind, why| Err(NotPut::Refused(kind, why));
        if wanted.r#type != "SecureString" {
            return refused("UnsupportedParameterType", "only a SecureString is kept here");
        }
        if wanted.value.is_empty() || wanted.value.len() > MAX_VALUE {
            return refused("ValidationException", "a value has 1 to 4096 bytes");
        }
        let Some((folder, name)) = self.own(&wanted.name) else {
            return refused("AccessDeniedException", "no parameter of this name is changed here");
        };
        let mut there = false;
        let put = crate::data::change_parameter(folder, name, |known| {
            there = known.is_some();
            match known.filter(|_| !wanted.overwrite) {
                Some(known) => Some(known.to_owned()),
                None => Some(wanted.value.clone()),
            }
        });
        put.map_err(NotPut::Failed)?;
        match there && !wanted.overwrite {
            true => refused("ParameterAlreadyExists", "there is one of this name already"),
            false => Ok(()),
        }
    }
}

fn put(parameters: &Parameters, body: &[u8]) -> Response {
    let wanted = match serde_json::from_slice::<PutParameter>(body) {
        Ok(wanted) => wanted,
        Err(error) => return refused("SerializationException", &error.to_string()),
    };
    // Versions are not kept.
    changed(parameters.put(&wanted), json!({ "Version": 1, "Tier": "Standard" }))
}

fn delete(parameters: &Parameters, body: &[u8]) -> Response {
    match serde_json::from_slice::<DeleteParameter>(body) {
        Ok(wanted) => changed(parameters.delete(&wanted), json!({})),
        Err(error) => refused("SerializationException", &error.to_string()),
    }
}

fn changed(change: Result<(), NotPut>, answer: Value) -> Response {
    match change {
        Ok(()) => Json(answer).into_response(),
        Err(NotPut::Refused(kind, why)) => refused(kind, why),
        Err(NotPut::Failed(error)) => {
            tracing::error!(%error, "the parameters of the data folder cannot be written");
            let body = json!({ "__type": "InternalServerError" });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
        }
    }
}

async fn answer(State(parameters): State<Arc<Parameters>>, request: Request<Body>) -> Response {
    let target = request.headers().get("x-amz-target").and_then(|v| v.to_str().ok());
    let change: Option<fn(&Parameters, &[u8]) -> Response> = match target {
        Some("AmazonSSM.GetParameters") => None,
        Some("AmazonSSM.PutParameter") => Some(put),
        Some("AmazonSSM.DeleteParameter") => Some(delete),
        _ => {
            let why = "only GetParameters, PutParameter and DeleteParameter are served here";
            return refused("UnknownOperationException", why);
        }
    };
    let Ok(body) = to_bytes(request.into_body(), MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if let Some(change) = change {
        return change(&parameters, &body);
    }
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
    async fn a_secret_is_put_below_the_stacks_name_and_what_the_stack_has_itself_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let fixed = BTreeMap::from([("/pact/api-token".to_owned(), "t0ken".to_owned())]);
        let router = router(fixed, Some((dir.path().to_owned(), "/pact".to_owned())));
        let send = async |operation: &str, body: Value| {
            let request = Request::post("/")
                .header("x-amz-target", format!("AmazonSSM.{operation}"))
                .body(Body::from(body.to_string()))
                .expect("a request");
            let answer = router.clone().oneshot(request).await.expect("an answer");
            let body = to_bytes(answer.into_body(), MAX_BODY).await.expect("a body");
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            body["__type"].as_str().unwrap_or("put").to_owned()
        };
        let ask = async |name: &str, kind: &str, value: &str, overwrite: bool| {
            let body =
                json!({ "Name": name, "Type": kind, "Value": value, "Overwrite": overwrite });
            send("PutParameter", body).await
        };
        let (secure, long) = ("SecureString", "v".repeat(MAX_VALUE + 1));
        assert_eq!(ask("/pact/a/b", secure, "one", false).await, "put");
        assert_eq!(ask("/pact/a/b", secure, "two", false).await, "ParameterAlreadyExists");
        assert_eq!(crate::data::parameters(dir.path()).expect("a list")["a/b"], "one");
        assert_eq!(ask("/pact/a/b", secure, "two", true).await, "put");
        assert_eq!(crate::data::parameters(dir.path()).expect("a list")["a/b"], "two");
        assert_eq!(ask("/pact/a/b", "String", "three", true).await, "UnsupportedParameterType");
        assert_eq!(ask("/pact/a/b", secure, &long, true).await, "ValidationException");
        for name in ["/pact/api-token", "/other/a", "/pact/", "a/b"] {
            assert_eq!(ask(name, secure, "x", true).await, "AccessDeniedException", "{name}");
            let deleted = send("DeleteParameter", json!({ "Name": name })).await;
            assert_eq!(deleted, "AccessDeniedException", "{name}");
        }
        for answer in ["put", "ParameterNotFound"] {
            assert_eq!(send("DeleteParameter", json!({ "Name": "/pact/a/b" })).await, answer);
        }
        assert!(crate::data::parameters(dir.path()).expect("a list").is_empty());
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let (status, body) = ask("DescribeParameters", json!({})).await;
        assert_eq!((status, &body["__type"]), (400, &json!("UnknownOperationException")));
        let (status, body) = ask("PutParameter", json!({})).await;
        assert_eq!((status, &body["__type"]), (400, &json!("SerializationException")));
        let (status, body) = ask("GetParameters", json!({ "Names": [] })).await;
        assert_eq!((status, &body["__type"]), (400, &json!("ValidationException")));
    }
}
