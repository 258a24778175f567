//! What another interpreter says of the same machines, and how two opinions are compared.
//!
//! Needs Python with moto and jsonata-python (`SFN_SECOND_OPINION` names the interpreter, default
//! `python3`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

/// The region and the account of both interpreters.
pub(crate) const REGION: &str = "us-east-1";
/// As [`REGION`].
pub(crate) const ACCOUNT: &str = "123456789012";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/second_opinion.py");
const OF_A_NEIGHBOUR: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../infra/local/step-functions/tests/differential/second_opinion.py"
);

/// Runs every case of `second_opinion.py`, which says what a case is. None where the other
/// interpreter is not there; a line on standard error then says so.
pub(crate) fn second_opinion(cases: &[Value]) -> Option<Vec<Value>> {
    let python = std::env::var("SFN_SECOND_OPINION").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python)
        .args(["-c", "import jsonata, moto.stepfunctions.parser"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: {python} does not have moto and jsonata-python");
        return None;
    }
    // The project's machines use this file too, from a crate beside this one.
    let own = Path::new(SCRIPT);
    let script = if own.exists() { own.to_owned() } else { Path::new(OF_A_NEIGHBOUR).to_owned() };
    // It computes on one processor only.
    let halves = std::thread::available_parallelism().map_or(1, usize::from).min(cases.len());
    let asked: Vec<_> = (0..halves)
        .map(|half| {
            let some: Vec<Value> = cases.iter().skip(half).step_by(halves).cloned().collect();
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("cases.json");
            std::fs::write(&file, Value::from(some).to_string()).unwrap();
            let child = Command::new(&python)
                .arg(&script)
                .arg(file)
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test")
                .env("AWS_DEFAULT_REGION", REGION)
                .stdout(Stdio::piped())
                .stderr(std::fs::File::create(folder.path().join("errors")).unwrap())
                .spawn()
                .unwrap();
            (folder, child)
        })
        .collect();
    let mut results = vec![Value::Null; cases.len()];
    for (half, (folder, child)) in asked.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        let errors = std::fs::read_to_string(folder.path().join("errors")).unwrap();
        let first_of_last = errors.lines().count().saturating_sub(40);
        let last: Vec<&str> = errors.lines().skip(first_of_last).collect();
        assert!(output.status.success(), "{}", last.join("\n"));
        let some: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        for (at, result) in some.into_iter().enumerate() {
            results[half + at * halves] = result;
        }
    }
    Some(results)
}

/// A history as it is compared: of each event its type, its state, and what a task was given.
pub(crate) fn lines(history: &[Value]) -> Vec<Value> {
    let line = |event: &Value| {
        let entered = &event["stateEnteredEventDetails"]["name"];
        let name =
            if entered.is_null() { &event["stateExitedEventDetails"]["name"] } else { entered };
        let given = &event["taskScheduledEventDetails"]["parameters"];
        let given = if given.is_null() {
            &event["lambdaFunctionScheduledEventDetails"]["input"]
        } else {
            given
        };
        json!([event["type"], name, given])
    };
    history.iter().map(line).collect()
}

/// Which part of a machine a state is in: the machine itself or one branch. What happens in one
/// part happens in order; between parts that run side by side there is none.
#[derive(Default)]
pub(crate) struct Parts {
    of: BTreeMap<String, usize>,
    /// By Parallel or Map state, every part below it.
    below: BTreeMap<String, BTreeSet<usize>>,
    count: usize,
}

impl Parts {
    /// The parts of a definition.
    pub(crate) fn of(definition: &Value) -> Self {
        let mut parts = Self::default();
        parts.read(definition);
        parts
    }

    /// Reads a graph and answers its own part and those in it.
    fn read(&mut self, graph: &Value) -> BTreeSet<usize> {
        let own = self.count;
        self.count += 1;
        let mut all = BTreeSet::from([own]);
        for (name, state) in graph["States"].as_object().into_iter().flatten() {
            self.of.insert(name.clone(), own);
            let branches = state["Branches"].as_array().into_iter().flatten();
            let mut below = BTreeSet::new();
            for inner in branches.chain(state.get("ItemProcessor")) {
                below.extend(self.read(inner));
            }
            all.extend(&below);
            self.below.insert(name.clone(), below);
        }
        all
    }
}

/// What is compared of a result: status, error, parsed output, how often each event occurs, and
/// the order of the states within each part of the machine.
///
/// Where branches run side by side, events of type `…StateAborted` do not count; and where a
/// Parallel state failed, how far its branches had come is up to threads: then neither the events
/// nor the parts below it count.
pub(crate) fn comparable(result: &Value, parts: &Parts, side_by_side: bool) -> Value {
    let mut events: Vec<Value> = result["events"].as_array().unwrap().clone();
    if side_by_side {
        events.retain(|event| !event[0].as_str().unwrap().ends_with("StateAborted"));
    }
    let failed = side_by_side && events.iter().any(|event| event[0] == "ParallelStateFailed");
    let mut order: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for event in &events {
        if let Some(part) = event[1].as_str().and_then(|name| parts.of.get(name)) {
            order.entry(*part).or_default().push(json!([event[0], event[1]]));
        }
    }
    if failed {
        for below in parts.below.values().flatten() {
            order.remove(below);
        }
        events.clear();
    }
    for event in &mut events {
        if let Some(given) = event[2].as_str() {
            event[2] = normal(&serde_json::from_str(given).unwrap());
        }
    }
    events.sort_by_key(Value::to_string);
    let output = result["output"].as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
    json!({
        "status": result["status"],
        "error": result["error"],
        "output": output.as_ref().map(normal),
        "order": order.into_values().collect::<Vec<_>>(),
        "events": events,
    })
}

/// A value without what differs from run to run: instants and task tokens; numbers by value.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::String(text) => json!(timeless(text)),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            let member = |(key, value): (&String, &Value)| {
                let token = key.ends_with("token") && value.is_string();
                (key.clone(), if token { json!("<token>") } else { normal(value) })
            };
            Value::Object(sorted.into_iter().map(member).collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

/// `text` with every instant, and every part of one from the hour on, as `<time>`.
fn timeless(text: &str) -> String {
    const HOUR: &str = "0000-00-00T00";
    let is_hour = |at: &str| {
        at.len() >= HOUR.len()
            && HOUR.chars().zip(at.chars()).all(|(want, is)| match want {
                '0' => is.is_ascii_digit(),
                want => is == want,
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if is_hour(rest) {
            out.push_str("<time>");
            let after = rest.get(HOUR.len()..).unwrap_or_default();
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit() || ":.Z".contains(c));
            rest = after.strip_prefix("+00:00").unwrap_or(after);
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

#[test]
fn instants_are_not_compared() {
    assert_eq!(timeless("a/2026-11-22T10:00:00.123Z/b"), "a/<time>/b");
    assert_eq!(timeless("é-2026-11-22T10"), "é-<time>");
    assert_eq!(timeless("2026-11-22"), "2026-11-22");
}

/// What two comparable results differ in, for a person.
pub(crate) fn differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for key in ["status", "error", "output", "order"] {
        if ours[key] != theirs[key] {
            out.push(format!("{key}: ours {}, theirs {}", ours[key], theirs[key]));
        }
    }
    let (mine, other) = (ours["events"].as_array().unwrap(), theirs["events"].as_array().unwrap());
    let missing = |from: &[Value], list: &[Value]| -> Vec<Value> {
        let mut left = list.to_vec();
        let mut missing = Vec::new();
        for event in from {
            match left.iter().position(|one| one == event) {
                Some(at) => drop(left.swap_remove(at)),
                None => missing.push(event.clone()),
            }
        }
        missing
    };
    for event in missing(mine, other) {
        out.push(format!("only ours: {event}"));
    }
    for event in missing(other, mine) {
        out.push(format!("only theirs: {event}"));
    }
    out
}
