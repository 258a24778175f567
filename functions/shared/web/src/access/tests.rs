//! The doors, over tokens and sessions in memory.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Request, request::Parts};
use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    access::{MemoryAccess, Tokens as _},
    testing::Memory,
};
use pact_contract::access::{Revoked, Scope, Scopes, TokenRecord};

use super::{secret::digest, *};

const ROOT: &str = "token-of-the-api-0123";

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn later() -> Timestamp {
    now() + SignedDuration::from_hours(13)
}

struct Bench {
    access: Arc<MemoryAccess>,
    memory: Arc<Memory>,
    doors: Doors,
}

fn bench() -> Bench {
    let (access, memory) = (Arc::<MemoryAccess>::default(), Memory::new());
    memory.set_secret(API_TOKEN.name, ROOT);
    let doors =
        Doors::new(Arc::clone(&access) as _, Arc::clone(&access) as _, Arc::clone(&memory) as _);
    Bench { access, memory, doors: doors.at(now).noting_use() }
}

impl Bench {
    /// Hands out a token with these scopes.
    async fn token(&self, scopes: &[Scope]) -> (String, TokenRecord) {
        let NewToken { id, hash, text } = new_token().unwrap();
        let record = TokenRecord {
            schema: TokenRecord::VERSION,
            id,
            hash,
            owner: "ada".to_owned(),
            scopes: scopes.iter().copied().collect(),
            created_by: INSTALLATION.to_owned(),
            made_with: None,
            created_at: now(),
            expires_at: now() + SignedDuration::from_hours(48),
            revoked: None,
        };
        assert!(self.access.put_token(&record, None).await.unwrap());
        (text, record)
    }

    async fn identify(&self, headers: &[(&str, &str)]) -> Result<Identity, Denied> {
        self.doors.identify(&parts(headers)).await
    }
}

fn parts(headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::get("/").header("host", "pact.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// The cookie as a browser sends it back.
fn sent_back(session: &Session) -> String {
    session.cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_says_who_calls_and_nothing_of_it_is_kept() {
    let bench = bench();
    let (token, record) = bench.token(&[Scope::Read]).await;
    let bearer = format!("Bearer {token}");
    let who = bench.identify(&[("authorization", &bearer)]).await.unwrap();
    assert_eq!((who.owner.as_str(), who.csrf()), ("ada", None));
    who.needs(Scope::Read).unwrap();
    assert!(matches!(who.needs(Scope::Approve), Err(Denied::Scope(Scope::Approve))));
    let secret = token.rsplit('_').next().unwrap();
    assert!(!bench.access.dump().contains(secret), "only its hash is kept");
    let used = bench.access.token(&record.id).await.unwrap().unwrap().used_at;
    assert_eq!(used, Some(now()));
    let root = bench.identify(&[("authorization", "bearer token-of-the-api-0123")]).await.unwrap();
    assert!(root.is_installation() && root.scopes == Scopes::all());
}

#[tokio::test]
async fn what_is_not_quite_a_token_is_nobody() {
    let bench = bench();
    let (token, record) = bench.token(&[Scope::Read]).await;
    let (head, secret) = token.rsplit_once('_').unwrap();
    let other = if secret.starts_with('0') { "1" } else { "0" };
    for wrong in [
        format!("Bearer {head}_{other}{}", &secret[1..]),
        format!("Bearer {}", token.to_uppercase()),
        format!("Bearer {head}"),
        format!("Bearer pact_0000000000000000_{secret}"),
        format!("Bearer {}", record.hash),
        format!("Basic {token}"),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
        "Bearer token-of-the-api-0124".to_owned(),
        "Bearer token-of-the-api-012".to_owned(),
    ] {
        let refused = bench.identify(&[("authorization", &wrong)]).await.unwrap_err();
        assert!(matches!(refused, Denied::Nobody | Denied::Wrong), "{wrong}: {refused:?}");
    }
    let bearer = format!("Bearer {token}");
    let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
    assert!(matches!(bench.identify(&twice).await, Err(Denied::Nobody)));
    assert!(matches!(bench.identify(&[]).await, Err(Denied::Nobody)));
}

#[tokio::test]
async fn a_token_ends_when_it_is_over_or_revoked_and_its_sessions_with_it() {
    for how in ["expires", "is revoked", "what made it is revoked"] {
        let bench = bench();
        let (_, maker) = bench.token(&[Scope::Read]).await;
        let (token, first) = bench.token(&[Scope::Read]).await;
        let mut record = TokenRecord { made_with: Some(maker.id.clone()), ..first.clone() };
        assert!(bench.access.put_token(&record, Some(&first)).await.unwrap());
        let who = bench.doors.by_token(&token, "").await.unwrap();
        let session = bench.doors.begin(&who, &parts(&[]).headers).await.unwrap();
        let cookie = sent_back(&session);
        assert_eq!(bench.identify(&[("cookie", &cookie)]).await.unwrap().owner, "ada");
        let ended = match how {
            "expires" => TokenRecord { expires_at: now(), ..record.clone() },
            _ => {
                record = if how == "is revoked" { record } else { maker };
                let revoked = Some(Revoked { by: "ada".to_owned(), at: now() });
                TokenRecord { revoked, ..record.clone() }
            }
        };
        assert!(bench.access.put_token(&ended, Some(&record)).await.unwrap());
        assert!(matches!(bench.doors.by_token(&token, "").await, Err(Denied::Wrong)), "{how}");
        let refused = bench.identify(&[("cookie", &cookie)]).await;
        assert!(matches!(refused, Err(Denied::Nobody)), "{how}");
    }
}

#[tokio::test]
async fn a_session_is_bound_to_its_cookie_its_host_and_its_time() {
    let bench = bench();
    let root = bench.doors.by_token(ROOT, "").await.unwrap();
    let session = bench.doors.begin(&root, &parts(&[]).headers).await.unwrap();
    let text = session.cookie.to_str().unwrap();
    for part in ["__Host-pact=", "; Path=/;", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains("Max-Age=43200") && !text.contains("Domain"), "{text}");
    let cookie = sent_back(&session);
    let secret = cookie.split('=').nth(1).unwrap();
    assert!(!bench.access.dump().contains(secret), "only its hash is kept");
    let who = bench.identify(&[("cookie", &format!("a=b; {cookie}; c=d"))]).await.unwrap();
    let csrf = who.csrf().unwrap().to_owned();
    assert!(csrf != secret && who.sent_by_page(Some(&csrf)).is_ok());
    for said in [None, Some(""), Some(secret), Some(&csrf[1..])] {
        assert!(matches!(who.sent_by_page(said), Err(Denied::Forged)));
    }
    for wrong in [
        format!("{cookie}; {cookie}"),
        cookie.replace("__Host-pact", "pact-80"),
        format!("{cookie}0"),
        format!("__Host-pact={}", "0".repeat(64)),
        format!("__Host-pact={}", digest(secret)),
    ] {
        assert!(bench.identify(&[("cookie", &wrong)]).await.is_err(), "{wrong}");
    }
    let tomorrow = bench.doors.clone().at(later);
    assert!(tomorrow.identify(&parts(&[("cookie", &cookie)])).await.is_err());
    bench.memory.set_secret(API_TOKEN.name, "another-token-of-the-api");
    assert!(bench.identify(&[("cookie", &cookie)]).await.is_err(), "the token was changed");

    // On one machine there is no TLS, and there are several stacks.
    let mut local = HeaderMap::new();
    local.insert("host", HeaderValue::from_static("127.0.0.1:8787"));
    let root = bench.doors.by_token("another-token-of-the-api", "").await.unwrap();
    let session = bench.doors.begin(&root, &local).await.unwrap();
    let text = session.cookie.to_str().unwrap();
    assert!(text.starts_with("pact-8787=") && !text.contains("Secure"), "{text}");
    local.insert("cookie", HeaderValue::from_str(&sent_back(&session)).unwrap());
    bench.doors.end(&local).await.unwrap();
    assert!(matches!(bench.doors.by_cookie(&local).await, Err(Denied::Nobody)), "signed out");
}

#[tokio::test]
async fn a_code_signs_in_once() {
    let bench = bench();
    let headers = parts(&[]).headers;
    let root = bench.doors.by_token(ROOT, "").await.unwrap();
    let code = bench.doors.make_code(&root).await.unwrap();
    assert!(!bench.access.dump().contains(&code), "only its hash is kept");
    let session = bench.doors.redeem(&code, "", &headers).await.unwrap();
    assert_eq!(session.record.owner, INSTALLATION);
    assert!(matches!(bench.doors.redeem(&code, "", &headers).await, Err(Denied::Wrong)));
    let late = bench.doors.make_code(&root).await.unwrap();
    let tomorrow = bench.doors.clone().at(later);
    assert!(matches!(tomorrow.redeem(&late, "", &headers).await, Err(Denied::Wrong)));
    let stale = bench.doors.make_code(&root).await.unwrap();
    bench.memory.set_secret(API_TOKEN.name, "another-token-of-the-api");
    assert!(matches!(bench.doors.redeem(&stale, "", &headers).await, Err(Denied::Wrong)));
}

#[tokio::test]
async fn an_address_that_guesses_is_slowed_down() {
    let bench = bench();
    for _ in 0..10 {
        assert!(matches!(bench.doors.by_token("wrong", "192.0.2.1").await, Err(Denied::Wrong)));
    }
    for token in ["wrong", ROOT] {
        let refused = bench.doors.by_token(token, "192.0.2.1").await;
        assert!(matches!(refused, Err(Denied::TooMany { seconds: 60 })), "{refused:?}");
    }
    bench.doors.by_token(ROOT, "192.0.2.2").await.unwrap();
    // What nobody can guess is let in: wrong ones from the same address shut nobody out.
    let long = "0123456789abcdef0123456789abcdef0123";
    bench.memory.set_secret(API_TOKEN.name, long);
    bench.doors.by_token(long, "192.0.2.1").await.unwrap();
    let refused = bench.doors.by_token("wrong", "192.0.2.1").await;
    assert!(matches!(refused, Err(Denied::TooMany { .. })), "{refused:?}");
}

#[test]
fn a_page_of_another_origin_is_told_from_ones_own() {
    let check = |headers: &[(&str, &str)]| same_origin(&parts(headers).headers).is_ok();
    assert!(check(&[]) && check(&[("origin", "https://pact.example")]));
    assert!(check(&[("sec-fetch-site", "same-origin")]));
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "http://pact.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert!(!check(&[(name, value)]), "{name}: {value}");
    }
}
