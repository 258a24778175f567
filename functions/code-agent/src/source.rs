//! A commit of a repository: opened where it lies on this machine, fetched where it does not.

mod moved;

use std::{
    any::Any,
    num::NonZeroU32,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use gix::{
    ObjectId, Repository,
    bstr::BString,
    protocol::transport::client::blocking_io::http,
    remote::{Direction, fetch::Shallow},
};
use pact_agent::{AgentError, secrets::Secret};
use pact_contract::ErrorName;
use pact_hosts::Guard;
use url::Url;

use crate::{
    base::{self, Merged, Push},
    config::Config,
    fault::{text, unavailable},
    history,
    work::check,
};

/// How far back a branch is fetched when the server does not hand out single commits.
const DEPTH: u32 = 50;
/// Waits before each look for the merge of a pull request.
const MERGE_WAITS: &[Duration] =
    &[Duration::ZERO, Duration::from_millis(500), Duration::from_secs(2)];
/// How far back a push is followed, step by step.
const DEPTHS: &[u32] = &[16, 256, 4_096];

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

struct Remote<'a> {
    url: &'a Url,
    token: Result<&'a Secret, &'a Option<String>>,
    guard: &'a Guard,
    stop: &'a AtomicBool,
}

impl Remote<'_> {
    fn fetch(
        &self,
        folder: &std::path::Path,
        push: &Push<'_>,
    ) -> Result<(Repository, Option<Merged>, Option<ObjectId>), AgentError> {
        let repository = self.empty(folder)?;
        let merged = self.merged(&repository, push)?;
        let whole = merged.map(|merged| Push {
            head: merged.commit,
            before: Some(merged.target),
            ..push.clone()
        });
        let push = whole.as_ref().unwrap_or(push);
        let head = self.head(&repository, push)?;
        if let Some(before) = push.before
            && !repository.has_object(before)
        {
            self.optional(&repository, &format!("+{before}:refs/pact/base"), Some(1))?;
        }
        let main = format!("+refs/heads/{}:refs/pact/main", push.default_branch);
        if !push.is_default_branch() {
            self.optional(&repository, &main, Some(1))?;
        }
        let tip = || {
            let mut reference = repository.find_reference("refs/pact/main").ok()?;
            reference.peel_to_commit().ok().map(|commit| commit.id)
        };
        // Deeper and deeper, until it can be seen where the histories meet.
        for depth in [Some(DEPTH), Some(20 * DEPTH), None] {
            if base::is_settled(&repository, push, tip()) || !base::is_shallow(&repository) {
                break;
            }
            let before = push.before.filter(|before| repository.has_object(*before));
            let before = before.map(|before| format!("+{before}:refs/pact/base"));
            let main = (!push.is_default_branch()).then(|| main.clone());
            for spec in [Some(head.clone()), before, main].into_iter().flatten() {
                self.optional(&repository, &spec, depth)?;
            }
        }
        let base = base::choose(&repository, push, tip())?;
        self.deepen(&repository, push.head, base.commit)?;
        let tip = tip();
        Ok((repository, merged, tip))
    }

    /// The merge of a pull request, where the server has that of this very head. It may come a moment
    /// after the head.
    fn merged(
        &self,
        repository: &Repository,
        push: &Push<'_>,
    ) -> Result<Option<Merged>, AgentError> {
        let Some(name) = push.pull.and_then(|pull| pull.merge.as_deref()) else {
            return Ok(None);
        };
        for wait in MERGE_WAITS {
            std::thread::sleep(*wait);
            self.optional(repository, &format!("+{name}:refs/pact/merge"), Some(2))?;
            let tip = || {
                let mut reference = repository.find_reference("refs/pact/merge").ok()?;
                reference.peel_to_commit().ok().map(|commit| commit.id)
            };
            let merged = tip().and_then(|tip| base::merge_of(repository, tip, push.head));
            if merged.is_some() {
                return Ok(merged);
            }
        }
        tracing::info!(name, "there is no merge of this head");
        Ok(None)
    }

    /// Fetches the commit that was pushed; the refspec by which it can be had.
    fn head(&self, repository: &Repository, push: &Push<'_>) -> Result<String, AgentError> {
        let commit = push.head;
        // Two commits deep: the first parent is what most pushes are compared with.
        let spec = format!("+{commit}:refs/pact/head");
        let direct = self.receive(repository, &spec, Some(2));
        check(self.stop)?;
        let Err(refused) = direct else { return Ok(spec) };
        // Servers of the old protocol hand out branches only.
        tracing::info!(error = text(&refused), "the commit alone was refused");
        let spec = format!("+{}:refs/pact/head", push.reference);
        let branch = self.receive(repository, &spec, Some(DEPTH)).and_then(|()| {
            if repository.has_object(commit) {
                return Ok(());
            }
            self.receive(repository, &spec, None)
        });
        check(self.stop)?;
        branch.map_err(|e| self.explain(&e, &refused))?;
        Ok(spec)
    }

    /// Fetches what the server may no longer have: a verdict then, not a fault.
    fn optional(
        &self,
        repository: &Repository,
        spec: &str,
        depth: Option<u32>,
    ) -> Result<(), AgentError> {
        let fetched = self.receive(repository, spec, depth);
        check(self.stop)?;
        match fetched {
            Ok(()) => Ok(()),
            Err(error) if is_unknown_object(&text(&error)) => {
                tracing::info!(spec, "the server has no such commit");
                Ok(())
            }
            Err(error) => Err(self.explain(&error, &error)),
        }
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
        // Where a repository is now is found, and checked, before it is asked for: see `moved`.
        let mut overrides = vec!["http.followRedirects=false".to_owned()];
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
        let mut connection = remote.connect(Direction::Fetch)?;
        if let Some(options) = self.guarded(repository)? {
            connection.set_transport_options(options);
        }
        connection
            // Nobody is there to be asked.
            .with_credentials(|_| Ok(None))
            .prepare_fetch(gix::progress::Discard, gix::remote::ref_map::Options::default())?
            .with_shallow(shallow)
            .receive(gix::progress::Discard, self.stop)?;
        Ok(())
    }

    /// How the server is asked: what the repository's configuration says, with names looked up by the
    /// guard.
    fn guarded(&self, repository: &Repository) -> Result<Option<Box<dyn Any>>, gix::Error> {
        let mut options = repository.transport_options(self.url.as_str(), None)?;
        if let Some(http) = options.as_mut().and_then(|all| all.downcast_mut::<http::Options>()) {
            let guard = Arc::new(self.guard.clone());
            let backend = http::reqwest::Options {
                configure_client: Some(Box::new(move |client| {
                    Ok(client.dns_resolver(Arc::clone(&guard)))
                })),
                configure_request: None,
            };
            http.backend = Some(Arc::new(Mutex::new(backend)));
        }
        Ok(options)
    }

    fn explain(&self, error: &gix::Error, first: &gix::Error) -> AgentError {
        let mut message = format!("cannot fetch {}: {}", self.url, text(error));
        let before = text(first);
        if !message.contains(&before) {
            message = format!("{message} (at first: {before})");
        }
        // What says nothing of a login would only be made longer.
        let hidden = ["403", "404"];
        if let Err(Some(why)) = self.token
            && LOGIN.iter().chain(&hidden).any(|sign| message.contains(sign))
        {
            message = format!("{message}; {why}");
        }
        unavailable(message)
    }
}

/// By which a server's answer that it does not take a login is known.
const LOGIN: [&str; 3] = ["401", "redential", "uthoriz"];

/// Whether the server does not take what it was asked with.
pub(crate) fn is_unauthorized(error: &AgentError) -> bool {
    error.name == ErrorName::SourceUnavailable
        && LOGIN.iter().any(|sign| error.message.contains(sign))
}

fn is_unknown_object(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["not our ref", "no such remote ref", "unknown object", "missing object", "unadvertised"]
        .iter()
        .any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pact_hosts::Sources;

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
