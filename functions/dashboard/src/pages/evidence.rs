//! The parts of a run's page that show what the agents found.

use maud::{Markup, html};
use pact_contract::{
    Decision, Finding, StageRecord, StageStatus, actions::JudgeReleaseOutput, run::RuleResult,
};
use serde_json::Value;

use crate::{
    format::{anchor, duration, plural, pretty, short, value},
    mark::Marked as _,
};

/// Most findings of one stage on the page.
const MAX_FINDINGS: usize = 30;
/// Most stages on the page.
const MAX_STAGES: usize = 100;

/// Every stage in the order in which they began.
pub(crate) fn stages(stages: &[StageRecord], now: jiff::Timestamp) -> Markup {
    html! {
        ol class="stages" {
            @for record in stages.iter().take(MAX_STAGES) { (stage(record, now)) }
        }
        @if stages.len() > MAX_STAGES {
            p class="muted" { "and " (stages.len() - MAX_STAGES) " more, in the JSON" }
        }
    }
}

fn stage(record: &StageRecord, now: jiff::Timestamp) -> Markup {
    let id = anchor(record.state.as_str());
    let bad = matches!(record.status, StageStatus::Failed | StageStatus::Error);
    let spent = if record.status == StageStatus::Running {
        crate::format::between(record.started_at, now)
    } else {
        record.duration_ms
    };
    let judgement: Option<JudgeReleaseOutput> = (record.action == "quality.judge_release")
        .then(|| serde_json::from_value(record.output.clone()).ok())
        .flatten();
    html! {
        li class="stage card" id=(id) tabindex="-1" {
            div class="line" {
                (record.status.mark().icon())
                h3 {
                    (short(&record.title(), 80)) " "
                    span class="muted" { (record.status.word()) }
                }
                div class="by" {
                    code { (short(&record.action, 60)) }
                    @if !(record.status == StageStatus::Skipped && spent < 1_000) { " · " (duration(spent)) }
                    @if record.attempt > 1 { " · attempt " (record.attempt) }
                }
            }
            @if !record.summary.is_empty() { p class="summary" { (short(&record.summary, 1_500)) } }
            @if let Some(error) = &record.error { p { "Error " code { (short(error, 80)) } } }
            @if let Some(fallback) = &record.fallback {
                p class="muted" {
                    "Reached by a fallback (level " (fallback.fallback_level as u8) "): "
                    (short(&fallback.description, 500))
                }
            }
            @if !record.findings.is_empty() {
                details id={ (id) "-findings" } open[bad] {
                    summary { (plural(record.findings_total.max(record.findings.len()), "finding")) }
                    (findings(&record.findings, record.findings_total))
                }
            }
            @if let Some(judgement) = judgement { (rules(&judgement.reasons)) }
            @if !is_empty(&record.output) || record.details_key.is_some() {
                details id={ (id) "-evidence" } {
                    summary { "Evidence" }
                    @if !is_empty(&record.output) { pre tabindex="0" { (pretty(&record.output)) } }
                    @if let Some(key) = &record.details_key {
                        p class="muted wrap" { "The whole result: " code { (short(key, 300)) } " in the artifact store" }
                    }
                }
            }
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

fn findings(list: &[Finding], total: usize) -> Markup {
    let shown = list.len().min(MAX_FINDINGS);
    html! {
        ul class="findings" {
            @for finding in list.iter().take(MAX_FINDINGS) {
                li {
                    (finding.severity.chip()) " " (short(&finding.message, 600))
                    span class="where" {
                        @if let Some(place) = finding.place() { code { (short(&place, 300)) } " · " }
                        code { (short(finding.code.as_str(), 80)) }
                    }
                    @if let Some(evidence) = &finding.evidence { pre tabindex="0" { (short(evidence, 1_500)) } }
                    @if let Some(remedy) = &finding.remedy {
                        span class="where" { "What would mend it: " (short(remedy, 500)) }
                    }
                }
            }
        }
        @if total > shown { p class="muted" { "and " (total - shown) " more, in the JSON" } }
    }
}

/// The gate's decision.
pub(crate) fn decision(decision: &Decision) -> Markup {
    html! {
        section aria-labelledby="decision" {
            h2 id="decision" { "Decision" }
            div class="card" {
                p { (decision.verdict.chip()) " " span class="wrap" { (short(&decision.summary, 600)) } }
                (rules(&decision.reasons))
            }
        }
    }
}

/// A table of rules.
fn rules(rules: &[RuleResult]) -> Markup {
    html! {
        table role="table" {
            caption class="hidden" { "Rules with what was measured and what is asked for" }
            thead role="rowgroup" { tr role="row" {
                @for head in ["Rule", "Outcome", "Measured", "Asked for", "Why, and what would pass"] {
                    th role="columnheader" scope="col" { (head) }
                }
            } }
            tbody role="rowgroup" {
                @for rule in rules.iter().take(50) {
                    tr role="row" {
                        td role="cell" {
                            strong { (short(&rule.rule, 60)) }
                            @if !rule.required { span class="muted" { " advisory" } }
                        }
                        td role="cell" data-label="Outcome" { div { (rule.outcome.chip()) } }
                        td role="cell" data-label="Measured" class="wrap" { (value(&rule.value)) }
                        td role="cell" data-label="Asked for" class="wrap" { (value(&rule.threshold)) }
                        td role="cell" data-label="Why" class="wrap" {
                            div {
                                (short(&rule.message, 600))
                                @if let Some(would) = &rule.would_pass {
                                    br; span class="muted" { "Would pass: " (short(would, 600)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
