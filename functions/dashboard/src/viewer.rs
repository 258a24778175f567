//! Who looks at a page.

use pact_contract::{
    access::{Scope, Scopes},
    explain::Explanation,
};
use pact_web::access::Identity;

/// Who looks at a page, and what it offers them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Viewer {
    /// Their name.
    pub(crate) owner: String,
    scopes: Scopes,
    /// What a button of the page sends along; none where no browser is signed in, which has no
    /// buttons.
    csrf: Option<String>,
    /// Why the button that was pressed last did nothing.
    pub(crate) refused: Option<Explanation>,
    /// The address of the page.
    pub(crate) page: String,
}

impl Viewer {
    pub(crate) fn new(identity: Identity) -> Self {
        let csrf = identity.csrf().map(str::to_owned);
        let Identity { owner, scopes, .. } = identity;
        Self { owner, scopes, csrf, ..Self::default() }
    }

    /// On this page, after what was refused there.
    pub(crate) fn on(self, page: String, refused: Option<Explanation>) -> Self {
        Self { page, refused, ..self }
    }

    /// What a button sends along, where they may press it.
    pub(crate) fn may(&self, scope: Scope) -> Option<&str> {
        self.csrf.as_deref().filter(|_| self.scopes.has(scope))
    }

    /// What any button sends along.
    pub(crate) fn signed_in(&self) -> Option<&str> {
        self.csrf.as_deref()
    }
}
