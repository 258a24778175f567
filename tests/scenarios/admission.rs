//! Room for runs: what finds none waits, a host that hangs holds up its own repository alone, and a
//! gateway that is killed leaves nothing behind.

use std::{collections::BTreeSet, io::Read as _, net::TcpListener, path::Path};

use pact_e2e::{Repo, Stack, send_signal, wait_for};
use serde_json::{Value, json};

use crate::{
    aws_clients::{block_on, config},
    gateway::{Up, payload, sign, up, up_running},
    text,
};

/// A push of a branch of a repository.
fn branch(path: &Path, repository: &str, name: &str, commit: &str) -> Value {
    let mut push = payload(path, &"0".repeat(40), commit);
    push["ref"] = json!(format!("refs/heads/{name}"));
    push["repository"]["full_name"] = json!(repository);
    push
}

/// Every run of the stack, by its id.
fn runs(stack: &Stack) -> Vec<(String, String)> {
    let list = stack.pactctl(&["runs", "list", "--limit", "200", "--json"]).json();
    let runs = list["runs"].as_array().expect("runs").iter();
    runs.map(|run| (text(run, "/run_id").to_owned(), text(run, "/status").to_owned())).collect()
}

/// Has the reconciler look at everything that has not ended.
fn pass(up: &Up) -> Value {
    block_on(async {
        let client = aws_sdk_lambda::Client::new(&config(&up.aws).await);
        let functions = client.list_functions().send().await.expect("functions");
        let functions = functions.functions().iter().filter_map(|f| f.function_name());
        let name = functions.into_iter().find(|name| name.contains("Reconciler"));
        let event = aws_sdk_lambda::primitives::Blob::new(r#"{"pass":{}}"#);
        let invoke = client.invoke().function_name(name.expect("the reconciler")).payload(event);
        let answer = invoke.send().await.expect("an answer");
        assert_eq!(answer.function_error(), None, "{answer:?}");
        serde_json::from_slice(answer.payload().expect("a payload").as_ref()).expect("JSON")
    })
}

#[test]
fn a_git_host_that_hangs_holds_up_its_own_repository_alone() {
    let (stack, healthy) = (Stack::new().with("PACT_RUNS_PER_REPOSITORY", "3"), Repo::new());
    let commit = healthy.write("a.json", "{}").commit("First");
    let host = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/slow.git", host.local_addr().expect("an address"));
    // It takes every call, and never answers.
    std::thread::spawn(move || {
        let calls: Vec<_> = host.incoming().flatten().collect();
        calls.into_iter().for_each(|mut call| drop(call.read(&mut [0])));
    });
    let up = up(&stack);
    let mut slow = Vec::new();
    for number in 0..12 {
        let mut push = branch(Path::new("/"), "acme/slow", &format!("b{number}"), &"2".repeat(40));
        push["repository"]["clone_url"] = json!(address);
        let (status, answer) = up.push(&format!("slow-{number}"), &push);
        assert_eq!(status, 202, "{answer}");
        let run = text(&answer, "/run_id").to_owned();
        // It begins, or takes its place, after the answer.
        wait_for("the run to be taken up", 60, || {
            let report = stack.pactctl(&["runs", "show", &run, "--json"]).json();
            let waits = report["before"].is_u64();
            (if number < 3 { text(&report, "/status") == "running" } else { waits }).then_some(())
        });
        slow.push(run);
    }
    let push = branch(healthy.path(), "acme/healthy", "main", &commit);
    let (status, answer) = up.push("healthy", &push);
    assert_eq!(status.as_u16(), 202, "{answer}");
    let id = text(&answer, "/run_id").to_owned();
    wait_for("the healthy one's end", 60, || {
        let status = runs(&stack).into_iter().find(|(run, _)| *run == id)?.1;
        (status == "succeeded").then_some(())
    });
    // Nobody of the others lost anything, and each knows its place.
    for (run, status) in runs(&stack) {
        assert!(run == id || ["queued", "running"].contains(&&*status), "{run} is {status}");
    }
    let last = slow.last().expect("a run");
    let report = stack.pactctl(&["runs", "show", last, "--json"]).json();
    assert_eq!((text(&report, "/status"), &report["before"]), ("queued", &json!(8)), "{report:#}");
    let listed = stack.pactctl(&["runs", "list"]).stdout;
    assert!(listed.contains("8 runs of its repository are before it"), "{listed}");
    let page = up.http.get(format!("{}/runs/{last}", up.api)).bearer_auth(&up.token).send();
    let page = page.and_then(|page| page.text()).expect("its page");
    assert!(page.contains("8 runs of its repository are before it"), "{page}");
    // One that is cancelled in its queue is over, and those behind it move up.
    let cancel = up.http.post(format!("{}/v1/runs/{}/cancel", up.api, slow[5]));
    let cancelled = cancel.bearer_auth(&up.token).send().expect("an answer");
    assert!(cancelled.status().is_success(), "{cancelled:?}");
    let report = stack.pactctl(&["runs", "show", last, "--json"]).json();
    assert_eq!(report["before"], 7, "{report:#}");
}

#[test]
fn a_gateway_that_is_killed_leaves_no_run_behind() {
    let (stack, repo) = (Stack::new(), Repo::new());
    let commit = repo.write("a.json", "{}").commit("First");
    let (running, up) = up_running(&stack);
    up.register(&branch(repo.path(), "acme/shop", "main", &commit));
    let mut answered = BTreeSet::new();
    let deliver = |name: &str| {
        let body = branch(repo.path(), "acme/shop", name, &commit).to_string();
        let signature = sign(up.webhook_secret(), body.as_bytes());
        up.deliver(name, &signature, body)
    };
    std::thread::scope(|scope| {
        let send = |sender| {
            let deliver = &deliver;
            let pushes = (0..4).map(move |number| format!("b{sender}-{number}"));
            scope.spawn(move || pushes.map(|name| deliver(&name)).collect::<Vec<_>>())
        };
        let sent: Vec<_> = (0..4).map(send).collect();
        // While some are on their way.
        for _ in 0..8 {
            std::thread::sleep(std::time::Duration::from_millis(120));
            let gateways = running.functions("GatewayFunction");
            gateways.into_iter().take(2).for_each(|pid| send_signal(pid, "KILL"));
        }
        for (status, answer) in sent.into_iter().flat_map(|sent| sent.join().expect("it ends")) {
            if status == 202 {
                answered.insert(text(&answer, "/run_id").to_owned());
            }
        }
    });
    // Some are sent again, as hosts do, whatever became of them before.
    for name in ["b0-0", "b1-1"] {
        let (status, answer) = deliver(name);
        assert_eq!(status, 202, "{answer}");
        answered.insert(text(&answer, "/run_id").to_owned());
    }
    let report = pass(&up);
    eprintln!("{} of 16 were answered, and a pass did: {report}", answered.len());
    let all = wait_for("the end of every run", 120, || {
        let all = runs(&stack);
        all.iter().all(|(_, s)| !["running", "queued"].contains(&&**s)).then_some(all)
    });
    let known: BTreeSet<_> = all.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(known.len(), all.len(), "{all:?}");
    assert!(answered.is_subset(&known), "{answered:?} of {known:?}");
    assert!(all.iter().all(|(_, status)| status == "succeeded"), "{all:?}");
    // Each has one execution, and nothing is left to be looked after.
    assert_eq!(up.executions(), known.len());
    let report = pass(&up);
    assert_eq!(report.pointer("/pass/runs"), Some(&json!(0)), "{report}");
}
