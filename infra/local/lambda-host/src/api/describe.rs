//! The operations that describe functions.

use super::{fault::Fault, invoke::Qualified};
use crate::{
    error::RequestError,
    function::Function,
    host::Host,
    managed::Managed,
    name::{FunctionId, LATEST, qualified},
    spec::FunctionSpec,
    sync::lock,
};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex},
};

/// The most functions on a page, as on AWS.
const PAGE: usize = 50;

/// How much of a program is read at once, in bytes.
const CHUNK: usize = 256 * 1024;

type Shared = State<(Host, Arc<Programs>)>;

/// What a page of `ListFunctions` asks for.
#[derive(serde::Deserialize)]
pub(super) struct Listing {
    #[serde(rename = "Marker")]
    marker: Option<String>,
    #[serde(rename = "MaxItems")]
    max_items: Option<String>,
    #[serde(rename = "FunctionVersion")]
    version: Option<String>,
}

/// `ListFunctions`. The marker is the name of the last function of the page before.
pub(super) async fn list(
    State((host, programs)): Shared,
    Query(listing): Query<Listing>,
) -> Result<Json<Value>, Fault> {
    let all = listing.version.as_deref() == Some("ALL");
    if let Some(other) = listing.version.filter(|_| !all) {
        let constraint = "Member must satisfy enum value set: [ALL]";
        return Err(validation(other, "functionVersion", constraint));
    }
    let size = match listing.max_items {
        None => PAGE,
        Some(text) => match text.parse().ok().filter(|items| (1..=10_000).contains(items)) {
            Some(items) => PAGE.min(items),
            None => {
                let constraint = "Member must have value between 1 and 10000";
                return Err(validation(text, "maxItems", constraint));
            }
        },
    };
    let after = listing.marker.unwrap_or_default();
    let own = host.functions().map(|function| function.spec.name.clone());
    let made = host.managed().map(|managed| managed.names()).unwrap_or_default();
    let mut names: Vec<String> = own.chain(made).filter(|name| *name > after).collect();
    names.sort();
    names.dedup();
    let more = names.len() > size;
    names.truncate(size);
    let mut page = Vec::new();
    for name in &names {
        // With all versions, each is named by an ARN of its own.
        match host.managed().filter(|_| !host.is_fixed(name)) {
            Some(managed) if all => page.extend(managed.versions(name)?),
            Some(managed) => page.push(managed.configuration(name, None)?),
            None => {
                let (function, _) = host.resolve(name, None)?;
                page.push(described(&function, &programs, all.then_some(LATEST)).await?);
            }
        }
    }
    let mut answer = Map::from_iter([("Functions".to_owned(), Value::Array(page))]);
    if let Some(last) = names.last().filter(|_| more) {
        answer.insert("NextMarker".to_owned(), last.clone().into());
    }
    Ok(Json(Value::Object(answer)))
}

/// `GetFunction`.
pub(super) async fn function(
    State((host, programs)): Shared,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
) -> Result<Json<Value>, Fault> {
    if let Some((managed, id)) = made(&host, &name, qualifier.as_deref())? {
        return Ok(Json(managed.described(id.name, id.qualifier)?));
    }
    let (function, qualifier) = host.resolve(&name, qualifier.as_deref())?;
    let configuration = described(&function, &programs, qualifier.as_deref()).await?;
    let location = url::Url::from_file_path(&function.spec.program).map(String::from);
    let mut answer = json!({
        "Configuration": configuration,
        // It lies on this machine and in no bucket.
        "Code": {"RepositoryType": "S3", "Location": location.unwrap_or_default()},
    });
    if let (Some(reserved), Some(answer)) = (function.spec.max_concurrency, answer.as_object_mut())
    {
        let concurrency = json!({"ReservedConcurrentExecutions": reserved});
        answer.insert("Concurrency".to_owned(), concurrency);
    }
    Ok(Json(answer))
}

/// `GetFunctionConfiguration`.
pub(super) async fn configuration(
    State((host, programs)): Shared,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
) -> Result<Json<Value>, Fault> {
    if let Some((managed, id)) = made(&host, &name, qualifier.as_deref())? {
        return Ok(Json(managed.configuration(id.name, id.qualifier)?));
    }
    let (function, qualifier) = host.resolve(&name, qualifier.as_deref())?;
    Ok(Json(described(&function, &programs, qualifier.as_deref()).await?))
}

/// `GetFunctionConcurrency`: nothing where nothing is reserved.
pub(super) async fn concurrency(
    State((host, _)): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, Fault> {
    if made(&host, &name, None)?.is_some() {
        return Ok(Json(json!({})));
    }
    let (function, _) = host.resolve(&name, None)?;
    let reserved = function.spec.max_concurrency;
    Ok(Json(reserved.map_or(json!({}), |n| json!({"ReservedConcurrentExecutions": n}))))
}

/// A function that was made by the API, where the name is one of those.
fn made<'h, 'n>(
    host: &'h Host,
    name: &'n str,
    qualifier: Option<&'n str>,
) -> Result<Option<(&'h Arc<Managed>, FunctionId<'n>)>, RequestError> {
    let id = host.named(name, qualifier)?;
    let managed = host.managed().filter(|managed| managed.has(id.name));
    Ok(managed.filter(|_| !host.is_fixed(id.name)).map(|managed| (managed, id)))
}

fn validation(value: String, parameter: &'static str, constraint: &'static str) -> Fault {
    RequestError::Validation { value, parameter, constraint }.into()
}

async fn described(
    function: &Arc<Function>,
    programs: &Arc<Programs>,
    qualifier: Option<&str>,
) -> Result<Value, Fault> {
    let (path, programs) = (function.spec.program.clone(), Arc::clone(programs));
    // Hashing a large program takes longer than other tasks may be kept waiting.
    let code = tokio::task::spawn_blocking(move || programs.code(&path)).await;
    let code = code.map_err(|error| RequestError::Service(error.to_string()))?;
    Ok(shown(&function.spec, qualifier, code.ok().as_ref()))
}

/// The configuration of a function. One whose program cannot be read has failed.
fn shown(spec: &FunctionSpec, qualifier: Option<&str>, code: Option<&Code>) -> Value {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let mut shown = json!({
        "FunctionName": spec.name,
        "FunctionArn": qualified(spec.arn.clone(), qualifier),
        "Runtime": "provided.al2023",
        "Handler": spec.handler,
        "Description": spec.description,
        "Timeout": spec.timeout.as_secs(),
        "MemorySize": spec.memory_mb,
        "Version": LATEST,
        "TracingConfig": {"Mode": "PassThrough"},
        "State": if code.is_some() { "Active" } else { "Failed" },
        "LastUpdateStatus": if code.is_some() { "Successful" } else { "Failed" },
        "PackageType": "Zip",
        "Architectures": [architecture],
        "EphemeralStorage": {"Size": spec.ephemeral_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{}", spec.name)},
    });
    let Value::Object(fields) = &mut shown else { return shown };
    if let Some(role) = &spec.role {
        fields.insert("Role".to_owned(), json!(role));
    }
    if !spec.env.is_empty() {
        fields.insert("Environment".to_owned(), json!({"Variables": spec.env}));
    }
    match code {
        Some(code) => {
            let modified = code.modified.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
            fields.insert("CodeSize".to_owned(), json!(code.size));
            fields.insert("CodeSha256".to_owned(), json!(code.sha256));
            fields.insert("LastModified".to_owned(), json!(modified));
        }
        None => {
            let reason = format!("the program {} cannot be read", spec.program.display());
            fields.insert("StateReason".to_owned(), json!(reason));
            fields.insert("StateReasonCode".to_owned(), json!("InvalidZipFileException"));
        }
    }
    shown
}

/// What is known of a program.
#[derive(Clone, PartialEq)]
struct Code {
    size: u64,
    modified: Timestamp,
    sha256: String,
}

/// Programs that were read before. Functions may share one, and one may be replaced.
#[derive(Default)]
pub(super) struct Programs(Mutex<HashMap<PathBuf, Code>>);

impl Programs {
    fn code(&self, path: &FilePath) -> io::Result<Code> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let size = metadata.len();
        let modified = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
        let known = lock(&self.0).get(path).cloned();
        if let Some(known) = known.filter(|code| code.size == size && code.modified == modified) {
            return Ok(known);
        }
        let mut sha256 = Sha256::new();
        let mut reader = BufReader::with_capacity(CHUNK, &mut file);
        loop {
            let chunk = reader.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            sha256.update(chunk);
            let length = chunk.len();
            reader.consume(length);
        }
        let code = Code { size, modified, sha256: BASE64.encode(sha256.finalize()) };
        lock(&self.0).insert(path.to_owned(), code.clone());
        Ok(code)
    }
}
