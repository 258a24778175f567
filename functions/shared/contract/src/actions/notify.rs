//! The actions of the notify agent.

use serde::{Deserialize, Serialize};

use crate::{
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

/// Output of every notify action.
pub type NotifyOutput = NotificationRecord;
