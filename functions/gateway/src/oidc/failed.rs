//! Why nobody is signed in.

use pact_contract::problems::{self, ProblemCode};
use pact_web::access::Denied;

/// Longest text of a provider that is logged.
const MAX_SAID: usize = 200;

/// Why nobody is signed in.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The provider did not answer, or not as it has to.
    Unavailable(String),
    /// What came back does not count.
    Refused(String),
    /// The doors do not let them in.
    Denied(Denied),
}

impl From<Denied> for Failed {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl Failed {
    pub(super) fn code(&self) -> ProblemCode {
        match self {
            Self::Unavailable(_) => problems::PROVIDER_UNAVAILABLE,
            Self::Refused(_) => problems::SIGN_IN_FAILED,
            Self::Denied(denied) => denied.kind().1,
        }
    }

    /// Writes down what the browser is not told.
    pub(super) fn log(&self) {
        match self {
            Self::Unavailable(why) => tracing::error!(why, "the sign-in provider is of no use"),
            Self::Refused(why) => tracing::warn!(why, "nobody was signed in"),
            Self::Denied(Denied::Store(error)) => {
                tracing::error!(%error, source = ?std::error::Error::source(error), "the doors' store");
            }
            Self::Denied(denied) => tracing::warn!(reason = %denied, "nobody was signed in"),
        }
    }
}

/// A line of what the provider said.
pub(super) fn said(text: &str) -> String {
    crate::fields::line(text, MAX_SAID).unwrap_or_default()
}
