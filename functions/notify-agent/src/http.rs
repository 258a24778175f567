//! Requests to channels. Addresses are secrets: no error names one.

use std::{sync::OnceLock, time::Duration};

use crate::message::line;
use pact_agent::{AgentError, Call};
use pact_contract::error::ErrorName;
use reqwest::{Client, RequestBuilder, StatusCode, header::RETRY_AFTER, redirect::Policy};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest `Retry-After` that is waited for; the state machine's retry waits for more.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// An answer that is not a fault.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The beginning of the body, in one line.
    pub(crate) fn excerpt(&self) -> String {
        line(&String::from_utf8_lossy(&self.body), 200)
    }

    /// The status, and what is said beside it.
    pub(crate) fn refusal(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.excerpt()).trim_end().to_owned()
    }
}

/// The client of all channels. It reads the machine's root certificates, so it is made when the
/// first message is sent.
#[derive(Default)]
pub(crate) struct LazyClient(OnceLock<Client>);

impl LazyClient {
    /// The client. It follows no redirect: what it sends is meant for one address.
    pub(crate) fn get(&self) -> Result<&Client, AgentError> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(Policy::none())
            .user_agent(concat!("pact-notify-agent/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                AgentError::internal("cannot make an HTTP client").caused_by(error.without_url())
            })?;
        Ok(self.0.get_or_init(|| client))
    }
}

/// Sends a request. One that is refused because of too many is sent once more, after the time
/// that the server asks for.
///
/// # Errors
/// `ERR_CHANNEL_UNAVAILABLE` when the channel cannot be reached or answers 408, 429 or 5xx.
pub(crate) async fn send(
    call: &Call,
    channel: &str,
    request: RequestBuilder,
) -> Result<Answer, AgentError> {
    let again = request.try_clone();
    let first = once(channel, request).await?;
    let Some(wait) = first.1.filter(|w| *w <= PATIENCE.min(call.time_left())) else {
        return verdict(channel, first);
    };
    let Some(again) = again else { return verdict(channel, first) };
    tokio::time::sleep(wait).await;
    let second = once(channel, again).await?;
    verdict(channel, second)
}

/// An answer, and how long to wait before the next request, where the server says so.
type Raw = (Answer, Option<Duration>);

async fn once(channel: &str, request: RequestBuilder) -> Result<Raw, AgentError> {
    let failed = |error: reqwest::Error| {
        let what = if error.is_connect() {
            "cannot be reached"
        } else if error.is_timeout() {
            "did not answer in time"
        } else {
            "did not answer"
        };
        unavailable(channel, what).caused_by(error.without_url())
    };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let wait = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs),
        _ => None,
    };
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(failed)? {
        if body.len() + part.len() > MAX_BODY {
            return Err(AgentError::new(
                ErrorName::LimitExceeded,
                format!("{channel} answers with more than {} MiB", MAX_BODY / 1024 / 1024),
            ));
        }
        body.extend_from_slice(&part);
    }
    Ok((Answer { status, body }, wait))
}

fn verdict(channel: &str, (answer, wait): Raw) -> Result<Answer, AgentError> {
    let status = answer.status;
    let later = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if !later && !status.is_server_error() {
        return Ok(answer);
    }
    let wait = wait.map(|w| format!(" and asks to wait {} s", w.as_secs())).unwrap_or_default();
    Err(unavailable(channel, &format!("answers {}{wait}", status.as_u16())))
}

pub(crate) fn unavailable(channel: &str, what: &str) -> AgentError {
    AgentError::new(ErrorName::ChannelUnavailable, format!("{channel} {what}"))
}
