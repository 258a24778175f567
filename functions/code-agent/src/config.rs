//! Environment variables of the code agent, checked at the start.

use std::fmt;

use pact_agent::{
    AgentError,
    secrets::{SOURCE_TOKEN, Secret},
};
use pact_contract::RepositoryName;
use pact_hosts::{AppSettings, Found, Sources};

/// What the agent may fetch, and with which token.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Addresses that may be fetched from (`PACT_ALLOWED_SOURCES`).
    pub allowed: Sources,
    /// The GitHub App that lends tokens (`PACT_GITHUB_APP`, `PACT_GITHUB_APP_API`).
    pub app: Option<AppSettings>,
    /// Token for repositories that are not public: the repository's own, the App's, or the secret
    /// `source-token`; found for each commit.
    pub token: Option<Secret>,
    /// Whether the token is good for the host that is asked, and for no other: one of the App.
    pub lent: bool,
    /// Why there is no token, once it was read.
    pub no_token: Option<String>,
}

/// Every fault of the environment.
#[derive(Debug)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every variable that is wrong, with the reason.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables through `lookup`; an empty one counts as unset.
    ///
    /// # Errors
    /// Every variable that is wrong, with the reason.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| {
            lookup(name).map(|v| v.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let mut faults = Vec::new();
        let allowed = get("PACT_ALLOWED_SOURCES").map(|text| Sources::parse(&text)).transpose();
        let allowed = allowed.unwrap_or_else(|fault| {
            faults.push(format!("PACT_ALLOWED_SOURCES {fault}"));
            None
        });
        let allowed = allowed.unwrap_or_default();
        let app = AppSettings::read(get).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if faults.is_empty() {
            Ok(Self { allowed, app, ..Self::default() })
        } else {
            Err(ConfigError(faults))
        }
    }

    /// The same with what there is to fetch the repository with.
    ///
    /// # Errors
    /// `ERR_INVALID_INTENT` for a token that cannot be part of a header.
    pub(crate) fn with_found(
        &self,
        found: &Found,
        repository: &RepositoryName,
    ) -> Result<Self, AgentError> {
        let (token, lent, no_token) = match found {
            Found::Given(token) => (Some(token), false, None),
            Found::Lent(token) => (Some(token), true, None),
            Found::Later { why, .. } | Found::Missing(why) => (None, false, Some(why.clone())),
        };
        let token =
            token.map(|t| Secret::new(t.reveal().trim())).filter(|t| !t.reveal().is_empty());
        if token.as_ref().is_some_and(|t| t.reveal().chars().any(char::is_control)) {
            return Err(AgentError::invalid(format!(
                "the secret {} for {repository} contains a control character",
                SOURCE_TOKEN.name
            )));
        }
        Ok(Self { token, lent, no_token, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn empty_counts_as_unset_and_every_fault_is_named() {
        let config = Config::from_lookup(|_| Some("  ".to_owned())).expect("is valid");
        assert!(config.token.is_none());
        assert!(config.allowed.permit(&Url::parse("https://a.example/").expect("an address")));
        let error = Config::from_lookup(|name| {
            (name == "PACT_ALLOWED_SOURCES").then(|| "ssh://x,/tmp".to_owned())
        })
        .expect_err("is refused")
        .to_string();
        assert!(error.contains("ssh://x") && error.contains("PACT_ALLOWED_SOURCES"), "{error}");
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_refused_and_not_shown() {
        let with = |text: &str| {
            let name = "acme/web".parse().expect("a name");
            Config::default().with_found(&Found::Given(Secret::new(text)), &name)
        };
        let error = with("a\nb").expect_err("is refused");
        assert!(error.message.contains(SOURCE_TOKEN.name) && !error.message.contains("a\nb"));
        let config = with(" s3cret\n").expect("is taken");
        assert_eq!(config.token, Some(Secret::new("s3cret")));
    }
}
