//! The agent's environment.

use std::path::{Path, PathBuf};

/// The agent's configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Host and port of the Lambda Runtime API, which no probe may reach: a request to it would
    /// take an event away from the function.
    runtime_api: Option<String>,
    /// File that says how the reverse proxy of this machine is asked what clients got:
    /// `PACT_SERVICE_TRAFFIC`. None: there is none.
    traffic: Option<PathBuf>,
}

impl Config {
    /// From the process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        let traffic = std::env::var_os("PACT_SERVICE_TRAFFIC").filter(|file| !file.is_empty());
        Self {
            traffic: traffic.map(PathBuf::from),
            ..Self::with_runtime_api(std::env::var("AWS_LAMBDA_RUNTIME_API").ok().as_deref())
        }
    }

    /// With this Lambda Runtime API; an empty one is none.
    #[must_use]
    pub fn with_runtime_api(host_and_port: Option<&str>) -> Self {
        let runtime_api = host_and_port.filter(|api| !api.is_empty()).map(str::to_owned);
        Self { runtime_api, traffic: None }
    }

    /// With a reverse proxy that is asked as this file says.
    #[must_use]
    pub fn and_traffic(self, file: PathBuf) -> Self {
        Self { traffic: Some(file), ..self }
    }

    pub(crate) fn traffic(&self) -> Option<&Path> {
        self.traffic.as_deref()
    }

    pub(crate) fn runtime_api(&self) -> Option<&str> {
        self.runtime_api.as_deref()
    }
}
