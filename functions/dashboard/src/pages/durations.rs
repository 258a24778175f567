//! `/durations`: where the time of a repository's runs goes.

use maud::{Markup, html};
use pact_contract::{RepositoryName, durations::StageTime};

use super::layout;
use crate::{
    format::{duration, plural, repository_page, short},
    viewer::Viewer,
};

pub(crate) fn durations(
    viewer: &Viewer,
    name: &RepositoryName,
    runs: usize,
    times: &[StageTime],
) -> Markup {
    let longest = times.first().map_or(1, |time| time.median_ms.max(1));
    let share = |time: &StageTime| time.median_ms.saturating_mul(100) / longest;
    layout::page(
        &format!("Durations of {name}"),
        "/",
        viewer,
        &html! {
            div class="title" { h1 { "Where the time goes" } }
            p { a href=(repository_page(name)) { (short(name.as_str(), 200)) } }
            p class="muted" { "Of the last " (plural(runs, "run")) " that ended, stage by stage; stages go on side by side." }
            @if times.is_empty() {
                div class="card empty" { p { "No stage of it has ended yet." } }
            } @else {
                div class="card table" {
                    table role="table" {
                        caption class="hidden" { "Stages, the one that takes longest first" }
                        thead role="rowgroup" { tr role="row" {
                            @for head in ["Stage", "Half took at most", "Longest", "Runs", "Beside the longest"] {
                                th role="columnheader" scope="col" { (head) }
                            }
                        } }
                        tbody role="rowgroup" {
                            @for time in times { tr role="row" {
                                td role="cell" class="wrap" { (short(&time.state.title(), 80)) }
                                td role="cell" data-label="Half took at most" class="num" { (duration(time.median_ms)) }
                                td role="cell" data-label="Longest" class="num" { (duration(time.longest_ms)) }
                                td role="cell" data-label="Runs" class="num" { (time.runs) }
                                td role="cell" data-label="Beside the longest" {
                                    meter min="0" max="100" value=(share(time)) aria-label={ (share(time)) " % of the longest" } {}
                                }
                            } }
                        }
                    }
                }
            }
        },
    )
}
