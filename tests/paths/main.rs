//! The state machines on every path: each task with each outcome, on the real engine, in a
//! scripted world.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "everything here is a test, its helper functions too"
)]

mod answers;
mod crash;
mod envelopes;
mod explore;
mod invariants;
mod machine;
mod pipeline;
mod script;
mod world;
