//! The target `lambda`: a function of the local Lambda host behind the address of an alias.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use axum::{Router, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD};
use local_lambda_host::{FunctionStore, Host, HostOptions};
use pact_agent::bundle::{EntryKind, Packer};
use pact_contract::{settings::Environment, shift::WHOLE};
use pact_deploy_agent::{Aws, Config};
use serde_json::{Value, json};

use crate::{
    OVERHEAD, Table,
    load::Load,
    world::{World, environment, strategies_under_load},
};

const ROLES: &str = "arn:aws:iam::000000000000:role/pact-deploy-";
const SHOP: &str = "/2015-03-31/functions/shop";

pub(crate) async fn measure(table: &mut Table, count: usize) {
    table.heading("lambda, an alias of a function of the local host");
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let functions = Some(FunctionStore::new(folder.path(), path));
    let options = HostOptions { functions, ..HostOptions::default() };
    let host = Host::start(options, Vec::new()).await.unwrap();
    let roles = Router::new().route("/", post(async || GRANTED));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = host.router().merge(roles);
    tokio::spawn(async move { axum::serve(listener, router).await });

    let api = Api { url, client: reqwest::Client::new() };
    let address = api.set_up().await;
    let own = api.by_hand(table, count).await;
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "bench", "bench", None, None, "bench",
        )))
        .endpoint_url(&api.url)
        .build();
    let aws = Aws::new(sdk, Some(ROLES.to_owned()));
    let world = World::new(Config { root: None, proxy: None, roles: None }, Some(aws), pack);
    let times = strategies_under_load(table, count, &world, &settings()).await;
    let agent = table.times("a deployment at once", times, None);
    let over = agent.saturating_sub(own);
    table.row("beyond the calls of Lambda", &format!("{over:.0?}"), over < OVERHEAD);
    ill(table, &world, &address).await;
    host.shutdown().await;
}

/// What STS says.
const GRANTED: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
    <AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
    <SessionToken>t</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>\
    </AssumeRoleResult></AssumeRoleResponse>";

fn settings() -> Environment {
    environment("lambda", json!({ "function": "shop", "artifact": "dist" }))
}

/// The small runtime of this repository, in the standard library alone.
fn bootstrap() -> Vec<u8> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let source = manifest.join("../../tests/src/bin/fixture-bootstrap.rs");
    let folder = tempfile::tempdir().unwrap();
    let built = folder.path().join("bootstrap");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "-O", "-C", "strip=symbols", "-o"]);
    assert!(command.arg(&built).arg(source).status().unwrap().success());
    std::fs::read(built).unwrap()
}

fn program() -> &'static [u8] {
    static BUILT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BUILT.get_or_init(bootstrap)
}

fn pack(packer: &mut Packer, release: &str, mode: &str) {
    packer.add("dist/bootstrap", EntryKind::Executable, program()).unwrap();
    packer.add("dist/release", EntryKind::File, release.as_bytes()).unwrap();
    packer.add("dist/mode", EntryKind::File, mode.as_bytes()).unwrap();
}

/// The functions, as somebody with an AWS client has them.
struct Api {
    url: String,
    client: reqwest::Client,
}

impl Api {
    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn settled(&self) {
        loop {
            let now = self.ask("GET", &format!("{SHOP}/configuration"), Value::Null).await;
            if now["LastUpdateStatus"] != "InProgress" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The function, its alias, and the alias's address.
    async fn set_up(&self) -> String {
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        let new = json!({
            "FunctionName": "shop", "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": "arn:aws:iam::000000000000:role/shop", "Timeout": 20,
            "Code": { "ZipFile": zip("by-hand") }, "Architectures": [architecture],
        });
        self.ask("POST", "/2015-03-31/functions", new).await;
        self.settled().await;
        self.ask("POST", &format!("{SHOP}/versions"), json!({})).await;
        let alias = json!({ "Name": "live", "FunctionVersion": "1" });
        self.ask("POST", &format!("{SHOP}/aliases"), alias).await;
        let path = "/2021-10-31/functions/shop/url?Qualifier=live";
        let url = self.ask("POST", path, json!({ "AuthType": "NONE" })).await;
        let open = json!({
            "StatementId": "everybody", "Action": "lambda:InvokeFunctionUrl", "Principal": "*",
            "FunctionUrlAuthType": "NONE",
        });
        self.ask("POST", &format!("{SHOP}/policy?Qualifier=live"), open).await;
        url["FunctionUrl"].as_str().unwrap().to_owned()
    }

    /// The calls of a deployment without the agent: what Lambda itself takes.
    async fn by_hand(&self, table: &mut Table, count: usize) -> Duration {
        let mut times = Vec::new();
        for number in 0..count {
            let zip = zip(&format!("by-hand-{number}"));
            let begun = Instant::now();
            self.ask("PUT", &format!("{SHOP}/code"), json!({ "ZipFile": zip })).await;
            self.settled().await;
            let made = self.ask("POST", &format!("{SHOP}/versions"), json!({})).await;
            let version = made["Version"].as_str().unwrap();
            let event = json!({ "rawPath": "/health" });
            self.ask("POST", &format!("{SHOP}/invocations?Qualifier={version}"), event).await;
            let to = json!({ "FunctionVersion": version });
            self.ask("PUT", &format!("{SHOP}/aliases/live"), to).await;
            times.push(begun.elapsed());
        }
        table.times("Lambda's own time for one, to compare with", times, None)
    }
}

fn zip(release: &str) -> String {
    use std::io::{Cursor, Write};
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    for (name, content) in [("bootstrap", program()), ("release", release.as_bytes())] {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    STANDARD.encode(zip.finish().unwrap().into_inner())
}

/// Ill releases in production. What dies while it answers is lost to whoever asked: Lambda asks no other
/// version. Such cases are shown, and stand beside the target that has a proxy.
async fn ill(table: &mut Table, world: &World, url: &str) {
    let settings = settings();
    world.deploy("well", &settings).await;
    for (mode, what) in
        [("exit", "never starts"), ("error", "reports an error"), ("ill", "answers 500")]
    {
        let load = Load::on(url);
        let done = world.step(mode, mode, &settings, WHOLE).await;
        let mut became = "refused".to_owned();
        if done.passed {
            let back = world.roll_back(mode, &settings).await;
            assert!(back.passed, "{}", back.summary);
            became = "deployed, and taken back".to_owned();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.end(mode).await;
        let (answers, serves) = (load.end().await, world.status("well", &settings).await.passed);
        let text = format!("{}; {became}", answers.text());
        table.row(&format!("one that {what}"), &text, answers.failed == 0 && serves);
    }
}
