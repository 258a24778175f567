//! What AWS takes of the configuration of a function, and what it refuses.

use super::record::Config;
use crate::error::RequestError;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a request may say of a configuration. What it leaves out stays as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Change {
    runtime: Option<String>,
    handler: Option<String>,
    role: Option<String>,
    description: Option<String>,
    timeout: Option<i64>,
    memory_size: Option<i64>,
    ephemeral_storage: Option<Ephemeral>,
    architectures: Option<Vec<String>>,
    environment: Option<Variables>,
    tracing_config: Option<Value>,
    logging_config: Option<Value>,
    /// What remains is not known here.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ephemeral {
    size: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Variables {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// The most bytes of all variables together.
const MAX_ENVIRONMENT: usize = 4096;
/// The longest description.
pub(super) const MAX_DESCRIPTION: usize = 256;

/// Variables that Lambda sets itself, and lets nobody else set.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// The architecture of this machine as Lambda names it.
pub(super) fn own_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

fn constraint(value: &str, parameter: &'static str, constraint: &'static str) -> RequestError {
    let value = value.chars().filter(|c| !c.is_control()).take(256).collect();
    RequestError::Validation { value, parameter, constraint }
}

impl Change {
    /// The configuration of a new function.
    pub(super) fn create(self) -> Result<Config, RequestError> {
        let needed = |what| RequestError::invalid(format!("{what} is mandatory for zip packages"));
        let config = Config {
            runtime: self.runtime.clone().ok_or_else(|| needed("Runtime"))?,
            handler: self.handler.clone().ok_or_else(|| needed("Handler"))?,
            role: self.role.clone().unwrap_or_default(),
            description: String::new(),
            timeout: 3,
            memory: 128,
            ephemeral: 512,
            architecture: "x86_64".to_owned(),
            env: BTreeMap::new(),
            shown: Map::from_iter([("TracingConfig".to_owned(), json!({"Mode": "PassThrough"}))]),
        };
        self.apply(&config)
    }

    /// A configuration with this change.
    pub(super) fn apply(self, before: &Config) -> Result<Config, RequestError> {
        for (name, value) in &self.rest {
            let nothing = match value {
                Value::Null => true,
                Value::Object(map) => map.values().all(|v| v.is_null() || *v == json!([])),
                Value::Array(items) => items.is_empty(),
                Value::String(text) => text.is_empty() || (name == "PackageType" && text == "Zip"),
                _ => false,
            };
            let off = name == "SnapStart" && value["ApplyOn"] == "None";
            if !nothing && !off {
                let what =
                    format!("{name} is not served by this host, which has functions of zips");
                return Err(RequestError::invalid(what));
            }
        }
        let mut config = before.clone();
        if let Some(runtime) = self.runtime {
            config.runtime = runtime;
        }
        if let Some(handler) = self.handler {
            if handler.len() > 128 || handler.is_empty() || handler.contains(char::is_whitespace) {
                let rule = "Member must satisfy regular expression pattern: [^\\s]+";
                return Err(constraint(&handler, "handler", rule));
            }
            config.handler = handler;
        }
        if let Some(role) = self.role {
            config.role = role;
        }
        check_role(&config.role)?;
        if let Some(description) = self.description {
            check_description(&description)?;
            config.description = description;
        }
        if let Some(timeout) = self.timeout {
            let rule = "Member must have value less than or equal to 900";
            let seconds = u32::try_from(timeout).ok().filter(|s| (1..=900).contains(s));
            config.timeout =
                seconds.ok_or_else(|| constraint(&timeout.to_string(), "timeout", rule))?;
        }
        if let Some(memory) = self.memory_size {
            let rule = "Member must have value between 128 and 10240";
            let mb = u32::try_from(memory).ok().filter(|m| (128..=10_240).contains(m));
            config.memory =
                mb.ok_or_else(|| constraint(&memory.to_string(), "memorySize", rule))?;
        }
        if let Some(Ephemeral { size }) = self.ephemeral_storage {
            let rule = "Member must have value between 512 and 10240";
            let mb = u32::try_from(size).ok().filter(|m| (512..=10_240).contains(m));
            config.ephemeral =
                mb.ok_or_else(|| constraint(&size.to_string(), "ephemeralStorage.size", rule))?;
        }
        if let Some(architectures) = self.architectures {
            config.architecture = architecture(&architectures)?;
        }
        if let Some(Variables { variables }) = self.environment {
            check_environment(&variables)?;
            config.env = variables;
        }
        for (name, value) in
            [("TracingConfig", self.tracing_config), ("LoggingConfig", self.logging_config)]
        {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                config.shown.insert(name.to_owned(), value);
            }
        }
        Ok(config)
    }
}

/// The one that a request names.
pub(super) fn architecture(names: &[String]) -> Result<String, RequestError> {
    match names {
        [one] if one == "x86_64" || one == "arm64" => Ok(one.clone()),
        _ => {
            let rule = "Member must be one of [x86_64, arm64]";
            Err(constraint(&names.join(", "), "architectures", rule))
        }
    }
}

pub(super) fn check_description(text: &str) -> Result<(), RequestError> {
    if text.chars().count() <= MAX_DESCRIPTION {
        return Ok(());
    }
    let rule = "Member must have length less than or equal to 256";
    Err(constraint(text, "description", rule))
}

fn check_role(role: &str) -> Result<(), RequestError> {
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let fits = match parts.as_slice() {
        ["arn", partition, "iam", "", account, name] => {
            partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && name.strip_prefix("role/").is_some_and(|name| {
                    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
                    !name.is_empty() && name.chars().all(fits)
                })
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let rule = "Member must satisfy regular expression pattern: \
                arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
    Err(constraint(role, "role", rule))
}

fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), RequestError> {
    for name in variables.keys() {
        let mut letters = name.chars();
        let fits = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && name.len() > 1
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if RESERVED.contains(&name.as_str()) {
            return Err(RequestError::invalid(format!(
                "Lambda was unable to configure your environment variables because the environment \
                 variables you have provided contains reserved keys that are currently not supported \
                 for modification. Reserved keys used in this request: {name}"
            )));
        }
        if !fits {
            let rule = "Map keys must satisfy regular expression pattern: \
                        [a-zA-Z]([a-zA-Z0-9_])+";
            return Err(constraint(name, "environment.variables", rule));
        }
    }
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_ENVIRONMENT {
        return Err(RequestError::invalid(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided exceeded the 4KB limit.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: Value) -> Result<Config, RequestError> {
        let mut whole = json!({
            "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": "arn:aws:iam::000000000000:role/shop",
        });
        for (name, part) in value.as_object().unwrap() {
            whole[name] = part.clone();
        }
        serde_json::from_value::<Change>(whole).unwrap().create()
    }

    #[test]
    fn what_is_left_out_has_awss_defaults_and_what_is_wrong_is_refused() {
        let config = change(json!({"VpcConfig": {"SubnetIds": []}, "PackageType": "Zip"})).unwrap();
        assert_eq!((config.timeout, config.memory, config.ephemeral), (3, 128, 512));
        assert_eq!(config.architecture, "x86_64");
        for wrong in [
            json!({"Timeout": 901}),
            json!({"Timeout": 0}),
            json!({"MemorySize": 64}),
            json!({"Handler": "a b"}),
            json!({"Role": "shop"}),
            json!({"Role": "arn:aws:iam::1:role/shop"}),
            json!({"Description": "x".repeat(257)}),
            json!({"Environment": {"Variables": {"AWS_REGION": "x"}}}),
            json!({"Environment": {"Variables": {"1": "x"}}}),
            json!({"Environment": {"Variables": {"LONG": "x".repeat(4096)}}}),
            json!({"Architectures": ["x86_64", "arm64"]}),
            json!({"PackageType": "Image"}),
            json!({"Layers": ["arn"]}),
            json!({"VpcConfig": {"SubnetIds": ["s"]}}),
        ] {
            assert_eq!(change(wrong.clone()).unwrap_err().status(), 400, "{wrong}");
        }
        let before = change(json!({"Timeout": 9})).unwrap();
        let later: Change = serde_json::from_value(json!({"MemorySize": 256})).unwrap();
        let after = later.apply(&before).unwrap();
        assert_eq!((after.timeout, after.memory), (9, 256));
    }
}
