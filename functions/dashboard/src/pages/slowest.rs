//! `/tests`: which tests of a repository take longest, and which do not always say the same.

use std::collections::HashMap;

use maud::{Markup, html};
use pact_contract::{
    RepositoryName,
    tested::{TestStatus, Tested},
};
use serde::Serialize;

use super::layout;
use crate::{
    format::{duration, encoded, plural, repository_page, short},
    viewer::Viewer,
};

/// The suite and the name of a test.
type Named = (String, String);

/// Tests of each table.
const MOST: usize = 20;

/// One test over several runs.
#[derive(Debug, Serialize)]
pub(crate) struct OverRuns {
    suite: String,
    name: String,
    /// Half of its times are this or less; none where nothing says them.
    median_ms: Option<u64>,
    /// Runs that name it among their gravest and slowest.
    runs: usize,
    /// Runs in which it passed only after it had failed.
    flaky: usize,
    /// Runs in which it failed.
    failed: usize,
}

/// The tests of a repository over its latest runs.
#[derive(Debug, Serialize)]
pub(crate) struct Tests {
    pub(crate) repository: RepositoryName,
    /// Runs whose single tests are known.
    runs: usize,
    slowest: Vec<OverRuns>,
    flakiest: Vec<OverRuns>,
}

impl Tests {
    /// Of the lists of some runs: each has its gravest and its slowest tests.
    pub(crate) fn over(repository: RepositoryName, lists: Vec<Vec<Tested>>) -> Self {
        let runs = lists.len();
        let mut known: HashMap<Named, Vec<(TestStatus, Option<u64>)>> = HashMap::new();
        for test in lists.into_iter().flatten() {
            known.entry((test.suite, test.name)).or_default().push((test.status, test.ms));
        }
        let all = known.into_iter().map(|((suite, name), seen)| {
            let of = |wanted| seen.iter().filter(|(status, _)| *status == wanted).count();
            let mut times: Vec<u64> = seen.iter().filter_map(|(_, ms)| *ms).collect();
            times.sort_unstable();
            OverRuns {
                median_ms: times.get(times.len().saturating_sub(1) / 2).copied(),
                // The same name twice in one run is one run.
                runs: seen.len().min(runs),
                flaky: of(TestStatus::Flaky),
                failed: of(TestStatus::Failed),
                suite,
                name,
            }
        });
        let mut all: Vec<OverRuns> = all.collect();
        all.sort_by(|a, b| b.median_ms.cmp(&a.median_ms).then_with(|| a.name.cmp(&b.name)));
        let (flaky, steady): (Vec<_>, Vec<_>) = all.into_iter().partition(|test| test.flaky > 0);
        let timed = |test: &&OverRuns| test.median_ms.is_some();
        let mut slowest: Vec<&OverRuns> = flaky.iter().chain(&steady).filter(timed).collect();
        slowest.sort_by_key(|test| std::cmp::Reverse(test.median_ms));
        let slowest = slowest.into_iter().take(MOST).map(OverRuns::copy).collect();
        let mut flakiest = flaky;
        flakiest.sort_by_key(|test| std::cmp::Reverse((test.flaky, test.failed)));
        flakiest.truncate(MOST);
        Self { repository, runs, slowest, flakiest }
    }
}

impl OverRuns {
    fn copy(&self) -> Self {
        Self { suite: self.suite.clone(), name: self.name.clone(), ..*self }
    }
}

pub(crate) fn slowest(viewer: &Viewer, tests: &Tests) -> Markup {
    let title = format!("Tests of {}", tests.repository);
    let query = format!("repository={}", encoded(tests.repository.as_str()));
    layout::page(
        &title,
        "/",
        viewer,
        &html! {
            div class="title" { h1 { (short(&title, 200)) } }
            p class="muted" {
                "Unit tests of the latest " (plural(tests.runs, "run")) " whose single tests are known · "
                a href=(repository_page(&tests.repository)) { "To the repository" }
                " · " a href={ "/api/tests?" (query) } { "JSON" }
            }
            section aria-labelledby="slowest" {
                h2 id="slowest" { "Slowest" }
                (table(&tests.slowest, "Nothing says how long a test took."))
            }
            section aria-labelledby="flakiest" {
                h2 id="flakiest" { "Flakiest" }
                (table(&tests.flakiest, "No test passed only after it had failed."))
            }
        },
    )
}

fn table(tests: &[OverRuns], none: &str) -> Markup {
    html! {
        @if tests.is_empty() {
            p class="card empty" { (none) }
        } @else {
            div class="card table" { table role="table" class="tests" {
                (layout::columns(&["Test", "Median", "Flaky in", "Failed in"]))
                tbody role="rowgroup" { @for test in tests { tr role="row" {
                    td role="cell" class="wrap" {
                        span class="mono" { (short(&test.name, 300)) }
                        br; span class="muted" { (short(&test.suite, 100)) }
                    }
                    td role="cell" data-label="Median" class="num" {
                        @match test.median_ms { Some(ms) => (duration(ms)), None => "–" }
                    }
                    td role="cell" data-label="Flaky in" class="num" { (test.flaky) " of " (test.runs) }
                    td role="cell" data-label="Failed in" class="num" { (test.failed) " of " (test.runs) }
                } } }
            } }
        }
    }
}
