//! Parameters and outputs of every action, typed once for the agent that answers, the state
//! machine that passes them on and the agent that reads them next: a file for each agent.
//!
//! An output is small: it travels through the state machine, whose state is limited to 256 KiB.

mod code;
mod deploy;
mod monitor;
mod notify;
mod quality;
mod security;
mod suites;

pub use code::*;
pub use deploy::*;
pub use monitor::*;
pub use notify::*;
pub use quality::*;
pub use security::*;
pub use suites::*;

pub use crate::judgement::*;
