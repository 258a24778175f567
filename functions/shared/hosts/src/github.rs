//! What holds for everything that is asked of GitHub ("Best practices for using the REST API" for its
//! limits).

use jiff::{SignedDuration, Timestamp};
use url::Url;

use crate::answer::{Answer, LIMITED};

/// Version of the API that is spoken.
pub const VERSION: &str = "2022-11-28";
/// The API of github.com.
pub const API: &str = "https://api.github.com";

/// Address of the API that goes with a repository's address, without a `/` at its end. None for an
/// address that has none.
#[must_use]
pub fn api_of(repository: &Url) -> Option<String> {
    let host = repository.host_str()?;
    if !matches!(repository.scheme(), "https" | "http") {
        return None;
    }
    if host == "github.com" {
        return Some(API.to_owned());
    }
    // GitHub Enterprise Server.
    let port = repository.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}/api/v3", repository.scheme()))
}

/// How long to wait, where a 403 or 429 is one of a limit.
#[must_use]
pub fn limited(answer: &Answer, now: Timestamp) -> Option<SignedDuration> {
    if let Some(wait) = answer.retry_after() {
        return Some(wait);
    }
    if answer.header("x-ratelimit-remaining") == Some("0") {
        let reset = answer.header("x-ratelimit-reset").and_then(|text| text.parse().ok());
        let reset = reset.and_then(|second| Timestamp::from_second(second).ok());
        let wait = reset.map_or(LIMITED, |reset| reset.duration_since(now));
        return Some(wait.max(SignedDuration::from_secs(1)));
    }
    let limit = answer.status == 429 || answer.message().to_lowercase().contains("rate limit");
    limit.then_some(LIMITED)
}
