//! Against a server with GitLab's rules, as they are documented: a status is a job with states, and a
//! transition that there is not is refused.

use std::sync::{Arc, Mutex};

use pact_contract::{
    RunId, RunStatus,
    statuses::{Standing, StatusSettings},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::{
    tests::{begin, end, event, pass},
    *,
};
use crate::testing::World;

#[derive(Clone, Default)]
struct GitLab {
    /// The states that the status came to, the latest last.
    states: Arc<Mutex<Vec<String>>>,
    /// Answers before it takes one again, the next one last.
    next: Arc<Mutex<Vec<ResponseTemplate>>>,
}

impl Respond for GitLab {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if let Some(answer) = self.next.lock().unwrap().pop() {
            return answer;
        }
        let refused = |status: u16, message: &str| {
            ResponseTemplate::new(status).set_body_json(json!({ "message": message }))
        };
        if request.headers.get("private-token").is_none_or(|token| token != "t0ken") {
            return refused(401, "401 Unauthorized");
        }
        let path = format!("/projects/acme%2Fweb/statuses/{}", "2".repeat(40));
        if request.method.as_str() != "POST" || request.url.path() != path {
            return refused(404, "404 Project Not Found");
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        if text("description").chars().count() > 255 || text("name").is_empty() {
            return refused(422, "validation failed");
        }
        let mut states = self.states.lock().unwrap();
        let state = text("state");
        match (state, states.last().map(String::as_str)) {
            ("pending", Some(from @ ("pending" | "running"))) => refused(
                400,
                &format!(
                    "Cannot transition status via :enqueue from :{from} (Reason(s): Status cannot \
                     transition via \"enqueue\")"
                ),
            ),
            ("pending" | "running" | "success" | "failed" | "canceled", _) => {
                states.push(state.to_owned());
                ResponseTemplate::new(201).set_body_json(&body)
            }
            _ => refused(400, "state does not have a valid value"),
        }
    }
}

async fn stage() -> (Arc<World>, GitLab, MockServer, RunId) {
    let world = World::new();
    let (gitlab, server) = (GitLab::default(), MockServer::builder().start().await);
    Mock::given(any()).respond_with(gitlab.clone()).mount(&server).await;
    world.set_secret("repositories/acme/web/status-token", "t0ken");
    let settings = StatusSettings { host: "gitlab".to_owned(), api: server.uri() };
    world.state().registry.values_mut().next().unwrap().statuses = Some(settings);
    let run_id = begin(&world, 1).await;
    (world, gitlab, server, run_id)
}

#[tokio::test]
async fn a_project_shows_pending_and_then_the_verdict_and_a_later_run_anew() {
    let (world, gitlab, _server, run_id) = stage().await;
    event(&world, &run_id, "RUNNING").await;
    // It was taken, and nobody came to write that down.
    gitlab.next.lock().unwrap().push(ResponseTemplate::new(504));
    end(&world, &run_id, RunStatus::Rejected, "3 of 7 tests failed").await;
    pass(&world).await;
    let later = begin(&world, 2).await;
    event(&world, &later, "RUNNING").await;
    end(&world, &later, RunStatus::Succeeded, "live").await;
    assert_eq!(*gitlab.states.lock().unwrap(), ["pending", "failed", "pending", "success"]);
    assert_eq!(world.statuses.all()[0].standing, Standing::Shown);
}

#[tokio::test]
async fn what_stands_so_already_is_shown() {
    let (world, gitlab, _server, run_id) = stage().await;
    for state in ["pending", "running"] {
        *gitlab.states.lock().unwrap() = vec![state.to_owned()];
        event(&world, &run_id, "RUNNING").await;
        assert_eq!(world.statuses.all()[0].standing, Standing::Shown, "{state}");
        assert_eq!(world.statuses.all()[0].trouble, None, "{state}");
    }
}

#[tokio::test]
async fn what_is_not_taken_now_is_shown_later_and_the_run_ends_all_the_same() {
    let told = |status: u16| ResponseTemplate::new(status);
    for (answer, trouble) in [
        (told(401), "GitLab answers 401; its token is not valid"),
        (told(403), "the scope `api` and the role Developer"),
        (told(404), "no such project or commit"),
        (told(409), "GitLab answers 409"),
        (told(429).insert_header("retry-after", "30"), "GitLab answers 429"),
        (told(500), "GitLab answers 500"),
        (told(503).insert_header("retry-after", "5"), "GitLab answers 503"),
    ] {
        let (world, gitlab, _server, run_id) = stage().await;
        gitlab.next.lock().unwrap().push(answer);
        end(&world, &run_id, RunStatus::Succeeded, "live").await;
        assert!(world.state().closed.contains(&run_id), "the run is done with");
        let record = world.statuses.all().remove(0);
        assert!(record.trouble.as_deref().unwrap().contains(trouble), "{record:?}");
        assert!(matches!(record.standing, Standing::Due { at } if at > Timestamp::now()));
        pass(&world).await;
        assert_eq!(*gitlab.states.lock().unwrap(), ["success"]);
    }
}

#[tokio::test]
async fn what_is_refused_for_good_is_given_up_and_says_why() {
    let (world, gitlab, _server, run_id) = stage().await;
    let refusal = json!({ "message": "The maximum number of jobs was reached" });
    gitlab.next.lock().unwrap().push(ResponseTemplate::new(422).set_body_json(refusal));
    end(&world, &run_id, RunStatus::Succeeded, "done").await;
    let record = world.statuses.all().remove(0);
    assert_eq!(record.standing, Standing::GivenUp);
    let why = "GitLab answers 422: The maximum number of jobs was reached";
    assert_eq!(record.trouble.as_deref(), Some(why));
}
