//! Releases that come to their requests step by step, while they are asked 50 times a second.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use aws_sdk_lambda::Client;
use pact_e2e::{Aws, Repo, Stack};
use serde_json::{Value, json};

use crate::{
    aws_clients::{block_on, config, states_entered},
    deploy::{first_release, url_of},
    functions::{deployable, set_up, with_a_program},
    get, stage, text,
};

/// Time between two requests.
const PACE: Duration = Duration::from_millis(20);

/// Somebody who asks all along.
pub(crate) struct Load {
    ended: Arc<AtomicBool>,
    asking: JoinHandle<Answers>,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) all: u32,
    pub(crate) failed: u32,
}

impl Load {
    pub(crate) fn on(url: &str) -> Self {
        Self::at(format!("{url}/health"))
    }

    pub(crate) fn at(url: String) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let asking = std::thread::spawn(move || {
            let client = reqwest::blocking::Client::new();
            let mut answers = Answers::default();
            let mut next = Instant::now();
            while !over.load(Ordering::Relaxed) {
                let answer = client.get(&url).send();
                answers.all += 1;
                answers.failed += u32::from(!answer.is_ok_and(|answer| answer.status() == 200));
                next = Instant::now().max(next + PACE);
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            answers
        });
        Self { ended, asking }
    }

    pub(crate) fn end(self) -> Answers {
        self.ended.store(true, Ordering::Relaxed);
        self.asking.join().expect("it goes on to its end")
    }
}

/// A tenth and a half of the requests, each watched for a moment, before all.
fn canary(environment: &str) -> String {
    format!(
        "[environments.{environment}]\nstrategy = \"canary\"\n\
         steps = [{{ weight = 10, minutes = 0.08 }}, {{ weight = 50, minutes = 0.02 }}]\n"
    )
}

fn with_canaries(settings: &str) -> String {
    ["staging", "production"].iter().fold(settings.to_owned(), |text, name| {
        text.replace(&format!("[environments.{name}]\n"), &canary(name))
    })
}

/// How often each environment was given requests.
fn steps_of(aws: &Aws, report: &Value) -> usize {
    let states = states_entered(aws, text(report, "/execution_arn"));
    states.iter().filter(|state| *state == "Deploy").count()
}

#[test]
fn a_canary_loses_no_request_and_an_ill_one_no_more_than_its_share() {
    let (repo, stack) = (Repo::shop(), Stack::new());
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("the settings");
    repo.write("pact.toml", &with_canaries(&settings));
    repo.commit("Canaries");
    let first = first_release(&repo, &stack);
    let (running, _) = stack.up();
    let aws = stack.aws();
    assert_eq!(steps_of(&aws, &first), 2, "the first release has everything at once");
    let urls = ["staging", "production"].map(|name| url_of(&first, name));
    let load = urls.each_ref().map(|url| Load::on(url));

    repo.write("version", "two");
    repo.commit("A release that is well");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{report:#}");
    for (url, load) in urls.iter().zip(load) {
        let answers = load.end();
        assert!(answers.all > 100 && answers.failed == 0, "{answers:?}");
        assert_eq!(get(url).as_deref(), Some("two"));
    }
    assert_eq!(steps_of(&aws, &report), 6, "two environments, three steps in each");
    assert_eq!(report["deployments"][1]["weights"], json!([10, 50, 100]), "{report:#}");

    let load = Load::on(&urls[1]);
    repo.write("version", "three").write("health-production", "500 forwarded");
    repo.commit("A release that is ill once it serves");
    let (code, report) = stack.run(repo.path(), &[]);
    let answers = load.end();
    assert_eq!((code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    assert_eq!(report["deployments"][1]["weights"], json!([10]), "{report:#}");
    // A tenth while it was a canary, and nothing before and after.
    assert!(answers.failed > 0 && answers.failed * 8 < answers.all, "{answers:?}");
    assert_eq!(stage(&report, "CheckRestored.production")["status"], "passed");
    for url in &urls {
        assert_eq!(get(url).as_deref(), Some("two"), "the release before answers again");
    }
    eprintln!("an ill canary failed {} of {} requests", answers.failed, answers.all);
    drop(running);
}

/// Every part of the requests that a new version was seen to have, in percent.
fn weights_seen(aws: Aws, over: Arc<AtomicBool>) -> JoinHandle<BTreeSet<u32>> {
    std::thread::spawn(move || {
        block_on(async {
            let lambda = Client::new(&config(&aws).await);
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                let alias = lambda.get_alias().function_name("shop").name("production");
                let alias = alias.send().await.expect("is there");
                let weights = alias.routing_config.and_then(|r| r.additional_version_weights);
                seen.extend(weights.into_iter().flatten().map(|(_, w)| (w * 100.0).round() as u32));
                tokio::time::sleep(PACE).await;
            }
            seen
        })
    })
}

#[test]
fn an_alias_leads_to_a_canary_step_by_step() {
    let (repo, stack) = (Repo::new(), Stack::new());
    let (running, _) = stack.up();
    let aws = stack.aws();
    let kind = with_a_program();
    let urls = set_up(&aws, &kind);
    deployable(&repo, &kind);
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("the settings");
    repo.write("pact.toml", &with_canaries(&settings));
    repo.commit("Open the shop");
    let (code, first) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{first:#}");

    for (release, mode, ends, serves) in [
        ("two", "", "succeeded", "two"),
        // It answers well until it is in production.
        ("three", "500", "rolled_back", "two"),
    ] {
        let over = Arc::new(AtomicBool::new(false));
        let seen = weights_seen(stack.aws(), Arc::clone(&over));
        let load = Load::on(&urls[1]);
        repo.write("dist/release", release).write("dist/mode", mode);
        repo.commit(release);
        let (_, report) = stack.run(repo.path(), &[]);
        let answers = load.end();
        over.store(true, Ordering::Relaxed);
        let seen = seen.join().expect("it goes on to its end");
        assert_eq!(text(&report, "/status"), ends, "{report:#}");
        // A tenth is given up before the half is reached: it lasts until an ill release is seen.
        let (walked, all): (_, &[u32]) =
            if mode == "500" { (json!([10]), &[10]) } else { (json!([10, 50, 100]), &[10, 50]) };
        assert_eq!(report["deployments"][1]["weights"], walked, "{report:#}");
        // Who looks at a busy machine may miss the shorter one.
        assert!(seen.contains(&10) && seen.iter().all(|weight| all.contains(weight)), "{seen:?}");
        assert!(answers.failed * 8 < answers.all, "{answers:?}");
        assert!(mode == "500" || answers.failed == 0, "{answers:?}");
        assert_eq!(get(&urls[1]).as_deref(), Some(serves), "{report:#}");
    }
    drop(running);
}
