//! What is counted and timed, as CloudWatch's embedded metric format: one JSON object on a line of
//! the log, from which CloudWatch makes the metrics. Nothing is sent, so nothing can fail or wait.
//!
//! CloudWatch charges for each time series, by name and dimensions, so every metric here is one: it
//! has no dimensions, and only what an alarm or a trend over years needs is one. Everything else on
//! the line (agent, action, status, error, environment, run, repository, and further counts and
//! times) is for a search in the log, which costs when it is asked.

use std::{io::Write, time::Duration};

use jiff::Timestamp;
use pact_contract::{
    EnvironmentName, RepositoryName, RunId, RunStatus, StageStatus, Tier, run::DeploymentStatus,
};
use serde_json::{Map, Value, json};

/// Where events go that are counted and timed.
pub trait Metrics: Send + Sync {
    /// Takes one event. What cannot be written is lost: no work fails for a metric.
    fn emit(&self, event: &MetricEvent);
}

/// Something that happened once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricEvent {
    /// An agent answered, or could not. An answer that is given again is not counted again.
    Action {
        /// The agent.
        agent: &'static str,
        /// One of its actions; none when the event named none of them.
        action: Option<&'static str>,
        /// The verdict; [`StageStatus::Error`] for a fault.
        status: StageStatus,
        /// Name of the fault.
        error: Option<&'static str>,
        /// From the event to the answer.
        duration: Duration,
        /// The run, if it was for one.
        run_id: Option<RunId>,
    },
    /// The execution of a run began.
    RunStarted {
        /// The run.
        run_id: RunId,
        /// Its repository.
        repository: RepositoryName,
    },
    /// A run came to its end.
    RunEnded {
        /// The run.
        run_id: RunId,
        /// Its repository.
        repository: RepositoryName,
        /// How it ended.
        status: RunStatus,
        /// From the accepted push to the final status.
        duration: Duration,
    },
    /// A run had begun to deploy to an environment, and came to its end.
    Deployment {
        /// The run.
        run_id: RunId,
        /// Its repository.
        repository: RepositoryName,
        /// The environment.
        environment: EnvironmentName,
        /// What it is for, where that is known.
        tier: Option<Tier>,
        /// Where the deployment stands; none when the run ended in the middle of it.
        status: Option<DeploymentStatus>,
        /// From the first call to deploy to the last answer about status and health.
        duration: Option<Duration>,
        /// From the first call to roll back to the last answer about what was restored.
        rollback: Option<Duration>,
        /// From the accepted push to the last good answer about status and health; only for what
        /// is in effect.
        lead_time: Option<Duration>,
    },
}

impl MetricEvent {
    /// The event in the embedded metric format, with its metrics in `namespace`.
    #[must_use]
    pub fn document(&self, namespace: &str, at: Timestamp) -> Value {
        let mut document = Document::new(namespace, at);
        match self {
            Self::Action { agent, action, status, error, duration, run_id } => {
                document.field("Agent", agent);
                document.field("Action", action.unwrap_or("unknown"));
                document.field("Status", status.as_str());
                document.logged(ms("ActionDuration", *duration));
                if let Some(error) = error {
                    document.field("Error", error);
                    document.metric(count("Faults", 1));
                }
                if let Some(run_id) = run_id {
                    document.field("run_id", run_id.as_str());
                }
            }
            Self::RunStarted { run_id, repository } => {
                document.logged(count("RunsStarted", 1));
                document.run(run_id, repository);
            }
            Self::RunEnded { run_id, repository, status, duration } => {
                document.field("Status", status.as_str());
                document.logged(count("RunsEnded", 1));
                document.metric(ms("RunDuration", *duration));
                // One sample for each run that was decided: the average is the failure rate, and
                // it needs no second metric that may have no samples.
                document.metric(unsuccessful(*status).map(|n| count("RunFailures", n)));
                document.run(run_id, repository);
            }
            Self::Deployment {
                run_id,
                repository,
                environment,
                tier,
                status,
                duration,
                rollback,
                lead_time,
            } => {
                document.field("Environment", environment.as_str());
                document.field("Status", status.map_or("unfinished", name));
                document.logged(count("Deployments", 1));
                document.metric(duration.map(|time| ms("DeploymentDuration", time)));
                document.metric(rollback.map(|time| ms("RollbackDuration", time)));
                let lead_time = lead_time.map(|time| ms("LeadTime", time));
                // A share that is right by construction: one sample for each release that was in
                // effect, so that the average is the change failure rate.
                let taken_back = taken_back(*status).map(|n| count("Rollbacks", n));
                // Both are told of what reaches users; what was tried before has a line in the log.
                for measured in [lead_time, taken_back] {
                    if tier.or_else(|| Tier::of(environment)) == Some(Tier::Production) {
                        document.metric(measured);
                    } else {
                        document.logged(measured);
                    }
                }
                document.run(run_id, repository);
            }
        }
        document.finish()
    }
}

/// 1 for a run that came to no good end, 0 for one that did or that waits for a person, nothing for
/// one that was stopped on request or whose place a newer one took.
const fn unsuccessful(status: RunStatus) -> Option<u64> {
    match status {
        RunStatus::Succeeded | RunStatus::Held => Some(0),
        RunStatus::Failed
        | RunStatus::Rejected
        | RunStatus::RolledBack
        | RunStatus::RollbackFailed
        | RunStatus::TimedOut => Some(1),
        RunStatus::Queued | RunStatus::Running | RunStatus::Cancelled | RunStatus::Superseded => {
            None
        }
    }
}

const fn name(status: DeploymentStatus) -> &'static str {
    match status {
        DeploymentStatus::Pending => "pending",
        DeploymentStatus::Live => "live",
        DeploymentStatus::Failed => "failed",
        DeploymentStatus::RolledBack => "rolled_back",
        DeploymentStatus::RollbackFailed => "rollback_failed",
    }
}

/// 1 for a release that had to be taken back, 0 for one that stayed, nothing for one that was
/// never in effect.
const fn taken_back(status: Option<DeploymentStatus>) -> Option<u64> {
    match status {
        Some(DeploymentStatus::Live) => Some(0),
        Some(DeploymentStatus::RolledBack | DeploymentStatus::RollbackFailed) => Some(1),
        Some(DeploymentStatus::Pending | DeploymentStatus::Failed) | None => None,
    }
}

struct Measured {
    name: &'static str,
    unit: &'static str,
    value: u64,
}

const fn count(name: &'static str, value: u64) -> Measured {
    Measured { name, unit: "Count", value }
}

fn ms(name: &'static str, duration: Duration) -> Measured {
    let value = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Measured { name, unit: "Milliseconds", value }
}

/// A line while it is made.
struct Document<'a> {
    namespace: &'a str,
    at: Timestamp,
    metrics: Vec<Value>,
    fields: Map<String, Value>,
}

impl<'a> Document<'a> {
    fn new(namespace: &'a str, at: Timestamp) -> Self {
        Self { namespace, at, metrics: Vec::new(), fields: Map::new() }
    }

    fn field(&mut self, name: &str, value: &str) {
        self.fields.insert(name.to_owned(), value.into());
    }

    fn run(&mut self, run_id: &RunId, repository: &RepositoryName) {
        self.field("run_id", run_id.as_str());
        self.field("repository", repository.as_str());
    }

    /// A number that CloudWatch makes a metric of.
    fn metric(&mut self, measured: impl Into<Option<Measured>>) {
        let Some(measured) = measured.into() else { return };
        self.metrics.push(json!({ "Name": measured.name, "Unit": measured.unit }));
        self.logged(measured);
    }

    /// A number for a search in the log.
    fn logged(&mut self, measured: impl Into<Option<Measured>>) {
        if let Some(measured) = measured.into() {
            self.fields.insert(measured.name.to_owned(), measured.value.into());
        }
    }

    fn finish(self) -> Value {
        let mut document = Map::new();
        // A directive without a metric is refused by CloudWatch.
        if !self.metrics.is_empty() {
            let directive = json!({
                "Namespace": self.namespace,
                "Dimensions": [[]],
                "Metrics": self.metrics,
            });
            let head = json!({
                "Timestamp": self.at.as_millisecond(),
                "CloudWatchMetrics": [directive],
            });
            document.insert("_aws".to_owned(), head);
        }
        document.extend(self.fields);
        Value::Object(document)
    }
}

/// Writes each event on a line of standard output, where Lambda reads the log.
pub struct EmbeddedMetrics {
    namespace: String,
}

impl EmbeddedMetrics {
    /// Metrics in this namespace: one for each installation, so that none counts another's.
    #[must_use]
    pub fn new(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into() }
    }
}

impl Metrics for EmbeddedMetrics {
    fn emit(&self, event: &MetricEvent) {
        let mut document = event.document(&self.namespace, Timestamp::now());
        // Whose it is, as on every other line; what the event says of itself goes before.
        if let Value::Object(document) = &mut document {
            for (name, value) in crate::telemetry::current_fields() {
                document.entry(name).or_insert(value);
            }
        }
        let line = format!("{document}\n");
        // One write of a whole line: it does not mix with those of the log.
        if let Err(error) = std::io::stdout().lock().write_all(line.as_bytes()) {
            tracing::warn!(%error, "a metric was lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RunId {
        text.parse().unwrap()
    }

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    fn document(event: &MetricEvent) -> Value {
        event.document("PACT/shop", Timestamp::from_millisecond(1_700_000_000_123).unwrap())
    }

    fn deployment(status: Option<DeploymentStatus>) -> Value {
        let known = status.map(|_| Duration::from_secs(90));
        document(&MetricEvent::Deployment {
            run_id: id("shop-1"),
            repository: name("acme/shop"),
            environment: EnvironmentName::PRODUCTION,
            tier: None,
            status,
            duration: known,
            rollback: known.filter(|_| status == Some(DeploymentStatus::RolledBack)),
            lead_time: known.filter(|_| status == Some(DeploymentStatus::Live)),
        })
    }

    #[test]
    fn an_action_is_a_line_for_a_search_and_no_metric() {
        let event = MetricEvent::Action {
            agent: "test-agent",
            action: Some("tests.run_unit"),
            status: StageStatus::Failed,
            error: None,
            duration: Duration::from_micros(1_234_567),
            run_id: Some(id("shop-1")),
        };
        let expected = r#"{"Agent":"test-agent","Action":"tests.run_unit","Status":"failed","ActionDuration":1234,"run_id":"shop-1"}"#;
        assert_eq!(document(&event).to_string(), expected);
    }

    #[test]
    fn a_fault_is_counted_and_its_name_is_no_dimension() {
        let event = MetricEvent::Action {
            agent: "code-agent",
            action: None,
            status: StageStatus::Error,
            error: Some("ERR_INVALID_INTENT"),
            duration: Duration::ZERO,
            run_id: None,
        };
        let expected = r#"{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"PACT/shop","Dimensions":[[]],"Metrics":[{"Name":"Faults","Unit":"Count"}]}]},"Agent":"code-agent","Action":"unknown","Status":"error","ActionDuration":0,"Error":"ERR_INVALID_INTENT","Faults":1}"#;
        assert_eq!(document(&event).to_string(), expected);
    }

    #[test]
    fn a_run_is_told_at_both_ends_and_its_name_and_status_are_no_dimensions() {
        let (run_id, repository) = (id("shop-1"), name("acme/shop"));
        let started =
            MetricEvent::RunStarted { run_id: run_id.clone(), repository: repository.clone() };
        let expected = r#"{"RunsStarted":1,"run_id":"shop-1","repository":"acme/shop"}"#;
        assert_eq!(document(&started).to_string(), expected);
        let status = RunStatus::RolledBack;
        let ended =
            MetricEvent::RunEnded { run_id, repository, status, duration: Duration::from_secs(61) };
        let expected = r#"{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"PACT/shop","Dimensions":[[]],"Metrics":[{"Name":"RunDuration","Unit":"Milliseconds"},{"Name":"RunFailures","Unit":"Count"}]}]},"Status":"rolled_back","RunsEnded":1,"RunDuration":61000,"RunFailures":1,"run_id":"shop-1","repository":"acme/shop"}"#;
        assert_eq!(document(&ended).to_string(), expected);
    }

    #[test]
    fn the_failure_rate_counts_what_was_decided() {
        let sample = |status| {
            let (run_id, repository) = (id("shop-1"), name("acme/shop"));
            let event =
                MetricEvent::RunEnded { run_id, repository, status, duration: Duration::ZERO };
            document(&event).get("RunFailures").and_then(Value::as_u64)
        };
        for good in [RunStatus::Succeeded, RunStatus::Held] {
            assert_eq!(sample(good), Some(0));
        }
        for bad in [RunStatus::Rejected, RunStatus::TimedOut, RunStatus::RollbackFailed] {
            assert_eq!(sample(bad), Some(1));
        }
        assert_eq!(sample(RunStatus::Cancelled), None);
    }

    #[test]
    fn a_deployment_tells_its_times_and_whether_it_was_taken_back() {
        let expected = r#"{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"PACT/shop","Dimensions":[[]],"Metrics":[{"Name":"DeploymentDuration","Unit":"Milliseconds"},{"Name":"LeadTime","Unit":"Milliseconds"},{"Name":"Rollbacks","Unit":"Count"}]}]},"Environment":"production","Status":"live","Deployments":1,"DeploymentDuration":90000,"LeadTime":90000,"Rollbacks":0,"run_id":"shop-1","repository":"acme/shop"}"#;
        assert_eq!(deployment(Some(DeploymentStatus::Live)).to_string(), expected);
        let back = deployment(Some(DeploymentStatus::RolledBack));
        assert_eq!([&back["Rollbacks"], &back["RollbackDuration"]], [1, 90_000]);
        assert_eq!(back.get("LeadTime"), None);
    }

    #[test]
    fn what_was_never_in_effect_is_no_sample_of_the_change_failure_rate() {
        for (status, name) in [(Some(DeploymentStatus::Failed), "failed"), (None, "unfinished")] {
            let document = deployment(status);
            assert_eq!((&document["Status"], document.get("Rollbacks")), (&json!(name), None));
        }
        assert_eq!(deployment(None).get("_aws"), None, "CloudWatch refuses a head without metrics");
    }

    #[test]
    fn what_was_tried_before_production_is_no_sample_of_its_rates() {
        let staged = document(&MetricEvent::Deployment {
            run_id: id("shop-1"),
            repository: name("acme/shop"),
            environment: "eu-test".parse().unwrap(),
            tier: Some(Tier::Staging),
            status: Some(DeploymentStatus::Live),
            duration: None,
            rollback: None,
            lead_time: Some(Duration::from_secs(9)),
        });
        assert_eq!((staged.get("_aws"), &staged["LeadTime"]), (None, &json!(9_000)));
    }
}
