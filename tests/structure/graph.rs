//! Which file of a crate uses which: by every path, to the file that defines what is at its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::source::{self, Module, Said};

/// Longest way from a name to its definition.
const MAX_STEPS: usize = 32;

/// The files below one root, a `lib.rs` or `main.rs`.
#[derive(Default)]
pub(crate) struct Graph {
    /// The file of each module.
    files: BTreeMap<Module, PathBuf>,
    imports: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
    said: BTreeMap<PathBuf, Said>,
}

/// One file uses another; the path that it goes.
pub(crate) type Edges = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

impl Graph {
    /// Reads the root file and every file that is declared below it.
    pub(crate) fn read(root: &Path) -> Self {
        let mut graph = Self::default();
        let folder = root.parent().unwrap_or(root).to_owned();
        graph.add(root.to_owned(), Vec::new(), &folder);
        graph
    }

    fn add(&mut self, file: PathBuf, module: Module, folder: &Path) {
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut said = source::read(&text, &module);
        let declared = std::mem::take(&mut said.files);
        for (inline, imports) in std::mem::take(&mut said.inline) {
            self.files.insert(inline.clone(), file.clone());
            self.imports.insert(inline, imports);
        }
        self.imports.insert(module.clone(), std::mem::take(&mut said.imports));
        self.files.insert(module.clone(), file.clone());
        self.said.insert(file, said);
        for name in declared {
            let flat = folder.join(format!("{name}.rs"));
            let deep = folder.join(&name);
            let file = if flat.is_file() { flat } else { deep.join("mod.rs") };
            // What a feature or a platform leaves out need not be there.
            if file.is_file() {
                let module = module.iter().cloned().chain([name]).collect();
                self.add(file, module, &deep);
            }
        }
    }

    /// Files in which a `Result` holds a `Result`.
    pub(crate) fn nested_results(&self) -> impl Iterator<Item = &Path> {
        self.said.iter().filter(|(_, said)| said.nested_result).map(|(file, _)| file.as_path())
    }

    /// Which file uses which.
    pub(crate) fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (file, said) in &self.said {
            let uses = edges.entry(file.clone()).or_default();
            for (module, path) in &said.paths {
                if let Some(defined) = self.file_of(module, path, MAX_STEPS)
                    && defined != *file
                {
                    uses.entry(defined).or_insert_with(|| path.join("::"));
                }
            }
        }
        edges
    }

    /// The file that defines what is at the end of `path`, as it is read in `module`. None for
    /// another crate, and for a module itself: naming one uses nothing of it yet.
    fn file_of(&self, module: &[String], path: &[String], steps: usize) -> Option<PathBuf> {
        let (first, mut rest) = path.split_first()?;
        let steps = steps.checked_sub(1)?;
        let mut at = module.to_vec();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop()?;
                while let Some(("super", more)) = rest.split_first().map(|(f, m)| (f.as_str(), m)) {
                    at.pop()?;
                    rest = more;
                }
            }
            name => {
                let own: Module = at.iter().cloned().chain([name.to_owned()]).collect();
                if self.files.contains_key(&own) {
                    at = own;
                } else {
                    let meant = self.imports.get(&at)?.get(name)?;
                    if meant.first() == path.first() && meant.len() == 1 {
                        return None;
                    }
                    let whole: Vec<_> = meant.iter().chain(rest).cloned().collect();
                    return self.file_of(&at, &whole, steps);
                }
            }
        }
        while let Some((name, more)) = rest.split_first() {
            let inner: Module = at.iter().cloned().chain([name.clone()]).collect();
            if self.files.contains_key(&inner) {
                at = inner;
                rest = more;
            } else if let Some(meant) = self.imports.get(&at).and_then(|names| names.get(name)) {
                // It is passed on from elsewhere.
                let whole: Vec<_> = meant.iter().chain(more).cloned().collect();
                return self.file_of(&at, &whole, steps);
            } else {
                return self.files.get(&at).cloned();
            }
        }
        None
    }
}

/// A circle of files, the first one at both ends; none when there is no circle.
pub(crate) fn circle(edges: &Edges) -> Option<Vec<PathBuf>> {
    let mut done = BTreeSet::new();
    for file in edges.keys() {
        if let Some(circle) = search(edges, file, &mut Vec::new(), &mut done) {
            return Some(circle);
        }
    }
    None
}

fn search(
    edges: &Edges,
    file: &Path,
    way: &mut Vec<PathBuf>,
    done: &mut BTreeSet<PathBuf>,
) -> Option<Vec<PathBuf>> {
    if let Some(from) = way.iter().position(|seen| seen == file) {
        return Some(way.iter().skip(from).cloned().chain([file.to_owned()]).collect());
    }
    if !done.insert(file.to_owned()) {
        return None;
    }
    way.push(file.to_owned());
    for next in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
        if let Some(circle) = search(edges, next, way, done) {
            return Some(circle);
        }
    }
    way.pop();
    None
}
