//! Many executions at once on one engine.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{
    Engine, EngineOptions, StatusChange, TaskExecutor, TaskFailure, TaskRequest,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::answers;
use crate::opinion::{ACCOUNT, REGION};
use crate::script::{Answer, Case};
use crate::world::World;

/// Executions that run at once.
const AT_ONCE: usize = 50;
/// Engines that run at once.
const ENGINES: usize = 4;

/// Where the engine stops, for the tests of a crash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// The number of the task call, from 1.
    pub(crate) call: u64,
    /// Whether the task was done; only its answer is lost.
    pub(crate) after: bool,
}

/// What is sent to a task token.
enum Reply {
    Person(Answer),
    Agent(Value),
}

/// Performs the tasks of every execution in its own world.
pub(crate) struct Hands {
    pub(crate) worlds: Mutex<HashMap<String, World>>,
    tokens: mpsc::UnboundedSender<(String, Reply, String)>,
    stop: Mutex<Option<Stop>>,
    calls: Mutex<u64>,
    stopped: tokio::sync::Notify,
}

#[async_trait]
impl TaskExecutor for Hands {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        let run_id = task.execution_arn.rsplit(':').next().unwrap_or_default().to_owned();
        let stop = {
            let mut calls = self.calls.lock().unwrap();
            *calls += 1;
            self.stop.lock().unwrap().filter(|stop| stop.call == *calls)
        };
        if stop.is_some_and(|stop| !stop.after) {
            self.stopped.notify_one();
            return std::future::pending().await;
        }
        let (result, token) = {
            let mut worlds = self.worlds.lock().unwrap();
            let world = worlds.get_mut(&run_id).expect("a world for every execution");
            let result = world.perform(&task);
            let person = world.token.take().map(|(token, answer)| (token, Reply::Person(answer)));
            let agent = world.later.take().map(|(token, output)| (token, Reply::Agent(output)));
            (result, agent.or(person))
        };
        if stop.is_some() {
            if let (Some((token, answer)), true) = (token, result.is_ok()) {
                // The person answers whoever asks again.
                drop(self.tokens.send((token, answer, run_id)));
            }
            self.stopped.notify_one();
            return std::future::pending().await;
        }
        if let (Some((token, answer)), true) = (token, result.is_ok()) {
            drop(self.tokens.send((token, answer, run_id)));
        }
        // As nothing is waited for here, it could be entered twice at the same time, by which its calls
        // are known.
        if task.state == "CheckStatus" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        result
    }
}

/// How an exploration ended.
pub(crate) struct Report {
    pub(crate) world: World,
    /// The states in the order in which they were entered.
    pub(crate) entered: Vec<String>,
    pub(crate) change: StatusChange,
    /// The history, a line for each event.
    pub(crate) history: String,
}

/// An engine with one machine.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) hands: Arc<Hands>,
    machine: String,
    waiting: Arc<Mutex<HashMap<String, oneshot::Sender<StatusChange>>>>,
}

pub(crate) fn options(folder: &Path) -> EngineOptions {
    EngineOptions::new(folder, REGION, ACCOUNT)
}

impl Bench {
    pub(crate) async fn open(
        folder: &Path,
        definition: &str,
        worlds: HashMap<String, World>,
    ) -> Self {
        let (tokens, mut answers) = mpsc::unbounded_channel::<(String, Reply, String)>();
        let hands = Arc::new(Hands {
            worlds: Mutex::new(worlds),
            tokens,
            stop: Mutex::new(None),
            calls: Mutex::new(0),
            stopped: tokio::sync::Notify::new(),
        });
        let waiting: Arc<Mutex<HashMap<String, oneshot::Sender<StatusChange>>>> = Arc::default();
        let tasks = Arc::clone(&hands) as Arc<dyn TaskExecutor>;
        let engine = Engine::open(options(folder), tasks).await.expect("the engine opens");
        let machine = engine.put_state_machine("pipeline", definition).await.expect("it is valid");

        let mut changes = engine.status_changes();
        let ends = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok(change) = changes.recv().await {
                if change.status == "RUNNING" {
                    continue;
                }
                let waiter = ends.lock().unwrap().remove(&change.name);
                if let Some(waiter) = waiter {
                    drop(waiter.send(change));
                }
            }
        });
        let people = engine.clone();
        let audience = Arc::clone(&hands);
        tokio::spawn(async move {
            while let Some((token, answer, run_id)) = answers.recv().await {
                let answer = match answer {
                    Reply::Person(answer) => answer,
                    Reply::Agent(output) => {
                        let output = json!({ "taskToken": token, "output": output.to_string() });
                        drop(people.call("SendTaskSuccess", output).await);
                        continue;
                    }
                };
                let said = {
                    let mut worlds = audience.worlds.lock().unwrap();
                    worlds.get_mut(&run_id).and_then(|world| world.answer(answer))
                };
                let call = match (answer, said) {
                    (Answer::Nameless, _) => {
                        people.call("SendTaskFailure", json!({ "taskToken": token })).await
                    }
                    (_, Some(said)) => {
                        let output = json!({ "taskToken": token, "output": said.to_string() });
                        people.call("SendTaskSuccess", output).await
                    }
                    _ => continue,
                };
                // A stopped engine is asked again by the next one.
                drop(call);
            }
        });
        Self { engine, hands, machine, waiting }
    }

    /// Has the engine stop at a task.
    pub(crate) fn stop_at(&self, stop: Stop) {
        *self.hands.stop.lock().unwrap() = Some(stop);
    }

    /// Starts one execution and waits until it ends; none when the engine was to stop before.
    pub(crate) async fn run(&self, world: World) -> Option<Report> {
        let name = world.run_id.clone();
        let mut input = answers::value(&answers::request(&name));
        if world.case.variant.ended {
            input["take_back"] = answers::take_back(&world.case.variant);
        }
        self.hands.worlds.lock().unwrap().insert(name.clone(), world);
        let ended = self.wait_for(&name);
        let start = json!({
            "stateMachineArn": self.machine,
            "name": name,
            "input": input.to_string(),
        });
        self.engine.call("StartExecution", start).await.expect("it starts");
        self.end(ended).await
    }

    /// Waits for an execution that goes on after a reopening.
    pub(crate) async fn resume(&self, name: &str) -> Option<Report> {
        let ended = self.wait_for(name);
        let arn = format!("arn:aws:states:{REGION}:{ACCOUNT}:execution:pipeline:{name}");
        let now = self.engine.call("DescribeExecution", json!({ "executionArn": arn })).await;
        let now = now.expect("it is known");
        if now["status"] == "RUNNING" {
            return self.end(ended).await;
        }
        let field = |name: &str| now[name].as_str().map(str::to_owned);
        Some(
            self.report(StatusChange {
                execution_arn: arn,
                name: name.to_owned(),
                state_machine_arn: self.machine.clone(),
                status: field("status").unwrap_or_default(),
                start_date: 0,
                stop_date: None,
                input: String::new(),
                output: field("output"),
                error: field("error"),
                cause: field("cause"),
            })
            .await,
        )
    }

    fn wait_for(&self, name: &str) -> oneshot::Receiver<StatusChange> {
        let (sender, ended) = oneshot::channel();
        self.waiting.lock().unwrap().insert(name.to_owned(), sender);
        ended
    }

    async fn end(&self, ended: oneshot::Receiver<StatusChange>) -> Option<Report> {
        let change = tokio::select! {
            change = tokio::time::timeout(Duration::from_secs(600), ended) => {
                change.expect("an execution ends").expect("the engine says so")
            }
            () = self.hands.stopped.notified() => return None,
        };
        Some(self.report(change).await)
    }

    async fn report(&self, change: StatusChange) -> Report {
        let mut entered = Vec::new();
        let mut history = String::new();
        for event in events(&self.engine, &change.execution_arn).await {
            if let Some(name) = event["stateEnteredEventDetails"]["name"].as_str() {
                entered.push(name.to_owned());
            }
            line(&mut history, &event);
        }
        let world = self.hands.worlds.lock().unwrap()[&change.name].clone();
        Report { world, entered, change, history }
    }

    pub(crate) async fn shutdown(&self) {
        self.engine.shutdown().await;
    }

    /// The worlds as they are now.
    pub(crate) fn worlds(&self) -> HashMap<String, World> {
        self.hands.worlds.lock().unwrap().clone()
    }
}

/// The whole history of an execution.
pub(crate) async fn events(engine: &Engine, arn: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut ask = json!({ "executionArn": arn, "maxResults": 1000 });
    loop {
        let mut page = engine.call("GetExecutionHistory", ask.clone()).await.expect("a history");
        if let Value::Array(more) = page["events"].take() {
            events.extend(more);
        }
        if page["nextToken"].is_null() {
            return events;
        }
        ask["nextToken"] = page["nextToken"].take();
    }
}

/// One event in one line.
fn line(history: &mut String, event: &Value) {
    let kind = event["type"].as_str().unwrap_or_default();
    let mut more = String::new();
    for (key, details) in event.as_object().into_iter().flatten() {
        if key.ends_with("EventDetails") {
            for field in ["name", "error", "cause"] {
                if let Some(text) = details[field].as_str() {
                    more.push(' ');
                    more.extend(text.chars().take(300));
                }
            }
        }
    }
    history.push_str(&format!("    {} {kind}{more}\n", event["id"]));
}

/// Runs every case, each in a world of its own. The reports are in the order of the cases.
pub(crate) async fn explore(definition: &str, cases: Vec<Case>) -> Vec<Report> {
    let mut lots = vec![Vec::new(); ENGINES];
    for (number, case) in cases.into_iter().enumerate() {
        lots[number % ENGINES].push(World::new(&format!("run-{number:05}"), case));
    }
    let engines: JoinSet<Vec<Report>> =
        lots.into_iter().map(|lot| explore_some(definition.to_owned(), lot)).collect();
    let mut reports: Vec<Report> = engines.join_all().await.into_iter().flatten().collect();
    reports.sort_by(|a, b| a.world.run_id.cmp(&b.world.run_id));
    reports
}

async fn explore_some(definition: String, worlds: Vec<World>) -> Vec<Report> {
    let folder = scratch();
    let bench = Arc::new(Bench::open(folder.path(), &definition, HashMap::new()).await);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for world in worlds {
        let place = Arc::clone(&places).acquire_owned().await.expect("it stays open");
        let bench = Arc::clone(&bench);
        running.spawn(async move {
            let report = bench.run(world).await;
            drop(place);
            report.expect("no stop was asked for")
        });
    }
    let reports = running.join_all().await;
    bench.shutdown().await;
    reports
}

/// A folder for a journal: in memory where that is possible, for what is on disk is not the matter.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(folder) = tempfile::tempdir_in(memory)
    {
        return folder;
    }
    tempfile::tempdir().expect("a folder")
}
