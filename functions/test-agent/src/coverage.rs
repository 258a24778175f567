//! `tests.check_coverage`: line coverage in all and of the changed lines.

use pact_agent::{AgentError, Call, Outcome, bundle, ports::Artifacts};
use pact_contract::{
    ChangeSet, ErrorName, Finding, FindingCode, Severity, StageStatus,
    actions::{CheckCoverage, CheckCoverageOutput},
    codes,
};

use crate::{
    collector::LCOV_BYTES,
    lcov_report::{self, Coverage, Paths},
    lines,
};

/// Reports that are read.
const MAX_REPORTS: usize = 32;
/// Files with uncovered lines that are named.
const MAX_FILES: usize = 50;
/// Languages of which a changed file is expected in a report.
const LANGUAGES: &[&str] = &["Rust", "Python", "JavaScript", "TypeScript", "Go", "Java"];

pub(crate) async fn check(artifacts: &dyn Artifacts, call: &Call) -> Result<Outcome, AgentError> {
    let parameters: CheckCoverage = call.parameters()?;
    let skipped = |reason: String| {
        Outcome::new(StageStatus::Skipped, reason, &CheckCoverageOutput::default())
    };
    if parameters.coverage_keys.is_empty() {
        return skipped(
            "no coverage report: let the tests write LCOV (lcov.info, coverage/lcov.info), or name \
             it with coverage in [tests] of pact.toml"
                .to_owned(),
        );
    }
    if parameters.coverage_keys.len() > MAX_REPORTS {
        return Err(AgentError::new(
            ErrorName::LimitExceeded,
            format!("more than {MAX_REPORTS} coverage reports"),
        ));
    }
    let changes = bundle::change_set(artifacts, &parameters.changes_key).await?;
    let source = bundle::fetch(artifacts, &parameters.source).await?;
    let mut reports = Vec::new();
    for key in &parameters.coverage_keys {
        let content = artifacts.get(key).await?.ok_or_else(|| {
            AgentError::new(ErrorName::SourceUnavailable, format!("there is no report {key}"))
        })?;
        if content.len() as u64 > LCOV_BYTES {
            return Err(AgentError::new(
                ErrorName::LimitExceeded,
                format!("the report {key} has more than {} MiB", LCOV_BYTES / 1024 / 1024),
            ));
        }
        reports.push((key.clone(), content));
    }
    let read = tokio::task::spawn_blocking(move || {
        let paths = Paths::new(bundle::names(&source)?);
        let (mut all, mut files) = (Coverage::new(), 0usize);
        for (key, content) in reports {
            match lcov_report::parse(&content) {
                Ok(report) => {
                    files += report.len();
                    let folder = lcov_report::folder(&content);
                    lcov_report::merge(&mut all, paths.resolve(&folder, report));
                }
                Err(reason) => {
                    return Ok(Reports::Damaged(format!(
                        "cannot read the coverage report {key}: {reason}"
                    )));
                }
            }
        }
        Ok::<_, AgentError>(Reports::Read { coverage: all, files })
    })
    .await
    .map_err(|e| AgentError::internal("reading the reports stopped").caused_by(e))??;
    let (coverage, files) = match read {
        Reports::Read { coverage, files } => (coverage, files),
        Reports::Damaged(reason) => return skipped(reason),
    };
    if coverage.values().all(std::collections::BTreeMap::is_empty) {
        return skipped(format!(
            "none of the {} that the coverage report names is in the repository",
            lines::count(files as u64, "file")
        ));
    }
    judge(&coverage, &changes, parameters.min_coverage, parameters.min_changed_coverage)
}

/// What the reports say together.
enum Reports {
    Read {
        coverage: Coverage,
        /// Files that they name, in the repository or not.
        files: usize,
    },
    /// One of them cannot be read; the sentence says which.
    Damaged(String),
}

/// Lines of one file.
struct File<'a> {
    path: &'a str,
    uncovered: Vec<u32>,
}

fn judge(
    coverage: &Coverage,
    changes: &ChangeSet,
    min: Option<f64>,
    min_changed: Option<f64>,
) -> Result<Outcome, AgentError> {
    let mut output = CheckCoverageOutput::default();
    for lines in coverage.values() {
        output.lines += lines.len() as u64;
        output.covered += lines.values().filter(|c| **c).count() as u64;
    }
    let mut changed = Vec::new();
    let mut unknown = Vec::new();
    for file in changes.files.iter().filter(|f| f.is_readable() && !f.added_lines.is_empty()) {
        let Some(lines) = coverage.get(&file.path) else {
            if file.language.as_deref().is_some_and(|l| LANGUAGES.contains(&l)) {
                unknown.push(file.path.as_str());
            }
            continue;
        };
        let mut uncovered = Vec::new();
        for (line, covered) in lines.iter().filter(|(line, _)| file.touches(**line)) {
            output.changed_lines += 1;
            output.changed_covered += u64::from(*covered);
            if !covered {
                uncovered.push(*line);
            }
        }
        changed.push(File { path: &file.path, uncovered });
    }
    output.percent = percent(output.covered, output.lines);
    output.changed_percent = percent(output.changed_covered, output.changed_lines);

    let missing = short_of(output.covered, output.lines, min);
    let missing_changed = short_of(output.changed_covered, output.changed_lines, min_changed);
    let mut findings = Vec::new();
    if let (Some(more), Some(min), Some(percent)) = (missing, min, output.percent) {
        findings.push(below(codes::COVERAGE_TOO_LOW, "the lines", percent, min, more));
        let mut files: Vec<_> = coverage
            .iter()
            .map(|(path, lines)| File {
                path,
                uncovered: lines.iter().filter(|(_, c)| !**c).map(|(l, _)| *l).collect(),
            })
            .collect();
        files.sort_by_key(|f| std::cmp::Reverse(f.uncovered.len()));
        findings.extend(uncovered(&files, 10, codes::UNCOVERED_LINES, Severity::Low, "line"));
    }
    let severity = if let (Some(more), Some(min), Some(percent)) =
        (missing_changed, min_changed, output.changed_percent)
    {
        findings.push(below(
            codes::CHANGED_COVERAGE_TOO_LOW,
            "the changed lines",
            percent,
            min,
            more,
        ));
        Severity::Medium
    } else {
        Severity::Info
    };
    findings.extend(uncovered(
        &changed,
        MAX_FILES,
        codes::UNCOVERED_CHANGES,
        severity,
        "changed line",
    ));
    if !unknown.is_empty() {
        let names = unknown.iter().take(10).copied().collect::<Vec<_>>().join(", ");
        let message = format!(
            "{} not in any coverage report: {names}",
            if unknown.len() == 1 {
                "1 changed source file is".to_owned()
            } else {
                format!("{} changed source files are", unknown.len())
            }
        );
        findings.push(Finding::new(codes::NOT_IN_COVERAGE, Severity::Info, message));
    }

    let failed = missing.is_some() || missing_changed.is_some();
    let mut summary = share(output.percent, output.lines, "line");
    summary.push_str(", ");
    summary.push_str(&share(output.changed_percent, output.changed_lines, "changed line"));
    summary.push_str(" covered");
    if failed {
        let needs: Vec<_> = [
            missing.map(|more| lines::count(more, "more covered line")),
            missing_changed.map(|more| lines::count(more, "more covered changed line")),
        ]
        .into_iter()
        .flatten()
        .collect();
        summary.push_str(&format!("; {} would pass", needs.join(" and ")));
    }
    let status = if failed { StageStatus::Failed } else { StageStatus::Passed };
    Ok(Outcome::new(status, summary, &output)?.with_findings(findings))
}

#[expect(clippy::cast_precision_loss, reason = "no report has 2^52 lines")]
fn percent(covered: u64, lines: u64) -> Option<f64> {
    (lines > 0).then(|| covered as f64 * 100.0 / lines as f64)
}

/// How many more lines have to be covered; none when there are enough, no line or no threshold.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no report has 2^52 lines, and a share of them is not negative"
)]
fn short_of(covered: u64, lines: u64, min: Option<f64>) -> Option<u64> {
    let min = min?.clamp(0.0, 100.0);
    // The subtrahend forgives the rounding of thresholds that have no exact binary form.
    let needed = (lines as f64 * min / 100.0 - 1e-9).ceil().max(0.0) as u64;
    needed.checked_sub(covered).filter(|more| *more > 0)
}

/// In percent with one decimal, cut rather than rounded: 79.99 is not 80.
fn shown(percent: f64) -> String {
    format!("{:.1} %", (percent * 10.0 + 1e-9).floor() / 10.0)
}

fn share(percent: Option<f64>, lines: u64, noun: &str) -> String {
    match percent {
        Some(percent) => format!("{} of {}", shown(percent), lines::count(lines, noun)),
        None => format!("no {noun}"),
    }
}

fn below(code: FindingCode, what: &str, percent: f64, min: f64, more: u64) -> Finding {
    Finding::new(
        code,
        Severity::High,
        format!("{} of {what} are covered; at least {min} % are asked for", shown(percent)),
    )
    .remedy(format!("cover {}", lines::count(more, "more line")))
}

fn uncovered(
    files: &[File<'_>],
    limit: usize,
    code: FindingCode,
    severity: Severity,
    noun: &str,
) -> Vec<Finding> {
    files
        .iter()
        .filter(|f| !f.uncovered.is_empty())
        .take(limit)
        .map(|file| {
            let number = file.uncovered.len() as u64;
            let verb = if number == 1 { "is" } else { "are" };
            let message = format!(
                "{} {verb} not covered: {}",
                lines::count(number, noun),
                lines::ranges(&file.uncovered, 20)
            );
            Finding::new(code.clone(), severity, message)
                .at(file.path, file.uncovered.first().copied(), None)
                .remedy("cover the lines with a test")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pact_contract::{ChangeKind, FileChange, LineRange};
    use proptest::prelude::*;

    fn change(path: &str, start: u32, end: u32) -> FileChange {
        FileChange {
            path: path.to_owned(),
            old_path: None,
            kind: ChangeKind::Modified,
            added: u64::from(end - start + 1),
            deleted: 0,
            binary: false,
            language: Some("Rust".to_owned()),
            added_lines: vec![LineRange { start, end }],
        }
    }

    fn judged(min: Option<f64>, min_changed: Option<f64>) -> Outcome {
        let coverage = Coverage::from([
            ("a.rs".to_owned(), (1..=10).map(|l| (l, l <= 7)).collect()),
            ("b.rs".to_owned(), (1..=10).map(|l| (l, true)).collect()),
        ]);
        let files = vec![change("a.rs", 6, 9), change("c.rs", 1, 2)];
        let changes = ChangeSet { head: "h".to_owned(), files, ..ChangeSet::default() };
        judge(&coverage, &changes, min, min_changed).expect("a verdict")
    }

    #[test]
    fn thresholds_are_met_or_say_what_would_pass() {
        let met = judged(Some(85.0), Some(50.0));
        assert_eq!(met.status, StageStatus::Passed);
        assert_eq!(met.summary, "85.0 % of 20 lines, 50.0 % of 4 changed lines covered");

        let missed = judged(Some(90.0), Some(80.0));
        assert_eq!(missed.status, StageStatus::Failed);
        assert!(
            missed
                .summary
                .ends_with("; 1 more covered line and 2 more covered changed lines would pass"),
            "{}",
            missed.summary
        );
        let remedies: Vec<_> = missed
            .findings
            .iter()
            .filter(|f| f.severity == Severity::High)
            .map(|f| f.remedy.as_deref())
            .collect();
        assert_eq!(remedies, [Some("cover 1 more line"), Some("cover 2 more lines")]);
        let lines =
            missed.findings.iter().find(|f| f.code == codes::UNCOVERED_CHANGES).expect("named");
        assert_eq!(lines.place().as_deref(), Some("a.rs:8"));
        assert_eq!(lines.message, "2 changed lines are not covered: 8-9");
        let unknown = missed.findings.iter().find(|f| f.code == "not-in-coverage").expect("named");
        assert!(unknown.message.ends_with("report: c.rs"), "{}", unknown.message);
    }

    #[test]
    fn without_changed_lines_there_is_nothing_to_fall_short_of() {
        let coverage = Coverage::from([("a.rs".to_owned(), [(1, false)].into())]);
        let outcome = judge(&coverage, &ChangeSet::default(), None, Some(80.0)).expect("a verdict");
        assert_eq!(outcome.status, StageStatus::Passed);
        assert_eq!(outcome.summary, "0.0 % of 1 line, no changed line covered");
    }

    proptest! {
        /// The counterfactual is true: with so many more lines the threshold is met, with one
        /// less it is not.
        #[test]
        fn exactly_so_many_more_lines_pass(lines in 1u64..5_000, share in 0.0f64..1.0, min in 0u32..=1_000) {
            let min = f64::from(min) / 10.0;
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let covered = (lines as f64 * share) as u64;
            let meets = |covered: u64| percent(covered, lines).is_some_and(|p| p + 1e-9 >= min);
            match short_of(covered, lines, Some(min)) {
                None => prop_assert!(meets(covered)),
                Some(more) => {
                    prop_assert!(covered + more <= lines);
                    prop_assert!(meets(covered + more));
                    prop_assert!(!meets(covered + more - 1));
                }
            }
        }
    }
}
