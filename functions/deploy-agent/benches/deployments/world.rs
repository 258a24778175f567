//! The agent, asked as the state machine asks it, with its ports in memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pact_agent::{
    adapter,
    bundle::Packer,
    ports::{Artifacts, Environments},
    testing::Memory,
};
use pact_contract::{
    Deployment, EnvironmentKey, IntentEnvelope, ReleaseId, Repository, ResponseEnvelope,
    StageStatus,
    actions::{CheckStatus, Deploy, Rollback, SourceRef},
    envelope::Context,
    settings::{Environment, Instance, Probe},
    shift::{Shift, WHOLE},
};
use pact_deploy_agent::{Aws, Config, DeployAgent};
use serde::Serialize;
use serde_json::Value;

use crate::{
    REQUESTS, RETURN, STEP, Table,
    load::{Answers, Load, many},
    strategies,
};

/// The environment of all deployments.
fn key() -> EnvironmentKey {
    "acme/web#production".parse().unwrap()
}

pub(crate) struct World {
    pub(crate) memory: Arc<Memory>,
    agent: DeployAgent,
    /// What is in a release.
    pack: fn(&mut Packer, &str, &str),
}

/// What became of an action.
pub(crate) struct Done {
    pub(crate) passed: bool,
    pub(crate) summary: String,
    pub(crate) deployment: Deployment,
    pub(crate) took: Duration,
}

impl World {
    /// `pack` puts into a release what it consists of, by its name and its behaviour.
    pub(crate) fn new(config: Config, aws: Option<Aws>, pack: fn(&mut Packer, &str, &str)) -> Self {
        let memory = Memory::new();
        let artifacts: Arc<dyn Artifacts> = Arc::<Memory>::clone(&memory);
        let environments: Arc<dyn Environments> = Arc::<Memory>::clone(&memory);
        let agent = DeployAgent::new(config, environments, artifacts);
        let agent = match aws {
            Some(aws) => agent.with_aws(aws),
            None => agent,
        };
        Self { memory, agent, pack }
    }

    async fn act(&self, action: &str, run: &str, parameters: impl Serialize) -> Done {
        let Value::Object(parameters) = serde_json::to_value(parameters).unwrap() else {
            panic!("parameters are an object")
        };
        let context = Context {
            run_id: Some(run.parse().unwrap()),
            state: Some("State".parse().unwrap()),
            ..Context::default()
        };
        let now = jiff::Timestamp::now();
        let intent = IntentEnvelope::new("pact.pipeline", now, action, parameters, context);
        let intent = serde_json::to_value(intent).unwrap();
        let begun = Instant::now();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(300);
        let answer = adapter::handle(&self.agent, &self.memory.recording(), intent, deadline).await;
        let took = begun.elapsed();
        let answer = answer.unwrap_or_else(|error| panic!("{action}: {}", error.chain()));
        let answer: ResponseEnvelope = serde_json::from_value(answer).unwrap();
        Done {
            passed: answer.response.status == StageStatus::Passed,
            summary: answer.response.summary,
            deployment: serde_json::from_value(answer.response.output).unwrap(),
            took,
        }
    }

    /// One step of a deployment.
    pub(crate) async fn step(
        &self,
        release: &str,
        behaviour: &str,
        settings: &Environment,
        weight: u32,
    ) -> Done {
        let mut packer = Packer::new();
        (self.pack)(&mut packer, release, behaviour);
        let source = format!("sources/{release}");
        self.memory.put(&source, packer.finish().unwrap()).await.unwrap();
        let wanted = Deploy {
            repository: repository(),
            release: release.parse().unwrap(),
            source: SourceRef { key: source, commit: format!("c-{release}") },
            environment: Some(key().environment),
            settings: settings.clone(),
            origin: None,
            built: Vec::new(),
            weight: Some(weight),
        };
        self.act("deploy.to_production", &run(release), wanted).await
    }

    /// A whole deployment, judged good: the time that the agent was at work, without the steps' own.
    pub(crate) async fn deploy(&self, release: &str, settings: &Environment) -> (Duration, String) {
        let mut took = Duration::ZERO;
        let steps = settings.shift.steps.iter().map(|step| step.weight).chain([WHOLE]);
        let mut url = None;
        for weight in steps {
            let done = self.step(release, "well", settings, weight).await;
            assert!(done.passed, "{}", done.summary);
            took += done.took;
            url = done.deployment.url;
            if done.deployment.weight == Some(WHOLE) {
                break;
            }
            tokio::time::sleep(STEP).await;
        }
        self.memory.judge_good(&key(), &run(release).parse().unwrap());
        self.end(release).await;
        (took, url.unwrap_or_default())
    }

    pub(crate) async fn status(&self, release: &str, settings: &Environment) -> Done {
        let release: ReleaseId = release.parse().unwrap();
        let run = run(release.as_str());
        let wanted = CheckStatus {
            repository: repository(),
            environment: key().environment,
            release: Some(release),
            settings: settings.clone(),
        };
        self.act("deploy.check_status", &run, wanted).await
    }

    pub(crate) async fn roll_back(&self, release: &str, settings: &Environment) -> Done {
        let wanted = Rollback {
            repository: repository(),
            environment: key().environment,
            release: release.parse().unwrap(),
            settings: settings.clone(),
            why: None,
            to: None,
        };
        self.act("deploy.rollback", &run(release), wanted).await
    }

    /// The run of a release is over.
    pub(crate) async fn end(&self, release: &str) {
        self.memory.unlock(&key(), &run(release).parse().unwrap()).await.unwrap();
    }
}

fn run(release: &str) -> String {
    format!("run-{release}")
}

fn repository() -> Repository {
    Repository {
        name: key().repository,
        url: "https://git.example/acme/web".to_owned(),
        default_branch: "main".to_owned(),
    }
}

/// An environment with a target, probed at `/health`.
pub(crate) fn environment(kind: &str, target: Value) -> Environment {
    Environment {
        target: Instance::with(kind, target).unwrap(),
        health: vec![Probe { path: "/health".to_owned(), deadline_seconds: 5, ..Probe::default() }],
        approval: None,
        watch: None,
        shift: Shift::default(),
        freeze: Vec::new(),
        no_return: None,
        wave_of: None,
    }
}

/// Deployments of each strategy under load; then the way back; then the shares. Returns the times of
/// those at once.
pub(crate) async fn strategies_under_load(
    table: &mut Table,
    count: usize,
    world: &World,
    settings: &Environment,
) -> Vec<Duration> {
    let (_, url) = world.deploy("r-0", settings).await;
    let mut at_once = Vec::new();
    for (strategy, shift) in strategies() {
        let settings = Environment { shift, ..settings.clone() };
        let (mut times, mut all) = (Vec::new(), Answers::default());
        let load = Load::on(&url);
        for number in 0..count {
            times.push(world.deploy(&format!("{strategy}-{number}"), &settings).await.0);
        }
        let answers = load.end().await;
        all.failed += answers.failed;
        table.row(
            &format!("{count} deployments, {strategy}"),
            &answers.text(),
            all.failed == 0 && answers.releases.len() >= count,
        );
        if at_once.is_empty() {
            at_once = times;
        }
    }
    returned(table, count, world, settings, &url).await;
    shared(table, world, settings, &url).await;
    at_once
}

/// The way back to a release that is warm.
async fn returned(
    table: &mut Table,
    count: usize,
    world: &World,
    settings: &Environment,
    url: &str,
) {
    let (mut times, load) = (Vec::new(), Load::on(url));
    for number in 0..count {
        let release = format!("taken-back-{number}");
        let done = world.step(&release, "well", settings, WHOLE).await;
        assert!(done.passed, "{}", done.summary);
        let back = world.roll_back(&release, settings).await;
        assert!(back.passed, "{}", back.summary);
        times.push(back.took);
        world.end(&release).await;
    }
    let answers = load.end().await;
    table.times(&format!("{count} returns to a warm release"), times, Some(RETURN));
    table.row("meanwhile", &answers.text(), answers.failed == 0);
}

/// How exactly the requests are shared.
async fn shared(table: &mut Table, world: &World, settings: &Environment, url: &str) {
    let mut settings = settings.clone();
    for weight in [5, 10, 50] {
        let release = format!("shared-{weight}");
        settings.shift = strategies().remove(1).1;
        let done = world.step(&release, "well", &settings, weight).await;
        assert!(done.passed, "{}", done.summary);
        let answers = many(url, REQUESTS).await;
        let got = answers.releases.get(&release).copied().unwrap_or(0);
        let got = got as f64 * 100.0 / answers.asked as f64;
        table.row(
            &format!("{weight} % of {} requests", answers.asked),
            &format!("{got:.2} %; {} failed", answers.failed),
            answers.failed == 0 && (got - f64::from(weight)).abs() <= crate::OFF,
        );
        let back = world.roll_back(&release, &settings).await;
        assert!(back.passed, "{}", back.summary);
        world.end(&release).await;
    }
}
