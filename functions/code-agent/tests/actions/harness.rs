//! A repository, an agent over ports in memory, and intents.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pact_agent::{AgentError, adapter, ports::Artifacts, testing::Memory};
use pact_code_agent::{CodeAgent, Config};
use pact_contract::{
    ChangeSet, Finding, IntentEnvelope, ResponseEnvelope, StageStatus,
    actions::{AnalyzeChangesOutput, SourceRef},
    envelope::{Context, Response},
};
use pact_hosts::AppSettings;
use pact_hosts::Sources;
use serde_json::{Value, json};

pub(crate) struct Repo(pub(crate) tempfile::TempDir);

impl Repo {
    pub(crate) fn new() -> Option<Self> {
        if Command::new("git").arg("--version").output().is_err() {
            eprintln!("skipped: there is no git program");
            return None;
        }
        let repo = Self(tempfile::tempdir().unwrap());
        repo.git(&["init", "-q", "-b", "main"]);
        Some(repo)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.invalid"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

pub(crate) struct World {
    pub(crate) memory: Arc<Memory>,
    agent: CodeAgent,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::allowing("file://,http://,private", None)
    }

    pub(crate) fn allowing(list: &str, token: Option<&str>) -> Self {
        let memory = Memory::new();
        let config = Config { allowed: Sources::parse(list).unwrap(), ..Config::default() };
        if let Some(token) = token {
            memory.set_secret("source-token", token);
        }
        let agent = CodeAgent::new(config, memory.clone(), memory.clone(), memory.clone());
        Self { memory, agent }
    }

    /// Of an installation that is a GitHub App of the host with this API.
    pub(crate) fn of_an_app(list: &str, api: &str) -> Self {
        let memory = Memory::new();
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let kind = "PRIVATE KEY";
        let pem = format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----");
        memory.set_secret("github-app-key", &pem);
        let app = AppSettings::read(|name| match name {
            "PACT_GITHUB_APP" => Some("1234".to_owned()),
            _ => Some(api.to_owned()),
        });
        let allowed = Sources::parse(list).unwrap();
        let config = Config { allowed, app: app.unwrap(), ..Config::default() };
        let agent = CodeAgent::new(config, memory.clone(), memory.clone(), memory.clone());
        Self { memory, agent }
    }

    pub(crate) async fn send(
        &self,
        action: &str,
        parameters: Value,
    ) -> Result<Response, AgentError> {
        self.send_within(action, parameters, Duration::from_secs(60)).await
    }

    pub(crate) async fn send_within(
        &self,
        action: &str,
        parameters: Value,
        limit: Duration,
    ) -> Result<Response, AgentError> {
        let Value::Object(parameters) = parameters else { panic!("an object") };
        let context =
            Context { run_id: Some("run-1".parse().expect("an id")), ..Context::default() };
        let intent = IntentEnvelope::new(
            "pact.pipeline",
            jiff::Timestamp::now(),
            action,
            parameters,
            context,
        );
        let deadline = tokio::time::Instant::now() + limit;
        let event = serde_json::to_value(intent).unwrap();
        let answer =
            adapter::handle(&self.agent, &self.memory.recording(), event, deadline).await?;
        Ok(serde_json::from_value::<ResponseEnvelope>(answer).unwrap().response)
    }

    pub(crate) async fn analyze(
        &self,
        url: &str,
        commit: &str,
        base: Option<&str>,
    ) -> Result<Response, AgentError> {
        self.analyze_ref(url, commit, base, "refs/heads/main").await
    }

    pub(crate) async fn analyze_ref(
        &self,
        url: &str,
        commit: &str,
        base: Option<&str>,
        reference: &str,
    ) -> Result<Response, AgentError> {
        let mut parameters = json!({
            "repository": { "name": "acme/web", "url": url, "default_branch": "main" },
            "reference": reference,
            "commit": commit,
        });
        if let Some(base) = base {
            parameters["base"] = base.into();
        }
        self.send("code.analyze_changes", parameters).await
    }

    pub(crate) async fn changes(&self) -> ChangeSet {
        let bytes =
            self.memory.get("runs/run-1/changes.json").await.unwrap().expect("a change set");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Analyses the commit and carries out `action` on what changed.
    pub(crate) async fn check(
        &self,
        action: &str,
        repo: &Repo,
        base: Option<&str>,
        settings: Value,
    ) -> Response {
        self.check_with(action, repo, base, settings, json!([])).await
    }

    pub(crate) async fn check_with(
        &self,
        action: &str,
        repo: &Repo,
        base: Option<&str>,
        settings: Value,
        waivers: Value,
    ) -> Response {
        let commit = repo.commit();
        let analyzed = self.analyze(&repo.url(), &commit, base).await.unwrap();
        let output = output(&analyzed);
        let parameters = json!({
            "source": output.source,
            "changes_key": output.changes_key,
            "settings": settings,
            "waivers": waivers,
        });
        self.send(action, parameters).await.unwrap()
    }

    pub(crate) async fn unpack(&self, source: &SourceRef) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        pact_agent::bundle::checkout(&*self.memory, source, folder.path()).await.unwrap();
        folder
    }
}

pub(crate) fn output(response: &Response) -> AnalyzeChangesOutput {
    serde_json::from_value(response.output.clone()).unwrap()
}

pub(crate) fn coded<'a>(response: &'a Response, code: &str) -> Vec<&'a Finding> {
    response.findings.iter().filter(|f| f.code == code).collect()
}

pub(crate) fn assert_status(response: &Response, status: StageStatus) {
    assert_eq!(response.status, status, "{}: {:#?}", response.summary, response.findings);
}
