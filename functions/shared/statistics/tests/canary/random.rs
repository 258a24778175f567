//! Numbers with a fixed sequence for each seed (xorshift64*), and what releases are made of.

use pact_contract::actions::Metrics;

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    /// Uniform between 0 and 1, neither included.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.next()
    }

    pub(crate) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        let index = (self.next() * values.len() as f64) as usize % values.len();
        *values.get(index).unwrap_or_else(|| unreachable!("an index below the length"))
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.next().ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos()
    }
}

/// How a release behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// Share of requests that fail.
    pub(crate) errors: f64,
    /// Median latency in milliseconds.
    pub(crate) median: f64,
    /// Spread of the logarithm of the latency.
    pub(crate) sigma: f64,
    /// Normal with this deviation in place of the logarithm's.
    pub(crate) deviation: Option<f64>,
    /// Share of requests in the tail, and how many times as long they take.
    pub(crate) tail: (f64, f64),
    /// By how much the latency grows from the first to the last request.
    pub(crate) growth: f64,
    /// By how much load, which comes and goes, lengthens it.
    pub(crate) wave: f64,
    /// Short spells in which nothing goes well.
    pub(crate) spells: Spells,
}

/// Spells of trouble, as a collector of garbage, a full disk or a busy neighbour makes them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spells {
    /// How likely one begins with a request.
    pub(crate) begin: f64,
    /// How many requests it meets.
    pub(crate) last: usize,
    /// How many times as long answers take meanwhile; 0: there are none.
    pub(crate) slower: f64,
}

impl Service {
    pub(crate) fn new(median: f64, sigma: f64) -> Self {
        Self {
            errors: 0.0,
            median,
            sigma,
            deviation: None,
            tail: (0.0, 1.0),
            growth: 0.0,
            wave: 0.0,
            spells: Spells::default(),
        }
    }

    pub(crate) fn failing(self, errors: f64) -> Self {
        Self { errors, ..self }
    }

    /// A latency, or none: it failed.
    pub(crate) fn request(&self, random: &mut Random, at: f64) -> Option<f64> {
        if random.next() < self.errors {
            return None;
        }
        let plain = match self.deviation {
            Some(deviation) => (self.median + deviation * random.normal()).abs(),
            None => self.median * (self.sigma * random.normal()).exp(),
        };
        let tail = if random.next() < self.tail.0 { self.tail.1 } else { 1.0 };
        let wave = 1.0 + self.wave * (at * 9.0).sin().max(0.0);
        Some(plain * tail * wave * (1.0 + self.growth * at))
    }

    pub(crate) fn requests(&self, random: &mut Random, n: usize) -> Vec<Option<f64>> {
        let mut left = 0;
        let one = |i: usize| {
            let answer = self.request(random, i as f64 / n.max(1) as f64);
            if self.spells.last == 0 {
                return answer;
            }
            if left == 0 && random.next() < self.spells.begin {
                left = self.spells.last;
            }
            let spell = left > 0;
            left = left.saturating_sub(1);
            answer
                .filter(|_| !spell || self.spells.slower > 0.0)
                .map(|latency| if spell { latency * self.spells.slower } else { latency })
        };
        (0..n).map(one).collect()
    }
}

/// What was measured, of requests of which so many in a row belong to one moment.
pub(crate) fn in_moments(samples: &[Option<f64>], together: u32) -> Metrics {
    let failed: Vec<bool> = samples.iter().map(Option::is_none).collect();
    let clumped = pact_statistics::clumping(&failed, together as usize);
    Metrics { together, clumped, ..metrics(samples) }
}

pub(crate) fn metrics(samples: &[Option<f64>]) -> Metrics {
    let latencies: Vec<f64> = samples.iter().flatten().copied().collect();
    let mut sorted = latencies.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |percent| pact_statistics::percentile(&sorted, percent).unwrap_or(0.0);
    let (requests, errors) = (samples.len(), samples.len() - latencies.len());
    Metrics {
        requests: requests as u64,
        errors: errors as u64,
        error_rate: errors as f64 * 100.0 / requests.max(1) as f64,
        p50_ms: at(50),
        p95_ms: at(95),
        p99_ms: at(99),
        latencies_ms: pact_statistics::thinned(&latencies, 500),
        look: None,
        ..Metrics::default()
    }
}
