//! `/`: the latest runs.

use jiff::Timestamp;
use maud::{Markup, html};
use pact_agent::ports::{ApprovalRecord, RunPage};
use pact_contract::{RunRecord, RunStatus, cause::cause};
use sha2::{Digest, Sha256};

use super::{layout, unreadable::unreadable};
use crate::{
    filters::Filters,
    format::{ago, commit, encoded, instant, repository_page, short},
    mark::{Mark, Marked as _},
    view::duration,
    viewer::Viewer,
};

/// A question that a run waits for an answer to.
#[derive(serde::Serialize)]
pub(crate) struct Waiting {
    pub(crate) question: ApprovalRecord,
    /// First line of the message of the run's commit.
    pub(crate) message: String,
}

/// How often the page asks for changes, in milliseconds: a push shows within five seconds also
/// where nothing runs.
pub(super) fn every(found: &RunPage) -> u32 {
    if active(found) { 2_000 } else { 4_000 }
}

pub(crate) fn list(
    viewer: &Viewer,
    filters: &Filters,
    found: &RunPage,
    waiting: &[Waiting],
    now: Timestamp,
) -> Markup {
    let poll = format!("/api/version?{}", query(filters, &filters.cursor));
    layout::page(
        "Runs",
        "/",
        viewer,
        &html! {
            div class="title" { h1 { "Runs" } }
            (form(filters))
            div id="live" data-version=(version(found, waiting, now)) data-poll=(poll) data-every=(every(found)) data-say="The list of runs changed." {
                p class="right" { span id="live-mark" {} }
                (unreadable(&found.unreadable))
                (questions(waiting))
                @if !found.runs.is_empty() {
                    (table(&found.runs, now))
                } @else if found.unreadable.is_empty() {
                    (nothing(filters, found.cursor.is_some()))
                }
                (pager(filters, found))
                p class="muted" { a href={ "/feed?" (query(filters, "")) } { "Atom feed of these runs" } }
            }
        },
    )
}

/// A short text that changes with the list.
pub(crate) fn version(found: &RunPage, waiting: &[Waiting], now: Timestamp) -> String {
    // Running times go on.
    let tick = if active(found) { now.as_second() / 10 } else { 0 };
    let text = serde_json::json!([found.runs, found.unreadable, waiting, tick]).to_string();
    hex::encode(Sha256::digest(text.as_bytes())).chars().take(16).collect()
}

fn active(found: &RunPage) -> bool {
    found.runs.iter().any(|r| !r.status.is_final())
}

/// What waits for a person, above everything else, with how it is answered.
pub(super) fn questions(waiting: &[Waiting]) -> Markup {
    html! {
        @if !waiting.is_empty() {
            section class="card ask" aria-label="Waiting for an answer" {
                @for Waiting { question, message } in waiting {
                    p {
                        (Mark::Run.chip("waiting for an answer")) " "
                        a class="wrap" href={ "/runs/" (question.run_id) } { (short(&question.question, 400)) }
                        " " span class="muted wrap" { (short(message, 140)) }
                    }
                    p class="muted wrap" {
                        "Until " (instant(question.expires_at)) ", no answer counts as no. Answer with "
                        code { "pactctl approve " (question.run_id) } " or "
                        code { "pactctl approve --reject " (question.run_id) }
                    }
                }
            }
        }
    }
}

fn filtered(filters: &Filters) -> bool {
    filters.all().iter().any(|(_, value)| !value.is_empty())
}

fn form(filters: &Filters) -> Markup {
    let more = [&filters.repository, &filters.branch, &filters.author, &filters.environment];
    html! {
        form class="filters" method="get" action="/" role="search" {
            (field("text", "Words of the message, or commit", &filters.text, "gift cards"))
            div {
                label for="status" { "Status" }
                select id="status" name="status" {
                    option value="" { "any" }
                    @for status in RunStatus::ALL {
                        option value=(status.as_str()) selected[filters.status == status.as_str()] { (status.word()) }
                    }
                }
            }
            div class="actions" {
                button type="submit" { "Show" }
                @if filtered(filters) { a href="/" { "Clear" } }
            }
            details id="more-filters" open[more.iter().any(|value| !value.is_empty())] {
                summary { "Repository, branch, author, environment" }
                div class="more" {
                    (field("repository", "Repository", &filters.repository, "acme/web-shop"))
                    (field("branch", "Branch", &filters.branch, "main"))
                    (field("author", "Author of the commit", &filters.author, "Ada Lovelace"))
                    (field("environment", "Deployed to", &filters.environment, "production"))
                }
            }
        }
    }
}

fn field(name: &str, label: &str, value: &str, example: &str) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            input id=(name) name=(name) value=(value) placeholder=(example) maxlength="300" autocomplete="off";
        }
    }
}

fn nothing(filters: &Filters, goes_on: bool) -> Markup {
    html! {
        div class="card empty" {
            @if goes_on {
                p { "Of the runs that were looked at none matches; there are older ones." }
            } @else if filtered(filters) || !filters.cursor.is_empty() {
                p { "No run matches." }
                p { a href="/" { "Show all runs" } }
            } @else {
                p { "There are no runs yet." }
                p { "Push a commit, or start a run by hand: " code { "pactctl run" } }
            }
        }
    }
}

pub(super) fn table(runs: &[RunRecord], now: Timestamp) -> Markup {
    html! {
        div class="card table" {
            table class="runs" role="table" {
                caption class="hidden" { "Runs, the newest first" }
                (layout::columns(&["Run", "Status", "Branch", "Commit", "Duration", "Started"]))
                tbody role="rowgroup" { @for run in runs { (row(run, now)) } }
            }
        }
    }
}

fn row(run: &RunRecord, now: Timestamp) -> Markup {
    let request = &run.request;
    let message = request.message.as_deref().filter(|m| !m.trim().is_empty());
    html! {
        tr role="row" {
            td class="what" role="cell" {
                a class="message" href={ "/runs/" (request.run_id) } {
                    (short(message.unwrap_or("(no message)"), 140))
                }
                span class="muted wrap" {
                    a href=(repository_page(&request.repository.name)) { (short(request.repository.name.as_str(), 100)) }
                    @if let Some(author) = &request.author { " · " (short(author, 60)) }
                }
                @if let Some(cause) = cause(run, &[]) {
                    span class="why wrap" {
                        (short(&cause.sentence, 400))
                        @if let Some(remedy) = &cause.remedy { " " span class="muted" { "– to mend it: " (short(remedy, 200)) } }
                    }
                }
            }
            td role="cell" data-label="Status" { div { (run.status.chip()) } }
            td role="cell" data-label="Branch" class="wrap" { (short(&request.branch, 80)) }
            td role="cell" data-label="Commit" { code { (commit(&request.commit)) } }
            td role="cell" data-label="Duration" class="num" { (duration(run, now)) }
            td role="cell" data-label="Started" class="num" { (ago(request.started_at, now)) }
        }
    }
}

pub(super) fn pager(filters: &Filters, found: &RunPage) -> Markup {
    html! {
        nav class="pager" aria-label="Pages" {
            span { @if !filters.cursor.is_empty() {
                a href={ "/?" (query(filters, "")) } { "Newest runs" }
            } }
            span { @if let Some(cursor) = &found.cursor {
                a rel="next" href={ "/?" (query(filters, cursor)) } { "Older runs" }
            } }
        }
    }
}

/// The filters as the query of an address, going on at a cursor.
pub(crate) fn query(filters: &Filters, cursor: &str) -> String {
    let all = filters.all().into_iter().chain([("cursor", cursor)]);
    all.filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
}
