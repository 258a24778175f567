//! The doors: each route for each caller, and in whose name something is recorded.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pact_agent::access::Tokens as _;
use pact_contract::access::{Revoked, Scope, TokenRecord};
use pact_web::access::{NewToken, new_token};

use super::*;
use crate::{doors::Need, routes::table};

/// What each route needs. Whoever adds a route says here what it needs, once more.
const ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/health", "nothing"),
    ("GET", "/v1/agents", "nothing"),
    ("GET", "/v1/openapi.json", "nothing"),
    ("GET", "/v1/caller", "caller"),
    ("GET", "/v1/sign-in", "own"),
    ("GET", "/v1/sign-in/callback", "own"),
    ("POST", "/v1/session", "own"),
    ("POST", "/v1/session/end", "own"),
    ("POST", "/v1/sign-in-codes", "caller"),
    ("POST", "/v1/pipelines", "trigger"),
    ("GET", "/v1/runs/{id}", "read"),
    ("POST", "/v1/runs/{id}/cancel", "operate"),
    ("POST", "/v1/runs/{id}/answers", "approve"),
    ("POST", "/v1/runs/{id}/rerun", "trigger"),
    ("POST", "/v1/callbacks/{token}", "approve"),
    ("POST", "/v1/rollbacks", "operate"),
    ("GET", "/v1/incidents", "read"),
    ("GET", "/v1/incidents/{id}", "read"),
    ("POST", "/v1/incidents/{id}/acknowledge", "operate"),
    ("POST", "/v1/incidents/{id}/close", "operate"),
    ("GET", "/v1/repositories", "read"),
    ("POST", "/v1/repositories", "operate"),
    ("GET", "/v1/repositories/{*name}", "read"),
    ("DELETE", "/v1/repositories/{*name}", "operate"),
    ("POST", "/v1/webhook-secrets/{*name}", "operate"),
    ("GET", "/v1/policies/{*name}", "read"),
    ("POST", "/v1/policies/{*name}", "approve"),
    ("GET", "/v1/pulls/{*name}", "read"),
    ("POST", "/v1/pulls/{*name}", "approve"),
    ("GET", "/v1/tokens", "operate"),
    ("POST", "/v1/tokens", "operate"),
    ("DELETE", "/v1/tokens/{id}", "operate"),
    ("POST", "/webhooks/github", "own"),
    ("POST", "/webhooks/gitlab", "own"),
    ("POST", "/webhooks/forge", "own"),
    ("POST", "/webhooks/github/{*name}", "own"),
    ("POST", "/webhooks/gitlab/{*name}", "own"),
    ("POST", "/webhooks/forge/{*name}", "own"),
];

/// Hands out a token to Ada.
pub(super) async fn token(world: &World, scopes: &[Scope], hours: i64) -> (String, TokenRecord) {
    let NewToken { id, hash, text } = new_token().unwrap();
    let record = TokenRecord {
        schema: TokenRecord::VERSION,
        id,
        hash,
        owner: "ada".to_owned(),
        scopes: scopes.iter().copied().collect(),
        created_by: "installation".to_owned(),
        made_with: None,
        created_at: Timestamp::now(),
        expires_at: Timestamp::now() + SignedDuration::from_hours(hours),
        revoked: None,
    };
    assert!(world.access.put_token(&record, None).await.unwrap());
    (text, record)
}

/// A request with this bearer token.
pub(super) fn bearing(token: &str, method: &str, path: &str, body: &str) -> Request<Body> {
    let mut request = api(method, path, body);
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    request
}

#[test]
fn every_route_says_what_it_needs() {
    let said: BTreeSet<(String, String, String)> = table()
        .into_iter()
        .map(|route| {
            let need = match route.need {
                Need::Nothing => "nothing".to_owned(),
                Need::Own => "own".to_owned(),
                Need::Caller => "caller".to_owned(),
                Need::Scope(scope) => scope.to_string(),
            };
            (route.method.to_string(), route.path, need)
        })
        .collect();
    let known = ROUTES.iter().map(|(m, p, n)| ((*m).into(), (*p).into(), (*n).into())).collect();
    assert_eq!(said, known);
}

/// Every route for every kind of caller.
#[tokio::test]
async fn each_scope_opens_its_routes_and_no_other() {
    let world = World::new();
    let mut callers: Vec<(String, Option<String>)> = vec![("nobody".to_owned(), None)];
    for scope in Scope::ALL {
        callers.push((scope.to_string(), Some(token(&world, &[scope], 1).await.0)));
    }
    callers.push(("installation".to_owned(), Some(TOKEN.to_owned())));
    callers.push(("expired".to_owned(), Some(token(&world, &Scope::ALL, -1).await.0)));
    let (text, record) = token(&world, &Scope::ALL, 1).await;
    let revoked = Some(Revoked { by: "ada".to_owned(), at: Timestamp::now() });
    let ended = TokenRecord { revoked, ..record.clone() };
    assert!(world.access.put_token(&ended, Some(&record)).await.unwrap());
    callers.push(("revoked".to_owned(), Some(text)));
    for (method, path, need) in ROUTES {
        let path =
            path.replace("{id}", "none").replace("{token}", "none").replace("{*name}", "a/b");
        for (caller, token) in &callers {
            let request = match token {
                Some(token) => bearing(token, method, &path, "{}"),
                None => {
                    let mut request = api(method, &path, "{}");
                    request.headers_mut().remove("authorization");
                    request
                }
            };
            // A gateway of its own each time: what is wrong on purpose slows nobody else down.
            let (status, body) = send(&world.gateway(), request).await;
            let known = !["nobody", "expired", "revoked"].contains(&caller.as_str());
            let expected = match *need {
                "nothing" | "own" => None,
                _ if !known => Some((401, "unauthorized")),
                "caller" => None,
                need if need == caller || caller == "installation" => None,
                _ => Some((403, "scope_missing")),
            };
            let said = (status, error_code(&body));
            match expected {
                Some(expected) => assert_eq!(said, expected, "{caller}: {method} {path} {body}"),
                None if path.starts_with("/webhooks/") => {
                    assert!(status == 401 || status == 503, "{path} {body}");
                }
                None => assert!(![401, 403].contains(&status), "{caller}: {method} {path} {body}"),
            }
        }
    }
    assert!(world.state().executions.is_empty() && world.state().stopped.is_empty());
}

#[tokio::test]
async fn where_two_are_asked_one_who_gives_two_names_is_one() {
    let world = World::new();
    let id = started(&world).await;
    world.state().waiting.insert("token-1".to_owned());
    let mut question = people::approval(&id, "token-1");
    question["approval"]["people"] = json!(2);
    let opened = crate::reconcile(&world.ports(), question).await.expect("is opened");
    let callback = opened["callback"].as_str().expect("a callback").to_owned();
    for name in ["Ada", "Ada", "Bob"] {
        let (status, body) = people::answer(&world, &callback, true, name).await;
        assert_eq!((status, &body["answer"]), (200, &json!(null)), "{body}");
        assert_eq!(body["agreed"].as_array().map(Vec::len), Some(1), "{body}");
    }
    assert!(world.state().answers.is_empty());
    let (ada, _) = token(&world, &[Scope::Approve], 1).await;
    let path = format!("/v1/callbacks/{callback}");
    for _ in 0..2 {
        let yes = json!({ "approved": true }).to_string();
        let (status, body) = send(&world.gateway(), bearing(&ada, "POST", &path, &yes)).await;
        let by = "installation for Ada, ada";
        let heard = [(200, true), (409, false)].contains(&(status, body["answer"]["by"] == by));
        assert!(heard, "{status} {body}");
        assert_eq!(world.state().answers["token-1"]["by"], by);
    }
    let actions: Vec<_> = world.log(&id).into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions[2..], ["gateway.agree_approval", "gateway.answer_approval"]);
    let log = world.log(&id);
    assert!(
        log[1].body["question"].as_str().is_some_and(|q| q.ends_with("2 people have to say yes."))
    );
}

#[tokio::test]
async fn what_is_recorded_is_who_called() {
    let world = World::new();
    let id = started(&world).await;
    let callback = people::opened(&world, &id, "token-1").await;
    let (ada, _) = token(&world, &[Scope::Approve, Scope::Operate, Scope::Read], 1).await;
    let path = format!("/v1/callbacks/{callback}");
    let forged = json!({ "approved": true, "by": "Grace" }).to_string();
    let (status, body) = send(&world.gateway(), bearing(&ada, "POST", &path, &forged)).await;
    assert_eq!((status, error_code(&body)), (403, "not_the_caller"));
    assert_eq!(body["field"], "by");
    assert!(world.state().answers.is_empty());
    let own = json!({ "approved": true, "by": "ada" }).to_string();
    let (status, body) = send(&world.gateway(), bearing(&ada, "POST", &path, &own)).await;
    assert_eq!((status, &body["answer"]["by"]), (200, &json!("ada")), "{body}");
    let path = format!("/v1/runs/{id}/cancel");
    let (status, _) = send(&world.gateway(), bearing(&ada, "POST", &path, "")).await;
    assert_eq!(status, 200);
    let actors: Vec<_> = world.log(&id).into_iter().map(|e| (e.actor, e.action)).collect();
    let by_ada = |action: &str| ("ada".to_owned(), action.to_owned());
    assert_eq!(actors[2..], [by_ada("gateway.answer_approval"), by_ada("gateway.cancel_run")]);
}

#[tokio::test]
async fn a_callback_is_shown_to_those_who_may_answer() {
    let world = World::new();
    let id = started(&world).await;
    let callback = people::opened(&world, &id, "token-1").await;
    let (reader, _) = token(&world, &[Scope::Read], 1).await;
    let (approver, _) = token(&world, &[Scope::Read, Scope::Approve], 1).await;
    let path = format!("/v1/runs/{id}");
    let (status, body) = send(&world.gateway(), bearing(&reader, "GET", &path, "")).await;
    assert_eq!(status, 200);
    assert_eq!(body["approvals"][0]["question"], "Deploy r1 to production?");
    assert!(!body.to_string().contains(&callback));
    let (_, body) = send(&world.gateway(), bearing(&approver, "GET", &path, "")).await;
    assert_eq!(body["approvals"][0]["callback"], json!(callback));
}

#[tokio::test]
async fn tokens_are_handed_out_listed_and_revoked() {
    let world = World::new();
    let gateway = world.gateway();
    let wanted = json!({ "owner": "ada", "scopes": ["read", "operate"], "days": 2 }).to_string();
    let (status, added) = send(&gateway, api("POST", "/v1/tokens", &wanted)).await;
    assert_eq!(status, 201, "{added}");
    let ada = added["token"].as_str().unwrap();
    assert_eq!(added["created_by"], "installation");
    let (status, me) = send(&gateway, bearing(ada, "GET", "/v1/caller", "")).await;
    assert_eq!(
        (status, &me["owner"], &me["scopes"]),
        (200, &json!("ada"), &json!(["read", "operate"]))
    );

    // For nobody else, and with nothing more than she has.
    for (wanted, code) in [
        (json!({ "owner": "grace", "scopes": ["read"] }), "scope_missing"),
        (json!({ "owner": "ada", "scopes": ["approve"] }), "scope_missing"),
        (json!({ "owner": "ada", "scopes": [] }), "invalid_request"),
        (json!({ "owner": "ada", "scopes": ["write"] }), "invalid_request"),
        (json!({ "owner": "installation", "scopes": ["read"] }), "invalid_request"),
        (json!({ "owner": "ada", "scopes": ["read"], "days": 400 }), "invalid_request"),
        (json!({ "owner": "ada", "scopes": ["read"], "days": -1 }), "invalid_request"),
        (json!({ "scopes": ["read"] }), "invalid_request"),
    ] {
        let request = bearing(ada, "POST", "/v1/tokens", &wanted.to_string());
        let (_, body) = send(&gateway, request).await;
        assert_eq!(error_code(&body), code, "{wanted}");
    }
    let own = json!({ "owner": "ada", "scopes": ["read"], "days": 300 }).to_string();
    let (status, second) = send(&gateway, bearing(ada, "POST", "/v1/tokens", &own)).await;
    assert_eq!(
        (status, &second["expires_at"]),
        (201, &added["expires_at"]),
        "it outlives no other"
    );

    let (_, list) = send(&gateway, bearing(ada, "GET", "/v1/tokens", "")).await;
    assert_eq!(list["tokens"].as_array().map(Vec::len), Some(2));
    assert!(list["tokens"][0]["used_at"].is_string() && list["tokens"][1]["used_at"].is_null());
    let shown = list.to_string();
    for secret in [ada, second["token"].as_str().unwrap()] {
        assert!(!shown.contains(secret.rsplit('_').next().unwrap()), "{shown}");
    }
    assert!(!shown.contains("hash"));

    let path = format!("/v1/tokens/{}", added["id"].as_str().unwrap());
    let (status, body) = send(&gateway, api("DELETE", &path, "")).await;
    assert_eq!((status, &body["revoked"]["by"]), (200, &json!("installation")));
    assert_eq!(send(&gateway, api("DELETE", &path, "")).await.0, 409);
    assert_eq!(send(&gateway, api("DELETE", "/v1/tokens/none", "")).await.0, 404);
    assert_eq!(send(&gateway, bearing(ada, "GET", "/v1/tokens", "")).await.0, 401);
    // What was made with it ended with it, and the list says so.
    let second = second["token"].as_str().unwrap();
    assert_eq!(send(&gateway, bearing(second, "GET", "/v1/caller", "")).await.0, 401);
    let (_, list) = send(&gateway, api("GET", "/v1/tokens", "")).await;
    assert_eq!(list["tokens"][1]["revoked"]["by"], "installation", "{list}");
    assert_eq!(list["tokens"][1]["made_with"], added["id"]);
}

#[tokio::test]
async fn a_token_ends_with_any_that_it_goes_back_to() {
    let world = World::new();
    let wanted = json!({ "owner": "ada", "scopes": ["operate"] }).to_string();
    let mut row: Vec<Value> = Vec::new();
    loop {
        let request = match row.last() {
            None => api("POST", "/v1/tokens", &wanted),
            Some(last) => bearing(last["token"].as_str().unwrap(), "POST", "/v1/tokens", &wanted),
        };
        let (status, answer) = send(&world.gateway(), request).await;
        if status == 403 {
            break;
        }
        assert_eq!(status, 201, "{answer}");
        row.push(answer);
    }
    assert_eq!(row.len(), pact_web::access::GENERATIONS);
    let path = format!("/v1/tokens/{}", row[1]["id"].as_str().unwrap());
    assert_eq!(send(&world.gateway(), api("DELETE", &path, "")).await.0, 200);
    for (nth, token) in row.iter().enumerate() {
        let request = bearing(token["token"].as_str().unwrap(), "GET", "/v1/caller", "");
        let expected = if nth == 0 { 200 } else { 401 };
        assert_eq!(send(&world.gateway(), request).await.0, expected, "{nth}");
    }
}

#[tokio::test]
async fn a_word_against_the_order_needs_more_than_a_push() {
    let world = World::new();
    let (ada, _) = token(&world, &[Scope::Trigger], 1).await;
    let mut body = json!({
        "repository": { "name": "acme/web", "url": "https://git.example.com/acme/web.git" },
        "branch": "main",
        "commit": "2".repeat(40),
        "author": "Grace",
        "on_purpose": "because",
    });
    let start = |body: &Value| bearing(&ada, "POST", "/v1/pipelines", &body.to_string());
    let (status, refused) = send(&world.gateway(), start(&body)).await;
    assert_eq!((status, error_code(&refused)), (403, "scope_missing"));
    body.as_object_mut().unwrap().remove("on_purpose");
    let (status, accepted) = send(&world.gateway(), start(&body)).await;
    assert_eq!(status, 202, "{accepted}");
    let run = world.state().runs[accepted["run_id"].as_str().unwrap()].clone();
    // Whose commit it is says nothing of who asked for the run.
    assert_eq!(run.request.author.as_deref(), Some("Grace"));
    assert_eq!(run.request.trigger.actor.as_deref(), Some("ada"));
}

#[tokio::test]
async fn wrong_credentials_are_slowed_down() {
    let gateway = World::new().gateway();
    for _ in 0..10 {
        assert_eq!(send(&gateway, bearing("wrong", "GET", "/v1/caller", "")).await.0, 401);
    }
    let response = router(gateway.clone()).oneshot(api("GET", "/v1/caller", "")).await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    // Nobody who needs no credential is held up.
    assert_eq!(send(&gateway, api("GET", "/health", "")).await.0, 200);
}
