//! The rules of a repository: what its default branch asks for, as far as somebody agreed.
//!
//! A commit of the default branch that loosens nothing is agreed to by nobody: its settings are the
//! next commit's rules. What a commit loosens is proposed, and counts once an approver says yes to
//! its run, or accepts it by `pactctl repos policy`. Until then no later commit is judged by less,
//! neither one on top of it, nor one that takes the file away first, nor one that was pushed before
//! this one was even looked at.

use jiff::Timestamp;
use pact_agent::{AgentError, ports::Policies};
use pact_contract::{
    RunId,
    actions::AnalyzeChanges,
    policy::{JudgedBy, PolicyRecord, RunPolicy},
};

use crate::{
    policy::{Before, Judgement},
    settings::Found,
};

/// What is known of the rules before a commit is looked at.
pub(crate) struct Rules<'a> {
    /// The rules that were agreed to; none before the first commit.
    pub(crate) agreed: Option<PolicyRecord>,
    /// How the installation wants it judged.
    pub(crate) asked: RunPolicy,
    parameters: &'a AnalyzeChanges,
}

impl<'a> Rules<'a> {
    /// Reads the rules.
    pub(crate) async fn of(
        policies: &dyn Policies,
        parameters: &'a AnalyzeChanges,
    ) -> Result<Self, AgentError> {
        let asked = parameters.policy.clone().unwrap_or_default();
        let agreed = match asked.judged_by {
            JudgedBy::Base => policies.policy(&parameters.repository.name).await?,
            // Its owner is its judge, and nobody else is bound by that.
            JudgedBy::Own => None,
        };
        Ok(Self { agreed, asked, parameters })
    }

    /// Keeps what the commit makes of the rules. Nothing happens when it was kept before.
    pub(crate) async fn keep(
        &self,
        policies: &dyn Policies,
        run_id: Option<&RunId>,
        own: &Found,
        before: Option<&Before>,
        judgement: &Judgement,
    ) -> Result<(), AgentError> {
        let AnalyzeChanges { repository, reference, commit, place, .. } = self.parameters;
        let branch = &repository.default_branch;
        let is_default = reference.strip_prefix("refs/heads/") == Some(branch);
        let (Some(run_id), Some(place)) = (run_id, *place) else { return Ok(()) };
        // A file that is not valid is no rule.
        if !is_default || own.invalid || self.asked.judged_by != JudgedBy::Base {
            return Ok(());
        }
        let record = |commit: String, found: &Found, place: u64| PolicyRecord {
            schema: PolicyRecord::VERSION,
            commit,
            branch: branch.clone(),
            place,
            run_id: run_id.clone(),
            path: found.path.clone().filter(|_| found.text.is_some()),
            text: found.text.clone(),
            loosened: judgement.note.loosened.clone(),
            agreed_by: None,
            at: Timestamp::now(),
        };
        if judgement.note.loosened.is_empty() {
            policies.put_policy(&repository.name, &record(commit.clone(), own, place)).await?;
            return Ok(());
        }
        if self.agreed.is_none()
            && let Some(before) = before.filter(|before| !before.found.invalid)
        {
            // From now on the commit after this one is compared with what was before this one.
            let first = record(before.commit.to_string(), &before.found, place.saturating_sub(1));
            let first = PolicyRecord { loosened: Vec::new(), ..first };
            policies.put_policy(&repository.name, &first).await?;
        }
        policies.propose(&record(commit.clone(), own, place)).await?;
        Ok(())
    }
}
