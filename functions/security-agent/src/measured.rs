//! What reads hostile text, without the agent around it: for benches and for fuzzing.

use std::{collections::BTreeSet, path::Path};

use pact_contract::settings::LicenseSettings;

use crate::{
    deps::{Ecosystem, Package, compiled::Database, licenses::Policy, lock, manifest},
    sast::{Language, Rules},
    scope::{open, text},
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

/// How many bytes are read of a file that holds others.
#[must_use]
pub fn archive(path: &str, content: &[u8]) -> usize {
    let mut bytes = 0;
    open::each(path, content, &mut |_, inner| bytes += inner.len(), &mut |_, _| {});
    bytes
}

/// Whether a file declares dependencies.
#[must_use]
pub fn manifest(path: &str, content: &[u8]) -> bool {
    manifest::declares(path, &text::decode(content).text)
}

/// How many results a report of another scanner has.
///
/// # Errors
/// Why it is not understood.
pub fn report(text: &str) -> Result<usize, String> {
    pact_report::imported(text, &|_| true).map(|report| report.results.len())
}

/// Judges a licence expression by a policy that allows one.
pub fn licence(expression: &str) {
    let allow = Some(vec!["MIT".to_owned()]);
    let settings = LicenseSettings { allow, ..LicenseSettings::default() };
    if let Ok(policy) = Policy::new(&settings) {
        policy.judge(expression);
    }
}
