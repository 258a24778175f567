//! Pushes that arrive more than once, or while another runs.

use pact_e2e::{Repo, Stack, wait_for};
use serde_json::Value;

use crate::{
    gate::Gate,
    gateway::{payload, up},
    text,
};

#[test]
fn ten_deliveries_of_one_push_are_one_run() {
    let (stack, repo) = (Stack::new(), Repo::new());
    repo.write("a.json", "{}");
    let before = repo.commit("First");
    repo.write("a.json", "{\"a\": 1}");
    let after = repo.commit("Second");
    let up = up(&stack);
    let push = payload(repo.path(), &before, &after);
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..10)
            .map(|n| {
                let (up, push) = (&up, &push);
                // Half of them are redeliveries under the same id, half under their own.
                let id = if n % 2 == 0 { "same".to_owned() } else { format!("own-{n}") };
                scope.spawn(move || up.push(&id, push))
            })
            .collect();
        threads
            .into_iter()
            .map(|t| {
                let (status, answer) = t.join().expect("the delivery ends");
                assert_eq!(status, 202, "{answer}");
                answer
            })
            .collect()
    });
    let ids: std::collections::BTreeSet<&str> =
        answers.iter().map(|a| text(a, "/run_id")).collect();
    assert_eq!(ids.len(), 1, "{answers:#?}");
    let id = ids.into_iter().next().expect("one run");
    wait_for("the end of the run", 60, || {
        let answer = up
            .http
            .get(format!("{}/v1/runs/{id}", up.api))
            .bearer_auth(&up.token)
            .send()
            .expect("the gateway answers");
        let run: Value = answer.json().expect("JSON");
        (text(&run, "/status") == "succeeded").then_some(())
    });
    assert_eq!(up.executions(), 1);
}

#[test]
fn a_second_push_while_one_runs_takes_its_place() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let gate = Gate::new();
    repo.write("test.sh", &gate.script());
    repo.write("app.py", "a = 1\n");
    let first = repo.commit("One");
    repo.write("test.sh", "echo '1 passed'\n");
    repo.write("app.py", "a = 2\n").write("version", "two");
    let second = repo.commit("Two");
    let path = repo.path().to_string_lossy().into_owned();
    let one = stack.start(&["run", &path, "--json", "--head", &first]);
    gate.wait(1);
    let two = stack.start(&["run", &path, "--json", "--head", &second]);
    let (two, one) = (two.wait(), one.wait());
    let (first_report, second_report) = (one.json(), two.json());
    assert_eq!((one.code, text(&first_report, "/commit")), (Some(1), first.as_str()), "{one:?}");
    assert_eq!(text(&first_report, "/status"), "superseded", "{one:?}");
    assert_eq!((two.code, text(&second_report, "/commit")), (Some(0), second.as_str()), "{two:?}");
    assert_ne!(first_report["run_id"], second_report["run_id"]);
}
