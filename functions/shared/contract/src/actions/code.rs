//! The actions of the code agent.

use serde::{Deserialize, Serialize};

use crate::{
    changes::ChangeSummary,
    policy::RunPolicy,
    run::{PullRequest, Repository},
    settings::{CodeSettings, Settings},
    waiver::Waiver,
};

/// The source of one commit as a bundle (`tar.gz`) in the artifact store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRef {
    /// Key in the artifact store.
    pub key: String,
    /// The commit.
    pub commit: String,
}

/// `code.analyze_changes`: fetches the commit and says what changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalyzeChanges {
    /// The repository.
    pub repository: Repository,
    /// Full name of the ref.
    pub reference: String,
    /// Commit to fetch.
    pub commit: String,
    /// Commit before the push, or the target of a pull request; none, or all zeros, for a new
    /// branch. What is compared with is the merge base with it, or with the default branch.
    #[serde(default)]
    pub base: Option<String>,
    /// By whose rules it is judged; none: by those of the commit before.
    #[serde(default)]
    pub policy: Option<RunPolicy>,
    /// Place of the push in its branch; none for a run of before pushes had one.
    #[serde(default)]
    pub place: Option<u64>,
    /// The pull request whose head the commit is: what is analyzed is the result of its merge, where its
    /// host has that, and it is judged by the rules of its target.
    #[serde(default)]
    pub pull: Option<PullRequest>,
}

/// Output of `code.analyze_changes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalyzeChangesOutput {
    /// The source bundle.
    pub source: SourceRef,
    /// Key of the [`crate::ChangeSet`] in the artifact store, as JSON.
    pub changes_key: String,
    /// The change set in a few numbers.
    pub changes: ChangeSummary,
    /// The settings by which the commit is judged.
    pub settings: Settings,
    /// Path of the settings file, where there is one.
    pub settings_path: Option<String>,
    /// What the commit is that the changes are relative to, or why there is none.
    #[serde(default)]
    pub base_reason: String,
    /// Whose settings they are, and what of the commit's own does not count.
    #[serde(default)]
    pub policy: PolicyNote,
}

/// By whose rules a commit is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyNote {
    /// One sentence for people.
    pub note: String,
    /// The commit whose settings count beside its own; none where only its own do.
    pub commit: Option<String>,
    /// What the commit loosens, or may, one sentence each: it counts from the next commit, once
    /// somebody who may agreed.
    pub loosened: Vec<String>,
}

/// `code.validate_syntax`: parses the changed files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidateSyntax {
    /// The source bundle.
    pub source: SourceRef,
    /// Key of the change set.
    pub changes_key: String,
    /// Paths to leave out.
    #[serde(default)]
    pub settings: CodeSettings,
    /// Findings that somebody answers for.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// Output of `code.validate_syntax`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidateSyntaxOutput {
    /// Files about which there is an answer: they parse, or they do not.
    pub checked: usize,
    /// Files that do not parse.
    pub invalid: usize,
    /// Files that do not parse, but may be meant to be so: templates, dialects, fixtures.
    #[serde(default)]
    pub unsure: usize,
    /// Files in a language that is not known, or that cannot be read.
    pub unsupported: usize,
    /// Files that a rule of the repository leaves out.
    #[serde(default)]
    pub ignored: usize,
    /// Key of the list of all changed files in the artifact store: a JSON list of [`SyntaxFile`].
    #[serde(default)]
    pub files_key: Option<String>,
}

/// What is known about the syntax of one changed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntaxFile {
    /// Path in the repository.
    pub path: String,
    /// The answer.
    pub result: SyntaxResult,
    /// Language by name; none when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Why it is unsure, not known or ignored, and by whose rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a changed file parses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyntaxResult {
    /// It parses.
    Parsed,
    /// It does not parse.
    Broken,
    /// It does not parse, but may be meant to be so.
    Unsure,
    /// Its language is not known, or it cannot be read.
    NotKnown,
    /// A rule of the repository leaves it out.
    Ignored,
    /// It was deleted.
    Deleted,
}

/// `code.check_quality`: what the change made worse of the functions that it touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckQuality {
    /// The source bundle.
    pub source: SourceRef,
    /// Key of the change set.
    pub changes_key: String,
    /// Thresholds.
    #[serde(default)]
    pub settings: CodeSettings,
    /// Findings that somebody answers for.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// Output of `code.check_quality`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckQualityOutput {
    /// Functions that are new or changed; what only moved is none of them.
    pub functions: usize,
    /// Findings: what is new and above a threshold, or above one and worse than it was.
    pub above_threshold: usize,
    /// Functions with a finding.
    #[serde(default)]
    pub complex: usize,
    /// Highest cyclomatic complexity among them.
    pub max_cyclomatic: u32,
    /// Highest cognitive complexity among them.
    pub max_cognitive: u32,
    /// Functions that were not there before.
    #[serde(default)]
    pub new: usize,
    /// Functions that changed and are neither better nor worse.
    #[serde(default)]
    pub changed: usize,
    /// Functions that are as they were, elsewhere.
    #[serde(default)]
    pub moved: usize,
    /// Functions that became better.
    #[serde(default)]
    pub better: usize,
    /// Functions that became worse and are above a threshold.
    #[serde(default)]
    pub worse: usize,
    /// Pieces of code that the change repeats.
    #[serde(default)]
    pub duplicates: usize,
    /// Generated and vendored files, which have no thresholds.
    #[serde(default)]
    pub not_judged: usize,
    /// Key of the list of the functions in the artifact store: a JSON list of [`FunctionRecord`].
    #[serde(default)]
    pub functions_key: Option<String>,
}

/// What was measured of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionMetrics {
    /// Cyclomatic complexity (McCabe 1976): branches, and one.
    pub cyclomatic: u32,
    /// Cognitive complexity (Campbell 2018).
    pub cognitive: u32,
    /// Lines that hold code.
    pub lines: u32,
    /// Most control statements around a line.
    pub nesting: u32,
    /// Parameters.
    pub parameters: u32,
}

/// What became of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionState {
    /// It was not there before.
    New,
    /// Changed, and neither worse above a threshold nor better in all.
    Changed,
    /// As it was, elsewhere.
    Moved,
    /// Lower in some measure and higher in none.
    Better,
    /// Above a threshold, and higher than it was.
    Worse,
}

/// A function that the change touched. The list is kept as JSON in the artifact store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionRecord {
    /// Path of its file.
    pub path: String,
    /// Its name behind those of what it is in.
    pub name: String,
    /// Its first line.
    pub line: u32,
    /// What became of it.
    pub state: FunctionState,
    /// Where it was before, where that is elsewhere or under another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it measures.
    pub now: FunctionMetrics,
    /// What it measured; none for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<FunctionMetrics>,
}
