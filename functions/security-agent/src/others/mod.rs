//! What the repository brings besides its code: reports of other scanners, and rules of its own.
//!
//! Both can only add findings, and those of the base count as well as those of the commit: what a
//! commit takes out of them does not loosen by what it is judged.

mod reports;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use pact_agent::{AgentError, globs::Globs};
use pact_contract::Finding;

use crate::{
    sast::Rules,
    scope::Ledger,
    source::{Source, Version},
};

/// Largest file of rules.
const MAX_RULES: u64 = 256 * 1024;
/// Most reports, and most files of rules.
const MAX_FILES: usize = 50;

/// What was brought.
#[derive(Default)]
pub(crate) struct Others {
    /// What other scanners found in what the change touched, or found now and not in the base.
    pub(crate) findings: Vec<Finding>,
    /// What they found before.
    pub(crate) before: Vec<Finding>,
    /// The scanners.
    pub(crate) scanners: BTreeSet<String>,
    /// How many reports were read.
    pub(crate) reports: usize,
    /// The repository's own rules: the commit's, then those of the base where they are others.
    pub(crate) rules: Vec<Rules>,
}

/// Files of one kind.
#[derive(Default)]
struct Files {
    /// At the end of the push; none for one that is too large.
    now: BTreeMap<String, Option<Vec<u8>>>,
    /// As the base has them.
    before: BTreeMap<String, Vec<u8>>,
}

impl Others {
    /// Reads what the settings name.
    pub(crate) fn of(source: &Source, ledger: &mut Ledger) -> Result<Self, AgentError> {
        let settings = &source.settings;
        let mut out = Self::default();
        if settings.sarif.is_empty() && settings.rules.is_empty() {
            return Ok(out);
        }
        let kinds = [
            Globs::new("security.sarif", &settings.sarif)?,
            Globs::new("security.rules", &settings.rules)?,
        ];
        let [mut reports, mut rules] = [Files::default(), Files::default()];
        let mut tree = BTreeSet::new();
        let is = |kind: usize, path: &str| kinds.get(kind).is_some_and(|globs| globs.covers(path));
        source.each_file(
            pact_report::MAX_SARIF_BYTES,
            |path| {
                tree.insert(path.to_owned());
                is(0, path) || is(1, path)
            },
            |path, content| {
                for (kind, files) in [(0, &mut reports), (1, &mut rules)] {
                    if is(kind, path) && files.now.len() <= MAX_FILES {
                        files.now.insert(path.to_owned(), content.map(<[u8]>::to_vec));
                    }
                }
                Ok(())
            },
        )?;
        source.each_version(
            |version| matches!(version, Version::Before(path) if is(0, path) || is(1, path)),
            |version, content| {
                let Version::Before(path) = version else { return Ok(()) };
                for (kind, files) in [(0, &mut reports), (1, &mut rules)] {
                    if is(kind, path) && files.before.len() < MAX_FILES {
                        files.before.insert(path.to_owned(), content.to_vec());
                    }
                }
                Ok(())
            },
        )?;
        // What the base has and the push did not touch is at the end of the push.
        if source.has_base() {
            let changed: BTreeSet<&str> =
                source.changes.files.iter().map(|change| change.path.as_str()).collect();
            for files in [&mut reports, &mut rules] {
                let same = files.now.iter().filter(|(path, _)| !changed.contains(path.as_str()));
                let same =
                    same.filter_map(|(path, content)| Some((path.clone(), content.clone()?)));
                files.before.extend(same.collect::<Vec<_>>());
            }
        }
        for (key, globs, files) in [
            ("security.sarif", &settings.sarif, &mut reports),
            ("security.rules", &settings.rules, &mut rules),
        ] {
            for glob in globs {
                let one = Globs::new(key, &[glob])?;
                if !files.now.keys().any(|path| one.covers(path)) {
                    ledger.not_read(glob.as_str(), format!("{key} names it, and no file is there"));
                }
            }
            if files.now.len() > MAX_FILES {
                ledger.not_read(key, format!("it names more than {MAX_FILES} files"));
                files.now.pop_last();
            }
        }
        out.read_reports(source, &reports, &tree, ledger);
        out.read_rules(&rules, ledger);
        Ok(out)
    }
}
