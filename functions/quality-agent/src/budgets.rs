//! What production has left of its budgets of errors, for the gate.
//!
//! The promises are those of the release in effect: what a commit promises counts once it is there, so
//! that none makes room for itself.

use jiff::Timestamp;
use pact_agent::{
    AgentError,
    incidents::Incidents,
    ports::{Environments, StoreError},
};
use pact_contract::{
    EnvironmentKey, NamedEnvironment, RepositoryName, Tier,
    actions::{BudgetLeft, Plan},
};

/// Where it is known what is in effect, and what was counted of it.
pub(crate) struct Budgets<'a> {
    pub(crate) environments: &'a dyn Environments,
    pub(crate) incidents: &'a dyn Incidents,
}

impl Budgets<'_> {
    /// Of each environment of the plan that serves users.
    ///
    /// # Errors
    /// The store could not be asked.
    pub(crate) async fn of(
        &self,
        plan: &Plan,
        repository: &RepositoryName,
        now: Timestamp,
    ) -> Result<Vec<BudgetLeft>, AgentError> {
        let mut all = Vec::new();
        for environment in plan.environments.iter().filter(|one| one.tier == Tier::Production) {
            match self.left(environment, repository, now).await {
                Ok(left) => all.extend(left),
                Err(StoreError::Unreadable(why)) => {
                    all.push(BudgetLeft { unknown: Some(why.to_string()), ..none(environment) })
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    async fn left(
        &self,
        environment: &NamedEnvironment,
        repository: &RepositoryName,
        now: Timestamp,
    ) -> Result<Vec<BudgetLeft>, StoreError> {
        let key = EnvironmentKey::new(repository, &environment.name);
        let record = self.environments.load(&key).await?;
        let watch = record.current.and_then(|current| current.settings.watch);
        let Some(objectives) = watch.and_then(|watch| watch.objectives) else {
            return Ok(vec![none(environment)]);
        };
        let budget = self.incidents.budget(&key).await?.unwrap_or_default();
        let days = objectives.days;
        let of = |(sli, share)| BudgetLeft {
            promise: Some(sli),
            days,
            left: budget.left(sli, share, days, now),
            ..none(environment)
        };
        Ok(objectives.each().map(of).collect())
    }
}

/// Nothing is promised.
fn none(environment: &NamedEnvironment) -> BudgetLeft {
    let environment = environment.name.clone();
    BudgetLeft { environment, promise: None, days: 0, left: None, unknown: None }
}
