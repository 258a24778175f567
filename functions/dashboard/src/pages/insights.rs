//! `/insights`: how well an environment of a repository is delivered to.

use maud::{Markup, html};
use pact_contract::{EnvironmentName, RepositoryName, delivery::Delivery};

use super::layout;
use crate::{
    format::{duration, instant, plural, repository_page, short},
    viewer::Viewer,
};

/// What is shown.
pub(crate) struct Insights<'a> {
    pub(crate) repository: &'a RepositoryName,
    pub(crate) environment: &'a EnvironmentName,
    pub(crate) delivery: &'a Delivery,
    /// Runs that were looked at, and whether there are older ones.
    pub(crate) looked: (usize, bool),
}

pub(crate) fn insights(viewer: &Viewer, it: &Insights<'_>) -> Markup {
    let Insights { repository: name, environment, delivery, looked: (looked, older) } = it;
    let days = |ms: Option<u64>| ms.map(duration);
    let rate = delivery.failure_rate().map(|rate| format!("{rate:.0} %"));
    let often = delivery.per_week().map(|often| format!("{often:.1} a week"));
    layout::page(
        &format!("Delivery to {environment} of {name}"),
        "/environments",
        viewer,
        &html! {
            div class="title" { h1 { "Delivery to " (short(environment.as_str(), 80)) } }
            p { a href=(repository_page(name)) { (short(name.as_str(), 200)) } }
            p class="muted wrap" {
                "Of the last " (plural(*looked, "run")) " that began to deploy there"
                @if *older { " (there are older ones)" }
                ": " (plural(delivery.deployments, "deployment")) " of changes"
                @if let Some((first, last)) = delivery.between { ", from " (instant(first)) " to " (instant(last)) }
                "."
            }
            div class="measures" {
                (measure("Deployment frequency", often, "Changes that came into effect, or were tried to. What serves already, deployed again, is none."))
                (measure("Change lead time", days(delivery.lead_time()), "Half of the changes took at most so long from their push until they were in effect and judged."))
                (measure("Change fail rate", rate, "The part of the deployments that was taken back, by the pipeline or by a person, or could not be."))
                (measure("Failed deployment recovery time", days(delivery.recovery()), "Half of the failed ones were recovered from within so long."))
            }
            p class="muted" {
                "The four measures of DORA, as "
                a href="https://dora.dev/guides/dora-metrics-four-keys/" rel="noreferrer noopener" { "published" }
                "."
            }
        },
    )
}

fn measure(name: &str, value: Option<String>, what: &str) -> Markup {
    html! {
        section class="card" aria-label=(name) {
            h2 { (name) }
            p class="figure" { (value.unwrap_or_else(|| "not known yet".to_owned())) }
            p class="muted" { (what) }
        }
    }
}
