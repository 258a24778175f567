//! The actions end to end, through the adapter, on real repositories made with the git program.
#![expect(clippy::print_stderr, reason = "tests say why they were skipped")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

#[path = "actions/analyze.rs"]
mod analyze;
#[path = "actions/base.rs"]
mod base;
#[path = "actions/files.rs"]
mod files;
#[path = "actions/harness.rs"]
mod harness;
#[path = "actions/http.rs"]
mod http;
#[path = "actions/policy.rs"]
mod policy;
#[path = "actions/pull.rs"]
mod pull;
#[path = "actions/push.rs"]
mod push;
#[path = "actions/refactor.rs"]
mod refactor;
#[path = "actions/submodules.rs"]
mod submodules;
