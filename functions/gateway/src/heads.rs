//! Pushes that never arrived: the hosts of registered repositories are asked for the heads of their
//! branches, and what nobody told of for a while is run.
//!
//! A repository is asked once its host has told of a push: one that is run by hand alone has no pushes
//! that could be lost. What its host shows first is where it begins. A head that is not as it is known
//! was told of, and stands in its branch's order; or its message asked for no run, which was noted; or
//! it is looked at again after a minute, as a push may be on its way. Then it is a push like any other,
//! from where the branch stood, by the same rules. Told of after all, it is the same push.
//!
//! Who is asked is written down first, so that nobody asks twice at once. One repository of a host is
//! asked after the other; where the host does not answer, its others wait as long, and nobody else's.

use std::{collections::BTreeMap, time::Instant};

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use pact_agent::ports::StoreError;
use pact_contract::{
    Repository, RepositoryName,
    heads::{HeadsRecord, kept},
    problems,
    registry::RepositoryEntry,
    run::{FOUND, Trigger},
};
use pact_hosts::{Found, Purpose, github::api_of};
use url::Url;

use crate::{
    accept::{self, Caller},
    error::{Answer, ApiError},
    filters,
    ls_refs::{Shown, Trouble},
    motor,
    ports::Ports,
    push::Push,
    registry,
};

type Result<T> = std::result::Result<T, StoreError>;

/// Attempts against others who write the same item.
const ATTEMPTS: usize = 5;
/// Most repositories that one pass asks for, and hosts that are asked side by side.
const MOST: usize = 60;
const AT_ONCE: usize = 8;
/// Most runs of one repository that begin by one answer.
const MOST_LOST: usize = 20;

/// By what the registry keeps a push out: anything else is a fault.
const REFUSALS: &[problems::ProblemCode] =
    &[problems::BRANCH_NOT_RUN, problems::REPOSITORY_ELSEWHERE, problems::REPOSITORY_UNKNOWN];

/// Notes that a host tells of this repository's pushes; and that of this one it told, where nothing
/// else says so: because its message asks for no run.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn told(
    ports: &Ports,
    push: &Push,
    caller: &Caller<'_>,
    known: Option<&HeadsRecord>,
) -> Answer<()> {
    let Some(host) = caller.host.filter(|_| !push.tag && push.pull.is_none()) else {
        return Ok(());
    };
    let default = Some(&push.repository.default_branch);
    let is_known = |known: Option<&HeadsRecord>| {
        !push.skip && known.is_some_and(|known| known.default_branch.as_ref() == default)
    };
    if is_known(known) {
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        let (known, version) = ports.heads.heads(&push.repository.name).await?;
        if is_known(known.as_ref()) {
            return Ok(());
        }
        let is_new = known.is_none();
        let mut record = known.unwrap_or_else(|| {
            let name = push.repository.name.clone();
            HeadsRecord::new(name, host.to_owned(), caller.origin.clone(), Timestamp::now())
        });
        record.default_branch = default.cloned();
        if is_new || push.skip {
            record.told(&push.branch, &push.commit);
        }
        if ports.heads.store_heads(&record, version).await? {
            return Ok(());
        }
    }
    Err(ApiError::unavailable())
}

/// What asking came to.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Repositories whose host answered.
    pub(crate) answered: usize,
    /// Those whose host did not.
    pub(crate) silent: usize,
    /// Pushes that never arrived, and are run.
    pub(crate) found: usize,
}

/// Asks the hosts that are due, until the time is over.
///
/// # Errors
/// When the list of those cannot be read.
pub(crate) async fn pass(ports: &Ports, until: Instant) -> Result<Asked> {
    let mut asked = Asked::default();
    let due = ports.heads.due_heads(Timestamp::now(), MOST).await?;
    let mut hosts: BTreeMap<String, Vec<(RepositoryEntry, Url)>> = BTreeMap::new();
    for name in due {
        match ports.registry.repository(&name).await? {
            Some(entry) => match remote(&entry) {
                Some(url) => hosts.entry(authority(&url)).or_default().push((entry, url)),
                None => ports.heads.forget_heads(&name).await?,
            },
            // It was taken out of the registry.
            None => ports.heads.forget_heads(&name).await?,
        }
    }
    let start = |repositories| host(ports, repositories, until).boxed();
    let each: Vec<_> = hosts.into_values().map(start).collect();
    let mut each = stream::iter(each).buffer_unordered(AT_ONCE);
    while let Some(one) = each.next().await {
        asked.answered += one.answered;
        asked.silent += one.silent;
        asked.found += one.found;
    }
    Ok(asked)
}

/// Where its pushes come from; none for a folder, which has commits that nobody pushed.
fn remote(entry: &RepositoryEntry) -> Option<Url> {
    Url::parse(&entry.url).ok().filter(|url| matches!(url.scheme(), "https" | "http"))
}

fn authority(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Asks one host for its repositories, one after another.
async fn host(ports: &Ports, repositories: Vec<(RepositoryEntry, Url)>, until: Instant) -> Asked {
    let (mut asked, mut silent) = (Asked::default(), None);
    for (entry, url) in repositories {
        if Instant::now() >= until {
            break;
        }
        match repository(ports, &entry, &url, silent.clone()).await {
            Ok(Some(Ok(found))) => {
                asked.answered += 1;
                asked.found += found;
            }
            Ok(Some(Err(trouble))) => {
                asked.silent += 1;
                if let Trouble::Host(_) = trouble {
                    silent = Some(trouble);
                }
            }
            Ok(None) => {}
            Err(error) => {
                asked.silent += 1;
                let repository = entry.name.as_str();
                tracing::error!(repository, %error, "its host is asked later");
            }
        }
    }
    asked
}

/// Asks for one repository, unless its host is known not to answer now. None where it is not due.
async fn repository(
    ports: &Ports,
    entry: &RepositoryEntry,
    url: &Url,
    silent: Option<Trouble>,
) -> Answer<Option<std::result::Result<usize, Trouble>>> {
    let (known, version) = ports.heads.heads(&entry.name).await?;
    let Some(record) = known.and_then(|known| known.begun(Timestamp::now())) else {
        return Ok(None);
    };
    if !ports.heads.store_heads(&record, version).await? {
        return Ok(None);
    }
    let answer = match silent {
        Some(trouble) => Err(trouble),
        None => ask(ports, &entry.name, url).await?,
    };
    let outcome = match answer {
        Ok(shown) => Ok(answered(ports, entry, record.clone(), shown).await?),
        Err(trouble) => Err(trouble),
    };
    // What was told meanwhile stays.
    for _ in 0..ATTEMPTS {
        let (now, version) = ports.heads.heads(&entry.name).await?;
        let Some(now) = now else { break };
        let next = match &outcome {
            Ok((found, seen)) => {
                let mut next = seen.clone();
                if now != record {
                    next.known.extend(now.known);
                }
                tracing::debug!(repository = entry.name.as_str(), found, "its host answered");
                next.answered(Timestamp::now())
            }
            Err(Trouble::Host(why) | Trouble::Repository(why) | Trouble::Unauthorized(why)) => {
                tracing::warn!(repository = entry.name.as_str(), why, "its heads are not known");
                now.failed(why.clone(), Timestamp::now())
            }
        };
        if ports.heads.store_heads(&next, version).await? {
            break;
        }
    }
    Ok(Some(outcome.map(|(found, _)| found)))
}

async fn ask(
    ports: &Ports,
    name: &RepositoryName,
    url: &Url,
) -> Answer<std::result::Result<Shown, Trouble>> {
    let asking = &ports.asking;
    if let Err(why) = asking.sources.check(url) {
        return Ok(Err(Trouble::Repository(why)));
    }
    let named = asking.sources.name_host_of(url);
    let tokens = &ports.host_tokens;
    let mut lease = tokens.lease(name, api_of(url).as_deref(), Purpose::Fetch).await?;
    loop {
        let token = match lease.found() {
            // It goes to a host that is named, and to no other.
            Found::Given(token) if named => Some(token),
            Found::Lent(token) => Some(token),
            Found::Later { why, .. } => {
                tracing::warn!(
                    repository = name.as_str(),
                    why,
                    "its host is asked without a token"
                );
                None
            }
            Found::Given(_) | Found::Missing(_) => None,
        };
        let token = token.filter(|token| !token.reveal().trim().is_empty());
        let shown = asking.client.ask(url, token, asking.patience).await;
        if !matches!(shown, Err(Trouble::Unauthorized(_))) || !tokens.renew(&mut lease).await? {
            return Ok(shown);
        }
    }
}

/// Looks at what a host showed, and has run what nobody told of. How many, and what is known now.
async fn answered(
    ports: &Ports,
    entry: &RepositoryEntry,
    mut record: HeadsRecord,
    shown: Shown,
) -> Answer<(usize, HeadsRecord)> {
    record.default_branch = shown.default_branch.or(record.default_branch);
    let default = entry.default_branch.clone().or_else(|| record.default_branch.clone());
    let heads = kept(shown.heads, default.as_deref());
    let mut found = 0;
    for (branch, commit) in record.changed(&heads) {
        let (pushes, _) =
            ports.branches.branch(&entry.name, &format!("refs/heads/{branch}")).await?;
        let known = pushes.pushes().iter().rfind(|push| push.after == commit);
        // Whoever took it up may have died before its run was there.
        let told = match known {
            Some(push) => ports.runs.run(&push.run_id).await?.is_some(),
            None => false,
        };
        if told {
            record.told(&branch, &commit);
        } else if record.is_lost(&branch, &commit, Timestamp::now()) && found < MOST_LOST {
            let base = match known {
                Some(push) => push.before.clone(),
                None => pushes.pushes().last().map(|last| last.after.clone()),
            };
            let default = default.as_deref().unwrap_or(&branch);
            let push = push(entry, (&branch, &commit, default), base);
            found += usize::from(run(ports, push, &record.origin).await?);
            record.told(&branch, &commit);
        }
    }
    Ok((found, record))
}

/// A push of a branch that nobody told of.
fn push(
    entry: &RepositoryEntry,
    (branch, commit, default): (&str, &str, &str),
    base: Option<String>,
) -> Push {
    Push {
        repository: Repository {
            name: entry.name.clone(),
            url: entry.url.clone(),
            default_branch: default.to_owned(),
        },
        branch: branch.to_owned(),
        tag: false,
        commit: commit.to_owned(),
        base,
        message: None,
        author: None,
        template: None,
        environment: None,
        policy: Default::default(),
        host_id: None,
        on_purpose: None,
        pull: None,
        skip: false,
        trigger: Trigger { kind: FOUND.to_owned(), actor: None, delivery: None },
    }
}

/// Has a push run that never arrived, unless the rules have it start nothing.
async fn run(ports: &Ports, mut push: Push, origin: &str) -> Answer<bool> {
    match registry::admit(&*ports.registry, &mut push, None).await {
        Ok(_) => {}
        Err(refused) if REFUSALS.contains(&refused.code) => {
            let (repository, branch) = (push.repository.name.as_str(), push.branch);
            tracing::info!(repository, branch, reason = refused.message, "ignored");
            return Ok(false);
        }
        Err(fault) => return Err(fault),
    }
    if let Some(reason) = filters::starts_nothing(ports, &push).await? {
        let (repository, branch) = (push.repository.name.as_str(), push.branch);
        tracing::info!(repository, branch, reason, "ignored");
        return Ok(false);
    }
    let caller = Caller { origin: origin.to_owned(), trace: None, host: None };
    let known = accept::arrival(ports, &push, &caller).await?;
    let accepted = accept::accept(ports, &push, &caller, known).await?;
    motor::one(ports, &accepted.run_id, None).await?;
    let (repository, run_id) = (push.repository.name.as_str(), accepted.run_id.as_str());
    tracing::warn!(repository, run_id, branch = push.branch, "a push that never arrived is run");
    Ok(!accepted.duplicate)
}

/// Takes away what is known of a repository that is not registered any more.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn forget(ports: &Ports, name: &RepositoryName) -> Result<()> {
    ports.heads.forget_heads(name).await
}
