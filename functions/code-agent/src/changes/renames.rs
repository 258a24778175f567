//! Which deleted file an added file was, by the rules of `git diff -M`.
//!
//! The order of the rules matters: two histories of the same content must be told apart the same
//! way that git tells them. First identical content; then, among what is left, files whose name
//! is unique on both sides, at a higher similarity; then the most similar pairs.

use std::{collections::HashMap, rc::Rc};

use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteSlice},
    objs::tree::EntryKind as Mode,
};
use pact_agent::AgentError;

/// Similarity of identical files.
const MAX_SCORE: u64 = 60_000;
/// Least similarity of a rename: 50 %.
const MIN_SCORE: u64 = MAX_SCORE / 2;
/// Most pairs that are compared; beyond it only the first two rules apply.
const MAX_PAIRS: usize = 1_000 * 1_000;
/// Sources that are remembered for each destination.
const CANDIDATES: usize = 4;
/// Identical sources that are looked at for one destination.
const MAX_IDENTICAL: usize = 101;
/// Longest piece of content that is compared as one.
const PIECE: usize = 64;
/// Number of different pieces that are told apart.
const PIECES: u32 = 107_927;

/// One file on one side.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) path: BString,
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
}

impl Side {
    fn is_regular(&self) -> bool {
        matches!(self.mode, Mode::Blob | Mode::BlobExecutable)
    }
}

/// Access to the contents, as far as similarity needs it.
pub(crate) trait Contents {
    /// Size in bytes.
    fn size(&mut self, side: &Side) -> Result<u64, AgentError>;
    /// The pieces of the content; see [`pieces`].
    fn pieces(&mut self, side: &Side) -> Result<Rc<Pieces>, AgentError>;
}

/// How many bytes of a content each kind of piece makes up, sorted by kind.
pub(crate) type Pieces = Vec<(u32, u64)>;

/// Cuts a content into lines of at most [`PIECE`] bytes and sums them up by their hash. A carriage
/// return at the end of a line of text does not count.
pub(crate) fn pieces(content: &[u8], text: bool) -> Pieces {
    let mut sums: HashMap<u32, u64> = HashMap::new();
    let (mut low, mut high, mut length) = (0u32, 0u32, 0usize);
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if text && byte == b'\r' && bytes.peek() == Some(&b'\n') {
            continue;
        }
        let before = low;
        low = ((low << 7) ^ (high >> 25)).wrapping_add(u32::from(byte));
        high = (high << 7) ^ (before >> 25);
        length += 1;
        if length < PIECE && byte != b'\n' {
            continue;
        }
        *sums.entry(low.wrapping_add(high.wrapping_mul(0x61)) % PIECES).or_default() +=
            length as u64;
        (low, high, length) = (0, 0, 0);
    }
    if length > 0 {
        *sums.entry(low.wrapping_add(high.wrapping_mul(0x61)) % PIECES).or_default() +=
            length as u64;
    }
    let mut sums: Pieces = sums.into_iter().collect();
    sums.sort_unstable();
    sums
}

/// Bytes that both contents have.
fn common(old: &Pieces, new: &Pieces) -> u64 {
    let mut new = new.iter().peekable();
    let mut sum = 0;
    for (kind, count) in old {
        while new.next_if(|(other, _)| other < kind).is_some() {}
        if let Some((_, other)) = new.next_if(|(other, _)| other == kind) {
            sum += count.min(other);
        }
    }
    sum
}

fn similarity(contents: &mut impl Contents, old: &Side, new: &Side) -> Result<u64, AgentError> {
    if !old.is_regular() || !new.is_regular() {
        return Ok(0);
    }
    let (old_size, new_size) = (contents.size(old)?, contents.size(new)?);
    let largest = old_size.max(new_size);
    if largest * (MAX_SCORE - MIN_SCORE) < largest.abs_diff(old_size.min(new_size)) * MAX_SCORE {
        return Ok(0);
    }
    if new_size == 0 {
        return Ok(0);
    }
    let (old, new) = (contents.pieces(old)?, contents.pieces(new)?);
    Ok(common(&old, &new) * MAX_SCORE / largest)
}

fn name(path: &BStr) -> &BStr {
    path.rsplit(|b| *b == b'/').next().unwrap_or_default().as_bstr()
}

/// For each destination the index of the source that it was, if it was one. Both lists are sorted
/// by path.
pub(crate) fn detect(
    sources: &[Side],
    destinations: &[Side],
    contents: &mut impl Contents,
) -> Result<Vec<Option<usize>>, AgentError> {
    let mut matches = Matches {
        sources,
        destinations,
        source_of: vec![None; destinations.len()],
        used: vec![false; sources.len()],
    };
    if sources.is_empty() || destinations.is_empty() {
        return Ok(matches.source_of);
    }
    matches.identical();
    matches.unique_names(contents)?;
    matches.most_similar(contents)?;
    Ok(matches.source_of)
}

struct Matches<'a> {
    sources: &'a [Side],
    destinations: &'a [Side],
    source_of: Vec<Option<usize>>,
    used: Vec<bool>,
}

impl Matches<'_> {
    fn pair(&mut self, destination: usize, source: usize) {
        if let (Some(slot), Some(used)) =
            (self.source_of.get_mut(destination), self.used.get_mut(source))
        {
            *slot = Some(source);
            *used = true;
        }
    }

    fn is_used(&self, source: usize) -> bool {
        self.used.get(source).copied().unwrap_or(true)
    }

    fn is_matched(&self, destination: usize) -> bool {
        self.source_of.get(destination).is_none_or(Option::is_some)
    }

    /// Identical content; the same name is preferred.
    fn identical(&mut self) {
        let mut by_id: HashMap<ObjectId, Vec<usize>> = HashMap::new();
        for (index, source) in self.sources.iter().enumerate() {
            by_id.entry(source.id).or_default().push(index);
        }
        for (index, destination) in self.destinations.iter().enumerate() {
            let mut best = None;
            let mut looked_at = 0;
            for candidate in by_id.get(&destination.id).into_iter().flatten().copied() {
                let Some(source) = self.sources.get(candidate) else { continue };
                let regular = source.is_regular() && destination.is_regular();
                if (!regular && source.mode != destination.mode) || self.is_used(candidate) {
                    continue;
                }
                if name(source.path.as_bstr()) == name(destination.path.as_bstr()) {
                    best = Some(candidate);
                    break;
                }
                best = best.or(Some(candidate));
                looked_at += 1;
                if looked_at > MAX_IDENTICAL {
                    break;
                }
            }
            if let Some(source) = best {
                self.pair(index, source);
            }
        }
    }

    /// Files whose name is unique among what is left on each side, at 75 % similarity.
    fn unique_names(&mut self, contents: &mut impl Contents) -> Result<(), AgentError> {
        let least = MIN_SCORE + (MAX_SCORE - MIN_SCORE) / 2;
        let from = unique(self.sources, |index| !self.is_used(index));
        let to = unique(self.destinations, |index| !self.is_matched(index));
        for (index, source) in self.sources.iter().enumerate() {
            let name = name(source.path.as_bstr());
            if from.get(name) != Some(&Some(index)) {
                continue;
            }
            let Some(Some(target)) = to.get(name).copied() else { continue };
            let Some(destination) = self.destinations.get(target) else { continue };
            if similarity(contents, source, destination)? >= least {
                self.pair(target, index);
            }
        }
        Ok(())
    }

    /// The most similar pairs first; of equally similar ones those with the same name.
    fn most_similar(&mut self, contents: &mut impl Contents) -> Result<(), AgentError> {
        let sources: Vec<usize> =
            (0..self.sources.len()).filter(|index| !self.is_used(*index)).collect();
        let destinations: Vec<usize> =
            (0..self.destinations.len()).filter(|index| !self.is_matched(*index)).collect();
        if sources.len().saturating_mul(destinations.len()) > MAX_PAIRS {
            tracing::info!("too many files for inexact rename detection");
            return Ok(());
        }
        let mut all = Vec::new();
        for target in destinations {
            let mut best = Best::default();
            for index in &sources {
                let (Some(source), Some(destination)) =
                    (self.sources.get(*index), self.destinations.get(target))
                else {
                    continue;
                };
                best.offer(Candidate {
                    score: similarity(contents, source, destination)?,
                    same_name: name(source.path.as_bstr()) == name(destination.path.as_bstr()),
                    source: *index,
                    destination: target,
                });
            }
            all.extend(best.0.into_iter().flatten());
        }
        // The sort is stable: what came first stays first among equals.
        all.sort_by_key(|candidate| std::cmp::Reverse(candidate.rank()));
        for candidate in all {
            if candidate.score < MIN_SCORE {
                break;
            }
            if !self.is_matched(candidate.destination) && !self.is_used(candidate.source) {
                self.pair(candidate.destination, candidate.source);
            }
        }
        Ok(())
    }
}

/// Index of each name that is allowed and unique; none for one that is not unique.
fn unique(sides: &[Side], allowed: impl Fn(usize) -> bool) -> HashMap<&BStr, Option<usize>> {
    let mut names = HashMap::new();
    for (index, side) in sides.iter().enumerate().filter(|(index, _)| allowed(*index)) {
        names
            .entry(name(side.path.as_bstr()))
            .and_modify(|known| *known = None)
            .or_insert(Some(index));
    }
    names
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    score: u64,
    same_name: bool,
    source: usize,
    destination: usize,
}

impl Candidate {
    fn rank(&self) -> (u64, bool) {
        (self.score, self.same_name)
    }
}

/// The best candidates of one destination. Which of two equals is kept depends on the slots, as
/// it does in git.
#[derive(Default)]
struct Best([Option<Candidate>; CANDIDATES]);

impl Best {
    fn offer(&mut self, candidate: Candidate) {
        // The first of the worst slots; an empty one is worse than any.
        let rank = |slot: &Option<Candidate>| slot.as_ref().map(Candidate::rank);
        let worst = self.0.iter_mut().reduce(|a, b| if rank(b) < rank(a) { b } else { a });
        if let Some(slot) = worst
            && rank(slot) < Some(candidate.rank())
        {
            *slot = Some(candidate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Memory(HashMap<ObjectId, Vec<u8>>);

    impl Contents for Memory {
        fn size(&mut self, side: &Side) -> Result<u64, AgentError> {
            Ok(self.0[&side.id].len() as u64)
        }
        fn pieces(&mut self, side: &Side) -> Result<Rc<Pieces>, AgentError> {
            Ok(Rc::new(pieces(&self.0[&side.id], true)))
        }
    }

    fn detected(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<Option<usize>> {
        let mut contents = Memory(HashMap::new());
        let mut sides = |files: &[(&str, &str)]| -> Vec<Side> {
            files
                .iter()
                .map(|(path, content)| {
                    let id = gix::objs::compute_hash(
                        gix::hash::Kind::Sha1,
                        gix::objs::Kind::Blob,
                        content.as_bytes(),
                    )
                    .expect("a hash");
                    contents.0.insert(id, content.as_bytes().to_vec());
                    Side { path: (*path).into(), mode: Mode::Blob, id }
                })
                .collect()
        };
        let (old, new) = (sides(old), sides(new));
        detect(&old, &new, &mut contents).expect("detects")
    }

    #[test]
    fn identical_content_prefers_the_same_name() {
        let old = [("a/one.txt", "same\n"), ("b/two.txt", "same\n")];
        assert_eq!(detected(&old, &[("c/two.txt", "same\n")]), vec![Some(1)]);
        assert_eq!(detected(&old, &[("c/three.txt", "same\n")]), vec![Some(0)]);
    }

    #[test]
    fn half_is_enough_and_less_is_not() {
        let text = |range: std::ops::Range<u32>| {
            range.map(|n| format!("line number {n:04}\n")).collect::<String>()
        };
        let old = text(0..100);
        let half = text(0..50) + &text(1000..1050);
        let less = text(0..49) + &text(1000..1051);
        assert_eq!(detected(&[("a", &old)], &[("b", &half)]), vec![Some(0)]);
        assert_eq!(detected(&[("a", &old)], &[("b", &less)]), vec![None]);
    }

    #[test]
    fn line_ends_do_not_count_in_text() {
        assert_eq!(pieces(b"a\r\nb\r\n", true), pieces(b"a\nb\n", true));
        assert_ne!(pieces(b"a\r\nb\r\n", false), pieces(b"a\nb\n", false));
    }
}
