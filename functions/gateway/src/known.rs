//! What is remembered of the pushes that were taken.

use std::time::Duration;

use pact_agent::ports::{Listed, StoreError};
use pact_contract::{RunId, RunRecord};

use crate::ports::Ports;

/// How long a push and a delivery are remembered: as long as Step Functions remembers a name.
pub(crate) const KEEP: Duration = Duration::from_hours(90 * 24);
/// Most runs of one push.
pub(crate) const MAX_RERUNS: u32 = 100;

/// The latest run of a push with its number; none where not even the first was written.
pub(crate) async fn latest_run(
    ports: &Ports,
    first: &RunId,
) -> Result<(u32, Option<RunRecord>), StoreError> {
    let mut latest = latest_runs(ports, std::slice::from_ref(first)).await?;
    if let Some(unreadable) = latest.unreadable.pop() {
        return Err(unreadable.into());
    }
    Ok(latest.items.pop().unwrap_or_default())
}

/// The latest runs of several pushes, in their order; beside them the runs that cannot be read.
pub(crate) async fn latest_runs(
    ports: &Ports,
    firsts: &[RunId],
) -> Result<Listed<(u32, Option<RunRecord>)>, StoreError> {
    // The first and the second of all at once: nearly always there is no third.
    let ids = firsts.iter().flat_map(|first| [first.again(0), first.again(1)]);
    let Listed { items: mut there, unreadable } = ports.runs.runs(&ids.collect::<Vec<_>>()).await?;
    let mut latest = Vec::with_capacity(firsts.len());
    for first in firsts {
        let mut taken = |number| {
            let id = first.again(number);
            let at = there.iter().position(|run| run.request.run_id == id)?;
            Some(there.swap_remove(at))
        };
        let mut found = match (taken(0), taken(1)) {
            (None, _) => (0, None),
            (one, None) => (0, one),
            (_, two) => (1, two),
        };
        // What follows is asked for one by one.
        for number in 2..MAX_RERUNS {
            if found.0 + 1 != number {
                break;
            }
            let Some(run) = ports.runs.run(&first.again(number)).await? else { break };
            found = (number, Some(run));
        }
        latest.push(found);
    }
    Ok(Listed { items: latest, unreadable })
}
