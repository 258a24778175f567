//! One HTTP client for what is asked of others: made when it is first needed, and careful.

use std::{fmt, sync::OnceLock, time::Duration};

use reqwest::{RequestBuilder, redirect::Policy};

use crate::Answer;

/// A client that follows no redirect: what is sent is meant for one address. It reads the machine's
/// root certificates, so it is made when it is first asked for.
#[derive(Debug)]
pub struct Client {
    made: OnceLock<reqwest::Client>,
    connect: Duration,
    answer: Duration,
}

/// Why there is no answer. Neither names an address: some are secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nobody listens there.
    Unreachable,
    /// It takes too long.
    TimedOut,
    /// It broke off.
    Broken,
}

impl NoAnswer {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Broken
        }
    }
}

impl fmt::Display for NoAnswer {
    /// What follows the name of whoever was asked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "cannot be reached",
            Self::TimedOut => "did not answer in time",
            Self::Broken => "did not answer",
        })
    }
}

impl std::error::Error for NoAnswer {}

impl Client {
    /// One that waits so long for a connection, and for a whole answer.
    #[must_use]
    pub const fn new(connect: Duration, answer: Duration) -> Self {
        Self { made: OnceLock::new(), connect, answer }
    }

    /// The client.
    ///
    /// # Errors
    /// The machine gives none.
    pub fn get(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let client = reqwest::Client::builder()
            .connect_timeout(self.connect)
            .timeout(self.answer)
            .redirect(Policy::none())
            .user_agent(concat!("pact/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(reqwest::Error::without_url)?;
        Ok(self.made.get_or_init(|| client))
    }
}

/// Asks, and reads at most `most` bytes of what is answered.
///
/// # Errors
/// There is no answer, or not all of it came.
pub async fn ask(request: RequestBuilder, most: usize) -> Result<Answer, NoAnswer> {
    let mut response = request.send().await.map_err(|error| NoAnswer::of(&error))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let (mut body, mut cut) = (Vec::new(), false);
    while let Some(part) = response.chunk().await.map_err(|error| NoAnswer::of(&error))? {
        let room = most.saturating_sub(body.len());
        body.extend_from_slice(part.get(..room).unwrap_or(&part));
        if part.len() > room {
            cut = true;
            break;
        }
    }
    Ok(Answer { status, headers, body, cut })
}
