//! The score of the Numenta Anomaly Benchmark, from its paper (Lavin and Ahmad, ICMLA 2015): what is
//! found early in the window of an anomaly counts most, what is missed counts against it, and so does what is
//! found outside of a window, the more the further behind the last one.

/// What each outcome weighs.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    found: f64,
    false_alarm: f64,
    missed: f64,
}

/// The standard profile.
pub const STANDARD: Profile = Profile { found: 1.0, false_alarm: 0.11, missed: 1.0 };

/// A series' part of the sum: its raw score, that of a perfect detector, and that of none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    raw: f64,
    perfect: f64,
    none: f64,
}

/// From 1 at the left end of a window (-1) by 0 at its right end to -1 behind it.
fn sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

/// Values at the beginning of a series that do not count: the first 15 %, at most 750.
#[must_use]
pub fn probation(length: usize) -> usize {
    (length * 15 / 100).min(750)
}

/// Scores the places that were found against the windows (first and last place).
#[must_use]
pub fn score(profile: Profile, length: usize, windows: &[(usize, usize)], found: &[usize]) -> Part {
    let inside = |at: usize| windows.iter().find(|(from, to)| (*from..=*to).contains(&at));
    let mut raw = 0.0;
    for (from, to) in windows {
        match found.iter().filter(|at| (*from..=*to).contains(*at)).min() {
            Some(first) => {
                let width = (to - from + 1) as f64;
                raw += profile.found * sigmoid(-((to - first + 1) as f64) / width) / sigmoid(-1.0);
            }
            None => raw -= profile.missed,
        }
    }
    for at in found.iter().filter(|at| **at >= probation(length) && inside(**at).is_none()) {
        let before = windows.iter().filter(|(_, to)| to < at).max_by_key(|(_, to)| *to);
        raw += profile.false_alarm
            * before
                .map_or(-1.0, |(from, to)| sigmoid((at - to) as f64 / (to - from).max(1) as f64));
    }
    let windows = windows.len() as f64;
    Part { raw, perfect: windows * profile.found, none: -windows * profile.missed }
}

/// The score of all: 100 for a perfect detector, 0 for one that says nothing.
#[must_use]
pub fn total(parts: &[Part]) -> f64 {
    let sum = |of: fn(&Part) -> f64| parts.iter().map(of).sum::<f64>();
    let (raw, perfect, none) = (sum(|p| p.raw), sum(|p| p.perfect), sum(|p| p.none));
    if perfect > none { 100.0 * (raw - none) / (perfect - none) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_scale_are_where_they_belong() {
        let windows = [(400, 499), (700, 799)];
        let of = |found: &[usize]| total(&[score(STANDARD, 1_000, &windows, found)]);
        assert!((of(&[400, 700]) - 100.0).abs() < 1e-9);
        assert_eq!(of(&[]), 0.0);
        // Twice in a window counts once; the later the less; outside it costs.
        assert_eq!(of(&[400, 450, 700]), of(&[400, 700]));
        assert!(of(&[499, 700]) < 80.0 && of(&[499, 700]) > 70.0);
        assert!(of(&[400, 700, 900]) < 100.0 && of(&[400, 700, 900]) > 95.0);
        // At the beginning nothing counts.
        assert_eq!(of(&[10, 400, 700]), of(&[400, 700]));
    }
}
