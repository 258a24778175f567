//! The rules of a repository: what counts, and that somebody agrees to less.

use jiff::Timestamp;
use pact_contract::{
    RepositoryName, RunId,
    access::Scope,
    log::{LogKind, NewEntry},
    loosened::AGREED,
    policy::PolicyRecord,
    problems,
};
use serde_json::json;

use crate::{
    doors::Who,
    error::{Answer, ApiError},
    fields::{Fields, parse},
    ports::Ports,
    registry,
};

/// Whoever answers yes to a run's question agrees to what its commit loosens. Nothing happens where
/// it loosens nothing, and where the rules of a later push count already.
pub(crate) async fn agree(ports: &Ports, run_id: &RunId, by: &str) -> Answer<()> {
    let Some(proposed) = ports.policies.proposal(run_id).await? else { return Ok(()) };
    let run = ports.runs.run(run_id).await?.ok_or_else(ApiError::unavailable)?;
    put(ports, &run.request.repository.name, proposed, by).await.map(drop)
}

/// Whether one person may agree to what a run's commit loosens apart from the run: not where the run asks
/// for an answer or has had one, and not alone where the rules that count ask for several people, but for
/// whoever operates the installation.
async fn may_accept(ports: &Ports, name: &RepositoryName, run_id: &RunId, who: &Who) -> Answer<()> {
    let refused = |message: String| Err(ApiError::conflict(problems::RULES_ASKED, message));
    if let Some(question) = ports.callbacks.questions(run_id).await?.items.first() {
        return refused(match &question.answer {
            None if question.expires_at > Timestamp::now() => {
                format!("{run_id} waits for an answer, which is one to this as well")
            }
            None => format!("nobody answered {run_id} in time, which is a no: push it again"),
            Some(answer) if answer.approved => {
                format!("{} has agreed to what {run_id} loosens", answer.by)
            }
            Some(answer) => format!("{} said no to {run_id}: push it again", answer.by),
        });
    }
    let people = people_asked(ports, name).await?;
    if people > 1 && !who.0.scopes.has(Scope::Operate) {
        return refused(format!("the rules of {name} ask for {people} people, and you are one"));
    }
    Ok(())
}

/// How many people the rules that count ask for at most, before any environment.
async fn people_asked(ports: &Ports, name: &RepositoryName) -> Answer<u32> {
    let floor = registry::show(&*ports.registry, name.as_str()).await?.floor;
    let floor = floor.approval.values().map(|approval| approval.people);
    let record = ports.policies.policy(name).await?;
    let text = record.and_then(|record| Some((record.text?, record.path?)));
    // What cannot be read was judged as what nothing is known of: nobody loosens it alone.
    let own = match text {
        None => 1,
        Some((text, path)) => pact_config::parse(&text, &path).map_or(u32::MAX, |settings| {
            let asked = settings.environments.into_iter();
            asked.filter_map(|one| Some(one.settings.approval.as_ref()?.people)).max().unwrap_or(1)
        }),
    };
    Ok(floor.max().unwrap_or(1).max(own))
}

/// Makes what a run asked for the rules. None when those of a later push count already.
async fn put(
    ports: &Ports,
    name: &RepositoryName,
    proposed: PolicyRecord,
    by: &str,
) -> Answer<Option<PolicyRecord>> {
    let at = Timestamp::now();
    let agreed = PolicyRecord { agreed_by: Some(by.to_owned()), at, ..proposed };
    if !ports.policies.put_policy(name, &agreed).await? {
        tracing::info!(repository = name.as_str(), "the rules of a later push count already");
        return Ok(None);
    }
    let entry = NewEntry {
        timestamp: at,
        actor: by.to_owned(),
        kind: LogKind::Event,
        action: AGREED.to_owned(),
        body: json!({ "commit": agreed.commit, "loosened": agreed.loosened }),
    };
    ports.recorder.append_log(&agreed.run_id, entry).await?;
    Ok(Some(agreed))
}

/// The rules that count for a repository.
pub(crate) async fn show(ports: &Ports, name: &str) -> Answer<PolicyRecord> {
    let name = registry::show(&*ports.registry, name).await?.name;
    ports.policies.policy(&name).await?.ok_or_else(|| {
        ApiError::not_found(format!("no commit of {name}'s default branch was judged yet"))
    })
}

/// Somebody agrees to what a run's commit loosens, without its being deployed.
pub(crate) async fn accept(
    ports: &Ports,
    name: &str,
    body: &[u8],
    who: &Who,
) -> Answer<PolicyRecord> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["run_id", "by"])?;
    let run_id: RunId = fields.identifier("run_id")?;
    let by = who.by(&fields)?;
    let name = registry::show(&*ports.registry, name).await?.name;
    let run = ports.runs.run(&run_id).await?;
    if run.is_none_or(|run| run.request.repository.name != name) {
        return Err(ApiError::not_found(format!("{name} has no run {run_id}")));
    }
    let proposed = ports.policies.proposal(&run_id).await?.ok_or_else(|| {
        let message = format!("the commit of {run_id} loosens nothing: its rules count");
        ApiError::conflict(problems::NOTHING_TO_AGREE, message)
    })?;
    may_accept(ports, &name, &run_id, who).await?;
    put(ports, &name, proposed, &by).await?.ok_or_else(|| {
        let message = format!("a later push than that of {run_id} has made the rules already");
        ApiError::conflict(problems::RULES_OUTDATED, message)
    })
}
