//! The actions of the notify agent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{EnvironmentName, ReleaseId},
    run::{NotificationRecord, Outcome, RunRequest},
    settings::NotifySettings,
};

/// `notify.slack_team`, `notify.email_stakeholders`, `notify.update_jira`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notify {
    /// What was pushed.
    pub run: RunRequest,
    /// How it ended.
    pub outcome: Outcome,
    /// Whom to tell.
    #[serde(default)]
    pub settings: NotifySettings,
}

/// `notify.ask_approvers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskApprovers {
    /// What was pushed.
    pub run: RunRequest,
    /// Where the release is to go.
    pub environment: EnvironmentName,
    /// The release.
    pub release: ReleaseId,
    /// Minutes for which an answer is waited for.
    pub timeout_minutes: u32,
    /// How many have to say yes; none: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<u32>,
    /// What whoever says yes agrees to besides, one sentence each.
    #[serde(default)]
    pub loosened: Vec<String>,
    /// Whom to tell.
    #[serde(default)]
    pub settings: NotifySettings,
    /// Where the pipeline told it before: what is told now. None from the pipeline itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<AskAgain>,
}

/// A question that is told by one channel, after the pipeline went on to wait for the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskAgain {
    /// The channel: `slack`, `email`.
    pub channel: String,
    /// Until when about an answer is waited for.
    pub until: Timestamp,
    /// Whether the channel has told it, so that this reminds of it.
    pub reminder: bool,
}

/// Output of `notify.ask_approvers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskApproversOutput {
    /// What became of it on each channel.
    pub told: Vec<NotificationRecord>,
}

/// Output of every other notify action.
pub type NotifyOutput = NotificationRecord;
