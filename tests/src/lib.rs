//! The harness of the end-to-end tests: real repositories, the real binary, a data folder of its
//! own for each scenario.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness that cannot work should say so at once"
)]

mod pactctl;
mod rate;
mod repo;
mod wait;

pub use pactctl::{Aws, Finished, Running, Stack, binary, send_signal, serves};
pub use rate::{percentile, steady};
pub use repo::Repo;
pub use wait::wait_for;
