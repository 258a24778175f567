//! A commit of a repository: opened where it lies on this machine, fetched where it does not.

use std::{num::NonZeroU32, path::PathBuf, sync::atomic::AtomicBool};

use base64::{Engine, engine::general_purpose::STANDARD};
use gix::{
    ObjectId, Repository,
    bstr::BString,
    remote::{Direction, fetch::Shallow},
};
use pact_agent::{AgentError, secrets::Secret};
use pact_contract::ErrorName;
use url::Url;

use crate::{config::Config, history, work::check};

/// How far back a branch is fetched when the server does not hand out single commits.
const DEPTH: u32 = 50;
/// How far back a push is followed, step by step.
const DEPTHS: &[u32] = &[16, 256, 4_096];
/// Longest text of an error of the git library.
const MAX_ERROR: usize = 600;

/// Why the token is not sent.
const WITHHELD: &str = "the secret source-token was not sent, because PACT_ALLOWED_SOURCES does not \
                        name this host";

/// Where a repository is, after the address was checked.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// On this machine.
    Local(PathBuf),
    /// Behind HTTP, with the token that may be sent there, or why there is none.
    Remote { url: Url, token: Result<Secret, Option<String>> },
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
    if !matches!(url.scheme(), "https" | "http" | "file") || !config.allowed.permit(&url) {
        return Err(AgentError::invalid(format!(
            "repository.url {url} is not covered by PACT_ALLOWED_SOURCES"
        )));
    }
    if url.scheme() == "file" {
        return url.to_file_path().map(Location::Local).map_err(|()| {
            AgentError::invalid(format!("repository.url {url} is not a path of this machine"))
        });
    }
    let named = config.allowed.name_host_of(&url);
    let token = config.token.clone();
    let token = match token {
        Some(token) if named => Ok(token),
        Some(_) => {
            tracing::warn!("{WITHHELD}");
            Err(Some(WITHHELD.to_owned()))
        }
        None => Err(config.no_token.as_ref().map(|why| format!("no token was sent: {why}"))),
    };
    Ok(Location::Remote { url, token })
}

/// A repository that has the commit.
pub(crate) struct Source {
    /// The repository.
    pub(crate) repository: Repository,
    /// The folder of a fetched one, removed with this.
    _folder: Option<tempfile::TempDir>,
}

/// Opens or fetches the repository and makes sure that it has `commit`, and `base` where that can
/// still be had.
pub(crate) fn obtain(
    location: &Location,
    reference: &str,
    commit: ObjectId,
    base: Option<ObjectId>,
    stop: &AtomicBool,
) -> Result<Source, AgentError> {
    let (repository, folder) = match location {
        Location::Local(path) => {
            let repository = gix::open_opts(path, gix::open::Options::isolated()).map_err(|e| {
                unavailable(format!("{} is not a git repository: {}", path.display(), text(&e)))
            })?;
            (repository, None)
        }
        Location::Remote { url, token } => {
            let folder = tempfile::tempdir()
                .map_err(|e| AgentError::internal(format!("cannot make a folder: {e}")))?;
            let remote = Remote { url, token: token.as_ref(), stop };
            let repository = remote.fetch(folder.path(), reference, commit, base)?;
            (repository, Some(folder))
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
    Ok(Source { repository, _folder: folder })
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

struct Remote<'a> {
    url: &'a Url,
    token: Result<&'a Secret, &'a Option<String>>,
    stop: &'a AtomicBool,
}

impl Remote<'_> {
    fn fetch(
        &self,
        folder: &std::path::Path,
        reference: &str,
        commit: ObjectId,
        base: Option<ObjectId>,
    ) -> Result<Repository, AgentError> {
        let repository = self.empty(folder)?;
        // Two commits deep: the first parent is there if the base is not.
        let direct = self.receive(&repository, &format!("+{commit}:refs/pact/head"), Some(2));
        check(self.stop)?;
        if let Err(refused) = direct {
            // Servers of the old protocol hand out branches only.
            tracing::info!(error = text(&refused), "the commit alone was refused");
            let spec = format!("+{reference}:refs/pact/head");
            let branch = self.receive(&repository, &spec, Some(DEPTH)).and_then(|()| {
                if repository.has_object(commit) {
                    return Ok(());
                }
                self.receive(&repository, &spec, None)
            });
            check(self.stop)?;
            branch.map_err(|e| self.explain(&e, &refused))?;
        }
        if let Some(base) = base
            && !repository.has_object(base)
        {
            let fetched = self.receive(&repository, &format!("+{base}:refs/pact/base"), Some(1));
            check(self.stop)?;
            match fetched {
                Ok(()) => {}
                // The server said that it no longer has the base: a verdict, not a fault.
                Err(error) if is_unknown_object(&text(&error)) => {
                    tracing::info!(%base, "the server has no such base");
                }
                Err(error) => return Err(self.explain(&error, &error)),
            }
        }
        self.deepen(&repository, commit, base)?;
        Ok(repository)
    }

    /// Fetches further back until every commit between `base` and `commit` is there, or the
    /// server hands out no more. What is still missing is said by who needs it.
    fn deepen(
        &self,
        repository: &Repository,
        commit: ObjectId,
        base: Option<ObjectId>,
    ) -> Result<(), AgentError> {
        let base = base.filter(|base| repository.has_object(base));
        for depth in if base.is_some() { DEPTHS } else { &[DEPTH] } {
            if history::Range::between(repository, base, commit, self.stop)?.whole {
                return Ok(());
            }
            for (id, name) in [(Some(commit), "head"), (base, "base")] {
                let Some(id) = id else { continue };
                let got =
                    self.receive(repository, &format!("+{id}:refs/pact/{name}"), Some(*depth));
                check(self.stop)?;
                if let Err(error) = got {
                    tracing::info!(error = text(&error), "no older commits can be had");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn empty(&self, folder: &std::path::Path) -> Result<Repository, AgentError> {
        // Redirects end with the first request, and a request with a token follows none.
        let mut overrides = vec!["http.followRedirects=initial".to_owned()];
        if let Ok(token) = self.token {
            let pair = STANDARD.encode(format!("x-access-token:{}", token.reveal()));
            overrides.push(format!("http.extraHeader=Authorization: Basic {pair}"));
        }
        let options = gix::open::Options::isolated().config_overrides(overrides);
        gix::ThreadSafeRepository::init_opts(
            folder,
            gix::create::Kind::Bare,
            gix::create::Options::default(),
            options,
        )
        .map(Repository::from)
        .map_err(|e| AgentError::internal(format!("cannot make a repository: {}", text(&e))))
    }

    /// Fetches one refspec, `depth` commits deep or wholly.
    fn receive(
        &self,
        repository: &Repository,
        spec: &str,
        depth: Option<u32>,
    ) -> Result<(), gix::Error> {
        let spec = BString::from(spec);
        let mut remote = repository
            .remote_at(self.url.as_str())?
            .with_fetch_tags(gix::remote::fetch::Tags::None);
        remote.replace_refspecs([&spec], Direction::Fetch)?;
        let shallow = match depth.and_then(NonZeroU32::new) {
            Some(depth) => Shallow::DepthAtRemote(depth),
            None => Shallow::undo(),
        };
        remote
            .connect(Direction::Fetch)?
            // Nobody is there to be asked.
            .with_credentials(|_| Ok(None))
            .prepare_fetch(gix::progress::Discard, gix::remote::ref_map::Options::default())?
            .with_shallow(shallow)
            .receive(gix::progress::Discard, self.stop)?;
        Ok(())
    }

    fn explain(&self, error: &gix::Error, first: &gix::Error) -> AgentError {
        let mut message = format!("cannot fetch {}: {}", self.url, text(error));
        let before = text(first);
        if !message.contains(&before) {
            message = format!("{message} (at first: {before})");
        }
        // What says nothing of a login would only be made longer.
        let login = ["401", "403", "404", "redential", "uthoriz"];
        if let Err(Some(why)) = self.token
            && login.iter().any(|sign| message.contains(sign))
        {
            message = format!("{message}; {why}");
        }
        unavailable(message)
    }
}

fn is_unknown_object(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["not our ref", "no such remote ref", "unknown object", "missing object", "unadvertised"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// The error with its causes, on one line and bounded.
pub(crate) fn text(error: &gix::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for error in error.iter_errors() {
        let part = error.to_string();
        if !part.is_empty() && !parts.iter().any(|p| p.contains(&part)) {
            parts.push(part);
        }
    }
    let text = parts.join(": ").replace(['\n', '\r'], " ");
    pact_agent::text::truncated(&text, MAX_ERROR)
}

/// `ERR_SOURCE_UNAVAILABLE`.
pub(crate) fn unavailable(message: impl Into<String>) -> AgentError {
    AgentError::new(ErrorName::SourceUnavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AllowedSources;

    fn config(list: &str, token: Option<&str>) -> Config {
        Config {
            allowed: AllowedSources::parse(list).expect("a list"),
            token: token.map(Secret::new),
            no_token: None,
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
