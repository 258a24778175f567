//! By whose rules a commit is judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::EnvironmentName,
    settings::{Approval, CheckMode, CodeSettings, GateSettings, Template},
};

/// What the installation says about judging a repository's commits: it travels with the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunPolicy {
    /// Whose settings count.
    pub judged_by: JudgedBy,
    /// What no settings go below.
    pub floor: Floor,
}

/// Whose settings count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedBy {
    /// Those of the commit before, tightened by the commit's own.
    #[default]
    Base,
    /// The commit's own: where its owner is its judge.
    Own,
}

/// What an installation asks of every commit of a repository, whatever its settings say. None and
/// empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Floor {
    /// The template is at least as strict.
    pub template: Option<Template>,
    /// Checks are at least so.
    pub checks: BTreeMap<String, CheckMode>,
    /// The gate's thresholds are at least so.
    pub gate: GateSettings,
    /// The code's thresholds are at least so.
    pub code: Option<CodeSettings>,
    /// Environments that no release reaches without a person's word.
    pub approval: BTreeMap<EnvironmentName, Approval>,
}
