//! How long users have an ill release: from the first answer that is wrong to the good release's next one,
//! with default settings, by what is wrong with it and by where it is deployed to.
//!
//! `cargo build --workspace && cargo run -p pact-e2e --example returns -- [TIMES]`. The whole stack is at work,
//! somebody asks 50 times a second all along, and what every answer was, and when, is written down.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot be made should say so at once"
)]

#[path = "../scenarios/aws_clients.rs"]
#[expect(dead_code, unused_imports, reason = "most of it is for scenarios")]
mod aws_clients;
#[path = "../scenarios/functions.rs"]
#[expect(dead_code, unused_imports, reason = "the rest is for scenarios")]
mod functions;

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use aws_sdk_lambda::types::Runtime;
use pact_e2e::{Repo, Stack, binary};
use serde_json::Value;

/// Times that each is measured, where nothing else is said.
const TIMES: usize = 5;
/// What is wrong; whether it is clear, so that the bounds hold; whether the answer itself is wrong.
const KINDS: [(&str, &str, bool); 5] = [
    ("at-once", "500 at once", true),
    ("after-3", "500 after 3 s", true),
    ("fifth", "500 for every fifth", true),
    ("slow", "every tenth a second late", false),
    ("dies", "dies after 3 s", true),
];
/// Longest median and longest of all, of what is clear.
const MEDIAN: Duration = Duration::from_secs(2);
const WORST: Duration = Duration::from_secs(5);
/// Those who ask, and how often each does: 50 requests a second.
const ASKING: usize = 10;
const PACE: Duration = Duration::from_millis(200);
/// An answer that takes longer is as good as none.
const LATE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let times = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(TIMES);
    let mut wrong = false;
    for target in ["directory", "lambda"] {
        // A function whose process ends has another by the next request: that is its host's work.
        let hosted = target == "lambda";
        println!("\n{target}: from the first wrong answer to the good release's next one");
        let world = World::new(target);
        for (kind, what, clear) in KINDS {
            let mut taken: Vec<Measured> = (0..times).map(|_| world.measure(kind)).collect();
            taken.sort_unstable();
            let (median, worst) = (taken[taken.len() / 2], taken[taken.len() - 1]);
            let clear = clear && !(hosted && kind == "dies");
            let right = !clear || median.is_within(MEDIAN) && worst.is_within(WORST);
            wrong |= !right;
            let mark = if right { "" } else { "   << too long" };
            println!("  {what:<28} median {median}, worst {worst}{mark}");
        }
        let mut taken: Vec<Duration> = (0..times).map(|number| world.by_hand(number)).collect();
        taken.sort_unstable();
        let (median, worst) = (taken[taken.len() / 2], taken[taken.len() - 1]);
        let mark = if median < MEDIAN { "" } else { "   << too long" };
        wrong |= median >= MEDIAN;
        println!("  {:<28} median {median:.2?}, worst {worst:.2?}{mark}", "`pactctl rollback`");
    }
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What users had of an ill release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Measured {
    /// No wrong answer.
    Nothing,
    /// Wrong answers for so long.
    Returned(Duration),
    /// So many wrong answers of so many, and the release stayed.
    Kept(usize, usize),
}

impl Measured {
    fn is_within(self, most: Duration) -> bool {
        match self {
            Self::Nothing => true,
            Self::Returned(took) => took < most,
            Self::Kept(..) => false,
        }
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("never wrong"),
            Self::Returned(took) => write!(f, "{:.2} s", took.as_secs_f64()),
            Self::Kept(wrong, all) => write!(f, "kept ({wrong} of {all} wrong)"),
        }
    }
}

/// A repository whose release before is good, and a stack.
struct World {
    repo: Repo,
    stack: Stack,
    url: String,
    _running: pact_e2e::Running,
    /// The file that says how ill a release is, and the one that says which it is.
    ill: &'static str,
    version: &'static str,
}

const TESTS: &str = "[tests.unit]\ncommand = [\"sh\", \"./test.sh\"]\n";
const PROBE: &str = "[[environments.production.health]]\npath = \"/health\"\n";

impl World {
    fn new(target: &str) -> Self {
        let (repo, stack) = (Repo::new(), Stack::new());
        let (running, _) = stack.up();
        let (settings, version, ill) = match target {
            "directory" => {
                let service = binary("fixture-service");
                let command = format!("command = [{:?}]\n", service.display().to_string());
                let target = format!(
                    "[environments.production]\ntarget = \"directory\"\n\
                     [environments.production.service]\n{command}"
                );
                (target, "version", "ill")
            }
            _ => {
                let kind = functions::Kind {
                    runtime: Runtime::Providedal2023,
                    handler: "bootstrap",
                    file: "bootstrap",
                    program: std::fs::read(binary("fixture-bootstrap")).expect("is built"),
                };
                functions::set_up(&stack.aws(), &kind);
                functions::deployable(&repo, &kind);
                let target = "[environments.production]\ntarget = \"lambda\"\nfunction = \"shop\"\n\
                              alias = \"production\"\nartifact = \"dist\"\n";
                (target.to_owned(), "dist/release", "dist/mode")
            }
        };
        repo.write("pact.toml", &format!("{TESTS}{settings}{PROBE}"))
            .write("test.sh", "echo '1 passed'\n")
            .write(version, "good")
            .write(ill, "");
        repo.commit("Good");
        let (code, report) = stack.run(repo.path(), &[]);
        assert_eq!(code, Some(0), "{report:#}");
        let url = report["deployments"][0]["url"].as_str().expect("an address").to_owned();
        Self { repo, stack, url, _running: running, ill, version }
    }

    /// A person's way back from a good release: from the command to the answer of the one before.
    fn by_hand(&self, number: usize) -> Duration {
        self.repo.write(self.ill, "").write(self.version, &format!("next-{number}")).commit("Next");
        let (code, report) = self.stack.run(self.repo.path(), &[]);
        assert_eq!(code, Some(0), "{report:#}");
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let command = ["rollback", "production", "--reason", "it is measured"];
            let asked = scope.spawn(move || self.stack.pactctl(&command));
            while get(&self.url).as_deref() != Some("good") {
                assert!(begun.elapsed() < Duration::from_secs(60), "nothing came back");
                std::thread::sleep(Duration::from_millis(5));
            }
            let took = begun.elapsed();
            let done = asked.join().expect("it ends");
            assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
            took
        })
    }

    /// An ill release, from its push to its end.
    fn measure(&self, kind: &str) -> Measured {
        self.repo.write(self.ill, kind).commit(kind);
        let load = Load::on(&self.url);
        let (_, report) = self.stack.run(self.repo.path(), &["--on-purpose", "it is measured"]);
        std::thread::sleep(Duration::from_secs(1));
        let seen = load.end();
        let wrong = |seen: &&Seen| seen.wrong;
        let Some(first) = seen.iter().find(wrong) else { return Measured::Nothing };
        let status = report["status"].as_str().unwrap_or_default();
        if status == "succeeded" {
            return Measured::Kept(seen.iter().filter(wrong).count(), seen.len());
        }
        assert!(matches!(status, "rolled_back" | "failed"), "{kind}: {report:#}");
        let last = seen.iter().rfind(wrong).unwrap_or(first);
        // The good release serves once nobody gets a wrong answer any more.
        let good = seen.iter().find(|seen| seen.at > last.at).expect("somebody asks to the end");
        let took = good.at - first.at;
        if took > WORST {
            for name in ["TrackBaseline", "CheckHealth", "TrackMetrics", "JudgeRelease"] {
                let stage = stage(&report, &format!("{name}.production"));
                eprintln!("    {kind}: {name}: {}", text(stage, "/summary"));
            }
        }
        Measured::Returned(took)
    }
}

/// One answer.
struct Seen {
    at: Instant,
    wrong: bool,
}

/// Those who ask.
struct Load {
    ended: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    asking: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(url: &str) -> Self {
        let (ended, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let ask = |number: usize| {
            let (over, seen, url) = (Arc::clone(&ended), Arc::clone(&seen), format!("{url}/"));
            std::thread::spawn(move || {
                let client = reqwest::blocking::Client::new();
                std::thread::sleep(PACE * u32::try_from(number).unwrap() / 10);
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let answer = client.get(&url).send();
                    let good = answer.is_ok_and(|answer| answer.status() == 200);
                    let wrong = !good || begun.elapsed() > LATE;
                    seen.lock().unwrap().push(Seen { at: Instant::now(), wrong });
                    std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
                }
            })
        };
        let asking = (0..ASKING).map(ask).collect();
        Self { ended, seen, asking }
    }

    /// What was answered, in the order of the answers.
    fn end(self) -> Vec<Seen> {
        self.ended.store(true, Ordering::Relaxed);
        self.asking.into_iter().for_each(|asking| asking.join().expect("asks to its end"));
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.sort_unstable_by_key(|seen| seen.at);
        seen
    }
}

/// The text of what is at an address.
fn get(url: &str) -> Option<String> {
    reqwest::blocking::get(url).ok()?.text().ok()
}

/// The record of a stage.
fn stage<'r>(report: &'r Value, name: &str) -> &'r Value {
    let stages = report["stages"].as_array().into_iter().flatten();
    stages.into_iter().find(|stage| stage["state"] == name).unwrap_or(&Value::Null)
}

/// A text of a document.
fn text<'r>(document: &'r Value, pointer: &str) -> &'r str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
