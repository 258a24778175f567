//! Emulators of AWS that others wrote understand the unchanged agent.

use super::*;

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

/// What nobody here wrote understands the unchanged agent: code, versions, aliases, roles. Invocations
/// are left out, as moto needs containers for them; `shares`: whether it can be asked for provisioned
/// concurrency, as is done before traffic is shared.
async fn on_an_emulator(name: &str, shares: bool) {
    let Some(mut emulator) = emulator(name).await else { return };
    make_role(&emulator.url, "shop").await;
    let folder = emulator.folder.take().expect("a folder");
    let trouble = Arc::new(Trouble::default());
    let functions = Functions::over(emulator.url.clone(), None, trouble, folder).await;
    functions.with_alias().await;
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
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_understands_the_agent() {
    on_an_emulator("moto_server", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_understands_the_agent() {
    on_an_emulator("ministack", true).await;
}
