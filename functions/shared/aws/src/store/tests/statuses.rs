//! What commits are to show: written by version, and listed while something is left to do.

use jiff::Timestamp;
use pact_agent::{heads::Heads as _, statuses::Statuses as _};
use pact_contract::heads::HeadsRecord;
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

#[tokio::test]
async fn hosts_are_listed_from_when_they_are_due_the_longest_first_until_they_are_forgotten() {
    let store = store().await;
    let name = |number: i64| format!("acme/web{number}").parse().unwrap();
    for number in [3, 1, 2] {
        let (host, origin) = ("github".to_owned(), "https://pact.example".to_owned());
        let record = HeadsRecord::new(name(number), host, origin, at(number));
        assert!(store.store_heads(&record, 0).await.unwrap());
        assert!(!store.store_heads(&record, 0).await.unwrap(), "it is there");
    }
    assert_eq!(store.due_heads(at(2), 10).await.unwrap(), [name(1), name(2)]);
    assert_eq!(store.due_heads(at(9), 1).await.unwrap(), [name(1)]);
    let (known, version) = store.heads(&name(1)).await.unwrap();
    let begun = known.unwrap().begun(at(2)).unwrap();
    assert!(store.store_heads(&begun, version).await.unwrap());
    assert!(!store.store_heads(&begun, version).await.unwrap(), "another was faster");
    assert_eq!(store.heads(&name(1)).await.unwrap(), (Some(begun), version + 1));
    store.forget_heads(&name(2)).await.unwrap();
    assert_eq!(store.due_heads(at(9), 10).await.unwrap(), [name(3)]);
    store.forget_heads(&name(2)).await.unwrap();
}
