//! API tokens, sessions and codes.

use jiff::{SignedDuration, Timestamp};
use pact_agent::access::{Sessions as _, Tokens as _};
use pact_contract::access::{
    Credential, KnownToken, Revoked, Scope, Scopes, SessionRecord, TokenId, TokenRecord,
};

use super::store;

fn token() -> TokenRecord {
    TokenRecord {
        schema: TokenRecord::VERSION,
        id: TokenId::parse("0123456789abcdef").unwrap(),
        hash: "0".repeat(64),
        owner: "ada".to_owned(),
        scopes: [Scope::Read].into_iter().collect(),
        created_by: "installation".to_owned(),
        made_with: None,
        created_at: Timestamp::now(),
        expires_at: Timestamp::now() + SignedDuration::from_hours(1),
        revoked: None,
    }
}

#[tokio::test]
async fn a_token_is_written_once_and_its_use_outlives_what_else_is_written() {
    let store = store().await;
    let first = token();
    store.used(&first.id, Timestamp::now()).await.unwrap();
    assert_eq!(store.token(&first.id).await.unwrap(), None, "a use makes no token");
    assert!(store.put_token(&first, None).await.unwrap());
    assert!(!store.put_token(&first, None).await.unwrap());
    let at: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    store.used(&first.id, at).await.unwrap();
    let revoked =
        TokenRecord { revoked: Some(Revoked { by: "ada".to_owned(), at }), ..first.clone() };
    assert!(store.put_token(&revoked, Some(&first)).await.unwrap());
    assert!(!store.put_token(&first, Some(&first)).await.unwrap(), "what was revoked stays so");
    let known = KnownToken { record: revoked, used_at: Some(at) };
    assert_eq!(store.token(&known.record.id).await.unwrap().as_ref(), Some(&known));
    assert_eq!(store.tokens().await.unwrap().items, [known]);
}

#[tokio::test]
async fn a_session_ends_and_a_code_is_taken_by_one() {
    let store = store().await;
    let session = SessionRecord {
        schema: SessionRecord::VERSION,
        owner: "ada".to_owned(),
        scopes: Scopes::all(),
        credential: Credential::Installation { mark: "1".to_owned() },
        expires_at: Timestamp::now() + SignedDuration::from_hours(1),
    };
    let over = SessionRecord {
        expires_at: Timestamp::now() - SignedDuration::from_secs(1),
        ..session.clone()
    };
    store.open_session("a", &session).await.unwrap();
    store.open_session("b", &over).await.unwrap();
    assert!(store.session("a").await.unwrap().is_some());
    assert_eq!(store.session("b").await.unwrap(), None);
    for _ in 0..2 {
        store.end_session("a").await.unwrap();
        assert_eq!(store.session("a").await.unwrap(), None);
    }
    store.keep_code("a", &session).await.unwrap();
    assert_eq!(store.session("a").await.unwrap(), None, "a code is no session");
    let (one, other) = tokio::join!(store.take_code("a"), store.take_code("a"));
    let taken: Vec<_> = [one, other].into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(taken.len(), 1);
    store.keep_code("b", &over).await.unwrap();
    assert_eq!(store.take_code("b").await.unwrap(), None);
}
