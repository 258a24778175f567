//! Pushes that never arrived.

use std::{io::Read as _, net::TcpListener};

use jiff::Timestamp;
use pact_contract::RunStatus;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, header, method, path, query_param},
};

use super::{pass::pass, *};
use crate::reconciler::reconcile;

/// A repository of a git host that shows these heads.
async fn shows(server: &MockServer, heads: &[(&str, char)]) {
    server.reset().await;
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let capabilities = [line("version 2\n"), line("ls-refs\n"), "0000".to_owned()].concat();
    Mock::given(method("GET"))
        .and(path("/web.git/info/refs"))
        .and(query_param("service", "git-upload-pack"))
        .and(header("Git-Protocol", "version=2"))
        .respond_with(ResponseTemplate::new(200).set_body_string(capabilities))
        .mount(server)
        .await;
    let head = |(branch, digit): &(&str, char)| {
        line(&format!("{} refs/heads/{branch}\n", digit.to_string().repeat(40)))
    };
    let refs: String = heads.iter().map(head).collect();
    Mock::given(method("POST"))
        .and(path("/web.git/git-upload-pack"))
        .and(body_string_contains("ref-prefix refs/heads/"))
        .respond_with(ResponseTemplate::new(200).set_body_string(format!("{refs}0000")))
        .mount(server)
        .await;
}

/// A world whose repository is at the address.
fn at(url: &str) -> Arc<World> {
    let world = World::new();
    for entry in world.state().registry.values_mut() {
        entry.url = url.to_owned();
    }
    world
}

fn event(url: &str, branch: &str, before: char, after: char) -> Value {
    let mut event = push_event(after);
    event["before"] = json!(before.to_string().repeat(40));
    event["ref"] = json!(format!("refs/heads/{branch}"));
    event["repository"]["clone_url"] = json!(url);
    event
}

async fn tell(world: &Arc<World>, delivery: &str, event: &Value) -> Value {
    let mut gateway = world.gateway();
    gateway.config.sources = pact_hosts::Sources::parse("http://,private").unwrap();
    let (status, body) = send(&gateway, push(delivery, event)).await;
    assert_eq!(status, 202, "{body}");
    body
}

/// Looks twice, as if a while were between.
async fn looks(world: &Arc<World>) -> Value {
    world.heads.hurry();
    assert_eq!(pass(world).await["found"], 0, "a push may be on its way");
    world.heads.hurry();
    pass(world).await
}

#[tokio::test]
async fn a_push_that_never_arrived_is_run_once_and_told_later_it_is_that_run() {
    let server = MockServer::start().await;
    let url = format!("{}/web.git", server.uri());
    let world = at(&url);
    tell(&world, "d-1", &event(&url, "main", '0', '2')).await;
    shows(&server, &[("main", '2'), ("old", '7')]).await;
    let report = pass(&world).await;
    assert_eq!((&report["asked"], &report["found"]), (&json!(1), &json!(0)), "{report}");
    assert_eq!(pass(&world).await["asked"], 0, "not again before it is due");

    // Two commits later, a new branch, and one that was told but starts nothing.
    shows(&server, &[("main", '4'), ("old", '7'), ("new", '5'), ("quiet", '6')]).await;
    let mut quiet = event(&url, "quiet", '0', '6');
    quiet["head_commit"]["message"] = json!("Notes [skip ci]");
    assert_eq!(tell(&world, "d-2", &quiet).await["status"], "ignored");
    let report = looks(&world).await;
    assert_eq!(report["found"], 2, "{report}");
    let runs: Vec<_> = world.state().runs.values().cloned().collect();
    assert_eq!(runs.len(), 3);
    let found = runs.iter().find(|run| run.request.commit == "4".repeat(40)).unwrap();
    assert_eq!(found.request.trigger.kind, "found");
    assert_eq!(found.request.base, Some("2".repeat(40)));
    assert_eq!(found.status, RunStatus::Running);
    assert!(found.request.url.starts_with("http://127.0.0.1:8080/runs/"), "{}", found.request.url);

    // What comes late is that push, or one before it.
    let late = tell(&world, "d-3", &event(&url, "main", '3', '4')).await;
    assert_eq!((&late["run_id"], &late["duplicate"]), (&json!(found.request.run_id), &json!(true)));
    let between = tell(&world, "d-4", &event(&url, "main", '2', '3')).await;
    let place = |id: &str| world.state().runs[id].request.place.unwrap();
    assert!(place(between["run_id"].as_str().unwrap()) < found.request.place.unwrap());
    let report = looks(&world).await;
    assert_eq!((&report["asked"], &report["found"]), (&json!(1), &json!(0)), "{report}");
}

#[tokio::test]
async fn what_is_found_is_held_to_the_rules_and_what_is_taken_out_is_not_asked() {
    let server = MockServer::start().await;
    let url = format!("{}/web.git", server.uri());
    let world = at(&url);
    tell(&world, "d-1", &event(&url, "main", '0', '2')).await;
    shows(&server, &[("main", '2')]).await;
    pass(&world).await;
    world.state().registry.values_mut().for_each(|entry| entry.branches = vec!["main".to_owned()]);
    shows(&server, &[("main", '2'), ("wip", '3')]).await;
    assert_eq!(looks(&world).await["found"], 0);
    assert_eq!(world.state().runs.len(), 1);
    let (status, _) = send(&world.gateway(), api("DELETE", "/v1/repositories/acme/web", "")).await;
    assert_eq!(status, 200);
    world.heads.hurry();
    assert_eq!(pass(&world).await["asked"], 0);
}

#[tokio::test]
async fn a_host_that_hangs_holds_up_its_own_repositories_alone() {
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = format!("http://{}", host.local_addr().unwrap());
    std::thread::spawn(move || {
        let calls: Vec<_> = host.incoming().flatten().collect();
        calls.into_iter().for_each(|mut call| drop(call.read(&mut [0])));
    });
    let server = MockServer::start().await;
    let url = format!("{}/web.git", server.uri());
    let world = at(&url);
    let entry = world.state().registry.values().next().cloned().unwrap();
    for number in 0..20 {
        let name = format!("acme/slow{number}");
        let url = format!("{hanging}/slow{number}.git");
        let mut entry = entry.clone();
        (entry.name, entry.url) = (name.parse().unwrap(), url.clone());
        world.state().registry.insert(entry.name.clone(), entry);
        let mut event = event(&url, "main", '0', '2');
        event["repository"]["full_name"] = json!(name);
        tell(&world, &format!("s-{number}"), &event).await;
    }
    tell(&world, "d-1", &event(&url, "main", '0', '2')).await;
    shows(&server, &[("main", '2')]).await;
    let begin = std::time::Instant::now();
    let report = pass(&world).await;
    assert_eq!((&report["asked"], &report["silent"]), (&json!(1), &json!(20)), "{report}");
    assert!(begin.elapsed() < std::time::Duration::from_secs(3), "{:?}", begin.elapsed());
    let known = world.ports().heads.heads(&"acme/slow3".parse().unwrap()).await.unwrap().0;
    assert_eq!(known.unwrap().trouble.as_deref(), Some("it did not answer in time"));
    assert_eq!(pass(&world).await["silent"], 0, "it is asked again later");
}

#[tokio::test]
async fn a_pass_that_dies_anywhere_finds_each_push_once() {
    let server = MockServer::start().await;
    let url = format!("{}/web.git", server.uri());
    let mut steps = 0;
    loop {
        let world = at(&url);
        tell(&world, "d-1", &event(&url, "main", '0', '2')).await;
        shows(&server, &[("main", '2')]).await;
        pass(&world).await;
        shows(&server, &[("main", '4')]).await;
        world.heads.hurry();
        pass(&world).await;
        world.heads.hurry();
        world.fail_after(steps);
        drop(reconcile(&world.ports(), json!({ "pass": {} })).await);
        let last = world.no_fault_came();
        world.state().pass.0 = false;
        world.heads.hurry();
        pass(&world).await;
        world.heads.hurry();
        pass(&world).await;
        let state = world.state();
        let found = state.runs.values().filter(|run| run.request.commit == "4".repeat(40));
        assert_eq!((found.count(), state.executions.len()), (1, 2), "step {steps}");
        if last {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "only {steps} steps");
}

#[tokio::test]
async fn a_token_of_the_app_that_was_taken_back_is_replaced_and_the_heads_are_read() {
    let server = MockServer::start().await;
    let url = format!("{}/web.git", server.uri());
    let world = at(&url);
    world.is_an_app(&format!("{}/api/v3", server.uri()));
    let lends = async |token: &str| {
        shows(&server, &[("main", '2')]).await;
        let until = Timestamp::now() + jiff::SignedDuration::from_hours(1);
        let lent = json!({ "token": token, "expires_at": until.to_string() });
        let says = |status: u16, body| ResponseTemplate::new(status).set_body_json(body);
        let base = "/api/v3";
        for (verb, at, answer) in [
            ("GET", format!("{base}/repos/acme/web/installation"), says(200, json!({ "id": 7 }))),
            ("POST", format!("{base}/app/installations/7/access_tokens"), says(201, lent)),
        ] {
            Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&server).await;
        }
        // Any other token is refused.
        let pair = {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            STANDARD.encode(format!("x-access-token:{token}"))
        };
        let other = move |request: &wiremock::Request| {
            let sent = request.headers.get("authorization").and_then(|sent| sent.to_str().ok());
            request.url.path().starts_with("/web.git") && sent != Some(&format!("Basic {pair}"))
        };
        let refuses = Mock::given(other).respond_with(ResponseTemplate::new(401));
        refuses.with_priority(1).mount(&server).await;
    };
    lends("ghs_one").await;
    tell(&world, "d-1", &event(&url, "main", '0', '2')).await;
    assert_eq!(pass(&world).await["asked"], 1);
    lends("ghs_two").await;
    world.heads.hurry();
    assert_eq!(pass(&world).await["asked"], 1);
    let paths: Vec<String> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| request.url.path().to_owned())
        .collect();
    let of = |end: &str| paths.iter().filter(|path| path.ends_with(end)).count();
    assert_eq!(
        (of("/access_tokens"), of("/info/refs"), of("/git-upload-pack")),
        (1, 2, 1),
        "{paths:?}"
    );
}
