//! Who was asked and did not answer is reminded before the time is over: by the real stack, its schedule's
//! call and what it keeps. Time is not waited for: that the reminder is due is written into the table.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::primitives::Blob;
use pact_e2e::{Aws, Repo, Stack, wait_for};
use serde_json::{Value, json};

use crate::{
    aws_clients::{block_on, config},
    has_stage,
    incidents::inbox,
    text,
};

/// A shop whose production asks a person, who is told by Slack.
fn careful_shop() -> Repo {
    let repo = Repo::shop();
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    let more = "[notify.slack]\n[environments.production.approval]\ntimeout_minutes = 60\n";
    repo.write("pact.toml", &format!("{settings}\n{more}"));
    repo.commit("Ask before production");
    repo
}

/// The reminder that is kept for later is due now; whether there is one.
fn is_due_now(aws: &Aws) -> bool {
    block_on(async {
        let client = aws_sdk_dynamodb::Client::new(&config(aws).await);
        let tables = client.list_tables().send().await.expect("lists").table_names.expect("tables");
        let table = tables.first().expect("a table");
        let page = client.scan().table_name(table).send().await.expect("reads");
        let text = |item: &std::collections::HashMap<String, AttributeValue>, key: &str| {
            item.get(key).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
        };
        let all = page.items.unwrap_or_default();
        let reminds = |sk: &str| sk == "OUTBOX#slack/production/reminder";
        let Some(mut item) =
            all.into_iter().find(|item| reminds(&text(item, "sk")) && item.contains_key("openpk"))
        else {
            return false;
        };
        let mut entry: Value = serde_json::from_str(&text(&item, "entry")).expect("an entry");
        let due = text(&item, "opensk");
        assert!(due > jiff::Timestamp::now().to_string(), "it waits: {due}");
        entry["later"]["due"] = json!("2020-01-01T00:00:00Z");
        item.insert("entry".to_owned(), AttributeValue::S(entry.to_string()));
        let long_ago = "2020-01-01T00:00:00.000000000Z".to_owned();
        item.insert("opensk".to_owned(), AttributeValue::S(long_ago));
        client.put_item().table_name(table).set_item(Some(item)).send().await.expect("is written");
        true
    })
}

/// What the schedule calls every five minutes.
fn passes(aws: &Aws) -> Value {
    block_on(async {
        let client = aws_sdk_lambda::Client::new(&config(aws).await);
        let call = client.invoke().function_name("pact-NotifyAgentFunction");
        let answer = call.payload(Blob::new(r#"{"pass": {}}"#)).send().await.expect("is called");
        let body = answer.payload.expect("an answer").into_inner();
        serde_json::from_slice(&body).expect("JSON")
    })
}

#[test]
fn whoever_did_not_answer_is_reminded_once_and_whoever_did_is_not() {
    let (hook, messages) = inbox();
    let stack = Stack::new().with("PACT_SLACK_WEBHOOK_URL", &hook);
    let (_running, _) = stack.up();
    let aws = stack.aws();
    let repo = careful_shop();
    let told = |word: &str| {
        let all = messages.lock().expect("no panic");
        all.iter().filter(|message| message.to_string().contains(word)).count()
    };
    let asks = |asked: usize| {
        let running = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
        wait_for("the question", 120, || (told("waits for 60 minutes") == asked).then_some(()));
        wait_for("the reminder that is kept", 30, || is_due_now(&aws).then_some(()));
        running
    };
    let running = asks(1);
    assert_eq!(told("Still waiting"), 0);
    let report = passes(&aws);
    assert_eq!(
        (&report["pass"]["due"], &report["pass"]["ended"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    assert_eq!(told("Still waiting"), 1, "reminded");
    assert_eq!(passes(&aws)["pass"]["due"], 0);
    assert_eq!(told("Still waiting"), 1, "once");
    assert_eq!(stack.pactctl(&["approve", "--by", "Grace"]).code, Some(0));
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(has_stage(&finished.json(), "Deploy.production"));

    repo.write("version", "two");
    repo.commit("Another release");
    let running = asks(2);
    assert_eq!(stack.pactctl(&["approve", "--by", "Grace", "--reject"]).code, Some(0));
    let finished = running.wait();
    assert_eq!(text(&finished.json(), "/status"), "rejected");
    let report = passes(&aws);
    assert_eq!(
        (&report["pass"]["due"], &report["pass"]["ended"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    assert_eq!(told("Still waiting"), 1, "there is an answer");
}
