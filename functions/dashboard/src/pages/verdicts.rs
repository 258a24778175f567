//! What was decided, and why: the verdict that counts first.

use maud::{Markup, html};
use pact_contract::{
    RunStatus, Verdict,
    actions::JudgeReleaseOutput,
    cause::Cause,
    loosened::{AGREED, Loosened},
};

use super::evidence;
use crate::{
    format::short,
    mark::{Mark, Marked as _},
    view::RunView,
};

/// The verdicts of a run. After a release was begun it is not the gate's that counts.
pub(crate) fn verdicts(view: &RunView, cause: Option<&Cause>) -> Markup {
    let decision = view.decision();
    let stops = |verdict| matches!(verdict, Verdict::Reject | Verdict::Hold);
    let overruled = decision.as_ref().is_some_and(|d| !stops(d.verdict))
        && view.run.status.is_final()
        && view.run.status != RunStatus::Succeeded;
    html! {
        @if overruled || decision.is_some() {
            section aria-labelledby="decision" {
                h2 id="decision" { "What was decided, and why" }
                div class="card" {
                    @if overruled {
                        p {
                            (view.run.status.chip()) " "
                            span class="wrap" { (short(&view.recorded(), 800)) }
                        }
                        (judgement(view, cause))
                    }
                    @if let Some(decision) = &decision {
                        p {
                            @if overruled {
                                "Before that, the gate: " (Mark::Skip.chip(&decision.verdict.word()))
                            } @else {
                                (decision.verdict.chip())
                            }
                            " " span class="wrap" { (short(&decision.summary, 600)) }
                        }
                        @if !decision.would_pass.is_empty() {
                            p { "It would pass with:" }
                            ul class="would" { @for change in decision.would_pass.iter().take(10) {
                                li class="wrap" { (short(change, 400)) }
                            } }
                        }
                        (evidence::rules(&decision.reasons, "decision-rules"))
                    }
                }
            }
        }
    }
}

/// What the commit loosens that the run asked nobody about, and how it comes to count.
pub(crate) fn loosened(view: &RunView) -> Markup {
    let agreed = view.parts.log.iter().any(|entry| entry.action == AGREED);
    let loosened = Loosened::of(&view.run, &view.parts.stages).filter(|_| !agreed);
    html! {
        @if let Some(loosened) = loosened {
            section aria-labelledby="rules" {
                h2 id="rules" { "Looser rules" }
                div class="card" {
                    p class="wrap" { (short(&loosened.sentence(), 2_000)) }
                    p class="muted wrap" { "Somebody who may approve agrees with " code { (loosened.command("")) } }
                }
            }
        }
    }
}

/// The rules of the judgement of the watch, where it is what decided.
fn judgement(view: &RunView, cause: Option<&Cause>) -> Markup {
    let decided = cause.and_then(|cause| cause.state.as_ref());
    let output = view
        .parts
        .stages
        .iter()
        .find(|s| decided == Some(&s.state) && s.action == "quality.judge_release")
        .and_then(|s| serde_json::from_value::<JudgeReleaseOutput>(s.output.clone()).ok());
    html! { @if let Some(output) = output { (evidence::rules(&output.reasons, "judgement-rules")) } }
}
