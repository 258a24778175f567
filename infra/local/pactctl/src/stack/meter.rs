//! Notes what each call of DynamoDB consumes, and for which run: one line each in the file
//! `usage.jsonl` of the data folder.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{Context, Failure};

/// Name of the file in the data folder.
const FILE: &str = "usage.jsonl";
/// When the file is put aside for a new one; one older file is kept.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What one call consumed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(crate) struct Usage {
    /// The run; of one function's calls that name none, the run that it named last.
    pub run: String,
    /// Who called: a function, or a state machine's task.
    pub caller: String,
    /// Operation of DynamoDB.
    pub operation: String,
    /// Read request units.
    pub read: f64,
    /// Write request units.
    pub write: f64,
}

/// Appends to the file.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Mutex<Inner>>);

struct Inner {
    path: PathBuf,
    file: File,
    size: u64,
    latest: HashMap<String, String>,
}

impl Meter {
    /// A meter for the stack on this data folder.
    pub(crate) fn open(root: &Path) -> Result<Self, Failure> {
        let path = root.join(FILE);
        let file = append(&path).doing(&format!("open {}", path.display()))?;
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        Ok(Self(Arc::new(Mutex::new(Inner { path, file, size, latest: HashMap::new() }))))
    }

    /// Notes a call that names a run, or comes from who named one before. `answer` is what
    /// DynamoDB said to a request that [`asks`].
    pub(crate) fn note(&self, caller: &str, operation: &str, request: &str, answer: &Value) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = match named_run(request) {
            Some(run) => {
                inner.latest.insert(caller.to_owned(), run.to_owned());
                run.to_owned()
            }
            None => inner.latest.get(caller).cloned().unwrap_or_default(),
        };
        inner.append(usage(&run, caller, operation, answer));
    }

    /// Notes a call for a run.
    pub(crate) fn note_for(&self, run: &str, caller: &str, operation: &str, answer: &Value) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.append(usage(run, caller, operation, answer));
    }
}

impl Inner {
    fn append(&mut self, usage: Usage) {
        if let Err(error) = self.write(&usage) {
            tracing::warn!(%error, "what a call consumed could not be noted");
        }
    }

    fn write(&mut self, usage: &Usage) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(usage)?;
        line.push(b'\n');
        if self.size + line.len() as u64 > MAX_BYTES {
            std::fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
            self.file = append(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(&line)?;
        self.size += line.len() as u64;
        Ok(())
    }
}

fn usage(run: &str, caller: &str, operation: &str, answer: &Value) -> Usage {
    let (read, write) = consumed(operation, answer);
    let (run, caller, operation) = (run.to_owned(), caller.to_owned(), operation.to_owned());
    Usage { run, caller, operation, read, write }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// What a run consumed, as far as it was noted. A line that was cut off by a kill is left out.
pub(crate) fn of_run(root: &Path, run: &str) -> Vec<Usage> {
    let path = root.join(FILE);
    [path.with_extension("jsonl.1"), path]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| serde_json::from_str::<Usage>(line).ok())
                .filter(|usage| usage.run == run)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The same request, asking what it consumes; as it was where it is no JSON object.
pub(crate) fn asks(body: &[u8]) -> Option<Vec<u8>> {
    let mut request: Value = serde_json::from_slice(body).ok()?;
    request.as_object_mut()?.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
    serde_json::to_vec(&request).ok()
}

/// The run whose partition a request names.
fn named_run(request: &str) -> Option<&str> {
    let (_, rest) = request.split_once("\"RUN#")?;
    rest.split('"').next().filter(|run| !run.is_empty())
}

/// Units read and written. A refused write is paid for like one that is not.
fn consumed(operation: &str, answer: &Value) -> (f64, f64) {
    let reads = ["GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"];
    let units = match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().filter_map(|t| t["CapacityUnits"].as_f64()).sum(),
        one => one["CapacityUnits"].as_f64().unwrap_or(1.0),
    };
    if reads.contains(&operation) { (units, 0.0) } else { (0.0, units) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_noted_for_the_run_that_they_name_or_that_was_named_before() {
        let folder = tempfile::tempdir().unwrap();
        let meter = Meter::open(folder.path()).unwrap();
        let put = r#"{"Item":{"pk":{"S":"RUN#shop-1"}}}"#;
        let two = json!({ "ConsumedCapacity": { "CapacityUnits": 2.0 } });
        meter.note("A", "PutItem", put, &two);
        meter.note("A", "GetItem", r#"{"Key":{"pk":{"S":"ENV#shop"}}}"#, &two);
        meter.note("B", "GetItem", "{}", &two);
        meter.note("B", "UpdateItem", r#"{"Key":{"pk":{"S":"RUN#shop-1"}}}"#, &json!({}));
        let of = |run: &str| -> Vec<_> {
            of_run(folder.path(), run).into_iter().map(|u| (u.operation, u.read, u.write)).collect()
        };
        assert_eq!(
            of("shop-1"),
            [
                ("PutItem".into(), 0.0, 2.0),
                ("GetItem".into(), 2.0, 0.0),
                // Refused: it is paid for anyhow.
                ("UpdateItem".into(), 0.0, 1.0),
            ]
        );
        assert_eq!(of("shop"), []);
    }

    #[test]
    fn a_request_asks_what_it_consumes() {
        let asked = asks(br#"{"TableName":"t"}"#).unwrap();
        let asked: Value = serde_json::from_slice(&asked).unwrap();
        assert_eq!(asked, json!({ "TableName": "t", "ReturnConsumedCapacity": "TOTAL" }));
        assert_eq!(asks(b"[]"), None);
    }
}
