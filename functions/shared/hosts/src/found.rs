//! What a host is asked with, and for what.

use jiff::SignedDuration;
use pact_agent::secrets::Secret;
use pact_contract::{
    RepositoryName,
    statuses::{source_token_name, token_name},
};
use serde_json::{Value, json};

/// What a token is for. One of the App is good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// To read commits and branches.
    Fetch,
    /// To show on commits what became of them.
    Statuses,
    /// To begin workflows, and to read what came of them.
    Workflows,
}

impl Purpose {
    pub(crate) fn permissions(self) -> Value {
        match self {
            Self::Fetch => json!({ "contents": "read" }),
            Self::Statuses => json!({ "statuses": "write" }),
            Self::Workflows => json!({ "actions": "write" }),
        }
    }

    /// What an App lacks that may not lend such a token.
    pub(crate) const fn lacking(self) -> &'static str {
        match self {
            Self::Fetch => "; the App needs the permission to read contents",
            Self::Statuses => "; the App needs the permission to write commit statuses",
            Self::Workflows => "; the App needs the permission to write actions",
        }
    }

    /// Name of the repository's own token.
    pub(crate) fn own(self, repository: &RepositoryName) -> String {
        match self {
            Self::Fetch => source_token_name(repository),
            Self::Statuses | Self::Workflows => token_name(repository),
        }
    }
}

/// What there is to ask a host with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The repository's own token, or the installation's for all.
    Given(Secret),
    /// One that the App was lent: it is good for the App's host, and for nothing but this.
    Lent(Secret),
    /// There is none now, for this reason, and may be after a while.
    Later {
        /// Why.
        why: String,
        /// How long its host asks to wait.
        wait: Option<SignedDuration>,
    },
    /// There is none: what to do about it.
    Missing(String),
}
