//! What every PACT agent is made of.
//!
//! An agent implements [`Agent`]; [`adapter::handle`] takes an intent envelope to it and a
//! response envelope back, and records both. The world outside is reached through the narrow
//! traits in [`ports`]; `pact-aws` implements them, [`testing`] does in memory.

pub mod access;
pub mod adapter;
mod admission;
mod agent;
mod approval;
pub mod arrivals;
pub mod builds;
pub mod buildspec;
pub mod built;
pub mod bundle;
pub mod error;
pub mod globs;
pub mod heads;
pub mod incidents;
mod later;
pub mod logs;
pub mod metrics;
pub mod open;
pub mod ports;
pub mod pulls;
mod recording;
pub mod room;
pub mod rotation;
pub mod secrets;
pub mod shown;
mod stage;
pub mod statuses;
pub mod telemetry;
pub mod tested;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod toolchain;
pub mod waiting;
pub mod waivers;

pub use adapter::serve;
pub use agent::{Agent, Call, News, Outcome, Stand};
pub use error::AgentError;
pub use recording::{Later, Recording};
