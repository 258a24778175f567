//! The push commit by commit: versions of files that its end no longer has, and those that were
//! there before. Who looks for secrets reads them: what was taken out again was still pushed.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::atomic::AtomicBool,
};

use bytes::Bytes;
use gix::{
    ObjectId, Repository,
    bstr::{BString, ByteSlice},
    objs::tree::EntryKind as Mode,
};
use pact_agent::{
    AgentError,
    bundle::{EntryKind, Packer},
};
use pact_contract::{
    ChangeKind, FileChange, PushIndex,
    changes::{AfterFile, BeforeFile, PassingFile},
    settings::SecuritySettings,
};

use crate::{
    changes,
    fault::{text, unavailable},
    objects::{self, tree_of},
    pack::{self, TreeFile},
    settings,
    work::check,
};

/// Most commits of a push that are looked at.
const MAX_COMMITS: usize = 4_096;
/// Most commits of the base's own history that are told from those of the push.
const MAX_HIDDEN: usize = 50_000;
/// Largest version of a file that is kept.
const MAX_BLOB: u64 = 64 * 1024 * 1024;
/// Most bytes that are kept in all.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Most bytes of changed files that are kept a second time, beside the source bundle.
const MAX_AFTER: u64 = 16 * 1024 * 1024;
/// Most reasons for what is missing.
const MAX_REASONS: usize = 20;

/// The commits that a push brought.
pub(crate) struct Range {
    /// The newest first.
    pub(crate) commits: Vec<ObjectId>,
    /// Whether it reaches the base, or the first commit, everywhere.
    pub(crate) whole: bool,
}

impl Range {
    /// The commits that `head` has and `base` has not; all without one.
    pub(crate) fn between(
        repository: &Repository,
        base: Option<ObjectId>,
        head: ObjectId,
        stop: &AtomicBool,
    ) -> Result<Self, AgentError> {
        let only_base = base.into_iter().collect();
        let walk = Walk::new(repository, head, &only_base, MAX_COMMITS, stop)?;
        // Whoever passes the base by a merge meets its ancestors, which are not of the push.
        let Some(base) = base.filter(|_| walk.met_root || !walk.whole) else {
            return Ok(Self { commits: walk.commits, whole: walk.whole });
        };
        let hidden = Walk::new(repository, base, &HashSet::new(), MAX_HIDDEN, stop)?;
        let hidden: HashSet<ObjectId> = hidden.commits.into_iter().collect();
        let walk = Walk::new(repository, head, &hidden, MAX_COMMITS, stop)?;
        Ok(Self { commits: walk.commits, whole: walk.whole })
    }
}

struct Walk {
    commits: Vec<ObjectId>,
    whole: bool,
    met_root: bool,
}

impl Walk {
    fn new(
        repository: &Repository,
        from: ObjectId,
        hidden: &HashSet<ObjectId>,
        limit: usize,
        stop: &AtomicBool,
    ) -> Result<Self, AgentError> {
        let mut walk = Self { commits: Vec::new(), whole: true, met_root: false };
        let mut seen = HashSet::new();
        let mut open = std::collections::VecDeque::from([from]);
        while let Some(id) = open.pop_front() {
            check(stop)?;
            if hidden.contains(&id) || !seen.insert(id) {
                continue;
            }
            if walk.commits.len() >= limit {
                walk.whole = false;
                break;
            }
            // A shallow repository ends before the history does.
            let Ok(commit) = repository.find_commit(id) else {
                walk.whole = false;
                continue;
            };
            walk.commits.push(id);
            let before = open.len();
            open.extend(commit.parent_ids().map(gix::Id::detach));
            walk.met_root |= open.len() == before;
        }
        Ok(walk)
    }
}

/// A push.
pub(crate) struct Push<'a> {
    pub(crate) repository: &'a Repository,
    /// Where the push began; none when that is not known.
    pub(crate) base: Option<ObjectId>,
    pub(crate) head: ObjectId,
    /// The tree that the changes are relative to.
    pub(crate) base_tree: Option<ObjectId>,
    /// The files at the end.
    pub(crate) files: &'a [TreeFile],
    pub(crate) changed: &'a [FileChange],
    /// See [`PushIndex::own_judge`].
    pub(crate) own_judge: bool,
}

/// The bundle while it is made.
struct Shelf<'a> {
    repository: &'a Repository,
    packer: Packer,
    index: PushIndex,
    kept: BTreeSet<ObjectId>,
    bytes: u64,
}

impl Push<'_> {
    /// The bundle with its [`PushIndex`].
    pub(crate) fn pack(&self, stop: &AtomicBool) -> Result<Bytes, AgentError> {
        let mut shelf = Shelf {
            repository: self.repository,
            packer: Packer::new(),
            index: PushIndex {
                settings: self.base_settings()?,
                own_judge: self.own_judge,
                ..PushIndex::default()
            },
            kept: BTreeSet::new(),
            bytes: 0,
        };
        for file in self.files.iter().filter(|f| f.mode == Mode::Commit) {
            let path = file.path.to_str_lossy().into_owned();
            shelf.index.elsewhere.insert(path, "a submodule, which is not fetched".to_owned());
        }
        let mut paths: BTreeSet<(bool, String)> = self
            .changed
            .iter()
            .filter(|c| c.kind != ChangeKind::Added)
            // What was deleted comes last: it only tells what moved.
            .map(|c| {
                (c.kind == ChangeKind::Deleted, c.old_path.as_ref().unwrap_or(&c.path).clone())
            })
            .collect();
        let touched = self.passing(&mut shelf, stop)?;
        paths.extend(touched.into_iter().map(|path| (false, path)));
        self.after(&mut shelf, stop)?;
        self.before(&mut shelf, paths, stop)?;
        let Shelf { mut packer, mut index, .. } = shelf;
        index.incomplete.truncate(MAX_REASONS);
        let json = serde_json::to_vec(&index)
            .map_err(|e| AgentError::internal(format!("cannot write the index: {e}")))?;
        packer.add(PushIndex::FILE, EntryKind::File, &json)?;
        packer.finish()
    }

    /// Keeps what only commits on the way have; returns the paths that they touched.
    fn passing(
        &self,
        shelf: &mut Shelf<'_>,
        stop: &AtomicBool,
    ) -> Result<BTreeSet<String>, AgentError> {
        let mut touched = BTreeSet::new();
        let range = Range::between(self.repository, self.base, self.head, stop)?;
        if !range.whole {
            let count = range.commits.len();
            match self.base {
                Some(base) => shelf.index.incomplete.push(format!(
                    "the history from {base} on could not be followed whole; its newest {count} commits were read"
                )),
                None => shelf.index.notes.push(format!(
                    "the push has no known beginning; its newest {count} commits were read"
                )),
            }
        }
        shelf.index.commits = range.commits.len() as u64;
        let at_end: HashSet<ObjectId> = self.files.iter().map(|f| f.id).collect();
        let base_tree = self.base_tree.map(|id| self.repository.find_tree(id)).transpose();
        let base_tree = base_tree.map_err(|e| unavailable(e.to_string()))?;
        for commit in range.commits.iter().filter(|id| **id != self.head) {
            check(stop)?;
            let tree = tree_of(self.repository, *commit)?;
            let parents: Vec<ObjectId> = self
                .repository
                .find_commit(*commit)
                .map(|c| c.parent_ids().map(gix::Id::detach).collect())
                .unwrap_or_default();
            let mut trees = Vec::new();
            for parent in &parents {
                // A parent beyond the history that was fetched: compared with the base instead.
                trees.extend(tree_of(self.repository, *parent).ok());
            }
            let against = trees.first().copied().or(self.base_tree);
            let others: Vec<_> =
                trees.iter().skip(1).filter_map(|id| self.repository.find_tree(*id).ok()).collect();
            for pair in changes::differing(self.repository, against, tree, stop)? {
                let Some(new) = pair.new else { continue };
                let at = |tree: &gix::Tree<'_>| {
                    tree.lookup_entry(new.path.split(|b| *b == b'/'))
                        .ok()
                        .flatten()
                        .is_some_and(|entry| entry.object_id() == new.id)
                };
                if !matches!(new.mode, Mode::Blob | Mode::BlobExecutable | Mode::Link)
                    || at_end.contains(&new.id)
                    || base_tree.as_ref().is_some_and(at)
                    || others.iter().any(at)
                {
                    continue;
                }
                let path = new.path.to_str_lossy().into_owned();
                match shelf.keep(&new.path, new.id)? {
                    Kept::New => {
                        touched.insert(path.clone());
                        shelf.index.passing.push(PassingFile {
                            commit: commit.to_string(),
                            path,
                            blob: new.id.to_string(),
                        });
                    }
                    Kept::Before => {}
                    Kept::Not(reason) => {
                        shelf.index.incomplete.push(format!("{path} of commit {commit} {reason}"));
                    }
                }
            }
        }
        Ok(touched)
    }

    /// Keeps what the push changed, so that nobody opens the whole source for one file.
    fn after(&self, shelf: &mut Shelf<'_>, stop: &AtomicBool) -> Result<(), AgentError> {
        if self.base_tree.is_none() {
            return Ok(());
        }
        let (mut files, mut kept) = (Vec::new(), 0u64);
        for change in self.changed.iter().filter(|change| change.kind != ChangeKind::Deleted) {
            check(stop)?;
            let path = change.path.as_bytes().as_bstr();
            let found = self.files.binary_search_by(|file| file.path.as_bstr().cmp(path));
            let Some(file) = found.ok().and_then(|index| self.files.get(index)) else { continue };
            if !matches!(file.mode, Mode::Blob | Mode::BlobExecutable) {
                continue;
            }
            let bytes = self
                .repository
                .find_header(file.id)
                .map_err(|e| objects::missing(&file.path, &e))?
                .size();
            if bytes <= PushIndex::MAX_AFTER {
                kept += bytes;
            }
            if kept > MAX_AFTER {
                return Ok(());
            }
            files.push((file, bytes));
        }
        let mut after = Vec::new();
        for (file, bytes) in files {
            if bytes <= PushIndex::MAX_AFTER
                && matches!(shelf.keep(&file.path, file.id)?, Kept::Not(_))
            {
                return Ok(());
            }
            let path = file.path.to_str_lossy().into_owned();
            after.push(AfterFile { path, blob: file.id.to_string(), bytes });
        }
        shelf.index.after = Some(after);
        Ok(())
    }

    fn before(
        &self,
        shelf: &mut Shelf<'_>,
        paths: BTreeSet<(bool, String)>,
        stop: &AtomicBool,
    ) -> Result<(), AgentError> {
        let Some(tree) = self.base_tree else { return Ok(()) };
        let tree = self.repository.find_tree(tree).map_err(|e| unavailable(text(&e)))?;
        let mut done = BTreeMap::new();
        for (_, path) in paths {
            check(stop)?;
            if done.insert(path.clone(), ()).is_some() {
                continue;
            }
            let name = BString::from(path.as_str());
            let entry = tree.lookup_entry(name.split(|b| *b == b'/'));
            let Ok(Some(entry)) = entry else { continue };
            if !matches!(entry.mode().kind(), Mode::Blob | Mode::BlobExecutable | Mode::Link) {
                continue;
            }
            let id = entry.object_id();
            // What does not fit counts as new, which is the safe side.
            if shelf.kept.contains(&id) || matches!(shelf.keep(&name, id)?, Kept::New) {
                shelf.index.before.push(BeforeFile { path, blob: id.to_string() });
            }
        }
        Ok(())
    }

    /// The base's own security settings: those of a push do not count for itself.
    fn base_settings(&self) -> Result<Option<SecuritySettings>, AgentError> {
        let Some(tree) = self.base_tree else { return Ok(None) };
        let tree = self.repository.find_tree(tree).map_err(|e| unavailable(text(&e)))?;
        let files: Vec<TreeFile> = pact_config::FILE_NAMES
            .iter()
            .filter_map(|name| {
                let entry = tree.lookup_entry_by_path(name).ok().flatten()?;
                Some(TreeFile {
                    path: BString::from(*name),
                    mode: entry.mode().kind(),
                    id: entry.object_id(),
                })
            })
            .collect();
        let found = settings::read(&pack::settings_files(self.repository, &files)?);
        // Without a file, or with one that cannot be read, the base allows nothing.
        Ok(Some(found.settings.security))
    }
}

/// What became of a blob.
enum Kept {
    /// It was put into the bundle.
    New,
    /// It was there before.
    Before,
    /// It is left out, for this reason.
    Not(String),
}

impl Shelf<'_> {
    /// Keeps a blob, where it fits.
    fn keep(&mut self, path: &BString, id: ObjectId) -> Result<Kept, AgentError> {
        if self.kept.contains(&id) {
            return Ok(Kept::Before);
        }
        let Ok(header) = self.repository.find_header(id) else {
            return Ok(Kept::Not("is not in the repository that was fetched".to_owned()));
        };
        let size = header.size();
        if size > MAX_BLOB || self.bytes.saturating_add(size) > MAX_BYTES {
            return Ok(Kept::Not(format!("is too large ({} MiB)", size / 1024 / 1024)));
        }
        let content = objects::blob(self.repository, path, id)?;
        self.packer.add(&PushIndex::blob(&id.to_string()), EntryKind::File, &content)?;
        self.bytes += size;
        self.kept.insert(id);
        Ok(Kept::New)
    }
}
