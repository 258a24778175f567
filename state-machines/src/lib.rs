//! The two state machines as a typed description, which writes `pipeline.asl.json` and
//! `monitor.asl.json` beside it.
//!
//! # How to add a state
//!
//! 1. Name it in [`pact_contract::states`], where the dashboard and the tests find it too.
//! 2. Put it where it belongs in its machine's list of states. It goes on with the one below it.
//!
//!    ```text
//!    agent(ScanLicences, "Licences of the dependencies")
//!        asks("security.scan_licences", "source, settings: $settings.security")
//!        assign("licences: $response.output")
//!        on_fault("the licences could not be read", FailRun);
//!    ```
//!
//!    `asks` names an action of [`pact_contract::agents`], which says whose it is; its parameters
//!    are variables, or `name: JSONata`. `assign` keeps something of the answer for states further
//!    on. `because` says why the run ends, should a `choice` after it end the run; `on_fault` says
//!    what a fault means, and where the run ends because of it. What is tried again follows from
//!    what the contract says of each error's name; `retry` replaces it where an action cannot be
//!    repeated.
//! 3. `cargo run -p pact-state-machines` writes the definitions. Look at the difference: it is what
//!    people read in the console.
//! 4. `cargo test -p pact-state-machines` holds the definitions against this description, the
//!    contract's names and the agents' parameters; `cargo test -p pact-e2e --test paths` runs every
//!    path through them; the dashboard's tests say whether its picture lacks the state.
//!
//! A check of a commit is a `check` in one of the lanes of `Verify`: what it finds, or what was
//! raised, is kept under its name, which the lane's last state hands to the gate. The states of an
//! environment are written once, and gone through for each of the plan's: a stage of theirs is
//! recorded as `Deploy.staging`, and what became of each is an entry of `$deployments`.
//! What waits for an event instead of an answer has `.waitForTaskToken` at the end of its resource,
//! and hands `$states.context.Task.Token` on, as `AwaitApproval` does.
//!
//! # Faults
//!
//! A Catch passes on what was raised as it was. `DescribeOutcome` reads it, and makes the sentence
//! that is recorded and told; `DescribeFault` does so for the watch. What is raised in a check is
//! read by the quality agent ([`pact_contract::run::Fault::sentence`]).

#![expect(clippy::indexing_slicing, reason = "an index makes what is not there in JSON of our own")]

mod asl;
mod environment;
mod monitor;
mod outcome;
mod pipeline;
mod steps;
mod task;

/// Both machines in the Amazon States Language, by the names of their files.
#[must_use]
pub fn machines() -> [(&'static str, serde_json::Value); 2] {
    [("pipeline", pipeline::pipeline()), ("monitor", monitor::monitor())]
}
