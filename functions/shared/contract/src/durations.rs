//! Where the time of runs goes: how long each of their stages takes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    ids::StateName,
    run::{StageRecord, StageStatus},
};

/// How long one stage took, over the runs that were looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageTime {
    /// The stage.
    pub state: StateName,
    /// Runs in which it came to an end.
    pub runs: usize,
    /// Half of them took it at most so many milliseconds.
    pub median_ms: u64,
    /// The longest one took so many milliseconds.
    pub longest_ms: u64,
}

/// The stages of these runs, the one that takes longest first. What still runs has no time yet, and
/// what was not checked took none.
#[must_use]
pub fn stage_times<'a>(records: impl IntoIterator<Item = &'a StageRecord>) -> Vec<StageTime> {
    let mut times = BTreeMap::<&StateName, Vec<u64>>::new();
    for record in records {
        if !matches!(record.status, StageStatus::Running | StageStatus::Skipped) {
            times.entry(&record.state).or_default().push(record.duration_ms);
        }
    }
    let mut all: Vec<_> = times
        .into_iter()
        .map(|(state, mut times)| {
            times.sort_unstable();
            StageTime {
                state: state.clone(),
                runs: times.len(),
                median_ms: times.get((times.len() - 1) / 2).copied().unwrap_or(0),
                longest_ms: times.last().copied().unwrap_or(0),
            }
        })
        .collect();
    all.sort_by(|a, b| b.median_ms.cmp(&a.median_ms).then_with(|| a.state.cmp(&b.state)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_stage_is_first_and_what_took_no_time_is_left_out() {
        let record = |state: &str, status: &str, ms: u64| {
            let text = serde_json::json!({
                "schema": 1, "run_id": "shop-1", "state": state, "agent": "test-agent",
                "action": "tests.run_unit", "status": status, "summary": "2 tests passed",
                "attempt": 1, "started_at": "2026-11-20T10:00:00Z", "finished_at": null,
                "duration_ms": ms, "findings": [], "findings_total": 0, "output": null,
                "details_key": null, "error": null, "fallback": null,
            });
            serde_json::from_value::<StageRecord>(text).expect("a record")
        };
        let records = [
            record("Deploy.staging", "passed", 400),
            record("RunUnitTests", "passed", 900),
            record("RunUnitTests", "failed", 100),
            record("RunUnitTests", "passed", 500),
            record("RunIntegrationTests", "skipped", 9_000),
            record("CheckHealth.staging", "running", 9_000),
        ];
        let times = stage_times(&records);
        let told: Vec<_> = times
            .iter()
            .map(|time| (time.state.as_str(), time.runs, time.median_ms, time.longest_ms))
            .collect();
        assert_eq!(told, [("RunUnitTests", 3, 500, 900), ("Deploy.staging", 1, 400, 400)]);
    }
}
