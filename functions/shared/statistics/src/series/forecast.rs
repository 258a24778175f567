//! Forecasts of the next value, side by side.

const DAY: f64 = 86_400.0;
const WEEK: f64 = 7.0 * DAY;
/// Parts of a day, and of a week, whose values are remembered.
const DAY_PARTS: usize = 288;
const WEEK_PARTS: usize = 336;
/// Forecasts: the last value, the level, the time of day, the time of the week.
const COUNT: usize = 4;
/// How fast the error of a forecast is forgotten.
const FORGET: f64 = 0.01;
/// How often a forecast is tried before it is believed.
const TRIED: u32 = 60;
/// How much of a new value goes into a part of the season.
const SEASON: f64 = 0.3;

#[derive(Clone, Debug)]
pub(super) struct Forecasts {
    last: Option<f64>,
    level: f64,
    day: Season,
    week: Season,
    /// How wrong each was of late, and how often it was tried.
    errors: [(f64, u32); COUNT],
    /// How large values are.
    size: f64,
}

impl Default for Forecasts {
    fn default() -> Self {
        Self {
            last: None,
            level: 0.0,
            day: Season::new(DAY, DAY_PARTS),
            week: Season::new(WEEK, WEEK_PARTS),
            errors: [(0.0, 0); COUNT],
            size: 0.0,
        }
    }
}

impl Forecasts {
    fn all(&self, at: f64) -> [Option<f64>; COUNT] {
        let level = self.last.map(|_| self.level);
        [self.last, level, self.day.expect(at), self.week.expect(at)]
    }

    /// What the best of them expects.
    pub(super) fn expect(&self, at: f64) -> Option<f64> {
        let best = self
            .all(at)
            .into_iter()
            .zip(self.errors)
            .filter(|(_, (_, tried))| *tried >= TRIED)
            .filter_map(|(forecast, (error, _))| Some((forecast?, error)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        best.map(|(forecast, _)| forecast).or(self.last)
    }

    pub(super) fn size(&self) -> f64 {
        self.size
    }

    pub(super) fn learn(&mut self, at: f64, value: f64) {
        for (forecast, error) in self.all(at).into_iter().zip(&mut self.errors) {
            let Some(forecast) = forecast else { continue };
            let missed = (value - forecast).abs();
            let (mean, tried) = error;
            *tried = tried.saturating_add(1);
            // One outlier does not turn the order.
            let most = if *tried < TRIED { f64::INFINITY } else { *mean * 5.0 + 1e-9 };
            *mean += (missed.min(most) - *mean) * (1.0 / f64::from(*tried)).max(FORGET);
        }
        let first = self.last.is_none();
        self.size += (value.abs() - self.size) * if first { 1.0 } else { 0.01 };
        self.level += (value - self.level) * if first { 1.0 } else { 0.1 };
        self.last = Some(value);
        self.day.learn(at, value);
        self.week.learn(at, value);
    }
}

/// What is usual at each part of a period, and how far the series is from it of late.
#[derive(Clone, Debug)]
struct Season {
    period: f64,
    parts: Vec<Option<f64>>,
    offset: f64,
}

impl Season {
    fn new(period: f64, parts: usize) -> Self {
        Self { period, parts: vec![None; parts], offset: 0.0 }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to the number of parts"
    )]
    fn part(&self, at: f64) -> usize {
        let share = at.rem_euclid(self.period) / self.period;
        ((share * self.parts.len() as f64) as usize).min(self.parts.len().saturating_sub(1))
    }

    fn expect(&self, at: f64) -> Option<f64> {
        Some(self.parts.get(self.part(at)).copied().flatten()? + self.offset)
    }

    fn learn(&mut self, at: f64, value: f64) {
        let index = self.part(at);
        let Some(part) = self.parts.get_mut(index) else { return };
        match part {
            Some(usual) => {
                let missed = value - *usual;
                self.offset += (missed - self.offset) * 0.02;
                *usual += (missed - self.offset) * SEASON;
            }
            None => *part = Some(value - self.offset),
        }
    }
}
