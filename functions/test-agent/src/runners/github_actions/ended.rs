//! What came of a workflow that has ended: its conclusion by GitHub's own word, the tests by its
//! artifacts, or by what its jobs wrote.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use pact_agent::{AgentError, bundle, globs::Globs, text::truncated};
use pact_contract::ErrorName;
use serde_json::Value;

use super::{
    api::{Answer, Api, Downloaded, Refused},
    archive::Found,
    settings::{NAME, Settings, part},
};
use crate::{
    capture::Capture,
    collector::Collector,
    locations::Checkout,
    runners::{
        reports::Wanted,
        runner::{End, Ended, Execution, Part, Run, Task},
    },
};

/// Most jobs whose logs are read, and most bytes of one log.
const JOBS: usize = 20;
const LOG: u64 = 256 << 20;
/// Most artifacts that are read, most bytes of one, and of all of them.
const ARTIFACTS: usize = 30;
const ARCHIVE: u64 = 64 << 20;
const ARCHIVES: u64 = 256 << 20;
/// Time that is kept for the verdict: what is not read by then is not known.
const KEPT: Duration = Duration::from_secs(30);

/// How a workflow came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    ByItself,
    /// It was cancelled, as its time was over.
    OutOfTime,
}

/// What GitHub says of a workflow that has ended.
pub(super) enum Conclusion {
    Ended(End),
    /// It did nothing, for this reason.
    Not(String),
}

/// The page of a workflow's run.
pub(super) fn page(run: &Value) -> String {
    let page = run.get("html_url").and_then(Value::as_str).unwrap_or_default();
    truncated(&pact_agent::text::readable(page), 300)
}

/// # Errors
/// Somebody else ended it.
pub(super) fn conclusion(run: &Value, how: Stopped) -> Result<Conclusion, AgentError> {
    let word = run.get("conclusion").and_then(Value::as_str).unwrap_or_default();
    Ok(Conclusion::Ended(match (how, word) {
        (Stopped::OutOfTime, _) | (_, "timed_out") => End::TimedOut,
        (_, "success") => End::Exited(Some(0)),
        (_, "failure") => End::Exited(Some(1)),
        (_, "cancelled") => {
            let why = format!("the workflow was cancelled by somebody else: {}", page(run));
            return Err(AgentError::new(ErrorName::ToolFailed, why));
        }
        (_, other) => {
            let other = pact_agent::text::readable(&truncated(other, 40));
            let why = format!("the workflow ended as {other:?}: {}", page(run));
            return Ok(Conclusion::Not(why));
        }
    }))
}

/// # Errors
/// Somebody else ended it, or the source is not to be had.
pub(super) async fn ended(
    task: &Task<'_>,
    api: &Api,
    settings: &Settings,
    (run, how): (&Value, Stopped),
    collector: &mut Collector<'_>,
) -> Result<Answer<Ended>, AgentError> {
    let id = run.get("id").and_then(Value::as_u64).unwrap_or_default();
    let page = page(run);
    let mut end = match conclusion(run, how)? {
        Conclusion::Ended(end) => end,
        Conclusion::Not(why) => {
            let why = format!("the tests were not run: {why}");
            let parts = vec![part(task, Execution::NotRun(why))];
            return Ok(Answer::Is(Ended { parts, ..Ended::default() }));
        }
    };
    let logs = match logs(task, api, id).await {
        Answer::Is(logs) => logs,
        Answer::Later(later) => return Ok(Answer::Later(later)),
        Answer::Refused(refused) => return Ok(Answer::Refused(refused)),
    };
    let mut found = match artifacts(task, api, settings, id).await? {
        Answer::Is(found) => found,
        Answer::Later(later) => return Ok(Answer::Later(later)),
        Answer::Refused(refused) => return Ok(Answer::Refused(refused)),
    };
    if let (End::Exited(Some(1)), Some(code)) = (&end, logs.code) {
        end = End::Exited(Some(code));
    }
    let captured = logs.capture.finish();
    collector.log(&format!("workflow {}: {page}\n{}\n", settings.workflow(), captured.text));
    for content in std::mem::take(&mut found.coverage) {
        if collector.wants_coverage() {
            collector.coverage(content).await?;
        }
    }
    let bytes = bundle::fetch(task.artifacts, task.source).await?;
    let names = tokio::task::spawn_blocking(move || bundle::names(&bytes))
        .await
        .map_err(|e| AgentError::internal("reading the bundle stopped").caused_by(e))??;
    let files: HashSet<String> = names.into_iter().collect();
    let short = task.repository.short();
    let checkout = Checkout {
        // Where GitHub's own machines have it; in the messages of others, places are as they are.
        root: format!("/home/runner/work/{short}/{short}"),
        directory: settings.directory.clone().unwrap_or_default(),
        scratch: Vec::new(),
        files,
    };
    let took = took(run);
    let run = Run {
        tool: NAME.to_owned(),
        command: settings.workflow().to_owned(),
        end,
        took,
        captured,
        checkout,
    };
    let part = Part {
        reports: task.reports.to_vec(),
        counts: found.counts,
        notes: found.notes.into_iter().chain(logs.notes).collect(),
        unread: found.unread,
        tools: Vec::new(),
        ..part(task, Execution::Ran(Box::new(run)))
    };
    Ok(Answer::Is(Ended { parts: vec![part], ..Ended::default() }))
}

fn took(run: &Value) -> Duration {
    let time = |key: &str| run.get(key)?.as_str()?.parse::<Timestamp>().ok();
    let took = time("updated_at").zip(time("run_started_at")).map(|(e, b)| e.duration_since(b));
    took.and_then(|took| took.try_into().ok()).unwrap_or_default()
}

/// What the jobs wrote.
#[derive(Default)]
pub(super) struct Logs {
    pub(super) capture: Capture,
    /// The exit code of a command, as the runner wrote it; of the last one that failed.
    code: Option<i32>,
    notes: Vec<String>,
}

pub(super) async fn logs(task: &Task<'_>, api: &Api, id: u64) -> Answer<Logs> {
    let path = format!("/actions/runs/{id}/jobs?filter=latest&per_page=100");
    let list = match api.get(&path).await {
        Answer::Is(list) => list,
        Answer::Later(later) => return Answer::Later(later),
        Answer::Refused(refused) => return Answer::Refused(refused),
    };
    let jobs = list.get("jobs").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all = Logs::default();
    if jobs.len() > JOBS {
        all.notes.push(format!("of {} jobs the logs of {JOBS} are kept", jobs.len()));
    }
    let several = jobs.len() > 1;
    for job in jobs.iter().take(JOBS) {
        let text = |key: &str| job.get(key).and_then(Value::as_str).unwrap_or_default();
        let (Some(id), false) =
            (job.get("id").and_then(Value::as_u64), text("conclusion") == "skipped")
        else {
            continue;
        };
        let name = truncated(&pact_agent::text::readable(text("name")), 100);
        if several {
            all.capture.push(format!("=== {name} ===\n").as_bytes());
        }
        if task.call.time_left() < KEPT {
            all.notes.push(format!("the log of the job {name} was not read: no time was left"));
            continue;
        }
        let mut lines = Lines { line: Vec::new(), logs: &mut all };
        let path = format!("/actions/jobs/{id}/logs");
        let downloaded = api.download(&path, LOG, |bytes| lines.push(bytes)).await;
        lines.end();
        match downloaded {
            Answer::Is(Downloaded::Whole) => {}
            Answer::Is(Downloaded::Cut) => {
                all.notes
                    .push(format!("the log of the job {name} has more than {} MiB", LOG >> 20));
            }
            Answer::Later(later) => return Answer::Later(later),
            Answer::Refused(Refused { why, .. }) => {
                all.notes.push(format!("the log of the job {name} is not there: {why}"));
            }
        }
    }
    Answer::Is(all)
}

/// Lines of a job's log, without the times that the service puts before them.
struct Lines<'l> {
    line: Vec<u8>,
    logs: &'l mut Logs,
}

/// Longest line that is looked at.
const LINE: usize = 64 * 1024;
/// What the runner writes when a command failed.
const FAILED: &str = "##[error]Process completed with exit code ";

impl Lines<'_> {
    fn push(&mut self, bytes: &[u8]) {
        for (index, piece) in bytes.split(|b| *b == b'\n').enumerate() {
            if index > 0 {
                self.end_line();
            }
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend(piece.iter().take(room));
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = without_time(&line);
        let code = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix(FAILED));
        let code = code.and_then(|code| code.trim().trim_end_matches('.').parse().ok());
        self.logs.code = code.filter(|code| *code != 0).or(self.logs.code);
        self.logs.capture.push(line);
        self.logs.capture.push(b"\n");
    }

    fn end(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }
}

/// `2026-11-27T11:00:00.1234567Z text`, perhaps after a mark of the byte order.
fn without_time(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let Some(at) = line.iter().take(40).position(|b| *b == b' ') else { return line };
    let (time, text) = line.split_at(at);
    let is_time = at >= 20
        && time.ends_with(b"Z")
        && time.get(10) == Some(&b'T')
        && time.iter().all(|b| b.is_ascii_digit() || b"-T:.Z".contains(b));
    if is_time { text.get(1..).unwrap_or_default() } else { line }
}

/// # Errors
/// A pattern of the settings is none.
async fn artifacts(
    task: &Task<'_>,
    api: &Api,
    settings: &Settings,
    id: u64,
) -> Result<Answer<Found>, AgentError> {
    let list = match api.get(&format!("/actions/runs/{id}/artifacts?per_page=100")).await {
        Answer::Is(list) => list,
        Answer::Later(later) => return Ok(Answer::Later(later)),
        Answer::Refused(refused) => return Ok(Answer::Refused(refused)),
    };
    let named = Globs::new("artifacts", &settings.artifacts)?;
    let directory = settings.directory.as_deref().unwrap_or_default();
    let wanted = Wanted::new(&patterns(task.reports), task.coverage, directory);
    let mut found = Found::default();
    let (mut read, mut left) = (0, ARCHIVES);
    for artifact in list.get("artifacts").and_then(Value::as_array).into_iter().flatten() {
        let name = artifact.get("name").and_then(Value::as_str).unwrap_or_default();
        if !settings.artifacts.is_empty() && !named.covers(name) {
            continue;
        }
        let name = truncated(&pact_agent::text::readable(name), 100);
        let size = artifact.get("size_in_bytes").and_then(Value::as_u64).unwrap_or_default();
        let expired = artifact.get("expired").and_then(Value::as_bool) == Some(true);
        let Some(id) = artifact.get("id").and_then(Value::as_u64) else { continue };
        read += 1;
        let why = if expired {
            Some("has expired".to_owned())
        } else if size > ARCHIVE || size > left {
            Some(format!("has {} MiB, and is not read", size >> 20))
        } else if read > ARTIFACTS {
            Some(format!("is not read: there are more than {ARTIFACTS}"))
        } else if task.call.time_left() < KEPT {
            Some("was not read: no time was left".to_owned())
        } else {
            None
        };
        if let Some(why) = why {
            // A large one that nobody named is more likely what was built than what was reported.
            if size > ARCHIVE && settings.artifacts.is_empty() && !expired {
                found.notes.push(format!("the artifact {name} {why}"));
            } else {
                found.unread(format!("the artifact {name} {why}"));
            }
            continue;
        }
        let mut archive = Vec::new();
        let path = format!("/actions/artifacts/{id}/zip");
        match api.download(&path, ARCHIVE, |bytes| archive.extend_from_slice(bytes)).await {
            Answer::Is(Downloaded::Whole) => {}
            Answer::Is(Downloaded::Cut) => {
                found.unread(format!("the artifact {name} is larger than it says"));
                continue;
            }
            Answer::Later(later) => return Ok(Answer::Later(later)),
            Answer::Refused(Refused { status: 410, .. }) => {
                found.unread(format!("the artifact {name} has expired"));
                continue;
            }
            Answer::Refused(Refused { why, .. }) => {
                found.unread(format!("the artifact {name} is not to be had: {why}"));
                continue;
            }
        }
        left = left.saturating_sub(archive.len() as u64);
        let own = wanted.clone();
        let work = move || {
            found.read(&name, &archive.into(), &own);
            found
        };
        found = tokio::task::spawn_blocking(work)
            .await
            .map_err(|e| AgentError::internal("reading an artifact stopped").caused_by(e))?;
    }
    Ok(Answer::Is(found))
}

/// Patterns of reports as they may stand in an archive, which has not the whole path: it begins below
/// the folder that all of its files have in common.
fn patterns(reports: &[String]) -> Vec<String> {
    let below = |pattern: &String| {
        let parts: Vec<&str> = pattern.trim_start_matches("./").split('/').collect();
        let last = parts.last().copied().unwrap_or_default();
        [pattern.clone(), format!("**/{last}")]
    };
    reports.iter().flat_map(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_the_time_before_them_and_nothing_else() {
        for (line, text) in [
            ("2026-11-27T11:00:00.1234567Z ok", "ok"),
            ("\u{feff}2026-11-27T11:00:00.1234567Z a b", "a b"),
            ("2026-11-27T11:00:00Z ", ""),
            ("2026-11-27 is a day", "2026-11-27 is a day"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(without_time(line.as_bytes()), text.as_bytes(), "{line}");
        }
    }

    #[test]
    fn the_exit_code_is_the_last_that_the_runner_wrote() {
        let mut logs = Logs::default();
        let mut lines = Lines { line: Vec::new(), logs: &mut logs };
        lines.push(b"2026-11-27T11:00:00.0Z test result: FAILED. 1 pas");
        lines.push(
            b"sed; 1 failed; 0 ignored\n2026-11-27T11:00:00.0Z ##[error]Process completed with",
        );
        lines.push(b" exit code 101.\nlast");
        lines.end();
        assert_eq!(logs.code, Some(101));
        let captured = logs.capture.finish();
        assert!(captured.text.ends_with("last\n"), "{}", captured.text);
        assert_eq!((captured.summary.passed, captured.summary.failed), (1, 1));
    }

    #[test]
    fn reports_are_looked_for_by_their_own_names_too() {
        let patterns = patterns(&["out/*.xml".to_owned(), "junit.xml".to_owned()]);
        assert_eq!(patterns, ["out/*.xml", "**/*.xml", "junit.xml", "**/junit.xml"]);
    }
}
