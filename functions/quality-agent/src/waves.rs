//! Waves that an environment has since its last release: what serves there is in the record of none of
//! them, so that their first release may have nothing to go back to.

use std::collections::BTreeSet;

use pact_agent::{
    AgentError,
    ports::{Environments, StoreError},
};
use pact_config::form::{Forms, Seam};
use pact_contract::{
    EnvironmentKey, NamedEnvironment, RepositoryName, Tier, actions::Plan, settings::Approval,
};

/// Has a person asked for this approval before the first release of such a wave, who is told why.
///
/// # Errors
/// The store could not be asked.
pub(crate) async fn ask(
    plan: &mut Plan,
    environments: &dyn Environments,
    repository: &RepositoryName,
    approval: Approval,
) -> Result<(), AgentError> {
    // The word for the first of them is one for all.
    let mut asked = BTreeSet::new();
    for environment in plan.environments.iter_mut().filter(|one| one.tier == Tier::Production) {
        let Some(why) = way_to_nothing(environment, environments, repository).await? else {
            continue;
        };
        if environment.settings.wave_of.clone().is_some_and(|whole| asked.insert(whole)) {
            environment.settings.approval.get_or_insert_with(|| approval.clone());
        }
        environment.one_way.push(why.clone());
        environment.settings.no_return = Some(why);
    }
    Ok(())
}

/// Why the environment could be taken back to nothing only, although something serves there.
async fn way_to_nothing(
    environment: &NamedEnvironment,
    environments: &dyn Environments,
    repository: &RepositoryName,
) -> Result<Option<String>, AgentError> {
    let NamedEnvironment { name, settings, .. } = environment;
    let Some(whole) = settings.wave_of.as_ref().filter(|_| settings.no_return.is_none()) else {
        return Ok(None);
    };
    let forms = Forms::published().map_err(AgentError::internal)?;
    let form = forms.find(Seam::Target, &settings.target.kind);
    if form.is_some_and(|form| form.restores) {
        return Ok(None);
    }
    let current = async |name| {
        let key = EnvironmentKey::new(repository, name);
        match environments.load(&key).await {
            Ok(record) => Ok(record.current),
            // Whoever deploys to it will say what is wrong with it.
            Err(StoreError::Unreadable(_)) => Ok(None),
            Err(error) => Err(AgentError::from(error)),
        }
    };
    if current(name).await?.is_some() {
        return Ok(None);
    }
    Ok(current(whole).await?.map(|release| {
        let release = release.release;
        format!(
            "{release} of {whole} is in effect, which has waves since: the first release of {name} \
             could be taken back to nothing only"
        )
    }))
}
