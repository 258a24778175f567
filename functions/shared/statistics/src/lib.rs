//! Whether numbers became worse. Pure: no clock, no I/O, the same answer for the same numbers.
//!
//! # A release against the one before
//!
//! [`compare`] asks of each metric two questions, and both have to be answered with yes before it
//! is worse: is the difference more than chance (a test), and is it large enough to matter (an
//! effect size). [`assess`] adds the limits of the watch and comes to a verdict.
//!
//! What is worse than before is held against the release before **at the same time** too, where both
//! can be asked: a machine that became busy slows both down. What everybody's requests came to is a metric
//! of its own, where it is known.
//!
//! Tests are exact where numbers are small: Fisher's for failures, the binomial one for limits, and
//! for tails the hypergeometric one of how many of the slowest answers are the new release's. Each
//! row has its share of the false alarms ([`looks`]), so that all together keep to one bound,
//! however often they are looked at. Where requests are sent close to each other, what they met
//! together counts once ([`clumping`]).
#![forbid(unsafe_code)]

mod assess;
mod burn;
mod chance;
mod clumps;
mod compare;
mod errors;
mod latency;
mod limits;
mod looks;
mod meanwhile;
mod row;
mod sample;
pub mod series;
mod traffic;

pub use assess::{Assessment, assess, enough, verdict};
pub use burn::burns;
pub use clumps::clumping;
pub use compare::compare;
pub use limits::limits;
pub use looks::{EXTENSIONS, STEPS, next_step};
pub use sample::{MIN_SAMPLES, percentile, thinned};
