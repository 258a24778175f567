//! A repository of a git host, over HTTP.

use std::{
    any::Any,
    num::NonZeroU32,
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

/// What came of asking for one commit.
pub(crate) enum Single {
    /// It is in this repository.
    There(Box<Repository>),
    /// The server answers and has none for who asks: why.
    Not(String),
}

/// A repository behind HTTP.
pub(crate) struct Remote<'a> {
    pub(crate) url: &'a Url,
    /// The token that may be sent there, or why there is none.
    pub(crate) token: Result<&'a Secret, &'a Option<String>>,
    pub(crate) guard: &'a Guard,
    pub(crate) stop: &'a AtomicBool,
}

impl Remote<'_> {
    /// Fetches what was pushed, the merge of a pull request, and as much of its history as is needed.
    pub(crate) fn fetch(
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

    /// Fetches one commit and nothing before it; or why the server, which answers, has none for
    /// this one.
    ///
    /// # Errors
    /// The server did not answer, or there is no time left.
    pub(crate) fn single(
        &self,
        folder: &std::path::Path,
        commit: ObjectId,
    ) -> Result<Single, AgentError> {
        let repository = self.empty(folder)?;
        let direct = self.receive(&repository, &format!("+{commit}:refs/pact/head"), Some(1));
        check(self.stop)?;
        let Err(refused) = direct else { return Ok(Single::There(Box::new(repository))) };
        let branch = self.receive(&repository, "+HEAD:refs/pact/head", Some(DEPTH));
        check(self.stop)?;
        if repository.has_object(commit) {
            return Ok(Single::There(Box::new(repository)));
        }
        let error = match branch {
            Err(error) => error,
            Ok(()) => refused,
        };
        let message = text(&error);
        let lower = without_addresses(&message).to_ascii_lowercase();
        if PASSING.iter().any(|sign| lower.contains(sign)) {
            return Err(unavailable(format!("cannot fetch {}: {message}", self.url)));
        }
        Ok(Single::Not(message))
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
        if let Err(Some(why)) = self.token
            && LOGIN.iter().chain(&HIDDEN).any(|sign| says(&message, sign))
        {
            message = format!("{message}; {why}");
        }
        unavailable(message)
    }
}

/// By which a server's answer that it does not take a login is known.
const LOGIN: [&str; 3] = ["401", "redential", "uthoriz"];

/// By which it is known that a server has nothing there for who asks.
const HIDDEN: [&str; 2] = ["403", "404"];
/// By which it is known that a server could not be asked now.
const PASSING: [&str; 6] = [
    "http status 5",
    "timed out",
    "timeout",
    "error trying to connect",
    "reset by peer",
    "dns error",
];

/// Whether the server does not take what it was asked with.
pub(crate) fn is_unauthorized(error: &AgentError) -> bool {
    error.name == ErrorName::SourceUnavailable
        && LOGIN.iter().any(|sign| says(&error.message, sign))
}

/// Whether a server's answer has this sign: a number as a word of its own, as ids of commits have any. What
/// the repository or its host is called says nothing.
fn says(message: &str, sign: &str) -> bool {
    let said = without_addresses(message);
    if sign.bytes().all(|b| b.is_ascii_digit()) {
        return said.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == sign);
    }
    said.contains(sign)
}

fn without_addresses(message: &str) -> String {
    let words = message.split_whitespace().filter(|word| !word.contains("://"));
    words.collect::<Vec<_>>().join(" ")
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

    #[test]
    fn what_a_server_says_is_not_read_out_of_addresses_and_ids() {
        let refused = |message: &str| is_unauthorized(&unavailable(message));
        for said in [
            "cannot fetch https://git.example/a.git: Received HTTP status 401",
            "cannot fetch https://git.example/a.git: status: 401, retry",
            "cannot fetch https://git.example/a.git: Credentials were not accepted",
            "cannot fetch https://git.example/a.git: HTTP 401 Unauthorized",
        ] {
            assert!(refused(said), "{said}");
        }
        for said in [
            "cannot fetch http://127.0.0.1:40195/a.git: Didn't find a header",
            "cannot fetch https://git.example/acme/authorizer.git: connection reset",
            "cannot fetch https://git.example/401.git (at first: https://git.example/401.git): gone",
            "commit 3f401ab is not there",
        ] {
            assert!(!refused(said), "{said}");
        }
        assert!(says("HTTP status 404 (at first: 403)", "403"));
    }
}
