//! Services that earlier versions started themselves, without a reverse proxy in front: found and
//! ended when their environment gets its next release.
//!
//! Each is noted in `run/<release>/service.json`, and has a variable in its environment that tells
//! whose it is.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use pact_agent::AgentError;
use pact_contract::{ReleaseId, error::ErrorName};
use pact_processes::{self as processes, Identity};
use serde::{Deserialize, Serialize};

use super::layout::{Layout, read_json};

/// Variable that tells which environment a service belongs to.
const FOLDER: &str = "PACT_SERVICE_FOLDER";

/// A service as it was noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) release: ReleaseId,
    pub(crate) port: u16,
    pub(crate) url: String,
    pub(crate) process: Identity,
}

/// The services of the folder that are noted and alive.
pub(crate) fn running(layout: &Layout) -> Vec<Running> {
    let Ok(entries) = fs::read_dir(layout.run()) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| read_json::<Running>(&entry.path().join("service.json")).ok()?)
        .filter(|service| service.process.is_alive())
        .collect();
    found.sort_by(|a, b| a.release.cmp(&b.release));
    found
}

/// Processes of the folder's services, noted or not.
fn all(layout: &Layout) -> Vec<Identity> {
    let mut all: Vec<_> = running(layout).into_iter().map(|s| s.process).collect();
    all.extend(processes::marked(FOLDER, &layout.marker()));
    all.sort();
    all.dedup();
    all
}

/// Whether there are any.
pub(crate) fn is_there(layout: &Layout) -> bool {
    !all(layout).is_empty()
}

/// Stops every one of the folder, and waits until they have ended.
///
/// # Errors
/// `ERR_DEPLOY_FAILED` when one cannot be ended.
pub(crate) async fn stop(layout: &Layout) -> Result<(), AgentError> {
    if !is_there(layout) {
        return Ok(());
    }
    let layout = layout.clone();
    // When the action is cut off by its deadline, the thread must not go on to stop what the
    // next action starts.
    let cut_off = CutOff::default();
    let flag = Arc::clone(&cut_off.0);
    tokio::task::spawn_blocking(move || {
        processes::stop(|| match flag.load(Ordering::SeqCst) {
            true => Vec::new(),
            false => all(&layout),
        })
    })
    .await
    .map_err(|e| AgentError::internal(format!("stopping services was cut off: {e}")))?
    .map_err(|pids| {
        AgentError::new(
            ErrorName::DeployFailed,
            format!("cannot stop the service: processes {pids:?} do not end"),
        )
    })
}

/// Says so when it is dropped.
#[derive(Default)]
struct CutOff(Arc<AtomicBool>);

impl Drop for CutOff {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Stops every one of the folder; says which processes did not end. Blocks.
pub(crate) fn stop_blocking(layout: &Layout) -> Result<(), Vec<u32>> {
    processes::stop(|| all(layout))
}
