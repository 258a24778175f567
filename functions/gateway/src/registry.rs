//! The registry at the door: what is not registered is not run, and what is registered is fetched
//! from the address that was bound to its name, whatever a push says.

use axum::http::StatusCode;
use jiff::Timestamp;
use pact_agent::{
    ports::{Listed, Registry},
    secrets::SecretKeeper,
};
use pact_contract::{
    RepositoryName,
    policy::Floor,
    problems,
    registry::{Forks, RepositoryEntry},
    shell::word,
    statuses::{StatusSettings, webhook_secret_name},
};
use pact_hosts::Sources;
use url::Url;

use crate::{
    doors::Who,
    error::{Answer, ApiError},
    fields::{Fields, parse},
    hosts::{self, WebhookHost},
    push::Push,
    signed, validate,
};

/// Attempts against others who write the same entry.
const ATTEMPTS: usize = 5;
/// Most patterns of branches.
const MAX_BRANCHES: usize = 50;

/// Lets the push of a registered repository in, of which `host` told if any did, with what is registered of it, which is the answer.
///
/// # Errors
/// When the repository is not registered, is elsewhere, or does not run this branch.
pub(crate) async fn admit(
    registry: &dyn Registry,
    push: &mut Push,
    host: Option<&str>,
) -> Answer<RepositoryEntry> {
    let entry = registry.repository(&push.repository.name).await?;
    admit_by(entry, push, host)
}

/// The same, by what is registered under the repository's name.
///
/// # Errors
/// As [`admit`].
pub(crate) fn admit_by(
    entry: Option<RepositoryEntry>,
    push: &mut Push,
    host: Option<&str>,
) -> Answer<RepositoryEntry> {
    let Push { repository, branch, policy, pull, tag, .. } = push;
    // A pull request belongs to where it is to be merged, and a tag to no branch.
    let branch = match pull {
        Some(pull) => pull.request.target.clone(),
        None if *tag => format!("refs/tags/{branch}"),
        None => branch.clone(),
    };
    let name = &repository.name;
    let refused = |code, message: String| ApiError::new(StatusCode::FORBIDDEN, code, message);
    let Some(entry) = entry else {
        let how = format!("pactctl repos add {name} {}", word(&repository.url));
        return Err(refused(
            problems::REPOSITORY_UNKNOWN,
            format!("{name} is not registered: `{how}` registers it"),
        ));
    };
    if !entry.is_at(&repository.url) {
        return Err(refused(
            problems::REPOSITORY_ELSEWHERE,
            format!("{name} is registered at {}, not at {}", entry.url, repository.url),
        ));
    }
    // Another host's secret says nothing of this one's repositories.
    if let (Some(bound), Some(host)) = (&entry.host, host)
        && bound != host
    {
        return Err(refused(
            problems::REPOSITORY_ELSEWHERE,
            format!("{name} is registered as one of {bound}, not of {host}"),
        ));
    }
    if !entry.runs(&branch) {
        return Err(refused(
            problems::BRANCH_NOT_RUN,
            format!("{name} runs {} only", entry.branches.join(", ")),
        ));
    }
    if let Some(branch) = &entry.default_branch {
        repository.default_branch.clone_from(branch);
    }
    policy.floor = entry.floor.clone();
    Ok(entry)
}

/// What is to be registered.
pub(crate) struct Request {
    entry: RepositoryEntry,
    /// The address is a folder of this machine where the repository is too.
    local: bool,
    /// Another address may take the place of the registered one.
    replace: bool,
}

/// Reads the body of `POST /v1/repositories`.
pub(crate) fn read(body: &[u8], allowed: &Sources, who: &Who) -> Answer<Request> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&[
        "name",
        "url",
        "local",
        "replace",
        "default_branch",
        "branches",
        "floor",
        "forks",
        "host",
        "statuses",
        "statuses_api",
        "by",
    ])?;
    let name: RepositoryName = fields.identifier("name")?;
    let url = validate::source(fields.text("url", validate::MAX_URL)?, allowed)
        .map_err(|reason| fields.wrong("url", reason))?;
    let branch = |field: &str, text: &str| {
        validate::branch(&text.replace('*', "x")).map_err(|reason| fields.wrong(field, reason))
    };
    let default_branch = fields.optional_text("default_branch", validate::MAX_BRANCH)?;
    if let Some(text) = default_branch {
        branch("default_branch", text)?;
    }
    let branches: Vec<String> = match value.get("branches") {
        None => Vec::new(),
        Some(list) => serde_json::from_value(list.clone())
            .map_err(|_| fields.wrong("branches", "not a list of patterns"))?,
    };
    if branches.len() > MAX_BRANCHES {
        return Err(fields.wrong("branches", format!("more than {MAX_BRANCHES}")));
    }
    for text in &branches {
        branch("branches", text)?;
    }
    let floor: Floor = match value.get("floor") {
        None => Floor::default(),
        Some(floor) => serde_json::from_value(floor.clone())
            .map_err(|error| fields.wrong("floor", error.to_string()))?,
    };
    let forks: Forks = match value.get("forks").filter(|forks| !forks.is_null()) {
        None => Forks::default(),
        Some(forks) => serde_json::from_value(forks.clone())
            .map_err(|_| fields.wrong("forks", "unknown; known are ask, run and refuse"))?,
    };
    let named = fields.optional_text("host", 64)?;
    let host = hosts::of(named, Url::parse(&url).ok().as_ref())?;
    let statuses = statuses(&fields, &url, host, allowed)?;
    let local = fields.optional_flag("local")?.unwrap_or(false);
    if local && !url.starts_with("file:") {
        return Err(fields.wrong("url", "not a folder of this machine"));
    }
    Ok(Request {
        entry: RepositoryEntry {
            schema: RepositoryEntry::VERSION,
            name,
            url,
            local: None,
            default_branch: default_branch.map(str::to_owned),
            branches,
            floor,
            forks,
            host: named.map(str::to_owned),
            statuses,
            rotation: None,
            registered_by: who.by(&fields)?,
            registered_at: Timestamp::now(),
        },
        local,
        replace: fields.optional_flag("replace")?.unwrap_or(false),
    })
}

/// How the commits of the repository at `url` show what became of them, if they are to.
fn statuses(
    fields: &Fields<'_>,
    url: &str,
    host: &dyn WebhookHost,
    allowed: &Sources,
) -> Answer<Option<StatusSettings>> {
    let wanted = fields.optional_flag("statuses")?.unwrap_or(false);
    let given = fields.optional_text("statuses_api", validate::MAX_URL)?;
    if !wanted {
        return match given {
            None => Ok(None),
            Some(_) => Err(fields.wrong("statuses_api", "statuses are not asked for")),
        };
    }
    let name = host.name();
    let host = host.statuses();
    let host = host.ok_or_else(|| fields.wrong("statuses", format!("{name} takes none")))?;
    let api = match given {
        Some(api) => {
            validate::api(api, allowed).map_err(|why| fields.wrong("statuses_api", why))?
        }
        None => Url::parse(url).ok().and_then(|url| host.api(&url)).ok_or_else(|| {
            fields.wrong("statuses", "its address has no API that goes with it: name statuses_api")
        })?,
    };
    Ok(Some(StatusSettings { host: name.to_owned(), api }))
}

/// Registers the repository, or changes what is registered.
///
/// # Errors
/// When its name is bound to another address, which is not to be replaced.
pub(crate) async fn register(registry: &dyn Registry, request: Request) -> Answer<RepositoryEntry> {
    let Request { entry: asked, local, replace } = request;
    for _ in 0..ATTEMPTS {
        let known = registry.repository(&asked.name).await?;
        let entry = match &known {
            // Its owner runs it here: what else is registered stays.
            Some(known) if local => {
                if known.is_at(&asked.url) {
                    return Ok(known.clone());
                }
                RepositoryEntry { local: Some(asked.url.clone()), ..known.clone() }
            }
            Some(known) if !known.is_at(&asked.url) && !replace => {
                return Err(ApiError::conflict(
                    problems::REPOSITORY_ELSEWHERE,
                    format!(
                        "{} is registered at {}; `pactctl repos add --replace` binds its name to \
                         another address",
                        known.name, known.url
                    ),
                ));
            }
            Some(known) => RepositoryEntry {
                local: known.local.clone(),
                rotation: known.rotation.clone(),
                ..asked.clone()
            },
            None => asked.clone(),
        };
        if registry.put_repository(&entry, known.as_ref()).await? {
            tracing::info!(repository = entry.name.as_str(), url = entry.url, "registered");
            return Ok(entry);
        }
    }
    Err(ApiError::unavailable())
}

/// One of them.
///
/// # Errors
/// When there is none of this name.
pub(crate) async fn show(registry: &dyn Registry, name: &str) -> Answer<RepositoryEntry> {
    let missing = || ApiError::not_found(format!("{name} is not registered"));
    let name: RepositoryName = name.parse().map_err(|_| missing())?;
    registry.repository(&name).await?.ok_or_else(missing)
}

/// Takes it out, with the secret of its webhook: its pushes are refused from then on.
///
/// # Errors
/// When there is none of this name.
pub(crate) async fn remove(
    registry: &dyn Registry,
    keeper: &dyn SecretKeeper,
    name: &str,
) -> Answer<RepositoryEntry> {
    let entry = show(registry, name).await?;
    // First: what fails after it is asked for again. Who is registered under the name later does not
    // find in effect what somebody else knows.
    if signed::may_have_one(&entry.name) {
        keeper.forget(&webhook_secret_name(&entry.name)).await?;
    }
    registry.remove_repository(&entry.name).await?;
    tracing::info!(repository = entry.name.as_str(), "removed");
    Ok(entry)
}

/// All of them.
pub(crate) async fn list(registry: &dyn Registry) -> Answer<Listed<RepositoryEntry>> {
    Ok(registry.repositories().await?)
}
