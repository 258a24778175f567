//! What the environment says about the gateway.

use std::sync::Arc;

use pact_contract::room::{Limits, MOST};
use pact_hosts::{AppSettings, Sources};
use pact_web::access::People;

/// The gateway's configuration. Its secrets are read when a request needs one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// Where repositories may be fetched from: `PACT_ALLOWED_SOURCES`.
    pub(crate) sources: Sources,
    /// Whether a newer push of a branch takes the place of older ones that have not begun to deploy:
    /// `PACT_SUPERSEDE`.
    pub(crate) supersede: Supersede,
    /// How many runs may go on at once: `PACT_RUNS_AT_ONCE`, and of one repository
    /// `PACT_RUNS_PER_REPOSITORY`.
    pub(crate) limits: Limits,
    /// By which rules people are let in whom a provider knows: `PACT_SIGN_IN_ISSUER` and others.
    pub(crate) people: Option<Arc<People>>,
    /// The GitHub App that hosts are asked as: `PACT_GITHUB_APP`, `PACT_GITHUB_APP_API`.
    pub(crate) app: Option<AppSettings>,
}

/// Whether a newer push of a branch takes the place of older ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Supersede {
    /// It does, unless they have begun to deploy.
    #[default]
    Yes,
    /// Each runs to its end.
    No,
}

/// Everything that is wrong with the environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment is not valid: {}", .0.join("; "))]
pub(crate) struct ConfigError(pub(crate) Vec<String>);

impl Config {
    /// Reads and checks the environment of the process.
    ///
    /// # Errors
    /// Names every variable that is wrong.
    pub(crate) fn from_env() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads and checks the variables that `lookup` finds; an empty one counts as unset.
    ///
    /// # Errors
    /// Names every variable that is wrong.
    pub(crate) fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let sources = match lookup("PACT_ALLOWED_SOURCES").filter(|text| !text.trim().is_empty()) {
            Some(text) => Sources::parse(&text)
                .map_err(|fault| ConfigError(vec![format!("PACT_ALLOWED_SOURCES {fault}")]))?,
            None => Sources::default(),
        };
        let mut faults = Vec::new();
        let mut limit = |name: &str, default: usize| {
            let given = lookup(name).map(|text| text.trim().to_owned()).filter(|t| !t.is_empty());
            let Some(text) = given else { return default };
            let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
            number.unwrap_or_else(|| {
                faults.push(format!("{name} is {text:?}, no number from 1 to {MOST}"));
                default
            })
        };
        let default = Limits::default();
        let limits = Limits {
            runs: limit("PACT_RUNS_AT_ONCE", default.runs),
            per_repository: limit("PACT_RUNS_PER_REPOSITORY", default.per_repository),
        };
        let people = People::read(&lookup).unwrap_or_else(|wrong| {
            faults.extend(wrong.0);
            None
        });
        let app = AppSettings::read(&lookup).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if !faults.is_empty() {
            return Err(ConfigError(faults));
        }
        let supersede = match lookup("PACT_SUPERSEDE").as_deref().map(str::trim) {
            None | Some("" | "true") => Supersede::Yes,
            Some("false") => Supersede::No,
            Some(other) => {
                let fault = format!("PACT_SUPERSEDE is {other:?}, neither true nor false");
                return Err(ConfigError(vec![fault]));
            }
        };
        Ok(Self { sources, supersede, limits, people: people.map(Arc::new), app })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_means_https_only() {
        let config = Config::read(|_| Some(String::new())).unwrap_or_default();
        assert_eq!(config.sources, Sources::default());
    }

    #[test]
    fn how_many_runs_go_on_at_once_is_set_within_bounds() {
        let read = |runs: &str, of_one: &str| {
            Config::read(|name| match name {
                "PACT_RUNS_AT_ONCE" => Some(runs.to_owned()),
                "PACT_RUNS_PER_REPOSITORY" => Some(of_one.to_owned()),
                _ => None,
            })
        };
        let limits = read(" 7 ", "").unwrap().limits;
        assert_eq!((limits.runs, limits.per_repository), (7, Limits::default().per_repository));
        let error = read("0", "many").unwrap_err().to_string();
        assert!(error.contains("PACT_RUNS_AT_ONCE is \"0\", no number from 1 to 2000"), "{error}");
        assert!(error.contains("PACT_RUNS_PER_REPOSITORY is \"many\""), "{error}");
    }

    #[test]
    fn a_wrong_prefix_is_named() {
        let error = Config::read(|_| Some("ssh://host".to_owned())).unwrap_err().to_string();
        assert!(error.contains("PACT_ALLOWED_SOURCES has \"ssh:"), "{error}");
    }
}
