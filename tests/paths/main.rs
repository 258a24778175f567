//! The state machines on every path: each task with each outcome, on the real engine, in a
//! scripted world.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "everything here is a test, its helper functions too"
)]

mod answers;
mod crash;
mod envelopes;
mod explore;
mod invariants;
mod machine;
#[path = "../../infra/local/step-functions/tests/differential/opinion.rs"]
mod opinion;
mod pairs;
mod pipeline;
mod script;
mod second_opinion;
mod watch;
mod world;
