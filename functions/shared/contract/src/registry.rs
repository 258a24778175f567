//! The registry of repositories: what the installation knows of each, so that nothing of it comes
//! from a push.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::RepositoryName, policy::Floor, run::RunRequest, schema::SchemaVersion,
    statuses::StatusSettings,
};

/// A repository whose pushes are run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepositoryEntry {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// Its full name.
    pub name: RepositoryName,
    /// Where it is fetched from: a push that names another address is refused.
    pub url: String,
    /// A folder of this machine where it is too, registered by running it.
    #[serde(default)]
    pub local: Option<String>,
    /// Its default branch; none: as its host says with each push.
    #[serde(default)]
    pub default_branch: Option<String>,
    /// Branches that are run (`*` stands for any characters); empty: all.
    #[serde(default)]
    pub branches: Vec<String>,
    /// What no settings of its commits go below.
    #[serde(default)]
    pub floor: Floor,
    /// What happens to pull requests of other repositories.
    #[serde(default)]
    pub forks: Forks,
    /// The git host that alone may tell of its pushes; none: whichever it is, by its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How its commits show what became of them; none: they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statuses: Option<StatusSettings>,
    /// How the secret of its webhook was changed last; none: never, or not by this installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Who registered it.
    pub registered_by: String,
    /// When.
    pub registered_at: Timestamp,
}

/// A change of the secret of a repository's webhook. It is written down before the secret is changed, and
/// again once it is: of two that are begun at once, one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Who changes it.
    pub by: String,
    /// When it was begun.
    pub at: Timestamp,
    /// Until when the secret before counts; none: no more, or there was none.
    #[serde(default)]
    pub before_until: Option<Timestamp>,
    /// By which the same change is known when it is asked for again.
    pub mark: String,
    /// Whether it was done; otherwise it goes on, or was interrupted.
    #[serde(default)]
    pub done: bool,
}

/// What happens to a pull request whose commits come from another repository: their code would run in
/// the environments that builds have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forks {
    /// It is verified once an approver says so, each of its commits anew.
    #[default]
    Ask,
    /// It is verified like any other.
    Run,
    /// It is not verified.
    Refuse,
}

/// A pull request of a fork that waits for an approver's word, or had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PullRecord {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// What would be run: its id and place are not those of the run.
    pub request: RunRequest,
    /// When its host told of the commit.
    pub asked_at: Timestamp,
    /// Who let this very commit run, and when.
    #[serde(default)]
    pub allowed: Option<Allowed>,
}

impl PullRecord {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;
}

/// An approver's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Whose.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl RepositoryEntry {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// Whether it is fetched from this address. A host serves the same with and without `.git`.
    #[must_use]
    pub fn is_at(&self, url: &str) -> bool {
        [Some(&self.url), self.local.as_ref()]
            .into_iter()
            .flatten()
            .any(|own| address(own) == address(url))
    }

    /// Whether pushes of this branch are run.
    #[must_use]
    pub fn runs(&self, branch: &str) -> bool {
        self.branches.is_empty() || self.branches.iter().any(|pattern| matches(pattern, branch))
    }
}

/// What of an address says where a repository is.
fn address(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    // A folder is what its name says.
    if url.starts_with("file:") { url } else { url.strip_suffix(".git").unwrap_or(url) }
}

/// Whether a pattern with `*` stands for the text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let Some(last) = parts.pop() else { return true };
    for part in parts {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> RepositoryEntry {
        RepositoryEntry {
            schema: RepositoryEntry::VERSION,
            name: "acme/web".parse().expect("a name"),
            url: "https://git.example/acme/web".to_owned(),
            local: Some("file:///srv/web".to_owned()),
            default_branch: None,
            branches: vec!["main".to_owned(), "release/*".to_owned(), "a*b*c".to_owned()],
            floor: Floor::default(),
            forks: Forks::default(),
            host: None,
            statuses: None,
            rotation: None,
            registered_by: "Ada".to_owned(),
            registered_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_address_is_the_registered_one_or_it_is_not() {
        let entry = entry();
        for url in [
            "https://git.example/acme/web",
            "https://git.example/acme/web.git",
            "https://git.example/acme/web/",
            "file:///srv/web",
        ] {
            assert!(entry.is_at(url), "{url}");
        }
        for url in [
            "https://git.example/acme/web2",
            "https://git.example.evil/acme/web",
            "http://git.example/acme/web",
            "file:///srv/web.git",
            "https://git.example/acme/webs.git",
            "",
        ] {
            assert!(!entry.is_at(url), "{url}");
        }
    }

    #[test]
    fn branches_are_run_by_pattern() {
        let entry = entry();
        for branch in ["main", "release/", "release/1/2", "abc", "a-b-b-c"] {
            assert!(entry.runs(branch), "{branch}");
        }
        for branch in ["mains", "release", "x/main", "ab", "acb"] {
            assert!(!entry.runs(branch), "{branch}");
        }
        assert!(RepositoryEntry { branches: Vec::new(), ..entry }.runs("any"));
    }
}
