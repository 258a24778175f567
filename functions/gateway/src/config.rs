//! What the environment says about the gateway.

use url::Url;

/// Shortest secret that is accepted: a shorter one can be guessed.
const MIN_SECRET: usize = 16;

/// The gateway's configuration.
#[derive(Clone, Default)]
pub struct Config {
    /// Secret of the webhooks; without one they are refused: `PACT_WEBHOOK_SECRET`.
    pub webhook_secret: Option<Secret>,
    /// Token of the API; without one it is refused: `PACT_API_TOKEN`.
    pub api_token: Option<Secret>,
    /// Where repositories may be fetched from: `PACT_ALLOWED_SOURCES`.
    pub sources: Sources,
}

/// Text that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Everything that is wrong with the environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment is not valid: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads and checks the environment of the process.
    ///
    /// # Errors
    /// Names every variable that is wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads and checks the variables that `lookup` finds; an empty one counts as unset.
    ///
    /// # Errors
    /// Names every variable that is wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let mut secret = |name: &str| {
            let text = lookup(name).filter(|text| !text.is_empty())?;
            if text.len() < MIN_SECRET {
                faults.push(format!("{name} needs at least {MIN_SECRET} characters"));
            }
            Some(Secret(text))
        };
        let webhook_secret = secret("PACT_WEBHOOK_SECRET");
        let api_token = secret("PACT_API_TOKEN");
        let sources = match lookup("PACT_ALLOWED_SOURCES").filter(|text| !text.trim().is_empty()) {
            Some(text) => Sources::parse(&text).unwrap_or_else(|fault| {
                faults.push(format!("PACT_ALLOWED_SOURCES {fault}"));
                Sources::default()
            }),
            None => Sources::default(),
        };
        if faults.is_empty() {
            Ok(Self { webhook_secret, api_token, sources })
        } else {
            Err(ConfigError(faults))
        }
    }
}

/// Beginnings of addresses that repositories may be fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources(Vec<String>);

impl Default for Sources {
    fn default() -> Self {
        Self(vec!["https://".to_owned()])
    }
}

impl Sources {
    /// Reads a list such as `https://github.com/acme/,https://git.example.com`.
    ///
    /// # Errors
    /// When an entry has no known scheme.
    pub fn parse(text: &str) -> Result<Self, String> {
        let prefixes: Vec<String> =
            text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect();
        let schemes = ["https://", "http://", "file://"];
        match prefixes.iter().find(|p| !schemes.iter().any(|scheme| p.starts_with(scheme))) {
            Some(prefix) => {
                Err(format!("has {prefix:?}; an entry begins with {}", schemes.join(", ")))
            }
            None if prefixes.is_empty() => Err("has no entry".to_owned()),
            None => Ok(Self(prefixes)),
        }
    }

    /// Whether a repository may be fetched from `url`. An entry that ends in the middle of a host
    /// or of a name allows no longer host and no longer name.
    #[must_use]
    pub fn allow(&self, url: &Url) -> bool {
        self.0.iter().any(|prefix| {
            url.as_str().strip_prefix(prefix.as_str()).is_some_and(|rest| {
                prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_means_nothing_open_and_https_only() {
        let config = Config::read(|_| Some(String::new())).unwrap_or_default();
        assert!(config.webhook_secret.is_none() && config.api_token.is_none());
        assert_eq!(config.sources, Sources::default());
    }

    #[test]
    fn every_fault_is_named_and_no_secret_shown() {
        let error = Config::read(|name| {
            Some(if name == "PACT_ALLOWED_SOURCES" { "ssh://host" } else { "hunter2" }.to_owned())
        })
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
        for part in ["PACT_WEBHOOK_SECRET", "PACT_API_TOKEN", "PACT_ALLOWED_SOURCES has \"ssh:"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_entry_allows_what_is_below_it_and_nothing_beside_it() {
        let sources =
            Sources::parse("https://github.com/acme, https://git.example.com,file:///srv/git/")
                .unwrap();
        let allow = |text| sources.allow(&Url::parse(text).unwrap());
        assert!(allow("https://github.com/acme/web.git"));
        assert!(allow("https://git.example.com/a/b"));
        assert!(allow("file:///srv/git/web"));
        assert!(!allow("https://github.com/acme-evil/web.git"));
        assert!(!allow("https://git.example.com.evil.example/a"));
        assert!(!allow("https://github.com/other/web.git"));
        assert!(!allow("http://github.com/acme/web.git"));
        assert!(!allow("file:///srv/git/../../etc"));
        assert!(Sources::default().allow(&Url::parse("https://any.example/x").unwrap()));
        assert!(!Sources::default().allow(&Url::parse("http://any.example/x").unwrap()));
    }
}
