//! `pactctl runs tests`: the single tests of a run.

use std::{path::Path, sync::Arc};

use console::style;
use pact_agent::{
    ports::RunReader as _,
    tested::{Answer, KeptTests, MAX_TESTS, Question, TestLists as _},
};
use pact_contract::{
    RunId, StateName,
    tested::{TestStatus, Tested},
};
use serde_json::{Value, json};

use super::{logs::artifacts, reader::Reader};
use crate::{
    cli::TestsArgs,
    document,
    failure::{Context, Exit, Failure},
    term,
};

/// Lines of what a tool says of a failure.
const LINES: usize = 8;
/// Tests of a stage where no number is asked for.
const LIMIT: usize = 100;

/// Prints the tests that are asked for.
pub(super) async fn tests(reader: &Reader, args: &TestsArgs) -> Result<Exit, Failure> {
    let run_id = reader.latest(args.run_id.clone()).await?;
    let lists = lists(reader, &run_id, args).await?;
    if args.json {
        let stages: Vec<Value> = lists.iter().map(document).collect();
        let document = json!({ "run_id": run_id, "stages": stages });
        document::print(&document)?;
    } else {
        for (state, answer) in &lists {
            print!("{}", shown(state, answer));
        }
    }
    Ok(Exit::Success)
}

/// The lists of the stages that are asked for.
async fn lists(
    reader: &Reader,
    run_id: &RunId,
    args: &TestsArgs,
) -> Result<Vec<(StateName, Answer)>, Failure> {
    if reader.store.run(run_id).await.doing("read the run")?.is_none() {
        return Err(Failure::usage(format!("there is no run {run_id}"))
            .remedy("`pactctl runs list` shows those there are"));
    }
    let kept = open(&args.data.data)?;
    let wanted = args.stage.as_deref().map(str::to_lowercase);
    let question = question(args);
    let mut lists = Vec::new();
    let stages = reader.store.stages(run_id).await.doing("read the stages")?;
    for stage in stages.items {
        let listed = stage.output.get("tests_key").is_some_and(Value::is_string);
        let name = stage.state.as_str().to_lowercase();
        if !listed || wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            continue;
        }
        let answer = kept.ask(run_id, &stage.state, &question).await.doing("read the tests")?;
        lists.extend(answer.map(|answer| (stage.state, answer)));
    }
    if lists.is_empty() {
        let what = match &args.stage {
            Some(stage) => format!("no single test of a stage {stage:?} of {run_id} is known"),
            None => format!("no single test of {run_id} is known"),
        };
        return Err(Failure::usage(what).remedy(
            "they are named by reports of tests, and by tools that print a line for each; `pactctl \
             logs` has what the tests wrote",
        ));
    }
    Ok(lists)
}

fn question(args: &TestsArgs) -> Question {
    let status = if args.failed { Some(TestStatus::Failed) } else { args.status };
    let without = if args.json { MAX_TESTS } else { LIMIT };
    let limit = args.slowest.or(args.limit).unwrap_or(without);
    Question { status, text: args.text.clone(), slowest: args.slowest.is_some(), from: 0, limit }
}

fn open(data: &Path) -> Result<KeptTests, Failure> {
    Ok(KeptTests(Arc::new(artifacts(data)?)))
}

fn document((state, answer): &(StateName, Answer)) -> Value {
    json!({
        "stage": state,
        "total": answer.head.total,
        "kept": answer.head.kept,
        "left_out": answer.head.left_out,
        "found": answer.found,
        "tests": answer.tests,
    })
}

/// A list for people: a line for each test, and what is said of those that failed.
fn shown(state: &StateName, answer: &Answer) -> String {
    let Answer { head, statuses, found, tests } = answer;
    let counts: Vec<_> = statuses
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(status, number)| format!("{number} {}", status.word()))
        .collect();
    let mut out = format!("{}: {}\n", style(state.title()).bold(), counts.join(", "));
    let named = head.kept.saturating_add(head.left_out);
    if let Some(total) = head.total.filter(|total| *total > named) {
        out.push_str(&format!("  {named} of {total} are named by the tool\n"));
    }
    for test in tests {
        out.push_str(&line(test));
    }
    if *found > tests.len() {
        let more = found - tests.len();
        out.push_str(&format!("  and {more} more; --limit N or --json has them\n"));
    }
    if head.left_out > 0 {
        out.push_str(&format!("  {} more are not kept: `pactctl logs`\n", head.left_out));
    }
    out
}

fn line(test: &Tested) -> String {
    let word = format!("{:<18}", test.status.word());
    let word = match test.status {
        TestStatus::Failed => style(word).red(),
        TestStatus::Flaky => style(word).yellow(),
        TestStatus::Passed => style(word).green(),
        TestStatus::Expected | TestStatus::Skipped => style(word).dim(),
    };
    let time = test.ms.map_or_else(|| "–".to_owned(), term::duration);
    let mut out = format!("  {word} {time:>9}  {}", term::plain(&test.name));
    if !test.suite.is_empty() {
        out.push_str(&format!("  {}", style(term::plain(&test.suite)).dim()));
    }
    if test.attempts > 1 {
        out.push_str(&format!("  {} attempts", test.attempts));
    }
    if let Some(file) = &test.file {
        let line = test.line.map(|line| format!(":{line}")).unwrap_or_default();
        out.push_str(&format!("  {}{line}", term::plain(file)));
    }
    out.push('\n');
    for text in test.message.iter().flat_map(|message| message.lines()).take(LINES) {
        out.push_str(&format!("      {}\n", style(term::plain(text)).dim()));
    }
    out
}

#[cfg(test)]
mod tests {
    use pact_agent::tested::{read, write};

    use super::*;

    #[test]
    fn a_list_says_what_became_of_each_and_how_many_there_are() {
        let tests = vec![
            Tested {
                message: Some("left: 3\nright: \u{1b}[31m4".to_owned()),
                file: Some("src/cart.rs".to_owned()),
                line: Some(7),
                ms: Some(1_200),
                ..Tested::new("cart::sums".to_owned(), TestStatus::Failed)
            },
            Tested { attempts: 3, ..Tested::new("cart::shaky".to_owned(), TestStatus::Flaky) },
            Tested::new("cart::well".to_owned(), TestStatus::Passed),
        ];
        let packed = write(tests, Some(9), 0).expect("a list");
        let question = Question { limit: 2, ..Question::default() };
        let answer = read("k", &packed, &question).expect("an answer");
        let state = StateName::parse("RunUnitTests").expect("a name");
        let text = shown(&state, &answer);
        let text = console::strip_ansi_codes(&text);
        for part in [
            "Run unit tests: 1 failed, 1 flaky, 1 passed",
            "3 of 9 are named by the tool",
            "cart::sums  src/cart.rs:7",
            "left: 3",
            "cart::shaky  3 attempts",
            "and 1 more",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
