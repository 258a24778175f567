//! The last six hours of an environment: a bar for five minutes, high where requests failed, with the
//! moment at which its release came.

use jiff::Timestamp;
use maud::{Markup, html};
use pact_contract::objectives::{Budget, Counts};

/// Width of a bar with its gap, and height of the whole.
const BAR: usize = 3;
const HEIGHT: usize = 24;

/// What the scheduled watch counted; nothing where it counted nothing.
pub(crate) fn recent(budget: &Budget, since: Option<Timestamp>, now: Timestamp) -> Markup {
    let pieces: Vec<Option<Counts>> = budget.recent(now).collect();
    let counted = || pieces.iter().flatten();
    let requests: u64 = counted().map(|counts| counts.requests).sum();
    if requests == 0 {
        return html! {};
    }
    let errors: u64 = counted().map(|counts| counts.errors).sum();
    let label = format!("the last six hours: {errors} of {requests} requests of the watch failed");
    let width = BAR * pieces.len();
    let came = since.and_then(|since| Budget::pieces_since(since, now));
    let came = came.map(|ago| width.saturating_sub(BAR * usize::from(ago)));
    html! {
        svg class="recent" viewBox={ "0 0 " (width) " " (HEIGHT) } role="img" aria-label=(label) {
            title { (label) }
            @for (at, counts) in pieces.iter().enumerate() {
                @if let Some((class, high)) = counts.as_ref().and_then(bar) {
                    rect class=(class) x=(BAR * at) y=(HEIGHT - high) width=(BAR - 1) height=(high) {}
                }
            }
            @if let Some(x) = came { line class="release" x1=(x) y1="0" x2=(x) y2=(HEIGHT) {} }
        }
    }
}

/// Failures are told by height as well as by colour.
fn bar(counts: &Counts) -> Option<(&'static str, usize)> {
    match (counts.requests, counts.errors) {
        (0, _) => None,
        (_, 0) => Some(("good", HEIGHT / 2)),
        _ => Some(("bad", HEIGHT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_higher_and_what_was_not_counted_is_not_there() {
        let counts = |requests, errors| Counts { requests, errors, slow: 0 };
        assert_eq!(bar(&counts(0, 0)), None);
        assert_eq!(bar(&counts(9, 0)), Some(("good", 12)));
        assert_eq!(bar(&counts(9, 1)), Some(("bad", 24)));
    }
}
