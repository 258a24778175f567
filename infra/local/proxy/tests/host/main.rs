//! The host as a process, with real services: `examples/fixture-server.rs`.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "what a test's helpers cannot do is a failed test, what is skipped is said"
)]

mod apart;
mod faults;
mod kills;
mod protocol;
mod traffic;
mod world;
