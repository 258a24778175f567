//! `deploy.rollback`: takes back what a run deployed, or began to deploy.
//!
//! Its first act turns the record into that of a deployment which was begun and not completed:
//! the release before is current, the release to take back is pending. Killed after that, it is
//! found by the same call again, and no other run takes the bad release for a good one.

use std::time::Duration;

use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    Deployment, EnvironmentKey, Finding, Severity, StageStatus,
    actions::{EnvironmentRecord, PendingDeployment, Rollback},
    error::ErrorName,
    run::DeploymentStatus,
};

use crate::{
    DeployAgent, Place,
    folder::{TakenBack, check_release},
    held::Held,
};

/// How long to wait for an environment that another run has.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn rollback(agent: &DeployAgent, call: &Call) -> Result<Outcome, AgentError> {
    let wanted: Rollback = call.parameters()?;
    check_release(&wanted.release).map_err(AgentError::invalid)?;
    crate::check_environment(&wanted.environment)?;
    match work(agent, call, &wanted).await {
        // Another time may do.
        Err(error) if matches!(error.name, ErrorName::StoreUnavailable) => Err(error),
        Err(error) => Err(AgentError::new(
            ErrorName::RollbackFailed,
            format!(
                "cannot take back release {} from {}: {}",
                wanted.release,
                wanted.environment,
                error.chain()
            ),
        )),
        done => done,
    }
}

async fn work(agent: &DeployAgent, call: &Call, wanted: &Rollback) -> Result<Outcome, AgentError> {
    let Rollback { repository, environment, release, settings } = wanted;
    let owner = EnvironmentKey::new(&repository.name, environment);
    let store = &*agent.environments;
    let record = store.load(&owner).await?;
    if !is_in_effect(&record, release) && !is_pending(&record, release) {
        let place = agent.place(&owner, settings).ok();
        return nothing_to_do(call, wanted, &record, place.as_ref());
    }

    let until = tokio::time::Instant::now() + PATIENCE.min(call.time_left());
    let mut held = loop {
        match Held::take(store, call, owner.clone()).await {
            Err(error)
                if error.name == ErrorName::EnvironmentBusy
                    && tokio::time::Instant::now() < until =>
            {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            other => break other?,
        }
    };
    let result = take_back(agent, call, wanted, &owner, &mut held).await;
    held.end().await;
    result
}

async fn take_back(
    agent: &DeployAgent,
    call: &Call,
    wanted: &Rollback,
    owner: &EnvironmentKey,
    held: &mut Held<'_>,
) -> Result<Outcome, AgentError> {
    let release = &wanted.release;
    // The settings that it was deployed with, rather than those of now.
    let record = &held.record;
    let settings = match (&record.pending, &record.current) {
        (Some(p), _) if p.release.release == *release => p.release.settings.clone(),
        (_, Some(current)) if current.release == *release => current.settings.clone(),
        _ => wanted.settings.clone(),
    };
    let place = agent
        .place(owner, &settings)
        .map_err(|reason| AgentError::new(ErrorName::RollbackFailed, reason))?;
    let _claim = agent.claim(&place, call).await?;
    // Another action of this run may have been at work until now.
    held.reload().await?;
    if !is_in_effect(&held.record, release) && !is_pending(&held.record, release) {
        return nothing_to_do(call, wanted, &held.record, Some(&place));
    }

    let fence = held.fence();
    if is_in_effect(&held.record, release) {
        let back_to = match &held.record.pending {
            Some(p) if p.release.release == *release => p.replaces.clone(),
            _ => held.record.previous.clone(),
        };
        let older = match &back_to {
            Some(old) => {
                place.folder.before(&old.release).map_err(|e| disk("read the notes", e))?
            }
            None => None,
        };
        let Some(taken) = held.record.current.take() else {
            return Err(AgentError::internal("the release in effect is gone from the record"));
        };
        held.record.pending =
            Some(PendingDeployment { release: taken, replaces: back_to.clone(), fence });
        held.record.previous = older.filter(|o| o.release != *release);
        held.record.current = back_to;
    } else if let Some(pending) = &mut held.record.pending {
        pending.fence = fence;
    }
    held.write().await?;
    agent.steps.reached("rollback recorded")?;

    let back_to = held.record.pending.as_ref().and_then(|p| p.replaces.clone());
    let url = match agent.restore(&place, back_to.as_ref()).await? {
        Ok(url) => url,
        Err(reason) => {
            let log = reason.log.map(|l| format!("; its log ends with: {l}")).unwrap_or_default();
            return Err(AgentError::new(
                ErrorName::RollbackFailed,
                format!("{}{log}", reason.message),
            ));
        }
    };
    let restored = back_to.as_ref().map(|r| r.release.clone());
    mark_taken_back(call, &place, release, restored.clone())?;
    agent.steps.reached("rollback noted")?;

    held.record.pending = None;
    held.record.url = url;
    held.write().await?;
    agent.steps.reached("rollback completed")?;
    taken_back(wanted, restored, held.record.url.clone())
}

fn is_in_effect(record: &EnvironmentRecord, release: &str) -> bool {
    record.current.as_ref().is_some_and(|c| c.release == release)
}

fn is_pending(record: &EnvironmentRecord, release: &str) -> bool {
    record.pending.as_ref().is_some_and(|p| p.release.release == release)
}

/// Notes that the release was taken back, and by which run.
fn mark_taken_back(
    call: &Call,
    place: &Place,
    release: &str,
    restored: Option<String>,
) -> Result<(), AgentError> {
    let note = place.folder.note(release).map_err(|e| disk("read the release's note", e))?;
    // Without a note its files were never complete.
    let Some(mut note) = note else { return Ok(()) };
    note.taken_back = Some(TakenBack { restored, run_id: call.scope() });
    place.folder.write_note(&note).map_err(|e| disk("write the release's note", e))
}

/// The release is neither in effect nor on its way: it was taken back before, or never begun, or
/// another has replaced it since.
fn nothing_to_do(
    call: &Call,
    wanted: &Rollback,
    record: &EnvironmentRecord,
    place: Option<&Place>,
) -> Result<Outcome, AgentError> {
    let Rollback { environment, release, .. } = wanted;
    if let Some(place) = place
        && let Some(note) =
            place.folder.note(release).map_err(|e| disk("read the release's note", e))?
        && let Some(before) = note.taken_back
        && before.run_id == call.scope()
    {
        return taken_back(wanted, before.restored, record.url.clone());
    }
    let mut none = Deployment::new(environment, release, DeploymentStatus::Failed);
    none.previous = record.current.as_ref().map(|c| c.release.clone());
    none.url.clone_from(&record.url);
    let now = match &none.previous {
        Some(current) => format!("{current} is in effect there"),
        None => "no release is in effect there".to_owned(),
    };
    let summary =
        format!("nothing to take back: release {release} is not in effect in {environment}; {now}");
    Outcome::new(StageStatus::Passed, summary, &none)
}

fn taken_back(
    wanted: &Rollback,
    restored: Option<String>,
    url: Option<String>,
) -> Result<Outcome, AgentError> {
    let Rollback { environment, release, .. } = wanted;
    let mut done = Deployment::new(environment, release, DeploymentStatus::RolledBack);
    let (summary, finding) = match &restored {
        Some(old) => (
            format!(
                "release {release} was taken back from {environment}; {old} is in effect again"
            ),
            None,
        ),
        None => {
            let summary = format!(
                "release {release} was taken back from {environment}; it was the first release \
                 there, so none is in effect now"
            );
            let finding = Finding::new("nothing-to-return-to", Severity::Medium, summary.clone())
                .remedy("deploy a release that is known to be good");
            (summary, Some(finding))
        }
    };
    done.previous = restored;
    done.url = url;
    let outcome = Outcome::new(StageStatus::Passed, summary, &done)?;
    Ok(outcome.with_findings(finding.into_iter().collect()))
}

fn disk(what: &str, error: std::io::Error) -> AgentError {
    AgentError::new(ErrorName::RollbackFailed, format!("cannot {what}: {error}")).caused_by(error)
}
