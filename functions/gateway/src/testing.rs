//! The gateway's ports in memory, with faults on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use pact_agent::{
    access::MemoryAccess,
    heads::MemoryHeads,
    incidents::MemoryIncidents,
    metrics::MetricEvent,
    open::{OpenPage, OpenPlace, OpenRuns, Pass},
    ports::{
        ApprovalAnswer, ApprovalRecord, Branches, Callbacks, Claim, Environments, ExecutionState,
        Executions, Listed, Lock, Recorder, Registry, Runs, StoreError, TransactionLog,
    },
    pulls::MemoryPulls,
    room::{Queue, QueuedRun, Room},
    statuses::MemoryStatuses,
    testing::Memory,
};
use pact_contract::{
    EnvironmentKey, Repository, RepositoryName, RunId, RunRecord, RunStatus, StageRecord,
    StateName,
    actions::EnvironmentRecord,
    log::{LogEntry, NewEntry},
    pushes::BranchRecord,
    registry::RepositoryEntry,
    room::{Limits, RoomRecord},
    run::{Outcome, RunRequest, Trigger},
};
use pact_hosts::HostTokens;
use pact_web::access::{API_TOKEN, Doors};
use serde_json::{Value, json};

use crate::{
    config::{Config, Sources},
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
            sources: Sources::parse("http://").unwrap(),
            patience: Duration::from_millis(300),
            ..Asking::default()
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

    pub(crate) fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            runs: Arc::clone(self) as _,
            open: Arc::clone(self) as _,
            room: Arc::clone(self) as _,
            limits: self.state().limits,
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

#[async_trait]
impl Runs for World {
    async fn claim(&self, key: &str, run_id: &RunId, _: Duration) -> Result<Claim, StoreError> {
        self.call().await?;
        let mut state = self.state();
        match state.claims.get(key) {
            Some(run_id) => Ok(Claim::Seen { run_id: run_id.clone() }),
            None => {
                state.claims.insert(key.to_owned(), run_id.clone());
                Ok(Claim::New)
            }
        }
    }
    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        self.call().await?;
        Ok(self.state().claims.get(key).cloned())
    }
    async fn unclaim(&self, key: &str) -> Result<(), StoreError> {
        self.call().await?;
        self.state().claims.remove(key);
        Ok(())
    }
    async fn create_run(
        &self,
        request: &RunRequest,
        execution_arn: &str,
        status: RunStatus,
        input: Option<&Value>,
    ) -> Result<(), StoreError> {
        self.call().await?;
        let mut state = self.state();
        if let Some(input) = input {
            state.inputs.entry(request.run_id.clone()).or_insert_with(|| input.clone());
        }
        state.runs.entry(request.run_id.clone()).or_insert_with(|| RunRecord {
            request: request.clone(),
            status,
            execution_arn: execution_arn.to_owned(),
            deploying: None,
            finished_at: None,
            outcome: None,
        });
        Ok(())
    }
    async fn begin_run(&self, run_id: &RunId) -> Result<bool, StoreError> {
        self.call().await?;
        let mut state = self.state();
        let run = state.runs.get_mut(run_id).filter(|run| run.status == RunStatus::Queued);
        Ok(run.map(|run| run.status = RunStatus::Running).is_some())
    }
    async fn input(&self, run_id: &RunId) -> Result<Option<Value>, StoreError> {
        self.call().await?;
        Ok(self.state().inputs.get(run_id).cloned())
    }
    async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError> {
        self.call().await?;
        Ok(self.state().runs.get(run_id).cloned())
    }
    async fn close_run(&self, run_id: &RunId) -> Result<(), StoreError> {
        self.call().await?;
        self.state().closed.insert(run_id.clone());
        Ok(())
    }
    async fn finish_before_deploying(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.state().runs.get(run_id).is_some_and(|run| run.deploying.is_some()) {
            return Ok(false);
        }
        self.finish_run(run_id, outcome, at).await
    }
    async fn stage(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<StageRecord>, StoreError> {
        self.call().await?;
        let output = self.state().stages.get(&(run_id.clone(), state.clone())).cloned();
        let record = |output| {
            serde_json::from_value(json!({
                "schema": 1, "run_id": run_id, "state": state, "agent": "a", "action": "a.b",
                "status": "passed", "summary": "", "attempt": 1,
                "started_at": Timestamp::UNIX_EPOCH, "finished_at": null, "duration_ms": 0,
                "findings": [], "findings_total": 0, "output": output, "details_key": null,
                "error": null, "fallback": null,
            }))
        };
        Ok(output.map(|output| record(output).unwrap()))
    }
    async fn finish_run(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.call().await?;
        let mut state = self.state();
        let Some(run) = state.runs.get_mut(run_id).filter(|run| !run.status.is_final()) else {
            return Ok(false);
        };
        run.status = outcome.status;
        run.outcome = Some(outcome.clone());
        run.finished_at = Some(at);
        Ok(true)
    }
}

/// An execution with this status.
pub(crate) fn status(status: &str) -> ExecutionState {
    ExecutionState { status: status.to_owned(), error: None, cause: None }
}

#[async_trait]
impl OpenRuns for World {
    async fn open_runs(
        &self,
        status: RunStatus,
        from: Option<&OpenPlace>,
        limit: usize,
    ) -> Result<OpenPage, StoreError> {
        self.call().await?;
        let state = self.state();
        // A run is listed by the status that it had when it was open.
        let open = state.runs.values().filter(|run| match run.status.is_final() {
            true => status == RunStatus::Running && !state.closed.contains(&run.request.run_id),
            false => run.status == status,
        });
        let ids = open.map(|run| run.request.run_id.clone());
        let mut ids = ids.skip_while(|id| from.is_some_and(|from| *id.as_str() <= *from.at));
        let runs: Vec<_> = ids.by_ref().take(limit).collect();
        let more = ids.next().is_some();
        let next = runs.last().filter(|_| more).map(|id| OpenPlace { status, at: id.to_string() });
        Ok(OpenPage { runs, unreadable: Vec::new(), next })
    }
    async fn begin_pass(&self, _: Duration) -> Result<Option<Pass>, StoreError> {
        self.call().await?;
        let (taken, fence, from) = &mut self.state().pass;
        if std::mem::replace(taken, true) {
            return Ok(None);
        }
        *fence += 1;
        Ok(Some(Pass { fence: *fence, from: from.clone() }))
    }
    async fn end_pass(&self, pass: &Pass, place: Option<&OpenPlace>) -> Result<bool, StoreError> {
        self.call().await?;
        let (taken, fence, from) = &mut self.state().pass;
        if *fence != pass.fence {
            return Ok(false);
        }
        (*taken, *from) = (false, place.cloned());
        Ok(true)
    }
}

#[async_trait]
impl Room for World {
    async fn room(&self) -> Result<(RoomRecord, u64), StoreError> {
        self.call().await?;
        Ok(self.state().room.clone())
    }
    async fn store_room(&self, record: &RoomRecord, version: u64) -> Result<bool, StoreError> {
        self.call().await?;
        let room = &mut self.state().room;
        if room.1 != version {
            return Ok(false);
        }
        *room = (record.clone(), version + 1);
        Ok(true)
    }
    async fn enqueue(&self, run: &QueuedRun) -> Result<(), StoreError> {
        self.call().await?;
        let place = (run.since, run.run_id.clone());
        self.state().queued.entry(run.repository.clone()).or_default().insert(place);
        self.call().await?;
        let mut state = self.state();
        let queue = state.queues.entry(run.repository.clone()).or_insert_with(|| Queue {
            repository: run.repository.clone(),
            told: 0,
            turn: Timestamp::now(),
        });
        queue.told += 1;
        Ok(())
    }
    async fn is_queued(&self, run: &QueuedRun) -> Result<bool, StoreError> {
        self.call().await?;
        let state = self.state();
        let place = (run.since, run.run_id.clone());
        let there = state.queued.get(&run.repository).is_some_and(|queue| queue.contains(&place));
        Ok(there && state.queues.contains_key(&run.repository))
    }
    async fn dequeue(&self, run: &QueuedRun) -> Result<(), StoreError> {
        self.call().await?;
        let place = (run.since, run.run_id.clone());
        if let Some(queue) = self.state().queued.get_mut(&run.repository) {
            queue.remove(&place);
        }
        Ok(())
    }
    async fn queue(
        &self,
        repository: &RepositoryName,
        limit: usize,
    ) -> Result<Vec<QueuedRun>, StoreError> {
        self.call().await?;
        let mut state = self.state();
        state.largest = state.largest.max(limit);
        let runs = state.queued.get(repository).into_iter().flatten().take(limit);
        let place = |(since, run_id): &(Timestamp, RunId)| QueuedRun {
            repository: repository.clone(),
            run_id: run_id.clone(),
            since: *since,
        };
        Ok(runs.map(place).collect())
    }
    async fn somebody_waits(&self) -> Result<bool, StoreError> {
        self.call().await?;
        Ok(!self.state().queues.is_empty())
    }
    async fn queues(&self, limit: usize) -> Result<Vec<Queue>, StoreError> {
        self.call().await?;
        let mut state = self.state();
        state.largest = state.largest.max(limit);
        let mut queues: Vec<_> = state.queues.values().cloned().collect();
        queues.sort_by_key(|queue| queue.turn);
        queues.truncate(limit);
        Ok(queues)
    }
    async fn had_its_turn(
        &self,
        repository: &RepositoryName,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.call().await?;
        if let Some(queue) = self.state().queues.get_mut(repository) {
            queue.turn = at;
        }
        Ok(())
    }
    async fn remove_queue(&self, queue: &Queue) -> Result<bool, StoreError> {
        self.call().await?;
        let queues = &mut self.state().queues;
        let same = queues.get(&queue.repository).is_some_and(|known| known.told == queue.told);
        Ok(same && queues.remove(&queue.repository).is_some())
    }
}

#[async_trait]
impl Branches for World {
    async fn branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
    ) -> Result<(BranchRecord, u64), StoreError> {
        self.call().await?;
        let key = (repository.clone(), reference.to_owned());
        Ok(self.state().branches.get(&key).cloned().unwrap_or_default())
    }
    async fn store_branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
        record: &BranchRecord,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.call().await?;
        let key = (repository.clone(), reference.to_owned());
        let mut state = self.state();
        let known = state.branches.entry(key).or_default();
        if known.1 != version {
            return Ok(false);
        }
        *known = (record.clone(), version + 1);
        Ok(true)
    }
}

#[async_trait]
impl Executions for World {
    fn execution_arn(&self, name: &str) -> String {
        format!("arn:execution:{name}")
    }
    async fn start(
        &self,
        name: &str,
        input: &Value,
        trace: Option<&str>,
    ) -> Result<String, StoreError> {
        self.call().await?;
        let mut state = self.state();
        state.trace = trace.map(str::to_owned);
        let known = state.executions.entry(name.to_owned()).or_insert_with(|| input.clone());
        // Step Functions would refuse the same name with another input.
        assert_eq!(known, input);
        Ok(self.execution_arn(name))
    }
    async fn state(&self, execution_arn: &str) -> Result<Option<ExecutionState>, StoreError> {
        self.call().await?;
        let state = self.state();
        let name = execution_arn.trim_start_matches("arn:execution:");
        let there = state.executions.contains_key(name);
        Ok(there.then(|| state.states.get(name).cloned().unwrap_or_else(|| status("RUNNING"))))
    }
    async fn stop(&self, execution_arn: &str, _: &str) -> Result<(), StoreError> {
        self.call().await?;
        self.state().stopped.insert(execution_arn.to_owned());
        Ok(())
    }
    async fn task_success(&self, task_token: &str, output: &Value) -> Result<bool, StoreError> {
        self.call().await?;
        let mut state = self.state();
        if !state.waiting.remove(task_token) {
            return Ok(false);
        }
        state.answers.insert(task_token.to_owned(), output.clone());
        Ok(true)
    }
}

#[async_trait]
impl Registry for World {
    async fn repository(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryEntry>, StoreError> {
        self.call().await?;
        Ok(self.state().registry.get(name).cloned())
    }
    async fn put_repository(
        &self,
        entry: &RepositoryEntry,
        old: Option<&RepositoryEntry>,
    ) -> Result<bool, StoreError> {
        self.call().await?;
        let registry = &mut self.state().registry;
        if registry.get(&entry.name) != old {
            return Ok(false);
        }
        registry.insert(entry.name.clone(), entry.clone());
        Ok(true)
    }
    async fn remove_repository(&self, name: &RepositoryName) -> Result<(), StoreError> {
        self.call().await?;
        self.state().registry.remove(name);
        Ok(())
    }
    async fn repositories(&self) -> Result<Listed<RepositoryEntry>, StoreError> {
        self.call().await?;
        Ok(self.state().registry.values().cloned().collect::<Vec<_>>().into())
    }
}

#[async_trait]
impl Callbacks for World {
    async fn questions(&self, run_id: &RunId) -> Result<Listed<ApprovalRecord>, StoreError> {
        self.call().await?;
        let state = self.state();
        let all = state.approvals.values().map(|(record, _)| record);
        Ok(all.filter(|record| record.run_id == *run_id).cloned().collect::<Vec<_>>().into())
    }
    async fn open_approval(
        &self,
        approval: &ApprovalRecord,
        task_token: &str,
    ) -> Result<ApprovalRecord, StoreError> {
        self.call().await?;
        let mut state = self.state();
        let known = state.approvals.values_mut().find(|(known, _)| {
            (&known.run_id, &known.state) == (&approval.run_id, &approval.state)
        });
        if let Some((known, token)) = known {
            task_token.clone_into(token);
            return Ok(known.clone());
        }
        let value = (approval.clone(), task_token.to_owned());
        state.approvals.insert(approval.callback.clone(), value);
        Ok(approval.clone())
    }
    async fn approval(
        &self,
        callback: &str,
    ) -> Result<Option<(ApprovalRecord, String)>, StoreError> {
        self.call().await?;
        Ok(self.state().approvals.get(callback).cloned())
    }
    async fn answer_approval(
        &self,
        callback: &str,
        answer: &ApprovalAnswer,
    ) -> Result<bool, StoreError> {
        self.call().await?;
        let mut state = self.state();
        let open = state.approvals.get_mut(callback).filter(|(known, _)| known.answer.is_none());
        let Some((known, _)) = open else { return Ok(false) };
        known.answer = Some(answer.clone());
        Ok(true)
    }
}

#[async_trait]
impl Recorder for World {
    async fn record_stage(&self, record: &StageRecord) -> Result<(), StoreError> {
        self.call().await?;
        self.memory.record_stage(record).await
    }
    async fn append_log(&self, run_id: &RunId, entry: NewEntry) -> Result<LogEntry, StoreError> {
        self.call().await?;
        self.memory.append_log(run_id, entry).await
    }
}

#[async_trait]
impl TransactionLog for World {
    async fn entries(&self, run_id: &RunId) -> Result<Listed<LogEntry>, StoreError> {
        self.call().await?;
        Ok(self.memory.log(run_id).into())
    }
}

#[async_trait]
impl Environments for World {
    async fn lock(
        &self,
        environment: &EnvironmentKey,
        run_id: &RunId,
        lease: Duration,
    ) -> Result<Lock, StoreError> {
        self.call().await?;
        self.memory.lock(environment, run_id, lease).await
    }
    async fn unlock(&self, environment: &EnvironmentKey, run_id: &RunId) -> Result<(), StoreError> {
        self.call().await?;
        self.memory.unlock(environment, run_id).await
    }
    async fn load(&self, environment: &EnvironmentKey) -> Result<EnvironmentRecord, StoreError> {
        self.call().await?;
        self.memory.load(environment).await
    }
    async fn store(
        &self,
        environment: &EnvironmentKey,
        record: &EnvironmentRecord,
        fence: u64,
    ) -> Result<(), StoreError> {
        self.call().await?;
        self.memory.store(environment, record, fence).await
    }
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
