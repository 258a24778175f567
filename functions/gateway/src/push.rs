//! A push, from wherever it came, after it was checked.

use jiff::Timestamp;
use pact_contract::{
    EnvironmentName, Repository, RunId,
    ledger::OnPurpose,
    policy::RunPolicy,
    pushes::Way,
    run::{FOUND, PullRequest, RunRequest, Trigger},
};

/// A branch, or a tag, that now points to a commit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Push {
    pub(crate) repository: Repository,
    /// Short name of the branch, or of the tag.
    pub(crate) branch: String,
    /// Whether it is a tag.
    pub(crate) tag: bool,
    pub(crate) commit: String,
    pub(crate) base: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) template: Option<String>,
    pub(crate) environment: Option<EnvironmentName>,
    pub(crate) trigger: Trigger,
    /// By whose rules the commit is judged.
    pub(crate) policy: RunPolicy,
    /// The host's own id of the repository.
    pub(crate) host_id: Option<String>,
    /// A person's word that it is to be deployed whatever the order and the verdicts say.
    pub(crate) on_purpose: Option<OnPurpose>,
    /// The pull request whose head the commit is.
    pub(crate) pull: Option<Pull>,
    /// Whether its message asks for no run.
    pub(crate) skip: bool,
}

/// A pull request, and the ref of its head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pull {
    /// What its host tells of it.
    pub(crate) request: PullRequest,
    /// Full name of the ref.
    pub(crate) head: String,
}

impl Push {
    /// The push that a run was asked for by, told of by nobody: `trigger` says who asks now.
    pub(crate) fn of(request: &RunRequest, trigger: Trigger) -> Self {
        let pull = request.pull.clone();
        Self {
            repository: request.repository.clone(),
            branch: request.branch.clone(),
            tag: request.reference.starts_with("refs/tags/"),
            commit: request.commit.clone(),
            base: request.base.clone(),
            message: request.message.clone(),
            author: request.author.clone(),
            template: request.template.clone(),
            environment: request.environment.clone(),
            trigger,
            policy: request.policy.clone(),
            host_id: None,
            // A word counts for the run that it was given for.
            on_purpose: None,
            skip: false,
            pull: pull.map(|pull| Pull { request: pull, head: request.reference.clone() }),
        }
    }

    /// Full name of the ref.
    pub(crate) fn reference(&self) -> String {
        match &self.pull {
            Some(pull) => pull.head.clone(),
            None if self.tag => format!("refs/tags/{}", self.branch),
            None => format!("refs/heads/{}", self.branch),
        }
    }

    /// Whether a git host told of it, or showed it, and so knows where the branch stood.
    fn told_by_host(&self) -> bool {
        self.trigger.delivery.is_some() || self.trigger.kind == FOUND
    }

    /// From where to where the branch went.
    pub(crate) fn way(&self) -> Way<'_> {
        Way { before: self.base.as_deref(), after: &self.commit, told_by_host: self.told_by_host() }
    }

    /// What identifies it: the repository at its host, the ref, and the way that the ref went.
    pub(crate) fn key(&self, host: Option<&str>) -> String {
        let repository = self.host_id.as_deref().unwrap_or(self.repository.name.as_str());
        let before = self.base.as_deref().filter(|_| self.told_by_host()).unwrap_or("-");
        format!(
            "{}/{repository}#{}#{before}#{}",
            host.unwrap_or("api"),
            self.reference(),
            self.commit
        )
    }

    /// Id of its first run.
    pub(crate) fn run_id(&self, place: u64) -> RunId {
        RunId::for_push(&self.repository.name, &self.reference(), &self.commit, place)
    }

    /// What the pipeline gets. `origin` is the address of the gateway as the caller reached it.
    pub(crate) fn request(&self, run_id: RunId, place: u64, origin: &str) -> RunRequest {
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
            place: Some(place),
            on_purpose: self.on_purpose.clone(),
            // What else is verified only, the plan says by the repository's rules.
            verify_only: (self.pull.as_ref())
                .map(|_| "a pull request is verified only: nothing is deployed".to_owned()),
            pull: self.pull.as_ref().map(|pull| pull.request.clone()),
        }
    }
}

fn run_url(origin: &str, run_id: &str) -> String {
    format!("{origin}/runs/{run_id}")
}
