//! What the stages found: all findings by gravity, and the rules of a verdict.

use maud::{Markup, html};
use pact_contract::{
    Finding, Severity, StageRecord,
    run::{RuleOutcome, RuleResult},
};

use super::layout;
use crate::{
    format::{anchor, lines, plural, short, value},
    mark::{Mark, Marked as _},
};

/// Most findings on the page.
const MAX_FINDINGS: usize = 60;
/// Lines of a finding's evidence, those that speak.
const EVIDENCE: usize = 8;

/// The findings of all stages, the gravest first; what is only worth knowing is folded.
pub(crate) fn findings(stages: &[StageRecord], run: &str) -> Markup {
    let mut all: Vec<(&StageRecord, &Finding)> =
        stages.iter().flat_map(|stage| stage.findings.iter().map(move |f| (stage, f))).collect();
    all.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    let (grave, notes): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, finding)| finding.severity > Severity::Info);
    let listed = grave.len() + notes.len();
    html! {
        @if listed > 0 {
            section aria-labelledby="findings" {
                h2 id="findings" { "Findings, the gravest first" }
                div class="card" {
                    @if grave.is_empty() { p class="muted" { "Nothing that has to be mended." } }
                    (list(&grave, run))
                    @if !notes.is_empty() {
                        details id="notes" { summary { (plural(notes.len(), "note")) } (list(&notes, run)) }
                    }
                    @for stage in stages.iter().filter(|s| s.findings_total > s.findings.len()) {
                        p class="muted wrap" {
                            (short(&stage.title(), 80)) ": the gravest " (stage.findings.len()) " of "
                            (stage.findings_total) " are kept with the run"
                            @if let Some(key) = &stage.details_key {
                                "; all of them are in the artifact store: " code { (short(key, 300)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn list(all: &[(&StageRecord, &Finding)], run: &str) -> Markup {
    html! {
        ul class="findings" {
            @for (stage, finding) in all.iter().take(MAX_FINDINGS) { (one(stage, finding)) }
        }
        @if all.len() > MAX_FINDINGS {
            p { a href={ "/api/runs/" (run) } { "All " (all.len()) " in the JSON" } }
        }
    }
}

fn one(stage: &StageRecord, finding: &Finding) -> Markup {
    html! {
        li {
            (finding.severity.chip()) " " (short(&finding.message, 600))
            span class="where" {
                @if let Some(place) = finding.place() { code { (short(&place, 300)) } " · " }
                a href={ "#" (anchor(stage.state.as_str())) } { (short(&stage.title(), 80)) }
                " · " code { (short(finding.code.as_str(), 80)) }
            }
            @if let Some(source) = &finding.source { (lines(&source.0, EVIDENCE)) }
            @if let Some(evidence) = &finding.evidence { (lines(evidence, EVIDENCE)) }
            @if let Some(remedy) = &finding.remedy {
                span class="where" { "What would mend it: " (short(remedy, 500)) }
            }
        }
    }
}

/// The rules of a verdict: those that it hangs on, and the others folded.
pub(crate) fn rules(rules: &[RuleResult], id: &str) -> Markup {
    let decisive = |rule: &&RuleResult| {
        rule.outcome == RuleOutcome::NotMet
            || rule.required && rule.outcome == RuleOutcome::NotChecked
    };
    let (broken, others): (Vec<_>, Vec<_>) = rules.iter().take(50).partition(decisive);
    html! {
        @if !broken.is_empty() { (table(&broken)) }
        @if !others.is_empty() {
            details id=(id) {
                summary { (plural(others.len(), "rule")) " met, or not needed" }
                (table(&others))
            }
        }
    }
}

/// How a rule stands. One that measures without a threshold is not met: nothing was asked for.
fn standing(rule: &RuleResult) -> Markup {
    if rule.outcome == RuleOutcome::Met && rule.threshold.is_null() {
        return Mark::Skip.chip("no threshold");
    }
    rule.outcome.chip()
}

fn table(rules: &[&RuleResult]) -> Markup {
    html! {
        table role="table" {
            caption class="hidden" { "Rules with what was measured and what is asked for" }
            (layout::columns(&["Rule", "Outcome", "Measured", "Asked for", "Why, and what would pass"]))
            tbody role="rowgroup" {
                @for rule in rules {
                    tr role="row" {
                        td role="cell" {
                            strong { (short(&rule.rule, 60)) }
                            @if !rule.required { span class="muted" { " advisory" } }
                        }
                        td role="cell" data-label="Outcome" { div { (standing(rule)) } }
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
