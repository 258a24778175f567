//! Many pushes, and deaths at random moments.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use pact_contract::{RepositoryName, RunStatus, room::Limits};

use super::*;
use crate::{reconciler::reconcile, testing::status};

/// Numbers by a seed (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

fn register(world: &World, repositories: usize) {
    let mut state = world.state();
    let entry = state.registry.values().next().cloned().unwrap();
    for number in 0..repositories {
        let mut entry = entry.clone();
        entry.name = format!("acme/r{number}").parse().unwrap();
        state.registry.insert(entry.name.clone(), entry);
    }
}

/// A push of a branch of a repository, whose commit is numbered.
fn event(repository: usize, branch: &str, commit: usize) -> Value {
    let mut event = push_event('2');
    event["ref"] = json!(format!("refs/heads/{branch}"));
    event["after"] = json!(format!("{:040x}", commit + 1));
    event["head_commit"]["id"] = event["after"].clone();
    event["repository"]["full_name"] = json!(format!("acme/r{repository}"));
    event
}

/// Everything that an execution tells when it ends.
fn ended(id: &str) -> Value {
    json!({
        "detail-type": "Step Functions Execution Status Change",
        "detail": { "name": id, "status": "SUCCEEDED" },
    })
}

/// The state machine writes the end of a run.
fn finish(world: &World, id: &str) {
    let mut state = world.state();
    if let Some(run) = state.runs.get_mut(id).filter(|run| !run.status.is_final()) {
        run.status = RunStatus::Succeeded;
    }
    state.states.insert(id.to_owned(), status("SUCCEEDED"));
}

fn of_status(world: &World, status: RunStatus) -> Vec<String> {
    let state = world.state();
    let runs = state.runs.values().filter(|run| run.status == status);
    runs.map(|run| run.request.run_id.to_string()).collect()
}

async fn pass(world: &Arc<World>) {
    // Whoever had it before has died.
    world.state().pass.0 = false;
    reconcile(&world.ports(), json!({ "pass": {} })).await.unwrap();
}

/// Ends every run that goes on, and those that begin then, until there is none.
async fn drain(world: &Arc<World>) {
    loop {
        let going = of_status(world, RunStatus::Running);
        if going.is_empty() && of_status(world, RunStatus::Queued).is_empty() {
            return;
        }
        assert!(!going.is_empty(), "runs wait, and none goes on");
        for id in going {
            finish(world, &id);
            reconcile(&world.ports(), ended(&id)).await.unwrap();
        }
    }
}

/// How many, unless the variable says otherwise: the gate has little time.
fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Ten thousand runs by `PACT_QUEUE=10000`.
#[tokio::test]
async fn a_long_queue_begins_in_order_and_little_of_it_is_read_at_once() {
    const REPOSITORIES: usize = 10;
    let queued = number("PACT_QUEUE", 600);
    let world = World::new();
    register(&world, REPOSITORIES);
    let limits = Limits { runs: 20, per_repository: 3 };
    world.state().limits = limits;
    let gateway = world.gateway();
    for number in 0..queued {
        let event = event(number % REPOSITORIES, &format!("b{number}"), number);
        let (status, body) = send(&gateway, push(&format!("d-{number}"), &event)).await;
        assert_eq!(status, 202, "{body}");
    }
    let places: BTreeMap<String, (RepositoryName, usize)> = {
        let state = world.state();
        let number = |commit: &str| usize::from_str_radix(commit, 16).unwrap() - 1;
        let runs = state.runs.values().map(|run| &run.request);
        runs.map(|r| (r.run_id.to_string(), (r.repository.name.clone(), number(&r.commit))))
            .collect()
    };
    let mut begun: BTreeMap<RepositoryName, Vec<usize>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut rounds = 0;
    loop {
        let going = of_status(&world, RunStatus::Running);
        assert!(going.len() <= limits.runs, "{} at once", going.len());
        let mut of = BTreeMap::new();
        let mut new = Vec::new();
        for id in &going {
            let (repository, number) = &places[id];
            *of.entry(repository).or_insert(0) += 1;
            if seen.insert(id.clone()) {
                new.push((repository.clone(), *number));
            }
        }
        assert!(of.values().all(|count| *count <= limits.per_repository), "{of:?}");
        new.sort();
        for (repository, number) in new {
            begun.entry(repository).or_default().push(number);
        }
        if going.is_empty() {
            break;
        }
        for id in going {
            finish(&world, &id);
            reconcile(&world.ports(), ended(&id)).await.unwrap();
        }
        rounds += 1;
        assert!(rounds <= queued, "it comes to no end");
    }
    assert_eq!(seen.len(), queued);
    assert_eq!(world.state().executions.len(), queued);
    assert!(begun.values().all(|order| order.is_sorted()), "each in its order");
    let largest = world.state().largest;
    assert!(largest <= 50, "{largest} entries were read at once");
    eprintln!(
        "{queued} runs of {REPOSITORIES} repositories began in order, in {rounds} rounds; at most \
               {largest} entries were read at once"
    );
}

/// What became of a push as its sender knows it.
#[derive(Default)]
struct Told {
    answered: bool,
}

/// A mixed load by a seed, of which every step may be killed at any call to the outside.
async fn story(seed: u64, kills: &mut usize) {
    let world = World::new();
    let mut seeded = Seeded(seed);
    register(&world, 4);
    world.state().limits = Limits { runs: 3, per_repository: 2 };
    let mut told: BTreeMap<(usize, String, usize), Told> = BTreeMap::new();
    let gateway = world.gateway();
    for step in 0..24 {
        if seeded.below(2) == 0 {
            world.kill_after(seeded.below(24));
        }
        let what = seeded.below(10);
        let answered = match what {
            0..=5 => {
                // Some of them are told again.
                let again = seeded.below(4) == 0;
                let known = told.keys().nth(seeded.below(told.len().max(1))).cloned();
                let key = known
                    .filter(|_| again)
                    .unwrap_or_else(|| (seeded.below(4), format!("b{}", seeded.below(3)), step));
                told.entry(key.clone()).or_default();
                let event = event(key.0, &key.1, key.2);
                let delivery = format!("d-{}-{}-{}", key.0, key.1, key.2);
                let answer = world.or_killed(send(&gateway, push(&delivery, &event))).await;
                if let Some((status, body)) = &answer {
                    assert_eq!(*status, 202, "seed {seed}: {body}");
                    told.entry(key).or_default().answered = true;
                }
                answer.is_some()
            }
            6..=7 => {
                let going = of_status(&world, RunStatus::Running);
                match going.get(seeded.below(going.len().max(1))) {
                    Some(id) => {
                        finish(&world, id);
                        let ports = world.ports();
                        world.or_killed(reconcile(&ports, ended(id))).await.is_some()
                    }
                    None => true,
                }
            }
            8 => {
                let open: Vec<_> = [RunStatus::Running, RunStatus::Queued]
                    .iter()
                    .flat_map(|status| of_status(&world, *status))
                    .collect();
                match open.get(seeded.below(open.len().max(1))) {
                    Some(id) => {
                        let path = format!("/v1/runs/{id}/cancel");
                        let body = r#"{"by":"Ada","reason":"not wanted"}"#;
                        world.or_killed(send(&gateway, api("POST", &path, body))).await.is_some()
                    }
                    None => true,
                }
            }
            _ => {
                world.state().pass.0 = false;
                let ports = world.ports();
                world.or_killed(reconcile(&ports, json!({ "pass": {} }))).await.is_some()
            }
        };
        *kills += usize::from(!answered);
        world.kill_nothing();
    }
    // One pass, and nothing is left that nobody looks after.
    pass(&world).await;
    {
        let state = world.state();
        let room: BTreeSet<_> = state.room.0.runs().cloned().collect();
        for (id, run) in &state.runs {
            match run.status {
                RunStatus::Running => {
                    assert!(
                        state.executions.contains_key(id.as_str()),
                        "seed {seed}: {id} is a zombie"
                    );
                    assert!(room.contains(id), "seed {seed}: {id} goes on without room");
                }
                RunStatus::Queued => {
                    let queue = state.queued.get(&run.request.repository.name);
                    let waits =
                        queue.is_some_and(|queue| queue.iter().any(|(_, other)| other == id));
                    assert!(waits, "seed {seed}: {id} waits nowhere");
                }
                _ => assert!(!room.contains(id), "seed {seed}: {id} has ended and has room"),
            }
        }
        assert!(room.len() <= 3, "seed {seed}: {room:?}");
    }
    drain(&world).await;
    pass(&world).await;
    let state = world.state();
    let mut of: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for run in state.runs.values() {
        assert!(run.status.is_final(), "seed {seed}");
        let request = &run.request;
        let key =
            (request.repository.name.to_string(), request.branch.clone(), request.commit.clone());
        *of.entry(key).or_default() += 1;
        assert_ne!(run.status, RunStatus::Failed, "seed {seed}");
    }
    for ((repository, branch, commit), told) in &told {
        let key = (format!("acme/r{repository}"), branch.clone(), format!("{:040x}", commit + 1));
        let runs = of.get(&key).copied().unwrap_or(0);
        assert!(runs == 1 || runs == 0 && !told.answered, "seed {seed}: {key:?} has {runs} runs");
    }
    assert!(state.room.0.is_empty(), "seed {seed}");
    assert!(state.queued.values().all(BTreeSet::is_empty), "seed {seed}");
}

/// So many stories; more of them by `PACT_KILLS`.
#[tokio::test]
async fn whoever_is_killed_at_whatever_moment_loses_nothing_and_doubles_nothing() {
    let wanted = number("PACT_KILLS", 200);
    let (begin, mut kills, mut stories) = (Instant::now(), 0, 0);
    while kills < wanted {
        story(stories, &mut kills).await;
        stories += 1;
        assert!(
            stories < 100_000 && begin.elapsed() < Duration::from_secs(600),
            "{kills} kills only"
        );
    }
    eprintln!(
        "{kills} kills in {stories} stories: nothing lost, nothing doubled, no zombie after a pass"
    );
}
