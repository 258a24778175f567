//! The provider: where its endpoints and its keys are (OpenID Connect Discovery 1.0), and what is
//! asked there.

use std::{sync::Arc, time::Duration};

use axum::http::header;
use jiff::{SignedDuration, Timestamp};
use pact_agent::secrets::Secret;
use pact_hosts::{Client, ask};
use pact_web::access::{People, SignIn, is_safe};
use reqwest::RequestBuilder;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::{
    failed::{Failed, said},
    id_token::Key,
};

/// Longest wait for a connection, and for an answer: the function may run for 30 seconds, and asks
/// four times at most.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(6);
/// Largest answer.
const MAX_BODY: usize = 256 * 1024;
/// How long what is known of a provider counts, and that it did not answer.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
const FRESH_FAULT: SignedDuration = SignedDuration::from_secs(5);
/// How often its keys are asked for anew because a token names another one.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// Most keys that are looked at.
const MAX_KEYS: usize = 50;

/// Asks the provider, and remembers what it says of itself.
pub(crate) struct Provider {
    client: Client,
    // Held while it is asked: many who come at once are one question.
    kept: Mutex<Option<Kept>>,
}

impl Default for Provider {
    fn default() -> Self {
        // What is sent is meant for the address that the provider names, and no other.
        Self { client: Client::new(CONNECT, ANSWER), kept: Mutex::default() }
    }
}

struct Kept {
    issuer: String,
    at: Timestamp,
    found: Result<Arc<Known>, String>,
}

impl Kept {
    fn counts(&self, issuer: &str, now: Timestamp, not: Option<&Arc<Known>>) -> bool {
        let age = now.duration_since(self.at);
        let limit = match &self.found {
            Ok(found) if not.is_some_and(|not| Arc::ptr_eq(not, found)) => AGAIN,
            Ok(_) => FRESH,
            Err(_) => FRESH_FAULT,
        };
        self.issuer == issuer && !age.is_negative() && age < limit
    }
}

/// What a provider says of itself.
pub(crate) struct Known {
    authorization: Url,
    token: Url,
    userinfo: Option<Url>,
    /// Whether the secret is sent in the form, and not as HTTP Basic.
    secret_in_form: bool,
    says_issuer: bool,
    scopes: Vec<String>,
    keys: Vec<Key>,
}

/// What a code was good for.
pub(crate) struct Tokens {
    pub(crate) id_token: String,
    access_token: Option<String>,
}

impl Known {
    /// Its keys.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Whether its answers say that they are its own (RFC 9207).
    pub(crate) fn says_issuer(&self) -> bool {
        self.says_issuer
    }

    /// Where a browser is sent to sign in.
    pub(crate) fn authorization(&self, people: &People, sign_in: &SignIn, redirect: &str) -> Url {
        let mut scope = vec!["openid", "email"];
        // Where it has a scope for groups, they are told to whoever asks for it.
        let groups = people.groups_claim();
        scope.extend(groups.filter(|claim| self.scopes.iter().any(|known| known == claim)));
        let mut url = self.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", people.client())
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", &scope.join(" "))
            .append_pair("state", &sign_in.state())
            .append_pair("nonce", &sign_in.nonce())
            .append_pair("code_challenge", &sign_in.challenge())
            .append_pair("code_challenge_method", "S256");
        url
    }
}

fn unavailable(why: impl Into<String>) -> Failed {
    Failed::Unavailable(why.into())
}

impl Provider {
    fn client(&self) -> Result<&reqwest::Client, Failed> {
        let client = self.client.get();
        client.map_err(|error| unavailable(format!("there is no HTTP client: {error}")))
    }

    /// Lets what is known be older than it is.
    #[cfg(test)]
    pub(crate) async fn age(&self, by: SignedDuration) {
        if let Some(kept) = self.kept.lock().await.as_mut() {
            kept.at -= by;
        }
    }

    /// What the provider says of itself, anew where that was `not` enough.
    pub(crate) async fn known(
        &self,
        people: &People,
        not: Option<&Arc<Known>>,
    ) -> Result<Arc<Known>, Failed> {
        let now = Timestamp::now();
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.counts(people.issuer(), now, not)) {
            return kept.found.clone().map_err(Failed::Unavailable);
        }
        let found = match self.discover(people.issuer()).await {
            Ok(found) => Ok(Arc::new(found)),
            Err(Failed::Unavailable(why)) => Err(why),
            Err(other) => return Err(other),
        };
        let issuer = people.issuer().to_owned();
        *kept = Some(Kept { issuer, at: now, found: found.clone() });
        found.map_err(Failed::Unavailable)
    }

    async fn discover(&self, issuer: &str) -> Result<Known, Failed> {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = self.json(self.client()?.get(&address), &address).await?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if text("issuer") != Some(issuer) {
            let other = said(text("issuer").unwrap_or_default());
            return Err(unavailable(format!(
                "{address} says that its issuer is {other:?}, not {issuer:?}: set it as it is there"
            )));
        }
        let endpoint = |name: &str| -> Result<Url, Failed> {
            let url = text(name).and_then(|url| Url::parse(url).ok());
            let url = url.filter(|url| is_safe(url) && url.fragment().is_none());
            url.ok_or_else(|| unavailable(format!("{address} names no https address as {name}")))
        };
        let list = |name: &str| -> Option<Vec<String>> {
            let all = document.get(name)?.as_array()?.iter();
            Some(all.filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let methods = list("code_challenge_methods_supported");
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(unavailable(format!("{address} does not know the proof S256")));
        }
        let methods = list("token_endpoint_auth_methods_supported");
        let secret_in_form = methods.is_some_and(|methods| {
            let has = |name: &str| methods.iter().any(|method| method == name);
            has("client_secret_post") && !has("client_secret_basic")
        });
        let keys_at = endpoint("jwks_uri")?;
        let keys = self.json(self.client()?.get(keys_at.clone()), keys_at.as_str()).await?;
        let keys = keys.get("keys").and_then(Value::as_array).map(Vec::as_slice);
        let keys: Vec<_> =
            keys.unwrap_or_default().iter().take(MAX_KEYS).filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(unavailable(format!("{keys_at} has no key that signs tokens")));
        }
        Ok(Known {
            authorization: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?,
            userinfo: text("userinfo_endpoint")
                .map(|_| endpoint("userinfo_endpoint"))
                .transpose()?,
            secret_in_form,
            says_issuer: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
            scopes: list("scopes_supported").unwrap_or_default(),
            keys,
        })
    }

    /// What the code is good for, once.
    pub(crate) async fn redeem(
        &self,
        people: &People,
        known: &Known,
        code: &str,
        verifier: &str,
        redirect: &str,
        secret: Option<Secret>,
    ) -> Result<Tokens, Failed> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        let mut request = self.client()?.post(known.token.clone());
        match &secret {
            Some(secret) if !known.secret_in_form => {
                // RFC 6749, section 2.3.1: both are written as in a form first.
                let written = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let (name, secret) = (written(people.client()), written(secret.reveal()));
                request = request.basic_auth(name, Some(secret));
            }
            Some(secret) => {
                form.extend([("client_id", people.client()), ("client_secret", secret.reveal())]);
            }
            None => form.push(("client_id", people.client())),
        }
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let mut answer = self.json(request, known.token.as_str()).await?;
        let mut take = |name: &str| match answer.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let id_token = take("id_token");
        let id_token =
            id_token.ok_or_else(|| unavailable(format!("{} gives no id_token", known.token)))?;
        Ok(Tokens { id_token, access_token: take("access_token") })
    }

    /// What else the provider says of whom the tokens are about; none where it says nothing.
    pub(crate) async fn more(
        &self,
        known: &Known,
        tokens: &Tokens,
    ) -> Result<Option<Map<String, Value>>, Failed> {
        let (Some(address), Some(token)) = (&known.userinfo, &tokens.access_token) else {
            return Ok(None);
        };
        let request = self.client()?.get(address.clone()).bearer_auth(token);
        self.json(request, address.as_str()).await.map(Some)
    }

    /// Asks, and reads an object. What is wrong with the request is the asker's; anything else is the
    /// provider's.
    async fn json(
        &self,
        request: RequestBuilder,
        address: &str,
    ) -> Result<Map<String, Value>, Failed> {
        let request = request.header(header::ACCEPT, "application/json");
        let answer = ask(request, MAX_BODY).await;
        let answer = answer.map_err(|error| unavailable(format!("{address} {error}")))?;
        if answer.cut {
            return Err(unavailable(format!("{address} answers too much")));
        }
        let read = answer.json();
        if answer.is_success() {
            return match read {
                Some(Value::Object(object)) => Ok(object),
                _ => Err(unavailable(format!("{address} answers no JSON object"))),
            };
        }
        let text = |name: &str| read.as_ref().and_then(|read| read.get(name)?.as_str());
        let error = said(text("error").unwrap_or_default());
        let about = said(text("error_description").unwrap_or_default());
        let why = format!("{address} answers {} {error} {about}", answer.status);
        // RFC 6749, section 5.2: that it is not this client's secret is no fault of whoever signs in.
        if answer.status == 400 && error == "invalid_grant" {
            Err(Failed::Refused(why))
        } else {
            Err(unavailable(why))
        }
    }
}
