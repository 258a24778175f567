//! Stable error names. Each is also the Lambda error type that a state machine's `ErrorEquals`
//! names; a test holds the two sets against each other.

use serde::{Deserialize, Serialize};

macro_rules! error_names {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, retryable: $retry:literal;)+) => {
        /// Why an agent could not do its work. A fault, never a verdict.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorName {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl ErrorName {
            /// Every name, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire, which is also the Lambda error type.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Whether the same call may succeed a little later.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retry,)+ }
            }

            /// The name that stands for `text`, if any.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

error_names! {
    /// The event is not a valid PACT intent envelope, or a parameter has a wrong value.
    InvalidIntent = "ERR_INVALID_INTENT", retryable: false;
    /// A required parameter is absent.
    MissingParameters = "ERR_MISSING_PARAMETERS", retryable: false;
    /// The agent does not offer the action.
    UnknownAction = "ERR_UNKNOWN_ACTION", retryable: false;
    /// The sender may not do this.
    Unauthorized = "ERR_UNAUTHORIZED", retryable: false;
    /// The work did not end before the agent's deadline.
    Timeout = "ERR_TIMEOUT", retryable: false;
    /// The repository or the source bundle could not be read.
    SourceUnavailable = "ERR_SOURCE_UNAVAILABLE", retryable: true;
    /// The run store or the artifact store did not answer.
    StoreUnavailable = "ERR_STORE_UNAVAILABLE", retryable: true;
    /// Another run holds the environment.
    EnvironmentBusy = "ERR_ENVIRONMENT_BUSY", retryable: true;
    /// A program that the work needs could not be run.
    ToolFailed = "ERR_TOOL_FAILED", retryable: false;
    /// A deployment stopped halfway, or its effect is unknown.
    DeployFailed = "ERR_DEPLOY_FAILED", retryable: false;
    /// The previous release could not be restored; a person is needed.
    RollbackFailed = "ERR_ROLLBACK_FAILED", retryable: false;
    /// A notification channel did not answer or refused the message.
    ChannelUnavailable = "ERR_CHANNEL_UNAVAILABLE", retryable: true;
    /// Something is larger, deeper or more than the agent accepts.
    LimitExceeded = "ERR_LIMIT_EXCEEDED", retryable: false;
    /// A defect of the agent itself.
    Internal = "ERR_INTERNAL", retryable: false;
}

impl std::fmt::Display for ErrorName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_and_is_the_serde_name() {
        for name in ErrorName::ALL {
            assert_eq!(ErrorName::parse(name.as_str()), Some(*name));
            let json = serde_json::to_value(name).expect("an enum serialises");
            assert_eq!(json, name.as_str());
        }
    }
}
