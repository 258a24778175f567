//! A person is asked before production.

use aws_sdk_dynamodb::types::AttributeValue;
use pact_e2e::{Aws, Repo, Stack, wait_for};
use serde_json::{Value, json};

use crate::{
    aws_clients::{block_on, config},
    gateway::up,
    get, has_stage, text,
};

/// A shop whose production asks a person.
fn careful_shop() -> Repo {
    let repo = Repo::shop();
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    repo.write(
        "pact.toml",
        &format!("{settings}\n[environments.production.approval]\ntimeout_minutes = 5\n"),
    );
    repo.write("app.py", "def total(items):\n    return 2\n");
    repo.commit("Ask before production");
    repo
}

/// Runs it, answers as soon as it asks, and returns how it ended.
fn answered(stack: &Stack, repo: &Repo, answer: &[&str]) -> (Option<i32>, Value) {
    let running = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
    wait_for("the question", 60, || {
        let mut args = vec!["approve", "--by", "Grace"];
        args.extend_from_slice(answer);
        (stack.data().exists() && stack.pactctl(&args).code == Some(0)).then_some(())
    });
    let finished = running.wait();
    (finished.code, finished.json())
}

#[test]
fn yes_goes_to_production() {
    let (stack, repo) = (Stack::new(), careful_shop());
    let (code, report) = answered(&stack, &repo, &[]);
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert_eq!(report["deployments"].as_array().map(Vec::len), Some(2));
}

#[test]
fn where_two_are_asked_one_alone_is_not_enough() {
    let (stack, repo) = (Stack::new(), careful_shop());
    let up = up(&stack);
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    let asked = "[environments.production.approval]\n";
    assert!(settings.contains(asked));
    repo.write("pact.toml", &settings.replace(asked, &format!("{asked}people = 2\n")));
    repo.commit("Two people");
    let made = stack.pactctl(&["tokens", "add", "ada", "--scope", "approve", "--json"]).json();
    let running = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
    let said = wait_for("the question", 60, || {
        let said = stack.pactctl(&["approve", "--by", "Grace"]);
        (said.code == Some(0)).then_some(said.stdout)
    });
    assert!(said.contains("1 of 2 people agreed (installation for Grace)"), "{said}");
    let again = stack.pactctl(&["approve", "--by", "Somebody else"]).stdout;
    assert!(again.contains("1 of 2 people agreed (installation for Grace)"), "{again}");
    let runs = stack.pactctl(&["runs", "list", "--json"]).json();
    let id = text(&runs, "/runs/0/run_id").to_owned();
    let answers = up.http.post(format!("{}/v1/runs/{id}/answers", up.api));
    let yes = answers.bearer_auth(text(&made, "/token")).json(&json!({ "approved": true }));
    assert_eq!(yes.send().expect("an answer").status(), 200);
    let finished = running.wait();
    let report = finished.json();
    assert_eq!((finished.code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    // Who agreed cannot be changed unseen.
    let verify = || stack.pactctl(&["runs", "verify", &id]);
    assert_eq!(verify().code, Some(0), "{}", verify().stdout);
    renamed(&stack.aws(), "Grace", "Heidi");
    let found = verify();
    let said = format!("{}{}", found.stdout, found.stderr);
    assert!(found.code == Some(1) && said.contains("the question of "), "{said}");
}

/// Whoever can write to the table gives the answers another name.
fn renamed(aws: &Aws, before: &str, after: &str) {
    block_on(async {
        let client = aws_sdk_dynamodb::Client::new(&config(aws).await);
        let tables = client.list_tables().send().await.expect("lists").table_names.expect("tables");
        let table = tables.first().expect("a table");
        let page = client.scan().table_name(table).send().await.expect("reads");
        let is_question = |sk: &AttributeValue| sk.as_s().is_ok_and(|sk| sk == "CALLBACK");
        let mut questions =
            page.items.unwrap_or_default().into_iter().filter(|item| is_question(&item["sk"]));
        let mut item = questions.next().expect("a question");
        let record = item["record"].as_s().expect("a text");
        assert!(record.contains(before), "{record}");
        let forged = AttributeValue::S(record.replace(before, after));
        item.insert("record".to_owned(), forged);
        client.put_item().table_name(table).set_item(Some(item)).send().await.expect("is written");
    });
}

#[test]
fn no_ends_before_production_with_the_reason_and_staging_stays() {
    let (stack, repo) = (Stack::new(), careful_shop());
    let (code, report) = answered(&stack, &repo, &["--reject", "--reason", "not on a Friday"]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    let reason = text(&report, "/reason");
    assert!(reason.contains("Grace") && reason.contains("not on a Friday"), "{reason}");
    assert!(!has_stage(&report, "Deploy.production"));
    let staging = text(&report, "/deployments/0/url");
    assert_eq!(get(staging).as_deref(), Some("one"));
}

#[test]
fn a_closed_environment_is_opened_by_an_approver_whose_reason_is_kept() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    let closed =
        format!("{settings}\n[[environments.production.freeze]]\nreason = \"nobody is on call\"\n");
    repo.write("pact.toml", &closed).write("app.py", "def total(items):\n    return 3\n");
    repo.commit("Close production");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "held"), "{report:#}");
    assert!(text(&report, "/reason").contains("nobody is on call"), "{report:#}");
    assert!(!has_stage(&report, "Deploy.production"), "{report:#}");
    assert_eq!(get(text(&report, "/deployments/0/url")).as_deref(), Some("one"));

    let asks = format!("{closed}[environments.production.approval]\ntimeout_minutes = 5\n");
    repo.write("pact.toml", &asks).write("version", "two");
    repo.commit("Ask who may open it");
    let (code, report) = answered(&stack, &repo, &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "held"), "{report:#}");
    assert!(text(&report, "/reason").contains("Grace gave no reason to go on"), "{report:#}");
    assert!(!has_stage(&report, "Deploy.production"), "{report:#}");

    repo.write("version", "three");
    repo.commit("A fix");
    let (code, report) = answered(&stack, &repo, &["--reason", "the checkout is down"]);
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert_eq!(get(text(&report, "/deployments/1/url")).as_deref(), Some("three"));
    let log = stack.pactctl(&["runs", "log", text(&report, "/run_id"), "--json"]).stdout;
    assert!(log.contains("the checkout is down") && log.contains("Grace"), "{log}");
}
