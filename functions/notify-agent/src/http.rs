//! Requests to channels. Addresses are secrets: no error names one.

use std::time::Duration;

use crate::{delivery::Interrupted, message::line};
use jiff::SignedDuration;
use pact_agent::{AgentError, Call};
use pact_contract::error::ErrorName;
use pact_hosts::{Answer as Raw, Client, ask};
use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};

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
    pub(crate) headers: HeaderMap,
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

/// The client of all channels. It follows no redirect: what it sends is meant for one address.
pub(crate) struct LazyClient(Client);

impl Default for LazyClient {
    fn default() -> Self {
        Self(Client::new(CONNECT, ANSWER))
    }
}

impl LazyClient {
    /// The client.
    pub(crate) fn get(&self) -> Result<&reqwest::Client, AgentError> {
        let client = self.0.get();
        client.map_err(|error| AgentError::internal("cannot make an HTTP client").caused_by(error))
    }
}

/// Sends a request. One that is refused because of too many is sent once more, after the time
/// that the server asks for.
///
/// # Errors
/// `ERR_CHANNEL_UNAVAILABLE` when the channel cannot be reached or answers 408, 429 or 5xx; with how
/// long it asks to be left alone.
pub(crate) async fn send(
    call: &Call,
    channel: &str,
    request: RequestBuilder,
) -> Result<Answer, Interrupted> {
    let again = request.try_clone();
    let first = once(channel, request).await?;
    let wait = patience(&first);
    let short = wait.and_then(|wait| Duration::try_from(wait).ok());
    let Some(wait) = short.filter(|wait| *wait <= PATIENCE.min(call.time_left())) else {
        return verdict(channel, first);
    };
    let Some(again) = again else { return verdict(channel, first) };
    tokio::time::sleep(wait).await;
    let second = once(channel, again).await?;
    verdict(channel, second)
}

async fn once(channel: &str, request: RequestBuilder) -> Result<Raw, AgentError> {
    let answer = ask(request, MAX_BODY).await;
    let answer = answer.map_err(|why| unavailable(channel, &why.to_string()).caused_by(why))?;
    if answer.cut {
        return Err(AgentError::new(
            ErrorName::LimitExceeded,
            format!("{channel} answers with more than {} MiB", MAX_BODY / 1024 / 1024),
        ));
    }
    Ok(answer)
}

/// How long to wait before the next request, where the server says so.
fn patience(answer: &Raw) -> Option<SignedDuration> {
    answer.retry_after().filter(|_| matches!(answer.status, 429 | 503))
}

fn verdict(channel: &str, answer: Raw) -> Result<Answer, Interrupted> {
    if !matches!(answer.status, 408 | 429 | 500..) {
        let status = StatusCode::from_u16(answer.status);
        let status = status.map_err(|_| unavailable(channel, "answers without a status"))?;
        return Ok(Answer { status, headers: answer.headers, body: answer.body });
    }
    let wait = patience(&answer);
    let asks = wait.map(|w| format!(" and asks to wait {} s", w.as_secs())).unwrap_or_default();
    let fault = unavailable(channel, &format!("answers {}{asks}", answer.status));
    Err(Interrupted::from(fault).for_now(wait))
}

/// What answers with a success that is not the channel's own: a page of a proxy or of a sign-in, for
/// example. Nothing was taken.
pub(crate) fn foreign(channel: &str, answer: &Answer) -> AgentError {
    let what = format!("answers {}, and not in its own words: ", answer.status.as_u16());
    unavailable(channel, &(what + &answer.excerpt()))
}

pub(crate) fn unavailable(channel: &str, what: &str) -> AgentError {
    AgentError::new(ErrorName::ChannelUnavailable, format!("{channel} {what}"))
}
