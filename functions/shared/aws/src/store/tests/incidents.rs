//! Incidents: written by version, found by cause, and listed until their end was told.

use jiff::Timestamp;
use pact_agent::{
    incidents::{IncidentReader as _, Incidents as _},
    ports::{Environments as _, Lock, RunReader as _},
};
use pact_contract::{
    EnvironmentKey,
    actions::{EnvironmentRecord, WatchResult},
    incident::{Health, Incident, IncidentId, Seen},
};

use super::{id, store};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn incident(release: &str, number: u32) -> Incident {
    let seen = Seen {
        environment: "acme/web#production".parse().unwrap(),
        release: release.parse().ok(),
        health: Health::Unhealthy,
        reason: "answers 500".to_owned(),
    };
    let id = IncidentId::new(&seen.cause(), number);
    Incident::begin(id, &seen, at(i64::from(number)))
}

#[tokio::test]
async fn an_incident_is_written_by_version_and_found_by_its_cause() {
    let store = store().await;
    for number in 1..=11 {
        let one = incident("r1", number);
        assert!(store.store_incident(&one, 0).await.unwrap());
        assert!(!store.store_incident(&one, 0).await.unwrap(), "it is there");
    }
    let (mut latest, version) =
        store.latest_incident(&incident("r1", 1).id).await.unwrap().expect("there are some");
    assert_eq!((latest.id.number(), version), (11, 1));
    assert!(store.latest_incident(&incident("r2", 1).id).await.unwrap().is_none());
    latest.acknowledge("Ada", None, at(50));
    assert!(store.store_incident(&latest, 1).await.unwrap());
    assert!(!store.store_incident(&latest, 1).await.unwrap(), "another was faster");
    assert_eq!(store.incident(&latest.id).await.unwrap(), Some((latest, 2)));
}

#[tokio::test]
async fn it_is_on_the_list_of_open_ones_until_its_end_was_told_and_on_that_of_all_ever_after() {
    let store = store().await;
    let (first, second) = (incident("r1", 1), incident("r2", 2));
    for one in [&first, &second] {
        assert!(store.store_incident(one, 0).await.unwrap());
    }
    let open = store.open_incidents(9).await.unwrap();
    assert_eq!(open, [first.id.clone(), second.id.clone()], "the oldest first");
    assert_eq!(store.open_incidents(1).await.unwrap().len(), 1);
    let told = Incident { closed_at: Some(at(9)), end_told: true, ..first.clone() };
    assert!(store.store_incident(&told, 1).await.unwrap());
    assert_eq!(store.open_incidents(9).await.unwrap(), std::slice::from_ref(&second.id));
    let page = store.incidents(1, None).await.unwrap();
    assert_eq!(page.incidents, [second]);
    let page = store.incidents(1, page.cursor.as_deref()).await.unwrap();
    assert_eq!(page.incidents, [told]);
}

#[tokio::test]
async fn an_environment_has_one_and_keeps_it_whatever_is_deployed() {
    let store = store().await;
    let key: EnvironmentKey = "acme/web#production".parse().unwrap();
    let one = incident("r1", 1).id;
    store.set_incident_of(&key, Some(&one)).await.unwrap();
    let seen = WatchResult { health: "healthy".to_owned(), summary: "200".to_owned(), at: at(0) };
    let keep = async || store.keep_watch(&key, &seen, None).await.unwrap();
    assert_eq!(keep().await, None, "nothing was ever deployed there");
    assert!(store.environments().await.unwrap().items.is_empty());
    let (run, hour) = (id("web-1"), std::time::Duration::from_secs(3_600));
    let Lock::Held { fence } = store.lock(&key, &run, hour).await.unwrap() else { panic!("busy") };
    store.set_incident_of(&key, Some(&one)).await.unwrap();
    store.store(&key, &EnvironmentRecord::default(), fence).await.unwrap();
    assert_eq!(keep().await, Some(one.clone()));
    let [view] = &store.environments().await.unwrap().items[..] else { panic!("one") };
    assert_eq!((&view.watch, &view.incident), (&Some(seen.clone()), &Some(one)));
    store.set_incident_of(&key, None).await.unwrap();
    assert_eq!(keep().await, None);
}
