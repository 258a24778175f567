//! The change set between two commits, as `git diff --numstat -M` sees it.

mod lines;
mod rewrites;

use std::sync::atomic::AtomicBool;

use gix::{
    ObjectId, Repository,
    bstr::{BStr, BString, ByteSlice},
    diff::tree::{Recorder, Visit, recorder, visit},
    objs::{TreeRefIter, tree::EntryKind as Mode},
};
use pact_agent::{AgentError, bundle::MAX_FILES};
use pact_contract::{ChangeKind, ErrorName, FileChange};

use self::rewrites::Side;
use crate::{
    attributes::Attributes,
    fault::{text, unavailable},
    languages, objects,
    work::check,
};

/// A blob beyond this is taken for binary without being read.
const MAX_BLOB: u64 = 64 * 1024 * 1024;

/// One path that differs between the trees.
pub(crate) struct Pair {
    pub(crate) old: Option<Side>,
    pub(crate) new: Option<Side>,
}

/// What changed from `base` (the empty tree without one) to `head`, sorted by path.
pub(crate) fn between(
    repository: &Repository,
    base: Option<ObjectId>,
    head: ObjectId,
    attributes: &mut Attributes<'_>,
    stop: &AtomicBool,
) -> Result<Vec<FileChange>, AgentError> {
    let pairs = differing(repository, base, head, stop)?;
    let pairs = with_renames(pairs, |deleted, added| {
        rewrites::detect(repository, head, deleted, added, stop)
    })?;
    let mut reader = Reader { repository, attributes };
    let mut files = Vec::with_capacity(pairs.len());
    for pair in &pairs {
        check(stop)?;
        files.extend(reader.change(pair)?);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The paths that differ, each with both sides, without looking for renames.
pub(crate) fn differing(
    repository: &Repository,
    base: Option<ObjectId>,
    head: ObjectId,
    stop: &AtomicBool,
) -> Result<Vec<Pair>, AgentError> {
    let broken = |e: &dyn std::fmt::Display| {
        unavailable(format!("the repository lacks an object of the commits: {e}"))
    };
    let tree = |id: ObjectId| repository.find_tree(id).map_err(|e| broken(&text(&e)));
    let old = base.map_or_else(|| Ok(repository.empty_tree()), tree)?;
    let new = tree(head)?;
    let mut guarded = Guarded { recorder: Recorder::default(), stop };
    let result = gix::diff::tree(
        TreeRefIter::from_bytes(&old.data, head.kind()),
        TreeRefIter::from_bytes(&new.data, head.kind()),
        gix::diff::tree::State::default(),
        &repository.objects,
        &mut guarded,
    );
    check(stop)?;
    if guarded.is_full() {
        return Err(AgentError::new(
            ErrorName::LimitExceeded,
            format!("more than {MAX_FILES} files changed"),
        ));
    }
    result.map_err(|e| broken(&e))?;
    let mut pairs: Vec<Pair> = guarded.recorder.records.into_iter().filter_map(pair).collect();
    pairs.sort_by(|a, b| path_of(a).cmp(path_of(b)));
    Ok(pairs)
}

fn pair(change: recorder::Change) -> Option<Pair> {
    use recorder::Change;
    let pair = match change {
        Change::Addition { entry_mode, oid, path, .. } => {
            Pair { old: None, new: Some(Side { path, mode: entry_mode.kind(), id: oid }) }
        }
        Change::Deletion { entry_mode, oid, path, .. } => {
            Pair { old: Some(Side { path, mode: entry_mode.kind(), id: oid }), new: None }
        }
        Change::Modification { previous_entry_mode, previous_oid, entry_mode, oid, path } => Pair {
            old: Some(Side {
                path: path.clone(),
                mode: previous_entry_mode.kind(),
                id: previous_oid,
            }),
            new: Some(Side { path, mode: entry_mode.kind(), id: oid }),
        },
    };
    let is_tree = |side: &Option<Side>| side.as_ref().is_some_and(|s| s.mode == Mode::Tree);
    (!is_tree(&pair.old) && !is_tree(&pair.new)).then_some(pair)
}

fn path_of(pair: &Pair) -> &BStr {
    pair.new.as_ref().or(pair.old.as_ref()).map(|side| side.path.as_bstr()).unwrap_or_default()
}

/// Joins a deleted and an added file into one pair where the second was the first.
fn with_renames(
    pairs: Vec<Pair>,
    detect: impl FnOnce(&[Side], &[Side]) -> Result<Vec<Option<usize>>, AgentError>,
) -> Result<Vec<Pair>, AgentError> {
    let (mut deleted, mut added, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for pair in pairs {
        match pair {
            Pair { old: Some(old), new: None } => deleted.push(old),
            Pair { old: None, new: Some(new) } => added.push(new),
            both => rest.push(both),
        }
    }
    let source_of = detect(&deleted, &added)?;
    let mut deleted: Vec<Option<Side>> = deleted.into_iter().map(Some).collect();
    for (new, source) in added.into_iter().zip(source_of) {
        let old = source.and_then(|index| deleted.get_mut(index)).and_then(Option::take);
        rest.push(Pair { old, new: Some(new) });
    }
    rest.extend(deleted.into_iter().flatten().map(|old| Pair { old: Some(old), new: None }));
    Ok(rest)
}

/// Reads contents as git compares them.
struct Reader<'a, 'repo> {
    repository: &'a Repository,
    attributes: &'a mut Attributes<'repo>,
}

/// One side's content.
struct Content {
    bytes: Vec<u8>,
    binary: bool,
}

impl Reader<'_, '_> {
    fn size(&self, side: &Side) -> Result<u64, AgentError> {
        self.repository.find_header(side.id).map(|header| header.size()).map_err(|e| {
            unavailable(format!("the repository lacks the content of {}: {}", side.path, text(&e)))
        })
    }

    fn read(&mut self, side: &Side) -> Result<Content, AgentError> {
        let declared = self.attributes.is_binary(side.path.as_bstr());
        if side.mode == Mode::Commit {
            // The commit of a submodule is elsewhere: git compares one line about it.
            let bytes = format!("Subproject commit {}\n", side.id).into_bytes();
            return Ok(Content { bytes, binary: declared.unwrap_or(false) });
        }
        if self.size(side)? > MAX_BLOB {
            return Ok(Content { bytes: Vec::new(), binary: true });
        }
        let bytes = objects::blob(self.repository, &side.path, side.id)?;
        let binary = declared.unwrap_or_else(|| lines::looks_binary(&bytes));
        Ok(Content { bytes, binary })
    }

    fn change(&mut self, pair: &Pair) -> Result<Option<FileChange>, AgentError> {
        let lossy = |path: &BString| path.to_str_lossy().into_owned();
        let absent = || Content { bytes: Vec::new(), binary: false };
        let (kind, path, old_path) = match (&pair.old, &pair.new) {
            (None, None) => return Ok(None),
            (Some(old), None) => (ChangeKind::Deleted, lossy(&old.path), None),
            (None, Some(new)) => (ChangeKind::Added, lossy(&new.path), None),
            (Some(old), Some(new)) if old.path == new.path => {
                (ChangeKind::Modified, lossy(&new.path), None)
            }
            (Some(old), Some(new)) => {
                (ChangeKind::Renamed, lossy(&new.path), Some(lossy(&old.path)))
            }
        };
        let old = pair.old.as_ref().map_or_else(|| Ok(absent()), |side| self.read(side))?;
        let new = pair.new.as_ref().map_or_else(|| Ok(absent()), |side| self.read(side))?;
        let binary = old.binary || new.binary;
        let same = matches!((&pair.old, &pair.new), (Some(a), Some(b)) if a.id == b.id);
        let mut found =
            if same { lines::Lines::default() } else { lines::compare(&old.bytes, &new.bytes) };
        if binary {
            // As git counts them; which lines are new is said all the same, since an attribute
            // hides nothing from a check.
            (found.added, found.deleted) = (0, 0);
        }
        Ok(Some(FileChange {
            language: languages::detect(&path, &new.bytes).map(str::to_owned),
            path,
            old_path,
            kind,
            added: found.added,
            deleted: found.deleted,
            binary,
            added_lines: found.ranges,
        }))
    }
}

/// Records the differing paths until there are too many or the time is over.
struct Guarded<'a> {
    recorder: Recorder,
    stop: &'a AtomicBool,
}

impl Guarded<'_> {
    fn is_full(&self) -> bool {
        self.recorder.records.len() as u64 > 2 * MAX_FILES
    }
}

impl Visit for Guarded<'_> {
    fn pop_front_tracked_path_and_set_current(&mut self) {
        self.recorder.pop_front_tracked_path_and_set_current();
    }

    fn push_back_tracked_path_component(&mut self, component: &BStr) {
        self.recorder.push_back_tracked_path_component(component);
    }

    fn push_path_component(&mut self, component: &BStr) {
        self.recorder.push_path_component(component);
    }

    fn pop_path_component(&mut self) {
        self.recorder.pop_path_component();
    }

    fn visit(&mut self, change: visit::Change) -> visit::Action {
        if self.is_full() || check(self.stop).is_err() {
            return std::ops::ControlFlow::Break(());
        }
        self.recorder.visit(change)
    }
}

#[cfg(test)]
mod tests;
