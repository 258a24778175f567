//! Functions that are made by the API: kept on disk, run from zips, with versions and aliases.
//!
//! What is asked is recorded before it is done, so that a host which was killed goes on with it when
//! it is started again. What serves goes on serving until what replaces it is ready.

mod alias;
mod aliases;
mod code;
mod functions;
mod record;
mod rules;
mod runtime;
mod shown;
mod store;
mod urls;
mod versions;

pub(crate) use aliases::AliasChange;
pub(crate) use functions::{CodeChange, NewFunction};
pub(crate) use rules::Change;
pub(crate) use store::{Managed, UrlServer};
pub(crate) use urls::{Permission, UrlChange};
pub(crate) use versions::Publish;
