//! The SDK's configuration, from the environment that Lambda sets: no file is looked for and no
//! other service is asked, so that it costs nothing at the start.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    identity::IdentityCache, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::{rt::sleep::TokioSleep, time::SystemTimeSource};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::http::{CONNECT, Connections};

/// Longest wait for one attempt of one request.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Longest wait for one request with all its attempts.
const REQUEST: Duration = Duration::from_secs(25);
/// Attempts of one request.
const ATTEMPTS: u32 = 4;

/// What every client of the SDK is made from.
pub(crate) fn config(connections: &Connections) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(REQUEST)
        .build();
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .identity_cache(IdentityCache::lazy().build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts)
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .http_client(connections.sdk())
        .service_config(Endpoints);
    builder.set_use_fips(flag("AWS_USE_FIPS_ENDPOINT"));
    builder.set_use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
    builder.build()
}

/// Addresses of services other than their usual ones: `AWS_ENDPOINT_URL_DYNAMODB` of one,
/// `AWS_ENDPOINT_URL` of all others.
#[derive(Debug)]
struct Endpoints;

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace([' ', '-'], "_");
        variable(&format!("{}_{service}", key.env())).or_else(|| variable(key.env()))
    }
}

/// An environment variable; an empty one counts as unset.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn flag(name: &str) -> Option<bool> {
    variable(name).map(|value| value.eq_ignore_ascii_case("true"))
}
