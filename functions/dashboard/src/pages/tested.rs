//! `/runs/{id}/tests`: the single tests of a stage.

use maud::{Markup, html};
use pact_agent::tested::{Answer, Question};
use pact_contract::{
    RunId, StageRecord, StateName,
    tested::{TestStatus, Tested},
};

use super::layout;
use crate::{
    asked::Asked,
    format::{duration, encoded, lines, plural, short},
    mark::{Mark, Marked},
    viewer::Viewer,
};

/// Stages that are named.
const MAX_STAGES: usize = 20;

/// What the page is made of.
pub(crate) struct Tests<'a> {
    pub(crate) run_id: &'a RunId,
    /// The stages that have a list.
    pub(crate) stages: &'a [StageRecord],
    /// The stage whose list is shown, and what is asked for of it.
    pub(crate) of: Option<(&'a StateName, &'a Answer)>,
    pub(crate) asked: &'a Asked,
    pub(crate) question: &'a Question,
}

impl Marked for TestStatus {
    fn mark(self) -> Mark {
        match self {
            Self::Failed => Mark::Fail,
            Self::Flaky => Mark::Warn,
            Self::Expected | Self::Passed => Mark::Pass,
            Self::Skipped => Mark::Skip,
        }
    }

    fn word(self) -> String {
        TestStatus::word(self).to_owned()
    }
}

pub(crate) fn tests(viewer: &Viewer, it: &Tests<'_>) -> Markup {
    let title = match it.of {
        Some((state, _)) => format!("Tests of {}", state.title()),
        None => "Tests".to_owned(),
    };
    layout::page(
        &title,
        "/",
        viewer,
        &html! {
            div class="title" { h1 { (short(&title, 200)) } }
            p class="muted" {
                a href={ "/runs/" (it.run_id) } { "To the run" }
                @for stage in it.stages.iter().take(MAX_STAGES) {
                    @if it.of.is_none_or(|(state, _)| *state != stage.state) {
                        " · " a href={ "/runs/" (it.run_id) "/tests?stage=" (encoded(stage.state.as_str())) } { (short(&stage.title(), 80)) }
                    }
                }
                @if let Some((state, _)) = it.of {
                    " · " a href={ "/runs/" (it.run_id) "/logs/" (encoded(state.as_str())) } { "What it wrote" }
                    " · " a href={ "/api/runs/" (it.run_id) "/tests?" (query(state, it.asked, it.question.from)) } { "JSON" }
                }
            }
            @match it.of {
                None => div class="card empty" {
                    p { "No single test of this run is known." }
                    p { "They are named by reports of tests (JUnit and its like), and by tools that print a line for each." }
                },
                Some((state, answer)) => (list(state, answer, it)),
            }
        },
    )
}

fn list(state: &StateName, answer: &Answer, it: &Tests<'_>) -> Markup {
    let shown = answer.tests.len();
    let from = it.question.from;
    let end = from.saturating_add(shown);
    html! {
        (form(state, it))
        p class="muted" id="found" {
            (known(answer))
            @if answer.found as u64 != answer.head.kept { " · " (answer.found) " of them are asked for" }
            @if shown > 0 && shown < answer.found { " · shown are " (from + 1) " to " (end) }
        }
        @if shown == 0 {
            p class="card empty" { "No test matches." }
        } @else {
            div class="card table" { table role="table" class="tests" {
                caption class="hidden" { "Each test with what became of it, its time, its attempts and what its tool says" }
                (layout::columns(&["Test", "Status", "Time", "Attempts"]))
                tbody role="rowgroup" { @for test in &answer.tests { (row(test)) } }
            } }
        }
        nav class="pager" aria-label="Pages" {
            span { @if from > 0 {
                a href=(address(it, state, from.saturating_sub(it.question.limit))) { "Those before" }
            } }
            span { @if end < answer.found {
                a rel="next" href=(address(it, state, end)) { "Further tests" }
            } }
        }
    }
}

/// How many there are, and how many of them are known by their names.
fn known(answer: &Answer) -> Markup {
    let head = &answer.head;
    let named = plural(usize::try_from(head.kept).unwrap_or(usize::MAX), "test");
    html! {
        @match head.total {
            Some(total) if total > head.kept.saturating_add(head.left_out) => {
                (named) " of " (total) " are named; of the others the tool gives the number alone"
            },
            _ => (named),
        }
        @if head.left_out > 0 { "; " (head.left_out) " more are not kept: they are in the log" }
        @for (status, number) in answer.statuses.iter().filter(|(_, number)| *number > 0) {
            " · " (number) " " (status.word())
        }
    }
}

fn row(test: &Tested) -> Markup {
    html! {
        tr role="row" {
            td role="cell" class="wrap" {
                span class="mono" { (short(&test.name, 300)) }
                br; span class="muted" {
                    (short(&test.suite, 100))
                    @if let Some(file) = &test.file {
                        " · " (short(file, 200)) @if let Some(line) = test.line { ":" (line) }
                    }
                }
                @if let Some(message) = &test.message { (lines(message, 6)) }
            }
            td role="cell" data-label="Status" { div { (Marked::chip(test.status)) } }
            td role="cell" data-label="Time" class="num" {
                @match test.ms { Some(ms) => (duration(ms)), None => "–" }
            }
            td role="cell" data-label="Attempts" class="num" { (test.attempts) }
        }
    }
}

fn form(state: &StateName, it: &Tests<'_>) -> Markup {
    let asked = it.asked;
    let narrowed = !(asked.text.is_empty() && asked.status.is_empty() && asked.order.is_empty());
    html! {
        form class="filters tests" method="get" action={ "/runs/" (it.run_id) "/tests" } role="search" {
            div {
                label for="text" { "Part of the name, the suite or the message" }
                input id="text" name="text" value=(asked.text) maxlength="300" autocomplete="off";
            }
            div {
                label for="status" { "Status" }
                select id="status" name="status" {
                    option value="" { "any" }
                    @for status in TestStatus::ALL {
                        option value=(status.as_str()) selected[asked.status == status.as_str()] { (status.word()) }
                    }
                }
            }
            div {
                label for="order" { "Order" }
                select id="order" name="order" {
                    option value="" { "gravest first" }
                    option value="slowest" selected[it.question.slowest] { "slowest first" }
                }
            }
            input type="hidden" name="stage" value=(state.as_str());
            div class="actions" {
                button type="submit" { "Show" }
                @if narrowed { a href={ "/runs/" (it.run_id) "/tests?stage=" (encoded(state.as_str())) } { "Clear" } }
            }
        }
    }
}

fn address(it: &Tests<'_>, state: &StateName, from: usize) -> String {
    format!("/runs/{}/tests?{}", it.run_id, query(state, it.asked, from))
}

fn query(state: &StateName, asked: &Asked, from: usize) -> String {
    let from = if from == 0 { String::new() } else { from.to_string() };
    let all = [
        ("stage", state.as_str()),
        ("text", asked.text.trim()),
        ("status", asked.status.trim()),
        ("order", asked.order.trim()),
        ("from", &from),
    ];
    let given = all.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}
