//! `tests.run_unit`, `tests.run_integration`, `tests.run_e2e`: chooses a runner, and judges what it
//! brings back.

use std::time::Duration;

use pact_agent::{AgentError, Call, Outcome, ports::Artifacts};
use pact_contract::{
    ErrorName, Finding, Severity, StageStatus,
    actions::{RunTests, RunTestsOutput},
    codes,
    settings::{DEFAULT_TEST_TIMEOUT, Suite},
};

use crate::{
    collector::Collector,
    config::Config,
    runners::{self, Execution, Run, Task},
    verdict::{self, Evidence},
};

/// Which tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unit,
    Integration,
    EndToEnd,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Integration => "integration",
            Self::EndToEnd => "end-to-end",
        }
    }

    const fn table(self) -> &'static str {
        match self {
            Self::Unit => "tests.unit",
            Self::Integration => "tests.integration",
            Self::EndToEnd => "tests.e2e",
        }
    }
}

pub(crate) async fn run(
    artifacts: &dyn Artifacts,
    config: &Config,
    call: &Call,
    kind: Kind,
) -> Result<Outcome, AgentError> {
    let parameters: RunTests = call.parameters()?;
    let settings = &parameters.settings;
    let suite = match kind {
        Kind::Unit => &settings.unit,
        Kind::Integration => &settings.integration,
        Kind::EndToEnd => &settings.e2e,
    };
    if suite.is_none() && kind != Kind::Unit {
        return skipped(format!(
            "no {} tests: set command in [{}] of pact.toml",
            kind.name(),
            kind.table()
        ));
    }
    if kind == Kind::EndToEnd && parameters.url.is_none() {
        return skipped("the environment has no address to run end-to-end tests against");
    }
    let runner = match runners::open(suite.as_ref().map(|s| &s.runner), config) {
        Ok(runner) => runner,
        Err(reason) => {
            let table = kind.table();
            return skipped(format!("the tests were not run: [{table}]: {reason}"));
        }
    };
    let task = Task {
        table: kind.table(),
        artifacts,
        source: &parameters.source,
        repository: &parameters.repository.name,
        url: parameters.url.as_deref().filter(|_| kind == Kind::EndToEnd),
        timeout: Duration::from_secs(
            suite.as_ref().map_or(DEFAULT_TEST_TIMEOUT, |s| s.timeout_seconds),
        ),
        reports: suite.as_ref().map_or(&[], |s: &Suite| s.reports.as_slice()),
        coverage: &settings.coverage,
        deadline: call.deadline,
    };
    let mut collector = Collector::new(artifacts, call);
    match runner.run(&task, &mut collector).await? {
        Execution::NotRun(reason) => skipped(reason),
        Execution::NoTests(reason) => Ok(Outcome { not_applicable: true, ..skipped(reason)? }),
        Execution::OutOfTime => Err(AgentError::new(
            ErrorName::Timeout,
            format!(
                "{} has no time left; the tests may take {} s. What they wrote is in {}",
                call.action,
                task.timeout.as_secs(),
                collector.log_key.as_deref().unwrap_or("no log")
            ),
        )),
        Execution::SetupFailed { tool, command, setup, output } => {
            let finding = Finding::new(
                codes::TEST_SETUP_FAILED,
                Severity::Medium,
                format!("`{setup}` did not succeed"),
            )
            .remedy("make the command succeed, or set command in [tests.unit] of pact.toml")
            .evidence(output);
            let output = RunTestsOutput {
                runner: tool,
                command,
                evidence: "exit_code".to_owned(),
                log_key: collector.log_key,
                ..RunTestsOutput::default()
            };
            let summary = format!("the tests were not run: `{setup}` did not succeed");
            let outcome = Outcome::new(StageStatus::Skipped, summary, &output)?;
            Ok(outcome.with_findings(vec![finding]))
        }
        Execution::Ran(run) => judge(&task, run, collector),
    }
}

/// Nothing was run; later states read the output all the same.
fn skipped(reason: impl Into<String>) -> Result<Outcome, AgentError> {
    Outcome::new(StageStatus::Skipped, reason, &RunTestsOutput::default())
}

fn judge(
    task: &Task<'_>,
    mut run: Run,
    mut collector: Collector<'_>,
) -> Result<Outcome, AgentError> {
    let mut junit = collector.junit.take();
    let in_reports = junit.iter_mut().flat_map(|counts| counts.failures.iter_mut());
    for failure in in_reports.chain(run.captured.summary.failures.iter_mut()) {
        failure.detail = run.checkout.readable(&failure.detail);
    }
    if junit.is_none() && !task.reports.is_empty() {
        let patterns = task.reports.join(", ");
        collector.note(format!("no JUnit report was written that matches {patterns}"));
    }
    let mut judgement = verdict::judge(&Evidence {
        tool: &run.tool,
        command: &run.command,
        end: run.end,
        took: run.took,
        timeout: task.timeout,
        captured: &run.captured,
        junit,
        checkout: &run.checkout,
    });
    for note in &collector.notes {
        let note = run.checkout.readable(note);
        judgement.findings.push(Finding::new(codes::REPORT_UNREADABLE, Severity::Low, note));
    }
    judgement.output.log_key = collector.log_key;
    judgement.output.coverage_keys = collector.coverage_keys;
    Ok(Outcome::new(judgement.status, judgement.summary, &judgement.output)?
        .with_findings(judgement.findings))
}
