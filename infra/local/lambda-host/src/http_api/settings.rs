//! The routes of an API and its limits.

use std::time::Duration;

/// A route of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRoute {
    /// The method, or `ANY`.
    pub method: String,
    /// Such as `/v1/runs/{id}`, `/{proxy+}` or `$default`.
    pub path: String,
    /// The name or ARN of the function.
    pub function: String,
}

/// What the API tells functions, and its limits.
#[derive(Debug, Clone)]
pub struct Options {
    /// The account.
    pub account: String,
    /// The id of the API.
    pub api_id: String,
    /// The largest body of a request, in bytes.
    pub max_body: usize,
    /// How long a function may take to answer.
    pub timeout: Duration,
    /// Whether it is the address of a function rather than an API: an error of the function is a bad
    /// gateway, and what does not fit is told to come again.
    pub function_url: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            account: "000000000000".to_owned(),
            api_id: "local".to_owned(),
            max_body: 10 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            function_url: false,
        }
    }
}
