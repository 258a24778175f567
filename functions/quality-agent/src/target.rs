//! How far a release may go, and why not further.

use pact_contract::{
    EnvironmentName, RunRequest,
    actions::PlanTarget,
    settings::{ENVIRONMENTS, Settings},
};

/// The end of the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) target: PlanTarget,
    pub(crate) reason: String,
}

/// How far a release of this push may go.
///
/// # Errors
/// When the trigger names an environment that the repository has not configured.
pub(crate) fn reach(
    run: &RunRequest,
    settings: &Settings,
    documentation_only: bool,
) -> Result<Reach, String> {
    let configured = |name: &str| settings.environments.contains_key(name);
    if let Some(wanted) = &run.environment
        && !(ENVIRONMENTS.contains(wanted) && configured(wanted.as_str()))
    {
        let known: Vec<_> = ENVIRONMENTS
            .iter()
            .map(EnvironmentName::as_str)
            .filter(|name| configured(name))
            .collect();
        return Err(if known.is_empty() {
            format!("environment {wanted:?} was asked for, but pact.toml configures none")
        } else {
            format!(
                "environment {wanted:?} was asked for, but pact.toml configures only {}",
                known.join(" and ")
            )
        });
    }
    let end = |target, reason: String| Ok(Reach { target, reason });
    if !ENVIRONMENTS.iter().any(|name| configured(name.as_str())) {
        let also = if documentation_only { "only documentation changed, and " } else { "" };
        return end(
            PlanTarget::Nothing,
            format!("{also}no environment is configured in pact.toml: verified only"),
        );
    }
    if documentation_only {
        return end(
            PlanTarget::Nothing,
            "only documentation changed: nothing is deployed".to_owned(),
        );
    }
    if let Some(reason) = &run.verify_only {
        return end(PlanTarget::Nothing, reason.clone());
    }
    if run.trigger.kind == "pull_request" {
        return end(
            PlanTarget::Nothing,
            "a pull request is verified only: nothing is deployed".to_owned(),
        );
    }
    let (limit, reason) = if !is_default_branch(run) {
        let place = if run.reference.starts_with("refs/tags/") { "tag" } else { "branch" };
        let main = &run.repository.default_branch;
        (
            PlanTarget::Staging,
            format!(
                "{place} {} ends at staging: only {main} reaches production",
                shown(&run.branch)
            ),
        )
    } else if run.environment == Some(EnvironmentName::STAGING) {
        (PlanTarget::Staging, "the trigger asked for staging only".to_owned())
    } else if configured("production") {
        let branch = shown(&run.repository.default_branch);
        return end(
            PlanTarget::Production,
            format!("the default branch {branch} may reach production"),
        );
    } else {
        (PlanTarget::Staging, "production is not configured in pact.toml".to_owned())
    };
    if configured("staging") {
        return end(limit, reason);
    }
    end(
        PlanTarget::Nothing,
        format!("{reason}, and staging is not configured in pact.toml: verified only"),
    )
}

fn is_default_branch(run: &RunRequest) -> bool {
    let default = &run.repository.default_branch;
    match run.reference.strip_prefix("refs/") {
        Some(rest) => rest.strip_prefix("heads/") == Some(default.as_str()),
        None => run.branch == *default,
    }
}

/// A name from outside, not too long for a sentence.
fn shown(name: &str) -> String {
    pact_agent::text::truncated(name, 80)
}
