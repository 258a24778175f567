//! Requests of the agent itself to what the health probes ask.
//!
//! Requests are sent on schedule whether or not earlier ones were answered, so that a slow service
//! is not asked less often than a fast one, and its slowness not hidden.
//!
//! Where the release and the one before it have an address of their own, every second request goes to the
//! new one by its own, and one more to the old one at the same moment: half as much again as without it.
//! Where the machine's reverse proxy tells what everybody's requests came to, that is measured beside it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream::FuturesUnordered};
use pact_agent::AgentError;
use pact_config::form::{Form, Shape, field};
use pact_contract::{
    actions::Metrics,
    settings::{Instance, Probe, QUICK_MS, QUICK_SECONDS, USUAL_MS},
};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{
    samples::{Sample, Samples, Way},
    source::{Kind, Measured, MetricSource, Opened, Surroundings, Watcher, Window},
    traffic::{self, Traffic},
};
use crate::http::{Answer, Client};

/// This kind of source.
pub(crate) const KIND: Kind = Kind { name: "probe", form, open };

/// Probes that are requested in turn.
const MAX_PROBES: usize = 5;
/// Shortest time between two requests.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// Requests that are open at once; while there are so many, none is added.
const MAX_OPEN: usize = 256;
/// Requests that may be open while they come quickly: a tenth of them a second late is still below that.
const QUICK_OPEN: usize = 10;
/// What was sent within this may have met the same short trouble, and counts together.
const MOMENT: Duration = Duration::from_millis(100);

/// How requests are sent.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    /// Time between two requests in milliseconds, where it is always the same.
    interval_ms: Option<u64>,
}

/// How often requests are sent. What is clear is clear after a number of them, so that they come
/// quickly at first; a watch that goes on for minutes is no load to speak of all the same.
#[derive(Clone, Copy)]
struct Pace {
    quick: Duration,
    usual: Duration,
}

impl Pace {
    /// From so long after the beginning it is the usual one.
    const QUICK_FOR: Duration = Duration::from_secs(QUICK_SECONDS);

    fn of(settings: &Settings) -> Self {
        let [quick, usual] = [QUICK_MS, USUAL_MS].map(|standard| {
            let interval = settings.interval_ms.unwrap_or(standard);
            Duration::from_millis(interval).max(MIN_INTERVAL)
        });
        Self { quick, usual }
    }

    /// The time between two requests, so long after the beginning, while so many are open. What cannot keep
    /// up is not asked more often than usual: the watch is not to be what makes it slow.
    fn at(self, elapsed: Duration, open: usize) -> Duration {
        let keeps_up = open < QUICK_OPEN;
        if elapsed < Self::QUICK_FOR && keeps_up { self.quick } else { self.usual }
    }

    /// How many in a row are sent within a moment.
    fn together(interval: Duration) -> u32 {
        u32::try_from(MOMENT.as_micros() / interval.as_micros().max(1)).unwrap_or(1).max(1)
    }
}

fn form() -> Form {
    Form {
        about: "Requests of the monitor agent to the environment's health probes.".to_owned(),
        fields: vec![field(
            "interval_ms",
            "Time between two requests. Without it they are 20 ms apart in the first five seconds of a \
             watch, and 100 ms from then on.",
            Shape::Integer { min: 10, max: 60_000 },
        )],
        ..Form::default()
    }
}

struct Probes {
    http: Arc<Client>,
    pace: Pace,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let settings: Settings =
        instance.parse().map_err(|e| format!("the settings of the source: {e}"))?;
    let pace = Pace::of(&settings);
    Ok(Box::new(Probes { http: Arc::clone(&surroundings.http), pace }))
}

#[async_trait]
impl MetricSource for Probes {
    async fn measure(
        &self,
        window: &Window<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<Measured, AgentError> {
        if window.probes.is_empty() {
            return Ok(Measured::Nothing(format!(
                "nothing to measure: add [[environments.{}.health]] to pact.toml",
                window.environment
            )));
        }
        let turns = match Turns::new(&self.http, window) {
            Ok(turns) => turns,
            Err(reason) => return Ok(Measured::Nothing(reason)),
        };
        let metrics = requests(&self.http, turns, self.pace, window, watcher).await?;
        if metrics.requests == 0 {
            let reason = "no request was sent: there was no time for the watch";
            return Ok(Measured::Nothing(reason.to_owned()));
        }
        Ok(Measured::Metrics(metrics))
    }
}

/// What is asked, and by which way: everybody's, and in turn with it the two releases, both at once so that
/// whatever slows one down meets the other as well.
struct Turns<'a> {
    front: Vec<(&'a Probe, Url)>,
    pairs: Vec<(&'a Probe, Url, Url)>,
    sent: usize,
}

impl<'a> Turns<'a> {
    /// # Errors
    /// Why something cannot be asked.
    fn new(http: &Client, window: &Window<'a>) -> Result<Self, String> {
        let mut turns = Self { front: Vec::new(), pairs: Vec::new(), sent: 0 };
        for probe in window.probes.iter().take(MAX_PROBES) {
            turns.front.push((probe, http.address(window.url, probe)?));
            let Some(apart) = window.apart else { continue };
            let at = |base: &str| http.address(Some(base), probe).ok();
            // What is the same address for both tells nothing of either.
            if let Some((new, old)) = at(&apart.new).zip(at(&apart.old))
                && new != old
            {
                turns.pairs.push((probe, new, old));
            }
        }
        Ok(turns)
    }

    /// What is sent next; `pairs`: whether both releases take requests.
    fn next(&mut self, pairs: bool) -> Vec<(Way, &'a Probe, Url)> {
        self.sent += 1;
        let nth = |of: usize| (self.sent / 2).checked_rem(of).unwrap_or(0);
        if pairs && self.sent.is_multiple_of(2) && !self.pairs.is_empty() {
            let pair = self.pairs.get(nth(self.pairs.len()));
            let both = |(probe, new, old): &(&'a Probe, Url, Url)| {
                vec![(Way::New, *probe, new.clone()), (Way::Old, *probe, old.clone())]
            };
            return pair.map(both).unwrap_or_default();
        }
        let turn = if self.pairs.is_empty() || !pairs { self.sent } else { self.sent / 2 };
        let front = self.front.get(turn.checked_rem(self.front.len()).unwrap_or(0));
        front.map(|(probe, url)| vec![(Way::Front, *probe, url.clone())]).unwrap_or_default()
    }
}

async fn requests(
    http: &Client,
    mut turns: Turns<'_>,
    pace: Pace,
    window: &Window<'_>,
    watcher: &mut dyn Watcher,
) -> Result<Metrics, AgentError> {
    let patience =
        pace.usual.saturating_mul(10).clamp(Duration::from_secs(5), Duration::from_secs(30));
    // The answers to the last requests are waited for as well.
    let last = window.last.checked_sub(patience).unwrap_or(window.begun);
    let mut until = (window.begun + window.length).min(last);

    let mut open = FuturesUnordered::new();
    let mut samples = Samples::new(Pace::together(pace.quick), Pace::together(pace.quick * 2));
    samples.apart = !turns.pairs.is_empty();
    let traffic = Traffic::of(http.proxy()?, window.url, window.apart);
    let whole = |metrics| traffic::with(traffic.as_ref(), metrics);
    let mut number = 0u64;
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(due), if open.len() < MAX_OPEN && Instant::now() < until => {
                let now = Instant::now();
                samples.late.push(now.duration_since(due).as_secs_f64() * 1_000.0);
                // What was missed is not made up for: many at once would be a load of another kind.
                let interval = pace.at(now.duration_since(window.begun), samples.all.open());
                due = (due + interval).max(now);
                let next = if now < until { turns.next(samples.apart) } else { Vec::new() };
                for (way, probe, url) in next {
                    let this = number;
                    number += 1;
                    samples.sent(way, this);
                    open.push(async move {
                        http.get(&url, probe.contains.as_deref(), patience)
                            .await
                            .map(|answer| (way, this, probe, answer))
                    });
                }
            }
            Some(answered) = open.next() => {
                let (way, number, probe, answer) = answered?;
                // An address of its own is a process's, which may have ended; what took its place has
                // another. Without both at the same time there is nothing to compare.
                samples.apart &= way == Way::Front || !matches!(answer, Answer::Refused(_));
                samples.add(way, number, sample(probe, &answer));
            }
            () = tokio::time::sleep_until(until), if Instant::now() < until => {}
            else => {}
        }
        if let Some(clear) = samples.look(watcher, whole) {
            return Ok(clear);
        }
        if Instant::now() >= until && open.is_empty() {
            let mut metrics = whole(samples.metrics());
            match watcher.end(&mut metrics) {
                Some(more) if Instant::now() + more <= last => until = Instant::now() + more,
                _ => return Ok(metrics),
            }
        }
    }
}

/// A failed request has no latency: a quick refusal would make a broken service look fast.
fn sample(probe: &Probe, answer: &Answer) -> Sample {
    match answer {
        Answer::Response { status, contains: true, latency } if *status == probe.status => {
            Some(latency.as_secs_f64() * 1_000.0)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_quickly_at_first_unless_something_is_set() {
        let pace = Pace::of(&Settings::default());
        let at = |pace: Pace, seconds| pace.at(Duration::from_secs(seconds), 0).as_millis();
        assert_eq!((at(pace, 0), at(pace, 4), at(pace, 5)), (20, 20, 100));
        assert_eq!(pace.at(Duration::ZERO, QUICK_OPEN).as_millis(), 100, "it does not keep up");
        assert_eq!(Pace::together(pace.quick), 5);
        let pace = Pace::of(&Settings { interval_ms: Some(250) });
        assert_eq!((at(pace, 0), at(pace, 5)), (250, 250));
        assert_eq!(Pace::together(pace.quick), 1);
    }

    #[test]
    fn an_answer_is_a_success_only_as_the_probe_wants_it() {
        let probe = Probe::default();
        let answer = |status, contains| Answer::Response {
            status,
            contains,
            latency: Duration::from_millis(5),
        };
        assert_eq!(sample(&probe, &answer(200, true)), Some(5.0));
        assert_eq!(sample(&probe, &answer(500, true)), None);
        assert_eq!(sample(&probe, &answer(200, false)), None);
        assert_eq!(sample(&probe, &Answer::None("refused".to_owned())), None);
    }
}
