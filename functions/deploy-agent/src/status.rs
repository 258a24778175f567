//! `deploy.check_status`: whether a release is in effect. It looks and changes nothing.

use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    Deployment, EnvironmentKey, Finding, FindingCode, ReleaseId, Severity, StageStatus,
    actions::CheckStatus,
    codes,
    run::DeploymentStatus,
    shift::{PendingShift, WHOLE},
};

use crate::agent::DeployAgent;

pub(crate) async fn check(agent: &DeployAgent, call: &Call) -> Result<Outcome, AgentError> {
    let wanted: CheckStatus = call.parameters()?;
    let environment = &wanted.environment;
    let key = EnvironmentKey::new(&wanted.repository.name, environment);
    let record = agent.environments.load(&key).await?;
    let name = wanted.release.as_ref();
    let is = |status, release: Option<&ReleaseId>| {
        let mut deployment = Deployment::without_release(environment, status);
        deployment.release = release.cloned();
        deployment.previous = record.previous.as_ref().map(|r| r.release.clone());
        deployment.url.clone_from(&record.url);
        deployment
    };

    if let Some(pending) = &record.pending
        && name.is_none_or(|n| *n == pending.release.release)
    {
        let release = &pending.release.release;
        if let Some(percent) = pending.shift.as_ref().and_then(PendingShift::settled) {
            let problems = match agent.target(&key, &pending.release.settings) {
                Err(reason) => vec![problem(codes::TARGET_REFUSED, reason)],
                Ok(target) => target.status(release, percent).await?.problems,
            };
            let mut partly = is(DeploymentStatus::Pending, Some(release));
            partly.previous = record.current.as_ref().map(|r| r.release.clone());
            partly.weight = Some(percent);
            if problems.is_empty() {
                let summary =
                    format!("release {release} has {percent} % of the requests in {environment}");
                return Outcome::new(StageStatus::Passed, summary, &partly);
            }
            partly.status = DeploymentStatus::Failed;
            let summary = format!(
                "release {release} is to have {percent} % of the requests in {environment}: {}",
                said(&problems)
            );
            let lost = Outcome::new(StageStatus::Failed, summary, &partly)?;
            return Ok(lost.with_findings(problems));
        }
        let summary = format!("release {release} is on its way to {environment}");
        let finding = Finding::new(codes::DEPLOYMENT_PENDING, Severity::Medium, summary.clone())
            .remedy("wait until the deployment has ended, or take it back");
        return Ok(Outcome::new(
            StageStatus::Failed,
            summary,
            &is(DeploymentStatus::Pending, Some(release)),
        )?
        .with_findings(vec![finding]));
    }
    let current = record.current.as_ref().filter(|c| name.is_none_or(|n| *n == c.release));
    let Some(current) = current else {
        if record.current.is_none() && name.is_none() {
            let status = is(DeploymentStatus::Failed, None);
            let text = format!("nothing is deployed in {environment} yet");
            return Outcome::new(StageStatus::Skipped, text, &status);
        }
        let message = match (&record.current, name) {
            (Some(other), Some(name)) => {
                format!("release {} is in effect in {environment}, not {name}", other.release)
            }
            _ => format!("no release is in effect in {environment}"),
        };
        let status = is(DeploymentStatus::Failed, name);
        return Ok(Outcome::new(StageStatus::Failed, message.clone(), &status)?
            .with_findings(vec![problem(codes::RELEASE_NOT_CURRENT, message)]));
    };

    let release = &current.release;
    // With the settings that it was deployed with: those of now may belong to another commit.
    let problems = match agent.target(&key, &current.settings) {
        Err(reason) => vec![problem(codes::TARGET_REFUSED, reason)],
        Ok(target) => target.status(release, WHOLE).await?.problems,
    };
    let at = record.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
    let (status, summary, stands) = if problems.is_empty() {
        let summary = format!("release {release} is in effect in {environment}{at}");
        (StageStatus::Passed, summary, DeploymentStatus::Live)
    } else {
        let summary =
            format!("release {release} is not in effect in {environment}: {}", said(&problems));
        (StageStatus::Failed, summary, DeploymentStatus::Failed)
    };
    Ok(Outcome::new(status, summary, &is(stands, Some(release)))?.with_findings(problems))
}

fn problem(code: FindingCode, message: String) -> Finding {
    Finding::new(code, Severity::High, message).remedy("deploy the release again, or take it back")
}

/// What is wrong, in one sentence.
fn said(problems: &[Finding]) -> String {
    problems.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("; ")
}
