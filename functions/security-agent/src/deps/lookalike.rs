//! Names that look like well-known ones: what whoever imitates a package hopes is mistyped.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::LazyLock,
};

use super::Ecosystem;

/// Shorter parts of names are one letter from too many others.
const SHORTEST: usize = 5;
/// Longest name that is compared.
const LONGEST: usize = 100;

static FILE: &str = include_str!("well_known.txt");

/// The names of one ecosystem.
#[derive(Default)]
struct Names {
    /// What is imitated, by length.
    known: HashMap<usize, Vec<&'static str>>,
    /// What is a package in its own right.
    fine: HashSet<&'static str>,
}

static KNOWN: LazyLock<HashMap<Ecosystem, Names>> = LazyLock::new(|| {
    let mut all: HashMap<Ecosystem, Names> = HashMap::new();
    let mut open = None;
    for line in FILE.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            open = Ecosystem::parse(name);
        } else if let Some(ecosystem) = open {
            let names = all.entry(ecosystem).or_default();
            let imitated = !line.starts_with('+');
            for name in line.trim_start_matches('+').split_whitespace() {
                names.fine.insert(name);
                if imitated {
                    names.known.entry(name.len()).or_default().push(name);
                }
            }
        }
    }
    all
});

/// The well-known name that `name` looks like, of the ecosystem or of those that the repository has
/// used before.
pub(crate) fn looks_like<'a>(
    ecosystem: Ecosystem,
    name: &str,
    used: &'a BTreeSet<(Ecosystem, String)>,
) -> Option<&'a str> {
    let length = name.len();
    if !(SHORTEST..=LONGEST).contains(&length) || !name.is_ascii() {
        return None;
    }
    let names = KNOWN.get(&ecosystem);
    if names.is_some_and(|names| names.fine.contains(name)) {
        return None;
    }
    let near = length.saturating_sub(2)..=length + 2;
    let listed = names.into_iter().flat_map(|names| {
        near.clone().filter_map(|length| names.known.get(&length)).flatten().copied()
    });
    let own = used
        .iter()
        .filter(|(of, known)| *of == ecosystem && near.contains(&known.len()))
        .map(|(_, known)| known.as_str());
    let mut all = listed.chain(own);
    all.find(|known| alike(name, known))
}

/// Whether two different names differ in one letter that is left out, put in, replaced, or swapped
/// with its neighbour, or in what separates their words.
fn alike(name: &str, known: &str) -> bool {
    if name == known {
        return false;
    }
    let plain = |text: &str| -> String { text.chars().filter(|c| !is_separator(*c)).collect() };
    // A scope is somebody's own: what is below two of them is not the same.
    if name.contains(['/', '@']) != known.contains(['/', '@']) {
        return false;
    }
    if plain(name) == plain(known) {
        return true;
    }
    let (a, b) = (name.as_bytes(), known.as_bytes());
    let at = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let rest = |text: &'_ [u8], from: usize| text.get(from..).unwrap_or_default().to_vec();
    let edited = match a.len().abs_diff(b.len()) {
        0 => {
            let swapped = match (a.get(at..at + 2), b.get(at..at + 2)) {
                (Some([one, two]), Some([three, four])) => one == four && two == three,
                _ => false,
            };
            rest(a, at + 1) == rest(b, at + 1) || swapped && rest(a, at + 2) == rest(b, at + 2)
        }
        1 if a.len() > b.len() => rest(a, at + 1) == rest(b, at),
        1 => rest(a, at) == rest(b, at + 1),
        _ => false,
    };
    if !edited {
        return false;
    }
    // `foo2` and `foo3`, `mypy-boto3-sns` and `mypy-boto3-sqs` are families.
    let digit = |text: &[u8]| text.get(at).is_some_and(u8::is_ascii_digit);
    !digit(a) && !digit(b) && word(name, at) >= SHORTEST && word(known, at) >= SHORTEST
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '_' | '.')
}

/// Length of the word of a name around a place.
fn word(name: &str, at: usize) -> usize {
    let ends = |c: char| is_separator(c) || matches!(c, '/' | '@');
    let at = at.min(name.len());
    let before = name
        .get(..at)
        .map_or(0, |before| before.rfind(ends).map_or(before.len(), |end| before.len() - end - 1));
    before + name.get(at..).map_or(0, |after| after.find(ends).unwrap_or(after.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imitations_are_told_and_packages_in_their_own_right_are_not() {
        let used = BTreeSet::from([(Ecosystem::PyPi, "acme-billing".to_owned())]);
        for (ecosystem, name, like) in [
            (Ecosystem::PyPi, "reqeusts", Some("requests")),
            (Ecosystem::PyPi, "request", Some("requests")),
            (Ecosystem::PyPi, "urlib3", Some("urllib3")),
            (Ecosystem::PyPi, "python-dateutils", Some("python-dateutil")),
            (Ecosystem::PyPi, "acme-biling", Some("acme-billing")),
            (Ecosystem::PyPi, "acmebilling", Some("acme-billing")),
            (Ecosystem::Npm, "acme-biling", None),
            (Ecosystem::Npm, "crossspawn", Some("cross-spawn")),
            (Ecosystem::Npm, "expres", Some("express")),
            (Ecosystem::CratesIo, "rustdecimal", Some("rust_decimal")),
            (Ecosystem::CratesIo, "serde_jsom", None),
            (Ecosystem::CratesIo, "reqwesst", Some("reqwest")),
            (Ecosystem::PyPi, "requests", None),
            (Ecosystem::PyPi, "urllib4", None),
            (Ecosystem::Npm, "preact", None),
            (Ecosystem::Npm, "@acme/express", None),
            (Ecosystem::PyPi, "mypy-boto3-sqs", None),
            (Ecosystem::Npm, "ms", None),
            (Ecosystem::Go, "github.com/a/b", None),
        ] {
            assert_eq!(looks_like(ecosystem, name, &used), like, "{name}");
        }
    }

    #[test]
    fn no_well_known_name_looks_like_another() {
        let none = BTreeSet::new();
        for (ecosystem, names) in KNOWN.iter() {
            assert!(names.known.values().map(Vec::len).sum::<usize>() > 20, "{ecosystem:?}");
            for name in &names.fine {
                assert_eq!(looks_like(*ecosystem, name, &none), None, "{name}");
                assert_eq!(&ecosystem.normal_name(name), name);
            }
        }
    }
}
