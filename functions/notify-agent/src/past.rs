//! What would change where a release goes: the pushes since the one that is in effect there, read
//! from what the installation keeps of runs.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use pact_agent::ports::{ApprovalRecord, Branches, Callbacks, Environments, Runs, StoreError};
use pact_contract::{
    EnvironmentKey, EnvironmentName, ReleaseId, RunId, RunRecord, RunRequest, StateName,
    actions::AnalyzeChangesOutput, changes::ChangeSummary, states::Pipeline,
};
use serde::Deserialize as _;
use url::Url;

/// Most pushes that are told one by one.
const MAX_PUSHES: usize = 8;

/// What a release would change in an environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Since {
    /// What is in effect: the release and its commit; none where nothing is.
    pub live: Option<(ReleaseId, String)>,
    /// The pushes that came since, the newest first.
    pub pushes: Vec<Pushed>,
    /// Pushes before those.
    pub more: usize,
    /// Who has said yes so far, where several are asked.
    pub agreed: Vec<String>,
}

/// One push.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed {
    /// The commit that the branch points to since.
    pub commit: String,
    /// First line of its message.
    pub message: Option<String>,
    /// Its author.
    pub author: Option<String>,
    /// What it changed, where that is known.
    pub changes: Option<ChangeSummary>,
}

/// Where that is read.
#[async_trait]
pub trait Past: Send + Sync {
    /// What the run's release would change in the environment.
    async fn since(
        &self,
        run: &RunRequest,
        environment: &EnvironmentName,
    ) -> Result<Since, StoreError>;

    /// Whether the run waits for a person before the environment.
    async fn question(
        &self,
        run_id: &RunId,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> Result<Question, StoreError>;
}

/// How the question before an environment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The run goes on, and does not wait yet.
    NotYet,
    /// The run waits for the answer.
    Open,
    /// It was answered, or nobody waits for the answer any more.
    Over,
}

/// The ledger of environments, the order of pushes, and the runs.
pub struct Kept<S>(pub Arc<S>);

impl<S: Runs> Kept<S> {
    async fn changes(&self, run_id: &RunId) -> Result<Option<ChangeSummary>, StoreError> {
        let Ok(state) = StateName::parse(Pipeline::AnalyzeChanges.as_str()) else {
            return Ok(None);
        };
        let stage = self.0.stage(run_id, &state).await?;
        let output = stage.and_then(|stage| AnalyzeChangesOutput::deserialize(stage.output).ok());
        Ok(output.map(|output| output.changes))
    }

    /// The push that a run was made for.
    async fn pushed(&self, run_id: &RunId, commit: &str) -> Result<Pushed, StoreError> {
        let request = self.0.run(run_id).await?.map(|run| run.request);
        let (message, author) =
            request.map_or((None, None), |request| (request.message, request.author));
        let changes = self.changes(run_id).await?;
        Ok(Pushed { commit: commit.to_owned(), message, author, changes })
    }
}

impl<S: Callbacks> Kept<S> {
    /// What a run asked before an environment.
    async fn asked(
        &self,
        run_id: &RunId,
        environment: &EnvironmentName,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        let state = format!("{}.{environment}", Pipeline::AwaitApproval.as_str());
        let Ok(state) = StateName::parse(&state) else { return Ok(None) };
        self.0.question(run_id, &state).await
    }
}

#[async_trait]
impl<S: Environments + Branches + Runs + Callbacks> Past for Kept<S> {
    async fn since(
        &self,
        run: &RunRequest,
        environment: &EnvironmentName,
    ) -> Result<Since, StoreError> {
        let repository = &run.repository.name;
        let record = self.0.load(&EnvironmentKey::new(repository, environment)).await?;
        let origin = record
            .current
            .as_ref()
            .and_then(|live| record.ledger.of(&live.release).map(|entry| entry.origin.clone()));
        let live = record.current.map(|live| (live.release, live.commit));
        // Where the two are places of one branch, everything between them is new.
        let from = origin.filter(|origin| origin.branch.as_deref() == Some(run.branch.as_str()));
        let between = from.and_then(|origin| origin.place).zip(run.place);
        let mut pushes = Vec::new();
        if let Some((from, to)) = between {
            let (branch, _) = self.0.branch(repository, &run.reference).await?;
            let new = branch.pushes().iter().filter(|push| push.place > from && push.place < to);
            pushes = new.map(|push| (push.run_id.clone(), push.after.clone())).collect();
        }
        pushes.reverse();
        let more = pushes.len().saturating_sub(MAX_PUSHES - 1);
        pushes.truncate(MAX_PUSHES - 1);
        let mut told = vec![Pushed {
            commit: run.commit.clone(),
            message: run.message.clone(),
            author: run.author.clone(),
            changes: self.changes(&run.run_id).await?,
        }];
        for (run_id, commit) in pushes {
            told.push(self.pushed(&run_id, &commit).await?);
        }
        let asked = self.asked(&run.run_id, environment).await?;
        let agreed = asked.into_iter().flat_map(|asked| asked.agreed).map(|answer| answer.by);
        Ok(Since { live, pushes: told, more, agreed: agreed.collect() })
    }

    async fn question(
        &self,
        run_id: &RunId,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> Result<Question, StoreError> {
        let run = self.0.run(run_id).await?;
        let asked = self.asked(run_id, environment).await?;
        Ok(stands(run.as_ref(), asked.as_ref(), now))
    }
}

fn stands(run: Option<&RunRecord>, asked: Option<&ApprovalRecord>, now: Timestamp) -> Question {
    match (run, asked) {
        (None, _) => Question::Over,
        (Some(run), _) if run.status.is_final() || run.outcome.is_some() => Question::Over,
        (_, None) => Question::NotYet,
        (_, Some(asked)) if asked.answer.is_none() && asked.expires_at > now => Question::Open,
        (_, Some(_)) => Question::Over,
    }
}

/// Where the repository's host shows what is between two commits, for the hosts that are known to.
pub(crate) fn compare_link(repository: &str, from: &str, to: &str) -> Option<String> {
    let hex = |commit: &str| {
        matches!(commit.len(), 40 | 64) && commit.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let url = Url::parse(repository).ok().filter(|url| url.scheme() == "https")?;
    let page = match url.host_str()? {
        "github.com" => "compare",
        "gitlab.com" => "-/compare",
        _ => return None,
    };
    let address = url.as_str().trim_end_matches('/');
    let address = address.strip_suffix(".git").unwrap_or(address);
    (hex(from) && hex(to) && from != to && address.len() <= 300)
        .then(|| format!("{address}/{page}/{from}...{to}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_open_until_it_is_answered_or_the_run_or_its_time_is_over() {
        let run = |status: &str, outcome| {
            let run = serde_json::json!({
                "request": {
                    "schema": 1, "run_id": "web-1", "commit": "1", "branch": "main",
                    "reference": "refs/heads/main", "url": "http://x/runs/web-1",
                    "repository": { "name": "a/b", "url": "https://x/a/b", "default_branch": "main" },
                    "trigger": { "kind": "push" }, "started_at": "2026-11-27T10:00:00Z",
                },
                "status": status, "execution_arn": "", "finished_at": null, "outcome": outcome,
            });
            serde_json::from_value::<RunRecord>(run).expect("a run")
        };
        let asked = |answer| {
            let asked = serde_json::json!({
                "schema": 1, "callback": "c", "run_id": "web-1", "state": "AwaitApproval.production",
                "question": "?", "expires_at": "2026-11-27T11:00:00Z", "answer": answer,
            });
            serde_json::from_value::<ApprovalRecord>(asked).expect("a question")
        };
        let none = serde_json::Value::Null;
        let answer = serde_json::json!({
            "approved": true, "by": "Ann", "at": "2026-11-27T10:01:00Z",
        });
        let outcome = serde_json::json!({
            "status": "cancelled", "reason": "", "template": null, "decision": null,
            "deployments": [], "fault": null,
        });
        let at = |time: &str| time.parse::<Timestamp>().expect("a time");
        let (before, after) = (at("2026-11-27T10:59:59Z"), at("2026-11-27T11:00:00Z"));
        let running = run("running", none.clone());
        let open = asked(none.clone());
        for (run, asked, now, is) in [
            (None, Some(&open), before, Question::Over),
            (Some(&running), None, before, Question::NotYet),
            (Some(&running), Some(&open), before, Question::Open),
            (Some(&running), Some(&open), after, Question::Over),
            (Some(&running), Some(&asked(answer)), before, Question::Over),
            (Some(&run("cancelled", none)), Some(&open), before, Question::Over),
            (Some(&run("running", outcome)), None, before, Question::Over),
        ] {
            assert_eq!(stands(run, asked, now), is, "{run:?} {asked:?} {now}");
        }
    }

    #[test]
    fn a_link_is_made_for_hosts_that_are_known_to_have_one() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let link = |url: &str| compare_link(url, &one, &two);
        assert_eq!(
            link("https://github.com/acme/web.git"),
            Some(format!("https://github.com/acme/web/compare/{one}...{two}"))
        );
        assert_eq!(
            link("https://gitlab.com/a/b/c/"),
            Some(format!("https://gitlab.com/a/b/c/-/compare/{one}...{two}"))
        );
        for url in ["https://git.example/a/b", "file:///srv/a", "http://github.com/a/b", ""] {
            assert_eq!(link(url), None, "{url}");
        }
        assert_eq!(compare_link("https://github.com/a/b", &one, &one), None);
        assert_eq!(compare_link("https://github.com/a/b", "main", &two), None);
    }
}
