//! What clients got of an instance lately, for whoever judges a release by more than requests of his own.
//!
//! Health checks are left out, by the name with which they present themselves: they ask what answers
//! well where others may not.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use hyper::{HeaderMap, StatusCode, header::USER_AGENT};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sync::lock;

/// Answers of an instance that are kept: so many in a second can be seen by who looks once in it.
const KEPT: usize = 4_000;

/// Ends of the names of products that ask for the sake of asking: `kube-probe/1.34`,
/// `ELB-HealthChecker/2.0`, `pact-monitor/0.1`.
const CHECKS: [&str; 3] = ["probe", "healthchecker", "monitor"];

/// Answers of one instance, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Traffic(Mutex<VecDeque<Answered>>);

#[derive(Clone, Copy, Debug)]
struct Answered {
    /// When, in microseconds since 1970: what comes after a restart of the host is later than all before.
    at: i64,
    latency: Option<f64>,
}

impl Traffic {
    /// Keeps what a client got; none: nothing, from this instance.
    pub(crate) fn add(&self, status: Option<StatusCode>, took: Duration) {
        let well = status.is_some_and(|status| !status.is_server_error());
        let latency = well.then(|| (took.as_secs_f64() * 1e6).round() / 1e3);
        let mut kept = lock(&self.0);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Answered { at: now(), latency });
    }

    /// What came after this instant.
    pub(crate) fn after(&self, instant: i64) -> Vec<Option<f64>> {
        let kept = lock(&self.0);
        kept.iter().filter(|answered| answered.at > instant).map(|a| a.latency).collect()
    }
}

/// The instant that the traffic is counted by.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// Whether a request is a health check.
pub(crate) fn is_check(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let product = agent.split(['/', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    CHECKS.iter().any(|end| product.ends_with(end))
}

/// What clients of a service got since an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficView {
    /// The instant to ask for what comes after it.
    pub now: i64,
    /// Of each instance.
    pub instances: std::collections::BTreeMap<String, AnswersView>,
}

/// What clients got of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswersView {
    /// Its own address, while it takes requests.
    pub url: Option<String>,
    /// Its share of the requests.
    pub weight: u32,
    /// Of each answer the milliseconds until it began; null: a status of 500 or above, or none. Of the
    /// latest 4,000.
    pub answers: Vec<Option<f64>>,
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn the_latest_answers_are_kept() {
        let traffic = Traffic::default();
        for _ in 0..KEPT {
            traffic.add(Some(StatusCode::OK), Duration::from_millis(2));
        }
        traffic.add(Some(StatusCode::INTERNAL_SERVER_ERROR), Duration::ZERO);
        traffic.add(Some(StatusCode::NOT_FOUND), Duration::from_micros(1_500));
        traffic.add(None, Duration::ZERO);
        let all = traffic.after(0);
        assert_eq!(all.len(), KEPT);
        assert_eq!(
            all.iter().rev().take(4).collect::<Vec<_>>(),
            [&None, &Some(1.5), &None, &Some(2.0)]
        );
        assert_eq!(traffic.after(now()), Vec::<Option<f64>>::new());
    }

    #[test]
    fn health_checks_are_known_by_their_names() {
        let by = |agent: &str| {
            let agent = HeaderValue::from_str(agent).expect("a header");
            is_check(&HeaderMap::from_iter([(USER_AGENT, agent)]))
        };
        for check in ["kube-probe/1.34", "ELB-HealthChecker/2.0", "pact-monitor/0.1.0", "Probe x"] {
            assert!(by(check), "{check}");
        }
        for client in ["curl/8.1", "Mozilla/5.0 (X11; probe/1)", ""] {
            assert!(!by(client), "{client}");
        }
        assert!(!is_check(&HeaderMap::new()));
    }
}
