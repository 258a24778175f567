//! The frame of every page.

use maud::{DOCTYPE, Markup, html};

use crate::{
    assets::{ICON, SCRIPT, STYLE},
    format::short,
    viewer::Viewer,
};

/// A page; `current` is the address of its entry in the navigation.
pub(crate) fn page(title: &str, current: &str, viewer: &Viewer, content: &Markup) -> Markup {
    let here = |address: &str| (address == current).then_some("page");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="description" content="What was pushed, decided, deployed and watched.";
                meta name="color-scheme" content="light dark";
                title { (title) " · PACT" }
                link rel="icon" href=(ICON.address()) type="image/svg+xml";
                link rel="stylesheet" href=(STYLE.address());
                script src=(SCRIPT.address()) defer {}
            }
            body {
                a class="skip-link" href="#main" { "Skip to the content" }
                header class="site" {
                    nav aria-label="Main" {
                        a class="brand" href="/" {
                            img src=(ICON.address()) width="22" height="22" alt="";
                            "PACT"
                        }
                        a href="/" aria-current=[here("/")] { "Runs" }
                        a href="/environments" aria-current=[here("/environments")] { "Environments" }
                        a href="/incidents" aria-current=[here("/incidents")] { "Incidents" }
                        @if viewer.signed_in().is_some() {
                            form class="who" method="post" action="/v1/session/end" {
                                span class="wrap" { (short(&viewer.owner, 60)) }
                                button type="submit" { "Sign out" }
                            }
                        }
                    }
                }
                main id="main" tabindex="-1" {
                    @if let Some(refused) = &viewer.refused {
                        div class="card refused" role="alert" {
                            p { strong { (refused.sentence) } " " (refused.remedy) }
                        }
                    }
                    (content)
                }
                p id="announce" class="hidden" aria-live="polite" {}
                footer { "Every time is UTC. What was not checked is never shown as passed." }
            }
        }
    }
}

/// The head of a table.
pub(crate) fn columns(names: &[&str]) -> Markup {
    html! {
        thead role="rowgroup" { tr role="row" {
            @for name in names { th role="columnheader" scope="col" { (name) } }
        } }
    }
}
