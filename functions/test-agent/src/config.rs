//! The agent's environment: where the build caches are, and what a test command may see of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pact_agent::toolchain::{PROXY, is_inherited};

/// Beginnings of names that a test command may see, besides those of tools and of a proxy. Everything
/// else, above all credentials, is withheld.
const ALLOWED_PREFIXES: &[&str] = &["LC_", "PIP_"];

/// The agent's configuration, validated.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Folder of the build caches; none: every run builds from nothing.
    cache: Option<PathBuf>,
    /// What a test command sees of the agent's environment.
    environment: BTreeMap<String, String>,
}

/// A variable of the environment has a value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("PACT_CACHE_DIR must be an absolute path, not {0:?}")]
pub struct ConfigError(String);

impl Config {
    /// From the process's environment.
    ///
    /// # Errors
    /// When `PACT_CACHE_DIR` is not an absolute path.
    pub fn from_env() -> Result<Self, ConfigError> {
        // A variable that is not Unicode is none that a test command could need.
        Self::from_variables(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    /// From these variables.
    ///
    /// # Errors
    /// When `PACT_CACHE_DIR` is not an absolute path.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (name, value) in variables {
            if name == "PACT_CACHE_DIR" && !value.is_empty() {
                if !Path::new(&value).is_absolute() {
                    return Err(ConfigError(value));
                }
                config.cache = Some(PathBuf::from(value));
            } else if is_inherited(&name, &value)
                || PROXY.contains(&name.as_str())
                || ALLOWED_PREFIXES.iter().any(|p| name.starts_with(p))
            {
                config.environment.insert(name, value);
            }
        }
        Ok(config)
    }

    /// Folder of the build caches.
    pub(crate) fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// What every test command sees.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.environment.clone();
        for (name, value) in [("CI", "true"), ("PACT", "true"), ("NO_COLOR", "1"), ("TERM", "dumb")]
        {
            environment.insert(name.to_owned(), value.to_owned());
        }
        environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn credentials_are_withheld_and_the_rest_is_handed_on() {
        let config = config(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("PACT_API_TOKEN", "x"),
            ("GITHUB_TOKEN", "x"),
            ("PACT_CACHE_DIR", "/cache"),
        ])
        .expect("a valid environment");
        let names: Vec<_> = config.environment().into_keys().collect();
        assert_eq!(names, ["CI", "LC_ALL", "NO_COLOR", "PACT", "PATH", "TERM"]);
        assert_eq!(config.cache(), Some(Path::new("/cache")));
    }

    #[test]
    fn an_empty_cache_folder_is_none_and_a_relative_one_is_refused() {
        assert_eq!(config(&[("PACT_CACHE_DIR", "")]).expect("unset").cache(), None);
        assert!(config(&[("PACT_CACHE_DIR", "cache")]).is_err());
    }
}
