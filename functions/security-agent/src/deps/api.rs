//! The OSV service: which advisories affect these versions, and what they say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use reqwest::{RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use super::{Answer, Package, osv::Record};
use crate::config::Config;

/// Most packages in one request, as the service wants it.
const BATCH: usize = 1_000;
/// Most requests for lists of ids: pages included.
const MAX_LISTS: usize = 200;
/// Most advisories that are read in full.
const MAX_RECORDS: usize = 2_000;
/// Advisories that are read at the same time.
const PARALLEL: usize = 16;
/// Largest answer.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// How often a request is sent before it counts as failed.
const ATTEMPTS: u32 = 3;
/// Time before a request is sent again; doubled each time.
const BACKOFF: Duration = Duration::from_millis(200);

/// Asks the service.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    timeout: Duration,
}

#[derive(Deserialize)]
struct Lists {
    #[serde(default)]
    results: Vec<Option<List>>,
}

#[derive(Default, Deserialize)]
struct List {
    #[serde(default)]
    vulns: Option<Vec<Id>>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// Why a request has no answer.
struct Failure {
    reason: String,
    again: bool,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(config.osv_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pact-security-agent/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, url: config.osv_url.clone(), timeout: config.osv_timeout })
    }

    /// The advisories that affect `packages`; the reason when the service cannot be asked.
    pub(crate) async fn about(
        &self,
        packages: &BTreeSet<Package>,
        deadline: Instant,
    ) -> Result<Answer, String> {
        let lists = self.lists(packages, deadline).await.map_err(|reason| {
            format!(
                "the OSV service at {} cannot be asked: {reason}; set PACT_ADVISORIES to a folder \
                 of OSV records, or PACT_OSV_URL to a service that can be reached",
                self.url
            )
        })?;
        let ids: BTreeSet<&String> = lists.values().flatten().collect();
        let mut answer = Answer {
            origin: format!("the OSV service at {}", self.url),
            compared: true,
            ..Answer::default()
        };
        if ids.len() > MAX_RECORDS {
            answer.incomplete.push(format!(
                "{} advisories apply; only {MAX_RECORDS} of them were read",
                ids.len()
            ));
        }
        let wanted = ids.into_iter().take(MAX_RECORDS).cloned().collect();
        let (records, failed) = self.records(wanted, deadline).await;
        if let Some((id, reason)) = failed.first_key_value() {
            answer.incomplete.push(format!(
                "{} advisories could not be read from {} ({id}: {reason})",
                failed.len(),
                self.url
            ));
        }
        for (package, ids) in lists {
            let known = ids.into_iter().map(|id| {
                records.get(&id).map_or_else(
                    // That the package is affected is known, even if nothing more is.
                    || Arc::new(Record { id, ..Record::default() }),
                    Arc::clone,
                )
            });
            answer.records.insert(package, known.collect());
        }
        Ok(answer)
    }

    /// Ids of the advisories by package, following pages.
    async fn lists(
        &self,
        packages: &BTreeSet<Package>,
        deadline: Instant,
    ) -> Result<BTreeMap<Package, BTreeSet<String>>, String> {
        let mut out: BTreeMap<Package, BTreeSet<String>> = BTreeMap::new();
        let mut pending: Vec<(&Package, Option<String>)> =
            packages.iter().map(|p| (p, None)).collect();
        let mut requests = 0;
        while !pending.is_empty() {
            requests += 1;
            if requests > MAX_LISTS {
                return Err(format!("more than {MAX_LISTS} pages"));
            }
            let batch: Vec<_> = pending.drain(..pending.len().min(BATCH)).collect();
            let queries: Vec<Value> =
                batch.iter().map(|(p, token)| query(p, token.as_deref())).collect();
            let body = json!({ "queries": queries });
            let lists: Lists = self
                .ask(|| self.http.post(format!("{}/v1/querybatch", self.url)).json(&body), deadline)
                .await?;
            if lists.results.len() != batch.len() {
                return Err(format!(
                    "{} answers to {} questions",
                    lists.results.len(),
                    batch.len()
                ));
            }
            for ((package, _), list) in batch.into_iter().zip(lists.results) {
                let list = list.unwrap_or_default();
                for Id { id } in list.vulns.unwrap_or_default() {
                    if !is_id(&id) {
                        return Err("an advisory has an id that is none".to_owned());
                    }
                    out.entry(package.clone()).or_default().insert(id);
                }
                if let Some(token) = list.next_page_token.filter(|t| !t.is_empty()) {
                    pending.push((package, Some(token)));
                }
            }
        }
        Ok(out)
    }

    /// The advisories, and the reason for each that could not be read.
    async fn records(
        &self,
        ids: Vec<String>,
        deadline: Instant,
    ) -> (BTreeMap<String, Arc<Record>>, BTreeMap<String, String>) {
        let (mut records, mut failed) = (BTreeMap::new(), BTreeMap::new());
        let slots = Arc::new(Semaphore::new(PARALLEL));
        let mut tasks = JoinSet::new();
        for id in ids {
            let (client, slots) = (self.clone(), Arc::clone(&slots));
            tasks.spawn(async move {
                let slot = slots.acquire_owned().await;
                let url = format!("{}/v1/vulns/{id}", client.url);
                let result: Result<Record, String> =
                    client.ask(|| client.http.get(&url), deadline).await;
                drop(slot);
                (id, result)
            });
        }
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok((id, Ok(record))) => drop(records.insert(id, Arc::new(record))),
                Ok((id, Err(reason))) => drop(failed.insert(id, reason)),
                Err(error) => drop(failed.insert("?".to_owned(), error.to_string())),
            }
        }
        (records, failed)
    }

    /// Sends a request until it is answered, at most [`ATTEMPTS`] times and until `deadline`.
    async fn ask<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
        deadline: Instant,
    ) -> Result<T, String> {
        let mut pause = BACKOFF;
        let mut attempt = 1;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("no time is left".to_owned());
            }
            let failure = match self.ask_once(request().timeout(left.min(self.timeout))).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !failure.again || attempt >= ATTEMPTS || Instant::now() + pause >= deadline {
                return Err(failure.reason);
            }
            tracing::debug!(attempt, reason = failure.reason, "asking the OSV service again");
            tokio::time::sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }

    async fn ask_once<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let unreachable = |e: reqwest::Error| Failure {
            reason: if e.is_timeout() { "no answer in time".to_owned() } else { plain(&e) },
            again: true,
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if status != StatusCode::OK {
            let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            return Err(Failure { reason: format!("status {}", status.as_u16()), again });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Failure {
                    reason: format!("an answer of more than {MAX_BODY} bytes"),
                    again: false,
                });
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|e| Failure {
            reason: format!("the answer is not as documented: {e}"),
            again: false,
        })
    }
}

/// The innermost cause of an error: "connection refused" rather than the address once more.
fn plain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn query(package: &Package, token: Option<&str>) -> Value {
    let mut query = json!({
        "package": { "name": package.name, "ecosystem": package.ecosystem.as_str() },
        "version": package.version,
    });
    if let (Some(token), Some(object)) = (token, query.as_object_mut()) {
        object.insert("page_token".to_owned(), token.into());
    }
    query
}

/// Whether an id can be put into an address as it is.
fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 200
        && !id.starts_with('.')
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_lead_elsewhere_are_refused() {
        for id in ["GHSA-aaaa-bbbb-cccc", "RUSTSEC-2020-0001", "RHSA-2020:1"] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "../../x", "a/b", "a?b", "a b", "é"] {
            assert!(!is_id(id), "{id}");
        }
    }
}
