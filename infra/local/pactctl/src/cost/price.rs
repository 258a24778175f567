//! The arithmetic of a bill.

use std::time::Duration;

use local_codebuild::Spent;
use pact_contract::cost::price;
use serde::Serialize;

use super::Invocation;
use crate::stack::Usage;

/// The function behind the HTTP API, by its name in the template.
const GATEWAY: &str = "GatewayFunction";

/// What a run did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Types of the events of its execution's history.
    pub events: Vec<String>,
    /// Its functions' invocations.
    pub invocations: Vec<Invocation>,
    /// Its calls of the table.
    pub table: Vec<Usage>,
    /// Its builds.
    pub builds: Vec<Spent>,
}

/// One line of the bill.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Part {
    /// What for.
    pub part: &'static str,
    /// How many, of `unit`.
    pub amount: f64,
    /// What is counted.
    pub unit: &'static str,
    /// US dollars for one.
    pub price_usd: f64,
    /// US dollars.
    pub usd: f64,
}

/// What a run costs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bill {
    /// The run.
    pub run_id: String,
    /// Line by line.
    pub parts: Vec<Part>,
    /// Everything but the functions' and the builds' time: what having the run conducted costs, in
    /// US dollars.
    pub orchestration_usd: f64,
    /// Everything, in US dollars.
    pub total_usd: f64,
}

impl Measured {
    /// States entered, and one more for each time that a task was tried again, as AWS counts them.
    fn transitions(&self) -> usize {
        let count =
            |wanted: &dyn Fn(&str) -> bool| self.events.iter().filter(|kind| wanted(kind)).count();
        let entered = count(&|kind| kind.ends_with("StateEntered"));
        let tasks = count(&|kind| kind == "TaskStateEntered");
        let tried = count(&|kind| kind == "TaskScheduled" || kind == "LambdaFunctionScheduled");
        entered + tried.saturating_sub(tasks)
    }

    /// Requests to the HTTP API: the push, and the answers of people, each an invocation of its own.
    fn requests(&self) -> usize {
        let asked = self.invocations.iter().filter(|i| i.function == GATEWAY);
        asked.count().max(1)
    }

    /// Lambda bills each millisecond that has begun.
    fn gb_seconds(&self) -> f64 {
        let one = |i: &Invocation| i.milliseconds.ceil() / 1_000.0 * i.memory_mb / 1_024.0;
        self.invocations.iter().map(one).sum()
    }

    /// CodeBuild bills each minute that has begun, by the size of the environment: minutes of each
    /// price.
    fn build_minutes(&self) -> Vec<(f64, u64)> {
        let price_of = |build: &Spent| match build.compute_type.as_str() {
            "BUILD_GENERAL1_SMALL" => price::BUILD_SMALL,
            "BUILD_GENERAL1_MEDIUM" => price::BUILD_MEDIUM,
            _ => price::BUILD_LARGE,
        };
        let minutes = |time: Duration| time.as_millis().div_ceil(60_000).max(1);
        let mut all: Vec<(f64, u64)> = Vec::new();
        for build in &self.builds {
            let (price, minutes) =
                (price_of(build), u64::try_from(minutes(build.time)).unwrap_or(0));
            match all.iter_mut().find(|(known, _)| known.total_cmp(&price).is_eq()) {
                Some((_, sum)) => *sum = sum.saturating_add(minutes),
                None => all.push((price, minutes)),
            }
        }
        all
    }

    /// The bill.
    #[expect(clippy::cast_precision_loss, reason = "counts of one run are small")]
    pub(crate) fn bill(&self, run_id: &str) -> Bill {
        let log_bytes: usize = self.invocations.iter().map(|i| i.log_bytes).sum();
        let part = |part, amount: f64, unit, price_usd: f64| Part {
            part,
            amount,
            unit,
            price_usd,
            usd: amount * price_usd,
        };
        let time = part("Lambda time", self.gb_seconds(), "GB-seconds", price::GB_SECOND);
        let total = |parts: &[Part]| parts.iter().map(|part| part.usd).sum::<f64>();
        let mut parts = vec![
            part("Step Functions", self.transitions() as f64, "transitions", price::TRANSITION),
            part(
                "Lambda requests",
                self.invocations.len() as f64,
                "invocations",
                price::INVOCATION,
            ),
            part("table, written", self.table.iter().map(|u| u.write).sum(), "units", price::WRITE),
            part("table, read", self.table.iter().map(|u| u.read).sum(), "units", price::READ),
            part("HTTP API", self.requests() as f64, "requests", price::REQUEST),
            part("logs", log_bytes as f64 / 1e9, "GB", price::LOG_GB),
        ];
        let orchestration_usd = total(&parts);
        parts.insert(1, time);
        for (price, minutes) in self.build_minutes() {
            parts.push(part("builds", minutes as f64, "minutes", price));
        }
        let total_usd = total(&parts);
        Bill { run_id: run_id.to_owned(), parts, orchestration_usd, total_usd }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_the_sum_of_its_parts() {
        let invocation = Invocation {
            function: "F".to_owned(),
            milliseconds: 1_499.2,
            memory_mb: 2_048.0,
            log_bytes: 1_000,
        };
        let usage = |read, write| Usage {
            run: "shop-1".to_owned(),
            caller: "F".to_owned(),
            operation: String::new(),
            read,
            write,
        };
        let kinds = ["PassStateEntered", "PassStateExited", "TaskStateEntered", "TaskScheduled"];
        let again = ["TaskScheduled", "TaskScheduled", "ParallelStateEntered"];
        let measured = Measured {
            events: kinds.iter().chain(&again).map(|&kind| kind.to_owned()).collect(),
            invocations: vec![invocation],
            table: vec![usage(0.0, 3.0), usage(0.5, 0.0)],
            builds: [61, 59, 0]
                .map(|seconds| Spent {
                    compute_type: "BUILD_GENERAL1_SMALL".to_owned(),
                    time: Duration::from_secs(seconds),
                })
                .into(),
        };
        let bill = measured.bill("shop-1");
        let amounts: Vec<_> = bill.parts.iter().map(|part| part.amount).collect();
        // Three states, and two times once more.
        // Of three builds each has its minutes.
        assert_eq!(amounts, [5.0, 3.0, 1.0, 3.0, 0.5, 1.0, 1e-6, 4.0]);
        let orchestration = 5.0 * 25e-6 + 0.2e-6 + 3.0 * 0.625e-6 + 0.0625e-6 + 1e-6 + 0.5e-6;
        assert!((bill.orchestration_usd - orchestration).abs() < 1e-12);
        let rest = bill.total_usd - orchestration;
        assert!((rest - 3.0 * price::GB_SECOND - 4.0 * price::BUILD_SMALL).abs() < 1e-12);
    }
}
