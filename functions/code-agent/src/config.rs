//! Environment variables of the code agent, checked at the start.

use std::fmt;

use pact_agent::{
    AgentError,
    secrets::{SOURCE_TOKEN, Secret},
};
use pact_contract::RepositoryName;
use pact_hosts::{AppSettings, Found};
use url::Url;

/// What the agent may fetch, and with which token.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Addresses that may be fetched from (`PACT_ALLOWED_SOURCES`).
    pub allowed: AllowedSources,
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
        let allowed = match get("PACT_ALLOWED_SOURCES").map(|text| AllowedSources::parse(&text)) {
            None => AllowedSources::default(),
            Some(Ok(allowed)) => allowed,
            Some(Err(mut wrong)) => {
                faults.append(&mut wrong);
                AllowedSources::default()
            }
        };
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

/// Prefixes of addresses that may be fetched from.
#[derive(Clone, Debug)]
pub struct AllowedSources(Vec<Prefix>);

#[derive(Clone, Debug)]
enum Prefix {
    /// Every address of a scheme.
    Scheme(String),
    /// Every address at or below this one.
    Below(String),
}

impl Default for AllowedSources {
    fn default() -> Self {
        Self(vec![Prefix::Scheme("https".to_owned())])
    }
}

impl AllowedSources {
    /// Reads a comma-separated list of prefixes, for example `https://,file:///srv/git/`.
    ///
    /// # Errors
    /// Every prefix that is not an address of a scheme that can be fetched.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut prefixes = Vec::new();
        let mut faults = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match prefix(part) {
                Some(prefix) => prefixes.push(prefix),
                None => faults.push(format!(
                    "PACT_ALLOWED_SOURCES: {part:?} does not begin with https://, http:// or file://"
                )),
            }
        }
        if faults.is_empty() { Ok(Self(prefixes)) } else { Err(faults) }
    }

    /// Whether the address may be fetched from.
    #[must_use]
    pub fn permit(&self, url: &Url) -> bool {
        self.0.iter().any(|prefix| prefix.covers(url))
    }

    /// Whether a prefix that names a host covers the address: only then is a token sent there.
    #[must_use]
    pub fn name_host_of(&self, url: &Url) -> bool {
        self.0.iter().any(|prefix| matches!(prefix, Prefix::Below(_)) && prefix.covers(url))
    }
}

fn prefix(text: &str) -> Option<Prefix> {
    for scheme in ["https", "http", "file"] {
        let rest = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
        match rest {
            Some("") => return Some(Prefix::Scheme(scheme.to_owned())),
            Some("/") if scheme == "file" => return Some(Prefix::Scheme(scheme.to_owned())),
            Some(_) => return Url::parse(text).ok().map(|url| Prefix::Below(url.into())),
            None => {}
        }
    }
    None
}

impl Prefix {
    fn covers(&self, url: &Url) -> bool {
        match self {
            Self::Scheme(scheme) => url.scheme() == scheme,
            // The comparison ends at a boundary: `…/acme` does not cover `…/acme-evil`.
            Self::Below(prefix) => url.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| {
                prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/') || rest == ".git"
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(list: &str, url: &str) -> bool {
        let url = Url::parse(url).expect("an address");
        AllowedSources::parse(list).expect("a list").permit(&url)
    }

    #[test]
    fn prefixes_end_at_boundaries_and_dots_do_not_lead_out() {
        assert!(permits("https://", "https://git.example/a/b"));
        assert!(!permits("https://", "http://git.example/a/b"));
        assert!(!permits("https://", "file:///etc"));
        assert!(permits("https://git.example/acme", "https://git.example/acme/web"));
        assert!(permits("https://git.example/acme/web", "https://git.example/acme/web.git"));
        assert!(!permits("https://git.example/acme", "https://git.example/acme-evil/web"));
        assert!(!permits("https://git.example", "https://git.example.evil.test/a"));
        assert!(!permits("https://git.example/acme/", "https://git.example/acme/../other/x"));
        assert!(!permits("https://git.example/acme/", "https://git.example/acme/%2e%2e/other"));
        assert!(permits("file:///", "file:///srv/git/a"));
        assert!(permits("https://,file:///srv/git/", "file:///srv/git/a"));
        assert!(!permits("https://,file:///srv/git/", "file:///srv/git/../../etc"));
    }

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
        assert!(error.contains("ssh://x") && error.contains("/tmp"), "{error}");
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

    #[test]
    fn a_token_needs_a_prefix_that_names_the_host() {
        let url = Url::parse("https://git.example/a/b").expect("an address");
        assert!(!AllowedSources::default().name_host_of(&url));
        let named = AllowedSources::parse("https://git.example/").expect("a list");
        assert!(named.name_host_of(&url));
    }
}
