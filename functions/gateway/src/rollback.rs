//! A rollback that a person asks for: a run of its own, through the pipeline's own rollback branch,
//! which verifies that the release before answers, records who wanted it and why, and tells people.

use jiff::Timestamp;
use pact_contract::{
    EnvironmentKey, EnvironmentName, ReleaseId, Repository, RepositoryName, RunId, RunRecord,
    RunStatus, Tier,
    actions::{EnvironmentRecord, ReleaseRecord},
    ledger::Standing,
    log::{LogKind, NewEntry},
    problems,
    run::{ROLLBACK, RunRequest, Trigger},
};
use serde_json::{Value, json};

use crate::{
    accept::{Accepted, Caller},
    doors::Who,
    ending,
    error::{Answer, ApiError},
    fields::{Fields, line, parse},
    known::MAX_RERUNS,
    ports::Ports,
    registry,
};

/// Longest reason.
const MAX_REASON: usize = 1_000;

/// What a person wants.
#[derive(Debug)]
pub(crate) struct Wanted {
    key: EnvironmentKey,
    /// The release to return to; none: the last good one before.
    to: Option<ReleaseId>,
    by: String,
    reason: String,
}

impl Wanted {
    /// The release before is wanted.
    pub(crate) fn before(key: &EnvironmentKey, by: &str, reason: &str) -> Self {
        let reason = reason.chars().take(MAX_REASON).collect();
        Self { key: key.clone(), to: None, by: by.to_owned(), reason }
    }
}

/// Reads the body of `POST /v1/rollbacks`.
pub(crate) fn read(body: &[u8], who: &Who) -> Answer<Wanted> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["repository", "environment", "to", "by", "reason"])?;
    let repository: RepositoryName = fields.identifier("repository")?;
    let environment: EnvironmentName = fields.identifier("environment")?;
    let to = fields.has("to").then(|| fields.identifier("to")).transpose()?;
    let reason = line(fields.text("reason", MAX_REASON)?, MAX_REASON)
        .ok_or_else(|| fields.wrong("reason", "nothing that can be read"))?;
    Ok(Wanted {
        key: EnvironmentKey::new(&repository, &environment),
        to,
        by: who.by(&fields)?,
        reason,
    })
}

/// What is to be returned: the environment, or those of its waves that have the release that came last, in
/// the order in which they got it. One that has another release did not get that one.
async fn parts(
    ports: &Ports,
    key: &EnvironmentKey,
) -> Answer<Vec<(EnvironmentKey, EnvironmentRecord)>> {
    let mut waves = ports.environments.waves(&key.repository, &key.environment).await?;
    if let Some((_, record)) = waves.iter().find(|(_, record)| record.pending.is_some()) {
        at_work(record)?;
    }
    waves.retain(|(_, record)| record.current.is_some());
    let since = |record: &EnvironmentRecord| {
        record.current.as_ref().map(|current| (current.deployed_at, current.release.clone()))
    };
    waves.sort_by_key(|(key, record)| (since(record), key.clone()));
    match waves.last().and_then(|(_, record)| since(record)) {
        None => Ok(vec![(key.clone(), ports.environments.load(key).await?)]),
        Some((_, latest)) => {
            let has = |record: &EnvironmentRecord| {
                record.current.as_ref().is_some_and(|current| current.release == latest)
            };
            waves.retain(|(_, record)| has(record));
            Ok(waves)
        }
    }
}

/// Refuses where a run is at work.
fn at_work(record: &EnvironmentRecord) -> Answer<()> {
    let Some(pending) = &record.pending else { return Ok(()) };
    let run = &pending.release.run_id;
    let message = format!("the run {run} is at work there; wait for its end");
    Err(ApiError::conflict(problems::DEPLOYING, message))
}

/// Starts it: one run for all waves of an environment. The same again, while it goes on, is the same run.
pub(crate) async fn begin(ports: &Ports, wanted: &Wanted, caller: &Caller<'_>) -> Answer<Accepted> {
    let Wanted { key, by, reason, .. } = wanted;
    let entry = registry::show(&*ports.registry, key.repository.as_str()).await?;
    let parts = parts(ports, key).await?;
    let mut back = Vec::with_capacity(parts.len());
    for (key, record) in &parts {
        let (current, to) = releases(key, record, wanted).map_err(|refused| {
            let others = parts.iter().map(|(key, _)| key.environment.as_str());
            let others: Vec<&str> = others.filter(|name| key.environment != *name).collect();
            match others.is_empty() {
                true => refused,
                // Half of it is for whoever says so.
                false => {
                    let message =
                        format!("{}; the others are {}", refused.message, others.join(", "));
                    ApiError::new(refused.status, refused.code, message)
                }
            }
        })?;
        back.push((&key.environment, current, to));
    }
    let Some((first, current, back_to)) = back.last() else {
        return Err(ApiError::not_found("there is no such environment"));
    };
    let deployed = ports.runs.run(&current.run_id).await?;
    let (id, known) = run_of(ports, key, &current.release).await?;
    let duplicate = known.is_some();
    let request = match known {
        // Whoever began it may have been interrupted before it was started.
        Some(run) => run.request,
        None => {
            let before = deployed.as_ref().map(|run| &run.request);
            let branch = before.map_or("main", |request| request.branch.as_str());
            let repository = before.map_or_else(
                || Repository {
                    name: entry.name.clone(),
                    url: entry.url.clone(),
                    default_branch: entry.default_branch.unwrap_or_else(|| branch.to_owned()),
                },
                |request| request.repository.clone(),
            );
            RunRequest {
                schema: RunRequest::VERSION,
                run_id: id.clone(),
                repository,
                reference: before
                    .map_or_else(|| format!("refs/heads/{branch}"), |b| b.reference.clone()),
                branch: branch.to_owned(),
                commit: back_to.commit.clone(),
                base: None,
                message: Some(format!("Return {} to {}", key.environment, back_to.release)),
                author: Some(by.clone()),
                trigger: Trigger {
                    kind: ROLLBACK.to_owned(),
                    actor: Some(by.clone()),
                    delivery: None,
                },
                template: None,
                environment: Some(key.environment.clone()),
                url: format!("{}/runs/{id}", caller.origin),
                started_at: Timestamp::now(),
                policy: <_>::default(),
                place: None,
                on_purpose: None,
                verify_only: None,
                pull: None,
            }
        }
    };
    let tier = match &deployed {
        Some(run) => ending::tier_of(ports, run, first).await?,
        None => Tier::of(first),
    };
    let settings = match &deployed {
        Some(run) => ending::settings_of(ports, &run.request.run_id).await?,
        None => None,
    };
    let mut input = json!(request);
    if let Some(fields) = input.as_object_mut() {
        let parts = back.iter().map(|(name, current, _)| (*name, *current));
        let back = take_back(wanted, &parts.collect::<Vec<_>>(), tier, settings);
        fields.insert("take_back".to_owned(), back);
    }
    let arn = ports.executions.execution_arn(id.as_str());
    if duplicate {
        // What it was begun with counts.
        input = ports.runs.input(&id).await?.unwrap_or(input);
    } else {
        // A person waits for it: it needs no room.
        ports.runs.create_run(&request, &arn, RunStatus::Running, Some(&input)).await?;
    }
    // Whoever began it may have been interrupted before it was written down.
    if ports.log.entries(&id).await?.items.is_empty() {
        let entry = NewEntry {
            timestamp: Timestamp::now(),
            actor: by.clone(),
            kind: LogKind::Event,
            action: "gateway.roll_back".to_owned(),
            body: json!({
                "environment": key.environment,
                "environments": back.iter().map(|(name, ..)| name).collect::<Vec<_>>(),
                "release": current.release,
                "to": back_to.release,
                "reason": reason,
            }),
        };
        ports.recorder.append_log(&id, entry).await?;
    }
    let arn = ports.executions.start(id.as_str(), &input, caller.trace).await?;
    tracing::info!(run_id = id.as_str(), environment = %key, by, "a person rolls back");
    let status = RunStatus::Running;
    Ok(Accepted { run_id: id, url: request.url, status, execution_arn: arn, duplicate })
}

/// The release in effect, and the one to return to.
fn releases<'r>(
    key: &EnvironmentKey,
    record: &'r EnvironmentRecord,
    wanted: &Wanted,
) -> Answer<(&'r ReleaseRecord, Back)> {
    let environment = &key.environment;
    at_work(record)?;
    let nothing = |why: String| ApiError::conflict(problems::NOTHING_TO_RETURN_TO, why);
    let current = record
        .current
        .as_ref()
        .ok_or_else(|| nothing(format!("nothing is deployed in {environment}")))?;
    let Some(to) = &wanted.to else {
        let previous = record.previous.as_ref();
        let previous = previous.filter(|previous| record.ledger.is_good(&previous.release));
        let previous = previous.ok_or_else(|| {
            nothing(format!("{} is the only good release of {environment}", current.release))
        })?;
        let back = Back { release: previous.release.clone(), commit: previous.commit.clone() };
        return Ok((current, back));
    };
    if current.release == *to {
        return Err(nothing(format!("{to} is in effect in {environment}")));
    }
    let entry = record.ledger.of(to);
    let entry = entry.ok_or_else(|| nothing(format!("{environment} never had a release {to}")))?;
    if entry.standing != Standing::Good {
        let why = entry.reason.as_deref().unwrap_or("it was never judged good");
        return Err(nothing(format!("{to} is no place to return to in {environment}: {why}")));
    }
    Ok((current, Back { release: to.clone(), commit: entry.commit.clone() }))
}

/// Where it goes back to.
struct Back {
    release: ReleaseId,
    commit: String,
}

/// The id of the run: that of one which goes on already, or a new one.
async fn run_of(
    ports: &Ports,
    key: &EnvironmentKey,
    release: &ReleaseId,
) -> Answer<(RunId, Option<RunRecord>)> {
    let first = RunId::for_rollback(key, release);
    for number in 0..MAX_RERUNS {
        let id = first.again(number);
        match ports.runs.run(&id).await? {
            Some(run) if run.status.is_final() => {}
            known => return Ok((id, known)),
        }
    }
    let message = format!("{release} was rolled back {MAX_RERUNS} times already");
    Err(ApiError::conflict(problems::TOO_MANY_RUNS, message))
}

/// What the pipeline is told to take back: of these environments, each with what is in effect there, the
/// last one first.
fn take_back(
    wanted: &Wanted,
    parts: &[(&EnvironmentName, &ReleaseRecord)],
    tier: Option<Tier>,
    settings: Option<Value>,
) -> Value {
    let Wanted { to, by, reason, .. } = wanted;
    let release = parts.last().map(|(_, current)| &current.release);
    let shown = release.map(ToString::to_string).unwrap_or_default();
    let deployment = |(environment, current): &(&EnvironmentName, &ReleaseRecord)| {
        json!({
            "environment": environment,
            "tier": tier,
            "release": current.release,
            "status": "pending",
        })
    };
    let planned = |(environment, current): &(&EnvironmentName, &ReleaseRecord)| json!({ "name": environment, "tier": tier, "settings": current.settings });
    let mut back = json!({
        "status": "succeeded",
        "reason": format!("{shown} was rolled back by {by}: {reason}"),
        "by": by,
        "deployments": parts.iter().map(deployment).collect::<Vec<_>>(),
        "plan": {
            "release": release,
            "template": null,
            "environments": parts.iter().map(planned).collect::<Vec<_>>(),
        },
        "settings": settings.unwrap_or_else(|| json!({ "notify": {} })),
    });
    if let (Some(to), Some(fields)) = (to, back.as_object_mut()) {
        fields.insert("to".to_owned(), json!(to));
    }
    back
}
