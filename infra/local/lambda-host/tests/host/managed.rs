//! Functions that are made by the API, with a runtime in a shell that a zip brings.

#![expect(clippy::indexing_slicing, reason = "what is not there is a failed test")]

use super::{example, serve, spec, until};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use local_lambda_host::{FunctionStore, Host, HostOptions, Reaper};
use serde_json::{Value, json};
use std::{
    io::{Cursor, Write},
    path::Path,
};
use zip::{ZipWriter, write::SimpleFileOptions};

const ROLE: &str = "arn:aws:iam::000000000000:role/shop";
const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:shop";

fn zip(files: &[(&str, &[u8])]) -> String {
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        // Packing the fixture would take longer than all else.
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .unix_permissions(0o755);
        out.start_file(*name, options).unwrap();
        out.write_all(content).unwrap();
    }
    BASE64.encode(out.finish().unwrap().into_inner())
}

/// Code whose program is the fixture, beside a file that makes each release another one.
fn code(release: &str) -> String {
    let program = std::fs::read(example("fixture-function")).unwrap();
    zip(&[("bootstrap", &program), ("release", release.as_bytes())])
}

struct Api {
    url: String,
    client: reqwest::Client,
    host: Host,
}

impl Api {
    async fn open(folder: &Path) -> Api {
        Api::with(FunctionStore::new(folder, std::env::var("PATH").unwrap())).await
    }

    async fn with(store: FunctionStore) -> Api {
        let program = example("fixture-host");
        let options = HostOptions {
            functions: Some(store),
            reaper: Some(Reaper { program, args: vec!["reap".to_owned()] }),
            ..HostOptions::default()
        };
        let host = Host::start(options, vec![spec("fixed")]).await.unwrap();
        Api { url: serve(host.router()).await, client: reqwest::Client::new(), host }
    }

    async fn ask(&self, request: &str, body: Value) -> (u16, Value) {
        let (method, path) = request.split_once(' ').unwrap();
        let path = match path.strip_prefix('/') {
            Some(whole) => format!("{}/{whole}", self.url),
            None => format!("{}/2015-03-31/functions/{path}", self.url),
        };
        let request = self.client.request(method.parse().unwrap(), path);
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("x-amzn-errortype").cloned();
        let mut value: Value = answer.json().await.unwrap_or(Value::Null);
        if let Some(kind) = kind {
            value["code"] = json!(kind.to_str().unwrap());
        }
        (status, value)
    }

    async fn well(&self, request: &str, body: Value) -> Value {
        let (status, value) = self.ask(request, body).await;
        assert!(status < 300, "{request}: {status} {value}");
        value
    }

    async fn refused(&self, request: &str, body: Value) -> String {
        let (status, value) = self.ask(request, body).await;
        assert!(status >= 400, "{request}: {status} {value}");
        value["code"].as_str().unwrap().to_owned()
    }

    async fn create(&self, release: &str) -> Value {
        let body = json!({
            "FunctionName": "shop", "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": ROLE, "Timeout": 20, "Code": {"ZipFile": code(release)},
            "Environment": {"Variables": {"OWN": "value"}},
            "Architectures": [if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }],
        });
        let created = self.well("POST /2015-03-31/functions", body).await;
        self.settled().await;
        created
    }

    async fn settled(&self) -> Value {
        loop {
            let now = self.well("GET shop/configuration", Value::Null).await;
            if now["LastUpdateStatus"] != "InProgress" {
                return now;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    async fn update(&self, release: &str) -> Value {
        let body = json!({"ZipFile": code(release)});
        let updated = self.well("PUT shop/code", body).await;
        assert_eq!(updated["LastUpdateStatus"], "InProgress");
        self.settled().await
    }

    /// What an invocation says of its environment.
    async fn invoke(&self, qualifier: &str) -> Value {
        let path = format!("POST shop/invocations{qualifier}");
        self.well(&path, json!({"do": "environment"})).await
    }
}

/// The release that an instance runs, by the file beside its program.
fn release(environment: &Value) -> String {
    let root = environment["LAMBDA_TASK_ROOT"].as_str().unwrap();
    std::fs::read_to_string(Path::new(root).join("release")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_made_updated_published_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::open(folder.path()).await;
    let created = api.create("one").await;
    assert_eq!((&created["State"], &created["FunctionArn"]), (&json!("Pending"), &json!(ARN)));
    let now = api.settled().await;
    assert_eq!((&now["State"], &now["Version"]), (&json!("Active"), &json!("$LATEST")));
    assert_ne!(now["RevisionId"], created["RevisionId"]);
    let told = api.invoke("").await;
    assert_eq!(release(&told), "one");
    assert_eq!(told["OWN"], "value");
    assert_eq!(told["AWS_LAMBDA_FUNCTION_VERSION"], "$LATEST");
    assert!(told.get("AWS_ACCESS_KEY_ID").is_none() && told.get("HOME").is_none(), "{told}");

    // The same code is the same version; another one is another.
    let sha = now["CodeSha256"].clone();
    for _ in 0..2 {
        let body = json!({"CodeSha256": sha, "Description": "release r1"});
        let version = api.well("POST shop/versions", body).await;
        assert_eq!(
            (&version["Version"], &version["Description"]),
            (&json!("1"), &json!("release r1"))
        );
        assert_eq!(version["FunctionArn"], format!("{ARN}:1"));
    }
    let dry = json!({"ZipFile": code("two"), "DryRun": true});
    assert_ne!(api.well("PUT shop/code", dry).await["CodeSha256"], sha);
    assert_eq!(api.settled().await["CodeSha256"], sha, "a dry run changes nothing");
    let updated = api.update("two").await;
    assert_eq!(release(&api.invoke("").await), "two");
    assert_eq!(release(&api.invoke("?Qualifier=1").await), "one");
    let wrong = json!({"CodeSha256": sha});
    assert_eq!(api.refused("POST shop/versions", wrong).await, "InvalidParameterValueException");
    let stale = json!({"RevisionId": created["RevisionId"]});
    assert_eq!(
        api.refused("POST shop/versions", stale.clone()).await,
        "PreconditionFailedException"
    );
    assert_eq!(api.refused("PUT shop/configuration", stale).await, "PreconditionFailedException");
    let fresh = json!({"RevisionId": updated["RevisionId"], "Timeout": 9});
    assert_eq!(api.well("PUT shop/configuration", fresh).await["Timeout"], 9);
    api.settled().await;
    assert_eq!(api.well("POST shop/versions", json!({})).await["Version"], "2");
    let all = api.well("GET shop/versions?MaxItems=2", Value::Null).await;
    let names: Vec<_> =
        all["Versions"].as_array().unwrap().iter().map(|v| v["Version"].clone()).collect();
    assert_eq!((names, &all["NextMarker"]), (vec![json!("$LATEST"), json!("1")], &json!("2")));
    let listed = api.well("GET /2015-03-31/functions/", Value::Null).await;
    let names = listed["Functions"].as_array().unwrap().iter().map(|f| f["FunctionName"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["fixed", "shop"]);
    assert_eq!(api.refused("GET shop?Qualifier=9", Value::Null).await, "ResourceNotFoundException");

    // What the host was started with is nobody's to change.
    for request in ["PUT fixed/code", "POST fixed/versions", "DELETE fixed", "POST fixed/aliases"] {
        assert_eq!(api.refused(request, json!({})).await, "AccessDeniedException", "{request}");
    }
    api.well("DELETE shop?Qualifier=1", Value::Null).await;
    api.well("DELETE shop", Value::Null).await;
    assert_eq!(api.refused("GET shop", Value::Null).await, "ResourceNotFoundException");
    assert_eq!(std::fs::read_dir(folder.path().join("code")).unwrap().count(), 0, "code is left");
    until("no instance", || api.host.instances().is_empty()).await;
    api.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_leads_to_its_versions_by_their_weights() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::open(folder.path()).await;
    api.create("one").await;
    api.well("POST shop/versions", json!({})).await;
    api.update("two").await;
    api.well("POST shop/versions", json!({})).await;
    let made = api.well("POST shop/aliases", json!({"Name": "live", "FunctionVersion": "1"})).await;
    assert_eq!(made["AliasArn"], format!("{ARN}:live"));
    let again = json!({"Name": "live", "FunctionVersion": "1"});
    assert_eq!(api.refused("POST shop/aliases", again).await, "ResourceConflictException");
    let told = api.invoke("?Qualifier=live").await;
    assert_eq!(
        (release(&told).as_str(), &told["AWS_LAMBDA_FUNCTION_VERSION"]),
        ("one", &json!("1"))
    );

    let weights = |weights: Value| json!({"RoutingConfig": {"AdditionalVersionWeights": weights}});
    for (wrong, code) in [
        (weights(json!({"9": 0.1})), "ResourceNotFoundException"),
        (weights(json!({"1": 0.1})), "InvalidParameterValueException"),
        (weights(json!({"$LATEST": 0.1})), "InvalidParameterValueException"),
        (weights(json!({"2": 1.5})), "ValidationException"),
        (weights(json!({"2": -0.1})), "ValidationException"),
        (weights(json!({"2": 0.1, "1": 0.1})), "InvalidParameterValueException"),
        (json!({"FunctionVersion": "9"}), "ResourceNotFoundException"),
        (json!({"RevisionId": "old"}), "PreconditionFailedException"),
    ] {
        assert_eq!(api.refused("PUT shop/aliases/live", wrong.clone()).await, code, "{wrong}");
    }
    assert_eq!(api.refused("PUT shop/aliases/other", json!({})).await, "ResourceNotFoundException");
    let half = api.well("PUT shop/aliases/live", weights(json!({"2": 0.5}))).await;
    assert_eq!(half["RoutingConfig"]["AdditionalVersionWeights"], json!({"2": 0.5}));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        seen.insert(release(&api.invoke("?Qualifier=live").await));
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    // Both are needed while the alias leads to them.
    for version in ["1", "2"] {
        let path = format!("DELETE shop?Qualifier={version}");
        assert_eq!(api.refused(&path, Value::Null).await, "ResourceConflictException");
    }
    let moved = json!({"FunctionVersion": "2", "RoutingConfig": {}});
    let moved = api.well("PUT shop/aliases/live", moved).await;
    assert!(moved.get("RoutingConfig").is_none(), "{moved}");
    assert_eq!(release(&api.invoke("?Qualifier=live").await), "two");
    let leads = api.well("GET shop/aliases?FunctionVersion=2", Value::Null).await;
    assert_eq!(leads["Aliases"].as_array().unwrap().len(), 1);
    api.well("DELETE shop/aliases/live", Value::Null).await;
    assert_eq!(
        api.refused("GET shop/aliases/live", Value::Null).await,
        "ResourceNotFoundException"
    );
    api.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_is_there_again_and_an_update_that_was_cut_off_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let first = Api::open(folder.path()).await;
    first.create("one").await;
    first.well("POST shop/versions", json!({})).await;
    first.well("POST shop/aliases", json!({"Name": "live", "FunctionVersion": "1"})).await;
    let url = "/2021-10-31/functions/shop/url?Qualifier=live";
    let made = first.well(&format!("POST {url}"), json!({"AuthType": "NONE"})).await;
    first.host.shutdown().await;
    drop(first);
    // As a host that was killed would have left it: begun, and not unpacked.
    let path = folder.path().join("functions/shop.json");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["latest"]["update"] = json!("InProgress");
    std::fs::write(&path, record.to_string()).unwrap();
    let code = folder.path().join("code");
    let sha = std::fs::read_dir(&code).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(sha.join("root")).unwrap();
    std::fs::create_dir(code.join(".half")).unwrap();
    std::fs::write(folder.path().join("functions/odd.json"), "{").unwrap();

    let second = Api::open(folder.path()).await;
    let now = second.well("GET shop/configuration", Value::Null).await;
    assert_eq!((&now["State"], &now["LastUpdateStatus"]), (&json!("Active"), &json!("Successful")));
    assert_eq!(release(&second.invoke("?Qualifier=live").await), "one");
    assert!(!code.join(".half").exists());
    let again = second.well(&format!("GET {url}"), Value::Null).await;
    assert_eq!(again["FunctionUrl"], made["FunctionUrl"]);
    second.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_has_an_address_once_its_policy_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::open(folder.path()).await;
    api.create("one").await;
    api.well("POST shop/versions", json!({})).await;
    api.well("POST shop/aliases", json!({"Name": "live", "FunctionVersion": "1"})).await;
    let path = "/2021-10-31/functions/shop/url?Qualifier=live";
    let missing = api.refused(&format!("GET {path}"), Value::Null).await;
    assert_eq!(missing, "ResourceNotFoundException");
    let made = api.well(&format!("POST {path}"), json!({"AuthType": "NONE"})).await;
    let url = made["FunctionUrl"].as_str().unwrap().to_owned();
    let get = async || {
        let answer = reqwest::get(format!("{url}total?x=1")).await.unwrap();
        (answer.status().as_u16(), answer.headers().get("x-path").cloned())
    };
    assert_eq!(get().await, (403, None));
    let permission = json!({
        "StatementId": "public", "Action": "lambda:InvokeFunctionUrl", "Principal": "*",
        "FunctionUrlAuthType": "NONE",
    });
    api.well("POST shop/policy?Qualifier=live", permission.clone()).await;
    let again = api.refused("POST shop/policy?Qualifier=live", permission).await;
    assert_eq!(again, "ResourceConflictException");
    assert_eq!(get().await, (201, Some("/total".parse().unwrap())));
    let conflict = api.refused(&format!("POST {path}"), json!({"AuthType": "NONE"})).await;
    assert_eq!(conflict, "ResourceConflictException");
    api.well(&format!("DELETE {path}"), Value::Null).await;
    let end = std::time::Instant::now();
    while reqwest::get(&url).await.is_ok() {
        assert!(end.elapsed().as_secs() < 20, "it is served on");
    }
    api.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_refuses_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        FunctionStore { max_storage: 1 << 20, ..FunctionStore::new(folder.path(), "/none") };
    let api = Api::with(store).await;
    let new = |change: Value| {
        let mut body = json!({
            "FunctionName": "shop", "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": ROLE, "Code": {"ZipFile": zip(&[("bootstrap", b"#!/bin/sh\n")])},
            "Architectures": [if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }],
        });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let other = if cfg!(target_arch = "aarch64") { "x86_64" } else { "arm64" };
    let noise: Vec<u8> = vec![7; 2 << 20];
    for (change, code) in [
        (json!({"FunctionName": "a b"}), "ValidationException"),
        (json!({"FunctionName": "a".repeat(65)}), "ValidationException"),
        (json!({"FunctionName": "fixed"}), "AccessDeniedException"),
        (json!({"Runtime": "cobol"}), "ValidationException"),
        (json!({"Runtime": "python3.11"}), "InvalidParameterValueException"),
        (json!({"Code": {}}), "InvalidParameterValueException"),
        (json!({"Code": {"ZipFile": "!"}}), "InvalidParameterValueException"),
        (json!({"Code": {"ZipFile": "AAAA"}}), "InvalidParameterValueException"),
        (json!({"Code": {"ImageUri": "x"}}), "InvalidParameterValueException"),
        (json!({"Code": {"S3Bucket": "b", "S3Key": "k"}}), "InvalidParameterValueException"),
        (json!({"Architectures": [other]}), "InvalidParameterValueException"),
        (json!({"Code": {"ZipFile": zip(&[("noise", &noise)])}}), "CodeStorageExceededException"),
    ] {
        let refused = api.refused("POST /2015-03-31/functions", new(change.clone())).await;
        assert_eq!(refused, code, "{}", change.to_string().chars().take(200).collect::<String>());
    }
    api.well("POST /2015-03-31/functions", new(json!({}))).await;
    let again = api.refused("POST /2015-03-31/functions", new(json!({}))).await;
    assert_eq!(again, "ResourceConflictException");
    api.settled().await;
    // What is at fault replaces nothing: a file that stands there twice.
    let mut damaged =
        BASE64.decode(zip(&[("bootstrap", b"#!/bin/sh\n"), ("again", b"x")])).unwrap();
    let (from, to) = (b"again", b"/..//");
    while let Some(at) = damaged.windows(5).position(|part| part == from) {
        damaged[at..at + 5].copy_from_slice(to);
    }
    let before = api.settled().await;
    api.well("PUT shop/code", json!({"ZipFile": BASE64.encode(damaged)})).await;
    let after = api.settled().await;
    assert_eq!(after["LastUpdateStatus"], "Failed", "{after}");
    assert_eq!((&after["State"], &after["CodeSha256"]), (&json!("Active"), &before["CodeSha256"]));
    api.host.shutdown().await;
}

/// A handler in an interpreter, where the machine has it.
async fn interpreted(program: &str, runtime: &str, file: &str, text: &str) {
    let path = std::env::var("PATH").unwrap();
    if !std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        eprintln!("skipped: there is no {program} on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let api = Api::open(folder.path()).await;
    let body = json!({
        "FunctionName": "shop", "Runtime": runtime, "Handler": "app.handler", "Role": ROLE,
        "Timeout": 20, "Code": {"ZipFile": zip(&[(file, text.as_bytes())])},
        "Architectures": [if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }],
    });
    api.well("POST /2015-03-31/functions", body).await;
    api.settled().await;
    let first = api.well("POST shop/invocations", json!({"n": 20})).await;
    assert_eq!(first, json!({"total": 21, "function": "shop", "time": true}));
    let client = reqwest::Client::new();
    let url = format!("{}/2015-03-31/functions/shop/invocations", api.url);
    let failed = client.post(&url).body(r#"{"fail": "no tea"}"#).send().await.unwrap();
    assert_eq!(failed.headers()["x-amz-function-error"], "Unhandled");
    let failed: Value = failed.json().await.unwrap();
    assert_eq!(failed["errorMessage"], "no tea");
    // The instance is used again.
    assert_eq!(api.well("POST shop/invocations", json!({"n": 1})).await["total"], 2);
    assert_eq!(api.host.instances().len(), 1);
    // What cannot be loaded says so.
    api.well("PUT shop/configuration", json!({"Handler": "app.nobody"})).await;
    api.settled().await;
    let broken: Value = client.post(&url).body("{}").send().await.unwrap().json().await.unwrap();
    assert!(broken["errorMessage"].as_str().unwrap().contains("nobody"), "{broken}");
    api.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_python_is_run() {
    let text = "def handler(event, context):\n    if 'fail' in event:\n        raise ValueError(event['fail'])\n    \
                return {'total': event['n'] + 1, 'function': context.function_name,\n            \
                'time': context.get_remaining_time_in_millis() > 0}\n";
    interpreted("python3", "python3.12", "app.py", text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_javascript_is_run() {
    let text = "export async function handler(event, context) {\n  if (event.fail) throw new Error(event.fail);\n  \
                return { total: event.n + 1, function: context.functionName,\n           \
                time: context.getRemainingTimeInMillis() > 0 };\n}\n";
    interpreted("node", "nodejs22.x", "app.mjs", text).await;
}
