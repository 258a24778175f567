//! `monitor.check_health`: requests each probe until it has succeeded often enough in a row.

use std::time::Duration;

use futures::future::join_all;
use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    ErrorName, Finding, Severity, StageStatus,
    actions::{CheckHealth, CheckHealthOutput},
    codes,
    settings::Probe,
};
use tokio::time::Instant;
use url::Url;

use crate::http::{Answer, Client, shown};

/// Most probes that are accepted.
const MAX_PROBES: usize = 50;
/// Longest that is waited for one probe.
const MAX_DEADLINE: Duration = Duration::from_secs(600);
/// Shortest time between two requests.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// How long an answer is waited for at least …
const MIN_PATIENCE: Duration = Duration::from_secs(1);
/// … and at most, unless an even slower one counts as healthy.
const MAX_PATIENCE: Duration = Duration::from_secs(30);

/// How the attempts at one probe ended.
struct Attempts {
    healthy: bool,
    requests: u64,
    /// What was wrong with the last request that did not succeed.
    seen: String,
    /// Whether the agent's own time, rather than the probe's, was over.
    cut_short: bool,
}

pub(crate) async fn check(http: &Client, call: &Call) -> Result<Outcome, AgentError> {
    let parameters: CheckHealth = call.parameters()?;
    let skipped =
        |reason: String| Outcome::new(StageStatus::Skipped, reason, &CheckHealthOutput::default());
    if parameters.probes.is_empty() {
        return skipped(format!(
            "no health probe: add [[environments.{}.health]] to pact.toml",
            parameters.environment
        ));
    }
    if parameters.probes.len() > MAX_PROBES {
        return Err(AgentError::new(
            ErrorName::LimitExceeded,
            format!("more than {MAX_PROBES} health probes"),
        ));
    }
    let mut probes = Vec::new();
    for probe in &parameters.probes {
        match http.address(parameters.url.as_deref(), probe) {
            Ok(url) => probes.push((probe, url)),
            Err(reason) => return skipped(reason),
        }
    }

    let begun = Instant::now();
    let last = begun + call.time_left();
    let results = join_all(probes.iter().map(|(probe, url)| attempt(http, probe, url, last))).await;
    let mut output = CheckHealthOutput { probes: probes.len(), ..CheckHealthOutput::default() };
    let mut findings = Vec::new();
    for ((probe, url), attempts) in probes.iter().zip(results) {
        let attempts = attempts?;
        output.requests += attempts.requests;
        output.healthy += usize::from(attempts.healthy);
        if attempts.healthy {
            continue;
        }
        if attempts.cut_short {
            return Err(AgentError::new(
                ErrorName::Timeout,
                format!(
                    "{} has no time left, though {} may take {} s to answer; last seen: {}",
                    call.action,
                    shown(url),
                    probe.deadline_seconds,
                    attempts.seen
                ),
            ));
        }
        findings.push(unhealthy(probe, url, &attempts));
    }
    let took = begun.elapsed().as_secs_f64();
    let all = output.healthy == output.probes;
    let summary = match findings.first() {
        None if output.probes == 1 => {
            format!("healthy after {} requests in {took:.1} s", output.requests)
        }
        None => format!(
            "all {} probes healthy after {} requests in {took:.1} s",
            output.probes, output.requests
        ),
        Some(first) if output.probes == 1 => first.message.clone(),
        Some(first) => {
            format!("{} of {} probes healthy: {}", output.healthy, output.probes, first.message)
        }
    };
    let status = if all { StageStatus::Passed } else { StageStatus::Failed };
    Ok(Outcome::new(status, summary, &output)?.with_findings(findings))
}

/// A service that is starting refuses connections: that is one more attempt, not the end.
async fn attempt(
    http: &Client,
    probe: &Probe,
    url: &Url,
    last: Instant,
) -> Result<Attempts, AgentError> {
    let begun = Instant::now();
    let own = begun + Duration::from_secs(probe.deadline_seconds).min(MAX_DEADLINE);
    let until = own.min(last);
    let interval = Duration::from_millis(probe.interval_ms).max(MIN_INTERVAL);
    let limit = Duration::from_millis(probe.max_latency_ms);
    // Longer than what is healthy, so that how slow an answer is can be said; and the same for the
    // last request, whose answer may come after the deadline, rather than cut to what is left.
    let patience = limit.saturating_mul(2).clamp(MIN_PATIENCE, MAX_PATIENCE).max(limit);
    let mut attempts =
        Attempts { healthy: false, requests: 0, seen: "nothing".to_owned(), cut_short: false };
    let mut in_a_row = 0;
    loop {
        let left = last.saturating_duration_since(Instant::now()).max(MIN_INTERVAL);
        let next = Instant::now() + interval;
        attempts.requests += 1;
        let answer = http.get(url, probe.contains.as_deref(), patience.min(left)).await?;
        match fault(probe, &answer) {
            None => in_a_row += 1,
            Some(fault) => {
                in_a_row = 0;
                attempts.seen = fault;
            }
        }
        if in_a_row >= probe.successes.max(1) {
            attempts.healthy = true;
            return Ok(attempts);
        }
        if next >= until {
            attempts.cut_short = last < own;
            if in_a_row > 0 {
                attempts.seen =
                    format!("only {in_a_row} of {} successes in a row", probe.successes);
            }
            return Ok(attempts);
        }
        tokio::time::sleep_until(next).await;
    }
}

/// What is wrong with an answer; none: it is healthy.
fn fault(probe: &Probe, answer: &Answer) -> Option<String> {
    match answer {
        Answer::None(reason) => Some(reason.clone()),
        Answer::Response { status, .. } if *status != probe.status => {
            Some(format!("status {status}, not {}", probe.status))
        }
        Answer::Response { contains: false, .. } => {
            let wanted = probe.contains.as_deref().unwrap_or_default();
            Some(format!("a body without {:?}", pact_agent::text::truncated(wanted, 80)))
        }
        Answer::Response { latency, .. }
            if *latency > Duration::from_millis(probe.max_latency_ms) =>
        {
            Some(format!(
                "an answer after {} ms, not within {} ms",
                latency.as_millis(),
                probe.max_latency_ms
            ))
        }
        Answer::Response { .. } => None,
    }
}

fn unhealthy(probe: &Probe, url: &Url, attempts: &Attempts) -> Finding {
    let times = if attempts.requests == 1 {
        "1 attempt"
    } else {
        &format!("{} attempts", attempts.requests)
    };
    Finding::new(
        codes::HEALTH_CHECK_FAILED,
        Severity::Critical,
        format!(
            "{} was not healthy within {} s: {} ({times})",
            shown(url),
            probe.deadline_seconds,
            attempts.seen
        ),
    )
    .remedy(format!(
        "answer with status {} within {} ms, {}",
        probe.status,
        probe.max_latency_ms,
        if probe.successes <= 1 {
            "once".to_owned()
        } else {
            format!("{} times in a row", probe.successes)
        }
    ))
    .evidence(format!("last seen: {}", attempts.seen))
}
