//! `/environments`: what is deployed where.

use jiff::Timestamp;
use maud::{Markup, html};
use pact_agent::ports::{EnvironmentPage, EnvironmentView, Listed, WatchResult};
use pact_contract::{
    EnvironmentKey, EnvironmentName,
    actions::ReleaseRecord,
    freeze::frozen,
    ledger::{LedgerEntry, Standing},
    objectives::Budget,
};

use sha2::{Digest as _, Sha256};

use super::{buttons, layout, list::query, recent::recent, unreadable::unreadable};
use crate::{
    filters::Filters,
    format::{address, ago, between, commit, duration, plural, repository_page, short},
    mark::Mark,
    viewer::Viewer,
};

pub(crate) fn environments(
    viewer: &Viewer,
    filters: &Filters,
    page: &EnvironmentPage,
    now: Timestamp,
) -> Markup {
    let EnvironmentPage { listed, cursor } = page;
    let version = version(listed);
    let mut all: Vec<_> = listed.items.iter().collect();
    // By repository, production first: that is what people come for.
    all.sort_by_key(|e| &e.key);
    let this = match query(filters, &filters.cursor) {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    };
    layout::page(
        "Environments",
        "/environments",
        viewer,
        &html! {
            div class="title" { h1 { "Environments" } span id="live-mark" {} }
            div id="live" data-version=(version) data-poll={ "/api/environments/version" (this) } data-every="4000" data-say="The environments changed." {
            (unreadable(&listed.unreadable))
            @if all.is_empty() {
                @if listed.unreadable.is_empty() {
                    div class="card empty" {
                        p { "Nothing was deployed yet." }
                        p { "A repository says in " code { "pact.toml" } " where its releases go." }
                    }
                }
            } @else {
                (table(viewer, all, now))
            }
            }
            nav class="pager" aria-label="Pages" {
                span { @if !filters.cursor.is_empty() { a href="/environments" { "First environments" } } }
                span { @if let Some(cursor) = cursor {
                    a rel="next" href={ "/environments?" (query(filters, cursor)) } { "More environments" }
                } }
            }
        },
    )
}

/// Environments, a row each.
pub(super) fn table<'a>(
    viewer: &Viewer,
    all: impl IntoIterator<Item = &'a EnvironmentView>,
    now: Timestamp,
) -> Markup {
    let all: Vec<_> = all.into_iter().collect();
    html! {
        div class="card table" {
            table role="table" {
                caption class="hidden" { "What is deployed where" }
                (layout::columns(&["Repository", "Environment", "State", "Watch", "Release", "Since", "Before it", "Address"]))
                tbody role="rowgroup" {
                    @for environment in &all { tr role="row" { (row(viewer, environment, &all, now)) } }
                }
            }
        }
    }
}

/// The releases of an environment, the latest first; nothing where there was one at most.
pub(super) fn history(view: &EnvironmentView, now: Timestamp) -> Markup {
    let entries = view.record.ledger.entries();
    let name = view.key.environment.as_str();
    html! {
        @if !entries.is_empty() {
            details class="card table" {
                summary { "History of " (short(name, 40)) " (" (plural(entries.len(), "release")) ")" }
                (served_strip(entries, now))
                table role="table" {
                    caption class="hidden" { "Releases of " (short(name, 40)) ", the latest first" }
                    (layout::columns(&["Release", "Commit", "Verdict", "Branch", "Deployed", "Served", "Why"]))
                    tbody role="rowgroup" {
                        @for entry in entries { tr role="row" { (release_row(entry, now)) } }
                    }
                }
            }
        }
    }
}

/// How it was judged.
const fn mark(entry: &LedgerEntry) -> Mark {
    match entry.standing {
        Standing::Good => Mark::Pass,
        Standing::Rejected => Mark::Fail,
        Standing::Withdrawn => Mark::Skip,
        Standing::Candidate => Mark::Run,
    }
}

/// How long it was in effect, in milliseconds.
fn served(entry: &LedgerEntry, now: Timestamp) -> u64 {
    let so_far = entry.serving_since.map_or(0, |since| between(since, now));
    entry.served_seconds.saturating_mul(1_000).saturating_add(so_far)
}

/// A part for each release, the newest on the right, as long as it served long beside the others.
fn served_strip(entries: &[LedgerEntry], now: Timestamp) -> Markup {
    /// Length of all together, and the least of one.
    const WIDTH: u64 = 600;
    const LEAST: u64 = 6;
    let all = entries.iter().map(|entry| served(entry, now)).fold(0, u64::saturating_add).max(1);
    let long = |entry: &LedgerEntry| {
        let part = u128::from(served(entry, now)) * u128::from(WIDTH) / u128::from(all);
        u64::try_from(part).unwrap_or(WIDTH).max(LEAST)
    };
    let parts = entries.iter().rev().scan(0, |at, entry| {
        let begin = *at;
        *at += long(entry) + 2;
        Some((begin, entry))
    });
    let end: u64 = entries.iter().map(|entry| long(entry) + 2).sum();
    html! {
        svg class="strip" viewBox={ "0 0 " (end) " 16" } height="16" preserveAspectRatio="none" role="img"
            aria-label="How long each release served, the newest on the right; the table has the numbers" {
            @for (begin, entry) in parts {
                rect class=(mark(entry).class()) x=(begin) y="0" width=(long(entry)) height="16" rx="2" {
                    title { (short(entry.release.as_str(), 60)) ", " (entry.standing.as_str()) ", " (duration(served(entry, now))) }
                }
            }
        }
    }
}

fn release_row(entry: &LedgerEntry, now: Timestamp) -> Markup {
    let (mark, served) = (mark(entry), served(entry, now));
    let why = match (&entry.origin.on_purpose, &entry.reason) {
        (_, Some(reason)) => Some(short(reason, 300)),
        (Some(word), None) => {
            Some(format!("by {}: {}", short(&word.by, 60), short(&word.reason, 200)))
        }
        (None, None) => None,
    };
    html! {
        td role="cell" {
            a class="mono wrap" href={ "/runs/" (crate::format::encoded(entry.run_id.as_str())) } {
                (short(entry.release.as_str(), 60))
            }
        }
        td role="cell" data-label="Commit" class="mono" { (commit(&entry.commit)) }
        td role="cell" data-label="Verdict" { (mark.chip(entry.standing.as_str())) }
        td role="cell" data-label="Branch" class="wrap" {
            @match &entry.origin.branch { Some(branch) => (short(branch, 60)), None => "–" }
        }
        td role="cell" data-label="Deployed" class="num" { (ago(entry.deployed_at, now)) }
        td role="cell" data-label="Served" class="num" {
            (duration(served)) @if entry.serving_since.is_some() { " so far" }
        }
        td role="cell" data-label="Why" class="wrap" { @match why { Some(why) => (why), None => "–" } }
    }
}

/// A short text that changes with what is deployed, and with how it was seen.
pub(crate) fn version(all: &Listed<EnvironmentView>) -> String {
    let text = serde_json::json!(all).to_string();
    hex::encode(Sha256::digest(text.as_bytes())).chars().take(16).collect()
}

/// The whole of which the environment is one region or account.
fn wave_of(view: &EnvironmentView) -> Option<&EnvironmentName> {
    view.record.wave_of()
}

fn row(
    viewer: &Viewer,
    view: &EnvironmentView,
    all: &[&EnvironmentView],
    now: Timestamp,
) -> Markup {
    let EnvironmentView { key, record, watch, incident, budget } = view;
    let EnvironmentKey { repository: name, environment } = key;
    let good = |r: &&ReleaseRecord| record.ledger.is_good(&r.release);
    let back = record.previous.as_ref().filter(good).is_some() && record.pending.is_none();
    let state = match (&record.pending, &record.current) {
        (Some(_), _) => Mark::Run.chip("being deployed"),
        // What is in effect and does not answer is not well.
        (None, Some(_)) if watch.as_ref().is_some_and(|w| w.health == "unhealthy") => {
            Mark::Warn.chip("live")
        }
        (None, Some(_)) => Mark::Pass.chip("live"),
        (None, None) => Mark::Skip.chip("empty"),
    };
    html! {
        td role="cell" class="wrap" { strong { a href=(repository_page(name)) { (short(name.as_str(), 100)) } } }
        td role="cell" data-label="Environment" {
            div {
                (short(environment.as_str(), 40))
                @if let Some(whole) = wave_of(view) { p class="muted" { "wave of " (short(whole.as_str(), 40)) } }
            }
        }
        td role="cell" data-label="State" {
            div {
                (state)
                @if let Some(pending) = &record.pending {
                    p class="muted" {
                        "new: " (release(&pending.release))
                        @if let Some(weight) = pending.shift.as_ref().and_then(|shift| shift.reached) {
                            ", with " (weight) " % of the requests"
                        }
                    }
                }
                (doors(view, now))
            }
        }
        td role="cell" data-label="Watch" class="wrap" {
            // One piece: a narrow page puts it beside its label.
            div {
                @match watch { Some(seen) => (watched(seen, now)), None => "–" }
                @if let (Some(budget), Some(current)) = (budget, &record.current) {
                    (left(budget, current, now))
                    (recent(budget, record.serving_since(), now))
                }
                @if let Some(id) = incident {
                    p { "incident " a class="mono wrap" href={ "/incidents#incident-" (id) } { (id) } }
                    (buttons::look_after(viewer, id))
                }
            }
        }
        td role="cell" data-label="Release" {
            div {
                @match &record.current { Some(r) => (release(r)), None => "–" }
                @for (ahead, pushes) in ahead(view, all) {
                    p class="muted" { (short(ahead.as_str(), 40)) " is " (plural(pushes, "push")) " ahead" }
                }
            }
        }
        td role="cell" data-label="Since" class="num" {
            @match record.serving_since() { Some(since) => (ago(since, now)), None => "–" }
        }
        td role="cell" data-label="Before it" {
            @match &record.previous { Some(r) => (release(r)), None => "–" }
            @if back { (buttons::roll_back(viewer, key, wave_of(view))) }
        }
        td role="cell" data-label="Address" class="wrap" {
            @match &record.url { Some(url) => (address(url)), None => "–" }
        }
    }
}

/// What a release meets before it comes in: a closed door, or somebody who is asked.
fn doors(view: &EnvironmentView, now: Timestamp) -> Markup {
    let EnvironmentView { key, record, .. } = view;
    let settings = record.current.as_ref().map(|current| &current.settings);
    let windows = settings.map(|settings| settings.freeze.as_slice()).unwrap_or_default();
    // What was checked when it was deployed can be read now.
    let closed = frozen(key.environment.as_str(), windows, now).unwrap_or_default();
    let from = now.strftime("%Y-%m-%dT%H:%M:%S.999Z").to_string();
    html! {
        @if let Some(closed) = closed.iter().find(|closed| closed.from <= from) {
            p class="muted wrap" { (short(&closed.why, 300)) }
        }
        @if settings.is_some_and(|settings| settings.approval.is_some()) {
            p class="muted" { "asks for approval" }
        }
    }
}

/// Environments of the repository that have later pushes of the same branch, and how many pushes
/// later: what waits to be promoted.
fn ahead<'a>(
    view: &EnvironmentView,
    all: &[&'a EnvironmentView],
) -> Vec<(&'a EnvironmentName, usize)> {
    let place = |view: &EnvironmentView| {
        let entry = view.record.ledger.of(&view.record.current.as_ref()?.release)?;
        Some((entry.origin.branch.clone()?, entry.origin.place?))
    };
    let Some((branch, own)) = place(view) else { return Vec::new() };
    let others = all.iter().filter(|other| other.key.repository == view.key.repository);
    let places = others.filter_map(|other| {
        let (of, place) = place(other)?;
        let pushes = usize::try_from(place.checked_sub(own)?).ok()?;
        (of == branch && pushes > 0).then_some((&other.key.environment, pushes))
    });
    places.collect()
}

/// What is left of the budget of errors that each promise allows.
fn left(budget: &Budget, current: &ReleaseRecord, now: Timestamp) -> Markup {
    let objectives = current.settings.watch.as_ref().and_then(|watch| watch.objectives.as_ref());
    let lines = objectives.into_iter().flat_map(|objectives| {
        objectives.each().filter_map(|(sli, share)| {
            let left = budget.left(sli, share, objectives.days, now)?;
            let said = if left > 0.0 {
                format!("{:.0} % of the budget of errors is left", (100.0 * left).floor())
            } else {
                "the budget of errors is spent".to_owned()
            };
            Some(format!("{}: {said} ({} days)", sli.as_str(), objectives.days))
        })
    });
    html! { @for line in lines { p class="muted" { (line) } } }
}

fn watched(seen: &WatchResult, now: Timestamp) -> Markup {
    let mark = match seen.health.as_str() {
        "healthy" => Mark::Pass,
        "unhealthy" => Mark::Fail,
        _ => Mark::Skip,
    };
    html! {
        div {
            (mark.chip(&short(&seen.health, 20)))
            p class="muted" {
                (ago(seen.at, now))
                @if seen.health != "healthy" { ": " (short(&seen.summary, 300)) }
            }
        }
    }
}

fn release(record: &ReleaseRecord) -> Markup {
    html! {
        a class="mono wrap" href={ "/runs/" (crate::format::encoded(record.run_id.as_str())) }
            title={ "commit " (commit(&record.commit)) } { (short(record.release.as_str(), 60)) }
    }
}
