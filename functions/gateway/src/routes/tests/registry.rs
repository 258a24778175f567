//! The registry at the door.

use pact_contract::access::Scope;

use super::{
    doors::{bearing, token},
    *,
};

fn registered(body: &Value) -> Request<Body> {
    api("POST", "/v1/repositories", &body.to_string())
}

#[tokio::test]
async fn what_is_not_registered_is_refused_with_the_command_that_registers_it() {
    let world = World::new();
    let gateway = world.gateway();
    let mut event = push_event('2');
    event["repository"]["full_name"] = json!("acme/other");
    let (status, body) = send(&gateway, push("d-1", &event)).await;
    assert_eq!((status, error_code(&body)), (403, "repository_unknown"), "{body}");
    let detail = body["detail"].as_str().unwrap();
    let command = "pactctl repos add acme/other https://git.example.com/acme/web.git";
    assert!(detail.contains(command), "{detail}");
    assert!(world.state().executions.is_empty() && world.state().runs.is_empty());

    let entry = json!({ "name": "acme/other", "url": "https://git.example.com/acme/web" });
    assert_eq!(send(&gateway, registered(&entry)).await.0, 200);
    assert_eq!(send(&gateway, push("d-2", &event)).await.0, 202);
    let (status, body) = send(&gateway, api("GET", "/v1/repositories", "")).await;
    assert_eq!((status, body["repositories"].as_array().map(Vec::len)), (200, Some(2)));
    let (status, _) = send(&gateway, api("DELETE", "/v1/repositories/acme/other", "")).await;
    assert_eq!(status, 200);
    let (status, _) = send(&gateway, api("GET", "/v1/repositories/acme/other", "")).await;
    assert_eq!(status, 404);
    event["after"] = json!("4".repeat(40));
    event["head_commit"]["id"] = event["after"].clone();
    assert_eq!(send(&gateway, push("d-3", &event)).await.0, 403);
}

#[tokio::test]
async fn a_signed_push_with_another_address_is_refused_by_every_way() {
    let world = World::new();
    let gateway = world.gateway();
    let mut event = push_event('2');
    event["repository"]["clone_url"] = json!("https://git.example.com/mallory/web.git");
    let (status, body) = send(&gateway, push("d-1", &event)).await;
    assert_eq!((status, error_code(&body)), (403, "repository_elsewhere"), "{body}");
    let start = json!({
        "repository": { "name": "acme/web", "url": "https://git.example.com/mallory/web" },
        "branch": "main", "commit": "2".repeat(40),
    });
    let (status, body) = send(&gateway, api("POST", "/v1/pipelines", &start.to_string())).await;
    assert_eq!((status, error_code(&body)), (403, "repository_elsewhere"), "{body}");
    assert!(world.state().executions.is_empty());

    // Nor is the name bound to another address by the way.
    let entry = json!({ "name": "acme/web", "url": "https://git.example.com/mallory/web" });
    let (status, body) = send(&gateway, registered(&entry)).await;
    assert_eq!((status, error_code(&body)), (409, "repository_elsewhere"), "{body}");
    let entry =
        json!({ "name": "acme/web", "url": "https://git.example.com/m/w", "replace": true });
    assert_eq!(send(&gateway, registered(&entry)).await.0, 200);
}

#[tokio::test]
async fn what_is_registered_travels_with_the_run_and_nothing_of_it_comes_from_the_caller() {
    let world = World::new();
    let gateway = world.gateway();
    let entry = json!({
        "name": "acme/web", "url": "https://git.example.com/acme/web.git", "by": "Ada",
        "default_branch": "main", "branches": ["main", "release/*"],
        "floor": { "gate": { "min_coverage": 70.0 }, "approval": { "production": { "timeout_minutes": 9 } } },
    });
    assert_eq!(send(&gateway, registered(&entry)).await.0, 200);
    let start = json!({
        "repository": {
            "name": "acme/web", "url": "https://git.example.com/acme/web.git",
            // Whoever names it would be let on to production.
            "default_branch": "release/1",
        },
        "branch": "release/1", "commit": "2".repeat(40),
    });
    let (status, body) = send(&gateway, api("POST", "/v1/pipelines", &start.to_string())).await;
    assert_eq!(status, 202, "{body}");
    let run = world.state().runs.values().next().unwrap().request.clone();
    assert_eq!(run.repository.default_branch, "main");
    assert_eq!(run.policy.floor.gate.min_coverage, Some(70.0));
    assert_eq!(run.policy.judged_by, pact_contract::policy::JudgedBy::Base);

    // The host is not told that it did wrong, a person is.
    let mut event = push_event('3');
    event["ref"] = json!("refs/heads/feature");
    let (status, body) = send(&gateway, push("d-1", &event)).await;
    assert_eq!((status, &body["status"]), (202, &json!("ignored")), "{body}");
    let mut start = start;
    start["branch"] = json!("feature");
    let (status, body) = send(&gateway, api("POST", "/v1/pipelines", &start.to_string())).await;
    assert_eq!((status, error_code(&body)), (403, "branch_not_run"), "{body}");
}

#[tokio::test]
async fn where_nothing_is_registered_the_default_branch_is_the_hosts_and_not_the_callers() {
    let world = World::new();
    let gateway = world.gateway();
    let start = |digit: char| {
        json!({
            "repository": {
                "name": "acme/web", "url": "https://git.example.com/acme/web.git",
                "default_branch": "feature",
            },
            "branch": "feature", "commit": digit.to_string().repeat(40),
        })
    };
    let default_of = |body: &Value| {
        let id = body["run_id"].as_str().expect("a run");
        let state = world.state();
        let run = state.runs.values().find(|run| run.request.run_id.as_str() == id);
        run.expect("is there").request.repository.default_branch.clone()
    };
    // How far a branch may go is for those to say who may say it in the registry.
    let (token, _) = token(&world, &[Scope::Trigger], 1).await;
    let request = bearing(&token, "POST", "/v1/pipelines", &start('4').to_string());
    let (status, body) = send(&gateway, request).await;
    assert_eq!((status, error_code(&body)), (403, "scope_missing"), "{body}");
    let (status, body) =
        send(&gateway, api("POST", "/v1/pipelines", &start('5').to_string())).await;
    assert_eq!((status, default_of(&body).as_str()), (202, "feature"), "{body}");
    // Once the host has said which it is, nobody else does.
    assert_eq!(send(&gateway, push("d-1", &push_event('3'))).await.0, 202);
    for (digit, token) in [('6', Some(&token)), ('7', None)] {
        let body = start(digit).to_string();
        let request = match token {
            Some(token) => bearing(token, "POST", "/v1/pipelines", &body),
            None => api("POST", "/v1/pipelines", &body),
        };
        let (status, body) = send(&gateway, request).await;
        assert_eq!((status, default_of(&body).as_str()), (202, "main"), "{body}");
    }
    // It may change at the host.
    let mut event = push_event('8');
    event["repository"]["default_branch"] = json!("trunk");
    assert_eq!(send(&gateway, push("d-2", &event)).await.0, 202);
    let (status, body) =
        send(&gateway, api("POST", "/v1/pipelines", &start('9').to_string())).await;
    assert_eq!((status, default_of(&body).as_str()), (202, "trunk"), "{body}");
}

#[tokio::test]
async fn a_wrong_entry_is_named_and_nobody_registers_without_the_token() {
    let gateway = World::new().gateway();
    let good = json!({ "name": "acme/new", "url": "https://git.example.com/acme/new" });
    for (field, value) in [
        ("name", json!("a b")),
        ("url", json!("ssh://x")),
        ("branches", json!("main")),
        ("branches", json!(["a..b"])),
        ("floor", json!({ "gates": 1 })),
        ("default_branch", json!("-x")),
        ("more", json!(1)),
    ] {
        let mut entry = good.clone();
        entry[field] = value;
        let (status, body) = send(&gateway, registered(&entry)).await;
        assert_eq!((status, &body["field"]), (400, &json!(field)), "{entry}: {body}");
    }
    let request = Request::post("/v1/repositories").body(good.to_string().into()).unwrap();
    assert_eq!(send(&gateway, request).await.0, 401);
    let request = Request::delete("/v1/repositories/acme/web").body(Body::empty()).unwrap();
    assert_eq!(send(&gateway, request).await.0, 401);
}
