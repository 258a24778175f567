//! What is deployed, and what is not well there.

use pact_contract::{
    environments::Approval,
    freeze::Freeze,
    ledger::{Ledger, LedgerEntry, Origin, Standing},
    objectives::{Budget, Counts},
};

use super::*;

/// Everything, the newest first.
pub(crate) fn samples(now: Timestamp) -> Samples {
    let mut held =
        sample("api-77aa01c2d3-held", RunStatus::Held, "Bump the parser", before(now, 4_000));
    held.run.request.repository.name = "acme/orders-api".parse().expect("a name");
    held.run.request.branch = "feature/a-rather-long-branch-name-for-the-parser-upgrade".to_owned();
    let held = held.ended(
        "Held: dependencies not checked: no advisory source could be reached",
        None,
        Vec::new(),
    );
    let record = |release: &str, run: &str| ReleaseRecord {
        release: release.parse().expect("a name"),
        commit: "3f9c2ab17d5e4f60819a2b3c4d5e6f7081920a1b".to_owned(),
        run_id: run.parse().expect("a run id"),
        deployed_at: before(now, 8_900),
        settings: Environment {
            target: Instance::new("directory"),
            health: Vec::new(),
            approval: None,
            watch: Some(Watch::default()),
            shift: Default::default(),
            freeze: Vec::new(),
            no_return: None,
            wave_of: None,
        },
    };
    let environment = EnvironmentRecord {
        current: Some(record("20261123-102030-3f9c2ab17d", "web-shop-3f9c2ab17d-succeeded")),
        previous: Some(record("20261122-161500-77aa01c2d3", "web-shop-3f9c2ab17d-back")),
        pending: None,
        url: Some("http://127.0.0.1:8081".to_owned()),
        ledger: ledger(now, 17),
    };
    // Two pushes later than production, which asks, and is closed.
    let staging = EnvironmentRecord { ledger: ledger(now, 19), ..environment.clone() };
    let mut production = environment;
    if let Some(current) = &mut production.current {
        current.settings.approval = Some(Approval::within(60));
        let reason = "the books are closed".to_owned();
        current.settings.freeze = vec![Freeze { reason, ..Freeze::default() }];
    }
    Samples {
        runs: vec![
            running(now),
            waiting(now),
            rejected(now),
            held,
            succeeded(now),
            rolled_back(now),
            hostile(now),
        ],
        environments: vec![
            placed("acme/web-shop", "staging", staging, watched("healthy", "well", now)),
            placed(
                "acme/web-shop",
                "production",
                production,
                watched("unhealthy", "0 of 1 probes healthy: connection refused", now),
            ),
            placed("acme/orders-api", "staging", EnvironmentRecord::default(), None),
        ],
        moving: false,
        broken: false,
    }
}

/// Four releases of which the third was taken back; the last one is in effect, with this push.
fn ledger(now: Timestamp, place: u64) -> Ledger {
    let mut ledger = Ledger::default();
    for (at, (release, seconds)) in (0..).zip([
        ("20261121-090000-00aa01c2d3", 190_000),
        ("20261122-161500-77aa01c2d3", 90_000),
        ("20261123-080000-66bb01c2d3", 9_600),
        ("20261123-102030-3f9c2ab17d", 8_900),
    ]) {
        let standing = if at == 2 { Standing::Rejected } else { Standing::Good };
        ledger.deployed(LedgerEntry {
            release: release.parse().expect("a name"),
            commit: "3f9c2ab17d5e4f60819a2b3c4d5e6f7081920a1b".to_owned(),
            run_id: "web-shop-3f9c2ab17d-succeeded".parse().expect("a run id"),
            origin: Origin {
                branch: Some("main".to_owned()),
                place: Some(place - 3 + at),
                on_purpose: None,
            },
            standing,
            reason: (at == 2).then(|| "12 of 400 requests failed, 0 of 400 before".to_owned()),
            deployed_at: before(now, seconds),
            judged_at: None,
            serving_since: None,
            served_seconds: 0,
        });
    }
    ledger
}

/// Four hours of the watch, of which the last quarter of an hour is as bad as it is now.
fn counted(ill: bool, now: Timestamp) -> Budget {
    let mut budget = Budget::default();
    for ago in (0..48).rev() {
        let errors = if ill && ago < 3 { 30 } else { 0 };
        budget.count(&Counts { requests: 60, errors, slow: 0 }, before(now, 300 * ago));
    }
    budget
}

fn placed(
    repository: &str,
    environment: &str,
    record: EnvironmentRecord,
    watch: Option<WatchResult>,
) -> EnvironmentView {
    let ill = watch.as_ref().is_some_and(|seen| seen.health != "healthy");
    EnvironmentView {
        key: format!("{repository}#{environment}").parse().expect("a key"),
        record,
        budget: watch.as_ref().map(|seen| counted(ill, seen.at)),
        watch,
        incident: ill.then(|| "3f9a2c81d0e4-1".parse().expect("a name")),
    }
}

fn watched(health: &str, summary: &str, now: Timestamp) -> Option<WatchResult> {
    Some(WatchResult {
        health: health.to_owned(),
        summary: summary.to_owned(),
        at: before(now, 120),
    })
}
