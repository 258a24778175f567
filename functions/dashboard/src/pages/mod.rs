//! The pages.

mod buttons;
mod durations;
mod environments;
mod evidence;
mod incidents;
mod insights;
mod layout;
mod list;
mod log;
mod recent;
mod repository;
mod run;
mod sign_in;
mod slowest;
mod tested;
mod timeline;
mod unreadable;
mod verdicts;
mod watch;

use axum::http::StatusCode;
use maud::{Markup, html};

pub(crate) use durations::{Spent, durations};
pub(crate) use environments::{environments, version as environments_version};
pub(crate) use incidents::{incidents, version as incidents_version};
pub(crate) use insights::{Insights, insights};
pub(crate) use list::{Waiting, list, query as list_query, version as list_version};
pub(crate) use log::{Part, log, version as log_version};
pub(crate) use repository::{Repository, repository};
pub(crate) use run::{run, unreadable_run};
pub(crate) use sign_in::{SignIn, sign_in};
pub(crate) use slowest::{Tests as OverRuns, slowest};
pub(crate) use tested::{Tests, tests};

use crate::viewer::Viewer;

/// A page that says why there is none.
pub(crate) fn fault(status: StatusCode, text: &str) -> Markup {
    let name = status.canonical_reason().unwrap_or("Fault");
    layout::page(
        name,
        "",
        &Viewer::default(),
        &html! {
            div class="card empty" {
                h1 { (status.as_u16()) " " (name) }
                p { (text) }
                p { a class="button" href="/" { "To the latest runs" } }
            }
        },
    )
}
