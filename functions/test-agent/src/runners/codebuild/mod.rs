//! A build of CodeBuild: the agent plans it, starts it and reads what it left. The commit's code runs
//! there and nowhere else, without anything of the agent's.

mod plan;
mod reports;
mod results;
mod script;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use pact_agent::{
    AgentError,
    builds::{Access, Build, BuildStatus, NewBuild},
    bundle,
};
use pact_config::{
    Rule,
    form::{Form, Shape, field, required},
};
use pact_contract::{ErrorName, settings::Instance};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::{
    plan::{Found, Plan, Settings, line},
    reports::Wanted,
    results::{Results, Step, Steps},
    script::{Signed, Spec},
};
use super::runner::{End, Execution, Kind, Opened, Planned, Progress, Run, Runner, Task};
use crate::{
    capture::{Capture, last_lines},
    collector::Collector,
    locations::Checkout,
    news,
    services::Services,
};

/// This kind of runner.
pub(crate) const KIND: Kind = Kind { name: "codebuild", form, open };

/// Builds of one suite: a build environment that fails is tried again in another.
const ATTEMPTS: u32 = 3;
/// Time of a build beyond that of its tests: for the fetching, and for handing over.
const OVERHEAD: Duration = Duration::from_secs(5 * 60);
/// How long a build may wait for its turn, and an address with it.
const QUEUED: Duration = Duration::from_secs(60 * 60);
/// Largest archive of results that is read.
const RESULTS: u64 = 128 << 20;
/// Exit codes of `timeout` when the time of its command was over.
const OVER: [i32; 2] = [124, 137];
/// Signals that end a process; the shell adds 128.
const SIGNALS: [i32; 12] = [1, 2, 3, 4, 6, 7, 8, 9, 11, 13, 14, 15];

fn form() -> Form {
    Form {
        about: "A build of its own, apart from everything that judges it.".to_owned(),
        fields: vec![
            required(
                "command",
                "Program with arguments, or one line for the shell.",
                Shape::Command,
            ),
            field(
                "directory",
                "Directory to run in, below the repository's root.",
                Shape::Text(Rule::Inside),
            ),
            field("env", "Further environment variables.", Shape::variables()),
        ],
        ..Form::default()
    }
}

fn open(instance: Option<&Instance>, services: &Services) -> Opened {
    let settings = instance.map(Instance::parse::<Settings>).transpose();
    let settings = settings.map_err(|e| format!("the settings of the runner: {e}"))?;
    Ok(Box::new(CodeBuild { settings, services: services.clone() }))
}

struct CodeBuild {
    /// How the suite is run; none: that has to be found out.
    settings: Option<Settings>,
    services: Services,
}

/// How far a suite is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Work {
    plan: Plan,
    /// Counts from one.
    attempt: u32,
    /// The build, once it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    build: Option<String>,
}

impl Work {
    fn read(value: &Value) -> Result<Self, AgentError> {
        Self::deserialize(value)
            .map_err(|e| AgentError::internal(format!("work of another version: {e}")))
    }

    fn write(&self) -> Result<Value, AgentError> {
        serde_json::to_value(self)
            .map_err(|e| AgentError::internal(format!("cannot write down the work: {e}")))
    }

    /// Another try in another environment.
    fn again(self) -> Result<Progress, AgentError> {
        let next = Self { attempt: self.attempt + 1, build: None, ..self };
        tracing::warn!(attempt = next.attempt, "the build is tried again");
        Ok(Progress::Goes(next.write()?))
    }

    /// What tells this attempt of this call from every other.
    fn token(&self, task: &Task<'_>) -> String {
        hex::encode(Sha256::digest(format!("{}#{}", task.call.key, self.attempt)))
    }

    /// Where its results go.
    fn results(&self, task: &Task<'_>) -> String {
        let token = self.token(task);
        let token = token.get(..32).unwrap_or(&token);
        format!("runs/{}/builds/{token}.tar.gz", task.call.scope())
    }
}

#[async_trait]
impl Runner for CodeBuild {
    async fn plan(&self, task: &Task<'_>) -> Result<Planned, AgentError> {
        match plan::plan(self.settings.as_ref(), task).await? {
            Found::Plan(plan) => {
                Ok(Planned::Work(Work { plan: *plan, attempt: 1, build: None }.write()?))
            }
            Found::Nothing(why) => Ok(Planned::Nothing(why)),
        }
    }

    async fn look(
        &self,
        task: &Task<'_>,
        work: &Value,
        collector: &mut Collector<'_>,
    ) -> Result<Progress, AgentError> {
        let mut work = Work::read(work)?;
        let Some(id) = work.build.clone() else {
            work.build = Some(self.start(task, &work).await?);
            return Ok(Progress::Goes(work.write()?));
        };
        let Some(build) = self.services.builds.build(&id).await? else {
            return Err(AgentError::tool(format!("there is no build {id} any more")));
        };
        self.ended(task, work, &build, collector).await
    }

    async fn stop(&self, work: &Value) -> Result<(), AgentError> {
        match Work::read(work)?.build {
            Some(id) => Ok(self.services.builds.stop(&id).await?),
            None => Ok(()),
        }
    }
}

impl CodeBuild {
    async fn start(&self, task: &Task<'_>, work: &Work) -> Result<String, AgentError> {
        let timeout = task.timeout + OVERHEAD;
        let valid = timeout + QUEUED;
        let urls = &self.services.urls;
        let bundle = Signed::new(&urls.signed_url(Access::Get, &task.source.key, valid).await?);
        let results = work.results(task);
        let results = Signed::new(&urls.signed_url(Access::Put, &results, valid).await?);
        let (mut patterns, more) = reports::patterns(task.reports, task.coverage);
        patterns.extend(more);
        let spec = Spec {
            plan: &work.plan,
            seconds: task.timeout.as_secs().max(1),
            bundle: &bundle,
            results: &results,
            patterns: &patterns,
        };
        let mut variables: BTreeMap<String, String> =
            [("CI", "true"), ("PACT", "true")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (name, value) in [
            (script::BUNDLE, Some(bundle.address.as_str())),
            (script::RESULTS, Some(results.address.as_str())),
            (news::RUN, Some(task.call.scope().as_str())),
            (news::STATE, Some(task.call.state.as_str())),
            ("PACT_URL", task.url),
        ] {
            variables.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        }
        // Nobody's builds write what others read: not another repository's, and not those of
        // another branch or of a pull request.
        let cache = format!("{}#{}", task.repository, task.reference.unwrap_or("by-hand"));
        let build = NewBuild {
            token: work.token(task),
            buildspec: spec.text(),
            variables,
            timeout,
            cache: Some(cache),
        };
        Ok(self.services.builds.start(&build).await?)
    }

    /// What came of a build; it may go on.
    async fn ended(
        &self,
        task: &Task<'_>,
        work: Work,
        build: &Build,
        collector: &mut Collector<'_>,
    ) -> Result<Progress, AgentError> {
        let again = work.attempt < ATTEMPTS;
        let begun = build.phase("BUILD").is_some();
        match build.status {
            BuildStatus::InProgress => return Ok(Progress::Goes(work.write()?)),
            BuildStatus::Stopped => {
                return Err(AgentError::tool("the build was stopped by somebody else"));
            }
            BuildStatus::TimedOut if !begun => {
                return Err(AgentError::new(
                    ErrorName::Timeout,
                    format!("the build did not come to the tests: {}", said(build)),
                ));
            }
            BuildStatus::Fault => {
                // What has begun may have had effects: it is repeated only where it is known that
                // the environment went away with its host.
                if again && (!begun || said(build).contains("ended with its host")) {
                    return work.again();
                }
                return Err(AgentError::tool(format!(
                    "the build environment failed: {}",
                    said(build)
                )));
            }
            BuildStatus::Failed if !begun => {
                if again {
                    return work.again();
                }
                return Err(AgentError::tool(format!(
                    "the build could not be prepared: {}",
                    said(build)
                )));
            }
            BuildStatus::TimedOut | BuildStatus::Failed | BuildStatus::Succeeded => {}
        }
        note_protections(build, collector);
        let results = self.results(task, &work, collector).await?;
        judge(task, work, build, results, collector).await.map(Progress::Ended)
    }

    /// What was handed over; none when nothing that can be read was.
    async fn results(
        &self,
        task: &Task<'_>,
        work: &Work,
        collector: &mut Collector<'_>,
    ) -> Result<Option<Results>, AgentError> {
        let key = work.results(task);
        let Some(size) = task.artifacts.size(&key).await? else { return Ok(None) };
        if size > RESULTS {
            let limit = RESULTS >> 20;
            collector.note(format!("the results have {} MiB; at most {limit}", size >> 20));
            return Ok(None);
        }
        let Some(archive) = task.artifacts.get(&key).await? else { return Ok(None) };
        let wanted = Wanted::new(task.reports, task.coverage, &work.plan.directory);
        let read = tokio::task::spawn_blocking(move || {
            let results = results::read(&archive, &wanted);
            (results, wanted.faults)
        });
        let (results, faults) = read
            .await
            .map_err(|e| AgentError::internal("reading the results stopped").caused_by(e))?;
        faults.into_iter().for_each(|fault| collector.note(fault));
        match results {
            Ok(results) => Ok(Some(results)),
            Err(reason) => {
                collector.note(reason);
                Ok(None)
            }
        }
    }
}

/// What the service says of the last phase that was not well.
fn said(build: &Build) -> String {
    let ill = |status: Option<BuildStatus>| status.is_some_and(|s| s != BuildStatus::Succeeded);
    let phases = build.phases.iter().rev();
    let message = phases.filter(|p| ill(p.status)).find_map(|p| p.message.clone());
    message.unwrap_or_else(|| "no reason is given".to_owned())
}

/// Says which protections the environment lacked.
fn note_protections(build: &Build, collector: &mut Collector<'_>) {
    let message = build.phase("PROVISIONING").and_then(|phase| phase.message.as_deref());
    if let Some(without) = message.and_then(|message| message.strip_prefix("without: ")) {
        collector.unprotected(without);
    }
}

async fn judge(
    task: &Task<'_>,
    work: Work,
    build: &Build,
    results: Option<Results>,
    collector: &mut Collector<'_>,
) -> Result<Execution, AgentError> {
    let phase = build.phase("BUILD");
    let succeeded = phase.is_some_and(|phase| phase.status == Some(BuildStatus::Succeeded));
    let attested = phase.and_then(|phase| phase.message.as_deref()).unwrap_or_default();
    let by_itself = succeeded || attested.contains("exit status") || attested.contains("ended by");
    let plan = work.plan;
    let command = line(&plan.command);
    let Some(results) = results else {
        // Without a word of what was run, only what the service itself says counts.
        let end = match build.status {
            BuildStatus::TimedOut => End::TimedOut,
            _ if !by_itself => End::Exceeded(attested.to_owned()),
            _ => {
                return Err(AgentError::tool(format!(
                    "the build handed no results over that can be read: {}",
                    said(build)
                )));
            }
        };
        collector.log(format!("$ {command}\n[{attested}]\n")).await?;
        return Ok(Execution::Ran(Box::new(Run {
            tool: plan.tool,
            command,
            end,
            took: phase.map(|phase| phase.took).unwrap_or_default(),
            captured: Capture::default().finish(),
            checkout: Checkout::default(),
        })));
    };
    let Results { steps, setup, test, junit, coverage, notes } = results;
    notes.into_iter().for_each(|note| collector.note(note));
    let checkout = checkout(task, &plan, steps.root.clone()).await?;
    let unittest = steps.tool.is_some();
    let command = match &plan.without_pytest {
        Some(other) if unittest => line(other),
        _ => command,
    };
    let command = checkout.readable(&command);
    let tool = if unittest { "unittest".to_owned() } else { plan.tool.clone() };
    let setup_text = setup.map(|captured| checkout.readable(&captured.text)).unwrap_or_default();
    let mut log = String::new();
    if let Some(setup) = &plan.setup {
        log.push_str(&format!("$ {}\n{setup_text}\n", line(setup)));
    }
    if let Some(why) = not_run(&steps) {
        collector.log(log).await?;
        return Ok(Execution::NotRun(why));
    }
    if let (Some(setup), Some(Step { code, .. })) = (&plan.setup, &steps.setup)
        && *code != 0
    {
        collector.log(log).await?;
        let output = last_lines(&setup_text, 20, 2_000);
        return Ok(Execution::SetupFailed { tool, command, setup: line(setup), output });
    }
    let took = steps.test.as_ref().and_then(|step| step.took);
    let took = took.or(phase.map(|phase| phase.took)).unwrap_or_default();
    let end = if build.status == BuildStatus::TimedOut {
        End::TimedOut
    } else if !by_itself {
        End::Exceeded(attested.to_owned())
    } else {
        ended(steps.test.as_ref(), succeeded, attested, (took, task.timeout))
    };
    let mut captured = test.unwrap_or_else(|| Capture::default().finish());
    captured.text = checkout.readable(without_end(&captured.text));
    let how = match &end {
        End::Exited(Some(code)) => format!("exit code {code}"),
        End::Exited(None) => "ended by a signal".to_owned(),
        End::TimedOut => "stopped: out of time".to_owned(),
        End::Exceeded(reason) => format!("stopped: {reason}"),
    };
    log.push_str(&format!("$ {command}\n{}\n[{how}]\n", captured.text));
    collector.log(log).await?;
    for (name, content) in junit {
        if !collector.wants_junit() {
            break;
        }
        collector.junit(&name, content);
    }
    for content in coverage {
        if collector.wants_coverage() {
            collector.coverage(content).await?;
        }
    }
    Ok(Execution::Ran(Box::new(Run { tool, command, end, took, captured, checkout })))
}

/// Why the tests were not come to, where the script says so.
fn not_run(steps: &Steps) -> Option<String> {
    if let Some(program) = &steps.missing {
        return Some(format!("the tests were not run: `{program}` is not installed"));
    }
    steps.lacks_pytest.then(|| {
        "the tests need pytest, which python3 cannot import here: install it, or set command in \
         [tests.unit] of pact.toml"
            .to_owned()
    })
}

/// How the tests ended. They passed only where both the service and the script say so.
fn ended(
    step: Option<&Step>,
    succeeded: bool,
    attested: &str,
    (took, timeout): (Duration, Duration),
) -> End {
    let status =
        attested.rsplit_once("exit status ").and_then(|(_, code)| code.trim().parse().ok());
    let code = match step.map(|step| step.code) {
        Some(0) if succeeded => Some(0),
        Some(0) | None => status.filter(|code| *code != 0),
        Some(code) => Some(code),
    };
    match code {
        Some(code) if OVER.contains(&code) && took >= timeout => End::TimedOut,
        Some(code) if SIGNALS.contains(&(code - 128)) => End::Exited(None),
        code => End::Exited(code),
    }
}

/// Output without the line that the script adds.
fn without_end(text: &str) -> &str {
    let text = text.trim_end_matches('\n');
    let (before, last) = text.rsplit_once('\n').unwrap_or(("", text));
    if last.starts_with("[exit code ") { before } else { text }
}

/// What is known of the checkout, as the tools knew it that ran in it.
async fn checkout(
    task: &Task<'_>,
    plan: &Plan,
    root: Option<String>,
) -> Result<Checkout, AgentError> {
    let bytes = bundle::fetch(task.artifacts, task.source).await?;
    let names = tokio::task::spawn_blocking(move || bundle::names(&bytes))
        .await
        .map_err(|e| AgentError::internal("reading the bundle stopped").caused_by(e))??;
    let directory = plan.directory.trim_start_matches("./").trim_end_matches('/');
    let directory = if directory == "." { "" } else { directory };
    Ok(Checkout {
        root: root.unwrap_or_default(),
        directory: directory.to_owned(),
        scratch: vec![plan::REPORTS.to_owned()],
        files: names.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_pass_only_where_the_service_and_the_script_say_so() {
        let minute = Duration::from_secs(60);
        let step = |code| Step { code, took: None };
        let failed = "Error while executing command: run. Reason: exit status 3";
        for (code, succeeded, attested, took, expected) in [
            (Some(0), true, "", 1, End::Exited(Some(0))),
            // Forged by who can write to the results, but not to what the service says.
            (Some(0), false, failed, 1, End::Exited(Some(3))),
            (Some(0), false, "Reason: exit status 0", 1, End::Exited(None)),
            (None, true, "", 1, End::Exited(None)),
            (None, false, failed, 1, End::Exited(Some(3))),
            (Some(1), true, "", 1, End::Exited(Some(1))),
            (Some(124), false, failed, 60, End::TimedOut),
            (Some(124), false, failed, 1, End::Exited(Some(124))),
            (Some(139), false, failed, 1, End::Exited(None)),
            (Some(255), false, failed, 1, End::Exited(Some(255))),
        ] {
            let took = Duration::from_secs(took);
            let end = ended(code.map(step).as_ref(), succeeded, attested, (took, minute));
            assert_eq!(end, expected, "{code:?} {attested}");
        }
    }

    #[test]
    fn the_line_of_the_script_is_no_output_of_the_tests() {
        assert_eq!(without_end("a\nb\n[exit code 1]\n"), "a\nb");
        assert_eq!(without_end("[exit code 0]\n"), "");
        assert_eq!(without_end("a\n"), "a");
    }
}
