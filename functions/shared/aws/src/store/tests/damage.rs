//! Every stored item is damaged in turn, in every attribute: it alone is told as unreadable, and
//! everything else is answered as before.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use pact_agent::access::Tokens as _;
use pact_agent::ports::{Listed, Registry as _, RunQuery, RunReader as _, StoreError, Unreadable};
use pact_agent::pulls::Pulls as _;
use pact_agent::waiting::WaitingCalls as _;
use serde::Serialize;
use serde_json::Value;

use super::{
    super::item::Item,
    request,
    samples::{fill, items, put, take},
    store,
};
use crate::DynamoStore;

/// What one question was answered.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    items: Vec<Value>,
    unreadable: Vec<Unreadable>,
}

fn answer<T: Serialize>(listed: Result<Listed<T>, StoreError>) -> Answer {
    let Listed { items, unreadable } = listed.expect("a list is answered");
    let items = items.iter().map(|item| serde_json::to_value(item).unwrap()).collect();
    Answer { items, unreadable }
}

/// Everything that lists.
const LISTS: &[&str] = &[
    "runs",
    "runs of the repository",
    "stages",
    "log",
    "notifications",
    "approvals",
    "environments",
    "repositories",
    "tokens",
    "pull requests",
    "calls",
];

type Answers = BTreeMap<&'static str, Answer>;

async fn list(store: &DynamoStore, name: &str) -> Answer {
    let run_id = &request("acme/web-shop", "main", 1).run_id;
    let repository = "acme/web-shop".parse().unwrap();
    let page = |page: Result<pact_agent::ports::RunPage, StoreError>| {
        page.map(|page| {
            assert!(page.cursor.is_none());
            Listed { items: page.runs, unreadable: page.unreadable }
        })
    };
    match name {
        "runs" => answer(page(store.latest_runs(&RunQuery::default()).await)),
        "runs of the repository" => {
            let query = RunQuery { repository: Some(repository), ..RunQuery::default() };
            answer(page(store.latest_runs(&query).await))
        }
        "stages" => answer(store.stages(run_id).await),
        "log" => answer(store.log(run_id).await),
        "notifications" => answer(store.notifications(run_id).await),
        "approvals" => answer(store.approvals(run_id).await),
        "environments" => answer(store.environments().await),
        "repositories" => answer(store.repositories().await),
        "tokens" => answer(store.tokens().await),
        "pull requests" => answer(store.pulls(&repository).await),
        "calls" => answer(store.of_run(run_id).await),
        other => panic!("there is no list of {other}"),
    }
}

async fn lists(store: &DynamoStore, names: &[&'static str]) -> Answers {
    let mut answers = Answers::new();
    for name in names {
        answers.insert(name, list(store, name).await);
    }
    answers
}

async fn everything(store: &DynamoStore) -> Answers {
    lists(store, LISTS).await
}

/// The lists that answer otherwise without the item.
async fn its_lists(store: &DynamoStore, item: &Item, before: &Answers) -> Vec<&'static str> {
    take(store, item).await;
    let without = everything(store).await;
    put(store, item.clone()).await;
    LISTS.iter().copied().filter(|name| without[name] != before[name]).collect()
}

/// What an attribute may have become: gone, of another type, of another version, no document, a
/// document that is cut off, that lacks a field or has an odd one.
fn damages(item: &Item, fields: bool) -> Vec<(String, Item)> {
    let mut all = Vec::new();
    // The keys are where the item is, and `expires` is when it is not.
    let fixed = ["pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk", "openpk", "opensk", "expires"];
    for (name, value) in item.iter().filter(|(name, _)| !fixed.contains(&name.as_str())) {
        let mut become_ = |how: &str, value: Option<AttributeValue>| {
            let mut damaged = item.clone();
            match value {
                Some(value) => damaged.insert(name.clone(), value),
                None => damaged.remove(name),
            };
            all.push((format!("{name} {how}"), damaged));
        };
        become_("is gone", None);
        become_("is of another type", Some(AttributeValue::Bool(true)));
        become_("is another text", Some(AttributeValue::S("\u{1} no: such/thing#".to_owned())));
        become_("is a large number", Some(AttributeValue::N("99".to_owned())));
        let Some(text) = value.as_s().ok().filter(|text| text.starts_with('{')) else { continue };
        let cut = text.chars().take(text.chars().count() / 2).collect();
        become_("is cut off", Some(AttributeValue::S(cut)));
        if !fields {
            continue;
        }
        let document: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
        for field in document.keys() {
            let mut lacking = document.clone();
            lacking.remove(field);
            let mut odd = document.clone();
            odd.insert(field.clone(), "\u{1} no: such/thing#".into());
            for (how, document) in [("is gone", lacking), ("is odd", odd)] {
                let text = Value::Object(document).to_string();
                become_(&format!("has a {field} that {how}"), Some(AttributeValue::S(text)));
            }
        }
    }
    all
}

/// Where an item that cannot be read is said to be.
fn said(pk: &str, sk: &str, text: &str) -> bool {
    // A callback's key is a secret: the approval that points to it is named.
    if pk.starts_with("CALLBACK#") {
        text.contains(" / APPROVAL#")
    } else {
        text == format!("{pk} / {sk}")
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_hides_nothing_else() {
    let store = store().await;
    fill(&store).await;
    let before = everything(&store).await;
    for (name, answer) in &before {
        assert_eq!((answer.items.len(), answer.unreadable.len()), (2, 0), "{name}");
    }
    let mut unreadable = 0;
    let mut kinds = BTreeSet::new();
    for ((pk, sk), item) in items(&store).await {
        // They are in no list, or like those of the list of all.
        let others = sk.starts_with("IN#") && sk != "IN#ALL";
        if others || ["SESSION", "CODE", "STATUS"].contains(&sk.as_str()) {
            continue;
        }
        // Of each kind the fields of one document are enough.
        let first = kinds.insert(sk.split('#').next().unwrap_or_default().to_owned());
        let its = its_lists(&store, &item, &before).await;
        for (how, damaged) in damages(&item, first) {
            put(&store, damaged).await;
            // All lists for what may become of an attribute, its own for what is in a document.
            let after = lists(&store, if how.contains(" has a ") { &its } else { LISTS }).await;
            for (name, after) in &after {
                let before = &before[name];
                let place = format!("{pk} / {sk}, whose {how}, among the {name}: {after:?}");
                assert!(after.unreadable.len() <= 1, "{place}");
                if let Some(one) = after.unreadable.first() {
                    unreadable += 1;
                    assert!(said(&pk, &sk, &one.key), "{place}");
                    assert!(!one.reason.to_string().contains("such/thing"), "{place}");
                }
                let kept = before.items.iter().filter(|item| after.items.contains(item)).count();
                assert!(kept >= 1, "{place}");
                // What is not as before is shown with what can be read of it, or said.
                assert!(after.items.len() + after.unreadable.len() >= 2, "{place}");
            }
            if !["RUN", "ENV"].contains(&sk.as_str()) {
                let same = after.iter().filter(|(name, after)| before[*name] == **after).count();
                assert!(same + 1 >= after.len(), "{pk} / {sk}, whose {how}: {after:?}");
            }
        }
        put(&store, item).await;
        assert_eq!(everything(&store).await, before);
    }
    assert!(unreadable > 100, "{unreadable}");
}

#[tokio::test]
async fn an_odd_item_in_a_list_of_runs_does_not_stop_its_pages() {
    let store = store().await;
    for number in 0..7 {
        store_run(&store, number).await;
    }
    let all = items(&store).await;
    let odd = all.values().filter(|item| item["sk"].as_s().unwrap() == "IN#ALL").nth(3).unwrap();
    let mut item = odd.clone();
    item.insert("pk".to_owned(), AttributeValue::S("RUN#no run at all".to_owned()));
    item.insert("gsi1sk".to_owned(), AttributeValue::S("2026-09-21T15:00:00 nowhere".to_owned()));
    put(&store, item).await;
    for limit in 1..9 {
        let mut query = RunQuery { limit, ..RunQuery::default() };
        let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            let page = store.latest_runs(&query).await.unwrap();
            assert!(page.runs.len() + page.unreadable.len() <= limit);
            runs.extend(page.runs.into_iter().map(|run| run.request.commit));
            unreadable.extend(page.unreadable.into_iter().map(|one| one.key));
            query.cursor = page.cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(runs.len(), 7, "by {limit}");
        assert!(runs.is_sorted_by(|a, b| a > b), "by {limit}: {runs:?}");
        assert_eq!(unreadable, ["RUN#no run at all / IN#ALL"], "by {limit}");
    }
}

async fn store_run(store: &DynamoStore, number: i64) {
    use pact_agent::ports::Runs as _;

    store
        .create_run(
            &request("acme/web", "main", number),
            "arn",
            pact_contract::RunStatus::Running,
            None,
        )
        .await
        .unwrap();
}
