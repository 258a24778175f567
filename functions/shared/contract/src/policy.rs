//! By whose rules a commit is judged.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{EnvironmentName, RunId},
    schema::SchemaVersion,
    settings::{Approval, CheckMode, CodeSettings, GateSettings, Template},
};

/// Settings of a repository's default branch that count as its rules: what a commit loosens is no
/// rule for the next one before somebody who may has agreed, however many commits follow.
///
/// Kept as the text of the file, so that what it says is read by the rules of the day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// The commit that has them.
    pub commit: String,
    /// Name of the branch.
    pub branch: String,
    /// Place of its push in the branch: an earlier one takes the place of none.
    pub place: u64,
    /// The run that judged the commit.
    pub run_id: RunId,
    /// Path of the file; none where the commit has none.
    #[serde(default)]
    pub path: Option<String>,
    /// Its text.
    #[serde(default)]
    pub text: Option<String>,
    /// What the commit loosens, one sentence each.
    #[serde(default)]
    pub loosened: Vec<String>,
    /// Who agreed to that; none where nothing is loosened.
    #[serde(default)]
    pub agreed_by: Option<String>,
    /// When this was written.
    pub at: Timestamp,
}

impl PolicyRecord {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// Whether it may take the place of `other`.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        self.branch != other.branch || self.place >= other.place
    }
}

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
