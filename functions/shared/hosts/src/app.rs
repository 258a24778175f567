//! A GitHub App: signs in with its key, and gets tokens that are good for an hour, for one repository
//! and for what they are needed for ("Authenticating as a GitHub App", "REST API endpoints for GitHub
//! Apps").

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header, encode};
use pact_agent::secrets::{Parameter, Secret};
use pact_contract::RepositoryName;
use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::{Value, json};
use url::{Host, Url};

use crate::{
    answer::{Answer, MENDED},
    client::{Client, ask},
    found::{Found, Purpose},
    github::{self, VERSION, limited},
    key,
};

/// The App's private key.
pub static GITHUB_APP_KEY: Parameter = Parameter {
    name: "github-app-key",
    about: "private key of the GitHub App, as GitHub hands it out (PEM)",
    variable: Some("PACT_GITHUB_APP_KEY"),
};

/// Variables that say which App it is, and of which host.
pub const VARIABLES: [&str; 2] = [APP, APP_API];
const APP: &str = "PACT_GITHUB_APP";
const APP_API: &str = "PACT_GITHUB_APP_API";

/// Longest name of an App, and of a repository's host.
const MAX_APP: usize = 100;
/// Waits for GitHub.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(8);
/// Most of an answer that is read.
const MAX_BODY: usize = 64 * 1024;
/// How long a proof of the App counts: GitHub takes ten minutes at most, by its own clock, and one that
/// is a little ahead of it is refused.
const PROOF: i64 = 9 * 60;
const DRIFT: i64 = 60;

/// Which App the installation has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSettings {
    /// Its id, or its client id.
    id: String,
    /// The API of its host, without a `/` at its end: its proofs are for no other.
    api: String,
}

impl AppSettings {
    /// Reads the variables; none where there is no App.
    ///
    /// # Errors
    /// Names the variable that is wrong, and why.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let get = |name: &str| {
            variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let Some(id) = get(APP) else { return Ok(None) };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if id.len() > MAX_APP || !id.chars().all(plain) {
            return Err(format!("{APP}: {id:?} is neither an App's id nor its client id"));
        }
        let api = get(APP_API).unwrap_or_else(|| github::API.to_owned());
        let api = api.trim_end_matches('/').to_owned();
        let safe = Url::parse(&api).is_ok_and(|url| match (url.scheme(), url.host()) {
            ("https", Some(_)) => url.query().is_none() && url.username().is_empty(),
            // A server on this machine.
            ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
            ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
            _ => false,
        });
        if !safe {
            return Err(format!("{APP_API}: {api:?} is no https address of an API"));
        }
        Ok(Some(Self { id, api }))
    }

    /// Whether it is an App of the host with this API.
    pub(crate) fn is_at(&self, api: &str) -> bool {
        self.api == api
    }
}

/// A token, and until when it counts.
#[derive(Clone, Debug)]
pub(crate) struct Lent {
    pub(crate) token: Secret,
    pub(crate) until: Timestamp,
}

/// What came of asking for a token.
pub(crate) enum Asked {
    Lent(Lent),
    Not(Found),
}

#[derive(Serialize)]
struct Proof<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
}

/// Asks as the App.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) settings: AppSettings,
    client: Client,
}

impl App {
    pub(crate) fn new(settings: AppSettings) -> Self {
        Self { settings, client: Client::new(CONNECT, ANSWER) }
    }

    /// A token for one repository. `place` is what the key is called where it is kept.
    pub(crate) async fn token(
        &self,
        key: &Secret,
        place: &str,
        repository: &RepositoryName,
        purpose: Purpose,
        now: Timestamp,
    ) -> Asked {
        let Some(key) = key::read(key.reveal()) else {
            let why = format!(
                "the parameter {place} is no RSA key in PEM: put the file there that \
                GitHub hands out as the App's private key"
            );
            return Asked::Not(Found::Missing(why));
        };
        let second = now.as_second();
        let proof = Proof { iss: &self.settings.id, iat: second - DRIFT, exp: second + PROOF };
        let Ok(proof) = encode(&Header::new(Algorithm::RS256), &proof, &key) else {
            let why = format!("the parameter {place} is a key that cannot sign");
            return Asked::Not(Found::Missing(why));
        };
        let client = match self.client.get() {
            Ok(client) => client,
            Err(error) => return not_now(format!("there is no HTTP client: {error}"), None),
        };
        let api = &self.settings.api;
        let installation = client.get(format!("{api}/repos/{repository}/installation"));
        let answer = match self.ask(installation, &proof).await {
            Ok(answer) => answer,
            Err(asked) => return asked,
        };
        let id = answer.json().and_then(|body| body.get("id")?.as_u64());
        let Some(id) = id.filter(|_| answer.is_success()) else {
            return refused(&answer, now, "; the App is not installed on the repository");
        };
        let (_, name) = repository.as_str().rsplit_once('/').unwrap_or_default();
        let wanted = json!({ "repositories": [name], "permissions": purpose.permissions() });
        let lends =
            client.post(format!("{api}/app/installations/{id}/access_tokens")).json(&wanted);
        let answer = match self.ask(lends, &proof).await {
            Ok(answer) => answer,
            Err(asked) => return asked,
        };
        match lent(&answer) {
            Some(lent) => Asked::Lent(lent),
            None => refused(&answer, now, purpose.lacking()),
        }
    }

    async fn ask(&self, request: RequestBuilder, proof: &str) -> Result<Answer, Asked> {
        let request = request
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", VERSION)
            .bearer_auth(proof);
        let answer = ask(request, MAX_BODY).await;
        answer.map_err(|error| not_now(format!("GitHub's API {error}"), None))
    }
}

/// The token of an answer that has one.
fn lent(answer: &Answer) -> Option<Lent> {
    let body: Value = answer.json().filter(|_| answer.is_success())?;
    let token = body.get("token")?.as_str()?;
    let until = body.get("expires_at")?.as_str()?.parse().ok()?;
    let plain = !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic());
    plain.then(|| Lent { token: Secret::new(token), until })
}

fn not_now(why: String, wait: Option<SignedDuration>) -> Asked {
    Asked::Not(Found::Later { why, wait })
}

/// What another answer means; `unseen` is what is said of 404 and 422.
fn refused(answer: &Answer, now: Timestamp, unseen: &str) -> Asked {
    let said = answer.said("GitHub");
    match answer.status {
        401 => not_now(
            format!("{said}; the App's key does not belong to the id that the installation has"),
            Some(MENDED),
        ),
        403 | 429 => match limited(answer, now) {
            Some(wait) => not_now(said, Some(wait)),
            None => not_now(format!("{said}; the App is suspended, or may not"), Some(MENDED)),
        },
        404 | 422 => not_now(format!("{said}{unseen}"), Some(MENDED)),
        408 | 500..=599 => not_now(said, answer.retry_after()),
        _ => not_now(format!("{said}, which is no token"), Some(MENDED)),
    }
}
