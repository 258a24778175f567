//! Against a server with GitHub's rules, as they are documented.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use pact_contract::{
    RunId, RunStatus,
    run::{Outcome, Trigger},
    statuses::{CommitState, Standing, StatusSettings},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::*;
use crate::{
    reconciler::reconcile,
    testing::{World, push},
};

/// What the server was told, and how it answers next.
#[derive(Clone, Default)]
struct GitHub {
    /// Each status that it took.
    taken: Arc<Mutex<Vec<Value>>>,
    /// Answers before it takes one again, the next one last.
    next: Arc<Mutex<Vec<ResponseTemplate>>>,
    asked: Arc<AtomicUsize>,
}

impl Respond for GitHub {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(answer) = self.next.lock().unwrap().pop() {
            return answer;
        }
        let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok());
        let refused = |status: u16, message: &str| {
            ResponseTemplate::new(status).set_body_json(json!({ "message": message }))
        };
        if header("user-agent").is_none_or(str::is_empty) {
            return refused(403, "Request forbidden by administrative rules");
        }
        if header("authorization") != Some("Bearer t0ken") {
            return refused(401, "Bad credentials");
        }
        let path = format!("/repos/acme/web/statuses/{}", "2".repeat(40));
        if request.method.as_str() != "POST" || request.url.path() != path {
            return refused(404, "Not Found");
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let known = ["error", "failure", "pending", "success"];
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        if !known.contains(&text("state"))
            || text("description").chars().count() > 140
            || !text("target_url").starts_with("http")
        {
            return refused(422, "Validation Failed");
        }
        self.taken.lock().unwrap().push(body.clone());
        ResponseTemplate::new(201).set_body_json(body)
    }
}

impl GitHub {
    fn answers_next(&self, answer: ResponseTemplate) {
        self.next.lock().unwrap().push(answer);
    }

    /// State and description of each status that it took.
    fn shows(&self) -> Vec<(String, String)> {
        let taken = self.taken.lock().unwrap();
        let text = |body: &Value, name: &str| body[name].as_str().unwrap().to_owned();
        taken.iter().map(|body| (text(body, "state"), text(body, "description"))).collect()
    }

    fn last(&self) -> Option<(String, String)> {
        self.shows().pop()
    }
}

struct Stage {
    world: Arc<World>,
    github: GitHub,
    server: MockServer,
    run_id: RunId,
}

/// A run of a repository whose commits show statuses.
async fn stage() -> Stage {
    let world = World::new();
    let (github, server) = (GitHub::default(), MockServer::builder().start().await);
    Mock::given(any()).respond_with(github.clone()).mount(&server).await;
    world.set_secret("repositories/acme/web/status-token", "t0ken");
    let settings = StatusSettings { host: "github".to_owned(), api: server.uri() };
    world.state().registry.values_mut().next().unwrap().statuses = Some(settings);
    let run_id = begin(&world, 1).await;
    Stage { world, github, server, run_id }
}

pub(super) async fn begin(world: &Arc<World>, place: u64) -> RunId {
    let push = push('2');
    let run_id = push.run_id(place);
    let mut request = push.request(run_id.clone(), place, "https://pact.example");
    request.started_at = Timestamp::from_second(i64::try_from(place).unwrap()).unwrap();
    let ports = world.ports();
    let arn = format!("arn:execution:{run_id}");
    ports.runs.create_run(&request, &arn, RunStatus::Running, None).await.unwrap();
    world.state().executions.insert(run_id.to_string(), json!(request));
    run_id
}

/// The event that its execution has this status.
pub(super) async fn event(world: &Arc<World>, run_id: &RunId, status: &str) {
    let detail = json!({ "name": run_id, "status": status });
    let event =
        json!({ "detail-type": "Step Functions Execution Status Change", "detail": detail });
    reconcile(&world.ports(), event).await.unwrap();
}

/// It ends as the state machine has it end.
pub(super) async fn end(world: &Arc<World>, run_id: &RunId, status: RunStatus, reason: &str) {
    let outcome = Outcome::unknown(status, reason.to_owned());
    world.ports().runs.finish_run(run_id, &outcome, Timestamp::now()).await.unwrap();
    event(world, run_id, "SUCCEEDED").await;
}

pub(super) async fn pass(world: &Arc<World>) {
    world.statuses.hurry();
    reconcile(&world.ports(), json!({ "pass": {} })).await.unwrap();
}

fn pair(state: &str, description: &str) -> (String, String) {
    (state.to_owned(), description.to_owned())
}

#[tokio::test]
async fn a_commit_shows_pending_and_then_the_verdict_once() {
    let Stage { world, github, run_id, server: _server } = stage().await;
    event(&world, &run_id, "RUNNING").await;
    event(&world, &run_id, "RUNNING").await;
    let long = "3 of 7 tests failed ".repeat(20);
    end(&world, &run_id, RunStatus::Rejected, &long).await;
    // Late, and again.
    event(&world, &run_id, "SUCCEEDED").await;
    event(&world, &run_id, "RUNNING").await;
    pass(&world).await;
    let shows = github.shows();
    assert_eq!(shows.len(), 2, "{shows:?}");
    assert_eq!(shows[0], pair("pending", "The run goes on"));
    assert_eq!(shows[1].0, "failure");
    assert!(shows[1].1.starts_with("Rejected: 3 of 7 tests failed 3 of"), "{shows:?}");
    let body = github.taken.lock().unwrap()[1].clone();
    assert_eq!(body["target_url"], json!(format!("https://pact.example/runs/{run_id}")));
    assert_eq!(body["context"], "pact");
}

#[tokio::test]
async fn what_the_host_does_not_take_now_is_shown_later_and_the_run_ends_all_the_same() {
    let told = |status: u16| ResponseTemplate::new(status);
    for (answer, trouble) in [
        (told(401), "401"),
        (told(403).insert_header("retry-after", "60"), "403"),
        (told(403).insert_header("x-ratelimit-remaining", "0"), "403"),
        (told(404), "404"),
        (told(429), "429"),
        (told(500), "500"),
        (told(503).insert_header("retry-after", "5"), "503"),
    ] {
        let Stage { world, github, run_id, server: _server } = stage().await;
        github.answers_next(answer);
        end(&world, &run_id, RunStatus::Succeeded, "live in production").await;
        assert_eq!(github.shows(), []);
        assert!(world.state().closed.contains(&run_id), "the run is done with");
        let record = world.statuses.all().remove(0);
        assert!(record.trouble.as_deref().unwrap().contains(trouble), "{record:?}");
        let Standing::Due { at } = record.standing else { panic!("{record:?}") };
        assert!(at > Timestamp::now(), "not at once");
        // Nobody asks before that.
        reconcile(&world.ports(), json!({ "pass": {} })).await.unwrap();
        assert_eq!(github.asked.load(Ordering::SeqCst), 1);
        pass(&world).await;
        pass(&world).await;
        assert_eq!(github.shows(), [pair("success", "Succeeded: live in production")]);
        assert_eq!(world.statuses.all()[0].standing, Standing::Shown);
    }
}

#[tokio::test]
async fn what_the_host_refuses_for_good_is_given_up_and_says_why() {
    let Stage { world, github, run_id, server: _server } = stage().await;
    let refusal = json!({ "message": "No commit found for SHA" });
    github.answers_next(ResponseTemplate::new(422).set_body_json(refusal));
    end(&world, &run_id, RunStatus::Succeeded, "done").await;
    pass(&world).await;
    let record = world.statuses.all().remove(0);
    assert_eq!(record.standing, Standing::GivenUp);
    let why = "GitHub answers 422: No commit found for SHA";
    assert_eq!((record.trouble.as_deref(), github.asked.load(Ordering::SeqCst)), (Some(why), 1));
}

#[tokio::test]
async fn no_token_is_named_with_what_to_do_and_a_new_one_is_used() {
    let Stage { world, github, run_id, server: _server } = stage().await;
    world.set_secret("repositories/acme/web/status-token", "0ld");
    end(&world, &run_id, RunStatus::Succeeded, "done").await;
    let trouble = world.statuses.all().remove(0).trouble.unwrap();
    assert!(trouble.contains("Bad credentials; its token is not valid"), "{trouble}");
    world.set_secret("repositories/acme/web/status-token", "t0ken");
    pass(&world).await;
    assert_eq!(github.last(), Some(pair("success", "Succeeded: done")));
}

#[tokio::test]
async fn a_connection_that_is_cut_after_the_status_was_taken_does_no_harm() {
    use tokio::io::AsyncReadExt as _;

    let Stage { world, github, server, run_id } = stage().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cut = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 64 * 1024];
        assert!(socket.read(&mut read).await.unwrap() > 0);
    });
    let point_at = |api: String| {
        let settings = StatusSettings { host: "github".to_owned(), api };
        world.state().registry.values_mut().next().unwrap().statuses = Some(settings);
    };
    point_at(format!("http://{address}"));
    end(&world, &run_id, RunStatus::Held, "nobody approved in time").await;
    cut.await.unwrap();
    assert!(world.statuses.all()[0].trouble.is_some());
    point_at(server.uri());
    pass(&world).await;
    assert_eq!(github.shows(), [pair("failure", "Held: nobody approved in time")]);
}

#[tokio::test]
async fn it_is_sent_on_within_its_host_and_to_no_other() {
    let Stage { world, github, server, run_id } = stage().await;
    let other = MockServer::builder().start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(201)).expect(0).mount(&other).await;
    let location = |url: &str| ResponseTemplate::new(307).insert_header("location", url);
    github.answers_next(location(&format!("{}/evil", other.uri())));
    end(&world, &run_id, RunStatus::Succeeded, "done").await;
    assert_eq!(world.statuses.all()[0].standing, Standing::GivenUp);
    let again = begin(&world, 2).await;
    let path = format!("{}/repos/acme/web/statuses/{}", server.uri(), "2".repeat(40));
    github.answers_next(location(&path));
    end(&world, &again, RunStatus::Succeeded, "moved").await;
    assert_eq!(github.last(), Some(pair("success", "Succeeded: moved")));
}

#[tokio::test]
async fn of_two_runs_of_a_commit_the_later_one_is_shown_however_late_the_host_answers() {
    let Stage { world, github, run_id, server: _server } = stage().await;
    github.answers_next(ResponseTemplate::new(502));
    end(&world, &run_id, RunStatus::Failed, "the git host was away").await;
    let later = begin(&world, 2).await;
    event(&world, &later, "RUNNING").await;
    end(&world, &later, RunStatus::Succeeded, "live").await;
    pass(&world).await;
    assert_eq!(
        github.shows(),
        [pair("pending", "The run goes on"), pair("success", "Succeeded: live")]
    );
}

#[tokio::test]
async fn who_dies_at_any_step_leaves_what_is_shown_by_the_next() {
    for calls in 0.. {
        let Stage { world, github, run_id, server: _server } = stage().await;
        let outcome = Outcome::unknown(RunStatus::Succeeded, "live".to_owned());
        world.ports().runs.finish_run(&run_id, &outcome, Timestamp::now()).await.unwrap();
        world.fail_after(calls);
        let detail = json!({ "name": run_id, "status": "SUCCEEDED" });
        let event =
            json!({ "detail-type": "Step Functions Execution Status Change", "detail": detail });
        if reconcile(&world.ports(), event.clone()).await.is_err() {
            reconcile(&world.ports(), event).await.unwrap();
        }
        let done = world.no_fault_came();
        pass(&world).await;
        assert_eq!(github.last(), Some(pair("success", "Succeeded: live")), "after {calls} calls");
        if done {
            assert!(calls > 5, "{calls}");
            break;
        }
    }
}

#[tokio::test]
async fn nothing_is_shown_where_it_was_not_asked_for_or_would_be_ones_own_word() {
    let Stage { world, github, run_id, server: _server } = stage().await;
    let ways: [&dyn Fn(&mut RunRecord); 2] =
        [&|run| run.request.policy.judged_by = JudgedBy::Own, &|run| {
            run.request.trigger = Trigger { kind: ROLLBACK.to_owned(), actor: None, delivery: None }
        }];
    let run = world.state().runs[&run_id].clone();
    for way in ways {
        let mut run = run.clone();
        way(&mut run);
        show(&world.ports(), &run).await.unwrap();
    }
    world.state().registry.values_mut().next().unwrap().statuses = None;
    show(&world.ports(), &run).await.unwrap();
    assert_eq!((github.shows(), world.statuses.all()), (Vec::new(), Vec::new()));
    assert_eq!(CommitState::of(run.status), CommitState::Pending);
}
