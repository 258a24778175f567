//! `/incidents`: what was not well, the latest first.

use jiff::Timestamp;
use maud::{Markup, html};
use pact_agent::incidents::IncidentPage;
use pact_contract::incident::{Affected, Health, Incident};
use sha2::{Digest as _, Sha256};

use super::{buttons, layout, unreadable::unreadable};
use crate::{
    format::{ago, duration, encoded, instant, plural, repository_page, short},
    mark::Mark,
    viewer::Viewer,
};

/// Environments of one incident on the page.
const MAX_AFFECTED: usize = 20;

pub(crate) fn incidents(
    viewer: &Viewer,
    page: &IncidentPage,
    older: bool,
    now: Timestamp,
) -> Markup {
    let (open, over): (Vec<_>, Vec<_>) = page.incidents.iter().partition(|i| i.is_open());
    let poll = (!older).then_some("/api/incidents/version");
    layout::page(
        "Incidents",
        "/incidents",
        viewer,
        &html! {
            div class="title" { h1 { "Incidents" } span id="live-mark" {} }
            div id="live" data-version=(version(page)) data-poll=[poll] data-every="4000" data-say="The incidents changed." {
                (unreadable(&page.unreadable))
                @if open.is_empty() && !older {
                    div class="card empty" {
                        p { "Nothing is known to be ill." }
                        p { "What is deployed is looked at on a schedule; what is not well there is an incident." }
                    }
                }
                @if !open.is_empty() { h2 { "Open" } }
                @for incident in open { (one(viewer, incident, now)) }
                @if !over.is_empty() {
                    h2 { "Over" }
                    @for incident in over { (one(viewer, incident, now)) }
                }
                @if let Some(cursor) = &page.cursor {
                    p { a class="button" href={ "/incidents?cursor=" (encoded(cursor)) } { "Older ones" } }
                }
            }
        },
    )
}

/// A short text that changes with the incidents.
pub(crate) fn version(page: &IncidentPage) -> String {
    let text = serde_json::json!(page.incidents).to_string();
    hex::encode(Sha256::digest(text.as_bytes())).chars().take(16).collect()
}

fn one(viewer: &Viewer, incident: &Incident, now: Timestamp) -> Markup {
    let id = &incident.id;
    let open = incident.is_open();
    let mark = if open { Mark::Fail } else { Mark::Pass };
    let lasted = u64::try_from(incident.duration(now).as_millis()).unwrap_or(0);
    html! {
        section class={ "card incident " (mark.class()) } id={ "incident-" (id) } aria-labelledby={ "title-" (id) } {
            div class="title" {
                h3 id={ "title-" (id) } class="wrap" { (title(incident)) }
                (mark.chip(if open { "open" } else { "over" }))
            }
            p class="muted" {
                span class="mono" { (id) } " · since " (instant(incident.opened_at)) " (" (ago(incident.opened_at, now)) ")"
                @if !open { " · lasted " (duration(lasted)) }
                @if let Some(by) = &incident.closed_by { ", closed by " (short(by, 60)) }
            }
            table role="table" {
                caption class="hidden" { "Where it shows itself" }
                (layout::columns(&["Where", "State", "Why", "Since", "Taken back by"]))
                tbody role="rowgroup" {
                    @for affected in incident.affected.iter().take(MAX_AFFECTED) {
                        tr role="row" { (place(affected, now)) }
                    }
                }
            }
            @if incident.affected.len() > MAX_AFFECTED {
                p { a href={ "/v1/incidents/" (id) } { "All " (incident.affected.len()) " in the JSON" } }
            }
            @match &incident.acknowledged {
                Some(word) => p class="wrap" {
                    strong { (short(&word.by, 60)) } @if open { " looks after it since " } @else { " looked after it from " } (instant(word.at))
                    @if let Some(note) = &word.note { ": " (short(note, 400)) }
                },
                None if open => {
                    p class="muted" {
                        "Nobody looks after it; " (plural(incident.level(now), "channel")) " told so far, where there are as many."
                    }
                }
                None => {}
            }
            @if open {
                @if incident.acknowledged.is_none() { (buttons::look_after(viewer, id)) }
                (buttons::close(viewer, id))
            }
        }
    }
}

/// What it is about: the first environment, and how many others.
fn title(incident: &Incident) -> String {
    let Some(first) = incident.affected.first() else { return "Nothing is affected".to_owned() };
    let at = match first.alarm() {
        Some(alarm) => format!("The alarm {alarm}"),
        None => format!("{} {}", first.environment.repository, first.environment.environment),
    };
    let others = incident.affected.len() - 1;
    let also = match others {
        0 => String::new(),
        n => format!(" and {}", plural(n, "other environment")),
    };
    let how = match first.health {
        Health::Unknown => "nobody knows how it is",
        Health::Healthy | Health::Unhealthy => "it is not well",
    };
    format!("{}{also}: {how}", short(&at, 140))
}

fn place(affected: &Affected, now: Timestamp) -> Markup {
    let Affected { environment, release, health, reason, since, until, taken_back_by } = affected;
    let (mark, word) = match (until, health) {
        (Some(_), _) => (Mark::Pass, "well again"),
        (None, Health::Unknown) => (Mark::Skip, health.as_str()),
        (None, _) => (Mark::Fail, health.as_str()),
    };
    html! {
        td role="cell" class="wrap" {
            @match affected.alarm() {
                Some(_) => "The alarm",
                None => a href=(repository_page(&environment.repository)) { (short(environment.repository.as_str(), 100)) },
            }
            " " strong { (short(environment.environment.as_str(), 40)) }
            @if let Some(release) = release { br; span class="muted mono" { (short(release.as_str(), 60)) } }
        }
        td role="cell" data-label="State" { div { (mark.chip(word)) } }
        td role="cell" data-label="Why" class="wrap" { (short(reason, 400)) }
        td role="cell" data-label="Since" class="num" {
            (ago(*since, now))
            @if let Some(until) = until { ", until " (ago(*until, now)) }
        }
        td role="cell" data-label="Taken back by" class="wrap" {
            @match taken_back_by {
                Some(run) => a class="mono" href={ "/runs/" (encoded(run.as_str())) } { (short(run.as_str(), 60)) },
                None => "–",
            }
        }
    }
}
