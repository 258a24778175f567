//! How packages came in: who asks for whom, as far as a lock file says so.
//!
//! Names are all that most forms have, so a name stands for each of its versions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most names of a way that are shown.
const MAX_SHOWN: usize = 6;

/// Who asks for whom.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// What the project itself asks for.
    direct: BTreeSet<String>,
    /// What it asks for to be developed only.
    direct_development: BTreeSet<String>,
    /// What the lock file says is for development only.
    development: BTreeSet<String>,
    needs: BTreeMap<String, BTreeSet<String>>,
}

/// How one package came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// From what the project asks for to the package, both included; empty where nobody says.
    pub(crate) names: Vec<String>,
    /// Whether it is for development only; none where nobody says.
    pub(crate) development: Option<bool>,
}

impl Way {
    /// The way in words that follow the package, in brackets; empty for what the product asks for
    /// directly.
    pub(crate) fn text(&self) -> String {
        let mut parts = Vec::new();
        if self.names.len() > 1 {
            let (first, last) = self.names.split_at(self.names.len().min(MAX_SHOWN - 1));
            parts.push(match last.split_last() {
                None => format!("by {}", first.join(" > ")),
                Some((end, [])) => format!("by {} > {end}", first.join(" > ")),
                Some((end, _)) => format!("by {} > … > {end}", first.join(" > ")),
            });
        }
        if self.development == Some(true) {
            parts.push("for development only".to_owned());
        }
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    }
}

impl Graph {
    /// The project asks for it.
    pub(super) fn direct(&mut self, name: impl Into<String>, development: bool) {
        let names = if development { &mut self.direct_development } else { &mut self.direct };
        names.insert(name.into());
    }

    /// The lock file says that it is for development only.
    pub(super) fn development(&mut self, name: impl Into<String>) {
        self.development.insert(name.into());
    }

    /// One package asks for another.
    pub(super) fn needs(&mut self, name: &str, other: impl Into<String>) {
        self.needs.entry(name.to_owned()).or_default().insert(other.into());
    }

    /// Whether a package needs another.
    pub(crate) fn needed_by(&self, name: &str) -> impl Iterator<Item = &str> {
        self.needs.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Gives names another form.
    pub(super) fn rename(&mut self, form: impl Fn(&str) -> String) {
        let set = |names: &BTreeSet<String>| names.iter().map(|name| form(name)).collect();
        self.direct = set(&self.direct);
        self.direct_development = set(&self.direct_development);
        self.development = set(&self.development);
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, others) in &self.needs {
            needs.entry(form(name)).or_default().extend(set(others));
        }
        self.needs = needs;
    }

    /// The shortest way to every package of the lock file.
    pub(crate) fn ways<'n>(
        &self,
        packages: impl Iterator<Item = &'n str>,
    ) -> BTreeMap<&'n str, Way> {
        let packages: BTreeSet<&str> = packages.collect();
        let mut roots: Vec<(&str, bool)> =
            self.direct.iter().map(|n| (n.as_str(), false)).collect();
        roots.extend(self.direct_development.iter().map(|n| (n.as_str(), true)));
        if roots.is_empty() && !self.needs.is_empty() {
            // What nobody asks for, the project does.
            let asked: BTreeSet<&str> = self.needs.values().flatten().map(String::as_str).collect();
            roots.extend(
                packages.difference(&asked).map(|name| (*name, self.development.contains(*name))),
            );
            roots.sort_unstable_by_key(|(_, development)| *development);
        }
        // What is reached by the product first is no matter of development.
        let mut before: BTreeMap<&str, (Option<&str>, bool)> = BTreeMap::new();
        let mut open: VecDeque<&str> = VecDeque::new();
        for development in [false, true] {
            for (name, _) in roots.iter().filter(|root| root.1 == development) {
                if !before.contains_key(name) {
                    before.insert(name, (None, development));
                    open.push_back(name);
                }
            }
            while let Some(name) = open.pop_front() {
                for other in self.needed_by(name) {
                    if !before.contains_key(other) {
                        before.insert(other, (Some(name), development));
                        open.push_back(other);
                    }
                }
            }
        }
        let says = !self.direct_development.is_empty() || !self.development.is_empty();
        packages
            .into_iter()
            .map(|package| {
                let mut names = Vec::new();
                let mut at = before.contains_key(package).then_some(package);
                while let Some(name) = at {
                    names.push(name.to_owned());
                    at = before.get(name).and_then(|(parent, _)| *parent);
                }
                names.reverse();
                let reached = before.get(package).map(|(_, development)| *development);
                let development = if self.development.contains(package) {
                    Some(true)
                } else {
                    reached.filter(|_| says)
                };
                (package, Way { names, development })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph() -> Graph {
        let mut graph = Graph::default();
        graph.direct("a", false);
        graph.direct("t", true);
        for (name, other) in [("a", "b"), ("b", "c"), ("t", "b"), ("t", "u"), ("c", "a")] {
            graph.needs(name, other);
        }
        graph
    }

    #[test]
    fn the_shortest_way_is_told_and_whether_only_development_needs_it() {
        let ways = graph().ways(["a", "b", "c", "u", "x"].into_iter());
        let text = |name: &str| ways.get(name).map(Way::text).unwrap_or_default();
        assert_eq!(text("a"), "");
        assert_eq!(text("c"), " (by a > b > c)");
        assert_eq!(text("u"), " (by t > u, for development only)");
        assert_eq!(text("x"), "", "nobody says how it came in");
        let mut long = Graph::default();
        long.direct("0", false);
        for n in 0..9 {
            long.needs(&n.to_string(), (n + 1).to_string());
        }
        assert_eq!(long.ways(["9"].into_iter())["9"].text(), " (by 0 > 1 > 2 > 3 > 4 > … > 9)");
    }

    #[test]
    fn what_nobody_asks_for_is_asked_for_by_the_project() {
        let mut graph = Graph::default();
        graph.needs("a", "b");
        let ways = graph.ways(["a", "b"].into_iter());
        assert_eq!(ways["b"].names, ["a", "b"]);
        assert_eq!(ways["a"].development, None);
    }

    proptest! {
        /// Whatever a lock file says, each way begins at what is direct and each step is a need.
        #[test]
        fn ways_are_true(edges in prop::collection::vec((0u8..12, 0u8..12), 0..40), roots in prop::collection::vec(0u8..12, 0..4)) {
            let mut graph = Graph::default();
            for root in &roots { graph.direct(root.to_string(), root % 2 == 0); }
            for (a, b) in &edges { graph.needs(&a.to_string(), b.to_string()); }
            let names: Vec<String> = (0u8..12).map(|n| n.to_string()).collect();
            for (name, way) in graph.ways(names.iter().map(String::as_str)) {
                for pair in way.names.windows(2) {
                    prop_assert!(graph.needed_by(&pair[0]).any(|n| n == pair[1]));
                }
                if let Some(last) = way.names.last() { prop_assert_eq!(last, name); }
                if let (Some(first), false) = (way.names.first(), roots.is_empty()) {
                    prop_assert!(roots.iter().any(|r| r.to_string() == *first));
                }
            }
        }
    }
}
