//! Which function of before a function of after is: by its name in its file, by its text wherever
//! that went, or by what was taken out of another one.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use super::function::Function;

/// Tokens of a piece by which two functions are compared.
const PIECE: usize = 5;
/// Share of a function's pieces, in percent, that come from another one that lost them.
const LEAST: usize = 50;

/// Where a function comes from; the number is its place among those of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From nowhere.
    New,
    /// It is as it was, where it was.
    Same(usize),
    /// It is as it was, elsewhere.
    Moved(usize),
    /// It is the one of its name, and was changed.
    Changed(usize),
    /// It was taken out of another one, or renamed, or moved and changed.
    Derived(usize),
}

impl Origin {
    /// The one of before.
    pub(crate) fn before(self) -> Option<usize> {
        match self {
            Self::New => None,
            Self::Same(n) | Self::Moved(n) | Self::Changed(n) | Self::Derived(n) => Some(n),
        }
    }
}

/// A function in a file; of after, the path that the file had before.
pub(crate) struct Placed<'a> {
    /// The path before; none for a new file.
    pub(crate) path: Option<&'a str>,
    /// The function.
    pub(crate) function: &'a Function,
}

/// The origin of each function of `after`, in their order.
pub(crate) fn origins(before: &[Placed<'_>], after: &[Placed<'_>]) -> Vec<Origin> {
    let mut pairs = Pairs {
        before,
        after,
        origins: vec![Origin::New; after.len()],
        taken: vec![false; before.len()],
    };
    pairs.by_name();
    pairs.by_text();
    pairs.by_pieces();
    pairs.origins
}

struct Pairs<'a> {
    before: &'a [Placed<'a>],
    after: &'a [Placed<'a>],
    origins: Vec<Origin>,
    taken: Vec<bool>,
}

impl Pairs<'_> {
    fn take(&mut self, after: usize, before: usize, origin: Origin) {
        if let (Some(place), Some(taken)) =
            (self.origins.get_mut(after), self.taken.get_mut(before))
        {
            *place = origin;
            *taken = true;
        }
    }

    fn is_free(&self, before: usize) -> bool {
        self.taken.get(before) == Some(&false)
    }

    fn open(&self) -> Vec<usize> {
        let new = |(n, origin): (usize, &Origin)| (*origin == Origin::New).then_some(n);
        self.origins.iter().enumerate().filter_map(new).collect()
    }

    /// The same text under the same name in the same file first; then what was changed.
    fn by_name(&mut self) {
        let mut known: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (n, placed) in self.before.iter().enumerate() {
            if let Some(path) = placed.path {
                known.entry((path, placed.function.name.as_str())).or_default().push(n);
            }
        }
        for is_same in [true, false] {
            for n in self.open() {
                let Some(placed) = self.after.get(n) else { continue };
                let Some(path) = placed.path else { continue };
                let function = placed.function;
                let candidates = known.get(&(path, function.name.as_str()));
                let found = candidates.into_iter().flatten().copied().find(|candidate| {
                    let before = self.before.get(*candidate).map(|placed| placed.function);
                    self.is_free(*candidate)
                        && before.is_some_and(|before| {
                            if is_same {
                                before.tokens == function.tokens
                            } else {
                                function.is_named()
                            }
                        })
                });
                if let Some(found) = found {
                    let origin = if is_same { Origin::Same } else { Origin::Changed };
                    self.take(n, found, origin(found));
                }
            }
        }
    }

    fn by_text(&mut self) {
        let mut known: HashMap<&[u64], Vec<usize>> = HashMap::new();
        for (n, placed) in self.before.iter().enumerate() {
            if self.is_free(n) {
                known.entry(&placed.function.tokens).or_default().push(n);
            }
        }
        for n in self.open() {
            let Some(placed) = self.after.get(n) else { continue };
            let Some(candidates) = known.get_mut(placed.function.tokens.as_slice()) else {
                continue;
            };
            // Functions on one line have one text: their order tells them apart.
            let named = |candidate: &usize| {
                let before = self.before.get(*candidate);
                before.is_some_and(|before| before.function.name == placed.function.name)
            };
            let at = candidates.iter().position(named).unwrap_or(0);
            if at < candidates.len() {
                let found = candidates.remove(at);
                self.take(n, found, Origin::Moved(found));
            }
        }
    }

    /// What a function lost may be found again in another one; each piece once.
    fn by_pieces(&mut self) {
        let mut lost: Vec<HashSet<u64>> =
            self.before.iter().map(|placed| pieces(&placed.function.tokens)).collect();
        for (origin, placed) in self.origins.iter().zip(self.after) {
            if let Some(lost) = origin.before().and_then(|before| lost.get_mut(before)) {
                for piece in pieces(&placed.function.tokens) {
                    lost.remove(&piece);
                }
            }
        }
        let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
        for (n, pieces) in lost.iter().enumerate() {
            for piece in pieces {
                holders.entry(*piece).or_default().push(n);
            }
        }
        for n in self.open() {
            let Some(placed) = self.after.get(n) else { continue };
            let own = pieces(&placed.function.tokens);
            let mut shared: HashMap<usize, usize> = HashMap::new();
            for piece in &own {
                for holder in holders.get(piece).into_iter().flatten() {
                    if lost.get(*holder).is_some_and(|lost| lost.contains(piece)) {
                        *shared.entry(*holder).or_default() += 1;
                    }
                }
            }
            let best =
                shared.into_iter().max_by_key(|(n, shared)| (*shared, std::cmp::Reverse(*n)));
            if let Some((holder, shared)) = best
                && shared * 100 >= own.len() * LEAST
            {
                if let Some(lost) = lost.get_mut(holder) {
                    for piece in &own {
                        lost.remove(piece);
                    }
                }
                self.take(n, holder, Origin::Derived(holder));
            }
        }
    }
}

/// The runs of [`PIECE`] tokens; all of a shorter text as one.
fn pieces(tokens: &[u64]) -> HashSet<u64> {
    let hash = |tokens: &[u64]| {
        let mut hasher = DefaultHasher::new();
        tokens.hash(&mut hasher);
        hasher.finish()
    };
    if tokens.len() < PIECE {
        return HashSet::from([hash(tokens)]);
    }
    tokens.windows(PIECE).map(hash).collect()
}
