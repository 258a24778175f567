//! What is asked of Lambda, and what its refusals mean.

use std::time::Duration;

use aws_sdk_lambda::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{AliasRoutingConfiguration, LastUpdateStatus, PackageType, State},
};
use bytes::Bytes;
use pact_agent::AgentError;
use pact_contract::ErrorName;
use serde_json::Value;
use tokio::time::Instant;

/// The pause between two looks at a function that is being updated, and the longest that it grows to, by
/// half of itself each time: an update takes a few milliseconds on one machine, and seconds on AWS.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));
/// The most pages of versions that are looked through.
const PAGES: usize = 100;

/// Why Lambda did not do it.
pub(super) enum Trouble {
    /// The function, the version or the alias is not there.
    Missing(String),
    /// Somebody changed it since it was read.
    Changed(String),
    /// An update of somebody else goes on.
    Busy(String),
    /// The role does not allow it.
    Denied(String),
    /// There is no room for more code.
    Full(String),
    /// It is refused for what it is.
    Refused(String),
    /// It did not answer, or has too much to do.
    Fault(AgentError),
}

/// An error of an SDK in words.
pub(crate) fn said<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("refused");
            match service.err().message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            }
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(_) => "the request could not be sent".to_owned(),
        SdkError::ResponseError(_) => "the answer could not be read".to_owned(),
        _ => "the request could not be made; are region and credentials set?".to_owned(),
    }
}

/// `what` is a fragment that fits after "cannot …".
fn trouble<E, R>(what: &str, error: SdkError<E, R>) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let text = format!("cannot {what}: {}", said(&error));
    match error.code().unwrap_or_default() {
        "ResourceNotFoundException" => Trouble::Missing(text),
        "PreconditionFailedException" => Trouble::Changed(text),
        "ResourceConflictException" => Trouble::Busy(text),
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "ExpiredTokenException" => Trouble::Denied(text),
        "CodeStorageExceededException" => Trouble::Full(text),
        "InvalidParameterValueException"
        | "ValidationException"
        | "RequestTooLargeException"
        | "CodeVerificationFailedException"
        | "InvalidCodeSignatureException" => Trouble::Refused(text),
        _ => Trouble::Fault(AgentError::new(ErrorName::TargetUnavailable, text).caused_by(error)),
    }
}

/// `$LATEST` of a function.
pub(super) struct Latest {
    pub(super) sha256: String,
    pub(super) revision: Option<String>,
}

/// Where an alias leads to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alias {
    pub(super) version: String,
    pub(super) description: String,
    /// The other version, and its share.
    pub(super) weight: Option<(String, f64)>,
    pub(super) revision: Option<String>,
}

/// What came of an invocation.
pub(super) struct Invoked {
    pub(super) payload: Vec<u8>,
    /// How it failed, where it did.
    pub(super) error: Option<String>,
}

/// One function, and one alias of it.
pub(super) struct Function {
    pub(super) client: Client,
    pub(super) function: String,
    pub(super) alias: String,
}

impl Function {
    /// `$LATEST`, once nothing is being done to it. `until`: when it has to be.
    pub(super) async fn settled(&self, until: Instant) -> Result<Latest, Trouble> {
        let mut pause = LOOK.0;
        loop {
            let what = format!("look at the function {}", self.function);
            let asked = self.client.get_function_configuration().function_name(&self.function);
            let found = asked.send().await.map_err(|error| trouble(&what, error))?;
            if found.package_type == Some(PackageType::Image) {
                let text = format!("the function {} is made of an image", self.function);
                return Err(Trouble::Refused(text));
            }
            let pending = found.state == Some(State::Pending)
                || found.last_update_status == Some(LastUpdateStatus::InProgress);
            if !pending {
                if found.last_update_status == Some(LastUpdateStatus::Failed) {
                    let why = found.last_update_status_reason.unwrap_or_default();
                    let text = format!("the last update of {} failed: {why}", self.function);
                    return Err(Trouble::Refused(text));
                }
                return Ok(Latest {
                    sha256: found.code_sha256.unwrap_or_default(),
                    revision: found.revision_id,
                });
            }
            if Instant::now() + pause > until {
                let text = format!("another update of the function {} goes on", self.function);
                return Err(Trouble::Busy(text));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LOOK.1);
        }
    }

    /// Gives `$LATEST` other code, unless somebody changed it since it was read.
    pub(super) async fn update(&self, zip: Bytes, read: &Latest) -> Result<(), Trouble> {
        let what = format!("update the code of {}", self.function);
        self.client
            .update_function_code()
            .function_name(&self.function)
            .zip_file(Blob::new(zip))
            .set_revision_id(read.revision.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| trouble(&what, error))
    }

    /// Publishes `$LATEST`, if its code is still this one; the same again is the same version.
    pub(super) async fn publish(&self, sha256: &str, text: &str) -> Result<String, Trouble> {
        let what = format!("publish a version of {}", self.function);
        let published = self
            .client
            .publish_version()
            .function_name(&self.function)
            .code_sha256(sha256)
            .description(text)
            .send()
            .await
            .map_err(|error| trouble(&what, error))?;
        let of_it = published.code_sha256.as_deref() == Some(sha256);
        match published.version.filter(|_| of_it) {
            Some(version) => Ok(version),
            None => Err(Trouble::Changed(format!("{what}: the version has other code"))),
        }
    }

    /// Digest of a version's code; none: there is no such version.
    pub(super) async fn code_of(&self, version: &str) -> Result<Option<String>, Trouble> {
        let what = format!("look at version {version} of {}", self.function);
        let asked = self
            .client
            .get_function_configuration()
            .function_name(&self.function)
            .qualifier(version);
        match asked.send().await.map_err(|error| trouble(&what, error)) {
            Ok(found) => Ok(found.code_sha256),
            Err(Trouble::Missing(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The latest version with this description; none: there is no such version.
    pub(super) async fn described(&self, text: &str) -> Result<Option<String>, Trouble> {
        let what = format!("list the versions of {}", self.function);
        let (mut marker, mut found) = (None, None);
        for _ in 0..PAGES {
            let page = self
                .client
                .list_versions_by_function()
                .function_name(&self.function)
                .set_marker(marker)
                .send()
                .await
                .map_err(|error| trouble(&what, error))?;
            for version in page.versions.unwrap_or_default() {
                if version.description.as_deref() == Some(text) && version.version.is_some() {
                    found = version.version;
                }
            }
            marker = page.next_marker.filter(|next| !next.is_empty());
            if marker.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Where the alias leads to; none: there is no alias.
    pub(super) async fn alias(&self) -> Result<Option<Alias>, Trouble> {
        let what = format!("look at the alias {} of {}", self.alias, self.function);
        let asked = self.client.get_alias().function_name(&self.function).name(&self.alias);
        match asked.send().await.map_err(|error| trouble(&what, error)) {
            Ok(found) => {
                let weights = found.routing_config.and_then(|r| r.additional_version_weights);
                Ok(Some(Alias {
                    version: found.function_version.unwrap_or_default(),
                    description: found.description.unwrap_or_default(),
                    weight: weights.unwrap_or_default().into_iter().next(),
                    revision: found.revision_id,
                }))
            }
            Err(Trouble::Missing(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Lets the alias lead there; makes it where there is none. `read`: what it was.
    pub(super) async fn lead(&self, to: &Alias, read: Option<&Alias>) -> Result<(), Trouble> {
        let what = format!("change the alias {} of {}", self.alias, self.function);
        // An empty one takes weights away.
        let weights = to.weight.iter().cloned().collect();
        let routing = AliasRoutingConfiguration::builder()
            .set_additional_version_weights(Some(weights))
            .build();
        let Some(read) = read else {
            let made = self
                .client
                .create_alias()
                .function_name(&self.function)
                .name(&self.alias)
                .function_version(&to.version)
                .description(&to.description);
            let made = match to.weight {
                Some(_) => made.routing_config(routing),
                None => made,
            };
            return made.send().await.map(drop).map_err(|error| trouble(&what, error));
        };
        self.client
            .update_alias()
            .function_name(&self.function)
            .name(&self.alias)
            .function_version(&to.version)
            .description(&to.description)
            .routing_config(routing)
            .set_revision_id(read.revision.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| trouble(&what, error))
    }

    /// Removes the alias.
    pub(super) async fn remove_alias(&self) -> Result<(), Trouble> {
        let what = format!("remove the alias {} of {}", self.alias, self.function);
        let asked = self.client.delete_alias().function_name(&self.function).name(&self.alias);
        match asked.send().await.map_err(|error| trouble(&what, error)) {
            Ok(_) | Err(Trouble::Missing(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// What a version answers to an event.
    pub(super) async fn invoke(&self, version: &str, event: &Value) -> Result<Invoked, Trouble> {
        let what = format!("invoke version {version} of {}", self.function);
        let answer = self
            .client
            .invoke()
            .function_name(&self.function)
            .qualifier(version)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|error| trouble(&what, error))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        Ok(Invoked { payload, error: answer.function_error })
    }

    /// The HTTP address of the alias, where it has one.
    pub(super) async fn url(&self) -> Result<Option<String>, Trouble> {
        let what = format!("look for the address of {}", self.function);
        let asked = self
            .client
            .get_function_url_config()
            .function_name(&self.function)
            .qualifier(&self.alias);
        match asked.send().await.map_err(|error| trouble(&what, error)) {
            Ok(found) => Ok(Some(found.function_url.trim_end_matches('/').to_owned())),
            Err(Trouble::Missing(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Whether the alias keeps instances warm: it then leads to one version only.
    pub(super) async fn is_provisioned(&self) -> Result<bool, Trouble> {
        let what = format!("look for provisioned concurrency of {}", self.function);
        let asked = self
            .client
            .get_provisioned_concurrency_config()
            .function_name(&self.function)
            .qualifier(&self.alias)
            .send()
            .await;
        match asked {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ProvisionedConcurrencyConfigNotFoundException") => {
                Ok(false)
            }
            Err(error) => match trouble(&what, error) {
                Trouble::Missing(_) => Ok(false),
                other => Err(other),
            },
        }
    }
}
