//! What several functions ask of git hosts: which may be asked, with which token, and what an answer
//! means.

pub mod answer;
mod app;
mod client;
mod found;
pub mod github;
mod guard;
mod key;
mod network;
mod sources;
mod tokens;

pub use answer::Answer;
pub use app::{AppSettings, GITHUB_APP_KEY, VARIABLES};
pub use client::{Client, NoAnswer, ask};
pub use found::{Found, Purpose};
pub use guard::Guard;
pub use network::Reach;
pub use sources::Sources;
pub use tokens::{HostTokens, Lease};
