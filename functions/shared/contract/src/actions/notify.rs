//! The actions of the notify agent.

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
    /// What whoever says yes agrees to besides, one sentence each.
    #[serde(default)]
    pub loosened: Vec<String>,
    /// Whom to tell.
    #[serde(default)]
    pub settings: NotifySettings,
}

/// Output of `notify.ask_approvers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskApproversOutput {
    /// What became of it on each channel.
    pub told: Vec<NotificationRecord>,
}

/// Output of every other notify action.
pub type NotifyOutput = NotificationRecord;
