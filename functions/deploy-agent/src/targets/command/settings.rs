//! What can be set up, and what is checked of it.

use std::collections::BTreeMap;

use pact_config::{
    Rule,
    form::{Form, Law, Shape, field, required},
};
use serde::{Deserialize, Serialize};

use crate::targets::settings::Checked;

use super::script::{ARTIFACT, CREDENTIALS, VARIABLES};

/// Most commands of one kind.
const MAX_COMMANDS: usize = 50;
/// Longest time for the commands of one deed, in seconds: a call of the agent waits for them, and has 15
/// minutes, of which the build needs some to begin.
const MAX_SECONDS: u32 = 600;
/// How the name of a role has to begin: the deploy agent may take on no other.
const ROLE: &str = "pact-deploy-";

/// How the target is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Commands that put a release into effect.
    pub(crate) deploy: Vec<Vec<String>>,
    /// Commands that say whether a release is in effect.
    pub(crate) status: Vec<Vec<String>>,
    /// Commands that return to a release; none: nothing does.
    pub(crate) rollback: Vec<Vec<String>>,
    /// Where what is deployed answers.
    pub(crate) address: Option<String>,
    /// How long the commands of one deed may take in all, in seconds.
    pub(crate) limit_seconds: u64,
    /// Further environment variables.
    pub(crate) env: BTreeMap<String, String>,
    /// Region for the commands; none: whatever the build environment has.
    pub(crate) region: Option<String>,
    /// ARN of the role whose credentials the commands have; none: they have none.
    pub(crate) role: Option<String>,
    /// Commands that build the release.
    pub(crate) build: Vec<Vec<String>>,
    /// Time-out of each build command in seconds.
    pub(crate) build_timeout_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deploy: Vec::new(),
            status: Vec::new(),
            rollback: Vec::new(),
            address: None,
            limit_seconds: 300,
            env: BTreeMap::new(),
            region: None,
            role: None,
            build: Vec::new(),
            build_timeout_seconds: 600,
        }
    }
}

impl Checked for Settings {
    fn check(&self) -> Result<(), String> {
        for (name, commands) in [("deploy", &self.deploy), ("status", &self.status)] {
            if commands.is_empty() {
                return Err(format!("the target has no {name} command"));
            }
        }
        let all = [&self.deploy, &self.status, &self.rollback, &self.build];
        if all.iter().any(|commands| commands.len() > MAX_COMMANDS) {
            return Err(format!("the target has more than {MAX_COMMANDS} commands of one kind"));
        }
        let empty = |command: &Vec<String>| command.first().is_none_or(|n| n.trim().is_empty());
        if all.iter().any(|commands| commands.iter().any(empty)) {
            return Err("a command of the target names no program".to_owned());
        }
        let nul = |text: &String| text.contains('\0');
        if all.iter().any(|commands| commands.iter().flatten().any(nul)) {
            return Err("a command of the target has a NUL character".to_owned());
        }
        if !(1..=u64::from(MAX_SECONDS)).contains(&self.limit_seconds) {
            return Err(format!("the target's limit_seconds must be 1 to {MAX_SECONDS}"));
        }
        for (name, value) in &self.env {
            Rule::Variable
                .check(name)
                .map_err(|why| format!("the target's variable {name:?} {why}"))?;
            Rule::Any.check(value).map_err(|why| format!("the target's {name} {why}"))?;
            if reserved().any(|reserved| reserved == name) {
                return Err(format!("the target's env must not set {name}"));
            }
        }
        if let Some(address) = &self.address {
            http().check(address).map_err(|why| format!("the target's address {why}"))?;
        }
        if let Some(region) = &self.region {
            self::region().check(region).map_err(|why| format!("the target's region {why}"))?;
        }
        if let Some(role) = &self.role {
            self::role().check(role).map_err(|why| format!("the target's role {why}"))?;
        }
        Ok(())
    }
}

/// The variables that the commands get from here.
fn reserved() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().chain(CREDENTIALS).copied().chain([ARTIFACT])
}

fn rule(pattern: &str, wanted: &str, max: usize) -> Rule {
    Rule::Pattern { pattern: pattern.to_owned(), wanted: wanted.to_owned(), max }
}

fn http() -> Rule {
    rule("^https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%\\[\\]-]+$", "an http or https address", 1_024)
}

fn region() -> Rule {
    rule("^[a-z]{2}(-[a-z]+)+-[0-9]$", "a region such as \"eu-west-1\"", 32)
}

fn role() -> Rule {
    let pattern = format!("^arn:aws[a-z-]*:iam::[0-9]{{12}}:role/{ROLE}[A-Za-z0-9+=,.@_-]+$");
    rule(&pattern, &format!("the ARN of a role whose name begins with {ROLE}"), 200)
}

/// The settings in `pact.toml`.
pub(crate) fn form() -> Form {
    let remedy = "choose another name: this one is set for the commands".to_owned();
    let taken = reserved().map(|name| Law::Reserved {
        key: "env".to_owned(),
        name: name.to_owned(),
        remedy: Some(remedy.clone()),
    });
    Form {
        about: "Commands, in a build of their own, with the release and its digest at hand."
            .to_owned(),
        fields: vec![
            required("deploy", "Commands that put PACT_RELEASE into effect.", Shape::Commands),
            required(
                "status",
                "Commands that end with 0 where PACT_RELEASE is in effect, and with 1 where it is not.",
                Shape::Commands,
            ),
            field(
                "rollback",
                "Commands that return to PACT_RELEASE; without them nothing takes a release back.",
                Shape::Commands,
            ),
            field(
                "address",
                "Where what is deployed answers, for its probes and its end-to-end tests.",
                Shape::Text(http()),
            ),
            field(
                "limit_seconds",
                "How long the commands of one deed may take in all, in seconds.",
                Shape::Integer { min: 1, max: MAX_SECONDS },
            ),
            field("env", "Further environment variables.", Shape::variables()),
            field("region", "Region for the commands.", Shape::Text(region())),
            field(
                "role",
                "ARN of the role whose credentials the commands get, made by infra/deploy-role.yaml.",
                Shape::Text(role()),
            ),
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
        ],
        laws: [
            Law::AddressNeeds { key: "address".to_owned() },
            Law::ReturnNeeds { key: "rollback".to_owned() },
        ]
        .into_iter()
        .chain(taken)
        .collect(),
        ..Form::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use pact_contract::settings::Instance;

    use super::*;

    #[test]
    fn what_no_file_says_is_checked_too() {
        let with = |key: &str, value: Value| {
            let mut settings = json!({ "deploy": [["./deploy"]], "status": [["./status"]] });
            settings[key] = value;
            Settings::read(&Instance::with("command", settings).expect("an object"))
        };
        let good = with("rollback", json!([["./deploy"]])).expect("is valid");
        assert_eq!((good.limit_seconds, good.role), (300, None));
        for (key, value) in [
            ("deploy", json!([])),
            ("status", json!([[""]])),
            ("rollback", json!([["a\0b"]])),
            ("limit_seconds", json!(601)),
            ("env", json!({ "A-B": "c" })),
            ("env", json!({ "PACT_RELEASE": "c" })),
            ("env", json!({ "AWS_SESSION_TOKEN": "c" })),
            ("address", json!("file:///etc")),
            ("region", json!("eu west")),
            ("role", json!("arn:aws:iam::123456789012:role/admin")),
        ] {
            assert!(with(key, value.clone()).is_err(), "{key} = {value}");
        }
    }
}
