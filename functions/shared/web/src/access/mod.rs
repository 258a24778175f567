//! Who calls: API tokens as bearers, and browsers that are signed in.
//!
//! | credential | kept as | ends |
//! |---|---|---|
//! | the parameter `api-token` | itself, outside the table | when it is changed |
//! | an API token, `pact_<id>_<secret>` | the secret's SHA-256, by id | when it, or a token that it was made with, expires or is revoked |
//! | a session, a cookie | the cookie's SHA-256 | after twelve hours, and with what it was begun with |
//! | a code, which begins a session once | the code's SHA-256 | after an hour |
//! | a sign-in that is under way at the provider, a cookie | nothing of it | after ten minutes |
//!
//! Every secret has 256 random bits, so that its plain hash is as good as any other. Nothing is
//! known of a caller who shows none of them: loopback is no authentication.

mod attempts;
mod bearer;
mod denied;
mod doors;
mod generations;
mod people;
mod secret;
mod session;
mod sign_in;

pub use bearer::{NewToken, new_token};
pub use denied::Denied;
pub use doors::{API_TOKEN, Doors, INSTALLATION, Identity, same_origin, secret, source};
pub use generations::{GENERATIONS, generation};
pub use people::{FaultsOfPeople, People, Person, is_safe};
pub use secret::new_secret;
pub use session::{CODE_LIFE, CSRF_FIELD, CSRF_HEADER, SESSION_LIFE, Session};
pub use sign_in::{SIGN_IN_LIFE, SignIn};

#[cfg(test)]
mod tests;
