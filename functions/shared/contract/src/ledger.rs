//! The ledger of an environment: which releases served there, in what order, how each was judged,
//! and whether one may come into effect.
//!
//! A release is a candidate when it comes into effect. It becomes good when it was judged so, and
//! only a good one is a place to return to. One that was judged bad is rejected: its commit comes
//! back only by a person's word. One that was taken back without a verdict, because its run was
//! stopped or nobody could look, is withdrawn: it may be tried again.
//!
//! Invariants, whatever happens in whatever order: an older push of a branch never replaces a newer
//! one that is good or in effect; what is returned to was judged good.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ReleaseId, RunId};

/// Most releases that an environment remembers.
pub const MAX_LEDGER: usize = 50;
/// Longest reason that is kept of a release.
const MAX_REASON: usize = 500;

/// How a release was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not judged yet.
    Candidate,
    /// Judged good: a place to return to.
    Good,
    /// Judged bad, and taken back.
    Rejected,
    /// Taken back without a verdict.
    Withdrawn,
}

impl Standing {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Good => "good",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A person's word that something is to be deployed although the order or a verdict is against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnPurpose {
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Where a release comes from, as far as it decides what it may replace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The branch that was pushed to.
    #[serde(default)]
    pub branch: Option<String>,
    /// Place of the push in its branch: a later push has a larger one.
    #[serde(default)]
    pub place: Option<u64>,
    /// Set when a person wants it whatever the order and the verdicts say.
    #[serde(default)]
    pub on_purpose: Option<OnPurpose>,
}

/// One release of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Its name.
    pub release: ReleaseId,
    /// Its commit.
    pub commit: String,
    /// Run that deployed it.
    pub run_id: RunId,
    /// Where it comes from.
    #[serde(default)]
    pub origin: Origin,
    /// How it was judged.
    pub standing: Standing,
    /// Why it was taken back.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it came into effect first.
    pub deployed_at: Timestamp,
    /// When it was judged, or taken back.
    #[serde(default)]
    pub judged_at: Option<Timestamp>,
    /// Since when it is in effect; none: it is not.
    #[serde(default)]
    pub serving_since: Option<Timestamp>,
    /// For how long it was in effect before that, in seconds.
    #[serde(default)]
    pub served_seconds: u64,
}

/// What stands against a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// A newer push of the branch.
    Order,
    /// A verdict on the commit.
    Verdict,
}

/// Why a release may not come into effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The order, or a verdict.
    pub against: Against,
    /// Which release stands against it, and why.
    pub message: String,
    /// How it is done on purpose.
    pub remedy: &'static str,
}

/// The releases of an environment, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger(Vec<LedgerEntry>);

impl Ledger {
    /// The releases, the one that was deployed last first.
    #[must_use]
    pub fn entries(&self) -> &[LedgerEntry] {
        &self.0
    }

    /// What is known of a release.
    #[must_use]
    pub fn of(&self, release: &ReleaseId) -> Option<&LedgerEntry> {
        self.0.iter().find(|entry| entry.release == *release)
    }

    /// Whether a release is a place to return to.
    #[must_use]
    pub fn is_good(&self, release: &ReleaseId) -> bool {
        self.of(release).is_some_and(|entry| entry.standing == Standing::Good)
    }

    /// Why a commit from there may not come into effect; none: it may.
    #[must_use]
    pub fn refuses(&self, commit: &str, origin: &Origin) -> Option<Refusal> {
        if origin.on_purpose.is_some() {
            return None;
        }
        // The latest verdict counts; to be withdrawn is none.
        let verdict = self.0.iter().find(|entry| {
            entry.commit == commit && matches!(entry.standing, Standing::Good | Standing::Rejected)
        });
        if let Some(bad) = verdict.filter(|entry| entry.standing == Standing::Rejected) {
            let when = bad.judged_at.unwrap_or(bad.deployed_at);
            let why = bad.reason.as_deref().unwrap_or("no reason was kept");
            return Some(Refusal {
                against: Against::Verdict,
                message: format!(
                    "commit {} was deployed as {} by run {} and taken back at {when:.0}: {why}",
                    short(commit),
                    bad.release,
                    bad.run_id
                ),
                remedy: "push a commit that mends it; or start the run on purpose, with the reason",
            });
        }
        let place = origin.place?;
        let newer = self.0.iter().find(|entry| {
            entry.origin.branch == origin.branch
                && entry.origin.place.is_some_and(|other| other > place)
                && (entry.standing == Standing::Good || entry.serving_since.is_some())
        })?;
        Some(Refusal {
            against: Against::Order,
            message: format!(
                "commit {} was pushed before commit {}, which run {} deployed as {}",
                short(commit),
                short(&newer.commit),
                newer.run_id,
                newer.release
            ),
            remedy: "nothing, as the newer one stays; to go back, push the branch back, or start \
                     the run on purpose, with the reason",
        })
    }

    /// A release came into effect, as a candidate; whatever was in effect no longer is.
    pub fn deployed(&mut self, entry: LedgerEntry) {
        let at = entry.deployed_at;
        self.end_service(at);
        let again = self.0.iter().position(|known| known.release == entry.release);
        let before = again.map(|index| self.0.remove(index));
        let served_seconds = before.map_or(0, |known| known.served_seconds);
        self.0.insert(0, LedgerEntry { serving_since: Some(at), served_seconds, ..entry });
        // What serves and what may be returned to is among the latest; the rest is history.
        self.trim();
    }

    /// A release was judged good. False unless it is a candidate of this run.
    pub fn judged_good(&mut self, release: &ReleaseId, run_id: &RunId, at: Timestamp) -> bool {
        let candidate = self.0.iter_mut().find(|entry| {
            entry.release == *release
                && entry.run_id == *run_id
                && entry.standing == Standing::Candidate
        });
        let Some(entry) = candidate else { return false };
        entry.standing = Standing::Good;
        entry.judged_at = Some(at);
        true
    }

    /// A release was taken back, and `restored` is in effect instead. `judged`: because it is bad,
    /// not because nobody could say.
    pub fn taken_back(
        &mut self,
        release: &ReleaseId,
        restored: Option<&ReleaseId>,
        (judged, reason): (bool, &str),
        at: Timestamp,
    ) {
        self.end_service(at);
        for entry in &mut self.0 {
            if entry.release == *release {
                entry.standing = if judged { Standing::Rejected } else { Standing::Withdrawn };
                entry.reason = Some(reason.chars().take(MAX_REASON).collect());
                entry.judged_at = Some(at);
            } else if Some(&entry.release) == restored {
                entry.serving_since = Some(at);
            }
        }
    }

    fn end_service(&mut self, at: Timestamp) {
        for entry in &mut self.0 {
            if let Some(since) = entry.serving_since.take() {
                let served = at.duration_since(since).as_secs();
                // A clock that was set back counts as no time at all.
                entry.served_seconds += u64::try_from(served).unwrap_or(0);
            }
        }
    }

    /// Forgets the oldest, but never the last good release: there has to be a way back.
    fn trim(&mut self) {
        while self.0.len() > MAX_LEDGER {
            let good = self.0.iter().position(|entry| entry.standing == Standing::Good);
            let oldest = (0..self.0.len()).rev().find(|index| Some(*index) != good);
            match oldest {
                Some(index) => drop(self.0.remove(index)),
                None => return,
            }
        }
    }
}

fn short(commit: &str) -> String {
    commit.chars().take(10).collect()
}

#[cfg(test)]
mod tests;
