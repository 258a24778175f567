//! Stable error names. Each is also the Lambda error type that a state machine's `ErrorEquals`
//! names; a test holds the two sets against each other.

use serde::{Deserialize, Serialize};

/// When the same call may succeed after it failed: what the retriers of the state machines are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Never: the same call fails the same way, or has to be judged first.
    Never,
    /// When a service answers again: a few attempts with growing, jittered pauses.
    Outage,
    /// When another run gives the environment's lock back: many attempts, for as long as a deployment takes.
    Locked,
    /// At once, as the action is a compensation that must not be given up for a passing fault.
    Compensation,
}

macro_rules! error_names {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, retry: $retry:ident;)+) => {
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

            /// When the same call may succeed.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$variant => Retry::$retry,)+ }
            }

            /// Whether the same call may succeed later.
            #[must_use]
            pub const fn retryable(self) -> bool {
                !matches!(self.retry(), Retry::Never)
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
    InvalidIntent = "ERR_INVALID_INTENT", retry: Never;
    /// A required parameter is absent.
    MissingParameters = "ERR_MISSING_PARAMETERS", retry: Never;
    /// The agent does not offer the action.
    UnknownAction = "ERR_UNKNOWN_ACTION", retry: Never;
    /// The sender may not do this.
    Unauthorized = "ERR_UNAUTHORIZED", retry: Never;
    /// The work did not end before the agent's deadline.
    Timeout = "ERR_TIMEOUT", retry: Never;
    /// The repository or the source bundle could not be read.
    SourceUnavailable = "ERR_SOURCE_UNAVAILABLE", retry: Outage;
    /// The run store or the artifact store did not answer.
    StoreUnavailable = "ERR_STORE_UNAVAILABLE", retry: Outage;
    /// Another run holds the environment.
    EnvironmentBusy = "ERR_ENVIRONMENT_BUSY", retry: Locked;
    /// A program that the work needs could not be run.
    ToolFailed = "ERR_TOOL_FAILED", retry: Never;
    /// A deployment stopped halfway, or its effect is unknown.
    DeployFailed = "ERR_DEPLOY_FAILED", retry: Never;
    /// The previous release could not be restored; a person is needed.
    RollbackFailed = "ERR_ROLLBACK_FAILED", retry: Compensation;
    /// A notification channel did not answer or refused the message.
    ChannelUnavailable = "ERR_CHANNEL_UNAVAILABLE", retry: Outage;
    /// Something is larger, deeper or more than the agent accepts.
    LimitExceeded = "ERR_LIMIT_EXCEEDED", retry: Never;
    /// A defect of the agent itself.
    Internal = "ERR_INTERNAL", retry: Never;
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
