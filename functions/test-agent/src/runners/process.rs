//! A process of the agent itself, in a clean checkout.

use std::collections::BTreeMap;

use pact_config::{
    Rule,
    form::{Form, Shape, field, required},
};
use serde::{Deserialize, Serialize};

/// The word that chooses this runner.
pub(crate) const KIND: &str = "process";

/// How a suite is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Program and arguments; not a shell line.
    pub(crate) command: Vec<String>,
    /// Directory to run in, relative to the root of the repository.
    #[serde(default)]
    pub(crate) directory: Option<String>,
    /// Further environment variables.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
}

/// The settings in `pact.toml`.
pub(crate) fn form() -> Form {
    Form {
        kind: KIND.to_owned(),
        about: "A process of the test agent, in a clean checkout.".to_owned(),
        default: true,
        fields: vec![
            required(
                "command",
                "Program with arguments, or one line for the shell.",
                Shape::Command,
            ),
            field(
                "directory",
                "Directory to run in, below the repository's root.",
                Shape::Text(Rule::Inside),
            ),
            field("env", "Further environment variables.", Shape::variables()),
        ],
        laws: Vec::new(),
    }
}
