//! How the function is reached: with the role of the environment.

use aws_config::Region;
use aws_sdk_lambda::Client;
use pact_agent::AgentError;
use pact_contract::{EnvironmentKey, Finding};

use super::{
    super::access::{Aws, Taken, credentials, external_id},
    settings::Settings,
};

/// What may be asked of the function.
pub(super) enum Access {
    Granted(Client),
    /// The role is refused.
    Refused(Box<Finding>),
}

/// Takes on the role.
///
/// # Errors
/// `ERR_TARGET_UNAVAILABLE` when nobody answers.
pub(super) async fn open(
    aws: &Aws,
    key: &EnvironmentKey,
    settings: &Settings,
    role: &str,
) -> Result<Access, AgentError> {
    let known = (role.to_owned(), external_id(key), settings.region.clone());
    if let Some(client) = aws.client_of(&known) {
        return Ok(Access::Granted(client));
    }
    let credentials = match credentials(aws, key, role).await? {
        Taken::On(credentials) => credentials,
        Taken::Not(finding) => return Ok(Access::Refused(Box::new(finding))),
    };
    let until = credentials.expiry();
    let mut config = aws_sdk_lambda::config::Builder::from(&aws.sdk);
    config.set_credentials_provider(Some(aws_sdk_lambda::config::SharedCredentialsProvider::new(
        credentials,
    )));
    if let Some(region) = &settings.region {
        config.set_region(Some(Region::new(region.clone())));
    }
    let client = Client::from_conf(config.build());
    if let Some(until) = until {
        aws.keep(known, &client, until);
    }
    Ok(Access::Granted(client))
}
