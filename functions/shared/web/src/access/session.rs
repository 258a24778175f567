//! Sessions of browsers, and the codes that begin one.
//!
//! A session is a cookie of 256 random bits: `HttpOnly`, so that no script reads it; `SameSite=Lax`,
//! so that no page of another origin has anything but a link sent with it; where there is TLS
//! `Secure` and bound to its host by the prefix `__Host-`. Everything that changes something needs
//! besides what only the installation's own pages know: a hash of the cookie.

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::{SignedDuration, Timestamp};
use pact_contract::access::SessionRecord;

use super::{
    denied::Denied,
    doors::{Doors, Identity},
    secret::{digest, random},
};
use crate::origin::origin;

/// How long a browser stays signed in.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(12);
/// How long a code may be used, once.
pub const CODE_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// The field of a form with what only the installation's pages know.
pub const CSRF_FIELD: &str = "csrf";
/// The header with the same.
pub const CSRF_HEADER: &str = "x-pact-csrf";

/// Digits of a cookie and of a code.
const DIGITS: usize = 64;

/// A session that has begun.
pub struct Session {
    /// Who is signed in.
    pub record: SessionRecord,
    /// What the browser is to keep.
    pub cookie: HeaderValue,
}

impl Doors {
    /// Signs the caller's browser in as whoever this is.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn begin(&self, identity: &Identity, headers: &HeaderMap) -> Result<Session, Denied> {
        let record = self.record(identity, SESSION_LIFE);
        self.begin_as(record, headers).await
    }

    /// Signs the caller's browser in as whoever the code stands for.
    ///
    /// # Errors
    /// When the code was used, is too old, or never was one.
    pub async fn redeem(
        &self,
        code: &str,
        source: &str,
        headers: &HeaderMap,
    ) -> Result<Session, Denied> {
        let now = (self.now)();
        self.attempts.admit(source, now)?;
        let wrong = || {
            self.attempts.wrong(source, now);
            Denied::Wrong
        };
        if !is_secret(code) {
            return Err(wrong());
        }
        let taken = self.sessions.take_code(&digest(code)).await?;
        let record = taken.filter(|record| now < record.expires_at).ok_or_else(wrong)?;
        if !self.still_counts(&record.credential, now).await? {
            return Err(Denied::Wrong);
        }
        let expires_at = after(now, SESSION_LIFE);
        self.begin_as(SessionRecord { expires_at, ..record }, headers).await
    }

    /// Makes a code that signs one browser in as whoever this is.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn make_code(&self, identity: &Identity) -> Result<String, Denied> {
        let code = random();
        let record = self.record(identity, CODE_LIFE);
        self.sessions.keep_code(&digest(&code), &record).await?;
        Ok(code)
    }

    /// Signs the caller's browser out; gives what takes the cookie away.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn end(&self, headers: &HeaderMap) -> Result<HeaderValue, Denied> {
        if let Some(cookie) = session_cookie(headers) {
            self.sessions.end_session(&digest(&cookie)).await?;
        }
        set_cookie(Jar::Session, headers, "", 0)
    }

    /// Who is signed in, in the browser that sends this cookie.
    pub(super) async fn by_cookie(&self, headers: &HeaderMap) -> Result<Identity, Denied> {
        let cookie = session_cookie(headers).ok_or(Denied::Nobody)?;
        let now = (self.now)();
        let found = self.sessions.session(&digest(&cookie)).await?;
        let record = found.filter(|record| now < record.expires_at).ok_or(Denied::Nobody)?;
        if !self.still_counts(&record.credential, now).await? {
            return Err(Denied::Nobody);
        }
        Ok(Identity {
            owner: record.owner,
            scopes: record.scopes,
            credential: record.credential,
            until: Some(record.expires_at),
            csrf: Some(digest(&format!("csrf {cookie}"))),
        })
    }

    fn record(&self, identity: &Identity, life: SignedDuration) -> SessionRecord {
        let end = after((self.now)(), life);
        SessionRecord {
            schema: SessionRecord::VERSION,
            owner: identity.owner.clone(),
            scopes: identity.scopes.clone(),
            credential: identity.credential.clone(),
            expires_at: identity.until.map_or(end, |until| until.min(end)),
        }
    }

    async fn begin_as(
        &self,
        record: SessionRecord,
        headers: &HeaderMap,
    ) -> Result<Session, Denied> {
        let secret = random();
        let left = record.expires_at.duration_since((self.now)()).as_secs().max(0);
        let cookie = set_cookie(Jar::Session, headers, &secret, left)?;
        self.sessions.open_session(&digest(&secret), &record).await?;
        Ok(Session { record, cookie })
    }
}

fn after(now: Timestamp, life: SignedDuration) -> Timestamp {
    now.checked_add(life).unwrap_or(Timestamp::MAX)
}

pub(super) fn is_secret(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// Which cookie it is.
#[derive(Clone, Copy)]
pub(super) enum Jar {
    /// A browser that is signed in.
    Session,
    /// One that is being signed in at the provider.
    SignIn,
}

/// The cookie's name, and what else is said of it. Cookies know no ports: of several stacks on one
/// machine each has a name of its own.
fn name(jar: Jar, headers: &HeaderMap) -> (String, &'static str) {
    let own = origin(headers);
    let kind = match jar {
        Jar::Session => "pact",
        Jar::SignIn => "pact-sign-in",
    };
    match own.strip_prefix("http://") {
        None => (format!("__Host-{kind}"), "; Secure"),
        Some(host) => {
            let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
            let port: String = port.chars().filter(char::is_ascii_digit).collect();
            (format!("{kind}-{port}"), "")
        }
    }
}

pub(super) fn set_cookie(
    jar: Jar,
    headers: &HeaderMap,
    value: &str,
    seconds: i64,
) -> Result<HeaderValue, Denied> {
    let (name, secure) = name(jar, headers);
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    // Digits and fixed words: nothing in it is no header.
    HeaderValue::from_str(&text).map_err(|_| Denied::Nobody)
}

/// The cookie's value. Where there are several of the name, somebody meddled: none counts.
pub(super) fn cookie(jar: Jar, headers: &HeaderMap) -> Option<String> {
    let (name, _) = name(jar, headers);
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(&name)?.strip_prefix('='));
    let value = found.next()?;
    found.next().is_none().then(|| value.to_owned())
}

/// The secret of the browser's session.
fn session_cookie(headers: &HeaderMap) -> Option<String> {
    cookie(Jar::Session, headers).filter(|value| is_secret(value))
}
