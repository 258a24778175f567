//! `deploy.rollback`: takes back what a run deployed, or began to deploy.
//!
//! Its first act turns the record into that of a deployment which was begun and not completed:
//! the release before is current, the release to take back is pending. Killed after that, it is
//! found by the same call again, and no other run takes the bad release for a good one.

use std::time::Duration;

use jiff::Timestamp;
use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    Deployment, EnvironmentKey, Finding, ReleaseId, Severity, StageStatus,
    actions::{EnvironmentRecord, PendingDeployment, ReleaseRecord, Rollback},
    codes,
    error::ErrorName,
    run::DeploymentStatus,
};

use crate::{
    agent::{self, DeployAgent},
    deploy::candidate,
    lease::Lease,
    restore::Restored,
    targets::{Claimed, TakenBack, Target},
};

/// How long to wait for an environment that another run has.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn rollback(agent: &DeployAgent, call: &Call) -> Result<Outcome, AgentError> {
    let wanted: Rollback = call.parameters()?;
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
    let Rollback { repository, environment, release, settings, .. } = wanted;
    let key = EnvironmentKey::new(&repository.name, environment);
    let store = &*agent.environments;
    let record = store.load(&key).await?;
    if !is_in_effect(&record, release) && !is_pending(&record, release) || stays(wanted, &record) {
        let target = agent.target(&key, settings).ok();
        return nothing_to_do(call, wanted, &record, target.as_deref()).await;
    }

    let until = tokio::time::Instant::now() + PATIENCE.min(call.time_left());
    let mut lease = loop {
        match Lease::take(store, call, key.clone()).await {
            Err(error)
                if error.name == ErrorName::EnvironmentBusy
                    && tokio::time::Instant::now() < until =>
            {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            other => break other?,
        }
    };
    let result = take_back(agent, call, wanted, &key, &mut lease).await;
    lease.end().await;
    result
}

async fn take_back(
    agent: &DeployAgent,
    call: &Call,
    wanted: &Rollback,
    key: &EnvironmentKey,
    lease: &mut Lease<'_>,
) -> Result<Outcome, AgentError> {
    let release = &wanted.release;
    // The settings that it was deployed with, rather than those of now.
    let record = &lease.record;
    let settings = match (&record.pending, &record.current) {
        (Some(p), _) if p.release.release == *release => p.release.settings.clone(),
        (_, Some(current)) if current.release == *release => current.settings.clone(),
        _ => wanted.settings.clone(),
    };
    let refused = |reason| AgentError::new(ErrorName::RollbackFailed, reason);
    let target = agent.target(key, &settings).map_err(refused)?;
    let _claim = match target.claim(agent::PATIENCE.min(call.time_left())).await? {
        Claimed::Ours(claim) => claim,
        Claimed::Foreign(reason) => return Err(refused(reason)),
    };
    // Another action of this run may have been at work until now.
    lease.reload().await?;
    if !is_in_effect(&lease.record, release) && !is_pending(&lease.record, release) {
        return nothing_to_do(call, wanted, &lease.record, Some(&*target)).await;
    }

    let fence = lease.fence();
    if is_in_effect(&lease.record, release) {
        let mut back_to = match &lease.record.pending {
            Some(p) if p.release.release == *release => p.replaces.clone(),
            _ => lease.record.previous.clone(),
        };
        if let Some(to) = &wanted.to {
            back_to = further(&*target, back_to, to).await?;
            if !back_to.as_ref().is_some_and(|back| lease.record.ledger.is_good(&back.release)) {
                return Err(refused(format!("{to} is not there any more, or was not judged good")));
            }
        }
        let older = match &back_to {
            Some(old) => target.history().before(&old.release).await?,
            None => None,
        };
        let Some(taken) = lease.record.current.take() else {
            return Err(AgentError::internal("the release in effect is gone from the record"));
        };
        let record = &mut lease.record;
        record.pending = Some(PendingDeployment {
            release: taken,
            replaces: back_to.clone(),
            fence,
            shift: None,
        });
        record.previous =
            older.filter(|o| o.release != *release && record.ledger.is_good(&o.release));
        record.current = back_to;
        enter(wanted, record);
    } else if let Some(pending) = &mut lease.record.pending {
        pending.fence = fence;
        // What it was to replace may be something that nobody judged, and is not returned to.
        let back_to = pending.replaces.clone();
        let record = &mut lease.record;
        if record.current.as_ref().map(|r| &r.release) != back_to.as_ref().map(|r| &r.release) {
            let abandoned = record.current.take();
            record.current = back_to;
            record.previous = None;
            if let Some(abandoned) = abandoned {
                let back_to = record.current.as_ref().map(|r| r.release.clone());
                let why = (false, "another run was taken back before this one was judged");
                let now = Timestamp::now();
                record.ledger.taken_back(&abandoned.release, back_to.as_ref(), why, now);
            }
        }
        // It had a part of the requests, and what was seen of it counts.
        let shifted = record.pending.as_mut().and_then(|pending| {
            let shift = pending.shift.take()?;
            shift.reached?;
            Some(candidate(&pending.release, shift.origin, Timestamp::now()))
        });
        if let Some(entry) = shifted {
            record.ledger.deployed(entry);
            enter(wanted, record);
        }
    }
    lease.write().await?;
    agent.steps.reached("rollback recorded")?;

    let back_to = lease.record.pending.as_ref().and_then(|p| p.replaces.clone());
    let url = match agent.restore(key, &*target, back_to.as_ref()).await? {
        Restored::Done { url } => url,
        Restored::Failed(reason) => {
            let log =
                reason.evidence.map(|l| format!("; its log ends with: {l}")).unwrap_or_default();
            return Err(AgentError::new(
                ErrorName::RollbackFailed,
                format!("{}{log}", reason.message),
            ));
        }
    };
    let restored = back_to.as_ref().map(|r| r.release.clone());
    let how = TakenBack { restored: restored.clone(), run_id: call.scope() };
    target.history().mark_taken_back(release, how).await?;
    agent.steps.reached("rollback noted")?;

    lease.record.pending = None;
    lease.record.url = url;
    lease.write().await?;
    agent.steps.reached("rollback completed")?;
    taken_back(wanted, restored, lease.record.url.clone())
}

/// Releases before the one in effect that are looked through for one.
const FURTHEST: usize = 50;

/// The release of this name, `from` or one before it.
async fn further(
    target: &dyn Target,
    from: Option<ReleaseRecord>,
    to: &ReleaseId,
) -> Result<Option<ReleaseRecord>, AgentError> {
    let mut back = from;
    for _ in 0..FURTHEST {
        match back {
            Some(record) if record.release != *to => {
                back = target.history().before(&record.release).await?
            }
            found => return Ok(found),
        }
    }
    Ok(None)
}

/// A release that was judged good stays, where its run was only ended: nothing is wrong with it.
fn stays(wanted: &Rollback, record: &EnvironmentRecord) -> bool {
    wanted.why.as_ref().is_some_and(|why| !why.judged)
        && is_in_effect(record, &wanted.release)
        && record.ledger.is_good(&wanted.release)
}

/// Writes into the ledger that the release was taken back, and why.
fn enter(wanted: &Rollback, record: &mut EnvironmentRecord) {
    let (judged, reason) = match &wanted.why {
        Some(why) => (why.judged, why.reason.as_str()),
        // By hand: a person's word is a verdict.
        None => (true, "taken back by hand"),
    };
    let back_to = record.current.as_ref().map(|r| r.release.clone());
    record.ledger.taken_back(&wanted.release, back_to.as_ref(), (judged, reason), Timestamp::now());
}

fn is_in_effect(record: &EnvironmentRecord, release: &ReleaseId) -> bool {
    record.current.as_ref().is_some_and(|c| c.release == *release)
}

fn is_pending(record: &EnvironmentRecord, release: &ReleaseId) -> bool {
    record.pending.as_ref().is_some_and(|p| p.release.release == *release)
}

/// The release is neither in effect nor on its way: it was taken back before, or never begun, or
/// another has replaced it since.
async fn nothing_to_do(
    call: &Call,
    wanted: &Rollback,
    record: &EnvironmentRecord,
    target: Option<&dyn Target>,
) -> Result<Outcome, AgentError> {
    let Rollback { environment, release, .. } = wanted;
    if let Some(target) = target
        && let Some(before) = target.history().taken_back(release).await?
        && before.run_id == call.scope()
    {
        return taken_back(wanted, before.restored, record.url.clone());
    }
    if stays(wanted, record) {
        let mut live = Deployment::new(environment, release, DeploymentStatus::Live);
        live.previous = record.previous.as_ref().map(|p| p.release.clone());
        live.url.clone_from(&record.url);
        let summary = format!(
            "release {release} stays in {environment}: it was judged good there, and nothing is \
             known against it"
        );
        return Outcome::new(StageStatus::Passed, summary, &live);
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
    restored: Option<ReleaseId>,
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
            let finding =
                Finding::new(codes::NOTHING_TO_RETURN_TO, Severity::Medium, summary.clone())
                    .remedy("deploy a release that is known to be good");
            (summary, Some(finding))
        }
    };
    done.previous = restored;
    done.url = url;
    let outcome = Outcome::new(StageStatus::Passed, summary, &done)?;
    Ok(outcome.with_findings(finding.into_iter().collect()))
}
