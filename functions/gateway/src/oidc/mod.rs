//! Signing in by the installation's OpenID Connect provider: the authorization code flow of OpenID
//! Connect Core 1.0, section 3.1, with the proof of RFC 7636.
//!
//! `GET /v1/sign-in` sends a browser to the provider, which sends it back to `GET
//! /v1/sign-in/callback`. What comes back counts where it answers what this very browser began, and
//! where the token that its code is good for was made by the provider, for this installation, now, for
//! this attempt. Who they are and what they may do say the rules of [`pact_web::access::People`].
//! A browser is always answered with a page: the reasons for a refusal that only the operator can do
//! something about are in the log.

mod failed;
mod id_token;
pub(crate) mod provider;

use axum::{
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use pact_agent::secrets::Parameter;
use pact_web::access::{Denied, People, Person, Session, SignIn, source};

use crate::{
    error::ApiError,
    forms::{go_to, inside, with_query},
    ports::Ports,
    sign_in::PAGE,
};
use failed::{Failed, said};
use id_token::Wrong;

/// What the installation proves to the provider that it is itself with. A provider that wants no such
/// proof is asked without one.
pub(crate) static SECRET: Parameter = Parameter {
    name: "sign-in-secret",
    about: "shared with the sign-in provider, where it wants one",
    variable: Some("PACT_SIGN_IN_SECRET"),
};

/// Where the provider sends the browser back to.
pub const CALLBACK: &str = "/v1/sign-in/callback";

/// Longest code that a provider hands out.
const MAX_CODE: usize = 4_096;

/// The page that says why nobody is signed in.
fn refused(failed: &Failed, next: &str) -> Response {
    failed.log();
    let page = with_query(PAGE, "refused", failed.code().as_str());
    go_to(&with_query(&page, "next", inside(Some(next))))
}

/// Parts of an address's query. What stands twice is nothing.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let pairs = url::form_urlencoded::parse(query);
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(&**value)
    }
}

fn not_set_up() -> Response {
    let message = "no sign-in provider is set up here: `SignInIssuer` and its other parameters do";
    ApiError::not_found(message).into_response()
}

/// `GET /v1/sign-in`: to the provider.
pub(crate) async fn begin(ports: &Ports, parts: &Parts) -> Response {
    let Some(people) = ports.doors.people() else { return not_set_up() };
    let query = Query::of(parts);
    let next = inside(query.get("next"));
    let sign_in = SignIn::begin(next);
    let sent = async {
        let known = ports.provider.known(people, None).await?;
        let address = known.authorization(people, &sign_in, &redirect(parts));
        Ok::<_, Failed>((address, sign_in.cookie(&parts.headers)?))
    };
    match sent.await {
        Ok((address, cookie)) => {
            let mut response = go_to(address.as_str());
            private(&mut response, [cookie]);
            response
        }
        Err(failed) => refused(&failed, next),
    }
}

/// `GET /v1/sign-in/callback`: back from the provider.
pub(crate) async fn end(ports: &Ports, parts: &Parts) -> Response {
    let Some(people) = ports.doors.people() else { return not_set_up() };
    let sign_in = SignIn::of(&parts.headers);
    let next = sign_in.as_ref().map(|sign_in| sign_in.next.clone()).unwrap_or_default();
    // Whatever came of it, it is over.
    let over = SignIn::over(&parts.headers).ok();
    let (mut response, session) = match signed_in(ports, people, sign_in, parts).await {
        Ok(Session { record, cookie }) => {
            tracing::info!(owner = record.owner, scopes = %record.scopes, "signed in");
            (go_to(inside(Some(&next))), Some(cookie))
        }
        Err(failed) => (refused(&failed, &next), None),
    };
    private(&mut response, over.into_iter().chain(session));
    response
}

async fn signed_in(
    ports: &Ports,
    people: &People,
    sign_in: Option<SignIn>,
    parts: &Parts,
) -> Result<Session, Failed> {
    let refuse = |why: &str| Failed::Refused(why.to_owned());
    let query = Query::of(parts);
    let sign_in = sign_in.ok_or_else(|| refuse("this browser is not in the middle of one"))?;
    if !query.get("state").is_some_and(|state| sign_in.is_answered_by(state)) {
        return Err(refuse("the state is another browser's, or another attempt's"));
    }
    let known = ports.provider.known(people, None).await?;
    // RFC 9207: another provider's answer is not taken for this one's.
    match query.get("iss") {
        Some(issuer) if issuer != people.issuer() => {
            return Err(refuse("the answer is another provider's"));
        }
        None if known.says_issuer() => return Err(refuse("the answer does not say whose it is")),
        _ => {}
    }
    if let Some(error) = query.get("error") {
        let about = query.get("error_description").unwrap_or_default();
        return Err(Failed::Refused(format!("it answers {}: {}", said(error), said(about))));
    }
    let code = query.get("code").filter(|code| (1..=MAX_CODE).contains(&code.len()));
    let code = code.ok_or_else(|| refuse("the answer has no code"))?;
    let source = source(parts);
    ports.doors.admit(&source)?;
    let person = person(ports, people, &sign_in, &redirect(parts), code).await;
    if matches!(person, Err(Failed::Refused(_))) {
        ports.doors.wrong(&source);
    }
    let identity = ports.doors.by_provider(&person?)?;
    Ok(ports.doors.begin(&identity, &parts.headers).await?)
}

/// Whom the code stands for.
async fn person(
    ports: &Ports,
    people: &People,
    sign_in: &SignIn,
    redirect: &str,
    code: &str,
) -> Result<Person, Failed> {
    let known = ports.provider.known(people, None).await?;
    let secret = ports.secrets.secret(SECRET.name).await.map_err(Denied::from)?;
    let tokens =
        ports.provider.redeem(people, &known, code, &sign_in.verifier(), redirect, secret).await?;
    let verify =
        |keys: &[_]| id_token::verify(&tokens.id_token, keys, people, sign_in, Timestamp::now());
    let claims = match verify(known.keys()) {
        // It may have changed its keys since.
        Err(Wrong::UnknownKey) => {
            let known = ports.provider.known(people, Some(&known)).await?;
            verify(known.keys())
        }
        verified => verified,
    };
    let claims = claims.map_err(|wrong| Failed::Refused(wrong.to_string()))?;
    let person = claims.person(people);
    if claims.is_enough(&person, people) {
        return Ok(person);
    }
    match ports.provider.more(&known, &tokens).await? {
        Some(more) => claims.with(more).map(|claims| claims.person(people)).ok_or_else(|| {
            Failed::Refused("the provider tells more of somebody else than who signed in".into())
        }),
        None => Ok(person),
    }
}

/// The address that the provider knows to send browsers back to.
fn redirect(parts: &Parts) -> String {
    format!("{}{CALLBACK}", pact_web::origin(&parts.headers))
}

/// Cookies, and that nobody keeps the answer or is told where the browser was.
fn private(response: &mut Response, cookies: impl IntoIterator<Item = HeaderValue>) {
    let headers = response.headers_mut();
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
