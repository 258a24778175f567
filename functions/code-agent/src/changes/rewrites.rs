//! Which added file is a deleted one that was moved, by the rewrite tracker of `gix`.
//!
//! The tracker says how alike two files are: the share of the larger one that a line by line
//! comparison leaves untouched. What `git diff -M` documents about the choice among them
//! (gitdiffcore(7)) is done here: identical contents first, then files that kept a name that only
//! they have, then the pairs that are most alike; at least half of a file has to be the same, and
//! nothing but identical contents is looked for among too many files.

use std::{cmp::Reverse, collections::HashMap, ops::ControlFlow, sync::atomic::AtomicBool};

use gix::{
    ObjectId, Repository,
    bstr::{BStr, BString, ByteSlice},
    diff::{
        Rewrites,
        blob::{Platform, pipeline::Mode, pipeline::WorktreeRoots},
        rewrites::{
            Tracker,
            tracker::{Change, ChangeKind},
        },
        tree::visit::Relation,
    },
    objs::tree::{EntryKind, EntryMode},
    worktree::stack::state::attributes::Source as AttributeSource,
};
use pact_agent::AgentError;

use crate::{
    fault::{text, unavailable},
    work::check,
};

/// Least similarity of a pair.
const LEAST: f32 = 0.5;
/// Least similarity of a pair that kept its name: it is taken before others are compared.
const LEAST_SAME_NAME: f32 = 0.75;
/// As `diff.renameLimit`: with more pairs than its square, only identical contents are looked for.
const LIMIT: usize = 1_000;
/// Bytes of contents that are held at once.
const MAX_HELD: u64 = 256 * 1024 * 1024;
/// Bytes that are compared in all: beyond it the rest counts as deleted and added.
const MAX_COMPARED: u64 = 16 * 1024 * 1024 * 1024;

/// One side of a change.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) path: BString,
    pub(crate) mode: EntryKind,
    pub(crate) id: ObjectId,
}

impl Side {
    fn name(&self) -> &BStr {
        self.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().as_bstr()
    }

    fn is_file(&self) -> bool {
        matches!(self.mode, EntryKind::Blob | EntryKind::BlobExecutable)
    }
}

/// For each added file the index of the deleted one that it was, if it was one.
pub(crate) fn detect(
    repository: &Repository,
    tree: ObjectId,
    deleted: &[Side],
    added: &[Side],
    stop: &AtomicBool,
) -> Result<Vec<Option<usize>>, AgentError> {
    if deleted.is_empty() || added.is_empty() {
        return Ok(vec![None; added.len()]);
    }
    let mut search = Search {
        repository,
        platform: platform(repository, tree)?,
        deleted,
        added,
        taken: vec![false; deleted.len()],
        source_of: vec![None; added.len()],
        compared: 0,
        stop,
    };
    search.identical()?;
    let sizes = Sizes::of(&search)?;
    search.same_name(&sizes)?;
    search.most_alike(&sizes)?;
    Ok(search.source_of)
}

/// Reads contents as the attributes of `tree` say, never through a program.
fn platform(repository: &Repository, tree: ObjectId) -> Result<Platform, AgentError> {
    let platform = repository.index_from_tree(&tree).and_then(|index| {
        let attributes = repository.attributes_only(&index, AttributeSource::IdMapping)?.detach();
        gix::diff::resource_cache(repository, Mode::ToGit, attributes, WorktreeRoots::default())
    });
    platform.map_err(|e| unavailable(format!("files cannot be compared: {}", text(&e))))
}

/// Sizes of what is not yet paired, by index.
struct Sizes {
    deleted: HashMap<usize, u64>,
    added: HashMap<usize, u64>,
}

impl Sizes {
    fn of(search: &Search<'_>) -> Result<Self, AgentError> {
        let size = |side: &Side| {
            search.repository.find_header(side.id).map(|header| header.size()).map_err(|e| {
                let path = &side.path;
                unavailable(format!("the repository lacks the content of {path}: {}", text(&e)))
            })
        };
        let open = |(index, side): (usize, &Side)| Ok((index, size(side)?));
        Ok(Self {
            deleted: search.open_sources().map(open).collect::<Result<_, AgentError>>()?,
            added: search.open_destinations().map(open).collect::<Result<_, AgentError>>()?,
        })
    }

    /// Bytes of both; none when they differ so much that they cannot be alike.
    fn comparable(&self, source: usize, destination: usize) -> Option<u64> {
        let (old, new) = (*self.deleted.get(&source)?, *self.added.get(&destination)?);
        let (less, more) = (old.min(new), old.max(new));
        (less > 0 && less.saturating_mul(2) >= more).then_some(old + new)
    }
}

/// What the tracker found for one destination.
struct Match {
    source: usize,
    destination: usize,
    similarity: f32,
}

struct Search<'a> {
    repository: &'a Repository,
    platform: Platform,
    deleted: &'a [Side],
    added: &'a [Side],
    taken: Vec<bool>,
    source_of: Vec<Option<usize>>,
    compared: u64,
    stop: &'a AtomicBool,
}

impl Search<'_> {
    fn open_sources(&self) -> impl Iterator<Item = (usize, &Side)> {
        let open = |(side, taken): (_, &bool)| (!taken).then_some(side);
        self.deleted.iter().enumerate().zip(&self.taken).filter_map(open).filter(|s| s.1.is_file())
    }

    fn open_destinations(&self) -> impl Iterator<Item = (usize, &Side)> {
        let open = |(side, of): (_, &Option<usize>)| of.is_none().then_some(side);
        self.added
            .iter()
            .enumerate()
            .zip(&self.source_of)
            .filter_map(open)
            .filter(|s| s.1.is_file())
    }

    fn take(&mut self, found: &Match) {
        if let (Some(taken), Some(source)) =
            (self.taken.get_mut(found.source), self.source_of.get_mut(found.destination))
        {
            *taken = true;
            *source = Some(found.source);
        }
    }

    /// Pairs with identical contents, links and submodules among them.
    fn identical(&mut self) -> Result<(), AgentError> {
        let sources: Vec<usize> = (0..self.deleted.len()).collect();
        let destinations: Vec<usize> = (0..self.added.len()).collect();
        for found in self.track(&sources, &destinations, None)? {
            self.take(&found);
        }
        Ok(())
    }

    /// Pairs that kept a name which only they have.
    fn same_name(&mut self, sizes: &Sizes) -> Result<(), AgentError> {
        let mut names: HashMap<&BStr, (Vec<usize>, Vec<usize>)> = HashMap::new();
        for (index, side) in self.open_sources() {
            names.entry(side.name()).or_default().0.push(index);
        }
        for (index, side) in self.open_destinations() {
            names.entry(side.name()).or_default().1.push(index);
        }
        let pairs: Vec<(usize, usize)> = names
            .into_values()
            .filter_map(|(old, new)| match (old.as_slice(), new.as_slice()) {
                ([old], [new]) => Some((*old, *new)),
                _ => None,
            })
            .collect();
        for (source, destination) in pairs {
            if self.may_compare(sizes, source, destination)
                && let Some(found) = self.best(&[source], destination, LEAST_SAME_NAME)?
            {
                self.take(&found);
            }
        }
        Ok(())
    }

    /// The pairs that are most alike, of all that are left.
    fn most_alike(&mut self, sizes: &Sizes) -> Result<(), AgentError> {
        let destinations: Vec<usize> = self.open_destinations().map(|(index, _)| index).collect();
        if self.open_sources().count().saturating_mul(destinations.len()) > LIMIT * LIMIT {
            tracing::info!("too many files for a search of renames with changes");
            return Ok(());
        }
        let mut found = Vec::new();
        for destination in destinations {
            found.extend(self.best_of_all(sizes, destination)?);
        }
        // One that was taken meanwhile is replaced by the next best.
        while !found.is_empty() {
            found.sort_by(|a, b| {
                b.similarity.total_cmp(&a.similarity).then(a.destination.cmp(&b.destination))
            });
            let mut again = Vec::new();
            for one in std::mem::take(&mut found) {
                if self.taken.get(one.source).copied().unwrap_or(true) {
                    again.push(one.destination);
                } else if again.is_empty() {
                    self.take(&one);
                } else {
                    found.push(one);
                }
            }
            for destination in again {
                found.extend(self.best_of_all(sizes, destination)?);
            }
        }
        Ok(())
    }

    fn best_of_all(
        &mut self,
        sizes: &Sizes,
        destination: usize,
    ) -> Result<Option<Match>, AgentError> {
        let mut held = 0u64;
        let mut sources: Vec<(u64, usize)> = self
            .open_sources()
            .filter_map(|(index, _)| Some((sizes.comparable(index, destination)?, index)))
            .collect();
        sources.sort_unstable_by_key(|(bytes, index)| (Reverse(*bytes), *index));
        let sources: Vec<usize> = sources
            .into_iter()
            .filter(|(bytes, _)| {
                held = held.saturating_add(*bytes);
                held <= MAX_HELD
            })
            .map(|(_, index)| index)
            .collect();
        self.compared = self.compared.saturating_add(held);
        if sources.is_empty() || self.compared > MAX_COMPARED {
            return Ok(None);
        }
        self.best(&sources, destination, LEAST)
    }

    fn may_compare(&mut self, sizes: &Sizes, source: usize, destination: usize) -> bool {
        let Some(bytes) = sizes.comparable(source, destination) else { return false };
        self.compared = self.compared.saturating_add(bytes);
        bytes <= MAX_HELD && self.compared <= MAX_COMPARED
    }

    fn best(
        &mut self,
        sources: &[usize],
        destination: usize,
        least: f32,
    ) -> Result<Option<Match>, AgentError> {
        Ok(self.track(sources, &[destination], Some(least))?.pop())
    }

    fn track(
        &mut self,
        sources: &[usize],
        destinations: &[usize],
        least: Option<f32>,
    ) -> Result<Vec<Match>, AgentError> {
        check(self.stop)?;
        let options = Rewrites { copies: None, percentage: least, limit: LIMIT, track_empty: true };
        let mut tracker = Tracker::new(options);
        let sides = [
            (sources, self.deleted, ChangeKind::Deletion),
            (destinations, self.added, ChangeKind::Addition),
        ];
        for (indices, sides, kind) in sides {
            for index in indices {
                let Some(side) = sides.get(*index) else { continue };
                let entry = Entry { index: *index, kind, id: side.id, mode: side.mode.into() };
                if tracker.try_push_change(entry, side.path.as_bstr()).is_some() {
                    tracing::debug!(path = %side.path, "cannot be a part of a rename");
                }
            }
        }
        let mut found = Vec::new();
        let none = |_: &mut dyn FnMut(Entry, &BStr)| Ok::<(), std::convert::Infallible>(());
        tracker
            .emit(
                |to, from| {
                    found.extend(from.map(|from| Match {
                        source: from.change.index,
                        destination: to.change.index,
                        similarity: from.diff.map_or(1.0, |diff| diff.similarity),
                    }));
                    ControlFlow::Continue(())
                },
                &mut self.platform,
                &self.repository.objects,
                none,
            )
            .map_err(|e| unavailable(format!("files cannot be compared: {}", text(&e))))?;
        self.platform.clear_resource_cache();
        Ok(found)
    }
}

/// A deleted or added file, as the tracker sees it.
#[derive(Clone, Debug)]
struct Entry {
    index: usize,
    kind: ChangeKind,
    id: ObjectId,
    mode: EntryMode,
}

impl Change for Entry {
    fn id(&self) -> &gix::oid {
        &self.id
    }

    fn relation(&self) -> Option<Relation> {
        None
    }

    fn kind(&self) -> ChangeKind {
        self.kind
    }

    fn entry_mode(&self) -> EntryMode {
        self.mode
    }

    fn id_and_entry_mode(&self) -> (&gix::oid, EntryMode) {
        (&self.id, self.mode)
    }
}
