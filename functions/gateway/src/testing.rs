//! The gateway's ports in memory, with faults on demand.

mod arrivals;
mod others;
mod room;
mod runs;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use pact_agent::{
    access::MemoryAccess,
    arrivals::{Arrival, ArrivalKeys, Arrivals, Motor, NewPush, TakenUp},
    heads::{Heads as _, MemoryHeads},
    incidents::MemoryIncidents,
    metrics::MetricEvent,
    open::{OpenPage, OpenPlace, OpenRuns, Pass},
    ports::{
        ApprovalAnswer, ApprovalRecord, Branches, Callbacks, Claim, Environments, ExecutionState,
        Executions, Listed, Lock, Policies as _, Recorder, Registry, Runs, StoreError,
        TransactionLog,
    },
    pulls::MemoryPulls,
    room::{Queue, QueuedRun, Room},
    statuses::MemoryStatuses,
    testing::Memory,
};
use pact_contract::{
    EnvironmentKey, EnvironmentName, Repository, RepositoryName, RunId, RunRecord, RunStatus,
    StageRecord, StateName,
    actions::EnvironmentRecord,
    log::{LogEntry, NewEntry},
    pushes::BranchRecord,
    registry::RepositoryEntry,
    room::{Limits, RoomRecord},
    run::{Outcome, RunRequest, Trigger},
};
use pact_hosts::{AppSettings, HostTokens, Sources};
use pact_web::access::{API_TOKEN, Doors};
use serde_json::{Value, json};

use crate::{
    config::{Config, Supersede},
    ls_refs::Asking,
    ports::Ports,
    push::Push,
    routes::Gateway,
};

pub(crate) const SECRET: &str = "secret-of-the-webhooks";
pub(crate) const TOKEN: &str = "token-of-the-api-0123";

/// All ports over plain maps. Every call is counted; one of them, or all after it, can fail.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) memory: Arc<Memory>,
    pub(crate) access: Arc<MemoryAccess>,
    pub(crate) statuses: Arc<MemoryStatuses>,
    pub(crate) heads: Arc<MemoryHeads>,
    asking: Impatient,
    /// With which tokens hosts are asked; set before it is first needed.
    pub(crate) tokens: OnceLock<Arc<HostTokens>>,
    pub(crate) incidents: Arc<MemoryIncidents>,
    pulls: Arc<MemoryPulls>,
    pub(crate) state: Mutex<State>,
    /// What the motor was told and has not done.
    pub(crate) told: Arc<Mutex<Vec<Value>>>,
    calls: AtomicUsize,
    fail_at: Mutex<Option<usize>>,
    kill_at: Mutex<Option<usize>>,
    killed: tokio::sync::Notify,
}

/// Asks hosts of this machine alone, which answer at once or not at all.
struct Impatient(Arc<Asking>);

impl Default for Impatient {
    fn default() -> Self {
        Self(Arc::new(Asking {
            patience: Duration::from_millis(300),
            ..Asking::of(Sources::parse("http://,private").unwrap())
        }))
    }
}

pub(crate) struct State {
    pub(crate) registry: BTreeMap<RepositoryName, RepositoryEntry>,
    pub(crate) claims: BTreeMap<String, RunId>,
    stages: BTreeMap<(RunId, StateName), Value>,
    pub(crate) runs: BTreeMap<RunId, RunRecord>,
    /// How many runs may go on at once.
    pub(crate) limits: Limits,
    /// Who has room.
    pub(crate) room: (RoomRecord, u64),
    /// Whether a newer push takes the place of older ones.
    pub(crate) supersede: Supersede,
    /// Who waits, by place.
    pub(crate) queued: BTreeMap<RepositoryName, BTreeSet<(Timestamp, RunId)>>,
    pub(crate) queues: BTreeMap<RepositoryName, Queue>,
    /// Runs that are off the list of open ones.
    pub(crate) closed: BTreeSet<RunId>,
    /// The most entries that one call answered with.
    pub(crate) largest: usize,
    /// Inputs that are kept with runs.
    pub(crate) inputs: BTreeMap<RunId, Value>,
    /// Who has the pass, the latest fence, and where to go on.
    pub(crate) pass: (bool, u64, Option<OpenPlace>),
    /// How executions stand that do not run.
    pub(crate) states: BTreeMap<String, ExecutionState>,
    pub(crate) branches: BTreeMap<(RepositoryName, String), (BranchRecord, u64)>,
    /// Executions by name, with their inputs.
    pub(crate) executions: BTreeMap<String, Value>,
    /// Trace of the latest start.
    pub(crate) trace: Option<String>,
    pub(crate) stopped: BTreeSet<String>,
    pub(crate) approvals: BTreeMap<String, (ApprovalRecord, String)>,
    /// Task tokens that somebody waits with.
    pub(crate) waiting: BTreeSet<String>,
    pub(crate) answers: BTreeMap<String, Value>,
}

/// One repository is registered, the one that [`push_event`] tells of.
impl Default for State {
    fn default() -> Self {
        let entry = RepositoryEntry {
            schema: RepositoryEntry::VERSION,
            name: "acme/web".parse().unwrap(),
            url: "https://git.example.com/acme/web.git".to_owned(),
            local: None,
            default_branch: None,
            branches: Vec::new(),
            floor: Default::default(),
            forks: Default::default(),
            host: None,
            statuses: None,
            rotation: None,
            registered_by: "Ada".to_owned(),
            registered_at: Timestamp::UNIX_EPOCH,
        };
        Self {
            registry: [(entry.name.clone(), entry)].into(),
            branches: <_>::default(),
            claims: BTreeMap::new(),
            stages: BTreeMap::new(),
            runs: BTreeMap::new(),
            closed: BTreeSet::new(),
            limits: Limits::default(),
            room: <_>::default(),
            supersede: Supersede::default(),
            queued: BTreeMap::new(),
            queues: BTreeMap::new(),
            largest: 0,
            inputs: BTreeMap::new(),
            pass: <_>::default(),
            states: BTreeMap::new(),
            executions: BTreeMap::new(),
            trace: None,
            stopped: BTreeSet::new(),
            approvals: BTreeMap::new(),
            waiting: BTreeSet::new(),
            answers: BTreeMap::new(),
        }
    }
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails the call after `calls` more ones, once.
    pub(crate) fn fail_after(&self, calls: usize) {
        self.calls.store(0, Ordering::SeqCst);
        *self.fail_at.lock().unwrap() = Some(calls);
    }

    /// The calls since a fault was planned.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Kills whoever makes the call after `calls` more ones: it is never answered.
    pub(crate) fn kill_after(&self, calls: usize) {
        self.calls.store(0, Ordering::SeqCst);
        *self.kill_at.lock().unwrap() = Some(calls);
    }

    /// Kills nobody any more.
    pub(crate) fn kill_nothing(&self) {
        *self.kill_at.lock().unwrap() = None;
    }

    /// The answer of a process; none where it was killed.
    pub(crate) async fn or_killed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = work => Some(answer),
            () = self.killed.notified() => None,
        }
    }

    /// Whether a fault is still to come.
    pub(crate) fn no_fault_came(&self) -> bool {
        self.fail_at.lock().unwrap().take().is_some()
    }

    async fn call(&self) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let killed = self.kill_at.lock().unwrap().take_if(|at| *at == number).is_some();
        if killed {
            self.killed.notify_one();
            // A process that is dead makes no further call.
            std::future::pending::<()>().await;
        }
        let mut fail_at = self.fail_at.lock().unwrap();
        if *fail_at == Some(number) {
            *fail_at = None;
            return Err(StoreError::Unavailable("planned fault".to_owned(), None));
        }
        Ok(())
    }

    fn host_tokens(&self) -> &Arc<HostTokens> {
        let without = || Arc::new(HostTokens::new(Arc::clone(&self.memory) as _, None));
        self.tokens.get_or_init(without)
    }

    /// The installation is a GitHub App of the host with this API.
    pub(crate) fn is_an_app(&self, api: &str) {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----");
        self.set_secret("github-app-key", &pem);
        let app = AppSettings::read(|name| match name {
            "PACT_GITHUB_APP" => Some("1234".to_owned()),
            _ => Some(api.to_owned()),
        });
        let tokens = HostTokens::new(Arc::clone(&self.memory) as _, app.unwrap());
        assert!(self.tokens.set(Arc::new(tokens)).is_ok());
    }

    pub(crate) fn ports(self: &Arc<Self>) -> Ports {
        let (limits, supersede) = {
            let state = self.state();
            (state.limits, state.supersede)
        };
        Ports {
            arrivals: Arc::clone(self) as _,
            motor: Arc::clone(self) as _,
            told: Arc::clone(&self.told),
            supersede,
            runs: Arc::clone(self) as _,
            open: Arc::clone(self) as _,
            room: Arc::clone(self) as _,
            limits,
            branches: Arc::clone(self) as _,
            recorder: Arc::clone(self) as _,
            log: Arc::clone(self) as _,
            environments: Arc::clone(self) as _,
            registry: Arc::clone(self) as _,
            policies: Arc::clone(&self.memory) as _,
            callbacks: Arc::clone(self) as _,
            statuses: Arc::clone(&self.statuses) as _,
            heads: Arc::clone(&self.heads) as _,
            asking: Arc::clone(&self.asking.0),
            incidents: Arc::clone(&self.incidents) as _,
            status_client: Arc::default(),
            host_tokens: Arc::clone(self.host_tokens()),
            provider: Arc::default(),
            pulls: Arc::clone(&self.pulls) as _,
            calls: Arc::<crate::wake::Waiting>::default(),
            tasks: Arc::<crate::wake::Waiting>::default(),
            executions: Arc::clone(self) as _,
            metrics: Arc::clone(&self.memory) as _,
            tokens: Arc::clone(&self.access) as _,
            doors: Doors::new(
                Arc::clone(&self.access) as _,
                Arc::clone(&self.access) as _,
                Arc::clone(&self.memory) as _,
            )
            .noting_use(),
            secrets: Arc::clone(&self.memory) as _,
            keeper: Arc::clone(&self.memory) as _,
            strangers: Arc::default(),
        }
    }

    /// A gateway that is configured.
    pub(crate) fn gateway(self: &Arc<Self>) -> Gateway {
        self.memory.set_secret("webhook-secret", SECRET);
        self.memory.set_secret(API_TOKEN.name, TOKEN);
        self.unconfigured()
    }

    /// One without secrets.
    pub(crate) fn unconfigured(self: &Arc<Self>) -> Gateway {
        Gateway { ports: self.ports(), config: Config::default() }
    }

    /// Sets a secret of the gateway.
    pub(crate) fn set_secret(&self, name: &str, value: &str) {
        self.memory.set_secret(name, value);
    }

    /// Has a stage of the run answered with this output.
    pub(crate) fn note(&self, run_id: &str, state: &str, output: Value) {
        self.state().stages.insert((run_id.parse().unwrap(), state.parse().unwrap()), output);
    }

    pub(crate) fn log(&self, run_id: &str) -> Vec<LogEntry> {
        self.memory.log(&run_id.parse().unwrap())
    }

    /// Everything that was counted.
    pub(crate) fn metric_events(&self) -> Vec<MetricEvent> {
        self.memory.metric_events()
    }

    /// The environment's record and lock.
    pub(crate) fn environments(&self) -> &Memory {
        &self.memory
    }
}

/// An execution with this status.
pub(crate) fn status(status: &str) -> ExecutionState {
    ExecutionState { status: status.to_owned(), error: None, cause: None }
}

/// A push event of GitHub for a commit made of one digit.
pub(crate) fn push_event(digit: char) -> Value {
    let commit = digit.to_string().repeat(40);
    json!({
        "ref": "refs/heads/main",
        "before": "0".repeat(40),
        "after": commit,
        "repository": {
            "full_name": "acme/web",
            "clone_url": "https://git.example.com/acme/web.git",
            "default_branch": "main",
        },
        "head_commit": { "id": commit, "message": "A change" },
    })
}

/// The push of that event.
pub(crate) fn push(digit: char) -> Push {
    Push {
        repository: Repository {
            name: "acme/web".parse().unwrap(),
            url: "https://git.example.com/acme/web.git".to_owned(),
            default_branch: "main".to_owned(),
        },
        branch: "main".to_owned(),
        commit: digit.to_string().repeat(40),
        base: None,
        message: Some("A change".to_owned()),
        author: None,
        template: None,
        environment: None,
        policy: Default::default(),
        host_id: None,
        on_purpose: None,
        pull: None,
        skip: false,
        tag: false,
        trigger: Trigger { kind: "push".to_owned(), actor: None, delivery: Some("d-1".to_owned()) },
    }
}
