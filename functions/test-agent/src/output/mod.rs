//! What the tools say about their tests on their own output, line by line: one file for each family
//! of tools.
//!
//! Used where a tool writes no report. Counts are sums over all summaries, since one command can
//! run several tools, and one tool several test programs.

mod cargo;
mod failure;
mod go;
mod javascript;
mod jvm;
mod native;
mod others;
mod python;
mod single;
mod sums;
mod tap;
#[cfg(test)]
mod tests;

pub(crate) use failure::Failure;
pub(crate) use sums::{MAX_FAILURES, Summary};
use sums::{Sums, Tool};

/// Reads output line by line.
#[derive(Default)]
pub(crate) struct Scanner {
    tools: Tools,
    sums: Sums,
    singles: single::Singles,
}

/// Every family; the first that knows a line takes it.
#[derive(Default)]
struct Tools {
    cargo: cargo::Cargo,
    python: python::Python,
    tap: tap::Tap,
    javascript: javascript::JavaScript,
    go: go::Go,
    jvm: jvm::Jvm,
    native: native::Native,
    others: others::Others,
}

impl Tools {
    fn all(&mut self) -> [&mut dyn Tool; 8] {
        [
            &mut self.cargo,
            &mut self.python,
            &mut self.tap,
            &mut self.javascript,
            &mut self.go,
            &mut self.jvm,
            &mut self.native,
            &mut self.others,
        ]
    }
}

impl Scanner {
    /// Takes one line without its end.
    pub(crate) fn line(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let Self { tools, sums, singles } = self;
        singles.line(line);
        if !tools.all().into_iter().any(|tool| tool.line(line, sums)) {
            sums.add_detail(line);
        }
    }

    /// The sums.
    pub(crate) fn finish(mut self) -> Summary {
        for tool in self.tools.all() {
            tool.end(&mut self.sums);
        }
        let mut summary = self.sums.summary;
        summary.cases = self.singles.finish();
        summary.cases.fail(&summary.failures);
        summary
    }
}
