//! What is recorded of a run that ended: nobody adds to it, and whoever changes it is found.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::primitives::Blob;
use pact_e2e::{Aws, Repo, Stack};
use serde_json::{Value, json};

use crate::{
    aws_clients::{av, block_on, config},
    text,
};

type Item = HashMap<String, AttributeValue>;

/// A run of a repository that is verified only, which has ended.
fn ended(stack: &Stack) -> Value {
    let repo = Repo::new();
    repo.write("a.json", "{}");
    repo.commit("First");
    repo.write("a.json", "[1]");
    repo.commit("Second");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{report:#}");
    report
}

/// What the table has of a run, in the order of its keys.
async fn items(client: &aws_sdk_dynamodb::Client, table: &str, run: &str, kind: &str) -> Vec<Item> {
    let query = client
        .query()
        .table_name(table)
        .key_condition_expression("pk = :pk and begins_with(sk, :kind)");
    let query = query.expression_attribute_values(":pk", av(&format!("RUN#{run}")));
    let query = query.expression_attribute_values(":kind", av(kind)).send().await;
    query.expect("the table answers").items.unwrap_or_default()
}

#[test]
fn whoever_changes_the_log_of_a_run_is_found() {
    let stack = Stack::new();
    let report = ended(&stack);
    let run = text(&report, "/run_id");
    let (running, endpoints) = stack.up();
    let table = text(&endpoints, "/table").to_owned();
    let verify = || stack.pactctl(&["runs", "verify", run]).code;
    assert_eq!(verify(), Some(0));
    block_on(async {
        let client = aws_sdk_dynamodb::Client::new(&config(&stack.aws()).await);
        let put = async |item: &Item| {
            let put = client.put_item().table_name(&table).set_item(Some(item.clone()));
            put.send().await.expect("is put");
        };
        let delete = async |item: &Item| {
            let key = ["pk", "sk"].map(|name| (name.to_owned(), item[name].clone()));
            let delete = client.delete_item().table_name(&table).set_key(Some(key.into()));
            delete.send().await.expect("is deleted");
        };
        let log = items(&client, &table, run, "LOG#").await;
        let stages = items(&client, &table, run, "STAGE#").await;
        assert!(log.len() > 10 && !stages.is_empty(), "{} and {}", log.len(), stages.len());
        let (middle, end) = (&log[log.len() / 2], &log[log.len() - 10..]);

        // A field more, in one of the log and in one of a stage.
        for item in [middle, &stages[0]] {
            let mut odd = item.clone();
            odd.insert("unknown".to_owned(), av("x"));
            put(&odd).await;
            assert_eq!(verify(), Some(1), "a field more");
            put(item).await;
        }
        // Two in each other's place, each with the rest as it was.
        let swapped = |item: &Item, place: &Item| {
            let mut item = item.clone();
            item.insert("sk".to_owned(), place["sk"].clone());
            item
        };
        put(&swapped(&log[2], &log[3])).await;
        put(&swapped(&log[3], &log[2])).await;
        assert_eq!(verify(), Some(1), "two are swapped");
        put(&log[2]).await;
        put(&log[3]).await;
        // What came of the run.
        let own = items(&client, &table, run, "RUN").await.remove(0);
        for (name, value) in [
            ("status", "cancelled"),
            ("outcome", "{\"status\":\"succeeded\",\"reason\":\"the board agreed\"}"),
        ] {
            let mut forged = own.clone();
            forged.insert(name.to_owned(), av(value));
            put(&forged).await;
            assert_eq!(verify(), Some(1), "another {name}");
        }
        put(&own).await;
        for item in end {
            delete(item).await;
        }
        assert_eq!(verify(), Some(1), "the end is cut off");
        for item in end {
            put(item).await;
        }
        assert_eq!(verify(), Some(0), "all as it was");
    });
    drop(running);
}

/// Sends an intent to the agent itself; its answer where it is an error.
async fn refusal(aws: &Aws, intent: &Value) -> Option<Value> {
    let client = aws_sdk_lambda::Client::new(&config(aws).await);
    let call = client.invoke().function_name("pact-CodeAgentFunction");
    let answer = call.payload(Blob::new(intent.to_string())).send().await.expect("is invoked");
    answer.function_error()?;
    serde_json::from_slice(answer.payload()?.as_ref()).ok()
}

#[test]
fn no_intent_of_a_stranger_comes_into_a_log() {
    let stack = Stack::new();
    let report = ended(&stack);
    let run = text(&report, "/run_id");
    let (running, _) = stack.up();
    let aws = stack.aws();
    let log = || stack.pactctl(&["runs", "log", run, "--json"]).stdout;
    let before = log();
    let good = json!({
        "version": "0.1.0",
        "intent": {
            "action": "code.validate_syntax",
            "parameters": { "source": { "key": "k", "commit": "c" }, "changes_key": "k", "settings": {} },
            "context": { "run_id": run, "state": "ValidateSyntax", "execution": report["execution_arn"] },
        },
        "metadata": {
            "sender": { "agent_id": "pact.pipeline", "timestamp": jiff::Timestamp::now().to_string() },
        },
    });
    let cases: [(&str, Value, &str); 9] = [
        ("/version", json!("0.1.0"), "has ended"),
        ("/version", json!("9.9.9"), "of version"),
        ("/intent/context/run_id", json!("shop-nobody"), "is not known"),
        ("/intent/parameters/evil", json!(1), "no parameter"),
        ("/intent/action", json!("deploy.to_production"), "does not offer"),
        ("/metadata/sender/agent_id", json!("mallory"), "is not known"),
        ("/metadata/sender/timestamp", json!("1999-01-01T00:00:00Z"), "is not now"),
        ("/metadata/priority", json!("ultra"), "ultra"),
        ("/metadata/auth", json!({ "signature": "AAAA" }), "credentials"),
    ];
    block_on(async {
        for (at, value, says) in cases {
            let mut intent = good.clone();
            let (parent, name) = at.rsplit_once('/').expect("a pointer");
            intent.pointer_mut(parent).expect("is there")[name] = value.clone();
            let refused = refusal(&aws, &intent).await;
            let refused = refused.unwrap_or_else(|| panic!("{at} = {value} was carried out"));
            assert!(text(&refused, "/errorMessage").contains(says), "{at} = {value}: {refused}");
        }
    });
    assert_eq!(log(), before, "nothing came into the log");
    assert_eq!(stack.pactctl(&["runs", "verify", run]).code, Some(0));
    drop(running);
}
