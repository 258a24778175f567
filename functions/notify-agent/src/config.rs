//! What the installation sets for the channels: accounts in environment variables, addresses and
//! tokens in its secrets.
//!
//! A channel that is not configured, or not rightly, does not keep the others from working: its
//! messages go to the outbox with the reason. Values are secrets and are never in a reason.

use std::{collections::BTreeMap, sync::Arc};

use pact_agent::{
    AgentError,
    secrets::{Parameter, Secrets},
};
use url::Url;

/// Why a channel cannot be used, with what to do about it.
pub(crate) type Unconfigured = String;

/// An environment variable of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it holds: a fragment for people.
    pub about: &'static str,
}

type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where the installation's settings are looked up.
pub(crate) struct Installation {
    variables: Lookup,
    secrets: Arc<dyn Secrets>,
}

impl Installation {
    pub(crate) fn new(
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        secrets: Arc<dyn Secrets>,
    ) -> Self {
        Self { variables: Box::new(variables), secrets }
    }

    /// The present values of these parameters and variables.
    pub(crate) async fn read(
        &self,
        parameters: &[Parameter],
        variables: &[Variable],
    ) -> Result<Installed, AgentError> {
        let mut values = BTreeMap::new();
        for Variable { name, .. } in variables {
            values.insert(*name, (self.variables)(name).ok_or_else(|| unset(name)));
        }
        for Parameter { name, .. } in parameters {
            let secret = self.secrets.secret(name).await?;
            let value = secret.map(|secret| secret.reveal().to_owned());
            values.insert(*name, value.ok_or_else(|| self.secrets.missing(name)));
        }
        Ok(Installed(values))
    }
}

/// What the installation sets for one channel: each value, or what to do about its absence.
pub(crate) struct Installed(BTreeMap<&'static str, Result<String, Unconfigured>>);

impl Installed {
    /// The value of a parameter or variable; an empty one counts as unset.
    pub(crate) fn get(&self, name: &str) -> Result<String, Unconfigured> {
        match self.0.get(name) {
            Some(Ok(text)) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Some(Err(reason)) => Err(reason.clone()),
            _ => Err(unset(name)),
        }
    }

    /// The same as an HTTP address.
    pub(crate) fn address(&self, name: &str) -> Result<Url, Unconfigured> {
        match Url::parse(&self.get(name)?) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            _ => Err(format!("{name} is not an http:// or https:// address")),
        }
    }

    /// Values for tests.
    #[cfg(test)]
    pub(crate) fn with(values: &[(&'static str, &str)]) -> Self {
        Self(values.iter().map(|(name, value)| (*name, Ok((*value).to_owned()))).collect())
    }
}

/// That there is nothing of this name.
fn unset(name: &str) -> Unconfigured {
    format!("the installation does not set {name}")
}
