//! A commit shows on its host what became of it, and its tests may be a workflow there.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use pact_e2e::{Repo, Stack, wait_for};
use serde_json::{Value, json};

use crate::{gateway, text};

/// A stand-in for GitHub: takes statuses of whoever has the token, and begins its workflow, by its
/// documented form.
#[derive(Clone, Default)]
pub(crate) struct Host {
    /// Path and body of each status that it took.
    taken: Arc<Mutex<Vec<(String, Value)>>>,
    /// The run of a workflow that was begun, once one was.
    workflow: Arc<Mutex<Option<Value>>>,
    /// The head of the branch, which a workflow begins with.
    head: Arc<Mutex<String>>,
}

impl Host {
    /// Begins to answer, and says where.
    pub(crate) fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let host = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                host.answer(stream);
            }
        });
        format!("http://{address}/api/v3")
    }

    fn answer(&self, mut stream: TcpStream) {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let header = |name: &str| {
            let found = head.lines().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            });
            found.unwrap_or_default()
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).unwrap_or_default();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, said) = if header("authorization") != "Bearer ghs_t0ken" {
            ("401 Unauthorized", json!({}))
        } else if let Some((_, action)) = path.split_once("/actions/") {
            self.act(action, &body)
        } else {
            self.taken.lock().expect("a list").push((path, body));
            ("201 Created", json!({}))
        };
        let (said, close) = (said.to_string(), "connection: close");
        let length = said.len();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{close}\r\n\r\n{said}");
        stream.write_all(answer.as_bytes()).unwrap_or_default();
    }

    fn act(&self, action: &str, body: &Value) -> (&'static str, Value) {
        let mut workflow = self.workflow.lock().expect("a run");
        let said = match (action.split('?').next().unwrap_or_default(), &*workflow) {
            ("workflows/ci.yml/dispatches", _) => {
                let title = format!("pact {}", text(body, "/inputs/pact"));
                *workflow = Some(json!({
                    "id": 7, "event": "workflow_dispatch", "display_title": title,
                    "status": "queued", "conclusion": null, "ref": body["ref"],
                    "head_sha": *self.head.lock().expect("a head"),
                }));
                json!({ "workflow_run_id": 7 })
            }
            ("workflows/ci.yml/runs", _) => json!({ "workflow_runs": [] }),
            ("runs/7", Some(run)) => run.clone(),
            ("runs/7/jobs", Some(_)) => json!({ "jobs": [] }),
            ("runs/7/artifacts", Some(_)) => json!({ "artifacts": [] }),
            _ => return ("404 Not Found", json!({ "message": "Not Found" })),
        };
        ("200 OK", said)
    }

    /// What the commit shows, in the order in which it was told: context, state, description.
    pub(crate) fn shows(&self, commit: &str) -> Vec<(String, String, String)> {
        let taken = self.taken.lock().expect("a list");
        let of = taken
            .iter()
            .filter(|(path, _)| path == &format!("/api/v3/repos/acme/shop/statuses/{commit}"));
        let text = |body: &Value, name: &str| body[name].as_str().unwrap_or_default().to_owned();
        of.map(|(_, body)| (text(body, "context"), text(body, "state"), text(body, "description")))
            .collect()
    }
}

/// What is registered of a repository whose commits show statuses, with the token for it.
pub(crate) fn register(stack: &Stack, url: &str, api: &str) {
    let args = ["repos", "add", "acme/shop", url, "--statuses", "--statuses-api", api];
    let added = stack.pactctl(&args);
    assert_eq!(added.code, Some(0), "{added:?}");
    let kept = stack.pactctl_reads(&["repos", "token", "acme/shop"], "ghs_t0ken\n");
    assert_eq!(kept.code, Some(0), "{kept:?}");
    assert!(!kept.stdout.contains("ghs_t0ken"), "{kept:?}");
}

#[test]
fn a_push_shows_pending_and_then_the_verdict() {
    let (stack, repo, host) = (Stack::new(), Repo::new(), Host::default());
    let api = host.serve();
    let url = format!("file://{}", repo.path().display());
    let (_running, up) = gateway::up_running(&stack);
    register(&stack, &url, &api);
    repo.write("app.py", "def broken(:\n");
    let commit = repo.commit("Break the syntax");
    let payload = gateway::payload(repo.path(), &"0".repeat(40), &commit);
    let body = payload.to_string();
    let signature = gateway::sign(up.webhook_secret(), body.as_bytes());
    let (status, accepted) = up.deliver("d-1", &signature, body);
    assert_eq!(status, 202, "{accepted}");
    let shown = wait_for("the verdict on the commit", 90, || {
        let shown = host.shows(&commit);
        shown.iter().any(|(_, state, _)| state != "pending").then_some(shown)
    });
    let (context, state, description) = shown.last().expect("a status");
    assert_eq!((context.as_str(), state.as_str()), ("pact", "failure"), "{shown:?}");
    assert!(description.starts_with("Rejected: "), "{shown:?}");
    assert!(description.chars().count() <= 140, "{shown:?}");
    assert!(shown.len() <= 2, "each once: {shown:?}");
    let run = text(&accepted, "/run_id");
    let path = format!("{}/v1/runs/{run}", up.api);
    let seen = wait_for("that it is known to be shown", 30, || {
        let answer = up.http.get(&path).bearer_auth(&up.token).send().ok()?;
        let run: Value = answer.json().ok()?;
        (run["commit_status"]["standing"]["standing"] == json!("shown")).then_some(run)
    });
    assert_eq!(text(&seen, "/status"), "rejected", "{seen:#}");
}

/// The unit tests are a workflow: the run waits for it, and its signed event ends the wait at once,
/// though it comes twice.
#[test]
fn a_run_waits_for_its_workflow_and_the_event_of_its_end_wakes_it() {
    let (stack, repo, host) = (Stack::new(), Repo::new(), Host::default());
    let api = host.serve();
    let url = format!("file://{}", repo.path().display());
    let (_running, up) = gateway::up_running(&stack);
    register(&stack, &url, &api);
    repo.write("pact.toml", "[tests.unit]\nrunner = \"github-actions\"\nworkflow = \"ci.yml\"\n");
    let commit = repo.commit("Test on GitHub");
    host.head.lock().expect("a head").clone_from(&commit);
    let deliver = |event: &str, delivery: &str, payload: &Value| {
        let body = payload.to_string();
        let signature = gateway::sign(up.webhook_secret(), body.as_bytes());
        up.deliver_event(event, delivery, &signature, body)
    };
    let push = gateway::payload(repo.path(), &"0".repeat(40), &commit);
    let (status, accepted) = deliver("push", "d-1", &push);
    assert_eq!(status, 202, "{accepted}");
    let run_id = text(&accepted, "/run_id").to_owned();
    let mut begun = wait_for("the workflow", 60, || host.workflow.lock().expect("a run").clone());
    assert_eq!(text(&begun, "/ref"), "main");
    assert!(text(&begun, "/display_title").contains(&run_id), "{begun}");
    let show = || {
        let answer = up.http.get(format!("{}/v1/runs/{run_id}", up.api)).bearer_auth(&up.token);
        answer.send().ok()?.json::<Value>().ok()
    };
    for (key, value) in [("status", "completed"), ("conclusion", "success")] {
        begun[key] = json!(value);
    }
    *host.workflow.lock().expect("a run") = Some(begun.clone());
    let told = json!({
        "action": "completed", "workflow_run": begun, "repository": { "full_name": "acme/shop" },
    });
    let before = std::time::Instant::now();
    for delivery in ["d-2", "d-2"] {
        let (status, answer) = deliver("workflow_run", delivery, &told);
        assert_eq!(status, 202, "{answer}");
    }
    let ended = wait_for("the end of the run", 60, || {
        show().filter(|run| !["running", "queued"].contains(&text(run, "/status")))
    });
    assert_eq!(text(&ended, "/status"), "succeeded", "{ended:#}");
    // Whoever hears of nothing looks after two minutes.
    assert!(before.elapsed().as_secs() < 60, "it took {:?}", before.elapsed());
}
