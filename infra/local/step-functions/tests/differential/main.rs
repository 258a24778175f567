//! The engine against a second opinion: generated machines run here and on moto's interpreter,
//! with the same task results, and must end the same way with the same events.
//!
//! Needs Python with moto and jsonata-python (`SFN_SECOND_OPINION` names the interpreter, default
//! `python3`); without them the test says so and is skipped.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

mod opinion;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use opinion::{ACCOUNT, Parts, REGION, comparable, differences, second_opinion};
use serde_json::{Map, Value, json};

const CASES: usize = 40;
/// How deep Parallel and Map states nest.
const DEPTH: u64 = 2;
const PREFIX: &str = "arn:aws:states:us-east-1:123456789012:stateMachine";

// Where moto differs from what AWS documents or records, and what is done about it:
//
// - It links events otherwise than AWS: `previousEventId` is not compared.
// - Its branches are threads, so the order of their events varies, and a branch that is given up
//   may not say so: the order is compared within each branch, and of all events how often each
//   occurs, without those of type `…StateAborted`. Where a branch failed, how far the others had
//   come is up to threads too: then what is below the Parallel state is not compared.
// - A Choice state's own `Assign` is for its `Default` only, but moto also evaluates it when a rule
//   matched: none is made.
// - It cannot start nested machines as it stands, nor a second one without a name: the script mends
//   its parameters, and children have names. Their answers hold other members than AWS's: only the
//   child's output is used.
// - Its threads sometimes wait for ever: what is still running after three tries is left out, and
//   more than a tenth of that fails the test.
// - `$hash` and `$uuid` need a Java runtime there: they are not used.

/// Answers tasks as their payloads say; the script for moto has the same rules.
#[derive(Default)]
struct Script {
    calls: Mutex<HashMap<String, u64>>,
    engine: OnceLock<Engine>,
}

#[async_trait]
impl TaskExecutor for Script {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        let integration = task.resource == "arn:aws:states:::lambda:invoke";
        let payload =
            if integration { task.arguments["Payload"].clone() } else { task.arguments.clone() };
        let count = {
            let mut calls = self.calls.lock().unwrap();
            let count = calls.entry(payload["key"].as_str().unwrap().to_owned()).or_default();
            *count += 1;
            *count
        };
        if task.wait_for_token {
            let engine = self.engine.get().unwrap().clone();
            tokio::spawn(async move {
                let token = &payload["token"];
                // Until the history shows that the token was handed on.
                tokio::time::sleep(Duration::from_millis(50)).await;
                let answer = match payload.get("error") {
                    Some(error) => {
                        let input =
                            json!({ "taskToken": token, "error": error, "cause": "scripted" });
                        engine.call("SendTaskFailure", input).await
                    }
                    None => {
                        let output = payload["answer"].to_string();
                        let input = json!({ "taskToken": token, "output": output });
                        engine.call("SendTaskSuccess", input).await
                    }
                };
                answer.unwrap();
            });
            return Ok(Value::Null);
        }
        if count <= payload["fails"].as_u64().unwrap_or(0) {
            let error = payload["error"].as_str().unwrap().to_owned();
            let cause = json!({ "errorType": error, "errorMessage": "scripted" }).to_string();
            return Err(TaskFailure { error, cause: Some(cause) });
        }
        let answer = payload["answer"].clone();
        if integration {
            return Ok(
                json!({ "ExecutedVersion": "$LATEST", "Payload": answer, "StatusCode": 200 }),
            );
        }
        Ok(answer)
    }
}

/// Numbers that look random and are the same in every run (the generator of Marsaglia).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Makes one machine, and those that it calls.
struct Maker {
    dice: Dice,
    case: usize,
    count: usize,
    nested: Vec<Value>,
    concurrent: bool,
}

impl Maker {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("S{}", self.count)
    }

    fn payload(&mut self, mut more: Value) -> Value {
        self.count += 1;
        let key = format!("case {} call {}", self.case, self.count);
        more.as_object_mut().unwrap().insert("key".into(), json!(key));
        more
    }

    fn answer(&mut self) -> Value {
        match self.dice.roll(5) {
            0 => json!({ "n": 7, "list": [1, 2, 3] }),
            1 => json!({ "n": "{% $x + 1 %}", "list": ["a"] }),
            2 => json!({ "n": "{% $states.input.n %}", "list": [] }),
            3 => json!({ "n": 2.5, "list": [true, null] }),
            _ => json!({ "n": "{% $count($states.input.list) %}", "list": [[1], [2]] }),
        }
    }

    /// Each scope has variables of its own.
    fn assign(&self, depth: u64, value: &str) -> Value {
        let name = if depth == DEPTH { "x".to_owned() } else { format!("x{depth}") };
        json!({ name: value })
    }

    fn task(&mut self, payload: Value) -> Value {
        if self.dice.roll(2) == 0 {
            return json!({ "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:f",
                "Arguments": payload });
        }
        json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": { "FunctionName": "f", "Payload": payload }, "Output": "{% $states.result.Payload %}" })
    }

    /// A graph of one to three states.
    fn small(&mut self, depth: u64) -> Value {
        let length = 1 + self.dice.roll(3);
        self.graph(length, depth)
    }

    fn graph(&mut self, length: u64, depth: u64) -> Value {
        let mut states = Map::new();
        let names: Vec<String> = (0..length).map(|_| self.name()).collect();
        for (index, name) in names.iter().enumerate() {
            self.block(name, names.get(index + 1), depth, &mut states);
        }
        json!({ "StartAt": names[0], "States": states })
    }

    fn block(
        &mut self,
        name: &str,
        next: Option<&String>,
        depth: u64,
        states: &mut Map<String, Value>,
    ) {
        // A child is named after its caller, so it is not called from an iteration.
        let kinds = match depth {
            0 => 7,
            DEPTH => 10,
            _ => 9,
        };
        let mut catches = false;
        let mut state = match self.dice.roll(kinds) {
            0 => json!({ "Type": "Pass", "Output": self.answer() }),
            1 => {
                json!({ "Type": "Pass", "Assign": self.assign(depth, "{% $x + 1 %}") })
            }
            2 => {
                let answer = self.answer();
                let payload = self.payload(json!({ "answer": answer }));
                self.task(payload)
            }
            3 => {
                // Fails once or twice and is tried again, perhaps not often enough.
                let fails = 1 + self.dice.roll(2);
                let answer = self.answer();
                let payload =
                    self.payload(json!({ "fails": fails, "error": "Flaky", "answer": answer }));
                let mut state = self.task(payload);
                state["Retry"] = json!([{ "ErrorEquals": ["Other"], "MaxAttempts": 0 },
                    { "ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 1 + self.dice.roll(2) }]);
                catches = self.dice.roll(2) == 0;
                state
            }
            4 => {
                let payload = self.payload(json!({ "fails": 9, "error": "Broken" }));
                catches = self.dice.roll(5) > 0;
                self.task(payload)
            }
            5 => {
                let answer = self.answer();
                let fails = self.dice.roll(3) == 0;
                catches = fails;
                let script =
                    if fails { json!({ "error": "Refused" }) } else { json!({ "answer": answer }) };
                let mut payload = self.payload(script);
                payload["token"] = json!("{% $states.context.Task.Token %}");
                json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                    "Arguments": { "FunctionName": "f", "Payload": payload } })
            }
            6 => {
                let Some(next) = next else {
                    states.insert(
                        name.to_owned(),
                        json!({ "Type": "Succeed", "Output": { "n": "{% $x %}", "list": [] } }),
                    );
                    return;
                };
                let fails = self.name();
                states.insert(fails.clone(), json!({ "Type": "Fail", "Error": "{% 'E' & $string($x) %}", "Cause": "chosen" }));
                states.insert(name.to_owned(), json!({ "Type": "Choice", "Default": next, "Choices": [
                    { "Condition": "{% $x > 4 %}", "Next": fails },
                    { "Condition": "{% $exists($states.input.list) and $count($states.input.list) = 2 %}", "Next": next, "Assign": self.assign(depth, "{% $x + 2 %}"), "Output": { "n": 0, "list": [9] } } ] }));
                return;
            }
            7 => {
                let branches: Vec<Value> =
                    (0..1 + self.dice.roll(2)).map(|_| self.small(depth - 1)).collect();
                self.concurrent |= branches.len() > 1;
                catches = true;
                json!({ "Type": "Parallel", "Branches": branches, "Output": { "n": "{% $count($states.result) %}", "list": "{% $states.result %}" } })
            }
            8 => {
                let processor = self.small(depth - 1);
                catches = true;
                json!({ "Type": "Map", "Items": [{ "n": 1, "list": [] }, { "n": 2, "list": [1] }], "MaxConcurrency": 1,
                    "ItemSelector": { "n": "{% $states.context.Map.Item.Value.n %}", "list": "{% [$states.context.Map.Item.Index] %}" },
                    "ItemProcessor": processor, "Output": { "n": 3, "list": "{% $states.result %}" } })
            }
            _ => {
                let mut child = self.small(0);
                child["QueryLanguage"] = json!("JSONata");
                let start = child["StartAt"].clone();
                // A child has no variables of its caller.
                child["States"]["Begin"] =
                    json!({ "Type": "Pass", "Assign": { "x": 1 }, "Next": start });
                child["StartAt"] = json!("Begin");
                let machine = format!("nested-{}-{}", self.case, self.count);
                self.nested.push(json!({ "name": machine, "definition": child }));
                catches = true;
                self.concurrent = true;
                json!({ "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
                    "Arguments": { "StateMachineArn": format!("{PREFIX}:{machine}"), "Input": "{% $states.input %}", "Name": "{% $states.context.Execution.Name & '-child' %}" },
                    "Output": "{% $states.result.Output %}" })
            }
        };
        match next {
            Some(next) => state["Next"] = json!(next),
            None => state["End"] = json!(true),
        }
        if catches {
            let target = next.cloned().unwrap_or_else(|| {
                let last = self.name();
                states.insert(last.clone(), json!({ "Type": "Pass", "End": true }));
                last
            });
            state["Catch"] = json!([{ "ErrorEquals": ["Unheard"], "Next": target },
                { "ErrorEquals": ["States.TaskFailed", "Broken", "Flaky"], "Next": target,
                  "Assign": self.assign(depth, "{% 1 %}"), "Output": { "n": "{% $states.errorOutput.Error %}", "list": [] } }]);
        }
        states.insert(name.to_owned(), state);
    }
}

fn case(index: usize) -> (Value, bool) {
    let mut dice = Dice(0x2545_F491_4F6C_DD1D ^ (index as u64 + 1).wrapping_mul(0x9E37_79B9));
    for _ in 0..8 {
        dice.roll(2);
    }
    let mut maker = Maker { dice, case: index, count: 0, nested: Vec::new(), concurrent: false };
    let length = 2 + maker.dice.roll(3);
    let mut machine = maker.graph(length, DEPTH);
    machine["QueryLanguage"] = json!("JSONata");
    let start = machine["StartAt"].clone();
    machine["States"]["Begin"] = json!({ "Type": "Pass", "Assign": { "x": 1 }, "Next": start });
    machine["StartAt"] = json!("Begin");
    let mut machines = maker.nested;
    machines.push(json!({ "name": format!("case-{index}"), "definition": machine }));
    let input = json!({ "n": index, "list": [index, "x"] });
    let name = format!("case-{index}");
    (json!({ "name": name, "machines": machines, "input": input }), maker.concurrent)
}

async fn own_opinion(cases: &[Value]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let options = EngineOptions::new(folder.path(), REGION, ACCOUNT);
    let script = Arc::new(Script::default());
    let engine = Engine::open(options, Arc::clone(&script) as Arc<dyn TaskExecutor>).await.unwrap();
    assert!(script.engine.set(engine.clone()).is_ok());
    let mut arns = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let mut machine = String::new();
        for one in case["machines"].as_array().unwrap() {
            let definition = one["definition"].to_string();
            let put = engine.put_state_machine(one["name"].as_str().unwrap(), &definition).await;
            machine = put.unwrap();
        }
        let name = format!("case-{index}");
        let input =
            json!({ "stateMachineArn": machine, "name": name, "input": case["input"].to_string() });
        let started = engine.call("StartExecution", input).await.unwrap();
        arns.push(started["executionArn"].clone());
    }
    let mut changes = engine.status_changes();
    while engine.running() > 0 {
        drop(tokio::time::timeout(Duration::from_secs(60), changes.recv()).await.unwrap());
    }
    let mut results = Vec::new();
    for arn in arns {
        let state = engine.call("DescribeExecution", json!({ "executionArn": arn })).await.unwrap();
        let history = engine
            .call("GetExecutionHistory", json!({ "executionArn": arn, "maxResults": 1000 }))
            .await
            .unwrap();
        let events = opinion::lines(history["events"].as_array().unwrap());
        results.push(json!({ "status": state["status"], "output": state["output"], "error": state["error"], "events": events }));
    }
    engine.shutdown().await;
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn agrees_with_a_second_opinion() {
    let (cases, concurrent): (Vec<Value>, Vec<bool>) = (0..CASES).map(case).unzip();
    let Some(theirs) = second_opinion(&cases) else {
        return;
    };
    let ours = own_opinion(&cases).await;
    let (mut differing, mut stuck) = (0, 0);
    for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let name = format!("case-{index}");
        if theirs["status"] == "RUNNING" {
            eprintln!("{name}: no second opinion: {}", theirs["why"]);
            stuck += 1;
            continue;
        }
        let machine = cases[index]["machines"].as_array().unwrap().last().unwrap();
        let parts = Parts::of(&machine["definition"]);
        let ours = comparable(ours, &parts, concurrent[index]);
        let theirs = comparable(theirs, &parts, concurrent[index]);
        let differences = differences(&ours, &theirs);
        if differences.is_empty() {
            continue;
        }
        differing += 1;
        eprintln!("{name}: {}\n  {}", cases[index], differences.join("\n  "));
    }
    eprintln!("{} of {CASES} machines agree", CASES - differing - stuck);
    assert_eq!(differing, 0);
    assert!(stuck <= CASES / 10, "too few opinions");
}
