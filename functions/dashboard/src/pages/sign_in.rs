//! `/sign-in`: by a token, or by the code of a link.

use maud::{Markup, html};
use pact_contract::explain::Explanation;

use super::layout;
use crate::{format::encoded, viewer::Viewer};

/// What the address of the page says.
#[derive(Default)]
pub(crate) struct SignIn<'a> {
    /// Where to go on to.
    pub(crate) next: &'a str,
    /// The code of a link, to be used once.
    pub(crate) code: &'a str,
    /// Why nobody was signed in.
    pub(crate) refused: Option<Explanation>,
    /// Where people sign in, where that is not here.
    pub(crate) provider: Option<&'a str>,
}

/// Signing in takes a press of a button also with a link: a link alone signs nobody in as somebody
/// else, and what looks at links beforehand uses no code up.
pub(crate) fn sign_in(said: &SignIn<'_>) -> Markup {
    layout::page(
        "Sign in",
        "",
        &Viewer::default(),
        &html! {
            div class="card door" {
                h1 { "Sign in" }
                @if let Some(refused) = &said.refused {
                    p class="refused" role="alert" { strong { (refused.sentence) } " " (refused.remedy) }
                }
                @if let Some(provider) = said.provider.filter(|_| said.code.is_empty()) {
                    // A form would be held to lead nowhere else.
                    p { a class="button main" href=(to_provider(said.next)) { "Sign in with " (provider) } }
                    p class="muted" { "Or by a token:" }
                }
                form method="post" action="/v1/session" {
                    input type="hidden" name="next" value=(said.next);
                    @if said.code.is_empty() {
                        label { "API token"
                            input type="password" name="token" required autocomplete="current-password" spellcheck="false" autofocus[said.provider.is_none()];
                        }
                        p class="muted" {
                            "On this machine: " code { "pactctl sign-in" } " prints a link. Elsewhere: whoever runs this \
                            installation hands tokens out."
                        }
                    } @else {
                        input type="hidden" name="code" value=(said.code);
                        p { "The link signs this browser in, once." }
                    }
                    button type="submit" class="main" { "Sign in" }
                }
            }
        },
    )
}

/// The address at which signing in at the provider begins.
fn to_provider(next: &str) -> String {
    let begin = "/v1/sign-in".to_owned();
    if next.is_empty() { begin } else { format!("{begin}?next={}", encoded(next)) }
}
