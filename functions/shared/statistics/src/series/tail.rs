//! How rare a size is, by the sizes before it.

/// Bins of the logarithm of the size, from 2^-10 to 2^22, four for each doubling.
const BINS: usize = 128;
const LOWEST: f64 = -10.0;
/// How much of the past is forgotten with each value, once there is enough of it.
const FORGET: f64 = 1.0 / 4_000.0;
/// The share of the largest sizes that the tail is taken from.
const TAIL: f64 = 0.03;
/// How rare the rarest is that is learned from.
const MOST: f64 = 3.5;
/// The steepest tail: what never varied may vary a little.
const STEEPEST: f64 = 9.0;
/// The flattest one.
const FLATTEST: f64 = 1.2;

/// A histogram of sizes with a tail that goes on beyond it.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    bins: Box<[f64; BINS]>,
    all: f64,
    /// The weight of one value: it grows, which is as if the older ones shrank.
    weight: f64,
    seen: u64,
    /// From where on the tail is, and how steep it is; worked out anew from time to time.
    edge: f64,
    share: f64,
    steepness: f64,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            bins: Box::new([0.0; BINS]),
            all: 0.0,
            weight: 1.0,
            seen: 0,
            edge: 0.0,
            share: 1.0,
            steepness: STEEPEST,
        }
    }
}

impl Tail {
    /// How rarely a size is reached, as a power of ten; then it is one of the past.
    pub(super) fn rarity(&mut self, size: f64) -> f64 {
        if self.seen < 50 || size <= self.edge || self.edge <= 0.0 {
            self.learn(size);
            return 0.0;
        }
        let rarity = -self.share.log10() + self.steepness * (size / self.edge).log10();
        // What is odd is not how it usually is: it is learned as what only just is not odd.
        let most = self.edge * 10f64.powf((MOST + self.share.log10()).max(0.0) / self.steepness);
        self.learn(size.min(most));
        rarity
    }

    fn learn(&mut self, size: f64) {
        let place = (size.max(1e-9).log2() - LOWEST) * 4.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the bins"
        )]
        let index = place.clamp(0.0, (BINS - 1) as f64) as usize;
        if let Some(bin) = self.bins.get_mut(index) {
            *bin += self.weight;
        }
        self.all += self.weight;
        self.weight *= 1.0 + FORGET;
        self.seen += 1;
        if self.weight > 1e12 {
            self.bins.iter_mut().for_each(|bin| *bin /= self.weight);
            self.all /= self.weight;
            self.weight = 1.0;
        }
        if self.seen.is_multiple_of(16) {
            self.fit();
        }
    }

    /// Hill's estimator over the bins of the tail.
    fn fit(&mut self) {
        let wanted = (self.all * TAIL).max(self.weight * 8.0);
        let (mut above, mut logs, mut first) = (0.0, 0.0, BINS - 1);
        for (index, bin) in self.bins.iter().enumerate().rev() {
            above += bin;
            logs += bin * ((index as f64 + 0.5) / 4.0 + LOWEST);
            first = index;
            if above >= wanted {
                break;
            }
        }
        let edge = first as f64 / 4.0 + LOWEST;
        let mean_excess = (logs / above.max(1e-300) - edge) * std::f64::consts::LN_2;
        self.edge = edge.exp2();
        self.share = (above / self.all).clamp(1e-9, 1.0);
        self.steepness = (1.0 / mean_excess.max(1e-6)).clamp(FLATTEST, STEEPEST);
    }
}
