//! A workflow of GitHub Actions: begun by `workflow_dispatch`, looked after by its API, its artifacts
//! and logs read as what a build hands over. Nothing of it is run, or trusted, here.
//!
//! The workflow has the input `pact`, and shows it in its `run-name`: so its event finds the state
//! that waits for it, and a workflow that was begun, and of which nobody could write down that it was,
//! is found again instead of being begun twice. What is to be begun is written down first.

mod api;
mod archive;
mod build;
mod ended;
mod settings;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use pact_agent::AgentError;
use pact_contract::{ErrorName, RepositoryName, correlation::Correlation, settings::Instance};
use pact_hosts::{Found, Purpose};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::{
    api::{Answer, Api, Later, Refused},
    ended::Stopped,
    settings::{NAME, Settings, form, part},
};
use super::runner::{
    Built, Ended, Execution, Kind, Opened, Planned, Progress, Release, Runner, Task,
};
use crate::{collector::Collector, services::Services};

/// This kind of runner.
pub(crate) const KIND: Kind = Kind { name: NAME, form, open };

/// The git host, as the registry names it.
const HOST: &str = "github";
/// How long a workflow may wait for a machine.
const QUEUED: SignedDuration = SignedDuration::from_hours(1);
/// Time of a workflow beyond that of its tests: for the checkout, and for handing over.
const OVERHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How long a workflow that was begun may be missing from the list.
const LISTED: SignedDuration = SignedDuration::from_mins(10);
/// How far the clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(2);
/// When one that was begun is looked for first.
const SOON: SignedDuration = SignedDuration::from_secs(3);

fn open(instance: Option<&Instance>, services: &Services) -> Opened {
    let settings = instance.map(Instance::parse::<Settings>).transpose();
    let settings = settings.map_err(|e| format!("the settings of the runner: {e}"))?;
    let settings = settings.unwrap_or_default();
    let name = settings.workflow();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !plain || name.len() > 100 || !(name.ends_with(".yml") || name.ends_with(".yaml")) {
        return Err(format!("the workflow {name:?} is no name of a file in .github/workflows"));
    }
    Ok(Box::new(GitHubActions { settings, services: services.clone() }))
}

struct GitHubActions {
    settings: Settings,
    services: Services,
}

/// How far a workflow is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Work {
    repository: RepositoryName,
    /// What is begun: the branch or tag.
    reference: String,
    /// The value of the input `pact`.
    pact: String,
    /// When it was begun, or is about to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<Timestamp>,
    /// Whether GitHub took it, without a word about which run it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    taken: bool,
    /// The workflow's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workflow_run: Option<u64>,
    /// Since when it is known to go on, rather than to wait for a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// Nothing is asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
}

impl Work {
    fn read(value: &Value) -> Result<Self, AgentError> {
        Self::deserialize(value)
            .map_err(|e| AgentError::internal(format!("work of another version: {e}")))
    }

    fn goes(self) -> Result<Progress, AgentError> {
        serde_json::to_value(self)
            .map(Progress::Goes)
            .map_err(|e| AgentError::internal(format!("cannot write down the work: {e}")))
    }

    fn waits(self, later: &Later) -> Result<Progress, AgentError> {
        tracing::warn!(why = later.why, until = %later.until, "GitHub is asked again later");
        Self { not_before: Some(later.until), ..self }.goes()
    }
}

/// Whether a repository's API may be asked.
enum Access {
    Open(Api),
    /// It may not, for this reason.
    Closed(String),
}

#[async_trait]
impl Runner for GitHubActions {
    async fn plan(&self, task: &Task<'_>) -> Result<Planned, AgentError> {
        let nothing = |why: String| {
            let why = if release(task).is_some() {
                why
            } else {
                format!("the tests were not run: {why}")
            };
            Ok(Planned::Nothing(Execution::NotRun(why)))
        };
        if let Some(why) = task.skip {
            return Ok(Planned::Nothing(Execution::NotRun(why.to_owned())));
        }
        let reference = match branch(task.reference) {
            Ok(reference) => reference,
            Err(why) => return nothing(why),
        };
        if let Access::Closed(why) = self.access(task.repository).await? {
            return nothing(why);
        }
        let built = release(task).map_or("", |release| release.id.as_str());
        let key = format!("{}#{}{built}", task.call.key, task.name);
        let token = hex::encode(Sha256::digest(key));
        let correlation = Correlation {
            run_id: task.call.scope(),
            state: task.call.state.clone(),
            token: token.get(..16).unwrap_or(&token).to_owned(),
        };
        let work = Work {
            repository: task.repository.clone(),
            reference,
            pact: correlation.to_string(),
            begun: None,
            taken: false,
            workflow_run: None,
            since: None,
            not_before: None,
        };
        match work.goes()? {
            Progress::Goes(work) => Ok(Planned::Work(work)),
            Progress::Ended(_) => Err(AgentError::internal("work that has not begun has ended")),
        }
    }

    async fn look(
        &self,
        task: &Task<'_>,
        work: &Value,
        collector: &mut Collector<'_>,
    ) -> Result<Progress, AgentError> {
        let mut work = Work::read(work)?;
        let now = Timestamp::now();
        let Some(begun) = work.begun else {
            return Work { begun: Some(now), ..work }.goes();
        };
        self.in_time(task, begun, now)?;
        if work.not_before.is_some_and(|until| now < until) {
            return work.goes();
        }
        work.not_before = None;
        let api = match self.access(task.repository).await? {
            Access::Open(api) => api,
            Access::Closed(why) => return Ok(not_run(task, &why)),
        };
        match work.workflow_run {
            None => self.begin(task, &api, work, begun).await,
            Some(id) => self.goes_on(task, &api, (work, id), collector).await,
        }
    }

    async fn stop(&self, work: &Value) -> Result<(), AgentError> {
        let work = Work::read(work)?;
        let Some(begun) = work.begun else { return Ok(()) };
        let api = match self.access(&work.repository).await? {
            Access::Open(api) => api,
            Access::Closed(why) => return Err(AgentError::tool(why)),
        };
        let ids = match work.workflow_run {
            Some(id) => vec![id],
            None => match self.find(&api, &work, begun).await {
                Answer::Is(ids) => ids,
                Answer::Later(Later { why, .. }) => return Err(outage(why)),
                // There is no such workflow: none was begun.
                Answer::Refused(_) => Vec::new(),
            },
        };
        for id in ids {
            if let Answer::Later(Later { why, .. }) = cancel(&api, id).await {
                return Err(outage(why));
            }
        }
        Ok(())
    }
}

impl GitHubActions {
    async fn access(&self, name: &RepositoryName) -> Result<Access, AgentError> {
        let entry = self.services.registry.repository(name).await?;
        let settings = entry.and_then(|entry| entry.statuses).filter(|s| s.host == HOST);
        let Some(settings) = settings else {
            return Ok(Access::Closed(format!(
                "the runner github-actions asks GitHub with the token by which {name} shows its \
                 statuses, and it is not registered to show any: `pactctl repos add {name} ADDRESS \
                 --statuses`"
            )));
        };
        let (api, purpose) = (Some(&*settings.api), Purpose::Workflows);
        let tokens = Arc::clone(&self.services.tokens);
        let lease = tokens.lease(name, api, purpose).await?;
        match lease.found() {
            Found::Given(_) | Found::Lent(_) => {}
            Found::Later { why, .. } => return Err(outage(why.clone())),
            Found::Missing(why) => return Ok(Access::Closed(why.clone())),
        }
        let client = self.services.hosts.get()?;
        Ok(Access::Open(Api::new(client, &settings.api, name, (tokens, lease))))
    }

    /// # Errors
    /// It takes longer than it may, with every wait.
    fn in_time(&self, task: &Task<'_>, begun: Timestamp, now: Timestamp) -> Result<(), AgentError> {
        let limit = QUEUED + OVERHEAD + OVERHEAD + duration(task.timeout);
        if now.duration_since(begun) <= limit {
            return Ok(());
        }
        let workflow = self.settings.workflow();
        let minutes = limit.as_mins();
        Err(AgentError::new(
            ErrorName::Timeout,
            format!(
                "the workflow {workflow} came to no end, or could not be read, in {minutes} minutes"
            ),
        ))
    }

    /// Finds the workflow's run, or begins it.
    async fn begin(
        &self,
        task: &Task<'_>,
        api: &Api,
        work: Work,
        begun: Timestamp,
    ) -> Result<Progress, AgentError> {
        // It may have been begun before, and whoever did it have ended before it could say so.
        let ids = match self.find(api, &work, begun).await {
            Answer::Is(ids) => ids,
            Answer::Later(later) => return work.waits(&later),
            Answer::Refused(refused) => return Ok(not_run(task, &self.refused(&refused))),
        };
        let mut ids = ids.into_iter();
        if let Some(first) = ids.next() {
            for twin in ids {
                cancel(api, twin).await;
            }
            return Work { workflow_run: Some(first), ..work }.goes();
        }
        let now = Timestamp::now();
        if !work.taken {
            return self.dispatch(task, api, work).await;
        }
        if now.duration_since(begun) > LISTED {
            return Err(AgentError::tool(format!(
                "GitHub began the workflow {} and lists no run of it: let its run-name have \
                 ${{{{ inputs.pact }}}} in it",
                self.settings.workflow()
            )));
        }
        let until = now.checked_add(SOON).unwrap_or(now);
        Work { not_before: Some(until), ..work }.goes()
    }

    async fn dispatch(
        &self,
        task: &Task<'_>,
        api: &Api,
        work: Work,
    ) -> Result<Progress, AgentError> {
        let mut inputs = json!({ "pact": work.pact });
        if let Some(inputs) = inputs.as_object_mut() {
            inputs.extend(self.settings.line().map(|line| ("command".to_owned(), line.into())));
            inputs.extend(task.url.map(|url| ("url".to_owned(), url.into())));
        }
        let path = format!("/actions/workflows/{}/dispatches", self.settings.workflow());
        let mut body =
            json!({ "ref": work.reference, "inputs": inputs, "return_run_details": true });
        let mut answer = api.post(&path, &body).await;
        // An enterprise server that does not know how to say which run it is refuses the question.
        if let Answer::Refused(Refused { status: 400, .. }) = &answer
            && let Some(body) = body.as_object_mut()
        {
            body.remove("return_run_details");
            answer = api.post(&path, &json!(body)).await;
        }
        match answer {
            Answer::Is(said) => {
                let id = said.get("workflow_run_id").and_then(Value::as_u64);
                Work { taken: true, workflow_run: id, ..work }.goes()
            }
            Answer::Later(later) => work.waits(&later),
            Answer::Refused(refused) => Ok(not_run(task, &self.refused(&refused))),
        }
    }

    /// Runs of the workflow that were begun for this work, the first one first.
    async fn find(&self, api: &Api, work: &Work, begun: Timestamp) -> Answer<Vec<u64>> {
        let since = begun.checked_sub(SKEW).unwrap_or(begun);
        let path = format!(
            "/actions/workflows/{}/runs?event=workflow_dispatch&per_page=100&created=%3E%3D{}",
            self.settings.workflow(),
            since.strftime("%Y-%m-%dT%H:%M:%SZ")
        );
        let list = match api.get(&path).await {
            Answer::Is(list) => list,
            Answer::Later(later) => return Answer::Later(later),
            Answer::Refused(refused) => return Answer::Refused(refused),
        };
        let runs = list.get("workflow_runs").and_then(Value::as_array);
        let own = |run: &&Value| {
            let title = run.get("display_title").and_then(Value::as_str).unwrap_or_default();
            Correlation::find(title).is_some_and(|found| found.to_string() == work.pact)
        };
        let ids = runs.into_iter().flatten().filter(own);
        let mut ids: Vec<u64> = ids.filter_map(|run| run.get("id")?.as_u64()).collect();
        ids.sort_unstable();
        Answer::Is(ids)
    }

    /// What a refusal to begin means, for people.
    fn refused(&self, refused: &Refused) -> String {
        let workflow = self.settings.workflow();
        let why = &refused.why;
        match refused.status {
            401 => format!("{why}; the repository's token is not valid, or no longer"),
            403 => format!("{why}; the repository's token needs the permission to write actions"),
            404 => format!(
                "{why}; there is no workflow {workflow} on the default branch, or the repository's \
                 token does not see it"
            ),
            422 => format!(
                "{why}; {workflow} has to be begun by workflow_dispatch with the input pact, and \
                 command where there is one"
            ),
            _ => why.clone(),
        }
    }

    /// Looks after a workflow that was begun.
    async fn goes_on(
        &self,
        task: &Task<'_>,
        api: &Api,
        (work, id): (Work, u64),
        collector: &mut Collector<'_>,
    ) -> Result<Progress, AgentError> {
        let run = match api.get(&format!("/actions/runs/{id}")).await {
            Answer::Is(run) => run,
            Answer::Later(later) => return work.waits(&later),
            Answer::Refused(Refused { why, .. }) => {
                return Err(AgentError::tool(format!("the workflow's run {id} is gone: {why}")));
            }
        };
        let text = |key: &str| run.get(key).and_then(Value::as_str).unwrap_or_default();
        let commit = &task.source.commit;
        // What the host does not say is no word about the commit.
        let Some(head) = run.get("head_sha").and_then(Value::as_str).filter(|sha| !sha.is_empty())
        else {
            return Err(AgentError::tool(format!(
                "the answer about the workflow's run {id} does not say which commit it is of \
                 (head_sha)"
            )));
        };
        if head != commit {
            cancel(api, id).await;
            let other: String = head.chars().take(12).collect();
            return Ok(not_run(
                task,
                &format!(
                    "{} has moved on to {other} before the workflow began, which runs nothing of \
                     {commit}",
                    work.reference
                ),
            ));
        }
        let now = Timestamp::now();
        let how = if text("status") == "completed" {
            Stopped::ByItself
        } else if text("status") == "in_progress" {
            let since = work.since.unwrap_or(now);
            if now.duration_since(since) <= duration(task.timeout) {
                return Work { since: Some(since), ..work }.goes();
            }
            cancel(api, id).await;
            Stopped::OutOfTime
        } else if work.begun.is_some_and(|begun| now.duration_since(begun) > QUEUED) {
            cancel(api, id).await;
            return Err(AgentError::new(
                ErrorName::Timeout,
                format!("no machine took the workflow within an hour; it is {}", text("status")),
            ));
        } else {
            return work.goes();
        };
        let (settings, run) = (&self.settings, (&run, how));
        let ended = match release(task) {
            Some(release) => build::ended(task, release, api, settings, run, collector).await?,
            None => ended::ended(task, api, settings, run, collector).await?,
        };
        match ended {
            Answer::Is(ended) => Ok(Progress::Ended(ended)),
            Answer::Later(later) => work.waits(&later),
            Answer::Refused(Refused { why, .. }) => Ok(not_run(task, &why)),
        }
    }
}

/// The branch or tag by its name.
///
/// # Errors
/// There is none that a workflow can be begun on.
fn branch(reference: Option<&str>) -> Result<String, String> {
    let Some(reference) = reference else {
        return Err(
            "GitHub begins workflows on branches and tags, and the run is of none".to_owned()
        );
    };
    let plain = ["refs/heads/", "refs/tags/"].iter().find_map(|p| reference.strip_prefix(p));
    plain.map(str::to_owned).ok_or_else(|| {
        format!(
            "GitHub begins workflows on branches and tags, and {reference} is none: let pull \
             requests be tested by another runner"
        )
    })
}

/// Has a workflow's run end; nothing happens when it has ended.
async fn cancel(api: &Api, id: u64) -> Answer<()> {
    match api.post(&format!("/actions/runs/{id}/cancel"), &json!({})).await {
        Answer::Is(_) | Answer::Refused(Refused { status: 404 | 409, .. }) => Answer::Is(()),
        Answer::Later(later) => Answer::Later(later),
        Answer::Refused(refused) => {
            tracing::warn!(id, why = refused.why, "the workflow is not cancelled");
            Answer::Refused(refused)
        }
    }
}

fn duration(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

fn outage(why: String) -> AgentError {
    AgentError::new(ErrorName::SourceUnavailable, why)
}

/// What is to be built, where it is that and no suite.
fn release<'t>(task: &Task<'t>) -> Option<&'t Release> {
    task.releases.first().filter(|_| !task.own)
}

/// The suite was not run, or the release not built, for this reason.
fn not_run(task: &Task<'_>, why: &str) -> Progress {
    if release(task).is_some() {
        let built = vec![Built::Not(why.to_owned())];
        return Progress::Ended(Ended { built, ..Ended::default() });
    }
    let why = format!("the tests were not run: {why}");
    Progress::Ended(Ended { parts: vec![part(task, Execution::NotRun(why))], ..Ended::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflows_begin_on_branches_and_tags() {
        assert_eq!(branch(Some("refs/heads/a/b")).as_deref(), Ok("a/b"));
        assert_eq!(branch(Some("refs/tags/v1")).as_deref(), Ok("v1"));
        for other in [None, Some("refs/pull/7/merge")] {
            assert!(branch(other).is_err(), "{other:?}");
        }
    }
}
