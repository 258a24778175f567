//! What was done when: a line for each stage with its time, in which the rest is folded.

use jiff::Timestamp;
use maud::{Markup, html};
use pact_contract::{StageRecord, StageStatus, actions::JudgeReleaseOutput};
use serde_json::Value;

use super::evidence;
use crate::{
    format::{anchor, between, duration, encoded, plural, pretty, short},
    mark::{Marked as _, word_of},
};

/// Most stages on the page.
const MAX_STAGES: usize = 100;

/// Bytes of a summary in the line of its stage.
const IN_LINE: usize = 200;

/// Every stage in the order in which they began. The stage that decided is open.
pub(crate) fn timeline(stages: &[StageRecord], decided: Option<&str>, now: Timestamp) -> Markup {
    let start = stages.iter().map(|s| s.started_at).min().unwrap_or(now);
    let end = stages.iter().map(|s| s.finished_at.unwrap_or(now)).max().unwrap_or(now);
    let whole = between(start, end).max(1);
    html! {
        ol class="stages" {
            @for record in stages.iter().take(MAX_STAGES) {
                (stage(record, decided == Some(record.state.as_str()), (start, whole), now))
            }
        }
        @if let Some(first) = stages.first().filter(|_| stages.len() > MAX_STAGES) {
            p { a href={ "/api/runs/" (first.run_id) } { "All " (stages.len()) " stages in the JSON" } }
        }
    }
}

fn stage(
    record: &StageRecord,
    open: bool,
    (start, whole): (Timestamp, u64),
    now: Timestamp,
) -> Markup {
    let id = anchor(record.state.as_str());
    let running = record.status == StageStatus::Running;
    let spent = if running { between(record.started_at, now) } else { record.duration_ms };
    html! {
        li class={ "stage " (record.status.mark().class()) } {
            details id={ "fold-" (id) } open[open] {
                summary class="line" {
                    (record.status.mark().icon())
                    span class="name" {
                        (short(&record.title(), 80)) " "
                        @if record.status == StageStatus::Passed { span class="hidden" { "passed" } }
                        @else { span class="muted" { (word_of(record)) } }
                    }
                    (bar(between(start, record.started_at), spent, whole))
                    span class="by" {
                        @if !(record.status == StageStatus::Skipped && spent < 1_000) { (duration(spent)) }
                    }
                    @if record.status != StageStatus::Passed && !record.summary.is_empty() {
                        span class="said" { (short(record.summary.lines().next().unwrap_or_default(), IN_LINE)) }
                    }
                }
                div class="body" id=(id) tabindex="-1" { (body(record, &id)) }
            }
        }
    }
}

/// When the stage was at work, as a part of the whole time.
fn bar(from: u64, spent: u64, whole: u64) -> Markup {
    let part = |ms: u64| ms.saturating_mul(1_000).checked_div(whole).unwrap_or(0).min(1_000);
    let x = part(from).min(994);
    let width = part(spent).clamp(6, 1_000 - x);
    html! {
        svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            rect x=(x) y="1" width=(width) height="8" {}
        }
    }
}

fn body(record: &StageRecord, id: &str) -> Markup {
    let judgement: Option<JudgeReleaseOutput> = (record.action == "quality.judge_release")
        .then(|| serde_json::from_value(record.output.clone()).ok())
        .flatten();
    let found = record.findings_total.max(record.findings.len());
    html! {
        // The line has the beginning of what did not pass.
        @if record.status == StageStatus::Passed || record.summary.len() > IN_LINE || record.summary.contains('\n') {
            p class="summary" { (short(&record.summary, 1_500)) }
        }
        p class="muted" {
            code { (short(&record.action, 60)) }
            @if record.attempt > 1 { " · attempt " (record.attempt) }
            @if found > 0 { " · " a href="#findings" { (plural(found, "finding")) } }
            @if let Some(error) = &record.error { " · error " code { (short(error, 80)) } }
        }
        @if record.action.starts_with("tests.run_") {
            p { a href={ "/runs/" (record.run_id) "/logs/" (encoded(record.state.as_str())) } { "What it writes" }
                @if crate::asked::has_list(record) {
                    " · " a href={ "/runs/" (record.run_id) "/tests?stage=" (encoded(record.state.as_str())) } { "Its tests, one by one" }
                }
            }
        }
        @if let Some(fallback) = &record.fallback {
            p class="muted" {
                "Reached by a fallback (level " (fallback.fallback_level as u8) "): "
                (short(&fallback.description, 500))
            }
        }
        @if let Some(judgement) = judgement { (evidence::rules(&judgement.reasons, &format!("{id}-rules"))) }
        @if !is_empty(&record.output) {
            details id={ (id) "-evidence" } {
                summary { "Evidence" }
                pre tabindex="0" { (pretty(&record.output)) }
            }
        }
        @if let Some(key) = &record.details_key {
            p class="muted wrap" { "The whole result: " code { (short(key, 300)) } " in the artifact store" }
        }
    }
}

fn is_empty(output: &Value) -> bool {
    match output {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
