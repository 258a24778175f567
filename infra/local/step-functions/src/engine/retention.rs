//! What becomes of executions that ended long ago: they are forgotten, and the journal files in
//! which nothing else stands are removed.

use std::sync::Arc;
use std::time::Duration;

use super::inner::Inner;
use super::record::Record;
use super::run::{RETENTION_MS, Run};
use crate::error::ApiError;
use crate::journal::Damage;
use crate::sync::{lock, read, write};

/// How often it is looked for what can be forgotten.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

impl Inner {
    /// Forgets what is old, now and again and again.
    pub(super) fn keep_forgetting(self: &Arc<Self>) {
        let inner = Arc::downgrade(self);
        let mut stop = self.stop.clone();
        self.drivers.spawn(async move {
            loop {
                {
                    let Some(inner) = inner.upgrade() else { return };
                    if let Err(error) = inner.forget().await {
                        tracing::warn!(%error, "journal files that are no longer needed are kept");
                    }
                }
                tokio::select! {
                    _ = stop.changed() => return,
                    () = tokio::time::sleep(INTERVAL) => {}
                }
            }
        });
    }

    async fn forget(&self) -> Result<(), ApiError> {
        let forgotten = write(&self.runs).forget(self.now());
        if forgotten > 0 {
            tracing::info!(forgotten, "executions that ended 90 days ago were removed");
        }
        self.compact().await
    }

    /// Removes the journal files before the first one that an execution needs.
    async fn compact(&self) -> Result<(), ApiError> {
        let journal = self.journal()?;
        // Taken first: what starts from now on is in this file or a later one.
        let active = journal.active();
        let needed = {
            let runs = read(&self.runs);
            let first = |run: &Arc<_>| Run::first_segment(run);
            runs.by_arn.values().filter_map(first).min().map_or(active, |first| first.min(active))
        };
        // Damaged files are kept for those who want to look at them.
        let recent = |damage: &&Damage| damage.found.saturating_add(RETENTION_MS) > self.now();
        let damaged = self.losses.damage.iter().filter(recent).filter_map(Damage::segment).min();
        let needed = damaged.map_or(needed, |damaged| needed.min(damaged));
        if needed <= journal.first() {
            return Ok(());
        }
        self.carry_machines(needed).await?;
        journal.remove_before(needed).await.map_err(|error| self.unwritable(&error))
    }

    /// Writes the machines and the definitions again that only files before `first` hold.
    async fn carry_machines(&self, first: u32) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        let machines: Vec<_> = read(&self.machines).values().cloned().collect();
        for machine in machines.into_iter().filter(|machine| machine.segment < first) {
            self.store(machine.tagged(machine.tags.clone())).await?;
        }
        let revisions: Vec<_> = {
            let mut known = lock(&self.revisions);
            known.retain(|revision| revision.strong_count() > 0);
            known.iter().filter_map(std::sync::Weak::upgrade).collect()
        };
        for revision in revisions.iter().filter(|revision| revision.segment() < first) {
            let position = self.write(&Record::revision(revision)).await?;
            revision.set_segment(position.segment);
        }
        Ok(())
    }
}
