//! Statuses with the tokens of a GitHub App, against a server with GitHub's rules.

use jiff::SignedDuration;
use pact_contract::{RunStatus, statuses::StatusSettings};
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path, path_regex},
};

use super::{
    tests::{begin, end, event, pass},
    *,
};
use crate::testing::World;

/// A token that the server lends, and takes until another one is lent.
async fn lends(server: &MockServer, token: &str) {
    server.reset().await;
    let until = Timestamp::now() + SignedDuration::from_hours(1);
    let lent = json!({ "token": token, "expires_at": until.to_string() });
    let says = |status: u16, body| ResponseTemplate::new(status).set_body_json(body);
    for (verb, at, answer) in [
        ("GET", "/repos/acme/web/installation", says(200, json!({ "id": 7 }))),
        ("POST", "/app/installations/7/access_tokens", says(201, lent)),
    ] {
        Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(server).await;
    }
    let statuses = || Mock::given(method("POST")).and(path_regex("^/repos/acme/web/statuses/"));
    let good = statuses().and(header("authorization", format!("Bearer {token}")));
    good.respond_with(says(201, json!({}))).with_priority(1).mount(server).await;
    let bad = says(401, json!({ "message": "Bad credentials" }));
    statuses().respond_with(bad).mount(server).await;
}

async fn asked(server: &MockServer, end: &str) -> usize {
    let all = server.received_requests().await.unwrap();
    all.iter().filter(|request| request.url.path().contains(end)).count()
}

#[tokio::test]
async fn a_commit_shows_what_became_of_it_by_the_app_and_a_token_that_was_taken_back_is_replaced() {
    let (world, server) = (World::new(), MockServer::start().await);
    world.is_an_app(&server.uri());
    let settings = StatusSettings { host: "github".to_owned(), api: server.uri() };
    world.state().registry.values_mut().next().unwrap().statuses = Some(settings);
    let run_id = begin(&world, 1).await;

    lends(&server, "ghs_one").await;
    event(&world, &run_id, "RUNNING").await;
    assert_eq!(
        (asked(&server, "/access_tokens").await, asked(&server, "/statuses/").await),
        (1, 1)
    );
    // The installation was taken away, and made again.
    lends(&server, "ghs_two").await;
    end(&world, &run_id, RunStatus::Succeeded, "all is well").await;
    assert_eq!(
        (asked(&server, "/access_tokens").await, asked(&server, "/statuses/").await),
        (1, 2),
        "refused, and shown with another one at once"
    );
    pass(&world).await;
    assert_eq!(asked(&server, "/statuses/").await, 2, "it is shown");
}
