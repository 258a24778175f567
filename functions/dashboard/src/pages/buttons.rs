//! Buttons: forms to the gateway, which alone has effects. They are shown to those who may press
//! them; whether they may, the gateway decides.

use maud::{Markup, html};
use pact_agent::ports::ApprovalRecord;
use pact_contract::{
    EnvironmentKey, EnvironmentName, RunRecord, access::Scope, incident::IncidentId, run::ROLLBACK,
};

use crate::viewer::Viewer;

/// What every form has: what only a page of whoever is signed in knows, and where to go on.
fn hidden(csrf: &str, next: &str) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(csrf);
        input type="hidden" name="next" value=(next);
    }
}

/// Yes and no to a question.
pub(super) fn answer(viewer: &Viewer, question: &ApprovalRecord) -> Markup {
    let id = format!("why-{}", question.state);
    html! {
        @if let Some(csrf) = viewer.may(Scope::Approve) {
            form class="buttons" method="post" action={ "/v1/runs/" (question.run_id) "/answers" } {
                (hidden(csrf, &viewer.page))
                input type="hidden" name="state" value=(question.state);
                label { "Reason (may be left out)"
                    input id=(id) name="reason" maxlength="1000" autocomplete="off";
                }
                button type="submit" class="main" name="approved" value="true" { "Approve" }
                button type="submit" class="danger" name="approved" value="false" { "Reject" }
            }
        }
    }
}

/// Cancelling a run that goes on, and running one again that has ended.
pub(super) fn of_run(viewer: &Viewer, run: &RunRecord) -> Markup {
    let id = &run.request.run_id;
    html! {
        @if run.request.trigger.kind == ROLLBACK {}
        @else if run.status.is_final() {
            @if let Some(csrf) = viewer.may(Scope::Trigger) {
                form class="buttons" method="post" action={ "/v1/runs/" (id) "/rerun" } {
                    (hidden(csrf, &viewer.page))
                    button type="submit" { "Run again" }
                }
            }
        } @else if let Some(csrf) = viewer.may(Scope::Operate) {
            details id="cancel" {
                summary { "Cancel the run" }
                form class="buttons" method="post" action={ "/v1/runs/" (id) "/cancel" } {
                    (hidden(csrf, &viewer.page))
                    label { "Reason (may be left out)"
                        input id="why-cancel" name="reason" maxlength="1000" autocomplete="off";
                    }
                    button type="submit" class="danger" { "Cancel it" }
                }
            }
        }
    }
}

/// Looking after an incident: nobody else is told then.
pub(super) fn look_after(viewer: &Viewer, id: &IncidentId) -> Markup {
    html! {
        @if let Some(csrf) = viewer.may(Scope::Operate) {
            form class="buttons" method="post" action={ "/v1/incidents/" (id) "/acknowledge" } {
                (hidden(csrf, &viewer.page))
                button type="submit" { "I look after it" }
            }
        }
    }
}

/// Saying that an incident is over.
pub(super) fn close(viewer: &Viewer, id: &IncidentId) -> Markup {
    html! {
        @if let Some(csrf) = viewer.may(Scope::Operate) {
            form class="buttons" method="post" action={ "/v1/incidents/" (id) "/close" } {
                (hidden(csrf, &viewer.page))
                button type="submit" { "It is over" }
            }
        }
    }
}

/// Returning an environment to the release before; a wave of `whole` with all the others, or alone.
pub(super) fn roll_back(
    viewer: &Viewer,
    key: &EnvironmentKey,
    whole: Option<&EnvironmentName>,
) -> Markup {
    let id = format!("back-{}-{}", key.repository.as_str().replace('/', "_"), key.environment);
    html! {
        @if let Some(csrf) = viewer.may(Scope::Operate) {
            details id=(id) {
                summary { "Return to it" }
                form class="buttons" method="post" action="/v1/rollbacks" {
                    (hidden(csrf, &viewer.page))
                    input type="hidden" name="repository" value=(key.repository);
                    @if let Some(whole) = whole {
                        label { "Where"
                            select id={ "where-" (id) } name="environment" {
                                option value=(whole) { (whole) ": all waves that have this release" }
                                option value=(key.environment) { (key.environment) " alone" }
                            }
                        }
                    } @else {
                        input type="hidden" name="environment" value=(key.environment);
                    }
                    label { "Why"
                        input id={ "why-" (id) } name="reason" required maxlength="1000" autocomplete="off";
                    }
                    button type="submit" class="danger" { "Return to the release before" }
                }
            }
        }
    }
}
