//! What other programs show of runs: an Atom feed (RFC 4287) of a list, and a badge.

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
};
use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};
use pact_agent::ports::RunPage;
use pact_contract::{RunRecord, RunStatus, cause::cause};

use crate::{
    filters::Filters,
    format::short,
    mark::{Mark, Marked as _},
    pages,
};

/// Text as XML may have it: it knows no control characters, and no non-characters.
fn text(of: &str, limit: usize) -> String {
    short(of, limit).replace(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'), " ")
}

/// The runs of a list as a feed, the latest first.
pub(crate) fn feed(filters: &Filters, found: &RunPage, now: Timestamp) -> Response<Body> {
    let of = |run: &RunRecord| run.finished_at.unwrap_or(run.request.started_at);
    let updated = found.runs.iter().map(of).max().unwrap_or(now);
    let query = pages::list_query(filters, "");
    let id = if query.is_empty() {
        "urn:pact:runs".to_owned()
    } else {
        format!("urn:pact:runs:{query}")
    };
    let markup = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"utf-8\"?>"))
        feed xmlns="http://www.w3.org/2005/Atom" {
            title { "Runs of PACT" @if !filters.repository.is_empty() { ": " (text(&filters.repository, 200)) } }
            id { (id) }
            updated { (format!("{updated:.0}")) }
            author { name { "PACT" } }
            link rel="self" type="application/atom+xml" href={ "/feed?" (query) } {}
            @for run in &found.runs { (entry(run, of(run))) }
        }
    };
    answer(&markup, "application/atom+xml; charset=utf-8")
}

fn entry(run: &RunRecord, updated: Timestamp) -> Markup {
    let request = &run.request;
    let said = cause(run, &[]).map(|cause| cause.sentence);
    let status = run.status.word();
    html! {
        entry {
            title {
                (request.repository.name) " " (text(&request.branch, 100)) ": " (status) ": "
                (text(request.message.as_deref().unwrap_or("(no message)"), 140))
            }
            // A run that ends is another entry than the one that began: readers show each once.
            id { "urn:pact:run:" (request.run_id) ":" (run.status.as_str()) }
            updated { (format!("{updated:.0}")) }
            link href={ "/runs/" (request.run_id) } {}
            @if let Some(author) = &request.author { author { name { (text(author, 100)) } } }
            summary { (text(&said.unwrap_or(status), 500)) }
        }
    }
}

/// The latest result among these runs as a small picture.
pub(crate) fn badge(found: &RunPage) -> Response<Body> {
    let last = found.runs.iter().find(|run| run.status.is_final()).map(|run| run.status);
    let (mark, word) = match last {
        Some(status) => (status.mark(), status.word()),
        None => (Mark::Skip, "no result".to_owned()),
    };
    let colour = match mark {
        Mark::Pass => "#116329",
        Mark::Fail => "#a40e26",
        Mark::Warn => "#7f4300",
        Mark::Run => "#0a4da8",
        Mark::Skip | Mark::Wait => "#4a525d",
    };
    debug_assert!(last.is_none_or(RunStatus::is_final));
    // Letters of this size are at most as wide as this.
    let wide = 16 + 7 * word.chars().count();
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(44 + wide) height="20" role="img" aria-label={ "PACT: " (word) } {
            title { "PACT: " (word) }
            rect width="44" height="20" fill="#1a1f26" {}
            rect x="44" width=(wide) height="20" fill=(colour) {}
            g fill="#ffffff" text-anchor="middle" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" {
                text x="22" y="14" { "PACT" }
                text x=(44 + wide / 2) y="14" { (word) }
            }
        }
    };
    answer(&markup, "image/svg+xml")
}

fn answer(markup: &Markup, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(markup.0.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
