//! How much may go wrong with a change: a sum of terms, each with its reason.
//!
//! The terms are those that studies of defects agree on: how large a change is, over how many files
//! and places it is spread, and whether it is of a kind that one test more or less does not show
//! (Kamei et al., "A large-scale empirical study of just-in-time quality assurance", 2013).

use std::{collections::BTreeSet, sync::LazyLock};

use globset::{Glob, GlobSet, GlobSetBuilder};
use pact_contract::{
    ChangeSet,
    actions::{Risk, RiskTerm},
};

/// Kinds of files, with what each adds, whatever else changed.
const KINDS: &[(&str, u32, &[&str])] = &[
    ("migrations", 20, &["**/{migrations,migrate}/**", "**/*.{up,down}.sql"]),
    (
        "infrastructure",
        15,
        &[
            "**/*.{tf,tfvars,bicep}",
            "**/{Dockerfile,Containerfile}*",
            "**/{k8s,kubernetes,helm,charts,terraform,infra,infrastructure}/**",
            "**/{docker-compose,compose}*.{yml,yaml}",
        ],
    ),
    (
        "pipeline",
        10,
        &[
            ".github/{workflows,actions}/**",
            ".{gitlab-ci,travis}.yml",
            "{Jenkinsfile,azure-pipelines.yml,bitbucket-pipelines.yml}",
            "{pact,.pact}.toml",
            ".circleci/**",
        ],
    ),
    (
        "dependencies",
        10,
        &[
            "**/{Cargo,poetry,uv,pdm,composer,Gemfile,yarn,pubspec,mix,bun}.lock",
            "**/{package-lock.json,pnpm-lock.yaml,go.mod,Pipfile.lock,packages.lock.json}",
            "**/{requirements*.txt,pom.xml,build.gradle,build.gradle.kts}",
        ],
    ),
    ("access", 10, &["**/{auth,authentication,authorization,security,crypto,session}/**"]),
];

/// What counts as a test.
const TESTS: &[&str] = &[
    "**/{test,tests,spec,specs,__tests__,testdata}/**",
    "**/*{_test,_spec,.test,.spec}.*",
    "**/test_*.py",
    "**/*Test{,s}.{java,kt,cs,swift}",
];

/// The risk of a change; none where it is not known what changed.
#[must_use]
pub fn risk(changes: &ChangeSet) -> Risk {
    let mut terms = Vec::new();
    let mut add = |name: &str, points: u32, why: String| {
        if points > 0 {
            terms.push(RiskTerm { name: name.to_owned(), points, why });
        }
    };
    let lines = changes.files.iter().map(|file| file.added.saturating_add(file.deleted));
    let lines = lines.fold(0u64, u64::saturating_add);
    add("size", doublings(lines, 10, 4, 28), format!("{lines} lines"));
    let files = changes.files.len();
    add("files", doublings(files as u64, 1, 2, 14), format!("{files} files"));
    let places: BTreeSet<&str> =
        changes.files.iter().filter_map(|file| Some(file.path.rsplit_once('/')?.0)).collect();
    add("spread", doublings(places.len() as u64, 1, 2, 14), format!("{} folders", places.len()));
    for ((name, points, _), set) in KINDS.iter().zip(SETS.iter()) {
        if let Some(file) = changes.files.iter().find(|file| set.is_match(&file.path)) {
            add(name, *points, format!("{} changed", file.path));
        }
    }
    let is_code = |path: &str| {
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
        CODE.contains(&ending)
    };
    let tested = changes.files.iter().any(|file| TEST_SET.is_match(&file.path));
    let code = changes.files.iter().find(|file| is_code(&file.path) && file.added > 0);
    if let Some(file) = code.filter(|_| !tested) {
        add("untested", 9, format!("no test changed with {}", file.path));
    }
    let score = terms.iter().map(|term| term.points).sum::<u32>().min(100);
    Risk { score, terms }
}

/// The globs of [`KINDS`], in its order.
static SETS: LazyLock<Vec<GlobSet>> =
    LazyLock::new(|| KINDS.iter().map(|(_, _, globs)| set(globs)).collect());
static TEST_SET: LazyLock<GlobSet> = LazyLock::new(|| set(TESTS));

/// Endings of programs.
const CODE: &[&str] = &[
    "rs", "py", "js", "jsx", "ts", "tsx", "go", "java", "kt", "c", "h", "cc", "cpp", "hpp", "cs",
    "rb", "php", "swift", "scala", "sh", "sql", "vue", "svelte",
];

/// `each` points for every doubling beyond `from`, at most `most`.
fn doublings(value: u64, from: u64, each: u32, most: u32) -> u32 {
    let times = value / from.max(1);
    times.checked_ilog2().map_or(0, |log| log.saturating_mul(each).min(most))
}

/// Globs of this file: one that is none is left out, which a test rules out.
fn set(globs: &[&str]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in globs.iter().filter_map(|glob| Glob::new(glob).ok()) {
        set.add(glob);
    }
    set.build().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pact_contract::{ChangeKind, FileChange};

    use super::*;

    fn changes(files: &[(&str, u64)]) -> ChangeSet {
        let files = files.iter().map(|(path, added)| FileChange {
            path: (*path).to_owned(),
            old_path: None,
            kind: ChangeKind::Modified,
            added: *added,
            deleted: 0,
            binary: false,
            language: None,
            added_lines: Vec::new(),
        });
        ChangeSet { files: files.collect(), ..ChangeSet::default() }
    }

    #[test]
    fn every_glob_is_one() {
        for glob in KINDS.iter().flat_map(|(_, _, globs)| *globs).chain(TESTS) {
            assert!(Glob::new(glob).is_ok(), "{glob}");
        }
    }

    #[test]
    fn a_larger_change_is_no_smaller_risk_and_every_point_has_its_reason() {
        let small = risk(&changes(&[("src/a.rs", 3), ("tests/a.rs", 9)]));
        assert_eq!(small.score, 4, "{small:?}");
        let names = |risk: &Risk| -> Vec<String> {
            risk.terms.iter().map(|term| format!("{} {}", term.name, term.points)).collect()
        };
        let large = risk(&changes(&[
            ("src/a.rs", 900),
            ("db/migrations/1.sql", 9),
            ("Cargo.lock", 40),
            (".github/workflows/ci.yml", 1),
            ("web/Dockerfile", 2),
        ]));
        assert_eq!(
            names(&large),
            [
                "size 24",
                "files 4",
                "spread 4",
                "migrations 20",
                "infrastructure 15",
                "pipeline 10",
                "dependencies 10",
                "untested 9"
            ]
        );
        assert_eq!(large.score, 96);
        assert!(large.terms.iter().all(|term| !term.why.is_empty()));
        let mut before = 0;
        for lines in [0, 1, 10, 100, 10_000, u64::MAX] {
            let score = risk(&changes(&[("a.md", lines), ("b.md", lines)])).score;
            assert!(score >= before && score <= 100);
            before = score;
        }
        assert_eq!(risk(&changes(&[])), Risk { score: 0, terms: Vec::new() });
    }
}
