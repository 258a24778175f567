//! What reads hostile text, without the agent around it: for benches and for fuzzing.

use std::{collections::BTreeSet, path::Path};

use crate::{
    deps::{Ecosystem, Package, compiled::Database, lock},
    sast::{Language, Rules},
    scope::text,
};

/// The static analysis with the built-in rules.
pub struct Analysis(Rules);

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its code.
    pub code: String,
    /// Its severity.
    pub severity: &'static str,
    /// Where, from 1.
    pub line: u32,
}

impl Analysis {
    /// Reads the rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new() -> Result<Self, String> {
        Ok(Self(Rules::new()?))
    }

    /// What the rules find in a file; none where there are no rules for its language.
    #[must_use]
    pub fn file(&self, path: &str, content: &[u8]) -> Option<(&'static str, Vec<Match>)> {
        let decoded = text::decode(content);
        let language = Language::of(path, &decoded.text)?;
        let scan = self.0.scan(path, language, &decoded.text, |_| true, |_| true);
        let found = scan.findings.into_iter().map(|finding| Match {
            code: finding.code.to_string(),
            severity: finding.severity.as_str(),
            line: finding.line.unwrap_or_default(),
        });
        Some((language.name(), found.collect()))
    }
}

/// How many packages a lock file has; none where the path is of no lock file.
///
/// # Errors
/// Why it is not understood.
pub fn lock_file(path: &str, content: &[u8]) -> Option<Result<usize, String>> {
    let kind = lock::kind(path)?;
    Some(lock::parse(kind, &text::decode(content).text).map(|parsed| {
        let names = parsed.packages.iter().map(|(package, _)| package.name.as_str());
        let ways = parsed.graph.ways(names);
        drop(ways);
        parsed.packages.len()
    }))
}

/// How many advisories an index, or a folder of records, has that are about these packages: names
/// and versions of crates.io. The index is opened for it.
///
/// # Errors
/// It cannot be read.
pub fn advisories(index: &Path, packages: &[(String, String)]) -> Result<usize, String> {
    let package = |(name, version): &(String, String)| Package {
        ecosystem: Ecosystem::CratesIo,
        name: name.clone(),
        version: version.clone(),
    };
    let packages: BTreeSet<Package> = packages.iter().map(package).collect();
    let answer = Database::open(index)?.about(&packages)?;
    Ok(answer.records.values().map(Vec::len).sum())
}
