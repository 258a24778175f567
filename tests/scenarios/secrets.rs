//! Secrets are read from the parameter store, are named where they are missing, and stay secret.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    sync::mpsc::{Receiver, channel},
};

use pact_e2e::{Repo, Stack, wait_for};
use serde_json::{Value, json};

use crate::{gateway::Up, text};

/// Part of an address that only who has it may post to.
const HUSH: &str = "hush-7f3a91c2";

/// Answers every request with this status; gives their first lines.
fn answering(status: &'static str) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
            let length = length.and_then(|l| l.trim().parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap_or_default();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            stream.write_all(answer.as_bytes()).unwrap_or_default();
            if sender.send(head.lines().next().unwrap_or_default().to_owned()).is_err() {
                return;
            }
        }
    });
    (port, receiver)
}

/// Starts a run by the API, and gives its report when it has ended and everybody was told who is
/// to be told.
fn ended(stack: &Stack, up: &Up, url: &str, commit: &str) -> Value {
    let pushed = json!({ "repository": { "full_name": "acme/shop", "clone_url": url } });
    assert!(up.register(&pushed).is_success(), "the repository is registered");
    let body = json!({
        "repository": { "name": "acme/shop", "url": url },
        "branch": "main",
        "commit": commit,
    });
    let answer = up
        .http
        .post(format!("{}/v1/pipelines", up.api))
        .bearer_auth(&up.token)
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .expect("the gateway answers");
    let run: Value = answer.json().expect("JSON");
    let id = text(&run, "/run_id");
    wait_for("the end of the run", 90, || {
        let shown = stack.pactctl(&["runs", "show", id, "--json"]);
        let report = (shown.code != Some(4)).then(|| shown.json())?;
        let all = report["notifications"].as_array()?;
        let told = all.len() == 3 && all.iter().all(|one| one["detail"] != "is being sent");
        (told && text(&report, "/status") != "running").then_some(report)
    })
}

/// Every file below a folder that holds the text.
fn files_with(folder: &Path, secret: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, secret));
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_channel_is_reached_by_its_secret_and_what_is_missing_is_named() {
    let (port, posted) = answering("200 OK");
    let stack =
        Stack::new().with("PACT_SLACK_WEBHOOK_URL", &format!("http://127.0.0.1:{port}/{HUSH}"));
    let repo = Repo::new();
    repo.write(
        "pact.toml",
        "[notify.slack]\n[notify.email]\nto = [\"ops@example.org\"]\n[notify.jira]\nproject = \"SHOP\"\n",
    );
    let commit = repo.commit("Tell everybody");
    let (running, up) = crate::gateway::up_running(&stack);
    let report = ended(&stack, &up, &format!("file://{}", repo.path().display()), &commit);

    let notification = |channel: &str| {
        let all = report["notifications"].as_array().expect("notifications");
        let found = all.iter().find(|n| n["channel"] == channel);
        found.unwrap_or_else(|| panic!("no {channel} in {report:#}")).clone()
    };
    assert_eq!(notification("slack")["sent"], true, "{report:#}");
    assert_eq!(posted.recv().expect("a request"), format!("post /{HUSH} http/1.1"));
    for (channel, parameter) in [("email", "/pact/smtp-url"), ("jira", "/pact/jira-token")] {
        let notification = notification(channel);
        assert_eq!(notification["sent"], false);
        let detail = text(&notification, "/detail");
        assert!(detail.contains(&format!("the parameter {parameter} does not exist")), "{detail}");
        assert!(detail.contains("aws ssm put-parameter"), "{detail}");
    }

    let notifiers = running.functions("NotifyAgentFunction");
    assert!(!notifiers.is_empty(), "the function is still there");
    for pid in notifiers {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        assert!(environment.contains("PACT_SECRETS_PATH=/pact"), "{environment}");
        assert!(!environment.contains(HUSH), "{environment}");
    }
    assert_eq!(files_with(&stack.data(), HUSH), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_private_repository_without_a_token_says_which_parameter_is_missing() {
    let (port, _asked) = answering("401 Unauthorized");
    let stack = Stack::new();
    let (_running, up) = crate::gateway::up_running(&stack);
    let url = format!("http://127.0.0.1:{port}/shop.git");
    let report = ended(&stack, &up, &url, &"1".repeat(40));
    assert_eq!(text(&report, "/status"), "failed", "{report:#}");
    let reason = report.to_string();
    assert!(reason.contains("the parameter /pact/source-token does not exist"), "{report:#}");
}
