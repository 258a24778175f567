//! What is asked at a steady rate, and how long the answers took.

use std::time::{Duration, Instant};

/// Asks so many times a second, whatever the answers take. How long each took that was not turned away
/// for want of room (503), and how many were.
///
/// # Panics
/// At any other answer that is an error.
pub fn steady(rate: u32, count: u32, ask: impl Fn(u32) -> u16 + Sync) -> (Vec<Duration>, usize) {
    let began = Instant::now();
    let ask = &ask;
    std::thread::scope(|scope| {
        let each = (0..count).map(|number| {
            scope.spawn(move || {
                let at = began + Duration::from_secs(1) * number / rate;
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                let begun = Instant::now();
                let status = ask(number);
                assert!(status < 400 || status == 503, "{status}");
                (begun.elapsed(), status)
            })
        });
        let each: Vec<_> = each.collect();
        let all: Vec<_> = each.into_iter().map(|one| one.join().expect("no panic")).collect();
        let taken = all.iter().filter(|(_, status)| *status < 400).map(|(took, _)| *took);
        let taken: Vec<_> = taken.collect();
        let turned_away = all.len() - taken.len();
        (taken, turned_away)
    })
}

/// The time within which so many of a hundred were.
#[must_use]
pub fn percentile(times: &mut [Duration], of_hundred: usize) -> Duration {
    times.sort_unstable();
    let at = (times.len() * of_hundred).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or_default()
}
