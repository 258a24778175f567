//! What can be set up, and what is checked of it.

use std::collections::BTreeMap;

use pact_config::{
    Rule,
    form::{Form, Law, Shape, field, required},
};
use serde::{Deserialize, Serialize};

use crate::targets::settings::Checked;

/// Most commands of a build.
const MAX_COMMANDS: usize = 50;

/// How the target is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Directory below the deploy agent's root; none: `<repository>-<hash>/<environment>`.
    pub(crate) path: Option<String>,
    /// Commands that build the release, each a program with arguments: they run beside the unit tests,
    /// and what they built is what is deployed.
    pub(crate) build: Vec<Vec<String>>,
    /// Time-out of each build command in seconds.
    pub(crate) build_timeout_seconds: u64,
    /// The program that serves the release; none: files only.
    pub(crate) service: Option<Service>,
    /// How many releases are kept, the current one included; at least 2.
    pub(crate) keep: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { path: None, build: Vec::new(), build_timeout_seconds: 600, service: None, keep: 5 }
    }
}

/// How long a new service may take until it listens, where nothing is said, in seconds.
const STARTUP_SECONDS: u64 = 10;
/// How long a release that was replaced is kept warm, where nothing is said, in seconds.
const KEEP_WARM_SECONDS: u64 = 900;
/// How long the last requests of a release may take, where nothing is said, in seconds.
pub(crate) const DRAIN_SECONDS: u64 = 30;
/// Longest start, in seconds: an action has 15 minutes.
const MAX_STARTUP: u64 = 300;
/// Longest time that a release is kept warm, in seconds.
const MAX_KEEP_WARM: u64 = 86_400;
/// Longest time for last requests, in seconds: an action may wait for it.
const MAX_DRAIN: u64 = 60;

/// A program that serves a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    /// Program and arguments, run in the release's directory with `PORT` set.
    pub(crate) command: Vec<String>,
    /// Port; none: a free one, kept for the environment.
    #[serde(default)]
    pub(crate) port: Option<u16>,
    /// Further environment variables.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// How long it may take until it listens, in seconds. The one before serves meanwhile.
    #[serde(default = "startup_seconds")]
    pub(crate) startup_seconds: u64,
    /// How long it is kept warm after it was replaced, for an instant return, in seconds.
    #[serde(default = "keep_warm_seconds")]
    pub(crate) keep_warm_seconds: u64,
    /// How long its last requests may take before it is ended, in seconds.
    #[serde(default = "drain_seconds")]
    pub(crate) drain_seconds: u64,
}

fn startup_seconds() -> u64 {
    STARTUP_SECONDS
}

fn keep_warm_seconds() -> u64 {
    KEEP_WARM_SECONDS
}

fn drain_seconds() -> u64 {
    DRAIN_SECONDS
}

/// The settings in `pact.toml`.
pub(crate) fn form() -> Form {
    let service = vec![
        required("command", "Program with arguments, or one line for the shell.", Shape::Command),
        field("port", "Port; a free one without it.", Shape::Integer { min: 1, max: 65_535 }),
        field("env", "Further environment variables.", Shape::variables()),
        field(
            "startup_seconds",
            "How long it may take until it listens; the release before serves meanwhile.",
            Shape::Integer { min: 1, max: 300 },
        ),
        field(
            "keep_warm_seconds",
            "How long it is kept warm after it was replaced, for an instant return.",
            Shape::Integer { min: 0, max: 86_400 },
        ),
        field(
            "drain_seconds",
            "How long its last requests may take before it is ended.",
            Shape::Integer { min: 0, max: 60 },
        ),
    ];
    Form {
        about: "Releases side by side in a directory, one of them current.".to_owned(),
        fields: vec![
            field("path", "Directory below the deploy agent's root.", Shape::Text(Rule::Inside)),
            field(
                "build",
                "Commands that build the release: once per run, in the build of its unit tests.",
                Shape::Commands,
            ),
            field(
                "build_timeout_seconds",
                "Time-out of each build command in seconds.",
                Shape::Integer { min: 1, max: 840 },
            ),
            field("keep", "How many releases are kept.", Shape::Integer { min: 2, max: 50 }),
            field("service", "The program that serves the release.", Shape::Table(service)),
        ],
        laws: vec![
            Law::AddressNeeds { key: "service".to_owned() },
            Law::Shares { needs: Some("service".to_owned()) },
            Law::Reserved {
                key: "service.env".to_owned(),
                name: "PORT".to_owned(),
                remedy: Some("use service.port".to_owned()),
            },
            Law::Distinct {
                key: "service.port".to_owned(),
                remedy: Some("leave it out for a free one".to_owned()),
            },
            Law::Distinct { key: "path".to_owned(), remedy: None },
        ],
        ..Form::default()
    }
}

impl Checked for Settings {
    fn check(&self) -> Result<(), String> {
        check(self)
    }
}

fn check(settings: &Settings) -> Result<(), String> {
    let empty = |command: &[String]| command.first().is_none_or(|name| name.trim().is_empty());
    if settings.build.len() > MAX_COMMANDS {
        return Err(format!("the target has more than {MAX_COMMANDS} build commands"));
    }
    if settings.build.iter().any(|command| empty(command)) {
        return Err("a build command of the target names no program".to_owned());
    }
    if let Some(service) = &settings.service {
        if empty(&service.command) {
            return Err("the target's service command names no program".to_owned());
        }
        if service.port == Some(0) {
            return Err("the target's service has port 0; leave the port out".to_owned());
        }
        for (what, value, max) in [
            ("startup_seconds", service.startup_seconds, MAX_STARTUP),
            ("keep_warm_seconds", service.keep_warm_seconds, MAX_KEEP_WARM),
            ("drain_seconds", service.drain_seconds, MAX_DRAIN),
        ] {
            if value > max {
                return Err(format!("the target's service has {what} = {value}, above {max}"));
            }
        }
    }
    Ok(())
}
