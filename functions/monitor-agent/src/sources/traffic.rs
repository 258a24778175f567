//! What everybody's requests came to, where the releases are behind a reverse proxy of the machine that
//! tells it: a release may be well where it is probed and ill where it is used.
//!
//! The proxy belongs to the machine and not to an installation on AWS. It is looked at while the agent
//! sends its own requests; that it is away says nothing about a release, and is no fault.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pact_contract::{
    actions::{Beside, Metrics},
    run::Apart,
};
use serde::Deserialize;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use url::Url;

use super::samples::{Sample, sum_up};

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(250);
/// How long the proxy may take to answer.
const ANSWERS: Duration = Duration::from_secs(2);
/// Most bytes of an answer: 64 instances' latest.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// Answers that are looked at, and latencies that are handed on.
const MAX_SAMPLES: usize = 60_000;
const MAX_LATENCIES: usize = 100;

/// How the proxy is reached.
#[derive(Deserialize)]
struct Announcement {
    url: String,
    token: String,
}

/// What it says.
#[derive(Deserialize)]
struct Seen {
    now: i64,
    instances: BTreeMap<String, Instance>,
}

#[derive(Deserialize)]
struct Instance {
    url: Option<String>,
    weight: u32,
    answers: Vec<Sample>,
}

/// What came so far.
#[derive(Default)]
struct Heard {
    /// Since which instant is asked.
    after: Option<i64>,
    new: Release,
    old: Release,
}

#[derive(Default)]
struct Release {
    id: Option<String>,
    answers: Vec<Sample>,
}

/// Looks at a service's traffic until it is dropped.
pub(super) struct Traffic {
    heard: Arc<Mutex<Heard>>,
    begun: Instant,
    _looking: JoinSet<()>,
}

impl Traffic {
    /// Of what serves at this address; none where it is not behind a proxy that tells.
    pub(super) fn of(
        proxy: Option<(PathBuf, reqwest::Client)>,
        url: Option<&str>,
        apart: Option<&Apart>,
    ) -> Option<Self> {
        let url = Url::parse(url?).ok()?;
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost"));
        let port = url.port().filter(|_| loopback)?;
        let ((file, http), apart) = (proxy?, apart.cloned());
        let heard = Arc::<Mutex<Heard>>::default();
        let mut looking = JoinSet::new();
        let into = Arc::clone(&heard);
        looking.spawn(async move {
            let mut ticks = tokio::time::interval(PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let after = lock(&into).after;
                match look(&file, &http, port, after).await {
                    Ok(seen) => lock(&into).add(seen, apart.as_ref()),
                    Err(reason) => tracing::debug!(reason, "the reverse proxy does not tell"),
                }
            }
        });
        Some(Self { heard, begun: Instant::now(), _looking: looking })
    }

    /// None where nobody asked.
    pub(super) fn metrics(&self) -> Option<Box<Beside>> {
        let heard = lock(&self.heard);
        let seconds = self.begun.elapsed().as_secs_f64();
        let of = |release: &Release| {
            let moments = (seconds * 10.0).max(1.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "at most 60,000"
            )]
            let together = (release.answers.len() as f64 / moments).ceil() as u32;
            sum_up(&release.answers, together.max(1), MAX_LATENCIES)
        };
        (!heard.new.answers.is_empty())
            .then(|| Box::new(Beside { new: of(&heard.new), old: of(&heard.old) }))
    }
}

impl Heard {
    fn add(&mut self, mut seen: Seen, apart: Option<&Apart>) {
        let at = |url: &str| {
            let of = |(_, instance): &(&String, &Instance)| instance.url.as_deref() == Some(url);
            seen.instances.iter().find(of).map(|(id, _)| id.clone())
        };
        if self.new.id.is_none() {
            let served = || seen.instances.iter().max_by_key(|(_, instance)| instance.weight);
            self.new.id = match apart {
                Some(apart) => at(&apart.new),
                None => served().map(|(id, _)| id.clone()),
            };
            self.old.id = apart.and_then(|apart| at(&apart.old));
        }
        // What came before the first look was measured by nobody.
        if self.after.replace(seen.now).is_none() {
            return;
        }
        for release in [&mut self.new, &mut self.old] {
            let Some(of) = release.id.as_ref().and_then(|id| seen.instances.get_mut(id)) else {
                continue;
            };
            let room = MAX_SAMPLES.saturating_sub(release.answers.len());
            release.answers.extend(of.answers.drain(..).take(room));
        }
    }
}

async fn look(
    file: &Path,
    http: &reqwest::Client,
    port: u16,
    after: Option<i64>,
) -> Result<Seen, String> {
    let text = tokio::fs::read(file).await.map_err(|e| format!("{}: {e}", file.display()))?;
    let said = |e: serde_json::Error| e.to_string();
    let Announcement { url, token } = serde_json::from_slice(&text).map_err(said)?;
    // From the first look on: everything is later than the far future.
    let after = after.unwrap_or(i64::MAX);
    let asked = http.get(format!("{url}/v1/traffic?port={port}&after={after}")).bearer_auth(token);
    let lost = |e: reqwest::Error| e.without_url().to_string();
    let mut response =
        asked.timeout(ANSWERS).send().await.and_then(|r| r.error_for_status()).map_err(lost)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(format!("its answer has more than {MAX_ANSWER} bytes"));
        }
    }
    serde_json::from_slice(&body).map_err(said)
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// With what everybody's requests came to.
pub(super) fn with(traffic: Option<&Traffic>, metrics: Metrics) -> Metrics {
    Metrics { traffic: traffic.and_then(Traffic::metrics), ..metrics }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(now: i64, answers: [&[Sample]; 2]) -> Seen {
        let instance = |(id, answers): (&str, &[Sample])| {
            let url = Some(format!("http://127.0.0.1/{id}"));
            (id.to_owned(), Instance { url, weight: id.len() as u32, answers: answers.to_vec() })
        };
        Seen { now, instances: ["new", "before"].into_iter().zip(answers).map(instance).collect() }
    }

    #[test]
    fn each_release_has_its_own_answers_from_the_first_look_on() {
        let apart = Apart {
            new: "http://127.0.0.1/new".to_owned(),
            old: "http://127.0.0.1/before".to_owned(),
        };
        let mut heard = Heard::default();
        heard.add(seen(5, [&[None], &[None]]), Some(&apart));
        heard.add(seen(6, [&[Some(1.0), None], &[Some(2.0)]]), Some(&apart));
        assert_eq!(heard.after, Some(6));
        assert_eq!(
            (heard.new.answers, heard.old.answers),
            (vec![Some(1.0), None], vec![Some(2.0)])
        );
    }

    #[test]
    fn without_another_it_is_what_has_the_requests() {
        let mut heard = Heard::default();
        heard.add(seen(5, [&[], &[]]), None);
        heard.add(seen(6, [&[Some(1.0)], &[Some(2.0)]]), None);
        assert_eq!((heard.new.answers, heard.old.answers.len()), (vec![Some(2.0)], 0));
    }
}
