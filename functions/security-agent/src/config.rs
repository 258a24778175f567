//! The agent's environment variables, raw to validated.

use std::{path::PathBuf, time::Duration};

/// Address of the public OSV service.
const DEFAULT_OSV_URL: &str = "https://api.osv.dev";

/// Where advisories come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `PACT_ADVISORIES`: folder of OSV records; asked before the service.
    pub advisories: Option<PathBuf>,
    /// `PACT_OSV_URL`: the OSV service, without a slash at the end.
    pub osv_url: String,
    /// Time for one request to the service.
    pub osv_timeout: Duration,
    /// Time for all requests of one check.
    pub osv_budget: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            advisories: None,
            osv_url: DEFAULT_OSV_URL.to_owned(),
            osv_timeout: Duration::from_secs(10),
            osv_budget: Duration::from_secs(60),
        }
    }
}

/// The configuration is not usable; every fault is named.
#[derive(Debug, thiserror::Error)]
#[error("invalid configuration: {}", .0.join("; "))]
pub struct ConfigError(Vec<String>);

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names every variable with a wrong value.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables through `lookup`; an empty one counts as unset.
    ///
    /// # Errors
    /// Names every variable with a wrong value.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let mut faults = Vec::new();
        let mut config =
            Self { advisories: get("PACT_ADVISORIES").map(PathBuf::from), ..Self::default() };
        if let Some(url) = get("PACT_OSV_URL") {
            let url = url.trim().trim_end_matches('/');
            match reqwest::Url::parse(url) {
                Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => {
                    config.osv_url = url.to_owned();
                }
                _ => faults.push("PACT_OSV_URL must be an http:// or https:// address".to_owned()),
            }
        }
        if faults.is_empty() { Ok(config) } else { Err(ConfigError(faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn empty_counts_as_unset_and_slashes_are_cut() {
        assert_eq!(
            config(&[("PACT_ADVISORIES", ""), ("PACT_OSV_URL", " ")]).expect("valid"),
            Config::default()
        );
        let config =
            config(&[("PACT_OSV_URL", "http://127.0.0.1:1/x/"), ("PACT_ADVISORIES", "/a")]);
        let config = config.expect("valid");
        assert_eq!(config.osv_url, "http://127.0.0.1:1/x");
        assert_eq!(config.advisories, Some(PathBuf::from("/a")));
    }

    #[test]
    fn a_wrong_address_is_named() {
        let error = config(&[("PACT_OSV_URL", "ftp://x")]).expect_err("is refused");
        assert!(error.to_string().contains("PACT_OSV_URL"), "{error}");
    }
}
