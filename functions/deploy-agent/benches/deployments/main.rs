//! What deployments cost those who send requests, and how long they take: twenty of each strategy to
//! each target whose requests can be shared, ill releases in production, how exactly requests are
//! shared, and the way back. Somebody asks 50 times a second on connections that are kept, and somebody
//! else for answers that take a second.
//!
//! Beside it, in the same run, what it is compared with: a release that is swapped by hand, and the
//! target's own work without the agent.
//!
//! `cargo bench -p pact-deploy-agent`, and a number after `--` for another count than twenty. Steps last
//! half a second here. What fails that should not is said at the end, and the program ends with 1.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program for developers, which says what it measured"
)]

mod directory;
mod functions;
mod load;
mod service;
mod world;

use std::{process::ExitCode, time::Duration};

use pact_contract::shift::{Asked, Shift, Step, Strategy};

/// Deployments of each strategy, where nothing else is said.
const DEPLOYMENTS: usize = 20;
/// Requests by which the shares are measured.
const REQUESTS: u64 = 10_000;
/// How long a step lasts.
const STEP: Duration = Duration::from_millis(500);
/// Most that a share may be off, in points.
const OFF: f64 = 2.0;
/// Longest that the agent may take for an environment beyond the target's own time.
const OVERHEAD: Duration = Duration::from_millis(300);
/// Longest return to a release that is warm.
const RETURN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    if let Ok(behaviour) = std::env::var(service::BEHAVIOUR) {
        return service::serve(&behaviour);
    }
    let words: Vec<String> = std::env::args().collect();
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(DEPLOYMENTS);
    // One of the targets alone, where it is named.
    let only = |target: &str| words.iter().any(|word| word == target);
    let mut table = Table::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if !only("lambda") {
            directory::measure(&mut table, count).await;
        }
        if !only("directory") {
            functions::measure(&mut table, count).await;
        }
    });
    table.end()
}

/// The steps of each strategy, as a file without further settings has them; the time aside.
fn strategies() -> Vec<(Strategy, Shift)> {
    let steps = |(strategy, _): &(Strategy, &str)| {
        let mut shift = Shift::resolve(*strategy, &Asked::default()).unwrap();
        shift.steps.iter_mut().for_each(|step: &mut Step| step.seconds = step.seconds.min(1));
        (*strategy, shift)
    };
    Strategy::ALL.iter().map(steps).collect()
}

/// What was measured, printed as it comes, and what of it is wrong.
#[derive(Default)]
struct Table {
    wrong: Vec<String>,
}

impl Table {
    fn heading(&mut self, text: &str) {
        println!("\n{text}");
    }

    /// A line; `right`: whether it is as it should be.
    fn row(&mut self, what: &str, measured: &str, right: bool) {
        println!("  {what:<44} {measured}{}", if right { "" } else { "   << wrong" });
        if !right {
            self.wrong.push(format!("{what}: {measured}"));
        }
    }

    /// A line of times; `most` is for the median.
    fn times(&mut self, what: &str, mut times: Vec<Duration>, most: Option<Duration>) -> Duration {
        times.sort_unstable();
        let median = times[times.len() / 2];
        let slowest = times[times.len() - 1];
        let text = format!("median {median:.0?}, the slowest {slowest:.0?}");
        self.row(what, &text, most.is_none_or(|most| median < most));
        median
    }

    fn end(self) -> ExitCode {
        if self.wrong.is_empty() {
            println!("\nall of it is as it should be");
            return ExitCode::SUCCESS;
        }
        println!("\nwrong:\n  {}", self.wrong.join("\n  "));
        ExitCode::FAILURE
    }
}
