//! `monitor.look_at`: looks at several environments side by side, for the scheduled watch.
//!
//! Of each it reads what is in effect, asks the probes that came with that, and measures it for a
//! moment. What happens to one is said of that one: a record that cannot be read, a service that hangs
//! and a source that is down hold up no other.

use std::time::Duration;

use futures::future::join_all;
use pact_agent::{
    AgentError, Call, Outcome,
    ports::{Environments, StoreError},
};
use pact_contract::{
    EnvironmentKey, ErrorName, StageStatus,
    actions::{
        CheckHealth, CheckHealthOutput, Compared, LookAt, LookAtOutput, Looked, Metrics, Promised,
        ReleaseVerdict, TrackMetrics,
    },
    incident::Health,
    objectives::Counts,
    settings::{Instance, Probe, Watch},
};
use pact_statistics::assess;
use serde::Deserialize as _;
use tokio::time::Instant;

use crate::{
    health, metrics,
    sources::{self, Measured, Surroundings},
};

/// Most environments of one call.
const MOST: usize = 100;
/// How long a service may take to say that it is well: it has been up for long, or ought to. Those that
/// hang take all of it, and what is looked at beside them waits for them.
const DEADLINE_SECONDS: u64 = 4;
/// How long it is measured where requests of the agent's own do it.
const SECONDS: u64 = 5;
/// Time between two requests of its own at least, in milliseconds: many are looked at at once, and what
/// that costs is not to be the services'.
const INTERVAL_MS: u64 = 200;
/// What is left of the call's time for the answer.
const REST: Duration = Duration::from_secs(5);

pub(crate) async fn at(
    surroundings: &Surroundings,
    environments: &dyn Environments,
    call: &Call,
) -> Result<Outcome, AgentError> {
    let LookAt { environments: keys } = call.parameters()?;
    if keys.len() > MOST {
        let message = format!("more than {MOST} environments in one call");
        return Err(AgentError::new(ErrorName::LimitExceeded, message));
    }
    let now = Instant::now();
    let last = now + call.time_left().saturating_sub(REST);
    let looks = keys.iter().map(|key| look(surroundings, environments, key, last));
    let mut output = LookAtOutput::default();
    for (key, seen) in keys.iter().zip(join_all(looks).await) {
        match seen {
            Some((health, summary, promised)) => {
                let environment = key.clone();
                output.seen.push(Looked { environment, health, summary, promised });
            }
            None => output.not_watched += 1,
        }
    }
    let ill = output.seen.iter().filter(|seen| seen.health != Health::Healthy).count();
    let summary = match (output.seen.len(), ill) {
        (0, _) => "nothing is watched here".to_owned(),
        (all, 0) => format!("{all} environments are well"),
        (all, ill) => format!("{ill} of {all} environments are not well"),
    };
    let status = match (output.seen.is_empty(), ill) {
        (true, _) => StageStatus::Skipped,
        (false, 0) => StageStatus::Passed,
        (false, _) => StageStatus::Failed,
    };
    Outcome::new(status, summary, &output)
}

/// How an environment is, why, and what was counted where something is promised.
type Seen = (Health, String, Option<Promised>);

/// One environment; none that is not watched, as it has no release, or nothing that says how it is.
async fn look(
    surroundings: &Surroundings,
    environments: &dyn Environments,
    key: &str,
    last: Instant,
) -> Option<Seen> {
    match watch(surroundings, environments, key, last).await {
        Ok(seen) => seen,
        Err(fault) => {
            tracing::warn!(key, error = fault.name.as_str(), cause = fault.chain(), "not known");
            let why = format!("{}: {}", fault.name.as_str(), fault.message);
            Some((Health::Unknown, why, None))
        }
    }
}

async fn watch(
    surroundings: &Surroundings,
    environments: &dyn Environments,
    key: &str,
    last: Instant,
) -> Result<Option<Seen>, AgentError> {
    let unknown = |why: String| Ok(Some((Health::Unknown, why, None)));
    let Ok(key) = key.parse::<EnvironmentKey>() else {
        return unknown(format!("its record cannot be read: the item ENV#{key} has no such key"));
    };
    let record = match environments.load(&key).await {
        Ok(record) => record,
        Err(StoreError::Unreadable(why)) => {
            return unknown(format!("its record cannot be read: {why}"));
        }
        Err(error) => return Err(error.into()),
    };
    let Some(current) = record.current else { return Ok(None) };
    // Where a release is not watched when it comes, it is held to the usual limits.
    let mut limits = current.settings.watch.unwrap_or_default();
    let elsewhere = limits.source.as_ref().is_some_and(|source| source.kind != sources::PROBE);
    if current.settings.health.is_empty() && !elsewhere {
        return Ok(None);
    }
    limits.seconds = limits.seconds.clamp(1, SECONDS);
    let objectives = limits.objectives.take();
    let probes: Vec<Probe> = current.settings.health.into_iter().map(soon).collect();
    let EnvironmentKey { environment, .. } = key;
    let asked = CheckHealth { environment, url: record.url, probes };
    // What has no probes is known by its own requests alone.
    let healthy = if asked.probes.is_empty() {
        Outcome::new(StageStatus::Passed, "not probed", &CheckHealthOutput::default())?
    } else {
        health::probe(&surroundings.http, &asked, last).await?
    };
    match healthy.status {
        StageStatus::Passed => {}
        StageStatus::Failed => {
            // Each of its requests failed.
            let failed =
                CheckHealthOutput::deserialize(&healthy.output).unwrap_or_default().requests;
            let counts = Counts { requests: failed, errors: failed, slow: 0 };
            let promised = objectives.map(|objectives| Promised { objectives, counts });
            return Ok(Some((Health::Unhealthy, healthy.summary, promised)));
        }
        _ => return unknown(healthy.summary),
    }
    let CheckHealth { environment, url, probes } = asked;
    let mut watch = limits.clone();
    let source = watch.source.get_or_insert_with(|| Instance::new(sources::PROBE));
    if source.kind == sources::PROBE {
        let own = source.settings.get("interval_ms").and_then(serde_json::Value::as_u64);
        let interval = own.unwrap_or(INTERVAL_MS).max(INTERVAL_MS);
        source.settings.insert("interval_ms".to_owned(), interval.into());
    }
    let asked = TrackMetrics {
        environment,
        url,
        probes,
        watch,
        baseline: None,
        judged: false,
        weight: None,
        apart: None,
        steps: Vec::new(),
    };
    match metrics::measure(surroundings, &asked, last).await? {
        // No request of anybody's says nothing, neither well nor ill.
        Measured::Nothing(_) if asked.probes.is_empty() => Ok(None),
        Measured::Nothing(reason) => {
            let summary = format!("{}; not measured: {reason}", healthy.summary);
            Ok(Some((Health::Healthy, summary, None)))
        }
        Measured::Metrics(measured) => {
            let (health, summary) = within(&measured, &limits, &healthy.summary);
            let promised = objectives.map(|objectives| {
                let counts = counted(&measured, objectives.latency_ms);
                Promised { objectives, counts }
            });
            Ok(Some((health, summary, promised)))
        }
    }
}

/// Whether what was measured is within its limits. Too little tells nothing against it.
fn within(measured: &Metrics, limits: &Watch, healthy: &str) -> (Health, String) {
    let assessment = assess(None, measured, limits);
    if assessment.verdict != ReleaseVerdict::RollBack {
        let text = format!(
            "{healthy}; {} requests, {:.1} % errors, 95th percentile {:.1} ms",
            measured.requests, measured.error_rate, measured.p95_ms
        );
        return (Health::Healthy, text);
    }
    let worse = assessment.limits.iter().filter(|row| row.outcome == Compared::Worse);
    let messages: Vec<_> = worse.map(|row| row.message.as_str()).collect();
    (Health::Unhealthy, messages.join("; "))
}

/// What counts against what is promised. Of many requests some latencies are kept, evenly thinned.
fn counted(measured: &Metrics, limit_ms: Option<u64>) -> Counts {
    let Metrics { requests, errors, latencies_ms, .. } = measured;
    let answered = requests.saturating_sub(*errors);
    let slow = |limit: u64| {
        let is_slow = |latency: &&f64| {
            Duration::try_from_secs_f64(**latency / 1_000.0)
                .is_ok_and(|latency| latency > Duration::from_millis(limit))
        };
        let (slow, kept) = (latencies_ms.iter().filter(is_slow).count(), latencies_ms.len());
        let [slow, kept] = [slow, kept.max(1)].map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        answered.saturating_mul(slow).div_ceil(kept).min(answered)
    };
    Counts { requests: *requests, errors: *errors, slow: limit_ms.map_or(0, slow) }
}

/// A probe as it is asked of what has been up for a while: once, and not for long, unless it may be slow.
fn soon(probe: Probe) -> Probe {
    let slow = probe.max_latency_ms.div_ceil(1_000).saturating_add(1);
    let deadline_seconds = probe.deadline_seconds.min(slow.max(DEADLINE_SECONDS));
    Probe { successes: 1, deadline_seconds, ..probe }
}

#[cfg(test)]
mod tests {
    use pact_agent::{ports::Lock, testing::Memory};
    use pact_contract::actions::{EnvironmentRecord, ReleaseRecord};
    use serde_json::json;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

    use std::sync::Arc;

    use super::*;
    use crate::{Config, http::Client};

    /// An environment whose release is asked for this path.
    async fn deployed(memory: &Memory, name: &str, url: &str, path: Option<&str>) -> String {
        let key: EnvironmentKey = format!("acme/web#{name}").parse().expect("a key");
        let health: Vec<_> = path
            .into_iter()
            .map(|path| json!({ "path": path, "interval_ms": 20, "deadline_seconds": 60 }))
            .collect();
        let watch = json!({
            "seconds": 60, "source": { "kind": "probe", "interval_ms": 20 }, "objectives": { "latency_ms": 5_000 },
        });
        let current: ReleaseRecord = serde_json::from_value(json!({
            "release": "r1", "commit": "1", "run_id": "web-1",
            "deployed_at": "2026-11-27T10:00:00Z",
            "settings": { "target": { "kind": "directory" }, "health": health, "watch": watch },
        }))
        .expect("a release");
        let url = Some(url.to_owned());
        let record = EnvironmentRecord { current: Some(current), url, ..<_>::default() };
        let run = "web-1".parse().expect("an id");
        let hour = Duration::from_secs(3_600);
        let Ok(Lock::Held { fence }) = memory.lock(&key, &run, hour).await else { panic!("busy") };
        memory.store(&key, &record, fence).await.expect("is stored");
        key.to_string()
    }

    #[tokio::test]
    async fn each_is_seen_for_itself_and_none_holds_up_another() {
        let server = MockServer::start().await;
        let answers = |status: u16| ResponseTemplate::new(status);
        Mock::given(path("/well")).respond_with(answers(200)).mount(&server).await;
        Mock::given(path("/ill")).respond_with(answers(500)).mount(&server).await;
        let hangs = answers(200).set_delay(Duration::from_secs(60));
        Mock::given(path("/hangs")).respond_with(hangs).mount(&server).await;
        // Answers its first request, and fails most of those that follow.
        let once = answers(200);
        Mock::given(path("/fails")).respond_with(once).up_to_n_times(1).mount(&server).await;
        Mock::given(path("/fails")).respond_with(answers(500)).mount(&server).await;
        let memory = Memory::new();
        let mut keys = vec!["no key".to_owned(), "acme/web#never".to_owned()];
        for name in ["well", "ill", "hangs", "fails"] {
            keys.push(deployed(&memory, name, &server.uri(), Some(&format!("/{name}"))).await);
        }
        keys.push(deployed(&memory, "unasked", &server.uri(), None).await);
        let http = Arc::new(Client::new(Config::default()));
        let surroundings = Surroundings { http, aws: None };
        let parameters = json!({ "environments": keys }).as_object().cloned().expect("an object");
        let call = Call {
            action: "monitor.look_at".to_owned(),
            parameters,
            run_id: None,
            state: "LookAt".parse().expect("a name"),
            key: "key".to_owned(),
            deadline: Instant::now() + Duration::from_secs(60),
        };
        let begun = Instant::now();
        let outcome = at(&surroundings, &*memory, &call).await.expect("no fault");
        assert!(begun.elapsed() < Duration::from_secs(40), "side by side");
        assert_eq!(
            (outcome.status, &*outcome.summary),
            (StageStatus::Failed, "4 of 5 environments are not well")
        );
        let output: LookAtOutput = serde_json::from_value(outcome.output).expect("an output");
        assert_eq!(output.not_watched, 2);
        let seen: Vec<_> =
            output.seen.iter().map(|seen| (seen.environment.as_str(), seen.health)).collect();
        assert_eq!(
            seen,
            [
                ("no key", Health::Unknown),
                ("acme/web#well", Health::Healthy),
                ("acme/web#ill", Health::Unhealthy),
                ("acme/web#hangs", Health::Unhealthy),
                ("acme/web#fails", Health::Unhealthy),
            ]
        );
        let said = |at: usize| output.seen[at].summary.as_str();
        assert!(said(1).contains(" requests, 0.0 % errors"), "{}", said(1));
        assert!(said(2).contains("status 500"), "{}", said(2));
        assert!(said(4).contains('%'), "{}", said(4));
        let counts = |at: usize| {
            output.seen[at].promised.as_ref().map(|p| (p.counts.errors > 0, p.counts.slow))
        };
        let counted = [0, 1, 2, 3, 4].map(counts);
        let (good, bad) = (Some((false, 0)), Some((true, 0)));
        assert_eq!(counted, [None, good, bad, bad, bad]);
    }
}
