//! The agent beside a real build host and a store that its builds reach over HTTP.
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a key is null")]

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path as Key, State},
    http::StatusCode,
    routing::get,
};
use local_codebuild::{CodeBuild, Limits, Options, Project, View};
use pact_agent::{
    AgentError, adapter,
    builds::{Access, Build, BuildPhase, BuildStatus, Builds, NewBuild, SignedUrls},
    bundle::{EntryKind, Packer},
    ports::{Artifacts, Listed, Registry, StoreError},
    testing::Memory,
};
use pact_contract::{
    IntentEnvelope, RepositoryName, ResponseEnvelope, envelope::Context, registry::RepositoryEntry,
};
use pact_hosts::HostTokens;
use pact_test_agent::{HostClient, Services, TestAgent};
use serde_json::{Value, json};

const PROJECT: &str = "pact-build";

pub(crate) struct Bench {
    pub(crate) memory: Arc<Memory>,
    pub(crate) agent: TestAgent,
    _folder: tempfile::TempDir,
}

/// The program that a build runs in, beside the tests of this workspace.
fn sandbox() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a file");
    let program = own.ancestors().nth(2).expect("a folder").join("codebuild-sandbox");
    assert!(program.exists(), "build the workspace first: {} is missing", program.display());
    program
}

fn host(folder: &Path, extra: &[(&str, &str)]) -> CodeBuild {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let own = ["PATH", "LANG", "RUSTUP_HOME", "SSL_CERT_FILE", "PYENV_ROOT"];
    let own = own.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let mut environment: BTreeMap<String, String> = own.collect();
    environment.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    let path = std::env::var("PATH").expect("a PATH");
    let mut read_only: Vec<PathBuf> =
        ["/usr", "/bin", "/lib", "/lib64", "/etc", "/opt"].map(PathBuf::from).into();
    for folder in std::env::split_paths(&path).filter(|folder| folder.starts_with(&home)) {
        let environment = folder.parent().filter(|root| root.join("pyvenv.cfg").exists());
        read_only.push(environment.map_or(folder.clone(), Path::to_owned));
    }
    read_only.push(home.join(".rustup"));
    read_only.push(home.join(".pyenv"));
    read_only.sort();
    read_only.dedup();
    let host = CodeBuild::open(Options {
        data_dir: folder.join("codebuild"),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        sandbox: vec![sandbox().into()],
        view: View { read_only, home, ..View::default() },
        limits: Limits::default(),
        environment,
        upstream_proxy: None,
        concurrency: 2,
        grace: Duration::from_millis(500),
    });
    let host = host.expect("a host");
    host.put_project(Project::new(PROJECT, "us-east-1", "000000000000"));
    host
}

/// Objects by address, as S3 has them.
async fn store(memory: Arc<Memory>) -> SocketAddr {
    async fn read(
        State(memory): State<Arc<Memory>>,
        Key(key): Key<String>,
    ) -> Result<Bytes, StatusCode> {
        memory.get(&key).await.ok().flatten().ok_or(StatusCode::NOT_FOUND)
    }
    async fn write(
        State(memory): State<Arc<Memory>>,
        Key(key): Key<String>,
        content: Bytes,
    ) -> StatusCode {
        match memory.put(&key, content).await {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new()
        .route("/{*key}", get(read).put(write))
        .layer(DefaultBodyLimit::disable())
        .with_state(memory);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

struct Urls(SocketAddr);

#[async_trait]
impl SignedUrls for Urls {
    async fn signed_url(&self, _: Access, key: &str, _: Duration) -> Result<String, StoreError> {
        Ok(format!("http://{}/{key}?signature=0123", self.0))
    }
}

/// The build host; the object `started` has the id of every build that was started, a line each.
pub(crate) struct Host(CodeBuild, Arc<Memory>);

impl Host {
    async fn call(&self, operation: &str, input: Value) -> Result<Value, StoreError> {
        let answer = self.0.call(operation, input).await;
        answer.map_err(|error| StoreError::Unavailable(format!("{error:?}"), None))
    }
}

fn status(value: &Value) -> BuildStatus {
    match value.as_str() {
        Some("SUCCEEDED") => BuildStatus::Succeeded,
        Some("FAILED") => BuildStatus::Failed,
        Some("FAULT") => BuildStatus::Fault,
        Some("TIMED_OUT") => BuildStatus::TimedOut,
        Some("STOPPED") => BuildStatus::Stopped,
        _ => BuildStatus::InProgress,
    }
}

#[async_trait]
impl Builds for Host {
    async fn start(&self, build: &NewBuild) -> Result<String, StoreError> {
        let variables: Vec<_> = build
            .variables
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let input = json!({
            "projectName": PROJECT,
            "buildspecOverride": build.buildspec,
            "environmentVariablesOverride": variables,
            "idempotencyToken": build.token,
            "cacheOverride": { "type": "LOCAL", "cacheNamespace": build.cache },
        });
        let answer = self.call("StartBuild", input).await?;
        let id = answer["build"]["id"].as_str().expect("an id");
        let before = self.1.get("started").await?.unwrap_or_default();
        let before = String::from_utf8_lossy(&before).into_owned();
        if !before.contains(id) {
            self.1.put("started", format!("{before}{id}\n").into()).await?;
        }
        Ok(id.to_owned())
    }

    async fn build(&self, id: &str) -> Result<Option<Build>, StoreError> {
        let answer = self.call("BatchGetBuilds", json!({ "ids": [id] })).await?;
        let Some(build) = answer["builds"].get(0) else { return Ok(None) };
        let phases = build["phases"].as_array().into_iter().flatten().map(|phase| BuildPhase {
            name: phase["phaseType"].as_str().unwrap_or_default().to_owned(),
            status: phase.get("phaseStatus").map(status),
            message: phase["contexts"][0]["message"].as_str().map(str::to_owned),
            took: Duration::from_secs(phase["durationInSeconds"].as_u64().unwrap_or(0)),
            started: phase["startTime"].as_f64().and_then(|at| {
                jiff::Timestamp::UNIX_EPOCH.checked_add(Duration::from_secs_f64(at)).ok()
            }),
        });
        Ok(Some(Build {
            id: id.to_owned(),
            status: status(&build["buildStatus"]),
            phases: phases.collect(),
            image: None,
            started: None,
        }))
    }

    async fn stop(&self, id: &str) -> Result<(), StoreError> {
        self.call("StopBuild", json!({ "id": id })).await.map(drop)
    }
}

/// One repository, or none.
struct Known(Option<RepositoryEntry>);

#[async_trait]
impl Registry for Known {
    async fn repository(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryEntry>, StoreError> {
        Ok(self.0.clone().filter(|entry| entry.name == *name))
    }
    async fn put_repository(
        &self,
        _: &RepositoryEntry,
        _: Option<&RepositoryEntry>,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn remove_repository(&self, _: &RepositoryName) -> Result<(), StoreError> {
        Ok(())
    }
    async fn repositories(&self) -> Result<Listed<RepositoryEntry>, StoreError> {
        Ok(Listed::default())
    }
}

impl Bench {
    pub(crate) async fn new(extra: &[(&str, &str)]) -> Self {
        Self::with(extra, None).await
    }

    /// One whose repository is registered so, if it is.
    pub(crate) async fn with(extra: &[(&str, &str)], entry: Option<RepositoryEntry>) -> Self {
        Self::over(extra, entry, |host, _| Arc::new(host)).await
    }

    /// One whose build service is made of the host and the store.
    pub(crate) async fn over(
        extra: &[(&str, &str)],
        entry: Option<RepositoryEntry>,
        service: impl FnOnce(Host, Arc<Memory>) -> Arc<dyn Builds>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::new();
        let host = Host(host(folder.path(), extra), Arc::clone(&memory));
        let agent = TestAgent::new(Services {
            artifacts: Arc::clone(&memory) as _,
            urls: Arc::new(Urls(store(Arc::clone(&memory)).await)),
            builds: service(host, Arc::clone(&memory)),
            registry: Arc::new(Known(entry)),
            tokens: Arc::new(HostTokens::new(Arc::clone(&memory) as _, None)),
            hosts: HostClient::default(),
        });
        Self { memory, agent, _folder: folder }
    }

    pub(crate) async fn pack<C: AsRef<[u8]>>(&self, files: &[(&str, C)]) {
        let mut packer = Packer::new();
        for (path, content) in files {
            let content = content.as_ref();
            let executable = content.starts_with(b"#!");
            let kind = if executable { EntryKind::Executable } else { EntryKind::File };
            packer.add(path, kind, content).expect("it is packed");
        }
        let bundle = packer.finish().expect("a bundle");
        self.memory.put("source", bundle).await.expect("it is kept");
    }

    pub(crate) async fn call(
        &self,
        action: &str,
        parameters: Value,
    ) -> Result<ResponseEnvelope, AgentError> {
        self.call_for(action, parameters, Duration::from_secs(240)).await
    }

    pub(crate) async fn call_for(
        &self,
        action: &str,
        mut parameters: Value,
        time: Duration,
    ) -> Result<ResponseEnvelope, AgentError> {
        let defaults = json!({
            "source": { "key": "source", "commit": "c0ffee" },
            "repository": { "name": "acme/web", "url": "https://example.org/acme/web", "default_branch": "main" },
        });
        for (key, value) in defaults.as_object().expect("an object") {
            // No report is fetched from a repository.
            if action == "tests.check_coverage" && key == "repository" {
                continue;
            }
            parameters.as_object_mut().expect("an object").entry(key).or_insert(value.clone());
        }
        let context = Context {
            run_id: Some("run-1".parse().expect("an id")),
            state: Some("RunTests".parse().expect("a name")),
            ..Context::default()
        };
        let parameters = parameters.as_object().expect("an object").clone();
        let now = jiff::Timestamp::now();
        let intent = IntentEnvelope::new("pact.pipeline", now, action, parameters, context);
        let event = serde_json::to_value(intent).expect("it is written");
        let deadline = tokio::time::Instant::now() + time;
        let answer =
            adapter::handle(&self.agent, &self.memory.recording(), event, deadline).await?;
        Ok(serde_json::from_value(answer).expect("a response"))
    }

    pub(crate) async fn unit<C: AsRef<[u8]>>(
        &self,
        files: &[(&str, C)],
        settings: Value,
    ) -> ResponseEnvelope {
        self.pack(files).await;
        let parameters = json!({ "settings": settings });
        self.call("tests.run_unit", parameters).await.expect("a verdict")
    }

    pub(crate) async fn log(&self) -> String {
        let bytes = self.memory.get("runs/run-1/logs/RunTests.txt").await.expect("the store");
        String::from_utf8(bytes.expect("a log").to_vec()).expect("text")
    }
}
