//! `/runs/{id}/logs/{state}`: what a stage writes, its last lines first.

use maud::{Markup, html};
use pact_agent::logs::LogPage;
use pact_contract::{RunId, StateName};
use sha2::{Digest, Sha256};

use super::layout;
use crate::{
    format::{encoded, plural, short},
    viewer::Viewer,
};

/// Bytes of a line.
const MAX_LINE: usize = 2_000;

/// Where the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// At the last lines, which change as long as the stage goes on.
    Tail,
    /// Somewhere on the way from the beginning.
    Piece,
}

/// A piece of the log of a stage.
pub(crate) fn log(
    (run_id, state): (&RunId, &StateName),
    part: Part,
    page: &LogPage,
    viewer: &Viewer,
) -> Markup {
    let title = format!("Log of {}", state.title());
    let here = format!("/runs/{run_id}/logs/{}", encoded(state.as_str()));
    let goes_on = part == Part::Tail && page.next.is_some();
    let poll = goes_on.then(|| format!("/api{here}?from=tail"));
    let further = page.next.as_deref().filter(|_| part == Part::Piece);
    let lines: Vec<String> = page.lines.iter().map(|line| short(&line.text, MAX_LINE)).collect();
    layout::page(
        &title,
        "/",
        viewer,
        &html! {
            div id="live" data-version=(version(page)) data-poll=[poll] data-every="2000" {
                div class="title" { h1 { (short(&title, 200)) } span id="live-mark" {} }
                p class="muted" {
                    a href={ "/runs/" (run_id) } { "To the run" }
                    " · "
                    @match part {
                        Part::Tail => {
                            "The last " (plural(lines.len(), "line")) " · "
                            a href={ (here) "?from=start" } { "From the beginning" }
                        },
                        Part::Piece => a href=(here) { "The last lines" },
                    }
                    " · " a href={ "/api" (here) "?from=" @if part == Part::Tail { "tail" } @else { "start" } } { "JSON" }
                }
                @if lines.is_empty() {
                    p class="card empty" { "Nothing was written yet." }
                } @else {
                    pre id="lines" class="log" tabindex="0" { (lines.join("\n")) }
                }
                @if let Some(next) = further {
                    p { a class="button" href={ (here) "?from=" (encoded(next)) } { "Further" } }
                }
            }
        },
    )
}

/// Changes whenever there is something else to show.
pub(crate) fn version(page: &LogPage) -> String {
    let last = page.lines.last().map(|line| line.text.as_str()).unwrap_or_default();
    let state = format!("{} {:?} {last}", page.lines.len(), page.next);
    hex::encode(Sha256::digest(state)).chars().take(16).collect()
}
