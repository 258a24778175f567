//! `pactctl runs list`: the latest runs, with what those that have not ended wait for.

use console::style;
use pact_agent::ports::{RunQuery, RunReader, Unreadable};
use pact_contract::{RunRecord, cause::cause};
use serde_json::json;

use super::reader::Reader;
use crate::{
    document,
    failure::{Context, Exit, Failure},
    run::waits::{self, Waits},
    term,
};

pub(super) async fn list(reader: &Reader, query: &RunQuery, json: bool) -> Result<Exit, Failure> {
    let page = reader.store.latest_runs(query).await.doing("list the runs")?;
    let waiting = waiting(reader, &page.runs).await?;
    if json {
        let runs: Vec<_> = page
            .runs
            .iter()
            .zip(&waiting)
            .map(|(r, waits)| {
                json!({
                    "run_id": r.request.run_id,
                    "status": r.status,
                    "repository": r.request.repository.name,
                    "branch": r.request.branch,
                    "commit": r.request.commit,
                    "started_at": r.request.started_at,
                    "finished_at": r.finished_at,
                    "message": r.request.message,
                    "author": r.request.author,
                    "duration_ms": duration(r),
                    "reason": r.outcome.as_ref().map(|o| &o.reason),
                    "cause": cause(r, &[]).map(|cause| cause.sentence),
                    "waits": waits,
                })
            })
            .collect();
        let document =
            json!({ "runs": runs, "unreadable": page.unreadable, "cursor": page.cursor });
        document::print(&document)?;
        return Ok(Exit::Success);
    }
    if page.runs.is_empty() && page.unreadable.is_empty() {
        println!("no run matches");
    }
    if !page.runs.is_empty() {
        print!("{}", style(header()).dim());
    }
    for (run, waits) in page.runs.iter().zip(&waiting) {
        print!("{}", row(run, waits.as_ref()));
    }
    for item in &page.unreadable {
        println!("{}", unreadable(item));
    }
    if !reader.is_up() && page.runs.iter().any(|run| !run.status.is_final()) {
        term::hint(&format!(
            "no stack is up: `pactctl up{}` goes on with what has not ended",
            reader.options
        ));
    }
    Ok(Exit::Success)
}

/// What each of the runs waits for.
async fn waiting(reader: &Reader, runs: &[RunRecord]) -> Result<Vec<Option<Waits>>, Failure> {
    /// Most runs of which all is read that they wait for: what a list of hundreds in a queue says of
    /// each is that it is queued.
    const MOST: usize = 50;
    let mut all: Vec<Option<Waits>> = Vec::with_capacity(runs.len());
    let mut asked = 0;
    for run in runs {
        let ask = !run.status.is_final() && asked < MOST;
        asked += usize::from(ask);
        all.push(match ask {
            true => waits::of(&reader.store, run, None, &reader.options)
                .await
                .doing("read what a run waits for")?,
            false => None,
        });
    }
    Ok(all)
}

/// A line of the list, in columns; the status is as wide as its column.
fn columns(
    status: &str,
    [started, took, repository, branch, commit, message]: [&str; 6],
) -> String {
    format!(
        "{status} {started:<19} {took:>9}  {repository:<24} {branch:<12} {commit:<10} {message}\n"
    )
}

fn header() -> String {
    let heads = ["STARTED (UTC)", "TOOK", "REPOSITORY", "BRANCH", "COMMIT", "MESSAGE"];
    columns(&format!("{:<16}", "STATUS"), heads)
}

/// One run: a line of columns, then its id with why it did not end well or what it waits for, and how
/// that is answered.
fn row(run: &RunRecord, waits: Option<&Waits>) -> String {
    let request = &run.request;
    let commit: String = request.commit.chars().take(10).collect();
    let status = format!("{:<16}", run.status.as_str());
    let mut out = columns(
        &term::run_style(run.status).apply_to(status).to_string(),
        [
            &request.started_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            &term::duration(duration(run)),
            request.repository.name.as_str(),
            &term::plain(&request.branch),
            &commit,
            &term::plain(request.message.as_deref().unwrap_or("(no message)")),
        ],
    );
    let id = style(&request.run_id).dim();
    let said = cause(run, &[]).map(|cause| cause.sentence);
    let said = said.or_else(|| waits.map(|waits| waits.sentence.clone()));
    // What is asked is shown whole: whoever answers has to know it.
    let whole = waits.is_some_and(|waits| !waits.answer.is_empty());
    let said = term::plain(&said.unwrap_or_default());
    let said = if whole { said } else { shortened(&said) };
    out.push_str(format!("  {id} {said}").trim_end());
    out.push('\n');
    if let Some(how) = waits.and_then(Waits::how) {
        out.push_str(&format!("  {how}\n"));
    }
    out
}

/// As much of a sentence as a list has room for: all of it is shown with its run.
fn shortened(text: &str) -> String {
    const MOST: usize = 240;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// How long the run took, or has taken so far, in milliseconds.
fn duration(run: &RunRecord) -> u64 {
    let end = run.finished_at.unwrap_or_else(jiff::Timestamp::now);
    u64::try_from(end.duration_since(run.request.started_at).as_millis()).unwrap_or_default()
}

/// A line about what cannot be read.
pub(super) fn unreadable(item: &Unreadable) -> String {
    format!("{:<16} {}", style("unreadable").yellow(), term::plain(&item.to_string()))
}

#[cfg(test)]
mod tests {
    use pact_contract::testing::failed_runs;

    use super::*;

    #[test]
    fn the_list_says_message_duration_and_why_under_heads_that_fit() {
        let runs = failed_runs(jiff::Timestamp::UNIX_EPOCH);
        let run = runs.iter().find(|r| r.name == "secret").expect("a sample");
        let row = console::strip_ansi_codes(&row(&run.run, None)).into_owned();
        for text in [
            "Configure the bucket",
            "Secrets: 1 changed file checked",
            "web-shop-3f9c2ab17d-secret",
        ] {
            assert!(row.contains(text), "{row}");
        }
        let header = header();
        let at = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
        for (head, value) in [
            ("REPOSITORY", "acme/web-shop"),
            ("BRANCH", "main"),
            ("COMMIT", "3f9c2ab17d"),
            ("MESSAGE", "Configure"),
        ] {
            assert_eq!(at(&header, head), at(&row, value), "{head}\n{header}\n{row}");
        }
    }
}
