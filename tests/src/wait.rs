//! Waiting on a condition.

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
