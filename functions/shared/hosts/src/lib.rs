//! What several functions ask of git hosts: with which token, and what an answer means.

pub mod answer;
mod app;
mod client;
pub mod github;
mod key;
mod tokens;

pub use answer::Answer;
pub use app::{AppSettings, GITHUB_APP_KEY, VARIABLES};
pub use client::{Client, NoAnswer};
pub use tokens::{Found, HostTokens, Purpose};
