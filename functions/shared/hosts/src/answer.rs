//! What a host answered, and what of it says whether to ask again.

use jiff::SignedDuration;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Wait where the installation has to be mended: longer than a token that was read is kept.
pub const MENDED: SignedDuration = SignedDuration::from_mins(6);
/// Wait where a limit does not say how long.
pub const LIMITED: SignedDuration = SignedDuration::from_mins(1);
/// Longest part of an answer that is told, in bytes.
const MAX_TOLD: usize = 200;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Vec<u8>,
    /// Whether there is more of the body than was wanted.
    pub cut: bool,
}

impl Answer {
    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    /// Whether what was asked for was done.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// How long it asks to wait, where it says so in seconds (RFC 9110, 10.2.3).
    #[must_use]
    pub fn retry_after(&self) -> Option<SignedDuration> {
        let seconds: u32 = self.header("retry-after")?.parse().ok()?;
        Some(SignedDuration::from_secs(seconds.into()))
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What it says in words: its `message`, or its `error`, in one bounded line. Empty where it says
    /// nothing. Faults by field are told as JSON.
    #[must_use]
    pub fn message(&self) -> String {
        let body = self.json();
        let said = body.as_ref().and_then(|body| body.get("message").or_else(|| body.get("error")));
        let text = said.map(|said| said.as_str().map_or_else(|| said.to_string(), str::to_owned));
        text.and_then(|text| line(&text)).unwrap_or_default()
    }

    /// The answer of `who` as a sentence.
    #[must_use]
    pub fn said(&self, who: &str) -> String {
        let (status, message) = (self.status, self.message());
        if message.is_empty() {
            format!("{who} answers {status}")
        } else {
            format!("{who} answers {status}: {message}")
        }
    }
}

/// The first line, bounded, without control characters; none of nothing.
fn line(text: &str) -> Option<String> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let mut end = first.len().min(MAX_TOLD);
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    let clean: String = first.get(..end)?.chars().filter(|c| !c.is_control()).collect();
    (!clean.is_empty()).then_some(clean)
}
