//! The agent's environment.

/// The agent's configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Host and port of the Lambda Runtime API, which no probe may reach: a request to it would
    /// take an event away from the function.
    runtime_api: Option<String>,
}

impl Config {
    /// From the process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::with_runtime_api(std::env::var("AWS_LAMBDA_RUNTIME_API").ok().as_deref())
    }

    /// With this Lambda Runtime API; an empty one is none.
    #[must_use]
    pub fn with_runtime_api(host_and_port: Option<&str>) -> Self {
        Self { runtime_api: host_and_port.filter(|api| !api.is_empty()).map(str::to_owned) }
    }

    pub(crate) fn runtime_api(&self) -> Option<&str> {
        self.runtime_api.as_deref()
    }
}
