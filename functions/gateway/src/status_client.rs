//! Asks git hosts to show statuses: one request, to one host.

use std::{sync::OnceLock, time::Duration};

use reqwest::{Client, header::LOCATION, redirect::Policy};
use url::Url;

use crate::hosts::{StatusAnswer, StatusRequest};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for an answer: the function may run for 30 seconds, and has other work.
const ANSWER: Duration = Duration::from_secs(8);
/// Most of an answer that is read.
const MAX_BODY: usize = 64 * 1024;
/// Most addresses of one host that a request is sent on to.
const MAX_MOVES: usize = 3;

/// The client that asks the hosts. It reads the machine's root certificates, so it is made when the
/// first status is sent.
#[derive(Default)]
pub(crate) struct StatusClient(OnceLock<Client>);

impl StatusClient {
    fn get(&self) -> std::result::Result<&Client, reqwest::Error> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(Policy::none())
            .user_agent(concat!("pact/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(self.0.get_or_init(|| client))
    }
}

/// Asks the host. It may send on to another of its own addresses: that of a repository that was
/// renamed; what is sent is meant for no other host.
pub(crate) async fn send(
    client: &StatusClient,
    request: StatusRequest,
) -> std::result::Result<StatusAnswer, String> {
    let client = client.get().map_err(|error| format!("there is no HTTP client: {error}"))?;
    let mut url =
        Url::parse(&request.url).map_err(|_| "the API has no valid address".to_owned())?;
    for _ in 0..=MAX_MOVES {
        let answer = ask(client, url.clone(), &request).await?;
        let moved = matches!(answer.status, 301 | 302 | 307 | 308);
        let target = answer.header(LOCATION.as_str()).filter(|_| moved);
        match target.and_then(|target| url.join(target).ok()) {
            Some(target) if target.origin() == url.origin() => url = target,
            _ => return Ok(answer),
        }
    }
    Err("its API sends on too many times".to_owned())
}

async fn ask(
    client: &Client,
    url: Url,
    request: &StatusRequest,
) -> std::result::Result<StatusAnswer, String> {
    let failed = |error: reqwest::Error| {
        let what = if error.is_connect() {
            "cannot be reached"
        } else if error.is_timeout() {
            "did not answer in time"
        } else {
            "did not answer"
        };
        format!("its API {what}")
    };
    let mut asked = client.post(url).json(&request.body);
    for (name, value) in &request.headers {
        asked = asked.header(*name, value);
    }
    let mut response = asked.send().await.map_err(failed)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(failed)? {
        let room = MAX_BODY.saturating_sub(body.len());
        body.extend_from_slice(part.get(..room).unwrap_or(&part));
        if body.len() >= MAX_BODY {
            break;
        }
    }
    Ok(StatusAnswer { status, headers, body })
}
