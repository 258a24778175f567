//! What a commit loosens that nobody was asked about: it counts once somebody agrees apart from the run.

use crate::{
    ids::{RepositoryName, RunId},
    policy::JudgedBy,
    run::{RunRecord, StageRecord},
    shell::word,
};

/// What the log of a run has once somebody agreed.
pub const AGREED: &str = "gateway.agree_to_rules";

/// Rules that a run's commit loosens and that the run asked nobody about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loosened<'r> {
    /// What is loosened, one sentence each; never empty.
    pub rules: Vec<String>,
    repository: &'r RepositoryName,
    run_id: &'r RunId,
}

impl<'r> Loosened<'r> {
    /// Of a run that has ended. None where nothing is loosened, where it counts as little as the commit
    /// does (that of another branch, or of a pull request), and where the run asked somebody: whose
    /// answer was one to this as well, and nobody's is a no.
    #[must_use]
    pub fn of(run: &'r RunRecord, stages: &[StageRecord]) -> Option<Self> {
        let request = &run.request;
        let default = &request.repository.default_branch;
        let counts = request.reference.strip_prefix("refs/heads/") == Some(default)
            && request.pull.is_none()
            && request.policy.judged_by == JudgedBy::Base;
        let asked = stages.iter().any(|stage| stage.action == "notify.ask_approvers");
        if !run.status.is_final() || !counts || asked {
            return None;
        }
        let analysis = stages.iter().rfind(|stage| stage.action == "code.analyze_changes")?;
        let rules = analysis.output.pointer("/policy/loosened")?.as_array()?;
        let rules: Vec<String> =
            rules.iter().filter_map(|rule| rule.as_str().map(str::to_owned)).collect();
        let (repository, run_id) = (&request.repository.name, &request.run_id);
        (!rules.is_empty()).then_some(Self { rules, repository, run_id })
    }

    /// That it does not count yet, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "The commit loosens the rules of {}, which counts for the commits after it once somebody agrees: {}.",
            self.repository,
            self.rules.join("; ")
        )
    }

    /// The command by which somebody agrees; `options` are further ones, with a space before each.
    #[must_use]
    pub fn command(&self, options: &str) -> String {
        let (name, run) = (word(self.repository.as_str()), word(self.run_id.as_str()));
        format!("pactctl repos policy{options} {name} --accept {run}")
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{RunStatus, policy::RunPolicy, testing::failed_runs};

    #[test]
    fn whoever_has_a_run_that_asked_nobody_is_told_how_to_agree() {
        let sample = failed_runs(Timestamp::UNIX_EPOCH).swap_remove(0);
        let (mut run, mut stages) = (sample.run, sample.stages);
        run.request.policy = RunPolicy::default();
        assert_eq!(Loosened::of(&run, &stages), None, "nothing is loosened");
        let said = ["gate.min_coverage is 50, and was 80", "secrets is skipped"];
        stages[0].output = json!({ "policy": { "loosened": said } });
        let found = Loosened::of(&run, &stages).expect("two rules");
        assert!(
            found
                .sentence()
                .ends_with("agrees: gate.min_coverage is 50, and was 80; secrets is skipped.")
        );
        let command = found.command(" --data x");
        let wanted = format!(
            "pactctl repos policy --data x {} --accept {}",
            run.request.repository.name, run.request.run_id
        );
        assert_eq!(command, wanted);

        let mut asked = stages.clone();
        asked[1].action = "notify.ask_approvers".to_owned();
        assert_eq!(Loosened::of(&run, &asked), None, "its own answer is one to this");
        for change in [
            |run: &mut RunRecord| run.status = RunStatus::Running,
            |run: &mut RunRecord| run.request.reference = "refs/heads/try".to_owned(),
            |run: &mut RunRecord| run.request.policy.judged_by = JudgedBy::Own,
        ] {
            let mut other = run.clone();
            change(&mut other);
            assert_eq!(Loosened::of(&other, &stages), None);
        }
    }
}
