//! Pull requests of forks: whose code runs in the environments of builds, somebody else says.
//!
//! Where the registry asks for that, a commit of a fork waits for an approver's word, which counts for
//! this very commit: what is pushed to the pull request after it waits anew.

use jiff::Timestamp;
use pact_contract::{
    RepositoryName,
    registry::{Allowed, Forks, PullRecord, RepositoryEntry},
    run::{PULL_REQUEST, PullRequest, Trigger},
};
use serde_json::{Value, json};

use crate::{
    accept::{self, Accepted, Caller},
    doors::Who,
    error::{Answer, ApiError},
    fields::{Fields, parse},
    ports::Ports,
    push::Push,
    registry, statuses, validate,
};

/// Attempts against others who write the same item.
const ATTEMPTS: usize = 5;

/// Whether a push is run now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It is.
    Runs,
    /// It waits for an approver, as people are told.
    Waits(String),
    /// It is not, for this reason.
    Refused(String),
}

/// Lets a push run, unless it is of a fork that has to wait.
pub(crate) async fn admit(
    ports: &Ports,
    push: &Push,
    entry: &RepositoryEntry,
    caller: &Caller<'_>,
) -> Answer<Admitted> {
    let Some(pull) = push.pull.as_ref().map(|pull| &pull.request).filter(|pull| pull.fork) else {
        return Ok(Admitted::Runs);
    };
    let name = &entry.name;
    match entry.forks {
        Forks::Run => return Ok(Admitted::Runs),
        Forks::Refuse => {
            return Ok(Admitted::Refused(format!("{name} verifies no pull requests of forks")));
        }
        Forks::Ask => {}
    }
    let mut request = push.request(push.run_id(0), 0, &caller.origin);
    // There is no run to be shown yet.
    request.url = format!("{}/", caller.origin);
    for _ in 0..ATTEMPTS {
        let old = ports.pulls.pull(name, pull.number).await?;
        if let Some(known) = old.as_ref().filter(|known| known.request.commit == push.commit) {
            if known.allowed.is_some() {
                return Ok(Admitted::Runs);
            }
            return waits(ports, known, pull, entry).await;
        }
        let (schema, asked_at) = (PullRecord::VERSION, request.started_at);
        let record = PullRecord { schema, request: request.clone(), asked_at, allowed: None };
        if ports.pulls.put_pull(&record, pull.number, old.as_ref()).await? {
            return waits(ports, &record, pull, entry).await;
        }
    }
    Err(ApiError::unavailable())
}

/// Says on the commit, and to its host, what it waits for.
async fn waits(
    ports: &Ports,
    record: &PullRecord,
    pull: &PullRequest,
    entry: &RepositoryEntry,
) -> Answer<Admitted> {
    let (name, number, commit) = (&entry.name, pull.number, &record.request.commit);
    statuses::waits(ports, &record.request, entry, "Of a fork: waits for an approver's word")
        .await?;
    tracing::info!(repository = name.as_str(), number, commit, "a fork's commit waits");
    Ok(Admitted::Waits(format!(
        "the commit is of a fork and waits for an approver: `pactctl repos pulls {name} --allow \
         {number} --commit {commit}` lets it run"
    )))
}

/// Those of a repository that wait, or were let run.
pub(crate) async fn list(ports: &Ports, name: &str) -> Answer<Value> {
    let name = registry::show(&*ports.registry, name).await?.name;
    let listed = ports.pulls.pulls(&name).await?;
    let shown = |record: &PullRecord| {
        let request = &record.request;
        json!({
            "number": request.pull.as_ref().map(|pull| pull.number),
            "target": request.pull.as_ref().map(|pull| &pull.target),
            "commit": request.commit,
            "message": request.message,
            "author": request.author,
            "asked_at": record.asked_at,
            "allowed": record.allowed,
        })
    };
    let pulls: Vec<Value> = listed.items.iter().map(shown).collect();
    Ok(json!({ "pulls": pulls, "unreadable": listed.unreadable }))
}

/// An approver lets a commit of a fork run. The same word again does no harm.
pub(crate) async fn allow(
    ports: &Ports,
    name: &str,
    body: &[u8],
    who: &Who,
    caller: &Caller<'_>,
) -> Answer<Accepted> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["number", "commit", "by"])?;
    let number = value.get("number").and_then(Value::as_u64);
    let number =
        number.ok_or_else(|| fields.wrong("number", "not the number of a pull request"))?;
    let commit = validate::commit(fields.text("commit", validate::MAX_COMMIT)?)
        .map_err(|reason| fields.wrong("commit", reason))?;
    let by = who.by(&fields)?;
    let name = registry::show(&*ports.registry, name).await?.name;
    let record = allowed(ports, &name, number, &commit, &by).await?;
    let actor = record.allowed.map_or(by, |allowed| allowed.by);
    let trigger = Trigger { kind: PULL_REQUEST.to_owned(), actor: Some(actor), delivery: None };
    let mut push = Push::of(&record.request, trigger);
    // What is registered may have changed while it waited.
    registry::admit(&*ports.registry, &mut push, None).await?;
    let known = accept::arrival(ports, &push, caller).await?;
    accept::accept(ports, &push, caller, known).await
}

/// Writes that the commit may run.
async fn allowed(
    ports: &Ports,
    name: &RepositoryName,
    number: u64,
    commit: &str,
    by: &str,
) -> Answer<PullRecord> {
    for _ in 0..ATTEMPTS {
        let known = ports.pulls.pull(name, number).await?;
        let known = known.filter(|known| known.request.commit == commit).ok_or_else(|| {
            ApiError::not_found(format!(
                "no pull request {number} of {name} waits with the commit {commit}: its author may \
                 have pushed since"
            ))
        })?;
        if known.allowed.is_some() {
            return Ok(known);
        }
        let word = Allowed { by: by.to_owned(), at: Timestamp::now() };
        let record = PullRecord { allowed: Some(word), ..known.clone() };
        if ports.pulls.put_pull(&record, number, Some(&known)).await? {
            tracing::info!(
                repository = name.as_str(),
                number,
                commit,
                by,
                "a fork's commit may run"
            );
            return Ok(record);
        }
    }
    Err(ApiError::unavailable())
}
