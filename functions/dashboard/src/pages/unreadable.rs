//! What the store has and nobody can read: said beside everything else.

use maud::{Markup, html};
use pact_agent::ports::Unreadable;

use crate::{
    format::{plural, short},
    mark::Mark,
};

/// Most items that are named.
const MAX_ITEMS: usize = 20;

/// Each item that cannot be read, with its key and the reason; nothing when there is none.
pub(super) fn unreadable(items: &[Unreadable]) -> Markup {
    html! {
        @if !items.is_empty() {
            section class="card warn" aria-label="Cannot be read" {
                p {
                    (Mark::Warn.chip("cannot be read")) " "
                    strong { (plural(items.len(), "record")) " of the store" }
                    ", everything else is shown"
                }
                ul {
                    @for item in items.iter().take(MAX_ITEMS) {
                        li class="wrap" {
                            code { (short(&item.key, 200)) } ": " (short(&item.reason.to_string(), 400))
                        }
                    }
                }
                @if items.len() > MAX_ITEMS {
                    p class="muted" { "and " (items.len() - MAX_ITEMS) " more, in the JSON" }
                }
            }
        }
    }
}
