//! Which of the files that a build handed over are reports.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Where JUnit reports usually are, relative to the root of the repository.
const JUNIT: &[&str] = &[
    "junit.xml",
    "target/nextest/**/junit.xml",
    "**/target/surefire-reports/*.xml",
    "**/build/test-results/**/*.xml",
    "test-results/**/*.xml",
    "reports/**/*.xml",
];

/// Where LCOV reports usually are, relative to the root of the repository.
const LCOV: &[&str] =
    &["lcov.info", "coverage/lcov.info", "*/coverage/lcov.info", "target/**/lcov.info"];

/// Where the suite's own folder of reports, its checkout and the build's cache are in what it hands
/// over.
const OWN: &str = "reports/";
const SOURCE: &str = "files/source/";
const CACHE: &str = "files/codebuild/cache/cargo/";

/// Patterns of the reports that are wanted.
pub(super) struct Wanted {
    junit: GlobSet,
    coverage: GlobSet,
    /// Where the command ran: a pattern may also be meant from there.
    directory: String,
    /// What is wrong with a pattern.
    pub(super) faults: Vec<String>,
}

/// Every pattern, the usual ones where none is given.
pub(super) fn patterns(reports: &[String], coverage: &[String]) -> (Vec<String>, Vec<String>) {
    let or_usual = |given: &[String], usual: &[&str]| {
        if given.is_empty() {
            usual.iter().map(|pattern| (*pattern).to_owned()).collect()
        } else {
            given.to_vec()
        }
    };
    (or_usual(reports, JUNIT), or_usual(coverage, LCOV))
}

impl Wanted {
    pub(super) fn new(reports: &[String], coverage: &[String], directory: &str) -> Self {
        let (reports, coverage) = patterns(reports, coverage);
        let mut faults = Vec::new();
        let junit = set(&reports, &mut faults);
        let coverage = set(&coverage, &mut faults);
        let directory = directory.trim_start_matches("./").trim_end_matches('/');
        let directory =
            if matches!(directory, "" | ".") { String::new() } else { format!("{directory}/") };
        Self { junit, coverage, directory, faults }
    }

    /// Whether a path in what the suite hands over is one of a JUnit report.
    pub(super) fn junit(&self, path: &str) -> bool {
        let own = path.strip_prefix(OWN);
        own.is_some_and(|name| name.ends_with(".xml") || name.ends_with(".trx"))
            || (path.starts_with(CACHE) && path.ends_with("/junit.xml"))
            || self.matches(&self.junit, path)
    }

    pub(super) fn coverage(&self, path: &str) -> bool {
        self.matches(&self.coverage, path)
    }

    fn matches(&self, patterns: &GlobSet, path: &str) -> bool {
        let Some(path) = path.strip_prefix(SOURCE) else { return false };
        patterns.is_match(path)
            || path
                .strip_prefix(&self.directory)
                .is_some_and(|path| !self.directory.is_empty() && patterns.is_match(path))
    }
}

fn set(patterns: &[String], faults: &mut Vec<String>) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        match GlobBuilder::new(pattern).literal_separator(true).build() {
            Ok(glob) => {
                builder.add(glob);
            }
            Err(error) => faults.push(error.to_string()),
        }
    }
    builder.build().unwrap_or_else(|error| {
        faults.push(error.to_string());
        GlobSet::empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_found_where_they_usually_are_or_where_they_are_said_to_be() {
        let usual = Wanted::new(&[], &[], ".");
        for path in [
            "files/source/junit.xml",
            "files/source/a/target/surefire-reports/x.xml",
            "reports/pytest.xml",
        ] {
            assert!(usual.junit(path), "{path}");
        }
        for path in ["files/source/other/x.xml", "junit.xml", "test.xml", "../junit.xml"] {
            assert!(!usual.junit(path), "{path}");
        }
        assert!(usual.coverage("files/source/coverage/lcov.info"));
        let own = Wanted::new(&["out/*.xml".to_owned(), "[".to_owned()], &[], "./web/");
        assert!(own.junit("files/source/out/a.xml") && own.junit("files/source/web/out/a.xml"));
        assert!(!own.junit("files/source/junit.xml"));
        assert_eq!(own.faults.len(), 1);
    }
}
