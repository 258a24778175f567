//! Secrets in the Parameter Store of Systems Manager.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_ssm::{Client, types::ParameterType};
use pact_agent::{
    ports::StoreError,
    secrets::{Secret, SecretKeeper, Secrets},
};

use crate::error::{failed, unavailable};

/// Longest wait for one attempt: a git host waits ten seconds for the answer to its webhook.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Longest wait with all attempts.
const REQUEST: Duration = Duration::from_secs(5);
/// Attempts of one request.
const ATTEMPTS: u32 = 2;

/// Parameters below one path.
pub struct ParameterStore {
    client: Client,
    path: Option<String>,
}

impl ParameterStore {
    /// The parameters below `path`, for example `/pact`; without a path, there can be none.
    #[must_use]
    pub fn new(client: Client, path: Option<String>) -> Self {
        Self { client, path }
    }

    pub(crate) fn from_sdk(sdk: &SdkConfig, path: Option<String>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(REQUEST)
            .build();
        let config = aws_sdk_ssm::config::Builder::from(sdk)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .build();
        Self::new(Client::from_conf(config), path)
    }
}

#[async_trait]
impl Secrets for ParameterStore {
    async fn secret(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let Some(path) = &self.path else {
            return Err(unavailable("cannot read a secret: PACT_SECRETS_PATH is not set"));
        };
        let parameter = below(path, name);
        // The plural, as a missing parameter is no error of it.
        let found = self
            .client
            .get_parameters()
            .names(&parameter)
            .with_decryption(true)
            .send()
            .await
            .map_err(|error| failed(&format!("read the parameter {parameter}"), error))?;
        let own = found.parameters().iter().find(|p| p.name() == Some(&parameter));
        // A file that a value was taken from ends with a line feed.
        let text = own.and_then(|p| p.value()).map(str::trim).filter(|text| !text.is_empty());
        Ok(text.map(Secret::new))
    }

    fn place(&self, name: &str) -> String {
        below(self.path.as_deref().unwrap_or_default(), name)
    }
}

#[async_trait]
impl SecretKeeper for ParameterStore {
    async fn latest(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        self.secret(name).await
    }

    async fn keep(&self, name: &str, secret: &Secret) -> Result<(), StoreError> {
        let Some(path) = &self.path else {
            return Err(unavailable("cannot keep a secret: PACT_SECRETS_PATH is not set"));
        };
        let parameter = below(path, name);
        self.client
            .put_parameter()
            .name(&parameter)
            .value(secret.reveal())
            .r#type(ParameterType::SecureString)
            .overwrite(true)
            .send()
            .await
            .map_err(|error| failed(&format!("write the parameter {parameter}"), error))?;
        Ok(())
    }

    async fn forget(&self, name: &str) -> Result<(), StoreError> {
        // None is kept where there is no path.
        let Some(path) = &self.path else { return Ok(()) };
        let parameter = below(path, name);
        match self.client.delete_parameter().name(&parameter).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(|one| one.is_parameter_not_found()) =>
            {
                Ok(())
            }
            Err(error) => Err(failed(&format!("delete the parameter {parameter}"), error)),
        }
    }
}

fn below(path: &str, name: &str) -> String {
    format!("{path}/{name}")
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::config::{BehaviorVersion, Credentials, Region};
    use serde_json::{Value, json};
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::header_regex};

    use super::*;

    async fn store(answer: ResponseTemplate) -> (ParameterStore, MockServer) {
        let server = MockServer::start().await;
        Mock::given(header_regex("x-amz-target", "^AmazonSSM[.](Get|Put|Delete)Parameters?$"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let config = aws_sdk_ssm::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(server.uri())
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .build();
        (ParameterStore::new(Client::from_conf(config), Some("/pact".to_owned())), server)
    }

    fn answer(parameters: Value) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_json(parameters)
    }

    #[tokio::test]
    async fn a_secret_is_asked_for_below_the_path_and_decrypted() {
        let parameter =
            json!({ "Name": "/pact/api-token", "Type": "SecureString", "Value": "v\n" });
        let (store, server) = store(answer(json!({ "Parameters": [parameter] }))).await;
        let secret = store.secret("api-token").await.unwrap();
        assert_eq!(secret, Some(Secret::new("v")));
        let requests = server.received_requests().await.unwrap();
        let expected = json!({ "Names": ["/pact/api-token"], "WithDecryption": true });
        assert_eq!(requests[0].body_json::<Value>().unwrap(), expected);
    }

    #[tokio::test]
    async fn a_secret_is_deleted_and_one_that_is_not_there_is_no_fault() {
        let name = "repositories/a/b/webhook-secret";
        let (store, server) = store(answer(json!({}))).await;
        store.forget(name).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests[0].headers["x-amz-target"], "AmazonSSM.DeleteParameter");
        let expected = json!({ "Name": "/pact/repositories/a/b/webhook-secret" });
        assert_eq!(requests[0].body_json::<Value>().unwrap(), expected);
        for (kind, is_fault) in [("ParameterNotFound", false), ("AccessDeniedException", true)] {
            let refused = ResponseTemplate::new(400).set_body_json(json!({ "__type": kind }));
            let (store, _server) = self::store(refused).await;
            assert_eq!(store.forget(name).await.is_err(), is_fault, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_secret_is_put_in_the_place_of_another_and_encrypted() {
        let (store, server) = store(answer(json!({ "Version": 2, "Tier": "Standard" }))).await;
        store.keep("repositories/a/b/webhook-secret", &Secret::new("v")).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        let expected = json!({
            "Name": "/pact/repositories/a/b/webhook-secret",
            "Value": "v",
            "Type": "SecureString",
            "Overwrite": true,
        });
        assert_eq!(requests[0].body_json::<Value>().unwrap(), expected);
        assert_eq!(requests[0].headers["x-amz-target"], "AmazonSSM.PutParameter");
        let unset = ParameterStore::new(store.client.clone(), None);
        assert!(unset.keep("x", &Secret::new("v")).await.is_err());
    }

    #[tokio::test]
    async fn what_is_not_there_is_none_and_what_is_refused_is_an_error() {
        let missing = json!({ "Parameters": [], "InvalidParameters": ["/pact/api-token"] });
        let (missing, _server) = store(answer(missing)).await;
        assert_eq!(missing.secret("api-token").await.unwrap(), None);
        let denied = json!({ "__type": "AccessDeniedException", "Message": "no" });
        let (denied, _server) = store(ResponseTemplate::new(400).set_body_json(denied)).await;
        let error = denied.secret("api-token").await.unwrap_err().to_string();
        assert!(
            error.contains("read the parameter /pact/api-token: AccessDeniedException"),
            "{error}"
        );
        let unset = ParameterStore::new(denied.client.clone(), None);
        let error = unset.secret("api-token").await.unwrap_err().to_string();
        assert!(error.contains("PACT_SECRETS_PATH"), "{error}");
    }
}
