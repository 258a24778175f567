//! How well an environment is delivered to: the four measures of DORA, from the runs that went there.
//!
//! The definitions are the published ones (<https://dora.dev/guides/dora-metrics-four-keys/>):
//! how often changes are deployed, how long a change takes until it is, which part of the deployments
//! needed somebody or something to intervene at once, and how long it took to recover from those. What
//! they leave open is settled here:
//!
//! - A deployment puts a commit into effect that was not in effect before: a repetition of what
//!   serves already is none, and neither is one that could not be put into effect at all.
//! - A deployment failed when it was taken back, by its own run, or by a person while it served; and
//!   when it could not be taken back. To return to a release is no deployment. To deploy again what
//!   a person took back is one, and does not undo that it was taken back.
//! - It is recovered from when it was taken back; where that failed, when the next deployment is in
//!   effect and stays.
//! - The time of a change begins with its push, as what a commit says of its own time is the
//!   author's word, and counts for the first deployment of a commit that stays. A deployment is in
//!   effect and judged when its run ends.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    ids::EnvironmentName,
    run::{DeploymentStatus, ROLLBACK, RunRecord},
};

/// The measures, over the runs that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Delivery {
    /// Deployments in that time.
    pub deployments: usize,
    /// When the first of them began and the last one was in effect; none without one.
    pub between: Option<(Timestamp, Timestamp)>,
    /// Milliseconds from push to effect of each change, in order.
    pub lead_times: Vec<u64>,
    /// Deployments that needed an intervention.
    pub failed: usize,
    /// Milliseconds from effect to recovery of each of these that was recovered from, in order.
    pub recoveries: Vec<u64>,
}

impl Delivery {
    /// Deployments in a week, as they came in that time; none where it is too short to say.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of runs and of milliseconds are small")]
    pub fn per_week(&self) -> Option<f64> {
        const WEEK: f64 = 7.0 * 86_400_000.0;
        let (first, last) = self.between?;
        let time = milliseconds(first, last);
        (self.deployments > 1 && time > 0).then(|| self.deployments as f64 * WEEK / time as f64)
    }

    /// The middle one of the times from push to effect.
    #[must_use]
    pub fn lead_time(&self) -> Option<u64> {
        median(&self.lead_times)
    }

    /// The part of the deployments that failed, in percent.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of runs are small")]
    pub fn failure_rate(&self) -> Option<f64> {
        (self.deployments > 0).then(|| self.failed as f64 * 100.0 / self.deployments as f64)
    }

    /// The middle one of the times from effect to recovery.
    #[must_use]
    pub fn recovery(&self) -> Option<u64> {
        median(&self.recoveries)
    }
}

fn median(sorted: &[u64]) -> Option<u64> {
    let at = sorted.len().checked_sub(1)? / 2;
    sorted.get(at).copied()
}

fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0)
}

/// What serves, of what was looked at.
struct Serving {
    commit: String,
    since: Timestamp,
    /// Whether it was a deployment that was counted, and nobody took it back yet.
    counts: bool,
}

/// The measures of an environment, from the runs that began to deploy to it, in whatever order.
#[must_use]
pub fn delivery(runs: &[RunRecord], environment: &EnvironmentName) -> Delivery {
    let mut events: Vec<(Timestamp, &RunRecord, DeploymentStatus)> = runs
        .iter()
        .filter_map(|run| {
            let mut deployed = run.outcome.as_ref()?.deployments.iter();
            let last = deployed.rfind(|d| d.environment == *environment)?;
            Some((run.finished_at?, run, last.status))
        })
        .collect();
    events.sort_by(|a, b| (a.0, &a.1.request.run_id).cmp(&(b.0, &b.1.request.run_id)));
    let mut out = Delivery::default();
    let mut serving: Option<Serving> = None;
    // Since when what could not be taken back serves.
    let mut stuck: Vec<Timestamp> = Vec::new();
    let mut stayed: BTreeSet<&str> = BTreeSet::new();
    for (at, run, status) in events {
        let request = &run.request;
        if request.trigger.kind == ROLLBACK {
            if status == DeploymentStatus::RolledBack {
                if let Some(taken) = serving.take().filter(|serving| serving.counts) {
                    out.failed += 1;
                    out.recoveries.push(milliseconds(taken.since, at));
                }
                out.recoveries.extend(stuck.drain(..).map(|since| milliseconds(since, at)));
                let commit = request.commit.clone();
                serving = Some(Serving { commit, since: at, counts: false });
            }
            continue;
        }
        let again = serving.as_ref().is_some_and(|serving| serving.commit == request.commit);
        let changed = !matches!(status, DeploymentStatus::Pending | DeploymentStatus::Failed);
        if again || !changed {
            continue;
        }
        out.deployments += 1;
        let (first, last) = out.between.unwrap_or((request.started_at, at));
        out.between = Some((first.min(request.started_at), last.max(at)));
        match status {
            DeploymentStatus::RolledBack => {
                // It was in effect from some moment of its run on, which is not kept: at most that.
                out.failed += 1;
                out.recoveries.push(milliseconds(request.started_at, at));
            }
            DeploymentStatus::RollbackFailed => {
                out.failed += 1;
                stuck.push(at);
                let commit = request.commit.clone();
                serving = Some(Serving { commit, since: at, counts: false });
            }
            _ => {
                out.recoveries.extend(stuck.drain(..).map(|since| milliseconds(since, at)));
                if stayed.insert(&request.commit) {
                    out.lead_times.push(milliseconds(request.started_at, at));
                }
                let commit = request.commit.clone();
                serving = Some(Serving { commit, since: at, counts: true });
            }
        }
    }
    out.lead_times.sort_unstable();
    out.recoveries.sort_unstable();
    out
}

#[cfg(test)]
mod tests;
