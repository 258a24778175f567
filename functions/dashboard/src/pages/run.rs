//! `/runs/{id}`: everything about one run.

use jiff::Timestamp;
use maud::{Markup, html};
use pact_contract::{ReleaseId, RunRequest, StateName, cause::Cause, log::LogKind, shift::walked};

use super::{buttons, evidence, layout, timeline, unreadable::unreadable, verdicts, watch};
use crate::{
    format::{
        address, ago, anchor, commit, dollars, encoded, excerpt, instant, plural, repository_page,
        short,
    },
    graph::graph,
    hosts,
    mark::{Mark, Marked as _},
    view::{Parts, RunView},
    viewer::Viewer,
};

/// Most entries of the transaction log on the page.
const MAX_LOG: usize = 400;

pub(crate) fn run(viewer: &Viewer, view: &RunView) -> Markup {
    let request = &view.run.request;
    let heading = request.message.as_deref().filter(|m| !m.trim().is_empty());
    let heading = short(heading.unwrap_or(request.run_id.as_str()), 200);
    let poll = (!view.settled()).then(|| format!("/api/runs/{}/version", request.run_id));
    let cause = view.cause();
    let decided = cause.as_ref().and_then(|c| c.state.as_ref()).map(StateName::as_str);
    let say = format!("{}. {}", view.run.status.word(), view.reason());
    layout::page(
        &heading,
        "/",
        viewer,
        &html! {
            div id="live" data-version=(view.version()) data-poll=[poll] data-every="2000" data-say=(short(&say, 300)) {
                (head(viewer, view, &heading, cause.as_ref()))
                (unreadable(&view.parts.unreadable))
                (approvals(viewer, view))
                (verdicts::verdicts(view, cause.as_ref()))
                (verdicts::loosened(view))
                section aria-labelledby="stages" {
                    h2 id="stages" { "Timeline" }
                    details id="graph" {
                        summary { "State graph" }
                        (graph(view))
                    }
                    @if view.parts.stages.is_empty() {
                        p class="muted" { "No stage has begun." }
                    } @else {
                        (timeline::timeline(&view.parts.stages, decided, view.now))
                    }
                }
                (evidence::findings(&view.parts.stages, request.run_id.as_str()))
                (watch::watches(view))
                (effects(view))
                (transactions(request.run_id.as_str(), &view.parts))
            }
        },
    )
}

/// The page of a run whose own record cannot be read: what else is known of it.
pub(crate) fn unreadable_run(viewer: &Viewer, id: &str, parts: &Parts, now: Timestamp) -> Markup {
    let heading = short(id, 200);
    layout::page(
        &heading,
        "/",
        viewer,
        &html! {
            div id="live" {
                div class="title" { h1 { (heading) } }
                (unreadable(&parts.unreadable))
                section aria-labelledby="stages" {
                    h2 id="stages" { "Stages" }
                    @if parts.stages.is_empty() {
                        p class="muted" { "No stage can be shown." }
                    } @else {
                        (timeline::timeline(&parts.stages, None, now))
                    }
                }
                (evidence::findings(&parts.stages, id))
                (transactions(id, parts))
            }
        },
    )
}

fn head(viewer: &Viewer, view: &RunView, heading: &str, cause: Option<&Cause>) -> Markup {
    let request = &view.run.request;
    let status = view.run.status;
    html! {
        section class={ "card head " (status.mark().class()) } {
            div class="title" {
                h1 { (heading) }
                (status.chip())
                span id="live-mark" {}
            }
            p class="reason" id="cause" { (short(&view.reason(), 800)) }
            @if let Some(cause) = cause { (failing(cause)) }
            dl class="facts" {
                (fact("Repository", &html! {
                    a href=(repository_page(&request.repository.name)) { (short(request.repository.name.as_str(), 100)) }
                }))
                (fact("Branch", &html! { (short(&request.branch, 100)) }))
                (fact("Commit", &commit_of(request)))
                @if let Some(author) = &request.author { (fact("Author", &html! { (short(author, 100)) })) }
                (fact("Trigger", &html! {
                    (short(&request.trigger.kind, 40))
                    @if let Some(actor) = &request.trigger.actor { " by " (short(actor, 60)) }
                }))
                @if let Some(template) = view.template() { (fact("Template", &html! { (short(&template, 40)) })) }
                (fact("Started", &html! { (instant(request.started_at)) " (" (ago(request.started_at, view.now)) ")" }))
                (fact("Duration", &html! { (view.duration()) }))
                @if let Some(cost) = view.cost() {
                    (fact("Cost on AWS", &html! {
                        "about " (dollars(cost.total_usd()))
                        @if cost.builds_usd > 0.0 { ", builds " (dollars(cost.builds_usd)) " of it" }
                    }))
                }
                (fact("Run", &html! {
                    code { (request.run_id) } " "
                    a href={ "/api/runs/" (request.run_id) } { "JSON" }
                    @if let Some(console) = view.run.console_url() {
                        " " a href=(console) rel="noreferrer noopener" { "Step Functions" }
                    }
                }))
            }
            (buttons::of_run(viewer, &view.run))
        }
    }
}

/// The commit, with where its host shows it.
fn commit_of(request: &RunRequest) -> Markup {
    let links = hosts::links(&request.repository.url, &request.commit, request.base.as_deref());
    let id = html! { code title=(short(&request.commit, 80)) { (commit(&request.commit)) } };
    html! {
        @match links.commit {
            Some(href) => a href=(href) rel="noreferrer noopener" { (id) },
            None => (id),
        }
        @if let Some(href) = links.comparison {
            " " a href=(href) rel="noreferrer noopener" { "what changed" }
        }
    }
}

/// The lines that say it, what would mend it, and who can.
fn failing(cause: &Cause) -> Markup {
    html! {
        div id="failing" {
            (excerpt(&cause.excerpt))
            @if let Some(remedy) = &cause.remedy {
                p class="wrap" { strong { "To mend it: " } (short(remedy, 500)) }
            }
            p class="muted wrap" {
                "Who can: " (short(&cause.who, 200))
                @if let Some(state) = &cause.state {
                    " · " a href={ "#" (anchor(state.as_str())) } { "all that " (short(&state.title(), 80)) " says" }
                }
            }
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn approvals(viewer: &Viewer, view: &RunView) -> Markup {
    html! {
        @if !view.parts.approvals.is_empty() {
            section id="approvals" class="card ask" aria-label="Approval" tabindex="-1" {
                @for approval in &view.parts.approvals {
                    @let (mark, word) = view.approval(approval);
                    p { (mark.chip(word)) " " strong class="wrap" { (short(&approval.question, 400)) } }
                    @match &approval.answer {
                        Some(answer) => p class="muted wrap" {
                            (short(&answer.by, 100)) ", " (instant(answer.at))
                            @if let Some(reason) = &answer.reason { ": " (short(reason, 400)) }
                        },
                        None => {
                            @if !approval.agreed.is_empty() {
                                p class="muted wrap" {
                                    (approval.agreed.len()) " of " (approval.people) " agreed: "
                                    @for (index, agreed) in approval.agreed.iter().enumerate() {
                                        @if index > 0 { ", " } (short(&agreed.by, 100))
                                    }
                                }
                            }
                            p class="muted" {
                                "An answer counts until " (instant(approval.expires_at)) "; none in time counts as no."
                            }
                            @if mark == Mark::Run { (buttons::answer(viewer, approval)) }
                        },
                    }
                }
            }
        }
    }
}

/// What the run did outside: deployments and notifications.
fn effects(view: &RunView) -> Markup {
    let deployments = view.deployments();
    html! {
        div class="split" {
            section aria-labelledby="deployments" {
                h2 id="deployments" { "Deployments" }
                @if deployments.is_empty() {
                    p class="muted" { "Nothing was deployed." }
                } @else {
                    div class="card table" { table role="table" {
                        (layout::columns(&["Environment", "State", "Release", "Replaced"]))
                        tbody role="rowgroup" { @for d in deployments.iter().take(20) { tr role="row" {
                            td role="cell" { strong { (short(d.environment.as_str(), 40)) }
                                @if let Some(whole) = &d.wave_of { br; span class="muted" { "wave of " (short(whole.as_str(), 40)) } }
                                @if let Some(url) = &d.url { br; span class="wrap" { (address(url)) } } }
                            td role="cell" data-label="State" { div { (d.status.chip())
                                @if !d.weights.is_empty() { br; span class="muted" { (walked(&d.weights)) } }
                                @else if let Some(weight) = d.weight { br; span class="muted" { (weight) " % of the requests" } } } }
                            td role="cell" data-label="Release" class="mono wrap" { (short(d.release.as_ref().map_or("–", ReleaseId::as_str), 60)) }
                            td role="cell" data-label="Replaced" class="mono wrap" { (short(d.previous.as_ref().map_or("–", ReleaseId::as_str), 60)) }
                        } } }
                    } }
                }
            }
            section aria-labelledby="notifications" {
                h2 id="notifications" { "Notifications" }
                @if view.parts.notifications.is_empty() {
                    p class="muted" { "Nobody was told yet." }
                } @else {
                    div class="card table" { table role="table" {
                        (layout::columns(&["Channel", "State", "Detail"]))
                        tbody role="rowgroup" { @for entry in view.parts.notifications.iter().take(20) { tr role="row" {
                            td role="cell" { strong { (short(&entry.record.channel, 40)) } }
                            td role="cell" data-label="State" { div {
                                @if entry.record.sent { (Mark::Pass.chip("sent")) } @else { (Mark::Skip.chip("not sent")) }
                            } }
                            td role="cell" data-label="Detail" class="wrap" { div {
                                (short(&entry.record.detail, 300))
                                @if !entry.body.is_empty() {
                                    details id={ "message-" (crate::format::anchor(&entry.record.channel)) } {
                                        summary { "Message" }
                                        pre tabindex="0" { (short(&entry.body, 4_000)) }
                                    }
                                }
                            } }
                        } } }
                    } }
                }
            }
        }
    }
}

fn transactions(id: &str, parts: &Parts) -> Markup {
    let Parts { log, log_fault, .. } = parts;
    html! {
        section class="log" aria-labelledby="log" {
            h2 id="log" { "Transaction log" }
            details id="log-entries" class="card" {
                summary {
                    (plural(log.len(), "entry"))
                    @if log.is_empty() && log_fault.is_none() { } @else if log_fault.is_none() {
                        (Mark::Pass.chip("chain verified"))
                    } @else {
                        (Mark::Fail.chip("chain broken"))
                    }
                }
                @if let Some(fault) = log_fault { p { strong { (short(fault, 400)) } } }
                table role="table" {
                    caption class="hidden" { "Every intent and answer, each chained to the one before" }
                    (layout::columns(&["No.", "Time", "Actor", "Kind", "Action", "Hash"]))
                    tbody role="rowgroup" { @for entry in log.iter().take(MAX_LOG) { tr role="row" {
                        td role="cell" class="num" data-label="No." { (entry.sequence) }
                        td role="cell" class="num" data-label="Time" { (instant(entry.timestamp)) }
                        td role="cell" class="wrap" data-label="Actor" { (short(&entry.actor, 80)) }
                        td role="cell" data-label="Kind" { (kind(entry.kind)) }
                        td role="cell" class="wrap" data-label="Action" { (short(&entry.action, 80)) }
                        td role="cell" data-label="Hash" { code title=(short(&entry.hash, 80)) { (entry.hash.chars().take(12).collect::<String>()) } }
                    } } }
                }
                @if log.len() > MAX_LOG {
                    p { a href={ "/api/runs/" (encoded(id)) } { "All " (log.len()) " in the JSON" } }
                }
            }
        }
    }
}

const fn kind(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Intent => "intent",
        LogKind::Response => "response",
        LogKind::Fault => "fault",
        LogKind::Event => "event",
    }
}
