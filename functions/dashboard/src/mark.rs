//! Status as icon, colour and word: never by colour alone.

use maud::{Markup, html};
use pact_contract::{
    RunStatus, Severity, StageRecord, StageStatus, Verdict,
    actions::ReleaseVerdict,
    run::{DeploymentStatus, RuleOutcome},
};

/// The kinds of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Pass,
    Fail,
    /// A fault, or something that a person has to look at.
    Warn,
    Skip,
    Run,
    /// Not reached yet.
    Wait,
}

impl Mark {
    /// Class of the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skip => "skip",
            Self::Run => "run",
            Self::Wait => "wait",
        }
    }

    /// The inside of a 16 by 16 drawing.
    pub(crate) fn shape(self) -> Markup {
        html! {
            @match self {
                Self::Pass => path class="stroke" d="M3 8.6l3.4 3.4L13 4.8" {},
                Self::Fail => path class="stroke" d="M4 4l8 8M12 4l-8 8" {},
                Self::Warn => { path class="stroke" d="M8 2.6v6.6" {} circle class="solid" cx="8" cy="13" r="1.4" {} },
                Self::Skip => path class="stroke" d="M3.5 8h9" {},
                Self::Run => path class="stroke turn" d="M8 2.5a5.5 5.5 0 1 1-5.5 5.5" {},
                Self::Wait => circle class="stroke" cx="8" cy="8" r="3.2" {},
            }
        }
    }

    /// The icon alone; the word stands beside it.
    pub(crate) fn icon(self) -> Markup {
        html! {
            span class={ "icon " (self.class()) } aria-hidden="true" {
                svg viewBox="0 0 16 16" { (self.shape()) }
            }
        }
    }

    /// Icon and word.
    pub(crate) fn chip(self, word: &str) -> Markup {
        html! {
            span class={ "chip " (self.class()) } {
                svg viewBox="0 0 16 16" aria-hidden="true" { (self.shape()) }
                (word)
            }
        }
    }
}

/// A status with a mark and a word.
pub(crate) trait Marked: Copy {
    fn mark(self) -> Mark;
    fn word(self) -> String;

    fn chip(self) -> Markup {
        self.mark().chip(&self.word())
    }
}

impl Marked for RunStatus {
    fn mark(self) -> Mark {
        match self {
            Self::Queued => Mark::Wait,
            Self::Running => Mark::Run,
            Self::Succeeded => Mark::Pass,
            Self::Failed | Self::Rejected | Self::RollbackFailed => Mark::Fail,
            Self::Held | Self::RolledBack | Self::TimedOut => Mark::Warn,
            Self::Cancelled | Self::Superseded => Mark::Skip,
        }
    }

    fn word(self) -> String {
        self.as_str().replace('_', " ")
    }
}

impl Marked for StageStatus {
    fn mark(self) -> Mark {
        match self {
            Self::Running => Mark::Run,
            Self::Passed => Mark::Pass,
            Self::Failed => Mark::Fail,
            Self::Skipped => Mark::Skip,
            Self::Error => Mark::Warn,
        }
    }

    fn word(self) -> String {
        match self {
            Self::Skipped => "not checked".to_owned(),
            Self::Error => "fault".to_owned(),
            other => other.as_str().to_owned(),
        }
    }
}

impl Marked for Verdict {
    fn mark(self) -> Mark {
        match self {
            Self::Promote | Self::StageOnly | Self::VerifyOnly => Mark::Pass,
            Self::Hold => Mark::Warn,
            Self::Reject => Mark::Fail,
        }
    }

    fn word(self) -> String {
        self.as_str().replace('_', " ")
    }
}

impl Marked for ReleaseVerdict {
    fn mark(self) -> Mark {
        match self {
            Self::Keep => Mark::Pass,
            Self::Inconclusive => Mark::Skip,
            Self::RollBack => Mark::Fail,
        }
    }

    fn word(self) -> String {
        match self {
            Self::Keep => "keep".to_owned(),
            Self::Inconclusive => "inconclusive".to_owned(),
            Self::RollBack => "roll back".to_owned(),
        }
    }
}

impl Marked for RuleOutcome {
    fn mark(self) -> Mark {
        match self {
            Self::Met => Mark::Pass,
            Self::NotMet => Mark::Fail,
            Self::NotChecked => Mark::Skip,
        }
    }

    fn word(self) -> String {
        match self {
            Self::Met => "met".to_owned(),
            Self::NotMet => "not met".to_owned(),
            Self::NotChecked => "not checked".to_owned(),
        }
    }
}

impl Marked for DeploymentStatus {
    fn mark(self) -> Mark {
        match self {
            Self::Live => Mark::Pass,
            Self::Pending => Mark::Run,
            Self::RolledBack => Mark::Warn,
            Self::Failed | Self::RollbackFailed => Mark::Fail,
        }
    }

    fn word(self) -> String {
        match self {
            Self::Live => "live".to_owned(),
            Self::Pending => "pending".to_owned(),
            Self::RolledBack => "taken back".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::RollbackFailed => "rollback failed".to_owned(),
        }
    }
}

impl Marked for Severity {
    fn mark(self) -> Mark {
        match self {
            Self::Critical | Self::High => Mark::Fail,
            Self::Medium => Mark::Warn,
            Self::Low | Self::Info => Mark::Skip,
        }
    }

    fn word(self) -> String {
        self.as_str().to_owned()
    }
}

/// The word for how a stage of this action ended: what is no check was not left unchecked.
pub(crate) fn word_of(record: &StageRecord) -> String {
    let agent = record.action.split('.').next().unwrap_or_default();
    match (record.status, agent) {
        (StageStatus::Skipped, "notify") => "not sent".to_owned(),
        (StageStatus::Skipped, "monitor" | "deploy" | "quality") => "skipped".to_owned(),
        (status, _) => status.word(),
    }
}
