//! What can be set up, and what is checked of it.

use pact_config::{
    Rule,
    form::{Form, Law, Shape, field, required},
};
use serde::{Deserialize, Serialize};

use crate::targets::settings::Checked;

/// Most commands of a build.
const MAX_COMMANDS: usize = 50;
/// The alias where none is set.
const ALIAS: &str = "live";
/// How the name of a role has to begin: the deploy agent may take on no other.
const ROLE: &str = "pact-deploy-";

/// How the target is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Name of the function; it is there already, with everything but its code.
    pub(crate) function: String,
    /// The alias that leads to the release in effect.
    pub(crate) alias: String,
    /// Region of the function; none: the agent's own.
    pub(crate) region: Option<String>,
    /// ARN of the role to take on; none: the one that the installation names for the environment.
    pub(crate) role: Option<String>,
    /// What is deployed of the release: a zip, a folder or a file; none: all of it.
    pub(crate) artifact: Option<String>,
    /// Commands that build the release.
    pub(crate) build: Vec<Vec<String>>,
    /// Time-out of each build command in seconds.
    pub(crate) build_timeout_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            function: String::new(),
            alias: ALIAS.to_owned(),
            region: None,
            role: None,
            artifact: None,
            build: Vec::new(),
            build_timeout_seconds: 600,
        }
    }
}

impl Checked for Settings {
    fn check(&self) -> Result<(), String> {
        let name = |text: &str, max: usize| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            !text.is_empty() && text.len() <= max && text.chars().all(fits)
        };
        if !name(&self.function, 64) {
            return Err(format!("the target's function {:?} is no name of one", self.function));
        }
        if !name(&self.alias, 128) || self.alias.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("the target's alias {:?} is no name of one", self.alias));
        }
        if self.region.as_ref().is_some_and(|region| !name(region, 32)) {
            return Err("the target's region is no name of one".to_owned());
        }
        if let Some(role) = &self.role {
            check_role(role)?;
        }
        if let Some(artifact) = &self.artifact {
            Rule::Inside.check(artifact).map_err(|why| format!("the target's artifact {why}"))?;
        }
        if self.build.len() > MAX_COMMANDS {
            return Err(format!("the target has more than {MAX_COMMANDS} build commands"));
        }
        let empty = |command: &Vec<String>| command.first().is_none_or(|n| n.trim().is_empty());
        if self.build.iter().any(empty) {
            return Err("a build command of the target names no program".to_owned());
        }
        Ok(())
    }
}

/// The deploy agent may take on roles of one prefix; any other would be refused later, and less
/// clearly.
fn check_role(role: &str) -> Result<(), String> {
    let name = match role.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "iam", "", account, name]
            if partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name.strip_prefix("role/").map(str::to_owned)
        }
        _ => None,
    };
    let letters = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_some_and(|name| name.starts_with(ROLE) && name.chars().all(letters)) {
        return Ok(());
    }
    Err(format!("the target's role {role:?} is no ARN of a role whose name begins with {ROLE}"))
}

/// The settings in `pact.toml`.
pub(crate) fn form() -> Form {
    Form {
        about: "A function of AWS Lambda: a published version, to which an alias leads.".to_owned(),
        fields: vec![
            required(
                "function",
                "Name of the function, which is there already.",
                Shape::pattern("^[A-Za-z0-9_-]{1,64}$", "the name of a function", 64),
            ),
            field(
                "alias",
                "The alias that leads to the release in effect; live without it.",
                Shape::pattern(
                    "^[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$",
                    "the name of an alias",
                    128,
                ),
            ),
            field(
                "region",
                "Region of the function; the installation's without it.",
                Shape::pattern("^[a-z]{2}(-[a-z]+)+-[0-9]$", "a region such as \"eu-west-1\"", 32),
            ),
            field(
                "role",
                "ARN of the role to take on, made by infra/deploy-role.yaml.",
                Shape::pattern(
                    "^arn:aws[a-z-]*:iam::[0-9]{12}:role/pact-deploy-[A-Za-z0-9+=,.@_-]+$",
                    "the ARN of a role whose name begins with pact-deploy-",
                    200,
                ),
            ),
            field(
                "artifact",
                "What is deployed of the release: a zip, a folder or a file; all of it without it.",
                Shape::Text(Rule::Inside),
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
        laws: vec![Law::Shares { needs: None }],
        // The version that the alias led to.
        restores: true,
        ..Form::default()
    }
}

#[cfg(test)]
mod tests {
    use pact_contract::settings::Instance;
    use serde_json::json;

    use super::*;

    fn read(settings: serde_json::Value) -> Result<Settings, String> {
        Settings::read(&Instance::with("lambda", settings).expect("an object"))
    }

    #[test]
    fn what_no_file_says_is_checked_too() {
        let role = "arn:aws:iam::123456789012:role/pact-deploy-shop";
        let good = read(json!({ "function": "shop", "role": role })).expect("is valid");
        assert_eq!(good.alias, "live");
        for wrong in [
            json!({}),
            json!({ "function": "a:b" }),
            json!({ "function": "shop", "alias": "7" }),
            json!({ "function": "shop", "alias": "$LATEST" }),
            json!({ "function": "shop", "region": "eu west" }),
            json!({ "function": "shop", "artifact": "../secrets" }),
            json!({ "function": "shop", "role": "arn:aws:iam::123456789012:role/admin" }),
            json!({ "function": "shop", "role": "arn:aws:iam::123456789012:role/pact-deploy-a/b" }),
            json!({ "function": "shop", "role": "arn:aws:iam::1:role/pact-deploy-a" }),
            json!({ "function": "shop", "build": [[""]] }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
