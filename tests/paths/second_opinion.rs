//! The project's own machines, here and on another interpreter: told the same by every task, they
//! end the same way, after the same events, and have given each task the same.
//!
//! What is not played again there: errors whose names begin with `States.`, which an interpreter
//! makes itself; an answer that no `Output` can be made from, which the other one does not let a
//! Catch handle though AWS does; when a task is submitted, as some people here answer earlier.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{Engine, TaskExecutor, TaskFailure, TaskRequest};
use pact_contract::StageStatus;
use serde_json::{Value, json};

use crate::answers;
use crate::explore::{Bench, events, options, scratch};
use crate::machine::{self, Machine};
use crate::opinion::{Parts, comparable, differences, lines, second_opinion};
use crate::pipeline::{routes, say};
use crate::script::{Case, Fault, Turn, Variant, When};
use crate::world::World;

/// A case for the other interpreter, and what came of it here.
struct Opinion {
    about: String,
    case: Value,
    ours: Value,
}

/// Asks the other interpreter and compares.
fn compare(opinions: &[Opinion], machine: &Machine) {
    let cases: Vec<Value> = opinions.iter().map(|opinion| opinion.case.clone()).collect();
    let Some(theirs) = second_opinion(&cases) else { return };
    let parts = Parts::of(&serde_json::from_str(&machine.text).expect("a definition is JSON"));
    let (mut differing, mut stuck) = (0, 0);
    for (opinion, theirs) in opinions.iter().zip(&theirs) {
        if theirs["status"] == "RUNNING" {
            let why = theirs["why"].as_str().unwrap_or("it did not come to an end");
            say(&format!("{}: no second opinion: {why}", opinion.about));
            stuck += 1;
            continue;
        }
        let ours = comparable(&opinion.ours, &parts, true);
        let mut elsewhere = theirs.clone();
        if let Some(events) = elsewhere["events"].as_array_mut() {
            events.retain(|event| event[0] != "TaskSubmitted");
        }
        let mut different = differences(&ours, &comparable(&elsewhere, &parts, true));
        if theirs["left"].as_object().is_none_or(|left| !left.is_empty()) {
            different.push(format!("not called there: {}", theirs["left"]));
        }
        if !different.is_empty() {
            differing += 1;
            say(&format!("{}:\n  {}", opinion.about, different.join("\n  ")));
        }
    }
    say(&format!("{} of {} executions agree", opinions.len() - differing - stuck, opinions.len()));
    assert_eq!(differing, 0);
    assert!(stuck <= opinions.len() / 10, "too few opinions");
}

/// One machine's execution as a case.
fn case(machine: &Machine, name: &str, input: Value, told: &BTreeMap<String, Vec<Value>>) -> Value {
    let definition: Value = serde_json::from_str(&machine.text).expect("a definition is JSON");
    json!({
        "machines": [{ "name": machine.name, "definition": definition }],
        "name": name,
        "input": input,
        "replay": told,
    })
}

/// Routes through the pipeline, and faults that are retried, caught, or end a run.
fn cases() -> Vec<(String, Case)> {
    let mut cases: Vec<(String, Case)> =
        routes().into_iter().map(|route| (route.name.to_owned(), route.case)).collect();
    let mut promote = |about: &str, faults: Vec<Fault>| {
        cases.push((about.to_owned(), Case { variant: Variant::PROMOTE, faults }));
    };
    let error = |state: &str, error| Fault::error(state, error, When::Before);
    promote(
        "throttled once",
        vec![error("RunUnitTests", "Lambda.TooManyRequestsException").once()],
    );
    promote("the store is down for a while", vec![error("CheckQuality", "ERR_STORE_UNAVAILABLE")]);
    promote("a check crashes", vec![error("CheckDependencies", "Runtime.ExitError")]);
    promote("the gate crashes", vec![error("EvaluateGate", "Unlisted")]);
    promote("staging is busy", vec![error("Deploy.staging", "ERR_ENVIRONMENT_BUSY")]);
    promote("a message fails", vec![error("NotifySlack", "ERR_CHANNEL_UNAVAILABLE")]);
    promote(
        "nothing can be recorded",
        vec![error("RecordOutcome", "DynamoDB.InternalServerError")],
    );
    promote(
        "two things at once",
        vec![
            Fault::verdict("ValidateSecrets", StageStatus::Failed),
            error("CheckCoverage", "ERR_TIMEOUT"),
        ],
    );
    promote(
        "a rollback that fails",
        vec![
            Fault::verdict("CheckHealth.production", StageStatus::Failed),
            error("Rollback.production", "Unlisted"),
        ],
    );
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_runs_the_same_elsewhere() {
    let machine = machine::load("pipeline");
    let folder = scratch();
    let bench = Bench::open(folder.path(), &machine.text, HashMap::new()).await;
    let mut opinions = Vec::new();
    for (index, (about, case_here)) in cases().into_iter().enumerate() {
        let by_interpreter = case_here.faults.iter().any(
            |fault| matches!(&fault.turn, Turn::Error { error, .. } if error.starts_with("States.")),
        );
        assert!(!by_interpreter, "{about}: such an error cannot be told");
        let name = format!("run-{index:05}");
        let mut input = answers::value(&answers::request(&name));
        if case_here.variant.ended {
            input["take_back"] = answers::take_back(&case_here.variant);
        }
        let report = bench.run(World::new(&name, case_here)).await.expect("no stop was asked for");
        let history = events(&bench.engine, &report.change.execution_arn).await;
        let mut events = lines(&history);
        events.retain(|event| event[0] != "TaskSubmitted");
        let ours = json!({
            "status": report.change.status,
            "output": report.change.output,
            "error": report.change.error,
            "events": events,
        });
        let case = case(&machine, &name, input, &report.world.told);
        opinions.push(Opinion { about, case, ours });
    }
    bench.shutdown().await;
    compare(&opinions, &machine);
}

/// Tells every task what comes next for its state.
pub(crate) struct Told(pub(crate) Mutex<HashMap<String, BTreeMap<String, Vec<Value>>>>);

#[async_trait]
impl TaskExecutor for Told {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        let name = task.execution_arn.rsplit(':').next().unwrap_or_default();
        let mut all = self.0.lock().unwrap();
        let left = all.get_mut(name).and_then(|states| states.get_mut(&task.state));
        let Some(left) = left.filter(|left| !left.is_empty()) else {
            return Err(TaskFailure {
                error: "Unexpected".into(),
                cause: Some(format!("{} was not to be called", task.state)),
            });
        };
        let answer = left.remove(0);
        match answer["error"].as_str() {
            None => Ok(answer["result"].clone()),
            Some(error) => Err(TaskFailure {
                error: error.to_owned(),
                cause: answer["cause"].as_str().map(str::to_owned),
            }),
        }
    }
}

/// What the tasks of one watch are told.
fn watches() -> Vec<(&'static str, BTreeMap<String, Vec<Value>>)> {
    let listed = |items: Vec<Value>| json!({ "result": { "Count": items.len(), "Items": items } });
    let answer = |payload: Value| json!({ "result": { "StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": payload } });
    let lambda = |status: &str, output: Value| {
        answer(json!({ "response": { "status": status, "summary": "said", "output": output } }))
    };
    let looked = |all: &[&str]| {
        let seen =
            |name: &&str| json!({ "environment": name, "health": "unhealthy", "summary": "x" });
        lambda("failed", json!({ "seen": all.iter().map(seen).collect::<Vec<_>>() }))
    };
    let failed = |error: &str| {
        let cause = json!({ "errorMessage": "said \"no\"", "errorType": error }).to_string();
        json!({ "error": error, "cause": cause })
    };
    let due = |number: usize| {
        let incident = |number| {
            json!({ "incident": { "id": format!("0123456789ab-{number}") }, "level": 1,
            "repository": { "name": "acme/shop" }, "url": "", "settings": {} })
        };
        let tell: Vec<_> = (0..number).map(incident).collect();
        json!({ "result": { "StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": { "tell": tell } } })
    };
    let written = json!({ "result": { "SdkHttpMetadata": { "HttpStatusCode": 200 } } });
    let told_all = |pairs: Vec<(&str, Vec<Value>)>| {
        pairs.into_iter().map(|(state, answers)| (state.to_owned(), answers)).collect()
    };
    let keys = |number: usize| {
        let key = |at| json!({ "gsi1sk": { "S": format!("acme/shop#e{at}") } });
        listed((0..number).map(key).collect())
    };
    let turn = |mut told: Vec<(&'static str, Vec<Value>)>| {
        told.extend([("TakeTurn", vec![written.clone()]), ("GiveTurn", vec![written.clone()])]);
        told_all(told)
    };
    let kept = answer(json!({ "kept": 1 }));
    let crashes = vec![failed("Lambda.Unknown"); 2];
    vec![
        (
            "another watch goes on",
            told_all(vec![("TakeTurn", vec![failed("DynamoDB.ConditionalCheckFailedException")])]),
        ),
        (
            "nothing is deployed",
            turn(vec![("ListEnvironments", vec![keys(0)]), ("DueIncidents", vec![due(0)])]),
        ),
        (
            "none of one is watched",
            turn(vec![
                (
                    "ListEnvironments",
                    vec![failed("DynamoDb.InternalServerErrorException"), keys(1)],
                ),
                ("LookAt", vec![looked(&[])]),
                ("KeepWatched", vec![kept.clone()]),
                ("DueIncidents", vec![due(1)]),
                ("TellIncident", vec![lambda("skipped", json!({}))]),
            ]),
        ),
        (
            "more than one call, and not everybody can be told",
            turn(vec![
                ("ListEnvironments", vec![keys(30)]),
                (
                    "LookAt",
                    vec![looked(&["acme/shop#e0", "acme/shop#e1"]), looked(&["acme/shop#e25"])],
                ),
                ("KeepWatched", vec![kept.clone(), kept]),
                ("DueIncidents", vec![due(2)]),
                (
                    "TellIncident",
                    vec![failed("ERR_CHANNEL_NOT_CONFIGURED"), lambda("passed", json!({}))],
                ),
            ]),
        ),
        (
            "the look crashes, and nothing can be kept",
            turn(vec![
                ("ListEnvironments", vec![keys(1)]),
                ("LookAt", crashes),
                ("KeepWatched", vec![failed("Unlisted")]),
                ("DueIncidents", vec![due(0)]),
            ]),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_runs_the_same_elsewhere() {
    let mut machine = machine::load("monitor");
    // One after another: the answers are told in the order in which they are asked for.
    let text = machine.text.replace("\"MaxConcurrency\":5", "\"MaxConcurrency\":1");
    assert_ne!(text, machine.text);
    machine.text = text;
    let folder = scratch();
    let name = |index: usize| format!("watch-{index:05}");
    let watches = watches();
    let told = watches.iter().enumerate().map(|(i, (_, told))| (name(i), told.clone())).collect();
    let told = Arc::new(Told(Mutex::new(told)));
    let tasks = Arc::clone(&told) as Arc<dyn TaskExecutor>;
    let engine = Engine::open(options(folder.path()), tasks).await.expect("the engine opens");
    let arn = engine.put_state_machine("monitor", &machine.text).await.expect("it is valid");
    let mut opinions = Vec::new();
    for (index, (about, told)) in watches.iter().enumerate() {
        let mut changes = engine.status_changes();
        let start = json!({ "stateMachineArn": arn, "name": name(index), "input": "{}" });
        engine.call("StartExecution", start).await.expect("it starts");
        let end = async {
            loop {
                let change = changes.recv().await.expect("the engine goes on");
                if change.status != "RUNNING" && change.name == name(index) {
                    return change;
                }
            }
        };
        let change = tokio::time::timeout(Duration::from_secs(60), end).await.expect("it ends");
        let history = events(&engine, &change.execution_arn).await;
        let ours = json!({
            "status": change.status,
            "output": change.output,
            "error": change.error,
            "events": lines(&history),
        });
        let case = case(&machine, &name(index), json!({}), told);
        opinions.push(Opinion { about: (*about).to_owned(), case, ours });
    }
    engine.shutdown().await;
    for (name, states) in told.0.lock().unwrap().iter() {
        let left: Vec<_> = states.iter().filter(|(_, left)| !left.is_empty()).collect();
        assert!(left.is_empty(), "{name} did not ask for {left:?}");
    }
    compare(&opinions, &machine);
}
