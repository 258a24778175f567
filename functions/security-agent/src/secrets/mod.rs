//! The secrets engine: kinds with a form of their own, names with values, files whose form says
//! where secrets are, keys, addresses, and all of that within text that is encoded.
//!
//! The work for every place that is looked at is bounded, and so is their sum: no text can stall
//! it. Expressions are matched by an engine that takes linear time.

mod check;
mod decode;
mod edges;
mod engine;
mod forms;
mod hit;
mod keys;
mod lines;
mod look;
#[cfg(test)]
pub(crate) mod make;
mod name;
mod pairs;
mod place;
pub(crate) mod rules;
mod scan;
mod score;
#[cfg(test)]
mod tests;
mod text;
mod url;
mod value;

pub use engine::Engine;
pub use hit::Found;
pub(crate) use hit::REMEDY;
pub(crate) use place::is_test;
pub use scan::Scan;
pub use score::{Corpus, Label, Score, score};
