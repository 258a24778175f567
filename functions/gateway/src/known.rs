//! What is remembered of the pushes that were taken.

use std::time::Duration;

use pact_contract::{RunId, RunRecord};

use crate::{error::Answer, ports::Ports};

/// How long a push and a delivery are remembered: as long as Step Functions remembers a name.
pub(crate) const KEEP: Duration = Duration::from_hours(90 * 24);
/// Most runs of one push.
pub(crate) const MAX_RERUNS: u32 = 100;

/// The latest run of a push with its number; none where not even the first was written.
pub(crate) async fn latest_run(ports: &Ports, first: &RunId) -> Answer<(u32, Option<RunRecord>)> {
    let mut latest = (0, None);
    for number in 0..MAX_RERUNS {
        match ports.runs.run(&first.again(number)).await? {
            Some(run) => latest = (number, Some(run)),
            None => break,
        }
    }
    Ok(latest)
}
