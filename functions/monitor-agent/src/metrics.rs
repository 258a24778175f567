//! `monitor.track_metrics`: measures a release for a while.

use std::time::Duration;

use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    StageStatus,
    actions::{Look, Metrics, TrackMetrics, Walked},
    shift::{MAX_STEPS, WHOLE},
};
use tokio::time::Instant;

use crate::{
    sources::{self, Measured, Surroundings, Watcher, Window},
    watcher::{Judging, Measuring},
};

/// Longest watch.
const MAX_WATCH: Duration = Duration::from_secs(600);

pub(crate) async fn track(surroundings: &Surroundings, call: &Call) -> Result<Outcome, AgentError> {
    let parameters: TrackMetrics = call.parameters()?;
    let begun = Instant::now();
    let mut metrics = match measure(surroundings, &parameters, begun + call.time_left()).await? {
        Measured::Metrics(metrics) => metrics,
        Measured::Nothing(reason) => {
            return Outcome::new(StageStatus::Skipped, reason, &Metrics::default());
        }
    };
    let took = begun.elapsed().as_secs_f64();
    let ended = match metrics.look {
        Some(Look::Step(_)) => format!("; ended after {took:.1} s, as it is clear"),
        Some(Look::End(times)) => format!("; extended {times} times, to {took:.0} s"),
        None => String::new(),
    };
    let everybodys = metrics.traffic.as_ref().map_or_else(String::new, |traffic| {
        let Metrics { requests, error_rate, .. } = &traffic.new;
        format!("; {requests} requests of everybody's, {error_rate:.1} % errors")
    });
    let summary = format!(
        "{} requests, {:.1} % errors, median {:.1} ms, 95th percentile {:.1} ms{everybodys}{ended}",
        metrics.requests, metrics.error_rate, metrics.p50_ms, metrics.p95_ms
    );
    metrics.steps = parameters.steps;
    metrics.steps.truncate(MAX_STEPS);
    let shifted = parameters.weight.filter(|weight| parameters.judged && *weight < WHOLE);
    if let Some(weight) = shifted {
        metrics.steps.push(Walked::new(weight, &metrics));
    }
    Outcome::new(StageStatus::Passed, summary, &metrics)
}

/// Measures by the source that the settings choose, until `last` at most.
pub(crate) async fn measure(
    surroundings: &Surroundings,
    parameters: &TrackMetrics,
    last: Instant,
) -> Result<Measured, AgentError> {
    let source = sources::open(parameters.watch.source.as_ref(), surroundings)
        .map_err(AgentError::invalid)?;
    let begun = Instant::now();
    let window = Window {
        environment: &parameters.environment,
        url: parameters.url.as_deref(),
        apart: parameters.apart.as_ref().filter(|_| parameters.judged),
        probes: &parameters.probes,
        begun,
        length: Duration::from_secs(parameters.watch.seconds).min(MAX_WATCH),
        last,
        judged: parameters.judged,
    };
    let TrackMetrics { baseline, watch, weight, .. } = parameters;
    let mut judging = Judging::new(baseline.as_ref(), watch, *weight);
    let mut measuring = Measuring::new(watch, *weight);
    let watcher: &mut dyn Watcher = if parameters.judged { &mut judging } else { &mut measuring };
    source.measure(&window, watcher).await
}
