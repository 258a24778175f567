//! Two runs of one branch, interleaved on its environments: the machine as it is, on the real engine,
//! with the ledger as it is, in an order that a seed says.
//!
//! The younger push may be first, the older one may be superseded at any moment, a person may answer
//! late, and either release may turn out bad. Whatever comes: an older release never replaces a newer
//! one, what is returned to was judged good, a run that has ended does nothing more, and no
//! environment stays locked.
//!
//! `PACT_PAIRS=600 cargo test -p pact-e2e --test paths two_runs -- --nocapture` explores five times as
//! many as the gate does.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use local_step_functions::{Engine, TaskExecutor, TaskFailure, TaskRequest};
use pact_contract::{
    Deployment, ErrorName, IntentEnvelope, RunId, StageStatus, Verdict,
    actions::{EvaluateGate, Plan},
    ledger::{Ledger, LedgerEntry, Origin, Standing},
    run::DeploymentStatus,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    answers::{self, OLD, RELEASE},
    envelopes,
    explore::{options, scratch},
    machine,
    script::{Answer, Variant},
};

/// Pairs of runs, those at once, and engines that they are on. All that a change to the machine or the
/// ledger is worth are `PACT_PAIRS=600`.
const PAIRS: u64 = 120;
const AT_ONCE: usize = 40;
const ENGINES: u64 = 4;
/// How long a run may be thinking before the other goes on.
const THINKS: Duration = Duration::from_millis(3);

/// Numbers of a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).expect("it is below a size")
    }
}

/// What goes wrong with a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ill {
    Not,
    Says(&'static str),
    /// The answer of its deployment to production is lost, each time.
    Lost,
}

const ILLS: [Ill; 8] = [
    Ill::Not,
    Ill::Not,
    Ill::Not,
    Ill::Not,
    Ill::Says("JudgeRelease.production"),
    Ill::Says("CheckHealth.production"),
    Ill::Says("CheckHealth.staging"),
    Ill::Lost,
];

/// One of the two.
struct Run {
    id: String,
    place: u64,
    variant: Variant,
    ill: Ill,
    status: String,
    deploying: bool,
    over: bool,
}

impl Run {
    fn release(&self) -> String {
        format!("{RELEASE}-{}", self.place)
    }
    fn commit(&self) -> String {
        format!("{:040}", self.place)
    }
}

#[derive(Default)]
struct Place {
    current: Option<String>,
    previous: Option<String>,
    /// What each release replaced, as the target's history knows it.
    before: BTreeMap<String, Option<String>>,
    ledger: Ledger,
    lock: Option<String>,
}

/// Both runs, and what they share.
struct Pair {
    runs: Vec<Run>,
    places: BTreeMap<String, Place>,
    /// What was ever judged good, in each environment, as the world saw it.
    good: BTreeSet<(String, String)>,
    violations: Vec<String>,
    /// What was done, in order: the interleaving.
    order: Vec<String>,
    /// What people and agents answer later.
    later: Vec<(String, Value)>,
}

type Answered = Result<Value, TaskFailure>;

fn failure(error: &str) -> Answered {
    Err(TaskFailure { error: error.to_owned(), cause: Some("{}".to_owned()) })
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let mut run = |place: u64, name: &str| Run {
            id: format!("pair-{seed:05}-{name}"),
            place,
            variant: Variant {
                approval: [None, None, Some(Answer::Yes)][chance.below(3)],
                steps: chance.below(3) == 0,
                ..Variant::PROMOTE
            },
            ill: ILLS[chance.below(ILLS.len())],
            status: "running".to_owned(),
            deploying: false,
            over: false,
        };
        let runs = vec![run(1, "older"), run(2, "newer")];
        let first = || {
            let mut ledger = Ledger::default();
            let release: pact_contract::ReleaseId = OLD.parse().expect("a release");
            let before: RunId = "run-before".parse().expect("an id");
            let origin =
                Origin { branch: Some("main".to_owned()), place: Some(0), on_purpose: None };
            ledger.deployed(LedgerEntry {
                release: release.clone(),
                commit: "0".repeat(40),
                run_id: before.clone(),
                origin,
                standing: Standing::Candidate,
                reason: None,
                deployed_at: Timestamp::UNIX_EPOCH,
                judged_at: None,
                serving_since: None,
                served_seconds: 0,
            });
            ledger.judged_good(&release, &before, Timestamp::UNIX_EPOCH);
            Place { current: Some(OLD.to_owned()), ledger, ..Place::default() }
        };
        let names = ["staging", "production"];
        Self {
            runs,
            places: names.iter().map(|name| ((*name).to_owned(), first())).collect(),
            good: names.iter().map(|name| ((*name).to_owned(), OLD.to_owned())).collect(),
            violations: Vec::new(),
            order: Vec::new(),
            later: Vec::new(),
        }
    }

    fn which(&self, execution: &str) -> usize {
        let name = execution.rsplit(':').next().unwrap_or_default();
        self.runs.iter().position(|run| run.id == name).expect("one of the two")
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }

    /// The environment that a deed waits for, where the other run has it.
    fn waits(&self, which: usize, task: &TaskRequest) -> bool {
        if !matches!(&*task.state, "Deploy" | "Rollback") {
            return false;
        }
        let environment = task.arguments.pointer("/Payload/intent/parameters/environment");
        let place = environment.and_then(Value::as_str).and_then(|name| self.places.get(name));
        let holder = place.and_then(|place| place.lock.as_ref());
        holder.is_some_and(|holder| *holder != self.runs[which].id)
    }

    fn perform(&mut self, which: usize, task: &TaskRequest) -> Answered {
        self.order.push(format!("{} {}", self.runs[which].place, task.state));
        match task.resource.as_str() {
            "arn:aws:states:::dynamodb:updateItem" => self.update(which, &task.arguments),
            "arn:aws:states:::lambda:invoke"
                if task.arguments["Payload"]["approval"].is_object() =>
            {
                let token = &task.arguments["Payload"]["approval"]["task_token"];
                let yes = json!({ "approved": true, "by": "ada", "reason": null });
                self.later.push((token.as_str().expect("a token").to_owned(), yes));
                Ok(json!({ "Payload": { "callback": "c" } }))
            }
            _ => {
                let answer = match envelopes::read(&task.arguments, &task.state) {
                    Ok(intent) => self.act(which, &intent)?,
                    Err(problem) => {
                        self.violations.push(problem);
                        return failure("ERR_INVALID_INTENT");
                    }
                };
                let token = task.arguments.pointer("/Payload/intent/context/task_token");
                match token.and_then(Value::as_str).filter(|_| task.wait_for_token) {
                    Some(token) => {
                        let output = json!({ "Payload": answer["Payload"] });
                        self.later.push((token.to_owned(), output));
                        Ok(json!({ "Payload": { "noted": "it goes on" } }))
                    }
                    None => Ok(answer),
                }
            }
        }
    }

    fn act(&mut self, which: usize, intent: &IntentEnvelope) -> Answered {
        if let Some(reason) = &intent.intent.context.skip {
            let skipped = StageStatus::Skipped;
            return Ok(answers::respond(intent, skipped, reason.clone(), Value::Null));
        }
        let run = &self.runs[which];
        let state = intent.intent.context.state.as_ref().map(ToString::to_string);
        let says = matches!(run.ill, Ill::Says(ill) if Some(ill) == state.as_deref());
        let mut status = if says { StageStatus::Failed } else { StageStatus::Passed };
        let parameters = &intent.intent.parameters;
        let text = |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default();
        let environment = text("environment").to_owned();
        let mut codes = Vec::new();
        let output = match intent.intent.action.as_str() {
            "code.analyze_changes" => answers::value(&answers::analyzed(&run.variant)),
            "quality.plan_pipeline" => {
                let release = run.release().parse().expect("a release");
                answers::value(&Plan { release, ..answers::plan(&run.variant) })
            }
            "quality.evaluate_gate" => {
                let asked: EvaluateGate =
                    serde_json::from_value(Value::Object(parameters.clone())).expect("was checked");
                let decision = answers::decide(&asked, &run.variant);
                assert_eq!(decision.verdict, Verdict::Promote, "{}", decision.summary);
                answers::value(&decision)
            }
            "deploy.to_staging" | "deploy.to_production" => {
                let weight = parameters.get("weight").and_then(Value::as_u64).unwrap_or(100);
                let origin = serde_json::from_value(parameters["origin"].clone());
                let origin: Origin = origin.expect("an origin");
                let (output, code) = self.deploy(which, &environment, &origin, weight)?;
                if let Some(code) = code {
                    status = StageStatus::Failed;
                    codes.push(code);
                }
                if self.runs[which].ill == Ill::Lost && environment == "production" {
                    return failure("Lambda.Unknown");
                }
                output
            }
            "deploy.check_status" => {
                let place = &self.places[&environment];
                let asked = parameters.get("release").and_then(Value::as_str);
                let there = asked.is_none() || asked == place.current.as_deref();
                let live = if there { DeploymentStatus::Live } else { DeploymentStatus::Failed };
                if !there {
                    status = StageStatus::Failed;
                }
                let release = asked.or(place.current.as_deref());
                let of = Deployment {
                    release: release.map(|name| name.parse().expect("a release")),
                    ..Deployment::without_release(&environment.parse().expect("a name"), live)
                };
                answers::deployment(of, place.previous.as_deref())
            }
            "deploy.rollback" => {
                let judged = parameters["why"]["judged"] == true;
                self.take_back(which, &environment, judged)?
            }
            action @ ("notify.slack_team" | "notify.email_stakeholders" | "notify.update_jira") => {
                answers::value(&answers::notified(action))
            }
            other => answers::output(other, status),
        };
        let mut answer = answers::respond(intent, status, "it is as it is".to_owned(), output);
        if !codes.is_empty() {
            let findings: Vec<_> = codes.iter().map(|code| json!({ "code": code })).collect();
            answer["Payload"]["response"]["findings"] = json!(findings);
        }
        Ok(answer)
    }

    /// Takes the environment for the run, as the deploy agent does first of all.
    fn lock(&mut self, which: usize, environment: &str) -> Result<(), TaskFailure> {
        let id = self.runs[which].id.clone();
        let place = self.places.get_mut(environment).expect("an environment of the plan");
        match &place.lock {
            Some(holder) if *holder != id => failure(ErrorName::EnvironmentBusy.as_str()).map(drop),
            _ => {
                place.lock = Some(id);
                Ok(())
            }
        }
    }

    fn deploy(
        &mut self,
        which: usize,
        environment: &str,
        origin: &Origin,
        weight: u64,
    ) -> Result<(Value, Option<&'static str>), TaskFailure> {
        self.lock(which, environment)?;
        let run = &self.runs[which];
        let (id, release, commit) = (run.id.clone(), run.release(), run.commit());
        let (place, over) = (run.place, run.over || run.status != "running");
        self.must(!over, || format!("{id} deploys to {environment} after its end"));
        self.must(origin.place == Some(place), || format!("{id} has another place: {origin:?}"));
        let there = self.places.get_mut(environment).expect("an environment of the plan");
        let of = |status| {
            let environment = environment.parse().expect("a name");
            Deployment::new(&environment, &release.parse().expect("a release"), status)
        };
        if there.current.as_deref() == Some(&release) {
            let live = of(DeploymentStatus::Live);
            return Ok((answers::deployment(live, there.previous.as_deref()), None));
        }
        if let Some(refused) = there.ledger.refuses(&commit, origin) {
            let code = match refused.against {
                pact_contract::ledger::Against::Order => "release-outdated",
                pact_contract::ledger::Against::Verdict => "release-rejected",
            };
            self.order.push(format!("{place} {code}"));
            let before = self.places[environment].current.clone();
            let failed = of(DeploymentStatus::Failed);
            return Ok((answers::deployment(failed, before.as_deref()), Some(code)));
        }
        if weight < 100 {
            let partly =
                Deployment { weight: u32::try_from(weight).ok(), ..of(DeploymentStatus::Pending) };
            return Ok((answers::deployment(partly, there.current.as_deref()), None));
        }
        let newer = there.current.clone().filter(|current| {
            let place_of = current.strip_prefix(&format!("{RELEASE}-"));
            place_of.and_then(|text| text.parse().ok()).is_some_and(|other: u64| other > place)
        });
        let good = |release: &String| there.ledger.is_good(&release.parse().expect("a release"));
        let back = there.current.clone().filter(good).or_else(|| there.previous.clone());
        there.ledger.deployed(LedgerEntry {
            release: release.parse().expect("a release"),
            commit,
            run_id: id.parse().expect("an id"),
            origin: origin.clone(),
            standing: Standing::Candidate,
            reason: None,
            deployed_at: Timestamp::now(),
            judged_at: None,
            serving_since: None,
            served_seconds: 0,
        });
        there.before.insert(release.clone(), back.clone());
        there.previous.clone_from(&back);
        there.current = Some(release.clone());
        self.order.push(format!("{place} is in {environment}"));
        self.must(newer.is_none(), || format!("{id} replaces {newer:?} in {environment}"));
        Ok((answers::deployment(of(DeploymentStatus::Live), back.as_deref()), None))
    }

    fn take_back(&mut self, which: usize, environment: &str, judged: bool) -> Answered {
        self.lock(which, environment)?;
        let run = &self.runs[which];
        let (id, release, over) = (run.id.clone(), run.release(), run.over);
        let ended = over || run.status != "running";
        let there = self.places.get_mut(environment).expect("an environment of the plan");
        let name: pact_contract::ReleaseId = release.parse().expect("a release");
        let of = |status| Deployment::new(&environment.parse().expect("a name"), &name, status);
        if there.current.as_deref() != Some(&release) {
            let current = there.current.clone();
            return Ok(answers::deployment(of(DeploymentStatus::Failed), current.as_deref()));
        }
        if there.ledger.is_good(&name) && !judged {
            return Ok(answers::deployment(of(DeploymentStatus::Live), there.previous.as_deref()));
        }
        let back = there.previous.take();
        let restored = back.as_ref().map(|back| back.parse().expect("a release"));
        there.ledger.taken_back(&name, restored.as_ref(), (judged, "ill"), Timestamp::now());
        there.current.clone_from(&back);
        let further = back.as_ref().and_then(|back| there.before.get(back).cloned().flatten());
        let good = |release: &String| there.ledger.is_good(&release.parse().expect("a release"));
        there.previous = further.filter(good);
        self.order.push(format!("{release} leaves {environment}"));
        self.must(!ended, || format!("{id} takes back after its end"));
        let good = back
            .as_ref()
            .is_none_or(|back| self.good.contains(&(environment.to_owned(), back.clone())));
        self.must(good, || format!("{id} returns {environment} to {back:?}, which nobody judged"));
        self.must(back.is_some(), || format!("{id} leaves nothing in {environment}"));
        Ok(answers::deployment(of(DeploymentStatus::RolledBack), back.as_deref()))
    }

    fn update(&mut self, which: usize, arguments: &Value) -> Answered {
        let text = |pointer: &str| arguments.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let refused = || failure("DynamoDB.ConditionalCheckFailedException");
        let id = self.runs[which].id.clone();
        let (key, expression) = (text("/Key/pk/S"), text("/UpdateExpression"));
        if let Some(name) = key.strip_prefix("ENV#").and_then(|key| key.rsplit('#').next()) {
            let place = self.places.get_mut(name).expect("an environment of the plan");
            if place.lock.as_deref() != Some(&id) {
                return refused();
            }
            if expression.contains("good_run") {
                let current = place.current.clone().expect("something is there");
                let run_id = id.parse().expect("an id");
                let name_of = current.parse().expect("a release");
                let judged = place.ledger.judged_good(&name_of, &run_id, Timestamp::now());
                let known = judged || place.ledger.is_good(&name_of);
                self.must(known, || format!("{id} calls {current} good in {name}"));
                self.good.insert((name.to_owned(), current));
            }
            let place = self.places.get_mut(name).expect("an environment of the plan");
            if expression.contains("REMOVE lock_run") {
                place.lock = None;
            }
            return Ok(json!({}));
        }
        let run = &mut self.runs[which];
        if key != format!("RUN#{id}") || run.status != "running" {
            return refused();
        }
        if expression == "SET deploying = :environment" {
            run.deploying = true;
        } else {
            run.status = text("/ExpressionAttributeValues/:status/S").to_owned();
            self.order.push(format!("{} ends {}", self.runs[which].place, self.runs[which].status));
        }
        Ok(json!({}))
    }

    /// What the gateway does to older runs once a newer push is there.
    fn supersede(&mut self) {
        let older = &mut self.runs[0];
        if older.status == "running" && !older.deploying {
            older.status = "superseded".to_owned();
            self.order.push("1 superseded".to_owned());
        }
    }

    /// What holds once both have ended.
    fn judge(&mut self) {
        let (older, newer) = (self.runs[0].status.clone(), self.runs[1].status.clone());
        for status in [&older, &newer] {
            let known = ["succeeded", "superseded", "rolled_back", "failed"].contains(&&**status);
            self.must(known, || format!("a run is {status}"));
        }
        self.must(newer != "superseded", || "the newer one is superseded".to_owned());
        let mut wrong = Vec::new();
        for (name, place) in &self.places {
            if let Some(holder) = &place.lock {
                wrong.push(format!("{holder} has {name} still"));
            }
            let current = place.current.clone().unwrap_or_default();
            if newer == "succeeded" && current != self.runs[1].release() {
                wrong.push(format!("the newer one succeeded, and {name} has {current}"));
            }
            if !self.good.contains(&(name.clone(), current.clone())) {
                wrong.push(format!("{name} has {current}, which nobody judged good"));
            }
        }
        self.violations.append(&mut wrong);
    }
}

/// A task that waits for its turn.
struct Turn {
    run: usize,
    task: TaskRequest,
    go: oneshot::Sender<Answered>,
}

struct Table {
    pair: Mutex<Pair>,
    waiting: Mutex<Vec<Turn>>,
}

/// Both runs of every pair, each task in its turn.
struct Turns(HashMap<u64, Arc<Table>>);

fn number(name: &str) -> Option<u64> {
    name.split('-').nth(1)?.parse().ok()
}

#[async_trait]
impl TaskExecutor for Turns {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        let name = task.execution_arn.rsplit(':').next().unwrap_or_default();
        let table = &self.0[&number(name).expect("a pair")];
        let run = table.pair.lock().unwrap().which(&task.execution_arn);
        let (go, answer) = oneshot::channel();
        table.waiting.lock().unwrap().push(Turn { run, task, go });
        answer.await.unwrap_or_else(|_| failure("Lambda.Unknown"))
    }
}

/// Takes turns until both have ended.
async fn play(engine: Engine, machine: String, seed: u64, table: Arc<Table>) {
    let mut chance = Chance(seed ^ 0x5eed);
    let start = async |which: usize| {
        let (id, place) = {
            let pair = table.pair.lock().unwrap();
            (pair.runs[which].id.clone(), pair.runs[which].place)
        };
        let mut input = answers::value(&answers::request(&id));
        input["place"] = json!(place);
        let start = json!({ "stateMachineArn": machine, "name": id, "input": input.to_string() });
        let started = engine.call("StartExecution", start).await.expect("it starts");
        started["executionArn"].as_str().expect("an ARN").to_owned()
    };
    // The newer push comes at any moment of the older one's run.
    let newer_at = chance.below(if seed % 4 == 1 { 5 } else { 45 });
    let supersedes_at = newer_at + chance.below(40);
    let mut arns = vec![start(0).await];
    let mut turns = 0;
    loop {
        if arns.len() == 1 && (turns >= newer_at || table.pair.lock().unwrap().runs[0].over) {
            arns.push(start(1).await);
        }
        if turns == supersedes_at && arns.len() == 2 && seed.is_multiple_of(2) {
            table.pair.lock().unwrap().supersede();
        }
        for (which, arn) in arns.iter().enumerate() {
            if table.pair.lock().unwrap().runs[which].over {
                continue;
            }
            let waits = table.waiting.lock().unwrap().iter().any(|turn| turn.run == which);
            if waits {
                continue;
            }
            // It thinks, or has ended.
            tokio::time::sleep(THINKS).await;
            let ask = json!({ "executionArn": arn });
            let now = engine.call("DescribeExecution", ask).await.expect("it is known");
            if now["status"] != "RUNNING" {
                table.pair.lock().unwrap().runs[which].over = true;
                let cause = now["cause"].as_str().unwrap_or_default().to_owned();
                let well = now["status"] == "SUCCEEDED" || now["status"] == "FAILED";
                table.pair.lock().unwrap().must(well, || format!("{}: {cause}", now["status"]));
            }
        }
        {
            let pair = table.pair.lock().unwrap();
            if arns.len() == 2 && pair.runs.iter().all(|run| run.over) {
                return;
            }
        }
        let said = {
            let mut pair = table.pair.lock().unwrap();
            // A person, or a build, answers now or later; where nothing else can go on, now.
            let idle = table.waiting.lock().unwrap().is_empty();
            (!pair.later.is_empty() && (idle || chance.below(4) == 0)).then(|| {
                let which = chance.below(pair.later.len());
                pair.later.swap_remove(which)
            })
        };
        if let Some((token, output)) = said {
            turns += 1;
            let answer = json!({ "taskToken": token, "output": output.to_string() });
            // Nobody waits any more where the execution was stopped.
            drop(engine.call("SendTaskSuccess", answer).await);
            continue;
        }
        let mut waiting = table.waiting.lock().unwrap();
        let mut pair = table.pair.lock().unwrap();
        let free: Vec<usize> = (0..waiting.len())
            .filter(|turn| !pair.waits(waiting[*turn].run, &waiting[*turn].task))
            .collect();
        // In some the newer one hurries, so that the older one comes late.
        let hurries = seed % 4 == 1 && chance.below(8) != 0;
        let newer: Vec<usize> =
            free.iter().copied().filter(|turn| hurries && waiting[*turn].run == 1).collect();
        let free = if newer.is_empty() { free } else { newer };
        if free.is_empty() {
            continue;
        }
        let Turn { run, task, go } = waiting.swap_remove(free[chance.below(free.len())]);
        turns += 1;
        let answer = pair.perform(run, &task);
        drop(go.send(answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_interleaved_keep_the_order_of_releases() {
    let began = std::time::Instant::now();
    let given = std::env::var("PACT_PAIRS").ok().and_then(|text| text.parse().ok());
    let pairs = given.unwrap_or(PAIRS);
    let definition = machine::load("pipeline").text;
    let mut engines = Vec::new();
    let mut playing = tokio::task::JoinSet::new();
    let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    for lot in 0..ENGINES {
        let seeds: Vec<u64> = (1..=pairs).filter(|seed| seed % ENGINES == lot).collect();
        let table = |seed: u64| {
            let pair = Mutex::new(Pair::new(seed));
            (seed, Arc::new(Table { pair, waiting: Mutex::default() }))
        };
        let tables: HashMap<_, _> = seeds.iter().map(|seed| table(*seed)).collect();
        let folder = scratch();
        let hands = Arc::new(Turns(tables.clone())) as Arc<dyn TaskExecutor>;
        let engine = Engine::open(options(folder.path()), hands).await.expect("the engine opens");
        let machine = engine.put_state_machine("pipeline", &definition).await.expect("is valid");
        for (seed, table) in tables {
            let (engine, machine) = (engine.clone(), machine.clone());
            let places = Arc::clone(&places);
            playing.spawn(async move {
                let _place = places.acquire_owned().await.expect("it stays open");
                let play = play(engine, machine, seed, Arc::clone(&table));
                let ended = tokio::time::timeout(Duration::from_secs(300), play).await;
                let mut pair = table.pair.lock().unwrap();
                pair.must(ended.is_ok(), || "it never ends".to_owned());
                pair.judge();
                let statuses: Vec<_> = pair.runs.iter().map(|run| run.status.clone()).collect();
                (seed, statuses, pair.order.clone(), pair.violations.clone())
            });
        }
        engines.push((engine, folder));
    }
    let mut played = playing.join_all().await;
    played.sort();
    for (engine, _) in &engines {
        engine.shutdown().await;
    }
    let mut orders = BTreeSet::new();
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    let mut broken = String::new();
    for (seed, statuses, order, violations) in &played {
        orders.insert(order.join("\n"));
        *ends.entry(statuses.join(" / ")).or_default() += 1;
        if !violations.is_empty() {
            broken.push_str(&format!("seed {seed}: {violations:#?}\n  {}\n", order.join("\n  ")));
        }
    }
    let outdated =
        played.iter().filter(|(_, _, order, _)| order.iter().any(|o| o.ends_with("outdated")));
    let outdated = outdated.count();
    eprintln!(
        "{} pairs of runs, {} different interleavings, {outdated} with an outdated deployment, \
         older / newer: {ends:?}, {:.1} s",
        played.len(),
        orders.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(broken.is_empty(), "{broken}");
    assert!(orders.len() * 10 >= played.len() * 9, "the seeds do not tell them apart");
    // What the rules are about does happen.
    assert!(outdated > 0, "no older release came late");
    for end in ["succeeded / succeeded", "superseded / ", "succeeded / rolled_back"] {
        assert!(ends.keys().any(|known| known.starts_with(end)), "{end} of {ends:?}");
    }
}
