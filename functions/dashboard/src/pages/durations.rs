//! `/durations`: where the time of a repository's runs goes, and what they cost.

use maud::{Markup, html};
use pact_contract::{RepositoryName, RunId, cost::Estimate, durations::StageTime};

use super::layout;
use crate::{
    format::{dollars, duration, plural, repository_page, short},
    viewer::Viewer,
};

/// What the latest runs of a repository that ended took.
pub(crate) struct Spent {
    pub(crate) repository: RepositoryName,
    /// Run by run, the latest first.
    pub(crate) costs: Vec<(RunId, Estimate)>,
    /// Stage by stage, over all of them.
    pub(crate) times: Vec<StageTime>,
}

pub(crate) fn durations(viewer: &Viewer, spent: &Spent) -> Markup {
    let Spent { repository: name, costs, times } = spent;
    let longest = times.first().map_or(1, |time| time.median_ms.max(1));
    let share = |time: &StageTime| time.median_ms.saturating_mul(100) / longest;
    layout::page(
        &format!("Durations of {name}"),
        "/",
        viewer,
        &html! {
            div class="title" { h1 { "Where the time goes" } }
            p { a href=(repository_page(name)) { (short(name.as_str(), 200)) } }
            p class="muted" { "Of the last " (plural(costs.len(), "run")) " that ended, stage by stage; stages go on side by side." }
            @if times.is_empty() {
                div class="card empty" { p { "No stage of it has ended yet." } }
            } @else {
                div class="card table" {
                    table role="table" {
                        caption class="hidden" { "Stages, the one that takes longest first" }
                        (layout::columns(&["Stage", "Half took at most", "Longest", "Runs", "Beside the longest"]))
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
                (cost(costs))
            }
        },
    )
}

/// What they cost, run by run.
fn cost(costs: &[(RunId, Estimate)]) -> Markup {
    html! {
        section aria-labelledby="cost" {
            h2 id="cost" { "What a run costs on AWS" }
            p class="muted" {
                "Estimated from how long its stages took, at the prices of us-east-1 without the free tier: time in functions by their memory, each minute of a build that has begun, and what is usual for the rest. "
                code { "pactctl runs cost" } " makes out a bill for a run of this machine."
            }
            div class="card table" {
                table role="table" {
                    caption class="hidden" { "Runs, the latest first" }
                    (layout::columns(&["Run", "In all", "Builds", "Functions", "The rest"]))
                    tbody role="rowgroup" {
                        @for (run, cost) in costs { tr role="row" {
                            td role="cell" class="wrap" { a href={ "/runs/" (run) } { code { (run) } } }
                            td role="cell" data-label="In all" class="num" { (dollars(cost.total_usd())) }
                            td role="cell" data-label="Builds" class="num" { (dollars(cost.builds_usd)) }
                            td role="cell" data-label="Functions" class="num" { (dollars(cost.functions_usd)) }
                            td role="cell" data-label="The rest" class="num" { (dollars(cost.conducting_usd)) }
                        } }
                    }
                }
            }
        }
    }
}
