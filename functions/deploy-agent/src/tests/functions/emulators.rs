//! Emulators of AWS that others wrote understand the unchanged agent.

use std::collections::BTreeSet;

use super::*;
use crate::targets::Activation;

/// An emulator of AWS that others wrote, as a process; ended when it is dropped.
pub(in crate::tests) struct Emulator {
    pub(in crate::tests) url: String,
    child: std::process::Child,
    folder: Option<tempfile::TempDir>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

#[expect(clippy::print_stderr, reason = "what was skipped is said")]
/// Starts one where it is installed, as `tests/emulators/run` does it; says so where it is not.
pub(in crate::tests) async fn emulator(name: &str) -> Option<Emulator> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let program = cache.join("pact-ci/emulators/bin").join(name);
    if !program.is_file() {
        eprintln!("skipped: {name} is not installed; tests/emulators/run installs it");
        return None;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = std::process::Command::new(program);
    if name == "moto_server" {
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    }
    let child = command
        .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())])
        .envs([("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0")])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .envs([("AWS_DEFAULT_REGION", "us-east-1"), ("MOTO_ACCOUNT_ID", "000000000000")])
        .envs(["HOME", "TMPDIR", "S3_DATA_DIR", "STATE_DIR"].map(|name| (name, folder.path())))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let emulator =
        Emulator { url: format!("http://127.0.0.1:{port}"), child, folder: Some(folder) };
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed().as_secs() < 60, "{name} does not listen");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Some(emulator)
}

/// Makes a role, which emulators look for.
async fn make_role(url: &str, name: &str) {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("Action", "CreateRole"), ("Version", "2010-05-08"), ("RoleName", name)])
        .append_pair("AssumeRolePolicyDocument", trust)
        .finish();
    let answer = reqwest::Client::new()
        .post(url)
        .header("authorization", SCOPE.replace("/lambda/", "/iam/"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .expect("is answered");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
}

/// The calls of the target, and what each was proven against: `tests/emulators/run` prints it.
const CALLS: &str = include_str!("../../../../../tests/emulators/calls.json");

/// A call of Lambda's, or of the service of roles, by its method and path.
fn call_of(method: &str, path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (method, &parts[..]) {
        ("POST", []) => "AssumeRole",
        ("GET", [_, "functions", _, "configuration"]) => "GetFunctionConfiguration",
        ("PUT", [_, "functions", _, "code"]) => "UpdateFunctionCode",
        ("POST", [_, "functions", _, "versions"]) => "PublishVersion",
        ("GET", [_, "functions", _, "versions"]) => "ListVersionsByFunction",
        ("POST", [_, "functions", _, "aliases"]) => "CreateAlias",
        ("GET", [_, "functions", _, "aliases", _]) => "GetAlias",
        ("PUT", [_, "functions", _, "aliases", _]) => "UpdateAlias",
        ("DELETE", [_, "functions", _, "aliases", _]) => "DeleteAlias",
        ("POST", [_, "functions", _, "invocations"]) => "Invoke",
        ("GET", [_, "functions", _, "url"]) => "GetFunctionUrlConfig",
        ("GET", [_, "functions", _, "provisioned-concurrency"]) => {
            "GetProvisionedConcurrencyConfig"
        }
        _ => "another call",
    }
}

/// Stands before an emulator and notes what the agent asks, and whether it was answered.
async fn noted(url: String) -> (String, Arc<std::sync::Mutex<BTreeSet<&'static str>>>) {
    let seen = Arc::<std::sync::Mutex<BTreeSet<&'static str>>>::default();
    let (client, kept) = (reqwest::Client::new(), Arc::clone(&seen));
    let forward = move |request: Request| {
        let (client, kept, url) = (client.clone(), Arc::clone(&kept), url.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
            let target = format!("{url}{}", parts.uri);
            let mut headers = parts.headers;
            headers.remove("host");
            let sent = client.request(parts.method.clone(), target).headers(headers).body(body);
            let answer = sent.send().await.expect("is answered");
            let status = answer.status();
            // That something is not there is an answer too.
            if status.is_success() || status == StatusCode::NOT_FOUND {
                let call = call_of(parts.method.as_str(), parts.uri.path());
                kept.lock().expect("no panic").insert(call);
            }
            let mut headers = answer.headers().clone();
            headers.remove("transfer-encoding");
            headers.remove("content-length");
            (status, headers, answer.bytes().await.expect("a body")).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(forward);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, seen)
}

/// What nobody here wrote understands the unchanged agent: code, versions, aliases, roles. Invocations
/// are left out, as moto needs containers for them; `shares`: whether it can be asked for provisioned
/// concurrency, as is done before traffic is shared.
async fn on_an_emulator(name: &str, shares: bool) -> String {
    let Some(mut emulator) = emulator(name).await else { return "skipped".to_owned() };
    make_role(&emulator.url, "shop").await;
    let folder = emulator.folder.take().expect("a folder");
    let trouble = Arc::new(Trouble::default());
    let mut functions = Functions::over(emulator.url.clone(), None, trouble, folder).await;
    functions.with_alias().await;
    // What the tests ask themselves is none of the agent's.
    let (url, seen) = noted(emulator.url.clone()).await;
    functions.world.aws = Some(Aws::new(sdk(&url), Some(PREFIX.to_owned())));
    let (world, shop) = (&functions.world, shop());
    let leads = async || {
        let alias = functions.alias().await;
        let text = |field: &str| alias[field].as_str().unwrap_or_default().to_owned();
        (text("FunctionVersion"), text("Description"))
    };
    let own = |version: &str, release: &str| {
        (version.to_owned(), format!("pact acme/web:staging: {release}"))
    };
    world.deploy_well("r1", &shop).await;
    assert_eq!(leads().await, own("2", "r1"));
    world.deploy_well("r2", &shop).await;
    assert_eq!(leads().await, own("3", "r2"));
    let (answer, _) = world.status(Some("r2"), &shop).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
    for _ in 0..2 {
        let (_, back) = world.roll_back("r2", &shop).await.expect("no fault");
        assert_eq!(back.status, DeploymentStatus::RolledBack);
        assert_eq!(leads().await, own("2", "r1"));
    }
    if shares {
        let target = functions.target(&shop);
        target.shift(&functions.record("r2", &shop), 10).await.expect("no fault");
    }
    world.end("run-r2").await;
    let missing = finding(world.deploy("r3", &shop_with(json!({ "function": "nobody" }))).await);
    assert_eq!(missing.code, "function-missing");
    // An alias that was not there is made, and goes with the first release.
    let other = shop_with(json!({ "alias": "other" }));
    let target = functions.target(&other);
    let release = functions.record("r2", &shop);
    target.activate(&release, Activation::New, None).await.expect("no fault");
    target.vacate().await.expect("no fault");

    let calls: Value = serde_json::from_str(CALLS).expect("a list");
    let proven: BTreeSet<&str> = calls
        .as_array()
        .expect("a list")
        .iter()
        .filter(|call| call[name.trim_end_matches("_server")] == true)
        .filter_map(|call| call["call"].as_str())
        .collect();
    let seen = seen.lock().expect("no panic").clone();
    assert_eq!(seen, proven, "tests/emulators/calls.json says it");
    format!("lambda, proven against {name}: {}", seen.into_iter().collect::<Vec<_>>().join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_understands_the_agent() {
    println!("{}", on_an_emulator("moto_server", false).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_understands_the_agent() {
    println!("{}", on_an_emulator("ministack", true).await);
}
