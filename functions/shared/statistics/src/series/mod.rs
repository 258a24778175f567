//! Anomalies of a series, one value after another: points, shifts of the level, changes of the
//! spread, gaps. Memory is bounded, whatever the length; nothing is set for a series.
//!
//! Several forecasts run side by side (the last value, the level, the time of day, the time of the week),
//! and the one that was best of late is believed. How far a value is from it, in units of how far values
//! usually are, is held against its own past: the tail of what was seen, continued beyond it
//! by Hill's estimator (Annals of Statistics 3, 1975), says how rarely that happens. So a series that jumps
//! all the time has to jump further than one that never does.

pub mod csv;
mod forecast;
pub mod nab;
mod tail;

use std::collections::VecDeque;

use forecast::Forecasts;
use tail::Tail;

/// Values of which the mean is looked at for a shift.
const WINDOW: usize = 12;
/// Values before anything is said.
const LEARNING: u64 = 150;
/// How rare something has to be, as a power of ten.
const RARE: f64 = 3.2;
/// Intervals without a value that are a gap.
const GAP: f64 = 5.0;
/// Values after an alarm during which the same trouble is not said again.
const QUIET: u64 = 120;

/// What is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Point,
    /// The level of the last values.
    Shift,
    /// How much the last values vary.
    Spread,
    /// There was no value for a while.
    Gap,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Shift => "shift",
            Self::Spread => "spread",
            Self::Gap => "gap",
        }
    }
}

/// What is said of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// How rarely it happens, as a power of ten: 5 is once in 100,000 values.
    pub rarity: f64,
    /// What was expected.
    pub expected: f64,
    /// Set where it is an anomaly, and the first value of it.
    pub anomaly: Option<Kind>,
}

/// Watches one series.
#[derive(Clone, Debug)]
pub struct Detector {
    seen: u64,
    last: Option<f64>,
    interval: f64,
    forecasts: Forecasts,
    /// How far values usually are from the forecast: of late, and in the long run.
    scale: f64,
    recent: VecDeque<f64>,
    points: Tail,
    shifts: Tail,
    spreads: Tail,
    quiet: u64,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seen: 0,
            last: None,
            interval: 0.0,
            forecasts: Forecasts::default(),
            scale: 0.0,
            recent: VecDeque::with_capacity(WINDOW),
            points: Tail::default(),
            shifts: Tail::default(),
            spreads: Tail::default(),
            quiet: 0,
        }
    }

    /// Takes the next value, at a time in seconds. What is no number is no value.
    pub fn add(&mut self, at: f64, value: f64) -> Seen {
        if !value.is_finite() || !at.is_finite() {
            return Seen { rarity: 0.0, expected: 0.0, anomaly: None };
        }
        let gap = self.elapsed(at);
        let expected = self.forecasts.expect(at).unwrap_or(value);
        let distance = value - expected;
        // Until there is a scale, the first distances are one.
        let floor = self.forecasts.size() * 1e-3 + 1e-9;
        let z = (distance / self.scale.max(floor)).clamp(-1e6, 1e6);
        let rarity = self.rarity(z);
        self.learn(at, value, distance);
        self.seen += 1;
        self.quiet = self.quiet.saturating_sub(1);
        let (mut kind, mut rarity) = rarity;
        if gap && self.seen > LEARNING {
            (kind, rarity) = (Kind::Gap, rarity.max(RARE));
        }
        let anomaly = (self.seen > LEARNING && rarity >= RARE && self.quiet == 0).then_some(kind);
        if anomaly.is_some() {
            self.quiet = QUIET;
        }
        Seen { rarity, expected, anomaly }
    }

    /// Whether there was no value for longer than usual.
    fn elapsed(&mut self, at: f64) -> bool {
        let Some(last) = self.last.replace(at) else { return false };
        let step = at - last;
        if step <= 0.0 {
            return false;
        }
        let gap = self.interval > 0.0 && step > self.interval * GAP;
        if self.interval == 0.0 {
            self.interval = step;
        } else if !gap {
            self.interval += (step - self.interval) * 0.05;
        }
        gap
    }

    /// How rare the value is by itself, with those before it, and by how much they vary.
    fn rarity(&mut self, z: f64) -> (Kind, f64) {
        let clipped = z.clamp(-8.0, 8.0);
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(clipped);
        let count = self.recent.len().max(1) as f64;
        let mean = self.recent.iter().sum::<f64>() / count;
        let spread = self.recent.iter().map(|z| z.abs()).sum::<f64>() / count;
        let point = self.points.rarity(z.abs());
        let shift = self.shifts.rarity(mean.abs());
        let spread = self.spreads.rarity(spread);
        [(Kind::Shift, shift), (Kind::Spread, spread)]
            .into_iter()
            .fold((Kind::Point, point), |worst, next| if next.1 > worst.1 { next } else { worst })
    }

    fn learn(&mut self, at: f64, value: f64, distance: f64) {
        // One outlier says little of how far values usually are.
        let most = if self.seen < 20 { f64::INFINITY } else { self.scale * 4.0 + 1e-9 };
        let rate = (1.0 / (self.seen + 1) as f64).max(0.005);
        self.scale += (distance.abs().min(most) - self.scale) * rate;
        self.forecasts.learn(at, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: u32) -> f64 {
        let mut hashed = u64::from(i).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hashed = (hashed ^ (hashed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hashed = (hashed ^ (hashed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hashed ^= hashed >> 31;
        f64::from((hashed >> 40) as u32) / f64::from(1u32 << 24) - 0.5
    }

    fn found(values: impl IntoIterator<Item = f64>) -> Vec<(usize, Kind)> {
        let mut detector = Detector::new();
        let seen = values.into_iter().enumerate();
        seen.filter_map(|(i, v)| Some((i, detector.add(i as f64 * 300.0, v).anomaly?))).collect()
    }

    #[test]
    fn noise_alone_is_nothing() {
        let alarms = found((0..5_000).map(|i| 50.0 + noise(i)));
        assert!(alarms.len() <= 1, "{alarms:?}");
    }

    #[test]
    fn a_point_and_a_shift_are_found_where_they_begin() {
        let point = found((0..2_000).map(|i| noise(i) + if i == 1_500 { 30.0 } else { 10.0 }));
        assert_eq!(point, [(1_500, Kind::Point)]);
        let shift = found((0..2_000).map(|i| noise(i) + if i >= 1_500 { 14.0 } else { 10.0 }));
        assert_eq!(shift.first().map(|(at, _)| *at), Some(1_500), "{shift:?}");
    }

    #[test]
    fn the_time_of_day_is_expected() {
        let day = |i: u32| (f64::from(i % 288) / 288.0 * std::f64::consts::TAU).sin() * 20.0;
        let mut values: Vec<f64> = (0..4_000).map(|i| 50.0 + day(i) + noise(i)).collect();
        let calm = found(values.clone());
        assert!(calm.len() <= 1, "{calm:?}");
        // A day on which nothing happens.
        for value in &mut values[2_600..2_800] {
            *value = 50.0;
        }
        let flat = found(values);
        assert!(flat.iter().any(|(at, _)| (2_600..2_800).contains(at)), "{flat:?}");
    }

    #[test]
    fn a_gap_is_said_and_no_number_is_none() {
        let mut detector = Detector::new();
        for i in 0..300u32 {
            assert_eq!(detector.add(f64::from(i) * 60.0, noise(i)).anomaly, None);
        }
        assert_eq!(detector.add(18_000.0, f64::NAN).anomaly, None);
        assert_eq!(detector.add(300.0 * 60.0 + 3_600.0, noise(1)).anomaly, Some(Kind::Gap));
    }
}
