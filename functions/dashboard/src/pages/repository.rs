//! `/repositories/{name}`: how a repository has done lately, and what is deployed of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, html};
use pact_agent::ports::{EnvironmentView, Listed, RunPage};
use pact_contract::{
    RepositoryName, RunRecord, RunStatus,
    cause::{CauseKind, cause},
    run::RuleOutcome,
};

use super::{environments, layout, list, unreadable::unreadable};
use crate::{
    filters::Filters,
    format::{between, duration, encoded, plural, short},
    mark::Marked as _,
    viewer::Viewer,
};

/// What the page is made of.
pub(crate) struct Repository<'a> {
    pub(crate) name: &'a RepositoryName,
    pub(crate) found: &'a RunPage,
    pub(crate) waiting: &'a [list::Waiting],
    pub(crate) environments: &'a Listed<EnvironmentView>,
    pub(crate) now: Timestamp,
}

pub(crate) fn repository(viewer: &Viewer, filters: &Filters, it: &Repository<'_>) -> Markup {
    let Repository { name, found, waiting, environments, now } = it;
    let query = format!("repository={}", encoded(name.as_str()));
    let version = list::version(found, waiting, *now);
    layout::page(
        name.as_str(),
        "/",
        viewer,
        &html! {
            div class="title" {
                h1 { (short(name.as_str(), 200)) }
                span id="live-mark" {}
            }
            div id="live" data-version=(version) data-poll={ "/api/version?" (query) } data-every=(list::every(found)) data-say="The runs of the repository changed." {
                (unreadable(&found.unreadable))
                (unreadable(&environments.unreadable))
                (list::questions(waiting))
                (short_account(&found.runs, *now))
                section aria-labelledby="environments" {
                    h2 id="environments" { "Environments" }
                    @if environments.items.is_empty() {
                        p class="muted" { "Nothing of it was deployed yet." }
                    } @else {
                        (environments::table(viewer, &environments.items, *now))
                        @for environment in &environments.items { (environments::history(environment, *now)) }
                        p class="muted" {
                            "How well they are delivered to: "
                            @for (n, environment) in environments.items.iter().enumerate() {
                                @if n > 0 { ", " }
                                a href={ "/insights?" (query) "&environment=" (encoded(environment.key.environment.as_str())) } {
                                    (short(environment.key.environment.as_str(), 40))
                                }
                            }
                        }
                    }
                }
                section aria-labelledby="runs" {
                    h2 id="runs" { "The latest runs" }
                    (list::table(&found.runs, *now))
                    (list::pager(filters, found))
                }
                section aria-labelledby="elsewhere" {
                    h2 id="elsewhere" { "Elsewhere" }
                    p { a href={ "/durations?" (query) } { "Where the time of its runs goes" } }
                    p { a href={ "/tests?" (query) } { "Its slowest and flakiest tests" } }
                    p { a href={ "/feed?" (query) } { "Atom feed of its runs" } }
                    p class="wrap" {
                        "Badge of the latest result: "
                        img src={ "/badge.svg?" (query) } alt={ "latest result of " (name) } height="20";
                        " " code { "/badge.svg?" (query) "&branch=…" }
                        " " span class="muted" { "(for those who may read runs)" }
                    }
                }
            }
        },
    )
}

/// How the runs ended, how long they took, and what they failed of.
fn short_account(runs: &[RunRecord], now: Timestamp) -> Markup {
    let ended: Vec<&RunRecord> = runs.iter().filter(|run| run.status.is_final()).collect();
    let succeeded = ended.iter().filter(|run| run.status == RunStatus::Succeeded).count();
    let mut times: Vec<u64> = ended.iter().map(|run| spent(run, now)).collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied();
    html! {
        @if !ended.is_empty() {
            section class="card" aria-label="In short" {
                p {
                    strong { (succeeded) " of the last " (plural(ended.len(), "ended run")) " succeeded" }
                    @if let Some(median) = median { "; half of them took " (duration(median)) " or less" }
                }
                (strip(runs, now))
                @let failing = what_fails(&ended);
                @if !failing.is_empty() {
                    p class="muted wrap" {
                        "What fails most: "
                        @for (n, (what, times)) in failing.iter().take(5).enumerate() {
                            @if n > 0 { ", " }
                            (what) " (" (times) ")"
                        }
                    }
                }
                @let asked = asked_in_vain(&ended);
                @if !asked.is_empty() {
                    p class="muted wrap" {
                        "What the gate asked for in vain: "
                        @for (n, (rule, times)) in asked.iter().take(5).enumerate() {
                            @if n > 0 { ", " }
                            code { (short(rule, 60)) } " (" (times) ")"
                        }
                    }
                }
            }
        }
    }
}

/// The rules that decisions depended on and that were not met, or not checked, the most frequent first.
fn asked_in_vain<'a>(runs: &[&'a RunRecord]) -> Vec<(&'a str, usize)> {
    let decisions = runs.iter().filter_map(|run| run.outcome.as_ref()?.decision.as_ref());
    let rules = decisions.flat_map(|decision| &decision.reasons);
    let mut counts = BTreeMap::<&str, usize>::new();
    for rule in rules.filter(|rule| rule.required && rule.outcome != RuleOutcome::Met) {
        *counts.entry(&rule.rule).or_default() += 1;
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    all
}

fn spent(run: &RunRecord, now: Timestamp) -> u64 {
    between(run.request.started_at, run.finished_at.unwrap_or(now))
}

/// What the runs did not end well of, the most frequent first.
fn what_fails(runs: &[&RunRecord]) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::<String, usize>::new();
    for (run, cause) in runs.iter().filter_map(|run| Some((run, cause(run, &[])?))) {
        let what = match cause.kind {
            // How it ended says more.
            CauseKind::Other => run.status.word(),
            kind => kind.word().to_owned(),
        };
        *counts.entry(what).or_default() += 1;
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    all
}

/// A bar for each run, the oldest first, as high as it took long.
fn strip(runs: &[RunRecord], now: Timestamp) -> Markup {
    let longest = runs.iter().map(|run| spent(run, now)).max().unwrap_or(1).max(1);
    let height = |run: &RunRecord| {
        let part = spent(run, now).saturating_mul(44).checked_div(longest).unwrap_or(0);
        part.clamp(3, 44)
    };
    html! {
        svg class="strip" viewBox={ "0 0 " (runs.len() * 14) " 48" } height="48" role="group"
            aria-label="How long the latest runs took, the newest on the right" {
            @for (n, run) in runs.iter().rev().enumerate() {
                @let high = height(run);
                a href={ "/runs/" (run.request.run_id) }
                    aria-label={ (run.status.word()) ", " (duration(spent(run, now))) } {
                    title { (run.status.word()) ", " (duration(spent(run, now))) }
                    rect class=(run.status.mark().class()) x=(n * 14) y=(48 - high) width="10" height=(high) rx="2" {}
                }
            }
        }
    }
}
