//! Orders of versions that no library here knows: Maven, RubyGems, NuGet, Composer.

use std::cmp::Ordering;

/// Most parts of a version.
const MAX_PARTS: usize = 64;

/// A part of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Number(u64),
    Word(String),
}

/// A version as parts; how they compare is the ecosystem's.
#[derive(Clone, Debug)]
pub(crate) struct Parts(Vec<Part>);

/// A version of Maven, as `ComparableVersion` describes it: parts after a hyphen (or where digits
/// and letters meet) count after those after a dot; known words have an order.
#[derive(Clone, Debug)]
pub(crate) struct Maven(Vec<(bool, Part)>);

fn number(text: &str) -> Option<u64> {
    let trimmed = text.trim_start_matches('0');
    if trimmed.is_empty() { Some(0) } else { trimmed.parse().ok() }
}

/// The runs of digits and of letters.
fn runs(text: &str) -> Option<Vec<Part>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != digits || !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        if end == 0 {
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
            continue;
        }
        let (run, after) = rest.split_at_checked(end)?;
        out.push(if digits { Part::Number(number(run)?) } else { Part::Word(run.to_owned()) });
        rest = after;
        if out.len() > MAX_PARTS {
            return None;
        }
    }
    Some(out)
}

impl Maven {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let mut parts: Vec<(bool, Part)> = Vec::new();
        let mut hyphen = false;
        for piece in lower.split_inclusive(['.', '-', '_', '+']) {
            let word = piece.trim_end_matches(['.', '-', '_', '+']);
            if word.is_empty() {
                parts.push((hyphen, Part::Number(0)));
            }
            for (index, run) in runs(word)?.into_iter().enumerate() {
                // A digit next to a letter is as good as a hyphen between them.
                parts.push((hyphen || index > 0, run));
            }
            hyphen = piece.ends_with(['-', '_', '+']);
        }
        if parts.is_empty()
            || parts.len() > MAX_PARTS
            || !lower.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return None;
        }
        // Zeros and words that mean a release say nothing before a hyphen or at the end.
        let is_null = |part: &Part| match part {
            Part::Number(n) => *n == 0,
            Part::Word(w) => ["ga", "final", "release"].contains(&w.as_str()),
        };
        let mut trimmed: Vec<(bool, Part)> = Vec::new();
        for (hyphen, part) in parts {
            if hyphen {
                while trimmed.last().is_some_and(|(_, p)| is_null(p)) {
                    trimmed.pop();
                }
            }
            trimmed.push((hyphen, part));
        }
        while trimmed.last().is_some_and(|(_, p)| is_null(p)) {
            trimmed.pop();
        }
        Some(Self(trimmed))
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        for index in 0..self.0.len().max(other.0.len()) {
            let order = maven_rank(self.0.get(index)).cmp(&maven_rank(other.0.get(index)));
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

/// Where a part stands: words before a release, nothing, `sp`, other words, numbers after a
/// hyphen, numbers after a dot.
fn maven_rank(part: Option<&(bool, Part)>) -> (u8, u64, &str) {
    match part {
        None => (6, 0, ""),
        Some((_, Part::Word(word))) => match word.as_str() {
            "alpha" | "a" => (1, 0, ""),
            "beta" | "b" => (2, 0, ""),
            "milestone" | "m" => (3, 0, ""),
            "rc" | "cr" => (4, 0, ""),
            "snapshot" => (5, 0, ""),
            "ga" | "final" | "release" => (6, 0, ""),
            "sp" => (7, 0, ""),
            other => (8, 0, other),
        },
        Some((hyphen, Part::Number(0))) if !hyphen => (6, 0, ""),
        Some((true, Part::Number(n))) => (9, *n, ""),
        Some((false, Part::Number(n))) => (10, *n, ""),
    }
}

impl Parts {
    /// A version of RubyGems: numbers and letters; letters come before the release.
    pub(crate) fn gem(text: &str) -> Option<Self> {
        let parts = runs(&text.replace('-', ".pre."))?;
        let valid = text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
        valid.then_some(Self(parts))
    }

    pub(crate) fn compare_gem(&self, other: &Self) -> Ordering {
        for index in 0..self.0.len().max(other.0.len()) {
            let zero = Part::Number(0);
            let (a, b) = (self.0.get(index).unwrap_or(&zero), other.0.get(index).unwrap_or(&zero));
            let order = match (a, b) {
                (Part::Number(a), Part::Number(b)) => a.cmp(b),
                (Part::Word(a), Part::Word(b)) => a.cmp(b),
                (Part::Word(_), Part::Number(_)) => Ordering::Less,
                (Part::Number(_), Part::Word(_)) => Ordering::Greater,
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}

/// A version of NuGet: up to four numbers, then labels of semantic versions, case ignored.
#[derive(Clone, Debug)]
pub(crate) struct NuGet {
    numbers: [u64; 4],
    labels: semver::Prerelease,
}

impl NuGet {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.split('+').next()?.to_ascii_lowercase();
        let (numbers, labels) = text.split_once('-').unwrap_or((&text, ""));
        let mut out = [0; 4];
        let parts: Vec<&str> = numbers.split('.').collect();
        if parts.len() > 4 {
            return None;
        }
        for (to, part) in out.iter_mut().zip(parts) {
            *to = part.bytes().all(|b| b.is_ascii_digit()).then(|| number(part)).flatten()?;
        }
        Some(Self { numbers: out, labels: semver::Prerelease::new(labels).ok()? })
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| self.labels.cmp(&other.labels))
    }
}

/// A version of Composer: numbers, then a stability with a number.
#[derive(Clone, Debug)]
pub(crate) struct Composer(Vec<Part>);

impl Composer {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let lower = lower.strip_prefix('v').unwrap_or(&lower);
        let lower = lower.split(['+', ' ']).next()?;
        // A branch has no order.
        if !lower.starts_with(|c: char| c.is_ascii_digit()) || lower.starts_with("dev-") {
            return None;
        }
        Some(Self(runs(lower)?))
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let rank = |part: Option<&Part>| match part {
            Some(Part::Word(w)) => match w.as_str() {
                "dev" => (0, 0),
                "alpha" | "a" => (1, 0),
                "beta" | "b" => (2, 0),
                "rc" | "c" => (3, 0),
                "patch" | "pl" | "p" => (6, 0),
                _ => (0, 0),
            },
            None | Some(Part::Number(0)) => (4, 0),
            Some(Part::Number(n)) => (5, *n),
        };
        for index in 0..self.0.len().max(other.0.len()) {
            let order = rank(self.0.get(index)).cmp(&rank(other.0.get(index)));
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
}
