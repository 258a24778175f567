//! `monitor.check_health`: requests each probe until it has succeeded often enough in a row, or until
//! it is certain that it will not: wrong answers that do not change, a service that answered and is
//! gone, or too little time for the successes.

use std::{sync::OnceLock, time::Duration};

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
    /// How it ended, where it is not healthy.
    end: End,
}

/// Why there were no more attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The probe's deadline, or what is left of it, is too short.
    Deadline,
    /// The agent's own time, rather than the probe's, was over.
    CutShort,
    /// So many wrong answers in a row, after so much time.
    Certain(u32, Duration),
    /// Another probe had failed for certain.
    NotWaitedFor,
}

pub(crate) async fn check(http: &Client, call: &Call) -> Result<Outcome, AgentError> {
    probe(http, &call.parameters()?, Instant::now() + call.time_left()).await
}

/// Asks every probe, until `last` at most.
pub(crate) async fn probe(
    http: &Client,
    parameters: &CheckHealth,
    last: Instant,
) -> Result<Outcome, AgentError> {
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
    let failed = Failed::default();
    let all = probes.iter().map(|(probe, url)| attempt(http, probe, url, last, &failed));
    let results = join_all(all).await;
    let mut output = CheckHealthOutput { probes: probes.len(), ..CheckHealthOutput::default() };
    let mut findings = Vec::new();
    for ((probe, url), attempts) in probes.iter().zip(results) {
        let attempts = attempts?;
        output.requests += attempts.requests;
        output.healthy += usize::from(attempts.healthy);
        if attempts.healthy {
            continue;
        }
        if attempts.end == End::NotWaitedFor {
            continue;
        }
        if attempts.end == End::CutShort {
            return Err(AgentError::new(
                ErrorName::Timeout,
                format!(
                    "no time is left, though {} may take {} s to answer; last seen: {}",
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

/// When the first probe failed. What the others say changes nothing then; they have a moment to say
/// it.
#[derive(Default)]
struct Failed(OnceLock<Instant>);

impl Failed {
    /// How long the other probes may still take.
    const MOMENT: Duration = Duration::from_millis(500);

    fn say(&self) {
        self.0.get_or_init(Instant::now);
    }

    fn is_long_ago(&self) -> bool {
        self.0.get().is_some_and(|at| at.elapsed() >= Self::MOMENT)
    }
}

/// Answers that do not change.
#[derive(Default)]
struct Steady {
    /// Wrong answers in a row, and when the first of them came.
    wrong: u32,
    since: Option<Instant>,
    /// Whether the service ever answered.
    answered: bool,
}

impl Steady {
    /// For less than this anything may be a passing trouble.
    const LEAST: Duration = Duration::from_millis(500);

    /// Takes a failed attempt into account. A service that is starting refuses connections, says
    /// 503, or is slow: that is one more attempt, not the end; one that answered does not start.
    fn add(&mut self, probe: &Probe, answer: &Answer) {
        let wrong = match answer {
            Answer::Response { status: 425 | 429 | 502 | 503 | 504, .. } => {
                self.answered = true;
                false
            }
            Answer::Response { status, contains, .. } => {
                self.answered = true;
                *status != probe.status || !*contains
            }
            Answer::None(_) | Answer::Refused(_) => self.answered,
        };
        if wrong {
            self.wrong += 1;
            self.since.get_or_insert_with(Instant::now);
        } else {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.wrong = 0;
        self.since = None;
    }

    fn certain(&self, probe: &Probe) -> Option<End> {
        let lasted = self.since?.elapsed();
        let enough = probe.give_up_after > 0 && self.wrong >= probe.give_up_after;
        (enough && lasted >= Self::LEAST).then_some(End::Certain(self.wrong, lasted))
    }
}

async fn attempt(
    http: &Client,
    probe: &Probe,
    url: &Url,
    last: Instant,
    failed: &Failed,
) -> Result<Attempts, AgentError> {
    let begun = Instant::now();
    let own = begun + Duration::from_secs(probe.deadline_seconds).min(MAX_DEADLINE);
    let until = own.min(last);
    let interval = Duration::from_millis(probe.interval_ms).max(MIN_INTERVAL);
    let limit = Duration::from_millis(probe.max_latency_ms);
    // Longer than what is healthy, so that how slow an answer is can be said; and the same for the
    // last request, whose answer may come after the deadline, rather than cut to what is left.
    let patience = limit.saturating_mul(2).clamp(MIN_PATIENCE, MAX_PATIENCE).max(limit);
    let wanted = probe.successes.max(1);
    let mut attempts =
        Attempts { healthy: false, requests: 0, seen: "nothing".to_owned(), end: End::Deadline };
    let mut steady = Steady::default();
    let mut in_a_row = 0;
    loop {
        let left = last.saturating_duration_since(Instant::now()).max(MIN_INTERVAL);
        let next = Instant::now() + interval;
        attempts.requests += 1;
        let answer = http.get(url, probe.contains.as_deref(), patience.min(left)).await?;
        match fault(probe, &answer) {
            None => {
                in_a_row += 1;
                steady.clear();
                steady.answered = true;
            }
            Some(fault) => {
                in_a_row = 0;
                attempts.seen = fault;
                steady.add(probe, &answer);
            }
        }
        if in_a_row >= wanted {
            attempts.healthy = true;
            return Ok(attempts);
        }
        let end = if let Some(certain) = steady.certain(probe) {
            Some(certain)
        } else if failed.is_long_ago() {
            Some(End::NotWaitedFor)
        } else if next + interval.saturating_mul(wanted - in_a_row - 1) >= until {
            // There is no time for the successes that are missing.
            Some(if last < own { End::CutShort } else { End::Deadline })
        } else {
            None
        };
        if let Some(end) = end {
            attempts.end = end;
            if in_a_row > 0 {
                attempts.seen =
                    format!("only {in_a_row} of {} successes in a row", probe.successes);
            }
            if end != End::NotWaitedFor {
                failed.say();
            }
            return Ok(attempts);
        }
        tokio::time::sleep_until(next.max(Instant::now())).await;
    }
}

/// What is wrong with an answer; none: it is healthy.
fn fault(probe: &Probe, answer: &Answer) -> Option<String> {
    match answer {
        Answer::None(reason) | Answer::Refused(reason) => Some(reason.clone()),
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
    let message = match attempts.end {
        End::Certain(wrong, lasted) => format!(
            "{} is not healthy: {} ({wrong} times in a row over {:.1} s; {times})",
            shown(url),
            attempts.seen,
            lasted.as_secs_f64()
        ),
        _ => format!(
            "{} was not healthy within {} s: {} ({times})",
            shown(url),
            probe.deadline_seconds,
            attempts.seen
        ),
    };
    Finding::new(codes::HEALTH_CHECK_FAILED, Severity::Critical, message)
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
