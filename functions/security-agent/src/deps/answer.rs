//! What advisories say about packages.

use std::{collections::BTreeMap, sync::Arc};

use super::{osv::Record, package::Package};

/// Advisories of the packages that were asked for.
#[derive(Default)]
pub(crate) struct Answer {
    /// Records by package.
    pub(crate) records: BTreeMap<Package, Vec<Arc<Record>>>,
    /// Why part of the question has no answer.
    pub(crate) incomplete: Vec<String>,
    /// Where the advisories come from.
    pub(crate) origin: String,
    /// Whether the origin compared the versions itself.
    pub(crate) compared: bool,
}
