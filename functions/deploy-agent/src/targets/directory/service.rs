//! The service of an environment, behind the reverse proxy: a new instance beside the old one, probed
//! before it gets a request, the requests shifted in one step, the old one kept warm.
//!
//! The proxy starts the program and has it as its own; it outlives the agent. Its output goes to
//! `run/<release>/service.log`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use pact_agent::{
    AgentError,
    toolchain::{TOOLCHAIN, is_inherited},
};
use pact_contract::{
    EnvironmentKey, Finding, FindingCode, ReleaseId, Severity, actions::ReleaseRecord, codes,
    run::Apart, shift::WHOLE,
};
use tokio::time::Instant;

use super::{
    layout::Layout,
    log,
    proxy::{self, Asked, FailureKind, Instance, Phase, Proxy, Spec, Weights},
    settings,
};
use crate::names::hash;

/// A service that ends sooner than this was not started.
const SETTLED: Duration = Duration::from_millis(if cfg!(test) { 60 } else { 500 });
/// Time between two looks at an instance that starts.
const LOOK: Duration = Duration::from_millis(15);
/// What an instance may take beyond its own time: its last start, and the proxy's.
const SLACK: Duration = Duration::from_secs(20);
/// A release whose service ended this recently does not run well.
const RECENT: Duration = Duration::from_secs(60);
/// How many times its length a watch may take.
const EXTENDED: u64 = 4;
/// Label with the release of an instance.
const RELEASE: &str = "release";

/// The service of an environment.
pub(crate) struct Served<'a> {
    pub(crate) key: &'a EnvironmentKey,
    pub(crate) layout: &'a Layout,
    pub(crate) proxy: &'a Proxy,
    pub(crate) settings: &'a settings::Service,
}

/// How the start of an instance ended.
pub(crate) enum Started {
    /// It takes requests as soon as it has weight.
    Ready,
    /// It does not run, and nothing was touched for it.
    Failed(Box<Finding>),
}

/// How a change of the shares ended.
pub(crate) enum Shared {
    Done(proxy::Service),
    /// The shares are as they were.
    Refused(Finding),
}

impl Served<'_> {
    /// Its name at the proxy: the same for all its releases.
    pub(crate) fn name(&self) -> String {
        name(self.key, self.layout)
    }

    /// As it stands.
    pub(crate) async fn look(&self) -> Result<Option<proxy::Service>, AgentError> {
        self.proxy.service(&self.name()).await
    }

    /// The instance of a release that takes requests, with its name.
    pub(crate) async fn ready(
        &self,
        release: &ReleaseRecord,
    ) -> Result<Option<String>, AgentError> {
        let id = self.id(&self.spec(release));
        let there = self.look().await?.is_some_and(|service| {
            service.instances.get(&id).is_some_and(|instance| instance.phase == Phase::Ready)
        });
        Ok(there.then_some(id))
    }

    /// Starts the instance of a release beside the others, and waits until it takes requests.
    pub(crate) async fn start(&self, release: &ReleaseRecord) -> Result<Started, AgentError> {
        let name = self.name();
        let spec = self.spec(release);
        let id = self.id(&spec);
        let time = Duration::from_millis(spec.startup_ms + spec.probe_ms);
        let until = Instant::now() + time + SETTLED + SLACK;
        let mut asked = false;
        loop {
            let there = self.look().await?.and_then(|mut service| service.instances.remove(&id));
            match there {
                Some(Instance { phase: Phase::Ready, .. }) => return Ok(Started::Ready),
                // A failure of an attempt before is none of this one.
                Some(Instance { phase: Phase::Failed, failure, .. }) if asked => {
                    let reason = self.failed(release, failure, &spec.log);
                    self.proxy.end_instance(&name, &id, 0).await?;
                    return Ok(Started::Failed(Box::new(reason)));
                }
                // Its name is free when it has ended.
                Some(Instance { phase: Phase::Ending, .. }) => {}
                Some(Instance { phase: Phase::Starting | Phase::Restarting, .. }) => asked = true,
                None | Some(Instance { phase: Phase::Failed, .. }) => {
                    match self.proxy.put_instance(&name, &id, &spec).await? {
                        Asked::Done(_) => asked = true,
                        Asked::Refused(problem) if problem.code == "instance-ending" => {}
                        Asked::Refused(problem) => {
                            return Err(problem.fault("start the release's service"));
                        }
                    }
                }
            }
            if Instant::now() >= until {
                self.proxy.end_instance(&name, &id, 0).await?;
                let reason = self.failed(release, None, &spec.log);
                return Ok(Started::Failed(Box::new(reason)));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives a release this part of the requests, and the others the rest as they had it.
    pub(crate) async fn share(
        &self,
        release: &ReleaseRecord,
        percent: u32,
    ) -> Result<Shared, AgentError> {
        let id = self.id(&self.spec(release));
        let others = self.look().await?.map(|service| service.instances).unwrap_or_default();
        let others = others.into_iter().filter(|(other, i)| *other != id && i.weight > 0);
        // Until the last step somebody has the rest.
        let mut weights: BTreeMap<_, _> = match percent {
            WHOLE => BTreeMap::new(),
            _ => rest(others.map(|(id, i)| (id, i.weight)).collect(), WHOLE - percent),
        };
        if percent > 0 {
            weights.insert(id, percent);
        }
        // Until the release was judged the one before stays warm, however long it is watched.
        let judged = until_judged(release);
        let wanted = Weights {
            weights,
            keep_ms: Some(self.settings.keep_warm_seconds.max(judged).saturating_mul(1000)),
            drain_ms: self.drain_ms(),
        };
        match self.proxy.weigh(&self.name(), &wanted).await? {
            Asked::Done(service) => Ok(Shared::Done(service)),
            Asked::Refused(problem) if problem.code == "port-in-use" => {
                Ok(Shared::Refused(port_in_use(&problem.detail)))
            }
            Asked::Refused(problem) if problem.code == "instance-not-ready" => {
                Ok(Shared::Refused(failure(
                    codes::SERVICE_NOT_RUNNING,
                    format!("the service of {} no longer runs", release.release),
                    "look into its log for why it ended",
                )))
            }
            Asked::Refused(problem) => Err(problem.fault("share the requests")),
        }
    }

    /// Lets every instance go that is none of these releases'.
    pub(crate) async fn let_go(&self, but: &[&ReleaseId]) -> Result<(), AgentError> {
        let Some(service) = self.look().await? else { return Ok(()) };
        for (id, instance) in service.instances {
            let kept = release_of(&instance)
                .is_some_and(|release| but.iter().any(|kept| kept.as_str() == release));
            if !kept && instance.weight == 0 && instance.phase != Phase::Ending {
                self.proxy.end_instance(&self.name(), &id, self.drain_ms()).await?;
            }
        }
        Ok(())
    }

    /// What is wrong with the release, as the proxy has it, that is to have this part of the requests;
    /// and whether it takes them.
    pub(crate) async fn problems(
        &self,
        release: &ReleaseId,
        percent: u32,
    ) -> Result<(Vec<Finding>, bool), AgentError> {
        let problem = |code, message| (vec![failure(code, message, AGAIN)], false);
        let Some(service) = self.look().await? else {
            let message = format!("the service of {release} does not run");
            return Ok(problem(codes::SERVICE_NOT_RUNNING, message));
        };
        let there = service.instances.values().filter(|i| i.phase != Phase::Ending);
        let (mut own, others): (Vec<_>, Vec<_>) =
            there.partition(|instance| release_of(instance) == Some(release.as_str()));
        own.retain(|instance| instance.weight > 0 || percent == 0);
        let sum = |of: &[&Instance]| of.iter().map(|instance| instance.weight).sum::<u32>();
        let (has, rest) = (sum(&own), sum(&others));
        let serving = |instance: &&&Instance| instance.weight > 0;
        if percent >= WHOLE && rest > 0 {
            let other = others.iter().find(serving).and_then(|instance| release_of(instance));
            let message =
                format!("requests go to {}, not to {release} alone", other.unwrap_or("another"));
            return Ok(problem(codes::REQUESTS_ELSEWHERE, message));
        }
        let has = (has * WHOLE).checked_div(has + rest).unwrap_or(0);
        if percent < WHOLE && has.abs_diff(percent) > ROUNDED {
            let message = format!("{has} % of the requests go to {release}, not {percent} %");
            return Ok(problem(codes::REQUESTS_ELSEWHERE, message));
        }
        let Some(instance) = own.first().filter(|_| service.listening) else {
            let message = format!("the service of {release} does not run");
            return Ok(problem(codes::SERVICE_NOT_RUNNING, message));
        };
        let ended = instance.last_end.as_ref().map(|end| (end, instance.restarts));
        let recent = ended
            .filter(|(end, _)| Timestamp::now().duration_since(end.at).unsigned_abs() < RECENT);
        match recent {
            _ if instance.phase != Phase::Ready => {
                let how = ended.map(|(end, times)| {
                    format!("; it ended {times} times by itself, at last with {}", end.how)
                });
                let how = how.unwrap_or_default();
                let message = format!("the service of {release} does not run{how}");
                Ok(problem(codes::SERVICE_NOT_RUNNING, message))
            }
            Some((end, times)) => {
                let message = format!(
                    "the service of {release} ended {times} times by itself and was started again, \
                     at last with {}",
                    end.how
                );
                Ok(problem(codes::SERVICE_RESTARTED, message))
            }
            None => Ok((Vec::new(), true)),
        }
    }

    /// Where two releases are asked each for itself, while both take requests.
    pub(crate) async fn apart(
        &self,
        new: &ReleaseId,
        old: &ReleaseId,
    ) -> Result<Option<Apart>, AgentError> {
        let Some(service) = self.look().await? else { return Ok(None) };
        let of = |release: &ReleaseId| {
            let own = service.instances.values().filter(|instance| {
                instance.phase == Phase::Ready && release_of(instance) == Some(release.as_str())
            });
            // Of one that was started in several ways, what has the requests.
            own.max_by_key(|instance| instance.weight)?.url.clone()
        };
        Ok(of(new).zip(of(old)).map(|(new, old)| Apart { new, old }))
    }

    /// Ends it, with every instance.
    pub(crate) async fn end(&self) -> Result<(), AgentError> {
        self.proxy.end_service(&self.name(), self.drain_ms()).await
    }

    fn drain_ms(&self) -> u64 {
        self.settings.drain_seconds.saturating_mul(1000)
    }

    /// The name of an instance: that of its release, and what it is started with. The same release
    /// with other settings is another instance, which is shifted to like any other.
    fn id(&self, spec: &Spec) -> String {
        let release = spec.labels.get(RELEASE).map(String::as_str).unwrap_or_default();
        // Where its data is, its environment says.
        let named = Spec { data: Vec::new(), ..spec.clone() };
        let text = serde_json::to_string(&named).unwrap_or_default();
        format!("{release}.{:016x}", hash(&text))
    }

    fn spec(&self, record: &ReleaseRecord) -> Spec {
        let settings = self.settings;
        let mut env: BTreeMap<String, String> =
            inherited().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        env.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
        env.extend(settings.env.clone());
        let own = [
            ("PACT_RELEASE", record.release.to_string()),
            ("PACT_COMMIT", record.commit.clone()),
            ("PACT_ENVIRONMENT", self.key.environment.to_string()),
            ("PACT_SHARED", self.layout.shared().to_string_lossy().into_owned()),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let probes = record.settings.health.iter().filter(|probe| probe.path.starts_with('/'));
        let answers = probes.clone().map(|probe| probe.deadline_seconds).max().unwrap_or(0);
        let labels = [
            (RELEASE, record.release.to_string()),
            ("folder", self.layout.marker()),
            ("environment", self.key.environment.to_string()),
            ("repository", self.key.repository.to_string()),
        ];
        Spec {
            command: settings.command.clone(),
            folder: self.layout.release(&record.release),
            env,
            data: vec![self.layout.shared()],
            log: self.layout.notes(&record.release).join("service.log"),
            startup_ms: settings.startup_seconds.saturating_mul(1000),
            probe_ms: answers.min(MAX_PROBING).saturating_mul(1000),
            settle_ms: u64::try_from(SETTLED.as_millis()).unwrap_or(0),
            probes: probes
                .map(|probe| proxy::Probe {
                    path: probe.path.clone(),
                    status: probe.status,
                    contains: probe.contains.clone(),
                    give_up_after: probe.give_up_after,
                })
                .collect(),
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    /// Why an instance is not ready, with the end of its log.
    fn failed(
        &self,
        record: &ReleaseRecord,
        reason: Option<proxy::Failure>,
        file: &Path,
    ) -> Finding {
        let (code, remedy) = match reason.as_ref().map(|reason| reason.kind) {
            Some(FailureKind::NotStarted) => {
                (codes::SERVICE_NOT_STARTED, "correct the service's command")
            }
            Some(FailureKind::Exited) => (
                codes::SERVICE_EXITED,
                "start the service's command by hand in a checkout, with PORT set",
            ),
            Some(FailureKind::ProbeFailed) => (
                codes::SERVICE_UNHEALTHY,
                "start the service by hand in a checkout, and ask for the path of the health probe",
            ),
            Some(FailureKind::NotListening) | None => (
                codes::SERVICE_NOT_LISTENING,
                "let the service listen on the port in the variable PORT, or give it more time with \
                 service.startup_seconds",
            ),
        };
        let why = reason.map_or_else(|| "it is not ready in its time".to_owned(), |r| r.message);
        let message = format!("the service of {}: {why}", record.release);
        Finding { evidence: log::tail(file), ..failure(code, message, remedy) }
    }
}

/// Longest time for the health probes of a new instance, in seconds: an action has 15 minutes.
const MAX_PROBING: u64 = 300;
/// Where programs are looked for when the agent has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Variable with the folders in which services find programs, where they are not those of the agent:
/// it runs nothing of a commit itself and needs no tool.
const SERVICE_PATH: &str = "PACT_SERVICE_PATH";
/// By how much a share may differ from the one that was asked for: the proxy's weights are whole.
const ROUNDED: u32 = 3;
const AGAIN: &str = "deploy the release again, or take it back";

/// The name of an environment's service at the proxy.
fn name(key: &EnvironmentKey, layout: &Layout) -> String {
    format!("{}-{:016x}", key.environment, hash(&layout.marker()))
}

/// Ends the service of an environment, however it was set up; what is not there has ended.
pub(crate) async fn end(
    proxy: &Proxy,
    key: &EnvironmentKey,
    layout: &Layout,
) -> Result<(), AgentError> {
    proxy.end_service(&name(key, layout), settings::DRAIN_SECONDS * 1000).await
}

fn release_of(instance: &Instance) -> Option<&str> {
    instance.labels.get(RELEASE).map(String::as_str)
}

/// How long it may take until a release is judged, in seconds: its steps and its watch, each extended
/// as often as may be.
fn until_judged(record: &ReleaseRecord) -> u64 {
    let settings = &record.settings;
    let steps = settings.shift.steps.iter().map(|step| step.seconds);
    let watch = settings.watch.as_ref().map(|watch| watch.seconds);
    steps.chain(watch).sum::<u64>().saturating_mul(EXTENDED)
}

/// What is left, shared as it was.
fn rest(before: BTreeMap<String, u32>, left: u32) -> BTreeMap<String, u32> {
    let sum: u32 = before.values().sum();
    let share = |weight: u32| (weight.saturating_mul(left)).checked_div(sum).unwrap_or(0);
    before.into_iter().map(|(id, weight)| (id, share(weight).max(1))).collect()
}

/// The variables that a service inherits from the agent: where tools are, and nothing that could be a
/// secret of this installation.
fn inherited() -> Vec<(&'static str, String)> {
    let own = |name: &&'static str| {
        let value = if *name == "PATH" { path() } else { std::env::var(name).ok() };
        Some((*name, value?))
    };
    TOOLCHAIN.iter().filter_map(own).filter(|(n, v)| is_inherited(n, v)).collect()
}

/// Where a service finds programs.
fn path() -> Option<String> {
    [SERVICE_PATH, "PATH"].iter().find_map(|name| std::env::var(name).ok())
}

/// Says so when the program cannot be found: before anything is done for it.
pub(crate) fn missing_program(command: &[String], release: &Path) -> Option<Finding> {
    let name = command.first().map(String::as_str).unwrap_or_default();
    let runnable = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    // A program that is named by a path is below the release.
    let found = if name.contains('/') {
        runnable(&release.join(name))
    } else {
        let path = path().unwrap_or_else(|| DEFAULT_PATH.to_owned());
        std::env::split_paths(&path).any(|folder: PathBuf| runnable(&folder.join(name)))
    };
    (!found).then(|| {
        failure(
            codes::SERVICE_PROGRAM_MISSING,
            format!("the service's program {name:?} is not there or cannot be run"),
            "build it with a build command of the target, or correct the service's command",
        )
    })
}

pub(crate) fn port_in_use(detail: &str) -> Finding {
    failure(
        codes::PORT_IN_USE,
        detail.to_owned(),
        "stop that program, or set another port for the service",
    )
}

fn failure(code: FindingCode, message: String, remedy: &str) -> Finding {
    Finding::new(code, Severity::High, message).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nobody_loses_its_share_to_a_step(
            weights in proptest::collection::vec(1_u32..=100, 1..4),
            left in 1_u32..100,
        ) {
            let before: BTreeMap<_, _> =
                weights.iter().enumerate().map(|(at, w)| (at.to_string(), *w)).collect();
            let after = rest(before.clone(), left);
            prop_assert_eq!(after.len(), before.len());
            let sum: u32 = after.values().sum();
            prop_assert!(after.values().all(|w| *w > 0) && sum.abs_diff(left) <= 3, "{:?}", after);
        }
    }
}
