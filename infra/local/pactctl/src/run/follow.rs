//! Follows a run to its end, and shows each stage as it ends.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pact_agent::ports::{ApprovalRecord, RunReader, Unreadable};
use pact_contract::{RunId, RunStatus, StageRecord, StageStatus, StateName, room::waits};

use super::{report::Report, waits::Waits};
use crate::{
    client::{Client, UNWELL},
    failure::Failure,
    term,
};

const POLL: Duration = Duration::from_millis(150);
/// How long an execution may have ended before its run is closed: the reconciler closes it.
const CLOSING: Duration = Duration::from_secs(15);

/// How long a run may be queued before that is said.
const SOON: Duration = Duration::from_secs(2);
/// How often a stack is asked whether it can do anything.
const WELL: Duration = Duration::from_secs(3);

/// How following ended.
pub(crate) enum Followed {
    /// The run has ended.
    Ended(Box<Report>),
    /// The stack no longer answers.
    Lost,
}

/// Follows the run, in a stack that was joined or in one's own.
pub(crate) async fn follow(
    client: &Client,
    run_id: &RunId,
    progress: &mut Progress,
    joined: bool,
) -> Result<Followed, Failure> {
    let mut failures = 0u32;
    let mut ended_at: Option<Instant> = None;
    let begun = Instant::now();
    let mut looked = begun;
    loop {
        if looked.elapsed() > WELL {
            looked = Instant::now();
            // A stack of one's own says it by itself.
            progress.unwell(client.unwell().await.filter(|_| joined));
        }
        let state = async {
            let run = client.store.run(run_id).await?;
            let stages = client.store.stages(run_id).await?;
            let questions = client.store.approvals(run_id).await?;
            Ok::<_, pact_agent::ports::StoreError>((run, stages, questions))
        };
        let (run, stages, questions) = match state.await {
            Ok((Some(run), stages, questions)) => (run, stages, questions),
            Ok((None, ..)) => {
                return Err(Failure::internal(format!("the run store has no run {run_id}")));
            }
            Err(error) => {
                failures += 1;
                tracing::debug!(%error, "the store does not answer");
                if failures > 3 || !client.is_up().await {
                    return Ok(Followed::Lost);
                }
                tokio::time::sleep(POLL).await;
                continue;
            }
        };
        failures = 0;
        progress.show(&stages.items);
        progress.ask(&questions.items);
        progress.warn(stages.unreadable.iter().chain(&questions.unreadable));
        if run.status == RunStatus::Queued {
            // That it is taken up in a moment is nothing to be told.
            if begun.elapsed() > SOON {
                let before = RunReader::waits_behind(&client.store, &run).await;
                progress.wait(before.ok().flatten());
            }
            tokio::time::sleep(POLL).await;
            continue;
        }
        let Ok(running) = client.execution_is_running(&run.execution_arn).await else {
            return Ok(Followed::Lost);
        };
        if running != Some(true) {
            let since = *ended_at.get_or_insert_with(Instant::now);
            if run.status.is_final() || since.elapsed() > CLOSING {
                // Read again: what was written between the two answers belongs to the report.
                let report = match Report::read(&client.store, run_id, &progress.options).await {
                    Ok(report) => report,
                    // The stack was another process's, which has just ended.
                    Err(_) if !client.is_up().await => return Ok(Followed::Lost),
                    Err(error) => return Err(error),
                };
                progress.show(&report.records);
                return Ok(Followed::Ended(Box::new(report)));
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Lines on standard error, one for each stage that ended, and a spinner where there is a
/// terminal.
pub(crate) struct Progress {
    visible: bool,
    /// The options that find the run again.
    options: String,
    bar: ProgressBar,
    shown: BTreeSet<(StateName, u32, String)>,
    warned: BTreeSet<String>,
}

impl Progress {
    /// Progress that is shown, or not; `options` find the run again.
    pub(crate) fn new(visible: bool, options: String) -> Self {
        let draw = visible && term::is_interactive();
        let target = if draw { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        if draw {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { visible, options, bar, shown: BTreeSet::new(), warned: BTreeSet::new() }
    }

    fn show(&mut self, stages: &[StageRecord]) {
        if !self.visible {
            return;
        }
        for stage in stages.iter().filter(|s| s.status != StageStatus::Running) {
            let key = (stage.state.clone(), stage.attempt, stage.started_at.to_string());
            if self.shown.insert(key) {
                let line = line(stage);
                self.bar.suspend(|| term::note(&line));
            }
        }
        let active: Vec<String> = stages
            .iter()
            .filter(|s| s.status == StageStatus::Running)
            .map(StageRecord::title)
            .collect();
        self.bar.set_message(active.join(", "));
    }

    /// Says that the run is queued: once, and its place where there is a terminal.
    fn wait(&mut self, before: Option<usize>) {
        let line = waits(before);
        self.bar.set_message(line.clone());
        if self.visible && self.warned.insert("queued".to_owned()) {
            self.bar.suspend(|| term::note(&line));
        }
    }

    /// Says what keeps the stack from doing anything: once, until it is well again.
    fn unwell(&mut self, why: Option<String>) {
        const KEY: &str = "unwell";
        let Some(why) = why else {
            self.warned.remove(KEY);
            return;
        };
        if self.warned.insert(KEY.to_owned()) {
            self.bar.suspend(|| {
                term::error(&why);
                term::hint(UNWELL);
            });
        }
    }

    /// Says once that a person is asked, also with `--json`: the run waits until then.
    fn ask(&mut self, questions: &[ApprovalRecord]) {
        for question in questions.iter().filter(|q| q.answer.is_none()) {
            let key = (question.state.clone(), 0, question.callback.clone());
            if self.shown.insert(key) {
                let waits = Waits::of_people(question, &self.options);
                let how = waits.how().unwrap_or_default();
                let line = format!("? {}\n  {how}", term::plain(&waits.sentence));
                self.bar.suspend(|| term::note(&line));
            }
        }
    }

    /// Says once of each record that it cannot be read, also with `--json`.
    fn warn<'u>(&mut self, unreadable: impl Iterator<Item = &'u Unreadable>) {
        for item in unreadable {
            if self.warned.insert(item.key.clone()) {
                self.bar.suspend(|| term::note(&format!("! {}", term::plain(&item.to_string()))));
            }
        }
    }

    /// Takes the spinner away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Columns of a line before its summary.
const BEFORE_SUMMARY: usize = 42;

/// `text`, cut to `columns` where there is such a limit.
fn fitted(text: &str, columns: Option<usize>) -> String {
    match columns {
        Some(columns) if text.chars().count() > columns => {
            let cut: String = text.chars().take(columns.saturating_sub(1)).collect();
            format!("{cut}…")
        }
        _ => text.to_owned(),
    }
}

/// `✓ Run unit tests            3.4 s  128 passed`.
fn line(stage: &StageRecord) -> String {
    let (mark, style) = term::stage_mark(stage.status);
    // On a terminal one line is one line; a file or a pipe gets all of it.
    let summary = fitted(
        &term::plain(stage.summary.lines().next().unwrap_or_default()),
        term::width().map(|width| width.saturating_sub(BEFORE_SUMMARY)),
    );
    let attempt = match stage.attempt {
        1 => String::new(),
        n => format!(" (attempt {n})"),
    };
    format!(
        "{} {:<28} {:>9}  {}",
        style.for_stderr().apply_to(mark),
        format!("{}{attempt}", stage.title()),
        term::duration(stage.duration_ms),
        if stage.status == StageStatus::Skipped {
            console::style(summary).for_stderr().dim().to_string()
        } else {
            summary
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_fits_the_terminal_and_is_whole_without_one() {
        assert_eq!(fitted("eight ok", Some(8)), "eight ok");
        assert_eq!(fitted("nine is it", Some(8)), "nine is…");
        assert_eq!(fitted("nine is it", None), "nine is it");
    }
}
