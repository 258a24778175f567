//! Errors of the SDKs in words: what failed and why, without what was sent. The error of the service,
//! or of the connection, is kept as the source; the answer as it came is not.

use std::{error::Error, fmt::Debug};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use pact_agent::ports::StoreError;

/// `what` is a fragment that fits after "cannot …".
pub(crate) fn failed<E, R>(what: &str, error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    let reason = match &error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("the service refused");
            match service.err().message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            }
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => chain(error),
            None => "the request could not be sent".to_owned(),
        },
        SdkError::ResponseError(_) => "the answer could not be read".to_owned(),
        _ => "the request could not be made; are region and credentials set?".to_owned(),
    };
    StoreError::Unavailable(format!("cannot {what}: {reason}"), error.into_source().ok())
}

/// A fault that is not the service's.
pub(crate) fn unavailable(message: impl Into<String>) -> StoreError {
    StoreError::Unavailable(message.into(), None)
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
