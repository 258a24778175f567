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
    /// At once: it is no fault. What goes on outside for whoever waits is worth another look.
    Again,
}

macro_rules! error_names {
    ($(#[doc = $doc:literal] $variant:ident = $name:literal, retry: $retry:ident, $remedy:literal;)+) => {
        /// Why an agent could not do its work. A fault, never a verdict.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorName {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)+
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

            /// One sentence: what it says.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $doc.trim_ascii_start(),)+ }
            }

            /// What would make it go away.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
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
    InvalidIntent = "ERR_INVALID_INTENT", retry: Never,
        "Correct the intent as the message says; `pactctl agents` shows what an action takes.";
    /// A required parameter is absent.
    MissingParameters = "ERR_MISSING_PARAMETERS", retry: Never,
        "Add the parameters that the message names; `pactctl agents` shows what an action takes.";
    /// The agent does not offer the action.
    UnknownAction = "ERR_UNKNOWN_ACTION", retry: Never,
        "Ask for one of the actions that the message names.";
    /// The sender may not do this.
    Unauthorized = "ERR_UNAUTHORIZED", retry: Never,
        "Call as somebody who may: the function's role, or the token of the gateway's API.";
    /// The work did not end before the agent's deadline.
    Timeout = "ERR_TIMEOUT", retry: Never,
        "Raise the time-out of what took too long, or make it do less at once.";
    /// The repository or the source bundle could not be read.
    SourceUnavailable = "ERR_SOURCE_UNAVAILABLE", retry: Outage,
        "See that the repository's address is right and can be reached with the installation's token; then start the run again.";
    /// The run store or the artifact store did not answer.
    StoreUnavailable = "ERR_STORE_UNAVAILABLE", retry: Outage,
        "Start the run again; when it happens often, look at the store's throttles and limits.";
    /// What the store holds under one key cannot be read: damaged, or written by a newer version.
    RecordUnreadable = "ERR_RECORD_UNREADABLE", retry: Never,
        "Look at the item that the message names; update this installation when a newer version wrote it.";
    /// Another run holds the environment.
    EnvironmentBusy = "ERR_ENVIRONMENT_BUSY", retry: Locked,
        "Wait for the run that the message names, or cancel it.";
    /// What is deployed to did not answer, or had too much to do.
    TargetUnavailable = "ERR_TARGET_UNAVAILABLE", retry: Outage,
        "Start the run again; when it happens often, look at the throttles and limits of the service that is deployed to.";
    /// What has the numbers of an environment did not answer, so that nothing is known of them.
    MetricsUnavailable = "ERR_METRICS_UNAVAILABLE", retry: Outage,
        "See that the metric source that the message names answers the monitor agent; then start the run again.";
    /// A program that the work needs could not be run.
    ToolFailed = "ERR_TOOL_FAILED", retry: Never,
        "Make the program that the message names available where the agent runs.";
    /// A deployment stopped halfway, or its effect is unknown.
    DeployFailed = "ERR_DEPLOY_FAILED", retry: Never,
        "Look at the environment: the run takes back what it changed; `pactctl explain ERR_ROLLBACK_FAILED` says what to do when it cannot.";
    /// The previous release could not be restored; a person is needed.
    RollbackFailed = "ERR_ROLLBACK_FAILED", retry: Compensation,
        "Look at the environment now: deploy a release that is known to be good, then see why it could not be taken back.";
    /// A notification channel did not answer or refused the message.
    ChannelUnavailable = "ERR_CHANNEL_UNAVAILABLE", retry: Outage,
        "See that the channel's service answers; the message is kept and sent again.";
    /// Something is larger, deeper or more than the agent accepts.
    LimitExceeded = "ERR_LIMIT_EXCEEDED", retry: Never,
        "Make smaller what the message names, or split it.";
    /// What goes on outside for a state that waits has changed; the state looks at it again.
    LookAgain = "ERR_LOOK_AGAIN", retry: Again,
        "Nothing is wrong: another service told of its work, and the state that waits for it looks.";
    /// A defect of the agent itself.
    Internal = "ERR_INTERNAL", retry: Never,
        "Report it with the run's log: it is a defect, not something that the repository did.";
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
            assert!(name.sentence().ends_with('.') && !name.sentence().starts_with(' '));
            assert!(name.remedy().ends_with('.'), "{name}");
        }
    }
}
