//! What came of a build that has ended, suite by suite.

use std::{collections::HashSet, time::Duration};

use pact_agent::{
    AgentError,
    builds::{Build, BuildStatus},
    bundle,
};

use super::{
    built,
    plan::{Plan, Without, line},
    results::{Part as Handed, Results, Step, Steps},
};
use crate::{
    capture::Capture,
    collector::Collector,
    locations::Checkout,
    runners::runner::{Built, End, Ended, Execution, Part, Run, Task},
    suites::Suite,
};

/// Exit codes of `timeout` when the time of its command was over.
const OVER: [i32; 2] = [124, 137];
/// Signals that end a process; the shell adds 128.
const SIGNALS: [i32; 12] = [1, 2, 3, 4, 6, 7, 8, 9, 11, 13, 14, 15];
/// Longest log of all suites together, in bytes.
const LOG: usize = 16 << 20;

/// What the build service says of the tests.
#[derive(Clone, Copy)]
struct Attested<'a> {
    /// Whether all of them succeeded.
    succeeded: bool,
    /// In its words.
    words: &'a str,
    /// Whether they ended, rather than being ended.
    by_itself: bool,
    timed_out: bool,
    took: Option<Duration>,
}

/// `phase`: the one of the build that ran the tests.
///
/// # Errors
/// Nothing is known of how the tests ended, or the source is not to be had.
pub(super) async fn ended(
    task: &Task<'_>,
    plan: Plan,
    keys: &[String],
    (build, phase): (&Build, &str),
    results: Option<Results>,
    collector: &mut Collector<'_>,
) -> Result<Ended, AgentError> {
    let phase = build.phase(phase);
    let succeeded = phase.is_some_and(|phase| phase.status == Some(BuildStatus::Succeeded));
    let words = phase.and_then(|phase| phase.message.as_deref()).unwrap_or_default();
    let attested = Attested {
        succeeded,
        words,
        by_itself: succeeded || words.contains("exit status") || words.contains("ended by"),
        timed_out: build.status == BuildStatus::TimedOut,
        took: phase.map(|phase| phase.took),
    };
    let Plan { suites, unknown, left_out, releases, without, .. } = plan;
    let (none, skipped) = match without {
        Some(Without::None(reason)) => (true, Some(reason)),
        Some(Without::NotRun(reason)) => (false, Some(reason)),
        None => (false, None),
    };
    let mut all = Ended { unknown, left_out, none, skipped, ..Ended::default() };
    let Some(results) = results else {
        if !attested.timed_out && attested.by_itself {
            return Err(AgentError::tool(format!(
                "the build handed no results over that can be read: {}",
                said(build)
            )));
        }
        // Without a word of what was run, only what the service itself says counts.
        let mut log = String::new();
        let parts = suites.into_iter().map(|suite| {
            let (part, text) = unheard(task, suite, attested);
            log.push_str(&text);
            part
        });
        all.parts = parts.collect();
        let why = if attested.timed_out { "it did not end in time" } else { attested.words };
        all.built = releases.iter().map(|_| Built::Not(why.to_owned())).collect();
        collector.log(&log);
        return Ok(all);
    };
    results.notes.into_iter().for_each(|note| collector.note(note));
    let bytes = bundle::fetch(task.artifacts, task.source).await?;
    let names = tokio::task::spawn_blocking(move || bundle::names(&bytes))
        .await
        .map_err(|e| AgentError::internal("reading the bundle stopped").caused_by(e))??;
    let files: HashSet<String> = names.into_iter().collect();
    // Where the service says that something failed and nothing says so of itself, what is said was
    // not said by the script: then nothing of it counts.
    let told = attested.succeeded || results.parts.iter().any(|part| part.steps.is_ill());
    let alone = suites.len() == 1;
    let mut log = String::new();
    let mut handed = results.parts.into_iter();
    for (number, (suite, handed)) in suites.into_iter().zip(handed.by_ref()).enumerate() {
        let base = results.root.as_deref().map(|root| root.trim_end_matches("/source"));
        let of = |name: &str| base.map(|base| format!("{base}/pact/{number}/{name}"));
        let checkout = Checkout {
            root: results.root.clone().unwrap_or_default(),
            directory: suite.directory.clone(),
            scratch: ["reports", "tools"].into_iter().filter_map(of).collect(),
            files: files.clone(),
        };
        let how = How { attested, told, checkout };
        let (part, text) = part(task, suite, handed, how);
        if log.len() + text.len() <= LOG {
            if !alone {
                log.push_str(&format!("=== {} ===\n", part.name));
            }
            log.push_str(&text);
        }
        all.parts.push(part);
    }
    for ((release, handed), key) in releases.iter().zip(handed).zip(keys) {
        let (built, text) =
            built::of(task, release, handed, told || attested.succeeded, key).await?;
        log.push_str(&format!("=== build ===\n{text}"));
        all.built.push(built);
    }
    collector.log(&log);
    for content in results.coverage {
        if collector.wants_coverage() {
            collector.coverage(content).await?;
        }
    }
    Ok(all)
}

fn unheard(task: &Task<'_>, suite: Suite, attested: Attested<'_>) -> (Part, String) {
    let end =
        if attested.timed_out { End::TimedOut } else { End::Exceeded(attested.words.to_owned()) };
    let command = line(&suite.command);
    let log = format!("$ {command}\n[{}]\n", attested.words);
    let execution = Execution::Ran(Box::new(Run {
        tool: suite.tool.clone(),
        command,
        end,
        took: attested.took.unwrap_or_default(),
        captured: Capture::default().finish(),
        checkout: Checkout::default(),
    }));
    (self::of(task, suite, execution, Handed::default()), log)
}

fn of(task: &Task<'_>, suite: Suite, execution: Execution, handed: Handed) -> Part {
    Part {
        timeout: suite.seconds.map_or(task.timeout, Duration::from_secs),
        name: suite.name,
        reports: suite.reports,
        execution,
        counts: handed.counts,
        notes: handed.notes,
        unread: handed.unread,
        tools: handed.steps.tools,
    }
}

struct How<'a> {
    attested: Attested<'a>,
    /// Whether what the script says of each suite counts.
    told: bool,
    checkout: Checkout,
}

/// What came of one suite, and its log.
fn part(task: &Task<'_>, suite: Suite, mut handed: Handed, how: How<'_>) -> (Part, String) {
    let How { attested, told, checkout } = how;
    let mut steps = std::mem::take(&mut handed.steps);
    handed.steps.tools = std::mem::take(&mut steps.tools);
    let command = match &suite.otherwise {
        Some(other) if steps.otherwise => line(other),
        _ => line(&suite.command),
    };
    let other = suite.other_tool().filter(|_| steps.otherwise);
    let tool = other.map_or_else(|| suite.tool.clone(), str::to_owned);
    let mut log = String::new();
    let mut output = String::new();
    let mut texts = std::mem::take(&mut handed.setup).into_iter();
    for setup in &suite.setup {
        let Some(captured) = texts.next() else { break };
        output = checkout.readable(without_end(&captured.text));
        log.push_str(&format!("$ {}\n{output}\n", line(&setup.command)));
    }
    let failed = steps.setup.iter().position(|step| step.code != 0);
    let setup = failed.and_then(|at| suite.setup.get(at)).map(|setup| line(&setup.command));
    if let Some(why) = not_run(&steps) {
        return (self::of(task, suite, Execution::NotRun(why), handed), log);
    }
    if let Some(setup) = setup {
        let execution = Execution::SetupFailed { tool, command, setup, output };
        return (self::of(task, suite, execution, handed), log);
    }
    let step = steps.test.as_ref();
    let took = step.and_then(|step| step.took).or(attested.took).unwrap_or_default();
    let timeout = suite.seconds.map_or(task.timeout, Duration::from_secs);
    let end = if attested.timed_out && step.is_none() {
        End::TimedOut
    } else if !attested.by_itself {
        End::Exceeded(attested.words.to_owned())
    } else {
        let whole = attested.succeeded || (told && step.is_some_and(|step| step.code == 0));
        how_it_ended(step, whole && !(attested.timed_out), attested.words, (took, timeout))
    };
    let mut captured = handed.test.take().unwrap_or_else(|| Capture::default().finish());
    captured.text = checkout.readable(without_end(&captured.text));
    let how = match &end {
        End::Exited(Some(code)) => format!("exit code {code}"),
        End::Exited(None) => "ended by a signal".to_owned(),
        End::TimedOut => "stopped: out of time".to_owned(),
        End::Exceeded(reason) => format!("stopped: {reason}"),
    };
    let by = match &handed.steps.tools[..] {
        [] => String::new(),
        tools => format!("[{}]\n", tools.join("; ")),
    };
    log.push_str(&format!("$ {command}\n{by}{}\n[{how}]\n", captured.text));
    let run = Run { tool, command, end, took, captured, checkout };
    (self::of(task, suite, Execution::Ran(Box::new(run)), handed), log)
}

/// Says what the environment was, and which protections it lacked.
pub(super) fn note_environment(build: &Build, collector: &mut Collector<'_>) {
    if let Some(image) = &build.image {
        collector.ran_in(image);
    }
    let message = build.phase("PROVISIONING").and_then(|phase| phase.message.as_deref());
    if let Some(without) = message.and_then(|message| message.strip_prefix("without: ")) {
        collector.unprotected(without);
    }
}

/// What the service says of the last phase that was not well.
pub(super) fn said(build: &Build) -> String {
    let ill = |status: Option<BuildStatus>| status.is_some_and(|s| s != BuildStatus::Succeeded);
    let phases = build.phases.iter().rev();
    let message = phases.filter(|p| ill(p.status)).find_map(|p| p.message.clone());
    message.unwrap_or_else(|| "no reason is given".to_owned())
}

/// Why the tests were not come to, where the script says so.
fn not_run(steps: &Steps) -> Option<String> {
    if let Some(program) = &steps.missing {
        return Some(format!("the tests were not run: `{program}` is not installed"));
    }
    steps.lacks_pytest.then(|| {
        "the tests need pytest, which python3 cannot import here: install it, or set command in \
         [tests.unit] of pact.toml"
            .to_owned()
    })
}

/// How the tests ended. They passed only where both the service and the script say so.
fn how_it_ended(
    step: Option<&Step>,
    succeeded: bool,
    attested: &str,
    (took, timeout): (Duration, Duration),
) -> End {
    let status =
        attested.rsplit_once("exit status ").and_then(|(_, code)| code.trim().parse().ok());
    let code = match step.map(|step| step.code) {
        Some(0) if succeeded => Some(0),
        Some(0) | None => status.filter(|code| *code != 0),
        Some(code) => Some(code),
    };
    match code {
        Some(code) if OVER.contains(&code) && took >= timeout => End::TimedOut,
        Some(code) if SIGNALS.contains(&(code - 128)) => End::Exited(None),
        code => End::Exited(code),
    }
}

/// Output without the line that the script adds.
fn without_end(text: &str) -> &str {
    let text = text.trim_end_matches('\n');
    let (before, last) = text.rsplit_once('\n').unwrap_or(("", text));
    if last.starts_with("[exit code ") { before } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_pass_only_where_the_service_and_the_script_say_so() {
        let minute = Duration::from_secs(60);
        let step = |code| Step { code, took: None };
        let failed = "Error while executing command: run. Reason: exit status 3";
        for (code, succeeded, attested, took, expected) in [
            (Some(0), true, "", 1, End::Exited(Some(0))),
            // Forged by who can write to the results, but not to what the service says.
            (Some(0), false, failed, 1, End::Exited(Some(3))),
            (Some(0), false, "Reason: exit status 0", 1, End::Exited(None)),
            (None, true, "", 1, End::Exited(None)),
            (None, false, failed, 1, End::Exited(Some(3))),
            (Some(1), true, "", 1, End::Exited(Some(1))),
            (Some(124), false, failed, 60, End::TimedOut),
            (Some(124), false, failed, 1, End::Exited(Some(124))),
            (Some(139), false, failed, 1, End::Exited(None)),
            (Some(255), false, failed, 1, End::Exited(Some(255))),
        ] {
            let took = Duration::from_secs(took);
            let end = how_it_ended(code.map(step).as_ref(), succeeded, attested, (took, minute));
            assert_eq!(end, expected, "{code:?} {attested}");
        }
    }

    #[test]
    fn the_line_of_the_script_is_no_output_of_the_tests() {
        assert_eq!(without_end("a\nb\n[exit code 1]\n"), "a\nb");
        assert_eq!(without_end("[exit code 0]\n"), "");
        assert_eq!(without_end("a\n"), "a");
    }
}
