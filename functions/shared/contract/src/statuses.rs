//! What commits show on their hosts: pending while a run goes on, then its verdict.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    ids::{RepositoryName, RunId},
    run::{PULL_REQUEST, RunRecord, RunRequest, RunStatus},
    schema::SchemaVersion,
};

/// Longest description, in characters: what GitHub takes.
pub const MAX_DESCRIPTION: usize = 140;

/// How long a status that the host does not take is tried for.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// How long nobody else tries while one attempt goes on: longer than it may take.
const ATTEMPT: SignedDuration = SignedDuration::from_secs(40);
/// Wait after the first attempt that failed; it doubles with each.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(60);
/// Longest wait between two attempts, unless the host asks for more.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// How a repository's commits show what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusSettings {
    /// Name of the host that takes the statuses, for example `github`.
    pub host: String,
    /// Address of its API, without a `/` at the end.
    pub api: String,
}

/// Name, below the installation's path, of the secret that a repository's statuses are sent with.
#[must_use]
pub fn token_name(repository: &RepositoryName) -> String {
    format!("{TOKENS}{repository}{TOKEN}")
}

/// The same of the one that it is fetched with, where it is not that of all.
#[must_use]
pub fn source_token_name(repository: &RepositoryName) -> String {
    format!("{TOKENS}{repository}{SOURCE_TOKEN}")
}

/// The same of the one that its webhooks are signed with, where they come to the address of its own.
#[must_use]
pub fn webhook_secret_name(repository: &RepositoryName) -> String {
    format!("{TOKENS}{repository}{WEBHOOK_SECRET}")
}

/// What the names of all such secrets begin with.
pub const TOKENS: &str = "repositories/";
/// What they end with.
const TOKEN: &str = "/status-token";
const SOURCE_TOKEN: &str = "/source-token";
const WEBHOOK_SECRET: &str = "/webhook-secret";

/// What a commit shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommitState {
    /// The run goes on, or waits.
    Pending,
    /// Everything that was planned was done, and is well.
    Success,
    /// The commit is not released: a verdict, or a person's decision that is still to come.
    Failure,
    /// The run came to no verdict.
    Error,
}

impl CommitState {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }

    /// What a run shows that stands so.
    #[must_use]
    pub const fn of(status: RunStatus) -> Self {
        match status {
            RunStatus::Queued | RunStatus::Running => Self::Pending,
            RunStatus::Succeeded => Self::Success,
            RunStatus::Rejected | RunStatus::Held | RunStatus::RolledBack => Self::Failure,
            RunStatus::Failed
            | RunStatus::RollbackFailed
            | RunStatus::Cancelled
            | RunStatus::TimedOut
            | RunStatus::Superseded => Self::Error,
        }
    }
}

/// Which status: a commit may show several beside each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StatusKey {
    /// The repository.
    pub repository: RepositoryName,
    /// The commit, as full hexadecimal id.
    pub commit: String,
    /// What the status is called on the commit: that of a pull request is another than that of a
    /// push of the same commit.
    pub context: String,
}

impl StatusKey {
    /// The status in which the run shows itself.
    #[must_use]
    pub fn of(run: &RunRecord) -> Self {
        Self::of_request(&run.request)
    }

    /// The status in which the run of a request shows itself.
    #[must_use]
    pub fn of_request(request: &RunRequest) -> Self {
        let context =
            if request.trigger.kind == PULL_REQUEST { "pact/pull-request" } else { "pact" };
        Self {
            repository: request.repository.name.clone(),
            commit: request.commit.clone(),
            context: context.to_owned(),
        }
    }
}

/// What is shown of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// The run.
    pub run_id: RunId,
    /// When it was accepted: a later run's status takes the place of an earlier one's.
    pub since: Timestamp,
    /// The state.
    pub state: CommitState,
    /// One line for people, of at most [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// The run's page.
    pub url: String,
}

impl CommitStatus {
    /// What the run shows as it stands.
    #[must_use]
    pub fn of(run: &RunRecord) -> Self {
        let said = match (run.status, &run.outcome) {
            (RunStatus::Queued, _) => "Waits for room to begin".to_owned(),
            (RunStatus::Running, _) => "The run goes on".to_owned(),
            (status, Some(outcome)) => format!("{}: {}", title(status), outcome.reason),
            (status, None) => title(status).to_owned(),
        };
        Self {
            run_id: run.request.run_id.clone(),
            since: run.request.started_at,
            state: CommitState::of(run.status),
            description: described(&said),
            url: run.request.url.clone(),
        }
    }

    /// Whether it is shown instead of the other: that of a later run is, and of one run a verdict
    /// instead of the state before.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        let pending = self.state == CommitState::Pending;
        match self.since.cmp(&other.since).then_with(|| self.run_id.cmp(&other.run_id)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => {
                self != other && (!pending || other.state == CommitState::Pending)
            }
        }
    }
}

/// How the run ended, as people say it.
const fn title(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Queued => "Queued",
        RunStatus::Running => "Running",
        RunStatus::Succeeded => "Succeeded",
        RunStatus::Failed => "Failed",
        RunStatus::Rejected => "Rejected",
        RunStatus::Held => "Held",
        RunStatus::RolledBack => "Rolled back",
        RunStatus::RollbackFailed => "Rollback failed",
        RunStatus::Cancelled => "Cancelled",
        RunStatus::TimedOut => "Timed out",
        RunStatus::Superseded => "Superseded",
    }
}

/// One line of at most [`MAX_DESCRIPTION`] characters.
#[must_use]
pub fn described(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_DESCRIPTION {
        return line;
    }
    let mut cut: String = line.chars().take(MAX_DESCRIPTION - 1).collect();
    cut.push('…');
    cut
}

/// How far a status is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "standing")]
pub enum Standing {
    /// It is to be sent, not before then.
    Due {
        /// When.
        at: Timestamp,
    },
    /// Somebody sends it; when nothing is heard until then, it is sent again.
    Sending {
        /// Until when.
        until: Timestamp,
    },
    /// The host took it.
    Shown,
    /// It is not sent any more.
    GivenUp,
}

/// A status on its way to its host. One item for each commit and context, so that of two runs
/// of a commit the later one is what is shown, however late the host answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusRecord {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// Which one.
    pub key: StatusKey,
    /// What is to be shown.
    pub wanted: CommitStatus,
    /// Since when that is wanted.
    pub wanted_at: Timestamp,
    /// What the host took last.
    #[serde(default)]
    pub shown: Option<CommitStatus>,
    /// How far it is.
    pub standing: Standing,
    /// Attempts for what is wanted now.
    #[serde(default)]
    pub attempts: u32,
    /// Why the last attempt did not succeed, for people.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// The host took the status.
    Taken,
    /// It did not, for this reason, and may later: not before the wait is over, where it says so.
    NotNow {
        /// The reason, for people.
        why: String,
        /// What the host asks for.
        wait: Option<SignedDuration>,
    },
    /// It never will, for this reason.
    Refused(String),
}

impl StatusRecord {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// The record of what nobody wanted before.
    #[must_use]
    pub fn new(key: StatusKey, wanted: CommitStatus, now: Timestamp) -> Self {
        Self {
            schema: Self::VERSION,
            key,
            wanted,
            wanted_at: now,
            shown: None,
            standing: Standing::Due { at: now },
            attempts: 0,
            trouble: None,
        }
    }

    /// With another status in the place of the one that was wanted; none where that stays. An attempt
    /// that goes on is waited for: two of them could arrive in either order.
    #[must_use]
    pub fn wanting(&self, wanted: CommitStatus, now: Timestamp) -> Option<Self> {
        if !wanted.replaces(&self.wanted) {
            return None;
        }
        let standing = match &self.standing {
            Standing::Sending { until } => Standing::Sending { until: *until },
            Standing::Due { .. } | Standing::Shown | Standing::GivenUp => Standing::Due { at: now },
        };
        let (wanted_at, attempts, trouble) = (now, 0, None);
        Some(Self { wanted, wanted_at, standing, attempts, trouble, ..self.clone() })
    }

    /// When it is to be looked at; none when nothing is left to do.
    #[must_use]
    pub const fn due(&self) -> Option<Timestamp> {
        match self.standing {
            Standing::Due { at } => Some(at),
            Standing::Sending { until } => Some(until),
            Standing::Shown | Standing::GivenUp => None,
        }
    }

    /// As whoever begins an attempt leaves it; none while it is not due.
    #[must_use]
    pub fn begun(&self, now: Timestamp) -> Option<Self> {
        self.due().filter(|at| *at <= now)?;
        let until = now.saturating_add(ATTEMPT).unwrap_or(Timestamp::MAX);
        let standing = Standing::Sending { until };
        Some(Self { standing, attempts: self.attempts.saturating_add(1), ..self.clone() })
    }

    /// As whoever ends an attempt to send `sent` leaves it. What is wanted may be another by now:
    /// that is due at once.
    #[must_use]
    pub fn ended(&self, sent: &CommitStatus, attempted: Attempted, now: Timestamp) -> Self {
        let taken = attempted == Attempted::Taken;
        let shown = if taken { Some(sent.clone()) } else { self.shown.clone() };
        if *sent != self.wanted {
            return Self { shown, standing: Standing::Due { at: now }, ..self.clone() };
        }
        let (standing, trouble) = match attempted {
            Attempted::Taken => (Standing::Shown, None),
            Attempted::Refused(why) => (Standing::GivenUp, Some(why)),
            Attempted::NotNow { why, wait } => {
                let doubled = FIRST_WAIT.checked_mul(1 << self.attempts.saturating_sub(1).min(6));
                let own = doubled.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
                let at = now.saturating_add(wait.unwrap_or_default().max(own));
                let at = at.unwrap_or(Timestamp::MAX);
                match at.duration_since(self.wanted_at) > PATIENCE {
                    true => (Standing::GivenUp, Some(why)),
                    false => (Standing::Due { at }, Some(why)),
                }
            }
        };
        Self { shown, standing, trouble, ..self.clone() }
    }
}

#[cfg(test)]
mod tests;
