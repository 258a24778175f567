//! The AWS JSON API.

mod configuration;
mod executions;
mod http;
mod input;
mod machines;
mod operations;
mod tags;
mod tasks;
mod test_state;
