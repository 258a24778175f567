//! Who calls, and what they may do.

use std::sync::Arc;

use axum::http::{HeaderMap, request::Parts};
use jiff::{SignedDuration, Timestamp};
use lambda_http::request::RequestContext;
use pact_agent::{
    access::{Sessions, Tokens},
    secrets::{MIN_SECRET, Parameter, Secret, Secrets},
};
use pact_contract::access::{Credential, Scope, Scopes};

use super::{
    attempts::Attempts,
    bearer::{Bearer, split},
    denied::Denied,
    generations::generation,
    people::{People, Person},
    secret::{digest, same_text},
};
use crate::origin::origin;

/// The installation's own token: good for everything, and belonging to nobody in particular.
pub static API_TOKEN: Parameter = Parameter {
    name: "api-token",
    about: "the installation's own token, with every scope",
    variable: None,
};

/// Whose name stands for the installation's own token.
pub const INSTALLATION: &str = "installation";

/// How exactly it is known when a token was used last.
const COARSE: SignedDuration = SignedDuration::from_hours(1);
/// An installation's token that is shorter may be guessed.
const GUESSABLE: usize = 32;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Their name: that of the token's owner.
    pub owner: String,
    /// What they may do.
    pub scopes: Scopes,
    /// What they showed.
    pub credential: Credential,
    /// When that ends by itself.
    pub until: Option<Timestamp>,
    /// What the installation's own pages send along, where a browser calls.
    pub(super) csrf: Option<String>,
}

impl Identity {
    /// Refuses what this scope is needed for.
    ///
    /// # Errors
    /// Where they do not have it.
    pub fn needs(&self, scope: Scope) -> Result<(), Denied> {
        if self.scopes.has(scope) { Ok(()) } else { Err(Denied::Scope(scope)) }
    }

    /// What a page of the installation sends along with what it asks for; none of a program, which
    /// no page can make send its token.
    #[must_use]
    pub fn csrf(&self) -> Option<&str> {
        self.csrf.as_deref()
    }

    /// Refuses what another page made the browser send.
    ///
    /// # Errors
    /// Where a browser calls, and `said` is not what the installation's pages know.
    pub fn sent_by_page(&self, said: Option<&str>) -> Result<(), Denied> {
        let Some(known) = &self.csrf else { return Ok(()) };
        let same = said.is_some_and(|said| same_text(known, said));
        if same { Ok(()) } else { Err(Denied::Forged) }
    }

    /// Whether this is the installation itself, which nobody in particular speaks for.
    #[must_use]
    pub fn is_installation(&self) -> bool {
        matches!(self.credential, Credential::Installation { .. })
    }
}

#[cfg(feature = "testing")]
impl Identity {
    /// Somebody with these scopes, for tests: with a token, or else as the installation.
    #[must_use]
    pub fn of(owner: &str, scopes: Scopes, token: Option<pact_contract::access::TokenId>) -> Self {
        let credential = match token {
            Some(id) => Credential::Token { id },
            None => Credential::Installation { mark: String::new() },
        };
        Self { owner: owner.to_owned(), scopes, credential, until: None, csrf: None }
    }
}

/// What lets callers in. Clones share what they know of wrong credentials.
#[derive(Clone)]
pub struct Doors {
    tokens: Arc<dyn Tokens>,
    pub(super) sessions: Arc<dyn Sessions>,
    secrets: Arc<dyn Secrets>,
    pub(super) attempts: Arc<Attempts>,
    pub(super) now: fn() -> Timestamp,
    people: Option<Arc<People>>,
    notes_use: bool,
}

impl Doors {
    /// Doors of a function that only reads.
    #[must_use]
    pub fn new(
        tokens: Arc<dyn Tokens>,
        sessions: Arc<dyn Sessions>,
        secrets: Arc<dyn Secrets>,
    ) -> Self {
        let attempts = Arc::default();
        let now = Timestamp::now;
        Self { tokens, sessions, secrets, attempts, now, people: None, notes_use: false }
    }

    /// Lets in whom the provider knows, by these rules.
    #[must_use]
    pub fn for_people(self, people: Option<Arc<People>>) -> Self {
        Self { people, ..self }
    }

    /// By which rules people are let in whom a provider knows, if any are.
    #[must_use]
    pub fn people(&self) -> Option<&Arc<People>> {
        self.people.as_ref()
    }

    /// Somebody whom the provider knows.
    ///
    /// # Errors
    /// [`Denied::NoGrant`] where nothing is granted to them.
    pub fn by_provider(&self, person: &Person) -> Result<Identity, Denied> {
        let people = self.people.as_ref().ok_or(Denied::NoGrant)?;
        let scopes = people.scopes(person);
        if scopes.is_empty() {
            return Err(Denied::NoGrant);
        }
        let (subject, mark) = (person.subject.clone(), people.mark());
        let credential = Credential::Provider { subject, mark };
        Ok(Identity { owner: person.name(), scopes, credential, until: None, csrf: None })
    }

    /// Refuses an address that sent too many wrong credentials.
    ///
    /// # Errors
    /// [`Denied::TooMany`] then.
    pub fn admit(&self, source: &str) -> Result<(), Denied> {
        self.attempts.admit(source, (self.now)())
    }

    /// Counts a wrong credential of this address.
    pub fn wrong(&self, source: &str) {
        self.attempts.wrong(source, (self.now)());
    }

    /// Has it written down, to the hour, when a token is used.
    #[must_use]
    pub fn noting_use(self) -> Self {
        Self { notes_use: true, ..self }
    }

    /// The same with another clock, for tests.
    #[must_use]
    pub fn at(self, now: fn() -> Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Who sent the request: by its bearer token, or else by its cookie.
    ///
    /// # Errors
    /// When it shows nothing, or nothing that counts.
    pub async fn identify(&self, parts: &Parts) -> Result<Identity, Denied> {
        match Bearer::of(&parts.headers) {
            Bearer::None => self.by_cookie(&parts.headers).await,
            Bearer::Odd => Err(Denied::Nobody),
            Bearer::Token(token) => self.by_token(&token, &source(parts)).await,
        }
    }

    /// Whose token it is that somebody at this address shows.
    ///
    /// # Errors
    /// When it does not count. The next wrong ones wait where too many came from there; a right one does
    /// not: whoever sends wrong ones from the same address must not be able to shut others out.
    pub async fn by_token(&self, token: &str, source: &str) -> Result<Identity, Denied> {
        let now = (self.now)();
        let slowed = self.attempts.admit(source, now);
        let found = match split(token) {
            Some(parts) => self.by_api_token(parts, now).await?,
            None => self.by_installation(token, slowed.is_err()).await?,
        };
        found.ok_or_else(|| {
            self.attempts.wrong(source, now);
            slowed.err().unwrap_or(Denied::Wrong)
        })
    }

    async fn by_api_token(
        &self,
        (id, secret): (pact_contract::access::TokenId, &str),
        now: Timestamp,
    ) -> Result<Option<Identity>, Denied> {
        let Some(known) = self.tokens.token(&id).await? else { return Ok(None) };
        if !same_text(&known.record.hash, &digest(secret))
            || generation(&*self.tokens, &known.record, now).await?.is_none()
        {
            return Ok(None);
        }
        let fresh = |used: Timestamp| now.duration_since(used) < COARSE;
        if self.notes_use
            && !known.used_at.is_some_and(fresh)
            && let Err(error) = self.tokens.used(&id, now).await
        {
            // Whoever has the right token is not kept out for that.
            tracing::warn!(%error, token = id.as_str(), "the use of a token was not written down");
        }
        let record = known.record;
        Ok(Some(Identity {
            owner: record.owner,
            scopes: record.scopes,
            credential: Credential::Token { id },
            until: Some(record.expires_at),
            csrf: None,
        }))
    }

    async fn by_installation(&self, token: &str, slowed: bool) -> Result<Option<Identity>, Denied> {
        let known = secret(&*self.secrets, &API_TOKEN).await?;
        // Whoever made it chose it. One that may be guessed waits as a guess does.
        if slowed && known.reveal().len() < GUESSABLE {
            return Ok(None);
        }
        // Hashes have one length, so that not even that of the token can be told from the time.
        let same = same_text(&digest(known.reveal()), &digest(token));
        Ok(same.then(|| Identity {
            owner: INSTALLATION.to_owned(),
            scopes: Scopes::all(),
            credential: Credential::Installation { mark: mark(&known) },
            until: None,
            csrf: None,
        }))
    }

    /// Whether what a session was begun with still counts.
    pub(super) async fn still_counts(
        &self,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<bool, Denied> {
        match credential {
            Credential::Token { id } => {
                let Some(known) = self.tokens.token(id).await? else { return Ok(false) };
                Ok(generation(&*self.tokens, &known.record, now).await?.is_some())
            }
            Credential::Installation { mark: known } => {
                match secret(&*self.secrets, &API_TOKEN).await {
                    Ok(token) => Ok(same_text(known, &mark(&token))),
                    Err(Denied::Closed(_)) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            // Other rules might not let them in.
            Credential::Provider { mark: known, .. } => {
                let people = self.people.as_ref();
                Ok(people.is_some_and(|people| same_text(known, &people.mark())))
            }
        }
    }
}

/// The secret of this parameter. Without one, or with one that can be guessed, the door stays
/// closed.
///
/// # Errors
/// [`Denied::Closed`] then; [`Denied::Store`] when it cannot be read.
pub async fn secret(secrets: &dyn Secrets, parameter: &Parameter) -> Result<Secret, Denied> {
    let name = parameter.name;
    let fault = match secrets.secret(name).await? {
        Some(secret) if secret.reveal().len() >= MIN_SECRET => return Ok(secret),
        Some(_) => {
            format!("the parameter {} needs at least {MIN_SECRET} characters", secrets.place(name))
        }
        None => secrets.missing(name),
    };
    tracing::error!(fault, "a secret is not configured");
    Err(Denied::Closed(format!("not configured: {fault}")))
}

/// Where a request comes from, as the HTTP API saw it. What a header says of it, anybody may write.
#[must_use]
pub fn source(parts: &Parts) -> String {
    match parts.extensions.get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
        _ => None,
    }
    .unwrap_or_default()
}

/// Where a program on a page of another origin would be told from this one's.
///
/// # Errors
/// When a browser says that another origin's page sends it.
pub fn same_origin(headers: &HeaderMap) -> Result<(), Denied> {
    let own = origin(headers);
    let origins = headers.get_all(axum::http::header::ORIGIN);
    let other =
        origins.iter().any(|origin| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()));
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let elsewhere = !matches!(site, None | Some(b"same-origin" | b"none"));
    if other || elsewhere { Err(Denied::Forged) } else { Ok(()) }
}

/// Tells the installation's token from the one after it.
fn mark(token: &Secret) -> String {
    digest(&format!("session {}", token.reveal()))
}
