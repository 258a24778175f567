//! How well the engine does on a labelled corpus.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::engine::Engine;

/// Most lines by which a label and a finding may differ: keys span lines.
const NEAR: u32 = 1;
/// Largest file of a corpus.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// One line of `labels.jsonl`: what stands in a file.
///
/// A corpus is a folder with the files and one `labels.jsonl`: a JSON object a line with `path`
/// (relative, with `/`), `line` (from 1), `secret` (whether a secret stands there; true without
/// it) and, where it is known, `kind` (the code of the finding without `secret-`). A place that
/// no label names holds no secret.
#[derive(Clone, Debug, Deserialize)]
pub struct Label {
    /// Path of the file, relative to the corpus.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Whether a secret stands there.
    #[serde(default = "yes")]
    pub secret: bool,
    /// The kind, where it is known.
    #[serde(default)]
    pub kind: Option<String>,
}

fn yes() -> bool {
    true
}

/// A labelled corpus.
#[derive(Debug)]
pub struct Corpus {
    root: PathBuf,
    labels: Vec<Label>,
}

/// Counts of one kind, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Secrets that were found.
    pub right: usize,
    /// Secrets that were missed.
    pub missed: usize,
    /// Findings where no secret is.
    pub wrong: usize,
}

impl Score {
    /// Of what was found, the share that is right.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.right, self.right + self.wrong)
    }

    /// Of what there is, the share that was found.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.right, self.right + self.missed)
    }

    /// The harmonic mean of both.
    #[must_use]
    pub fn f1(&self) -> f64 {
        share(2 * self.right, 2 * self.right + self.missed + self.wrong)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Corpus {
    /// Reads the labels of the corpus at `root`.
    ///
    /// # Errors
    /// When there is no `labels.jsonl`, or a line of it is no label.
    pub fn open(root: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(root.join("labels.jsonl"))?;
        let mut labels = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let label = serde_json::from_str(line)
                .map_err(|e| io::Error::other(format!("labels.jsonl:{}: {e}", index + 1)))?;
            labels.push(label);
        }
        Ok(Self { root: root.to_owned(), labels })
    }
}

/// Scores by kind and in all; a finding counts for the label at its line, or next to it. Calls
/// `say` for everything that is missed or wrong.
///
/// # Errors
/// When a file cannot be read.
pub fn score(
    engine: &Engine,
    corpus: &Corpus,
    say: &mut dyn FnMut(bool, &str, u32, &str),
) -> io::Result<(BTreeMap<String, Score>, Score)> {
    let mut by_path: BTreeMap<&str, Vec<&Label>> = BTreeMap::new();
    for label in &corpus.labels {
        by_path.entry(&label.path).or_default().push(label);
    }
    let mut kinds: BTreeMap<String, Score> = BTreeMap::new();
    let mut files = Vec::new();
    walk(&corpus.root, &mut files)?;
    for file in files {
        let path =
            file.strip_prefix(&corpus.root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        if path == "labels.jsonl" {
            continue;
        }
        let scan = engine.scan(&path, &std::fs::read(&file)?);
        let labels = by_path.remove(path.as_str()).unwrap_or_default();
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        for (_, found) in &scan.found {
            let fits = |distance: u32| {
                labels.iter().enumerate().find(|(index, l)| {
                    l.secret && !taken.contains(index) && l.line.abs_diff(found.line) <= distance
                })
            };
            // The label at the line itself before one beside it.
            if let Some((index, label)) = fits(0).or_else(|| fits(NEAR)) {
                taken.insert(index);
                let kind = label.kind.clone().unwrap_or_else(|| kind(found.code.as_str()));
                kinds.entry(kind).or_default().right += 1;
            } else if labels.iter().any(|l| l.secret && l.line.abs_diff(found.line) <= NEAR) {
                // A second finding of a secret that was found.
            } else {
                kinds.entry(kind(found.code.as_str())).or_default().wrong += 1;
                say(false, &path, found.line, found.code.as_str());
            }
        }
        for (index, label) in labels.iter().enumerate() {
            if label.secret && !taken.contains(&index) {
                let kind = label.kind.clone().unwrap_or_else(|| "unknown".to_owned());
                say(true, &path, label.line, &kind);
                kinds.entry(kind).or_default().missed += 1;
            }
        }
    }
    for (path, labels) in by_path {
        for label in labels.iter().filter(|l| l.secret) {
            let kind = label.kind.clone().unwrap_or_else(|| "unknown".to_owned());
            say(true, path, label.line, "there is no such file");
            kinds.entry(kind).or_default().missed += 1;
        }
    }
    let mut all = Score::default();
    for score in kinds.values() {
        all.right += score.right;
        all.missed += score.missed;
        all.wrong += score.wrong;
    }
    Ok((kinds, all))
}

fn kind(code: &str) -> String {
    code.strip_prefix("secret-").unwrap_or(code).to_owned()
}

fn walk(folder: &Path, out: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && entry.file_name() != ".git" {
                folders.push(entry.path());
            } else if kind.is_file() && entry.metadata()?.len() <= MAX_FILE {
                out.push(entry.path());
            }
        }
    }
    out.sort();
    Ok(())
}
