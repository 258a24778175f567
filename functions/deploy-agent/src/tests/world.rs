//! What the tests of the agent share: a folder, the ports in memory, and a service to deploy.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use pact_agent::{
    AgentError, adapter, built,
    bundle::{EntryKind, Packer},
    ports::{Artifacts, Environments},
    testing::Memory,
};
use pact_contract::{
    Deployment, EnvironmentKey, IntentEnvelope, ReleaseId, Repository, ResponseEnvelope,
    StageStatus,
    actions::{BuiltRelease, CheckStatus, Deploy, EnvironmentRecord, Rollback, SourceRef},
    envelope::Context,
    run::DeploymentStatus,
    settings::{Environment, Instance, Watch},
};
use serde_json::Value;

use super::functions;
use crate::{
    Aws, Builder, Config, DeployAgent,
    names::hash,
    steps::Steps,
    targets::{
        directory::{self, Service, Settings, layout::Layout},
        services,
    },
};

/// The environment that is deployed to.
pub(super) fn key() -> EnvironmentKey {
    "acme/web#staging".parse().expect("a key")
}

/// The small service of this repository, built once.
pub(super) fn server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/release-site/src/main.rs");
        let text = std::fs::read_to_string(&source).expect("the fixture is there");
        let folder = std::env::current_exe().expect("a test").parent().expect("deps").to_owned();
        let built = folder.join(format!("release-site-{:016x}", hash(&text)));
        if !built.exists() {
            let next = folder.join(format!("release-site-{}", std::process::id()));
            let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
            let status = std::process::Command::new(rustc)
                .args(["--edition", "2024", "-C", "strip=symbols", "-o"])
                .arg(&next)
                .arg(&source)
                .status()
                .expect("rustc runs");
            assert!(status.success(), "the fixture does not compile");
            std::fs::rename(&next, &built).expect("moves");
        }
        built
    })
}

/// The reverse proxy of the machine, in a thread of its own. It ends like one that is killed: its
/// services go on.
pub(super) struct Proxy {
    end: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Proxy {
    pub(super) fn start(folder: PathBuf) -> Self {
        let (end, ended) = mpsc::channel();
        let (up, is_up) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            let options = local_proxy::Options::default();
            let host = runtime.block_on(local_proxy::Host::start(&folder, options));
            let host = host.expect("the proxy starts");
            up.send(()).expect("is awaited");
            ended.recv().unwrap_or_default();
            drop(host);
        });
        is_up.recv().expect("the proxy is up");
        Self { end, thread }
    }

    pub(super) fn kill(self) {
        drop(self.end);
        self.thread.join().expect("ends");
    }
}

/// A release that gets requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) release: String,
    pub(super) pid: u32,
    pub(super) port: u16,
}

pub(super) struct World {
    pub(super) root: tempfile::TempDir,
    pub(super) memory: Arc<Memory>,
    proxy_folder: tempfile::TempDir,
    proxy: Mutex<Option<Proxy>>,
    /// Where functions are.
    pub(super) aws: Option<Aws>,
    /// Where commands run, with the artifact store that their builds reach.
    pub(super) commands: Option<(Builder, Arc<dyn Artifacts>)>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill_proxy();
        let marks = self.proxy_folder().to_string_lossy().into_owned();
        pact_processes::stop(|| pact_processes::marked("LOCAL_PROXY_HOST", &marks))
            .expect("every service ends");
        services::stop_all(self.root.path()).expect("stops");
    }
}

/// What an action answered.
pub(super) type Answer = Result<(ResponseEnvelope, Deployment), AgentError>;

impl World {
    pub(super) fn new() -> Self {
        let world = Self {
            root: tempfile::tempdir().expect("a folder"),
            memory: Memory::new(),
            proxy_folder: tempfile::tempdir().expect("a folder"),
            proxy: Mutex::default(),
            aws: None,
            commands: None,
        };
        world.start_proxy();
        world
    }

    pub(super) fn proxy_folder(&self) -> PathBuf {
        self.proxy_folder.path().canonicalize().expect("is there").join("proxy")
    }

    pub(super) fn start_proxy(&self) {
        let mut proxy = self.proxy.lock().expect("no panic");
        assert!(proxy.is_none(), "it is up");
        *proxy = Some(Proxy::start(self.proxy_folder()));
    }

    pub(super) fn kill_proxy(&self) {
        if let Some(proxy) = self.proxy.lock().expect("no panic").take() {
            proxy.kill();
        }
    }

    /// The environment's services as the proxy keeps them.
    fn kept_services(&self) -> BTreeMap<String, Value> {
        let text = std::fs::read(self.proxy_folder().join("state.json")).expect("a state");
        let state: Value = serde_json::from_slice(&text).expect("json");
        serde_json::from_value(state["services"].clone()).expect("services")
    }

    pub(super) fn agent(&self, steps: Steps) -> DeployAgent {
        let config = self.config();
        let mut agent = DeployAgent::new(config, self.memory.clone() as _, self.artifacts());
        agent.steps = steps;
        if let Some((builder, _)) = &self.commands {
            agent = agent.with_builds(builder.clone());
        }
        match &self.aws {
            Some(aws) => agent.with_aws(aws.clone()),
            None => agent,
        }
    }

    fn artifacts(&self) -> Arc<dyn Artifacts> {
        match &self.commands {
            Some((_, artifacts)) => Arc::clone(artifacts),
            None => self.memory.clone() as _,
        }
    }

    pub(super) fn config(&self) -> Config {
        let proxy = self.proxy_folder().join(local_proxy::ANNOUNCEMENT);
        Config { root: Some(self.root.path().to_owned()), proxy: Some(proxy), roles: None }
    }

    pub(super) fn folder(&self) -> Layout {
        Layout::locate(self.root.path(), &key(), None).expect("a folder")
    }

    pub(super) async fn act(
        &self,
        steps: Steps,
        action: &str,
        run: &str,
        parameters: Value,
    ) -> Answer {
        let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
        let context = Context {
            run_id: Some(run.parse().expect("an id")),
            state: Some("State".parse().expect("a name")),
            ..Context::default()
        };
        let intent =
            IntentEnvelope::new("pact.pipeline", Timestamp::now(), action, parameters, context);
        let intent = serde_json::to_value(intent).expect("serialises");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        let agent = self.agent(steps);
        let answer = adapter::handle(&agent, &self.memory.recording(), intent, deadline).await?;
        let answer: ResponseEnvelope = serde_json::from_value(answer).expect("a response");
        let output = serde_json::from_value(answer.response.output.clone()).expect("a deployment");
        Ok((answer, output))
    }

    pub(super) async fn deploy_with(
        &self,
        steps: Steps,
        run: &str,
        release: &str,
        settings: &Environment,
    ) -> Answer {
        let wanted = self.wanted(release, settings).await;
        self.act(steps, "deploy.to_staging", run, wanted).await
    }

    /// Parameters of a deployment, whose source is in the artifact store.
    pub(super) async fn wanted(&self, release: &str, settings: &Environment) -> Value {
        let mut packer = Packer::new();
        packer.add("README.md", EntryKind::File, release.as_bytes()).expect("packs");
        if self.aws.is_some() {
            functions::pack(&mut packer, release);
        }
        let key = format!("sources/{release}");
        self.artifacts().put(&key, packer.finish().expect("packs")).await.expect("is kept");
        let wanted = Deploy {
            repository: repository(),
            release: "r0".parse().expect("a name"),
            source: SourceRef { key, commit: format!("c-{release}") },
            environment: None,
            settings: settings.clone(),
            origin: None,
            built: self.built(release, settings).await,
            weight: None,
        };
        let mut wanted = serde_json::to_value(wanted).expect("json");
        // It need not be the name of a release.
        wanted["release"] = release.into();
        wanted
    }

    /// What the run built for a target that builds: its source with the server beside it.
    async fn built(&self, release: &str, settings: &Environment) -> Vec<BuiltRelease> {
        let Ok(Settings { build, .. }) = settings.target.parse() else { return Vec::new() };
        if build.is_empty() || build.iter().any(|command| *command == NOT_BUILT) {
            return Vec::new();
        }
        let mut packer = Packer::new();
        packer.add("README.md", EntryKind::File, release.as_bytes()).expect("packs");
        let program = std::fs::read(server()).expect("the server is built");
        packer.add("server", EntryKind::Executable, &program).expect("packs");
        let bytes = packer.finish().expect("packs");
        let built = BuiltRelease {
            commands: built::commands_id(&build),
            key: format!("built/{release}"),
            digest: built::digest(&bytes),
            bytes: bytes.len() as u64,
            files: 2,
            serves: None,
            list_key: String::new(),
        };
        self.memory.put(&built.key, bytes).await.expect("is kept");
        vec![built]
    }

    pub(super) async fn deploy(&self, release: &str, settings: &Environment) -> Answer {
        let run = format!("run-{}", release.replace(['.', '/'], "-"));
        let answer = self.deploy_with(Steps::default(), &run, release, settings).await;
        self.end(&run).await;
        answer
    }

    pub(super) async fn deploy_well(&self, release: &str, settings: &Environment) -> Deployment {
        let (answer, output) = self.deploy(release, settings).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
        assert_eq!(output.status, DeploymentStatus::Live);
        output
    }

    pub(super) async fn roll_back_with(
        &self,
        steps: Steps,
        run: &str,
        release: &str,
        settings: &Environment,
    ) -> Answer {
        let wanted = Rollback {
            repository: repository(),
            environment: key().environment,
            release: release.parse().expect("a name"),
            settings: settings.clone(),
            why: None,
            to: None,
        };
        self.act(steps, "deploy.rollback", run, serde_json::to_value(wanted).expect("json")).await
    }

    pub(super) async fn roll_back(&self, release: &str, settings: &Environment) -> Answer {
        self.roll_back_with(Steps::default(), &format!("run-{release}"), release, settings).await
    }

    pub(super) async fn status(&self, release: Option<&str>, settings: &Environment) -> Answer {
        let wanted = CheckStatus {
            repository: repository(),
            environment: key().environment,
            release: release.map(|name| name.parse().expect("a name")),
            settings: settings.clone(),
        };
        let parameters = serde_json::to_value(wanted).expect("json");
        self.act(Steps::default(), "deploy.check_status", "run-x", parameters).await
    }

    /// The run is over: the state machine says that what it deployed is good, and gives its locks
    /// back.
    pub(super) async fn end(&self, run: &str) {
        self.memory.judge_good(&key(), &run.parse().expect("an id"));
        self.abandon(run).await;
    }

    /// The run is over before anybody judged what it deployed.
    pub(super) async fn abandon(&self, run: &str) {
        self.memory.unlock(&key(), &run.parse().expect("an id")).await.expect("unlocks");
    }

    pub(super) async fn record(&self) -> EnvironmentRecord {
        self.memory.load(&key()).await.expect("loads")
    }

    /// Writes the record of another environment.
    pub(super) async fn put_record(&self, key: &EnvironmentKey, record: &EnvironmentRecord) {
        let run = "run-of-another".parse().expect("an id");
        let lock = self.memory.lock(key, &run, Duration::from_secs(60)).await.expect("locks");
        let pact_agent::ports::Lock::Held { fence } = lock else { panic!("busy") };
        self.memory.store(key, record, fence).await.expect("stores");
        self.memory.unlock(key, &run).await.expect("unlocks");
    }

    /// The releases that get requests.
    pub(super) fn running(&self) -> Vec<Running> {
        self.instances(|instance| instance["weight"] != 0)
    }

    /// Every release that has a process.
    pub(super) fn warm_and_running(&self) -> Vec<Running> {
        self.instances(|instance| instance["phase"] != "ending" && instance["phase"] != "failed")
    }

    /// The share of each release that gets requests.
    pub(super) fn shares(&self) -> Vec<(String, u64)> {
        let services = self.kept_services().into_values();
        let mut shares: Vec<_> = services
            .flat_map(|service| service["instances"].as_object().cloned().unwrap_or_default())
            .filter_map(|(_, instance)| {
                let weight = instance["weight"].as_u64().filter(|weight| *weight > 0)?;
                Some((instance["spec"]["labels"]["release"].as_str()?.to_owned(), weight))
            })
            .collect();
        shares.sort();
        shares
    }

    fn instances(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<Running> {
        let services = self.kept_services().into_values();
        services
            .flat_map(|service| {
                let port = service["port"].as_u64().expect("a port");
                let instances = service["instances"].as_object().cloned().unwrap_or_default();
                instances.into_iter().map(move |(_, instance)| (port, instance))
            })
            .filter(|(_, instance)| is_wanted(instance))
            .map(|(port, instance)| Running {
                release: instance["spec"]["labels"]["release"].as_str().expect("a label").into(),
                pid: instance["process"]["pid"].as_u64().unwrap_or(0).try_into().expect("a pid"),
                port: port.try_into().expect("a port"),
            })
            .collect()
    }

    /// Asserts that `release` is in effect, everywhere that says so, and answers.
    pub(super) async fn assert_in_effect(&self, release: &str, previous: Option<&str>) {
        let record = self.record().await;
        assert_eq!(
            record.current.map(|r| r.release).as_ref().map(ReleaseId::as_str),
            Some(release)
        );
        assert_eq!(record.previous.map(|r| r.release).as_ref().map(ReleaseId::as_str), previous);
        assert_eq!(record.pending, None);
        assert_eq!(self.folder().current().as_ref().map(ReleaseId::as_str), Some(release));
        let url = record.url.expect("an address");
        assert!(get(&url, "/health").contains(&format!("\"release\":\"{release}\"")), "{url}");
        let running = self.running();
        assert_eq!(running.len(), 1, "{running:?}");
        assert_eq!(running[0].release, release);
    }
}

pub(super) fn repository() -> Repository {
    Repository {
        name: key().repository,
        url: "https://git.example/acme/web".to_owned(),
        default_branch: "main".to_owned(),
    }
}

pub(super) fn environment(settings: Settings) -> Environment {
    environment_of(directory::KIND.name, settings)
}

pub(super) fn environment_of(kind: &str, settings: impl serde::Serialize) -> Environment {
    Environment {
        target: Instance::with(kind, settings).expect("an object"),
        health: Vec::new(),
        approval: None,
        watch: Some(Watch::default()),
        shift: Default::default(),
        freeze: Vec::new(),
        no_return: None,
        wave_of: None,
    }
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

pub(super) fn service(command: &[&str], port: Option<u16>) -> Service {
    Service {
        command: words(command),
        port,
        env: Default::default(),
        startup_seconds: 10,
        keep_warm_seconds: 900,
        drain_seconds: 5,
    }
}

/// A command that the run did not build by.
pub(super) const NOT_BUILT: [&str; 1] = ["not-built"];

/// A release that was built and serves itself.
pub(super) fn site_with(change: impl FnOnce(&mut Settings)) -> Environment {
    let mut target = Settings {
        build: vec![words(&["make", "server"])],
        service: Some(service(&["./server"], None)),
        ..Settings::default()
    };
    change(&mut target);
    environment(target)
}

pub(super) fn site() -> Environment {
    site_with(|_| {})
}

pub(super) fn files(keep: u32) -> Environment {
    environment(Settings { keep, ..Settings::default() })
}

pub(super) fn get(url: &str, path: &str) -> String {
    try_get(url, path).expect("is answered")
}

pub(super) fn try_get(url: &str, path: &str) -> std::io::Result<String> {
    let address = url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
