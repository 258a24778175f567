//! The change set of a push, as `git diff --numstat -M` sees it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All that changed between two commits. Kept as JSON in the artifact store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Commit the changes are relative to; none for a first commit (everything is new).
    pub base: Option<String>,
    /// Commit that was pushed.
    pub head: String,
    /// Changed files, sorted by path.
    pub files: Vec<FileChange>,
    /// Key of the push's contents beyond the final tree: a bundle with a [`PushIndex`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_key: Option<String>,
}

/// What a push brought commit by commit, and what was there before. It is the file
/// [`PushIndex::FILE`] of a bundle that has each blob as `blobs/<id>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PushIndex {
    /// Versions of files that a commit of the push brought and that its end no longer has.
    pub passing: Vec<PassingFile>,
    /// Versions that the base has of the files that changed on the way.
    pub before: Vec<BeforeFile>,
    /// The changed files as the end of the push has them, where the bundle holds each of those of up
    /// to [`PushIndex::MAX_AFTER`] bytes: who looks at what changed needs no more. None where they
    /// are too many, or everything is new.
    pub after: Option<Vec<AfterFile>>,
    /// Commits of the push that were looked at.
    pub commits: u64,
    /// Why not every commit of the push could be looked at.
    pub incomplete: Vec<String>,
    /// What else is worth knowing: a first push has no beginning, and old history is left out.
    pub notes: Vec<String>,
    /// Changed paths whose content is not in the repository itself, with the reason: submodules.
    pub elsewhere: BTreeMap<String, String>,
    /// The security settings of the base, where it has any that can be read.
    pub settings: Option<crate::settings::SecuritySettings>,
    /// Whether the commit is judged by its own word: its owner is its judge, or nothing was before it.
    /// Otherwise a comment that allows something counts where it was there before the push.
    pub own_judge: bool,
}

impl PushIndex {
    /// Name of the index in the bundle.
    pub const FILE: &'static str = "index.json";
    /// Largest file of [`PushIndex::after`] whose content is in the bundle.
    pub const MAX_AFTER: u64 = 1024 * 1024;

    /// Name of a blob in the bundle.
    #[must_use]
    pub fn blob(id: &str) -> String {
        format!("blobs/{id}")
    }
}

/// A version of a file that only a commit on the way has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassingFile {
    /// The commit.
    pub commit: String,
    /// Path in that commit.
    pub path: String,
    /// Id of the blob.
    pub blob: String,
}

/// A version of a file in the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeforeFile {
    /// Path in the base.
    pub path: String,
    /// Id of the blob.
    pub blob: String,
}

/// A changed file as it is at the end of the push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterFile {
    /// Its path.
    pub path: String,
    /// Id of the blob.
    pub blob: String,
    /// Bytes of the content.
    pub bytes: u64,
}

/// One changed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Path after the change (before it, for a deletion), with `/` as separator.
    pub path: String,
    /// Path before the change, where it was renamed or copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    /// What happened to the file.
    pub kind: ChangeKind,
    /// Lines added; 0 for binary files.
    pub added: u64,
    /// Lines removed; 0 for binary files.
    pub deleted: u64,
    /// Whether git treats the content as binary.
    pub binary: bool,
    /// Programming or markup language by name, for example `Rust`; none when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Lines of the new file that were added or changed, whatever the attributes of the
    /// repository say of it. Empty where the content is too large to be compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added_lines: Vec<LineRange>,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// New file.
    Added,
    /// Content or mode changed.
    Modified,
    /// File removed.
    Deleted,
    /// File moved, perhaps with changes.
    Renamed,
}

/// Lines `start..=end` of a file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineRange {
    /// First line.
    pub start: u32,
    /// Last line.
    pub end: u32,
}

impl LineRange {
    /// Whether `line` lies in the range.
    #[must_use]
    pub const fn contains(self, line: u32) -> bool {
        self.start <= line && line <= self.end
    }

    /// Whether the two ranges share a line.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

impl FileChange {
    /// Whether the new content has to be looked at (it exists and is text).
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.kind != ChangeKind::Deleted && !self.binary
    }

    /// Whether `line` of the new file was added or changed.
    #[must_use]
    pub fn touches(&self, line: u32) -> bool {
        self.added_lines.iter().any(|r| r.contains(line))
    }
}

/// The change set in a few numbers: what travels through the state machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSummary {
    /// Number of changed files.
    pub files: usize,
    /// Lines added in all.
    pub added: u64,
    /// Lines removed in all.
    pub deleted: u64,
    /// Number of renamed files.
    pub renamed: usize,
    /// Number of changed files by language; files of unknown language count under `other`.
    pub languages: BTreeMap<String, usize>,
}

impl From<&ChangeSet> for ChangeSummary {
    fn from(set: &ChangeSet) -> Self {
        let mut summary = Self { files: set.files.len(), ..Self::default() };
        for file in &set.files {
            summary.added += file.added;
            summary.deleted += file.deleted;
            summary.renamed += usize::from(file.kind == ChangeKind::Renamed);
            let language = file.language.clone().unwrap_or_else(|| "other".to_owned());
            *summary.languages.entry(language).or_default() += 1;
        }
        summary
    }
}
