//! GitHub's REST API, as far as workflows go ("REST API endpoints for GitHub Actions", and "Best
//! practices for using the REST API" for its limits).
//!
//! What GitHub cannot answer now is no fault: it is asked again when it allows, and not before. The
//! token goes to the API and nowhere else: what it sends on to is asked without.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use pact_agent::{secrets::Secret, text::truncated};
use pact_contract::RepositoryName;
use pact_hosts::{Found, HostTokens, Lease};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{HeaderMap, LOCATION},
};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

/// Version of the API that is spoken.
const VERSION: &str = "2022-11-28";
/// Longest wait for an answer that is no download.
const ANSWER: Duration = Duration::from_secs(15);
/// Longest answer that is read, in bytes.
const BODY: usize = 4 << 20;
/// Most addresses that a request is sent on to.
const MOVES: usize = 3;
/// Wait where GitHub does not answer, and where its limits do not say how long.
const UNANSWERED: SignedDuration = SignedDuration::from_secs(20);
const LIMITED: SignedDuration = SignedDuration::from_mins(1);
/// Longest wait that it may ask for.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// Longest part of an answer that is told, in bytes.
const TOLD: usize = 300;

/// What was asked for.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// This.
    Is(T),
    /// It may be asked again then.
    Later(Later),
    /// It is not to be had, for this reason.
    Refused(Refused),
}

/// Why it is not to be had now.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) why: String,
    pub(super) until: Timestamp,
}

/// Why it is not to be had.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) why: String,
}

/// Goes on with what was asked for, and returns anything else.
macro_rules! is {
    ($answer:expr) => {
        match $answer {
            Answer::Is(is) => is,
            Answer::Later(later) => return Answer::Later(later),
            Answer::Refused(refused) => return Answer::Refused(refused),
        }
    };
}

/// How much of a download came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Downloaded {
    Whole,
    /// There is more than was wanted.
    Cut,
}

/// The API for one repository.
pub(super) struct Api {
    client: Client,
    /// Address of the repository in it.
    base: String,
    tokens: Arc<HostTokens>,
    /// Held while another token is found: those who are refused at once ask for one.
    lease: Mutex<Lease>,
}

impl Api {
    pub(super) fn new(
        client: Client,
        api: &str,
        repository: &RepositoryName,
        (tokens, lease): (Arc<HostTokens>, Lease),
    ) -> Self {
        let lease = Mutex::new(lease);
        Self { client, base: format!("{api}/repos/{repository}"), tokens, lease }
    }

    /// Asks for JSON.
    pub(super) async fn get(&self, path: &str) -> Answer<Value> {
        self.json(Method::GET, path, None).await
    }

    /// Has something done. Null: without a word about it.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer<Value> {
        self.json(Method::POST, path, Some(body)).await
    }

    async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Answer<Value> {
        let response = is!(self.send(method, path, body, ANSWER).await);
        let bytes = match text(response).await {
            Ok(bytes) => bytes,
            Err(error) => return unanswered(&error),
        };
        if bytes.is_empty() {
            return Answer::Is(Value::Null);
        }
        match serde_json::from_slice(&bytes) {
            Ok(value) => Answer::Is(value),
            Err(_) => later("GitHub's answer is no JSON, or has more than 4 MiB", UNANSWERED),
        }
    }

    /// Downloads what `path` sends on to, piece by piece, at most `limit` bytes.
    pub(super) async fn download(
        &self,
        path: &str,
        limit: u64,
        mut sink: impl FnMut(&[u8]),
    ) -> Answer<Downloaded> {
        let mut response = is!(self.send(Method::GET, path, None, ANSWER).await);
        if response.status().is_redirection() {
            let plain = self.base.starts_with("http://");
            let target = target(&response, &self.base);
            let target = target.filter(|to| to.scheme() == "https" || plain);
            let Some(target) = target else {
                return later("GitHub sends on to no address", UNANSWERED);
            };
            response = match self.client.get(target).send().await {
                Ok(response) => response,
                Err(error) => return unanswered(&error),
            };
            if !response.status().is_success() {
                let (status, headers) = (response.status(), response.headers().clone());
                let body = text(response).await.unwrap_or_default();
                return judge(status, &headers, &body, Timestamp::now());
            }
        }
        let mut left = limit;
        loop {
            match response.chunk().await {
                Ok(None) => return Answer::Is(Downloaded::Whole),
                Ok(Some(chunk)) if chunk.len() as u64 > left => {
                    return Answer::Is(Downloaded::Cut);
                }
                Ok(Some(chunk)) => {
                    left -= chunk.len() as u64;
                    sink(&chunk);
                }
                Err(error) => return unanswered(&error),
            }
        }
    }

    /// Sends a request, also to where the repository went when it was renamed, and returns the
    /// answer that is none of a limit or an error. One that sends on to elsewhere is returned.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        time: Duration,
    ) -> Answer<Response> {
        let Ok(mut url) = Url::parse(&format!("{}{path}", self.base)) else {
            return refused(0, "the registered address of its API is none".to_owned());
        };
        for _ in 0..=MOVES {
            let request = self.client.request(method.clone(), url.clone()).timeout(time);
            let response = match self.authorized(request, body).await {
                Ok(response) => response,
                Err(error) => return unanswered(&error),
            };
            let status = response.status();
            let moved = matches!(status.as_u16(), 301 | 307 | 308);
            match target(&response, url.as_str()).filter(|to| to.origin() == url.origin()) {
                Some(target) if moved => url = target,
                _ if status.is_success() || status.is_redirection() => {
                    return Answer::Is(response);
                }
                _ => {
                    let headers = response.headers().clone();
                    let body = text(response).await.unwrap_or_default();
                    return judge(status, &headers, &body, Timestamp::now());
                }
            }
        }
        later("its API sends on too many times", UNANSWERED)
    }

    /// Sends a request with the token, and once more with another one of the App where that is refused.
    async fn authorized(
        &self,
        request: RequestBuilder,
        body: Option<&Value>,
    ) -> reqwest::Result<Response> {
        let request = request
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", VERSION);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let again = request.try_clone();
        let token = self.token().await;
        let response = request.bearer_auth(token.reveal()).send().await?;
        let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
            return Ok(response);
        };
        let renewed = {
            let mut lease = self.lease.lock().await;
            let refused = matches!(lease.found(), Found::Lent(now) if *now == token);
            // Somebody else was refused before, and has another one.
            match refused {
                true => self.tokens.renew(&mut lease).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "no other token of the App was found");
                    false
                }),
                false => matches!(lease.found(), Found::Lent(_)),
            }
        };
        match renewed {
            true => again.bearer_auth(self.token().await.reveal()).send().await,
            false => Ok(response),
        }
    }

    async fn token(&self) -> Secret {
        match self.lease.lock().await.found() {
            Found::Given(token) | Found::Lent(token) => token.clone(),
            // Who has none does not ask.
            Found::Later { .. } | Found::Missing(_) => Secret::new(""),
        }
    }
}

fn target(response: &Response, from: &str) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    Url::parse(from).ok()?.join(location).ok()
}

/// A body, as far as one is read.
async fn text(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        let room = BODY.saturating_sub(body.len());
        body.extend_from_slice(part.get(..room).unwrap_or(&part));
        if body.len() >= BODY {
            break;
        }
    }
    Ok(body)
}

fn later<T>(why: impl Into<String>, wait: SignedDuration) -> Answer<T> {
    let wait = wait.clamp(SignedDuration::from_secs(1), LONGEST);
    let until = Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX);
    Answer::Later(Later { why: why.into(), until })
}

fn refused<T>(status: u16, why: String) -> Answer<T> {
    Answer::Refused(Refused { status, why })
}

fn unanswered<T>(error: &reqwest::Error) -> Answer<T> {
    let what = if error.is_connect() {
        "cannot be reached"
    } else if error.is_timeout() {
        "did not answer in time"
    } else {
        "did not answer"
    };
    later(format!("GitHub's API {what}"), UNANSWERED)
}

/// What an answer means that is not the one that was wanted.
fn judge<T>(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Answer<T> {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let message = body.as_ref().and_then(|body| body.get("message")?.as_str()).unwrap_or_default();
    let code = status.as_u16();
    let said = if message.is_empty() {
        format!("GitHub answers {code}")
    } else {
        let message = pact_agent::text::readable(message);
        format!("GitHub answers {code}: {}", truncated(&message.replace('\n', " "), TOLD))
    };
    match code {
        403 | 429 => match limited(code, headers, message, now) {
            Some(wait) => later(said, wait),
            None => refused(code, said),
        },
        408 | 500..=599 => later(said, retry_after(headers).unwrap_or(UNANSWERED)),
        _ => refused(code, said),
    }
}

/// How long to wait, where the answer is one of a limit.
fn limited(
    status: u16,
    headers: &HeaderMap,
    message: &str,
    now: Timestamp,
) -> Option<SignedDuration> {
    if let Some(wait) = retry_after(headers) {
        return Some(wait);
    }
    if header(headers, "x-ratelimit-remaining") == Some("0") {
        let reset = header(headers, "x-ratelimit-reset").and_then(|text| text.parse().ok());
        let reset = reset.and_then(|second| Timestamp::from_second(second).ok());
        return Some(reset.map_or(LIMITED, |reset| reset.duration_since(now)));
    }
    let limit = status == 429 || message.to_lowercase().contains("rate limit");
    limit.then_some(LIMITED)
}

fn retry_after(headers: &HeaderMap) -> Option<SignedDuration> {
    let seconds: u32 = header(headers, "retry-after")?.parse().ok()?;
    Some(SignedDuration::from_secs(seconds.into()))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_of_the_app_that_was_taken_back_is_replaced_once() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        use aws_lc_rs::{
            encoding::{AsDer as _, Pkcs8V1Der},
            rsa::{KeyPair, KeySize},
        };
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        use pact_hosts::{AppSettings, Purpose};
        use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

        let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'_> = key.as_der().expect("its bytes");
        let text = STANDARD.encode(der.as_ref());
        let memory = pact_agent::testing::Memory::new();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----");
        memory.set_secret("github-app-key", &pem);
        let server = MockServer::start().await;
        let lent = AtomicUsize::new(0);
        let answers = move |request: &Request| {
            let says = |status: u16, body| ResponseTemplate::new(status).set_body_json(body);
            let path = request.url.path();
            if path.ends_with("/installation") {
                return says(200, serde_json::json!({ "id": 7 }));
            }
            if path.ends_with("/access_tokens") {
                let token = format!("ghs_{}", lent.fetch_add(1, Ordering::SeqCst));
                let until = Timestamp::now() + SignedDuration::from_hours(1);
                let body = serde_json::json!({ "token": token, "expires_at": until.to_string() });
                return says(201, body);
            }
            let sent = request.headers.get("authorization").and_then(|sent| sent.to_str().ok());
            match (path.ends_with("/never"), sent) {
                (false, Some("Bearer ghs_1")) => says(200, serde_json::json!({ "is": "there" })),
                _ => says(401, serde_json::json!({ "message": "Bad credentials" })),
            }
        };
        Mock::given(any()).respond_with(answers).mount(&server).await;
        let app = AppSettings::read(|name| match name {
            "PACT_GITHUB_APP" => Some("1234".to_owned()),
            _ => Some(server.uri()),
        });
        let tokens = Arc::new(HostTokens::new(memory, app.expect("settings")));
        let name = "acme/web".parse().expect("a name");
        let lease = tokens.lease(&name, Some(&server.uri()), Purpose::Workflows).await;
        let lease = lease.expect("a token");
        let api = Api::new(Client::new(), &server.uri(), &name, (tokens, lease));
        let found = api.get("/actions/runs").await;
        assert!(matches!(found, Answer::Is(_)), "{found:?}");
        let found = api.get("/never").await;
        assert!(matches!(found, Answer::Refused(Refused { status: 401, .. })), "{found:?}");
        let asked = server.received_requests().await.expect("requests");
        let lent = asked.iter().filter(|one| one.url.path().ends_with("/access_tokens")).count();
        assert_eq!(lent, 2, "no third one for whoever is refused again");
    }

    #[test]
    fn limits_are_kept_and_refusals_are_told_apart() {
        let now = Timestamp::now();
        let reset = (now.as_second() + 90).to_string();
        let wait = |status: u16, headers: &[(&'static str, &str)], message: &str| {
            let headers = headers.iter().map(|(k, v)| {
                (reqwest::header::HeaderName::from_static(k), v.parse().expect("a value"))
            });
            let body = serde_json::json!({ "message": message }).to_string();
            let status = StatusCode::from_u16(status).expect("a status");
            match judge::<()>(status, &headers.collect(), body.as_bytes(), now) {
                Answer::Later(later) => Some(later.until.duration_since(now).as_secs()),
                Answer::Refused(_) => None,
                Answer::Is(()) => panic!("{status} is no answer"),
            }
        };
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset.as_str())];
        for (status, headers, message, seconds) in [
            (403, &[("retry-after", "77")][..], "", 77),
            (429, &[("retry-after", "86400")], "", 3_600),
            (403, &spent, "API rate limit exceeded", 90),
            (403, &[], "You have exceeded a secondary rate limit", 60),
            (429, &[], "", 60),
            (502, &[], "", 20),
        ] {
            let waits = wait(status, headers, message).expect("it is asked again");
            assert!((waits - seconds).abs() <= 1, "{status} {message}: {waits}");
        }
        for status in [400, 401, 403, 404, 409, 410, 422] {
            assert_eq!(wait(status, &[], "Not for you"), None, "{status}");
        }
    }
}
