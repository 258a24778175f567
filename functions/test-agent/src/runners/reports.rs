//! Which of the files that a build handed over are reports.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Where reports of tests usually are, relative to the root of the repository. What is there and is
/// of another kind is passed over.
const TESTS: &[&str] = &[
    "*.xml",
    "*.trx",
    "**/junit*.xml",
    "**/test-report*.xml",
    "**/TestResults/**/*.{trx,xml}",
    "**/test-results/**/*.xml",
    "**/test-reports/**/*.xml",
    "**/target/nextest/**/junit.xml",
    "**/target/{surefire,failsafe}-reports/*.xml",
    "**/build/test-results/**/*.xml",
    "reports/**/*.xml",
];

/// Where LCOV reports usually are, relative to the root of the repository.
const LCOV: &[&str] =
    &["lcov.info", "coverage/lcov.info", "**/coverage/lcov.info", "target/**/lcov.info"];

/// Where the suite's own folder of reports, its checkout and the build's cache are in what it hands
/// over.
const OWN: &str = "reports/";
const SOURCE: &str = "files/source/";
const CACHE: &str = "files/codebuild/cache/cargo/";

/// Patterns of the reports that are wanted.
#[derive(Clone)]
pub(in crate::runners) struct Wanted {
    tests: GlobSet,
    /// Whether the patterns of the tests' reports were given, rather than being the usual ones.
    named: bool,
    coverage: GlobSet,
    /// Where the command ran: a pattern may also be meant from there.
    directory: String,
    /// What is wrong with a pattern.
    pub(in crate::runners) faults: Vec<String>,
}

/// Every pattern, the usual ones where none is given.
pub(in crate::runners) fn patterns(
    reports: &[String],
    coverage: &[String],
) -> (Vec<String>, Vec<String>) {
    let or_usual = |given: &[String], usual: &[&str]| {
        if given.is_empty() {
            usual.iter().map(|pattern| (*pattern).to_owned()).collect()
        } else {
            given.to_vec()
        }
    };
    (or_usual(reports, TESTS), or_usual(coverage, LCOV))
}

/// What a file is that is where reports are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runners) enum Report {
    /// A report: so it was said.
    Certain,
    /// A report, should it look like one.
    Possible,
}

impl Wanted {
    pub(in crate::runners) fn new(
        reports: &[String],
        coverage: &[String],
        directory: &str,
    ) -> Self {
        let named = !reports.is_empty();
        let (reports, coverage) = patterns(reports, coverage);
        let mut faults = Vec::new();
        let tests = set(&reports, &mut faults);
        let coverage = set(&coverage, &mut faults);
        let directory = directory.trim_start_matches("./").trim_end_matches('/');
        let directory =
            if matches!(directory, "" | ".") { String::new() } else { format!("{directory}/") };
        Self { tests, named, coverage, directory, faults }
    }

    /// Whether a path in what the suite hands over is one of a report of tests, or may be one.
    pub(in crate::runners) fn tests(&self, path: &str) -> Option<Report> {
        let own = path.strip_prefix(OWN);
        let own = own.is_some_and(|name| name.ends_with(".xml") || name.ends_with(".trx"));
        if own || (path.starts_with(CACHE) && path.ends_with("/junit.xml")) {
            return Some(Report::Certain);
        }
        let found = self.matches(&self.tests, path);
        found.then_some(if self.named { Report::Certain } else { Report::Possible })
    }

    pub(in crate::runners) fn coverage(&self, path: &str) -> bool {
        self.matches(&self.coverage, path)
    }

    /// The folder of the repository that a file was written into; empty: the root, or none of it.
    pub(in crate::runners) fn folder<'p>(&self, path: &'p str) -> &'p str {
        let path = path.strip_prefix(SOURCE).unwrap_or_default();
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
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
            "files/source/test-report.xml",
            "files/source/results.trx",
            "files/source/web/TestResults/a b/results.trx",
        ] {
            assert_eq!(usual.tests(path), Some(Report::Possible), "{path}");
        }
        assert_eq!(usual.tests("reports/pytest.xml"), Some(Report::Certain));
        for path in ["files/source/other/x.xml", "junit.xml", "test.xml", "../junit.xml"] {
            assert_eq!(usual.tests(path), None, "{path}");
        }
        assert!(usual.coverage("files/source/coverage/lcov.info"));
        let own = Wanted::new(&["out/*.xml".to_owned(), "[".to_owned()], &[], "./web/");
        for path in ["files/source/out/a.xml", "files/source/web/out/a.xml"] {
            assert_eq!(own.tests(path), Some(Report::Certain), "{path}");
        }
        assert_eq!(own.tests("files/source/junit.xml"), None);
        assert_eq!(own.faults.len(), 1);
    }
}
