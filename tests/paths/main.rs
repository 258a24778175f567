//! The state machines on every path: each task with each outcome, on the real engine, in a
//! scripted world.

mod answers;
mod crash;
mod envelopes;
mod explore;
mod invariants;
mod machine;
mod pipeline;
mod script;
mod world;
