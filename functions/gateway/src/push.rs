//! A push, from wherever it came, after it was checked.

use jiff::Timestamp;
use pact_contract::{
    EnvironmentName, Repository, RunId,
    policy::RunPolicy,
    run::{RunRequest, Trigger},
};

/// A branch that now points to a commit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Push {
    pub(crate) repository: Repository,
    pub(crate) branch: String,
    pub(crate) commit: String,
    pub(crate) base: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) template: Option<String>,
    pub(crate) environment: Option<EnvironmentName>,
    pub(crate) trigger: Trigger,
    /// By whose rules the commit is judged.
    pub(crate) policy: RunPolicy,
}

impl Push {
    /// Full name of the ref.
    pub(crate) fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// Key under which the push is claimed; another one for each repetition.
    pub(crate) fn key(&self, rerun: u32) -> String {
        let key = format!("{}#{}#{}", self.repository.name, self.reference(), self.commit);
        if rerun == 0 { key } else { format!("{key}#{rerun}") }
    }

    /// Id of the run of this push.
    pub(crate) fn run_id(&self, rerun: u32) -> RunId {
        RunId::for_push(&self.repository.name, &self.reference(), &self.commit, rerun)
    }

    /// What the pipeline gets. `origin` is the address of the gateway as the caller reached it.
    pub(crate) fn request(&self, run_id: RunId, origin: &str) -> RunRequest {
        RunRequest {
            schema: RunRequest::VERSION,
            url: run_url(origin, run_id.as_str()),
            run_id,
            repository: self.repository.clone(),
            reference: self.reference(),
            branch: self.branch.clone(),
            commit: self.commit.clone(),
            base: self.base.clone(),
            message: self.message.clone(),
            author: self.author.clone(),
            trigger: self.trigger.clone(),
            template: self.template.clone(),
            environment: self.environment.clone(),
            started_at: Timestamp::now(),
            policy: self.policy.clone(),
            place: None,
            on_purpose: None,
            verify_only: None,
        }
    }
}

fn run_url(origin: &str, run_id: &str) -> String {
    format!("{origin}/runs/{run_id}")
}
