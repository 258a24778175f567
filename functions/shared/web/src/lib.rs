//! What the two functions behind the HTTP API have in common: how an event becomes a request, what
//! a refusal looks like, and what every line of the log says.

pub mod access;
mod event;
mod observe;
mod origin;
mod problem;
#[cfg(feature = "testing")]
pub mod testing;

pub use event::{answer, serve};
pub use observe::observe;
pub use origin::origin;
pub use problem::{Problem, problems};
