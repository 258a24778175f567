use proptest::prelude::*;

use super::*;
use crate::{
    run::{Deployment, Outcome, RunStatus},
    testing::failed_runs,
};

/// One thing that happened to an environment: a minute each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A commit was deployed, and this became of it.
    Deploy(u8, DeploymentStatus),
    /// A person returned to a commit.
    Return(u8),
    /// A run went elsewhere.
    Elsewhere,
}

fn environment() -> EnvironmentName {
    "production".parse().expect("a name")
}

fn at(minute: usize) -> Timestamp {
    Timestamp::from_second(i64::try_from(minute).expect("few") * 60).expect("an instant")
}

fn run(n: usize, event: Event) -> RunRecord {
    let mut run = failed_runs(Timestamp::UNIX_EPOCH).remove(0).run;
    let (commit, place, status) = match event {
        Event::Deploy(commit, status) => (commit, "production", status),
        Event::Return(commit) => (commit, "production", DeploymentStatus::RolledBack),
        Event::Elsewhere => (0, "staging", DeploymentStatus::Live),
    };
    if matches!(event, Event::Return(_)) {
        run.request.trigger.kind = ROLLBACK.to_owned();
    }
    run.request.run_id = format!("shop-{n:05}").parse().expect("an id");
    run.request.commit = format!("{commit:040x}");
    // Each is pushed as many minutes before its end as it has bits: times differ.
    run.request.started_at = at(10 + n - (n % 7));
    run.finished_at = Some(at(10 + n));
    run.outcome = Some(Outcome {
        deployments: vec![Deployment {
            environment: place.parse().expect("a name"),
            tier: None,
            release: None,
            previous: None,
            status,
            url: None,
            weight: None,
            weights: Vec::new(),
            apart: None,
            wave_of: None,
        }],
        ..Outcome::unknown(RunStatus::Succeeded, String::new())
    });
    run
}

/// The same by looking at everything anew for each thing: slow, and plain to read.
fn plainly(events: &[Event]) -> (usize, usize, Vec<u64>, Vec<u64>) {
    let minutes = |from: usize, to: usize| u64::try_from(to - from).expect("few") * 60_000;
    let pushed = |n: usize| n - (n % 7);
    use DeploymentStatus::{Live, RollbackFailed, RolledBack};
    // The commit that serves before an event.
    let serves = |n: usize| {
        events[..n].iter().rev().find_map(|event| match event {
            Event::Deploy(commit, Live | RollbackFailed) | Event::Return(commit) => Some(*commit),
            _ => None,
        })
    };
    // Whether an event is a deployment.
    let counts = |n: usize| match events[n] {
        Event::Deploy(commit, Live | RollbackFailed | RolledBack) => serves(n) != Some(commit),
        _ => false,
    };
    let stays = |n: usize| counts(n) && matches!(events[n], Event::Deploy(_, Live));
    let (mut failed, mut recovered, mut leads) = (0, Vec::new(), Vec::new());
    for (n, event) in events.iter().enumerate().filter(|(n, _)| counts(*n)) {
        let later = n + 1..events.len();
        let Event::Deploy(commit, status) = *event else { continue };
        match status {
            RolledBack => {
                failed += 1;
                recovered.push(minutes(pushed(n), n));
            }
            RollbackFailed => {
                failed += 1;
                let returned = |m: &usize| stays(*m) || matches!(events[*m], Event::Return(_));
                recovered.extend(later.clone().find(returned).map(|m| minutes(n, m)));
            }
            _ => {
                let before = (0..n).any(|m| {
                    stays(m) && matches!(events[m], Event::Deploy(other, _) if other == commit)
                });
                if !before {
                    leads.push(minutes(pushed(n), n));
                }
                // The next thing that changes what serves is a person's return.
                let next = later.clone().find(|m| match events[*m] {
                    Event::Deploy(_, Live | RollbackFailed) => counts(*m),
                    Event::Return(_) => true,
                    _ => false,
                });
                if let Some(m) = next.filter(|m| matches!(events[*m], Event::Return(_))) {
                    failed += 1;
                    recovered.push(minutes(n, m));
                }
            }
        }
    }
    leads.sort_unstable();
    recovered.sort_unstable();
    ((0..events.len()).filter(|n| counts(*n)).count(), failed, leads, recovered)
}

fn measured(events: &[Event]) -> Delivery {
    let runs: Vec<RunRecord> = events.iter().enumerate().map(|(n, e)| run(n, *e)).collect();
    // Lists have the newest first.
    let runs: Vec<RunRecord> = runs.into_iter().rev().collect();
    delivery(&runs, &environment())
}

fn event() -> impl Strategy<Value = Event> {
    use DeploymentStatus::{Failed, Live, Pending, RollbackFailed, RolledBack};
    let status =
        prop::sample::select(vec![Live, Live, Live, RolledBack, RollbackFailed, Failed, Pending]);
    prop_oneof![
        6 => (0..6_u8, status).prop_map(|(commit, status)| Event::Deploy(commit, status)),
        1 => (0..6_u8).prop_map(Event::Return),
        1 => Just(Event::Elsewhere),
    ]
}

proptest! {
    #[test]
    fn the_measures_are_those_of_a_straightforward_computation(
        events in prop::collection::vec(event(), 0..60),
    ) {
        let found = measured(&events);
        let (deployments, failed, leads, recovered) = plainly(&events);
        prop_assert_eq!(found.deployments, deployments);
        prop_assert_eq!(found.failed, failed);
        prop_assert_eq!(found.lead_times, leads);
        prop_assert_eq!(found.recoveries, recovered);
    }
}

#[test]
fn repetitions_returns_and_hotfixes_count_as_they_are_defined() {
    use DeploymentStatus::{Failed, Live, RollbackFailed, RolledBack};
    let deploy = Event::Deploy;
    let minutes = |all: &[u64]| all.iter().map(|n| n * 60_000).collect::<Vec<_>>();
    for (events, deployments, failed, recoveries) in [
        (vec![], 0, 0, vec![]),
        // Run again, while it serves: once.
        (vec![deploy(1, Live), deploy(1, Live)], 1, 0, vec![]),
        // What could not be put into effect changed nothing.
        (vec![deploy(1, Live), deploy(2, Failed), Event::Elsewhere], 1, 0, vec![]),
        // Taken back by a person, then deployed again: two deployments, one of which failed.
        (vec![deploy(1, Live), deploy(2, Live), Event::Return(1), deploy(2, Live)], 3, 1, vec![1]),
        // A person returns twice: what is returned to is no deployment that could fail.
        (vec![deploy(1, Live), deploy(2, Live), Event::Return(1), Event::Return(1)], 2, 1, vec![1]),
        // It could not be taken back: the hotfix recovers it.
        (
            vec![
                deploy(1, Live),
                deploy(2, RollbackFailed),
                deploy(3, RolledBack),
                deploy(4, Live),
            ],
            4,
            2,
            vec![2, 2],
        ),
    ] {
        let found = measured(&events);
        assert_eq!((found.deployments, found.failed), (deployments, failed), "{events:?}");
        assert_eq!(found.recoveries, minutes(&recoveries), "{events:?}");
    }
}

#[test]
fn what_cannot_be_said_is_not_said() {
    let none = measured(&[]);
    assert_eq!(
        (none.per_week(), none.lead_time(), none.failure_rate(), none.recovery()),
        (None, None, None, None)
    );
    let one = measured(&[Event::Deploy(1, DeploymentStatus::Live)]);
    assert_eq!((one.per_week(), one.failure_rate(), one.recovery()), (None, Some(0.0), None));
    let week = Delivery { deployments: 3, between: Some((at(0), at(7 * 24 * 60))), ..one };
    assert_eq!(week.per_week(), Some(3.0));
    assert_eq!(median(&[1, 2, 3, 4]), Some(2));
}
