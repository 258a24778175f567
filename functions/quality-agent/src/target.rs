//! How far a release may go, and why not further.

use pact_config::filters;
use pact_contract::{
    EnvironmentName, NamedEnvironment, RunRequest, Tier, actions::PlanTarget, settings::Settings,
};

/// The end of the way.
#[derive(Debug, PartialEq)]
pub(crate) struct Reach {
    pub(crate) target: PlanTarget,
    pub(crate) reason: String,
    /// The way there.
    pub(crate) environments: Vec<NamedEnvironment>,
}

/// How far a release of this push may go. `quiet` says why nothing of what changed is deployed.
///
/// # Errors
/// When the trigger names an environment that the repository has not configured.
pub(crate) fn reach(
    run: &RunRequest,
    settings: &Settings,
    quiet: Option<&str>,
) -> Result<Reach, String> {
    let all = &settings.environments;
    // Where it has waves, the last of them is meant.
    let wanted = run.environment.as_ref();
    let last_wave = wanted.and_then(|name| all.waves_of(name).last()).map(|wave| &wave.name);
    let wanted = last_wave.or(wanted);
    if let Some(wanted) = wanted
        && !all.contains(wanted)
    {
        let known: Vec<_> = all.names().map(EnvironmentName::as_str).collect();
        return Err(if known.is_empty() {
            format!("environment {wanted:?} was asked for, but pact.toml configures none")
        } else {
            format!(
                "environment {wanted:?} was asked for, but pact.toml configures only {}",
                known.join(" and ")
            )
        });
    }
    let nowhere =
        |reason| Ok(Reach { target: PlanTarget::Nothing, reason, environments: Vec::new() });
    if all.is_empty() {
        let also = quiet.map(|quiet| format!("{quiet}, and ")).unwrap_or_default();
        return nowhere(format!("{also}no environment is configured in pact.toml: verified only"));
    }
    if let Some(quiet) = quiet {
        return nowhere(format!("{quiet}: nothing is deployed"));
    }
    if let Some(reason) = &run.verify_only {
        return nowhere(reason.clone());
    }
    if run.trigger.kind == "pull_request" {
        return nowhere("a pull request is verified only: nothing is deployed".to_owned());
    }
    if !run.reference.starts_with("refs/tags/")
        && let Some(reason) = filters::verified_only(&settings.on, &run.branch)?
    {
        return nowhere(reason);
    }
    let users = all.iter().find(|environment| environment.tier == Tier::Production);
    let (last, mut reason) = if is_default_branch(run) {
        let branch = shown(&run.repository.default_branch);
        let last = all.iter().next_back();
        let reason = match (users, last) {
            (Some(_), Some(last)) => {
                format!("the default branch {branch} may reach {}", last.name)
            }
            _ => "production is not configured in pact.toml".to_owned(),
        };
        (last, reason)
    } else {
        let place = if run.reference.starts_with("refs/tags/") { "tag" } else { "branch" };
        let last = all.last_of(Tier::Staging);
        let name = |environment: Option<&NamedEnvironment>, tier: Tier| {
            environment.map_or(tier.to_string(), |environment| environment.name.to_string())
        };
        let reason = format!(
            "{place} {} ends at {}: only {} reaches {}",
            shown(&run.branch),
            name(last, Tier::Staging),
            run.repository.default_branch,
            name(users, Tier::Production)
        );
        (last, reason)
    };
    let Some(mut last) = last else {
        return nowhere(format!(
            "{reason}, and staging is not configured in pact.toml: verified only"
        ));
    };
    let on_the_way = |end: &NamedEnvironment| {
        let end = end.name.clone();
        all.iter().take_while(move |environment| environment.name != end)
    };
    if let Some(wanted) = on_the_way(last).find(|environment| wanted == Some(&environment.name)) {
        reason = format!("the trigger asked for no further than {}", wanted.name);
        last = wanted;
    }
    let environments: Vec<_> = on_the_way(last).chain([last]).cloned().collect();
    let target = match last.tier {
        Tier::Staging => PlanTarget::Staging,
        Tier::Production => PlanTarget::Production,
    };
    Ok(Reach { target, reason, environments })
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
