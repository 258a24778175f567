//! What the environment says about the stores.

use std::time::Duration;

use url::Url;

use crate::store::RETENTION;

/// Where a function's stores are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The DynamoDB table: `PACT_TABLE`.
    pub table: String,
    /// Where artifacts are kept, `file:///…` or `s3://bucket/prefix`: `PACT_ARTIFACTS_URL`.
    /// A function that never touches an artifact needs none.
    pub artifacts: Option<Url>,
    /// The pipeline: `PACT_STATE_MACHINE_ARN`. Only the gateway needs it.
    pub state_machine: Option<String>,
    /// The project whose builds run code of commits: `PACT_BUILD_PROJECT`. Only the
    /// test agent and the deploy agent need it.
    pub build_project: Option<String>,
    /// The function that does what was accepted: `PACT_RECONCILER`. Only the gateway needs it.
    pub reconciler: Option<String>,
    /// Namespace of the metrics, one for each installation: `PACT_METRICS_NAMESPACE`.
    pub metrics: String,
    /// Path of the secrets in the Parameter Store, as in `/pact`: `PACT_SECRETS_PATH`. A function
    /// that needs no secret needs none.
    pub secrets: Option<String>,
    /// How long what belongs to a run is kept: `PACT_RETENTION_DAYS`.
    pub retention: Duration,
}

/// Most days that anything is kept: a hundred years.
const MAX_RETENTION: u64 = 36_500;

/// Namespace of metrics where none is set.
const METRICS: &str = "PACT";

/// Everything that is wrong with the environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment is not valid: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads and checks the environment of the process.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads and checks the variables that `lookup` finds; an empty one counts as unset.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name| lookup(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let mut faults = Vec::new();
        let table = get("PACT_TABLE").unwrap_or_else(|| {
            faults.push("PACT_TABLE is not set".to_owned());
            String::new()
        });
        let artifacts = get("PACT_ARTIFACTS_URL").and_then(|text| match artifacts_url(&text) {
            Ok(url) => Some(url),
            Err(fault) => {
                faults.push(format!("PACT_ARTIFACTS_URL {fault}"));
                None
            }
        });
        let state_machine = get("PACT_STATE_MACHINE_ARN");
        if let Some(arn) = &state_machine
            && arn.split(':').nth(5) != Some("stateMachine")
        {
            faults.push("PACT_STATE_MACHINE_ARN is not the ARN of a state machine".to_owned());
        }
        let build_project = get("PACT_BUILD_PROJECT");
        let reconciler = get("PACT_RECONCILER");
        let metrics = get("PACT_METRICS_NAMESPACE").unwrap_or_else(|| METRICS.to_owned());
        let known = |c: char| c.is_ascii_alphanumeric() || "._-/#:".contains(c);
        if metrics.len() > 255 || !metrics.chars().all(known) || metrics.starts_with("AWS/") {
            faults.push("PACT_METRICS_NAMESPACE is no namespace of CloudWatch".to_owned());
        }
        let secrets = get("PACT_SECRETS_PATH");
        if secrets.as_ref().is_some_and(|path| !path.starts_with('/') || path.ends_with('/')) {
            faults.push("PACT_SECRETS_PATH is no path, as in /pact".to_owned());
        }
        let retention = match get("PACT_RETENTION_DAYS").map(|days| days.parse::<u64>()) {
            None => RETENTION,
            Some(Ok(days @ 1..=MAX_RETENTION)) => Duration::from_hours(days * 24),
            Some(_) => {
                faults.push(format!(
                    "PACT_RETENTION_DAYS is no number of days from 1 to {MAX_RETENTION}"
                ));
                RETENTION
            }
        };
        if faults.is_empty() {
            Ok(Self {
                table,
                artifacts,
                state_machine,
                build_project,
                reconciler,
                metrics,
                secrets,
                retention,
            })
        } else {
            Err(ConfigError(faults))
        }
    }
}

fn artifacts_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not an address: {error}"))?;
    match url.scheme() {
        "file" if url.to_file_path().is_ok() => Ok(url),
        "file" => Err("needs a whole path, as in file:///var/lib/pact".to_owned()),
        "s3" if url.host_str().is_some() => Ok(url),
        "s3" => Err("needs a bucket, as in s3://bucket/prefix".to_owned()),
        other => Err(format!("is {other}://…; file:///… and s3://… are known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_table_is_enough_and_empty_counts_as_unset() {
        let config = read(&[("PACT_TABLE", "pact"), ("PACT_ARTIFACTS_URL", "")]).unwrap();
        assert_eq!(config.table, "pact");
        assert_eq!(config.artifacts, None);
        assert_eq!(config.metrics, "PACT");
        assert_eq!(config.retention, Duration::from_hours(400 * 24));
        let config = read(&[("PACT_TABLE", "pact"), ("PACT_RETENTION_DAYS", "30")]).unwrap();
        assert_eq!(config.retention, Duration::from_hours(30 * 24));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let error = read(&[
            ("PACT_TABLE", " "),
            ("PACT_ARTIFACTS_URL", "ftp://host/x"),
            ("PACT_STATE_MACHINE_ARN", "pipeline"),
            ("PACT_METRICS_NAMESPACE", "of its own"),
            ("PACT_SECRETS_PATH", "pact/"),
            ("PACT_RETENTION_DAYS", "0"),
        ])
        .unwrap_err();
        assert_eq!(
            error.0,
            [
                "PACT_TABLE is not set",
                "PACT_ARTIFACTS_URL is ftp://…; file:///… and s3://… are known",
                "PACT_STATE_MACHINE_ARN is not the ARN of a state machine",
                "PACT_METRICS_NAMESPACE is no namespace of CloudWatch",
                "PACT_SECRETS_PATH is no path, as in /pact",
                "PACT_RETENTION_DAYS is no number of days from 1 to 36500",
            ]
        );
    }
}
