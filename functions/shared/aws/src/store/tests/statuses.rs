//! What commits are to show: written by version, and listed while something is left to do.

use jiff::Timestamp;
use pact_agent::statuses::Statuses as _;
use pact_contract::statuses::{Attempted, CommitState, CommitStatus, StatusKey, StatusRecord};

use super::{id, store};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn record(digit: u8, due: i64) -> StatusRecord {
    let key = StatusKey {
        repository: "acme/web".parse().unwrap(),
        commit: format!("{digit:02x}").repeat(20),
        context: "pact".to_owned(),
    };
    let wanted = CommitStatus {
        run_id: id("web-1"),
        since: at(0),
        state: CommitState::Success,
        description: "Succeeded".to_owned(),
        url: "https://pact.example/runs/web-1".to_owned(),
    };
    StatusRecord::new(key, wanted, at(due))
}

#[tokio::test]
async fn a_status_is_listed_from_when_it_is_due_until_it_is_shown() {
    let store = store().await;
    let all: Vec<StatusRecord> = (0..20).map(|digit| record(digit, digit.into())).collect();
    for record in &all {
        assert!(store.store_status(record, 0).await.unwrap());
        assert!(!store.store_status(record, 0).await.unwrap(), "it is there");
    }
    let mut found = store.due_statuses(at(9), 100).await.unwrap();
    found.sort();
    let first: Vec<StatusKey> = all[..10].iter().map(|record| record.key.clone()).collect();
    assert_eq!(found, first);
    assert_eq!(store.due_statuses(at(100), 7).await.unwrap().len(), 7);

    let (known, version) = store.status(&first[3]).await.unwrap();
    let begun = known.expect("it is there").begun(at(9)).expect("due");
    assert!(store.store_status(&begun, version).await.unwrap());
    assert!(!store.store_status(&begun, version).await.unwrap(), "another was faster");
    assert!(!store.due_statuses(at(9), 100).await.unwrap().contains(&first[3]));
    assert!(store.due_statuses(at(60), 100).await.unwrap().contains(&first[3]), "not heard of");
    let shown = begun.ended(&begun.wanted, Attempted::Taken, at(10));
    assert!(store.store_status(&shown, version + 1).await.unwrap());
    assert_eq!(store.due_statuses(at(60), 100).await.unwrap().len(), 19);
    assert_eq!(store.status(&first[3]).await.unwrap(), (Some(shown), version + 2));
}
