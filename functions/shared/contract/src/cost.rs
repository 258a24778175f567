//! What a run costs on AWS: the prices, and an estimate from the records of a run's stages.
//!
//! `pactctl runs cost` knows everything that a run did on one machine, and computes a bill. A page
//! knows how long its stages took, and estimates: what has the functions' memory for that long, the
//! minutes that builds have begun, and for conducting a stage what is usual.

use serde::Serialize;

use crate::run::{StageRecord, StageStatus};

/// Prices of AWS's lists for us-east-1, on demand and without the free tier, in US dollars, as of
/// November 2026's published pages: check them before they are relied on.
pub mod price {
    /// A state transition of a Standard workflow (Step Functions pricing).
    pub const TRANSITION: f64 = 25.0 / 1e6;
    /// A second of a gigabyte on arm64 (Lambda pricing).
    pub const GB_SECOND: f64 = 0.000_013_333_4;
    /// An invocation (Lambda pricing).
    pub const INVOCATION: f64 = 0.20 / 1e6;
    /// A write request unit (DynamoDB on-demand pricing).
    pub const WRITE: f64 = 0.625 / 1e6;
    /// A read request unit (DynamoDB on-demand pricing).
    pub const READ: f64 = 0.125 / 1e6;
    /// A request to an HTTP API (API Gateway pricing).
    pub const REQUEST: f64 = 1.0 / 1e6;
    /// A gigabyte of logs taken in (CloudWatch pricing).
    pub const LOG_GB: f64 = 0.50;
    /// A minute of a build on arm64, in the smallest environment (CodeBuild pricing).
    pub const BUILD_SMALL: f64 = 0.0034;
    /// The same of a medium one and of a large one: those of x86-64, which are not lower.
    pub const BUILD_MEDIUM: f64 = 0.01;
    /// See [`BUILD_MEDIUM`].
    pub const BUILD_LARGE: f64 = 0.02;
}

/// Memory of the agents' functions in the template, in MB; the others have [`MEMORY`].
pub const LARGER: [(&str, u32); 4] =
    [("code-agent", 1769), ("test-agent", 1769), ("security-agent", 1769), ("deploy-agent", 1024)];
/// Memory of a function that needs no more, in MB.
pub const MEMORY: u32 = 256;

/// Longest that a function is at work, in milliseconds: what took longer waited for something else.
const LONGEST: u64 = 900_000;

/// What conducting one stage costs: four transitions, an invocation, and three units that are written and
/// three that are read, as runs were measured.
const CONDUCTING: f64 =
    4.0 * price::TRANSITION + price::INVOCATION + 3.0 * (price::WRITE + price::READ);

/// Milliseconds of a minute.
const MINUTE: u64 = 60_000;

/// What a run costs, as its stages tell: in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Time in functions.
    pub functions_usd: f64,
    /// Minutes of builds.
    pub builds_usd: f64,
    /// The rest: states, requests, the table.
    pub conducting_usd: f64,
}

impl Estimate {
    /// Of the stages of one run. What a workflow of the repository's host runs is counted as a build,
    /// whoever is sent the bill for it.
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a StageRecord>) -> Self {
        records.into_iter().fold(Self::default(), |sum, record| {
            let (functions, builds) = match minutes(record) {
                Some(minutes) => (0.0, real(minutes) * price::BUILD_SMALL),
                None => (gb_seconds(record) * price::GB_SECOND, 0.0),
            };
            Self {
                functions_usd: sum.functions_usd + functions,
                builds_usd: sum.builds_usd + builds,
                conducting_usd: sum.conducting_usd + CONDUCTING,
            }
        })
    }

    /// Everything.
    #[must_use]
    pub fn total_usd(&self) -> f64 {
        self.functions_usd + self.builds_usd + self.conducting_usd
    }
}

/// The minutes that its build has begun; none without a build.
fn minutes(record: &StageRecord) -> Option<u64> {
    let runs = matches!(
        record.action.as_str(),
        "tests.run_unit" | "tests.run_integration" | "tests.run_e2e"
    );
    let built = runs && record.output.get("log_key").is_some_and(serde_json::Value::is_string);
    let ended = !matches!(record.status, StageStatus::Skipped | StageStatus::Running);
    (built && ended).then(|| record.duration_ms.div_ceil(MINUTE).max(1))
}

fn gb_seconds(record: &StageRecord) -> f64 {
    let known = LARGER.iter().find(|(agent, _)| *agent == record.agent);
    let memory = known.map_or(MEMORY, |(_, memory)| *memory);
    real(record.duration_ms.min(LONGEST)) / 1_000.0 * f64::from(memory) / 1_024.0
}

#[expect(clippy::cast_precision_loss, reason = "times of one run are far below 2^52 ms")]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(agent: &str, action: &str, ms: u64, output: serde_json::Value) -> StageRecord {
        let text = serde_json::json!({
            "schema": 1, "run_id": "shop-1", "state": "S", "agent": agent, "action": action,
            "status": "passed", "summary": "", "attempt": 1, "started_at": "2026-11-20T10:00:00Z",
            "finished_at": null, "duration_ms": ms, "findings": [], "findings_total": 0,
            "output": output, "details_key": null, "error": null, "fallback": null,
        });
        serde_json::from_value(text).expect("a record")
    }

    #[test]
    fn functions_are_paid_by_memory_and_builds_by_the_minute() {
        let log = serde_json::json!({ "log_key": "runs/shop-1/logs/RunUnitTests.txt" });
        let records = [
            record("test-agent", "tests.run_unit", 61_000, log),
            // Nothing was built for it.
            record("test-agent", "tests.run_integration", 1_000, serde_json::Value::Null),
            record("quality-agent", "quality.decide_gate", 4_000, serde_json::Value::Null),
        ];
        let estimate = Estimate::of(&records);
        assert!((estimate.builds_usd - 2.0 * price::BUILD_SMALL).abs() < 1e-12);
        let gb = 1_769.0 / 1_024.0 + 4.0 * 256.0 / 1_024.0;
        assert!((estimate.functions_usd - gb * price::GB_SECOND).abs() < 1e-12);
        assert!((estimate.conducting_usd - 3.0 * CONDUCTING).abs() < 1e-12);
        let sum = estimate.functions_usd + estimate.builds_usd + estimate.conducting_usd;
        assert!((estimate.total_usd() - sum).abs() < 1e-12);
        assert_eq!(Estimate::of(&[]).total_usd(), 0.0);
    }
}
