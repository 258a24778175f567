//! Asks git hosts to show statuses: one request, to one host.

use std::time::Duration;

use pact_hosts::{Answer, Client, ask};
use reqwest::header::LOCATION;
use url::Url;

use crate::hosts::StatusRequest;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for an answer: the function may run for 30 seconds, and has other work.
const ANSWER: Duration = Duration::from_secs(8);
/// Most of an answer that is read.
const MAX_BODY: usize = 64 * 1024;
/// Most addresses of one host that a request is sent on to.
const MAX_MOVES: usize = 3;

/// The client that asks the hosts.
pub(crate) struct StatusClient(Client);

impl Default for StatusClient {
    fn default() -> Self {
        Self(Client::new(CONNECT, ANSWER))
    }
}

/// Asks the host. It may send on to another of its own addresses: that of a repository that was
/// renamed; what is sent is meant for no other host.
pub(crate) async fn send(
    client: &StatusClient,
    request: StatusRequest,
) -> std::result::Result<Answer, String> {
    let client = client.0.get().map_err(|error| format!("there is no HTTP client: {error}"))?;
    let mut url =
        Url::parse(&request.url).map_err(|_| "the API has no valid address".to_owned())?;
    for _ in 0..=MAX_MOVES {
        let mut asked = client.post(url.clone()).json(&request.body);
        for (name, value) in &request.headers {
            asked = asked.header(*name, value);
        }
        let answer = ask(asked, MAX_BODY).await.map_err(|error| format!("its API {error}"))?;
        let moved = matches!(answer.status, 301 | 302 | 307 | 308);
        let target = answer.header(LOCATION.as_str()).filter(|_| moved);
        match target.and_then(|target| url.join(target).ok()) {
            Some(target) if target.origin() == url.origin() => url = target,
            _ => return Ok(answer),
        }
    }
    Err("its API sends on too many times".to_owned())
}
