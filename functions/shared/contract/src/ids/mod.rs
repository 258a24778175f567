//! Identifiers: a text that was checked once, where it came in, and is right from there on.
//!
//! Each is its text on the wire, and reading one checks it: what is not an id of its kind is
//! refused with an [`IdError`], by `parse`, [`FromStr`](std::str::FromStr) and serde alike.

mod environment;
mod release;
mod repository;
mod run;
mod state;
mod text;

pub use environment::{EnvironmentKey, EnvironmentName};
pub(crate) use release::or_empty;
pub use release::{MAX_RELEASE, ReleaseId};
pub use repository::{MAX_REPOSITORY, RepositoryName};
pub use run::{MAX_RUN_ID, RunId};
pub use state::{MAX_STATE, StateName, title};
pub use text::IdError;
pub(crate) use text::{check as check_text, identifier_text};
