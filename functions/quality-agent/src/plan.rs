//! `quality.plan_pipeline`: which checks run, what the gate needs and how far the release may go.

use std::collections::BTreeSet;

use pact_agent::{AgentError, Call, Outcome, bundle, ports::Artifacts};
use pact_config::filters;
use pact_contract::{
    ChangeSet, EnvironmentName, ErrorName, NamedEnvironment, ReleaseId, RunRequest, StageStatus,
    Tier,
    actions::{Plan, PlanTarget, PlannedCheck, PlannedChecks},
    freeze::frozen,
    ids::IdError,
    policy::JudgedBy,
    run::{FOUND, PULL_REQUEST, PUSH},
    settings::{Approval, CHECKS, CheckMode, GateSettings, Settings, Template, TemplatePolicy},
};
use serde::Deserialize;

use crate::{
    budgets::Budgets,
    conditions::Conditions,
    documentation::Documentation,
    reverse,
    target::{Reach, reach},
    waves,
};

/// Checks that run whatever changed: a secret or broken file can hide in documentation too.
const ALWAYS: &[&str] = &["syntax", "secrets"];

const DOCUMENTATION_ONLY: &str = "only documentation changed";
const SWITCHED_OFF: &str = "switched off in pact.toml";

/// As [`pact_contract::actions::PlanPipeline`], but a change set is not needed.
#[derive(Deserialize)]
struct Parameters {
    run: RunRequest,
    #[serde(default)]
    changes_key: Option<String>,
    settings: Settings,
    #[serde(default)]
    loosened: Vec<String>,
}

pub(crate) async fn act(
    artifacts: &dyn Artifacts,
    budgets: &Budgets<'_>,
    call: &Call,
) -> Result<Outcome, AgentError> {
    let parameters: Parameters = call.parameters()?;
    let changes = match &parameters.changes_key {
        Some(key) => match bundle::change_set(artifacts, key).await {
            Ok(changes) => Some(changes),
            // Without knowing what changed, nothing can be left out.
            Err(error) if error.name == ErrorName::SourceUnavailable => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    let mut plan = plan(&parameters.run, changes.as_ref(), &parameters.settings)?;
    agree(&mut plan, parameters.loosened);
    if parameters.run.on_purpose.is_none() {
        let repository = &parameters.run.repository.name;
        waves::ask(&mut plan, budgets.environments, repository, AGREE).await?;
    }
    if plan.gate.fixes_only_when_spent {
        let repository = &parameters.run.repository.name;
        plan.budgets = budgets.of(&plan, repository, jiff::Timestamp::now()).await?;
    }
    Outcome::new(StageStatus::Passed, summary(&plan, changes.as_ref()), &plan)
}

/// How long a person is waited for who has to agree to looser rules.
const AGREE: Approval = Approval::within(60);

/// What loosens the rules reaches production with a person's word only, who agrees to both.
fn agree(plan: &mut Plan, loosened: Vec<String>) {
    let mut users = plan.environments.iter_mut().filter(|e| e.tier == Tier::Production);
    if let Some(first) = users.next().filter(|_| !loosened.is_empty()) {
        first.settings.approval.get_or_insert(AGREE);
    }
    plan.loosened = loosened;
}

/// What cannot be taken back reaches production with a person's word only, who is told why.
fn one_way(
    environments: &mut [NamedEnvironment],
    changes: Option<&ChangeSet>,
    settings: &Settings,
) -> Result<(), AgentError> {
    let migrations =
        reverse::migrations(&settings.migrations, changes).map_err(AgentError::invalid)?;
    let users = environments.iter_mut().filter(|e| e.tier == Tier::Production);
    let mut asked = BTreeSet::new();
    for environment in users {
        let target = environment.settings.no_return.clone();
        environment.one_way = migrations.iter().cloned().chain(target).collect();
        // The word for the first wave is one for all of them.
        let whole = environment.settings.wave_of.clone();
        if !environment.one_way.is_empty() && whole.is_none_or(|name| asked.insert(name)) {
            environment.settings.approval.get_or_insert(AGREE);
        }
    }
    Ok(())
}

/// Makes the plan. The same push, change set and settings give the same plan.
///
/// # Errors
/// `ERR_INVALID_INTENT` when the trigger asks for a template or an environment that there is not.
pub fn plan(
    run: &RunRequest,
    changes: Option<&ChangeSet>,
    settings: &Settings,
) -> Result<Plan, AgentError> {
    let conditions = Conditions::of(run, changes, settings);
    let settings = &conditions.settings;
    let (template, template_reason) = template(run, settings)?;
    let documentation =
        Documentation::new(settings.documentation.as_deref()).map_err(AgentError::invalid)?;
    let documentation_only = changes.is_some_and(|c| documentation.is_all_of(c));
    let untouched = untouched(run, changes, settings).map_err(AgentError::invalid)?;
    let quiet = documentation_only.then_some(DOCUMENTATION_ONLY).or(untouched.as_deref());
    let Reach { target, reason, mut environments } =
        reach(run, settings, quiet).map_err(AgentError::invalid)?;
    // An urgent fix that may reach production goes straight there.
    if template == Template::Hotfix && target == PlanTarget::Production {
        environments.retain(|environment| environment.tier == Tier::Production);
    }
    for environment in &mut environments {
        let freeze = &environment.settings.freeze;
        environment.frozen = frozen(environment.name.as_str(), freeze, run.started_at)
            .map_err(AgentError::invalid)?;
    }
    one_way(&mut environments, changes, settings)?;
    let mut users = environments.iter_mut().filter(|e| e.tier == Tier::Production);
    if let Some(first) = users.next().filter(|_| conditions.ask) {
        first.settings.approval.get_or_insert(AGREE);
    }
    let tried = environments.iter().any(|environment| environment.tier == Tier::Staging);

    let mut checks = PlannedChecks::default();
    for name in CHECKS {
        if let Some(check) = check_mut(&mut checks, name) {
            check.skip = skip(name, template, settings, quiet);
            if check.skip.as_deref() == Some(SWITCHED_OFF) {
                check.skip = conditions.skips(name).or(check.skip.take());
            }
        }
    }
    if checks.e2e.skip.is_none() && !tried && mode(settings, "e2e") != CheckMode::Require {
        checks.e2e.skip = Some("nothing is deployed to staging".to_owned());
    }
    let asked = Asked::by(template, settings, quiet.is_some());
    Ok(Plan {
        template,
        template_reason,
        required: asked.required,
        demanded: asked.demanded,
        checks,
        documentation_only,
        untouched,
        target,
        target_reason: reason,
        release: release(run)?,
        environments: environments.into(),
        loosened: Vec::new(),
        gate: asked.gate,
        min_quality_score: Some(asked.policy.min_quality_score),
        scan: asked.policy.scan,
        timeout_minutes: asked.policy.timeout_minutes,
        started_at: Some(run.started_at),
        risk: conditions.risk,
        conditions: conditions.applied,
        budgets: Vec::new(),
        // A push cannot say that of itself: only who starts a run names a template.
        fix: run.template.as_deref() == Some(Template::Hotfix.as_str()),
    })
}

/// Why nothing of what a push changed counts. Who asks for a run has it done, and a tag changes
/// nothing itself.
fn untouched(
    run: &RunRequest,
    changes: Option<&ChangeSet>,
    settings: &Settings,
) -> Result<Option<String>, String> {
    let told = matches!(run.trigger.kind.as_str(), PUSH | FOUND | PULL_REQUEST);
    match changes.filter(|_| told && !run.reference.starts_with("refs/tags/")) {
        Some(changes) => filters::untouched(&settings.on, changes),
        None => Ok(None),
    }
}

/// What a plan asks of the gate.
struct Asked {
    required: Vec<String>,
    demanded: Vec<String>,
    gate: GateSettings,
    policy: TemplatePolicy,
}

impl Asked {
    fn by(template: Template, settings: &Settings, quiet: bool) -> Self {
        let policy = template.policy();
        Self {
            required: required(template, settings, quiet),
            demanded: demanded(template, settings, quiet),
            gate: GateSettings {
                min_coverage: settings.gate.min_coverage.or(Some(policy.min_coverage)),
                ..settings.gate.clone()
            },
            policy,
        }
    }
}

/// The same plan with what these settings and their conditions ask of the gate; the way of the
/// release stays.
pub(crate) fn under(
    planned: &Plan,
    run: &RunRequest,
    changes: Option<&ChangeSet>,
    settings: &Settings,
) -> Result<Plan, AgentError> {
    let conditions = Conditions::of(run, changes, settings);
    let settings = &conditions.settings;
    let (template, template_reason) = template(run, settings)?;
    let quiet = planned.documentation_only || planned.untouched.is_some();
    let asked = Asked::by(template, settings, quiet);
    Ok(Plan {
        template,
        template_reason,
        required: asked.required,
        demanded: asked.demanded,
        gate: asked.gate,
        min_quality_score: Some(asked.policy.min_quality_score),
        scan: asked.policy.scan,
        risk: conditions.risk.or_else(|| planned.risk.clone()),
        conditions: conditions.applied,
        ..planned.clone()
    })
}

fn template(run: &RunRequest, settings: &Settings) -> Result<(Template, String), AgentError> {
    if let Some(name) = &run.template {
        let template = Template::parse(name).ok_or_else(|| {
            let known: Vec<_> = Template::ALL.iter().map(|(_, name)| *name).collect();
            AgentError::invalid(format!(
                "template {name:?} was asked for; there are {}",
                known.join(", ")
            ))
        })?;
        // Whoever starts a run judges no more mildly than the repository's own policy.
        let stricter = |set: &Template| {
            run.policy.judged_by == JudgedBy::Base && set.strictness() > template.strictness()
        };
        let kept = settings.template.filter(stricter);
        return Ok(match kept {
            Some(own) => {
                let reason = format!("{name} was asked for, and is less strict than is set");
                (own, reason)
            }
            None => (template, "asked for by the trigger".to_owned()),
        });
    }
    Ok(match settings.template {
        Some(template) => (template, "set in pact.toml".to_owned()),
        None => (Template::Default, "nothing else is asked for".to_owned()),
    })
}

fn mode(settings: &Settings, check: &str) -> CheckMode {
    settings.checks.get(check).copied().unwrap_or(CheckMode::Auto)
}

/// Why a check is left out.
fn skip(
    check: &str,
    template: Template,
    settings: &Settings,
    quiet: Option<&str>,
) -> Option<String> {
    match mode(settings, check) {
        CheckMode::Require => None,
        CheckMode::Skip => Some(SWITCHED_OFF.to_owned()),
        CheckMode::Auto if quiet.is_some() && !ALWAYS.contains(&check) => quiet.map(str::to_owned),
        CheckMode::Auto if template.policy().skips.contains(&check) => {
            Some(format!("the template {} leaves it out", template.as_str()))
        }
        CheckMode::Auto => None,
    }
}

/// What the gate needs. A template's checks stay needed when the repository switches them off,
/// so that the gate holds the release; unit tests alone may be switched off for good.
fn required(template: Template, settings: &Settings, quiet: bool) -> Vec<String> {
    let mut required: BTreeSet<&str> = ALWAYS.iter().copied().collect();
    if !left_out("unit", settings, quiet) {
        required.insert("unit");
    }
    let gate = &settings.gate;
    if gate.min_coverage.is_some() || gate.min_changed_coverage.is_some() {
        required.insert("coverage");
    }
    if gate.max_severity.is_some() {
        required.extend(["dependencies", "vulnerabilities"]);
    }
    if gate.max_quality_findings.is_some() {
        required.insert("quality");
    }
    let demanded = demanded(template, settings, quiet);
    required.extend(demanded.iter().map(String::as_str));
    CHECKS.iter().filter(|c| required.contains(**c)).map(|c| (*c).to_owned()).collect()
}

/// What the repository or its template demands, whatever there is to check.
fn demanded(template: Template, settings: &Settings, quiet: bool) -> Vec<String> {
    let strict = template.policy().strict;
    let demanded = CHECKS.iter().filter(|check| {
        mode(settings, check) == CheckMode::Require
            || strict.contains(check) && !left_out(check, settings, quiet)
    });
    demanded.map(|c| (*c).to_owned()).collect()
}

/// Whether a check that the change would need is not needed for it after all.
fn left_out(check: &str, settings: &Settings, quiet: bool) -> bool {
    match mode(settings, check) {
        CheckMode::Skip => check == "unit",
        CheckMode::Auto => quiet,
        CheckMode::Require => false,
    }
}

fn check_mut<'p>(checks: &'p mut PlannedChecks, name: &str) -> Option<&'p mut PlannedCheck> {
    Some(match name {
        "syntax" => &mut checks.syntax,
        "quality" => &mut checks.quality,
        "unit" => &mut checks.unit,
        "integration" => &mut checks.integration,
        "coverage" => &mut checks.coverage,
        "vulnerabilities" => &mut checks.vulnerabilities,
        "dependencies" => &mut checks.dependencies,
        "secrets" => &mut checks.secrets,
        "e2e" => &mut checks.e2e,
        _ => return None,
    })
}

/// Name of the release: sorts by time and names the commit.
fn release(run: &RunRequest) -> Result<ReleaseId, AgentError> {
    let commit: String = run.commit.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    format!("{}-{commit}", run.started_at.strftime("%Y%m%d-%H%M%S"))
        .parse()
        .map_err(|error: IdError| AgentError::invalid(error.to_string()))
}

pub(crate) fn summary(plan: &Plan, changes: Option<&ChangeSet>) -> String {
    let names: Vec<_> = plan.environments.names().map(EnvironmentName::as_str).collect();
    let names = names.join(", then ");
    let way = match plan.environments.iter().next().map(|first| first.tier) {
        None => "verify only".to_owned(),
        Some(Tier::Staging) => format!("to {names}"),
        Some(Tier::Production) => format!("straight to {names}"),
    };
    let one_way: BTreeSet<&str> =
        plan.environments.iter().flat_map(|e| &e.one_way).map(String::as_str).collect();
    let back = match one_way.len() {
        0 => String::new(),
        _ => format!(
            "; there is no way back ({}), so a person is asked before production",
            one_way.into_iter().collect::<Vec<_>>().join("; ")
        ),
    };
    let changed = match changes.map(|c| c.files.len()) {
        None => "what changed is not known".to_owned(),
        Some(1) => "1 file changed".to_owned(),
        Some(n) => format!("{n} files changed"),
    };
    let conditions = match plan.conditions.len() {
        0 => String::new(),
        _ => {
            let names = plan.conditions.iter().map(|one| one.name.as_str());
            format!("; conditions that hold: {}", names.collect::<Vec<_>>().join(", "))
        }
    };
    format!(
        "{changed}; template {} ({} minutes), {way} ({}); the gate needs {}{back}{conditions}",
        plan.template.as_str(),
        plan.timeout_minutes,
        plan.target_reason,
        plan.required.join(", ")
    )
}
