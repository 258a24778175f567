//! The harness of the end-to-end tests: real repositories, the real binary, a data folder of its
//! own for each scenario.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness that cannot work should say so at once"
)]

mod pactctl;
mod repo;

pub use pactctl::{Finished, Running, Stack, binary, send_signal, serves};
pub use repo::Repo;

use std::time::{Duration, Instant};

/// Waits until `condition` gives something; panics with `what` after `seconds`.
///
/// # Panics
/// When it never does.
pub fn wait_for<T>(what: &str, seconds: u64, mut condition: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < until, "{what} did not happen in {seconds} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}
