//! A commit of a repository: opened where it lies on this machine, fetched where it does not.

mod moved;

use std::{path::PathBuf, sync::atomic::AtomicBool};

use gix::{ObjectId, Repository};
use pact_agent::{AgentError, secrets::Secret};
use pact_hosts::Guard;
use url::Url;

use crate::{
    base::{self, Push},
    config::Config,
    fault::{text, unavailable},
    remote::Remote,
};

/// Why the token is not sent.
const WITHHELD: &str = "the secret source-token was not sent, because PACT_ALLOWED_SOURCES does not \
                        name this host";

/// Where a repository is, after the address was checked.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// On this machine.
    Local(PathBuf),
    /// Behind HTTP, with the token that may be sent there, or why there is none; names are looked up by
    /// the guard.
    Remote { url: Url, token: Result<Secret, Option<String>>, guard: Guard },
}

/// Checks an address against what may be fetched.
pub(crate) fn locate(config: &Config, address: &str) -> Result<Location, AgentError> {
    let url = Url::parse(address).map_err(|e| {
        AgentError::invalid(format!(
            "repository.url is not an address such as https://… or file:///…: {e}"
        ))
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AgentError::invalid(
            "repository.url carries a user name or password; put the token into the secret source-token",
        ));
    }
    config
        .allowed
        .check(&url)
        .map_err(|why| AgentError::invalid(format!("repository.url {url}: {why}")))?;
    if url.scheme() == "file" {
        return url.to_file_path().map(Location::Local).map_err(|()| {
            AgentError::invalid(format!("repository.url {url} is not a path of this machine"))
        });
    }
    let named = config.allowed.name_host_of(&url);
    let token = config.token.clone();
    let token = match token {
        Some(token) if named || config.lent => Ok(token),
        Some(_) => {
            tracing::warn!("{WITHHELD}");
            Err(Some(WITHHELD.to_owned()))
        }
        None => Err(config.no_token.as_ref().map(|why| format!("no token was sent: {why}"))),
    };
    Ok(Location::Remote { url, token, guard: Guard::new(config.allowed.clone()) })
}

pub(crate) use moved::moved;

/// A repository that has the commit.
pub(crate) struct Source {
    /// The repository.
    pub(crate) repository: Repository,
    /// The commit that is looked at: the pushed one, or the merge of a pull request.
    pub(crate) head: ObjectId,
    /// The commit before it: that of the push, or the one that a pull request is merged into.
    pub(crate) before: Option<ObjectId>,
    /// Tip of the default branch, where it is known and another one than was pushed to.
    pub(crate) tip: Option<ObjectId>,
    /// The folder of a fetched one, removed with this.
    _folder: Option<tempfile::TempDir>,
}

/// Opens or fetches the repository and makes sure that it has the commit that was pushed, and as
/// much of its history as the choice of a base needs and can still be had.
pub(crate) fn obtain(
    location: &Location,
    push: &Push<'_>,
    stop: &AtomicBool,
) -> Result<Source, AgentError> {
    let commit = push.head;
    let (repository, merged, tip, folder) = match location {
        Location::Local(path) => {
            let repository = gix::open_opts(path, gix::open::Options::isolated()).map_err(|e| {
                unavailable(format!("{} is not a git repository: {}", path.display(), text(&e)))
            })?;
            let tip = base::local_tip(&repository, push.default_branch);
            let merge = push.pull.and_then(|pull| pull.merge.as_deref());
            let merged = merge.and_then(|name| {
                let mut reference = repository.find_reference(name).ok()?;
                let tip = reference.peel_to_commit().ok()?.id;
                base::merge_of(&repository, tip, commit)
            });
            (repository, merged, tip, None)
        }
        Location::Remote { url, token, guard } => {
            let folder = tempfile::tempdir()
                .map_err(|e| AgentError::internal(format!("cannot make a folder: {e}")))?;
            let remote = Remote { url, token: token.as_ref(), guard, stop };
            let (repository, merged, tip) = remote.fetch(folder.path(), push)?;
            (repository, merged, tip, Some(folder))
        }
    };
    let found = repository.find_commit(commit).is_ok();
    if !found {
        let kind = repository.find_header(commit).map(|h| h.kind().to_string());
        let what = match kind {
            Ok(kind) => format!("{commit} is a {kind}, not a commit"),
            Err(_) => format!("the repository has no commit {commit}"),
        };
        return Err(unavailable(format!("{what}; was it force-pushed away or never pushed?")));
    }
    let (head, before) = match merged {
        Some(merged) => (merged.commit, Some(merged.target)),
        None => (commit, push.before),
    };
    Ok(Source { repository, head, before, tip, _folder: folder })
}

/// Whether objects were left out when the repository was cloned.
pub(crate) fn is_partial(repository: &Repository) -> bool {
    let config = repository.config_snapshot();
    let promisor = repository
        .remote_names()
        .into_iter()
        .any(|name| config.boolean(format!("remote.{name}.promisor").as_str()).unwrap_or_default());
    promisor || config.string("extensions.partialClone").is_some()
}

#[cfg(test)]
mod tests {
    use pact_contract::ErrorName;
    use pact_hosts::Sources;

    use super::*;

    fn config(list: &str, token: Option<&str>) -> Config {
        Config {
            allowed: Sources::parse(list).expect("a list"),
            token: token.map(Secret::new),
            ..Config::default()
        }
    }

    #[test]
    fn refusals_name_the_setting_and_show_no_secret() {
        let config = config("https://git.example/", Some("s3cret"));
        let refused = |address| locate(&config, address).expect_err("is refused");
        let error = refused("https://elsewhere.example/a");
        assert_eq!(error.name, ErrorName::InvalidIntent);
        assert!(error.message.contains("PACT_ALLOWED_SOURCES"), "{error}");
        for address in ["ssh://git.example/a", "/srv/git/a", "file:///srv/git", "ext::sh -c id"] {
            assert_eq!(refused(address).name, ErrorName::InvalidIntent, "{address}");
        }
        let error = refused("https://me:hunter2@git.example/a");
        assert!(!error.chain().contains("hunter2"), "{error}");
    }

    #[test]
    fn the_token_goes_only_to_a_host_that_is_named() {
        let to = |list: &str, url: &str| match locate(&config(list, Some("s")), url) {
            Ok(Location::Remote { token, .. }) => token.is_ok(),
            other => panic!("{other:?}"),
        };
        assert!(to("https://git.example/", "https://git.example/a"));
        assert!(!to("https://", "https://git.example/a"));
    }
}
