//! Incidents of what serves.

use async_trait::async_trait;
use pact_contract::{
    EnvironmentKey,
    actions::WatchResult,
    incident::{Incident, IncidentId},
    objectives::Budget,
};

use crate::error::{StoreError, Unreadable};

/// A page of incidents.
#[derive(Debug, Default)]
pub struct IncidentPage {
    /// The incidents, the latest first.
    pub incidents: Vec<Incident>,
    /// Those that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}

/// What of incidents is shown to people.
#[async_trait]
pub trait IncidentReader: Send + Sync {
    /// Open ones and those that are over, the latest first.
    async fn incidents(
        &self,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<IncidentPage, StoreError>;
}

/// What is kept of incidents.
#[async_trait]
pub trait Incidents: IncidentReader {
    /// Keeps what the watch saw of an environment, with its budget where it has one, and says which incident it has. Nothing happens
    /// when nothing was ever deployed there.
    async fn keep_watch(
        &self,
        key: &EnvironmentKey,
        seen: &WatchResult,
        budget: Option<&Budget>,
    ) -> Result<Option<IncidentId>, StoreError>;
    /// What an environment used of its budget, as it was kept last.
    async fn budget(&self, key: &EnvironmentKey) -> Result<Option<Budget>, StoreError>;
    /// Says which incident an environment has. Nothing happens when nothing was ever deployed there.
    async fn set_incident_of(
        &self,
        key: &EnvironmentKey,
        id: Option<&IncidentId>,
    ) -> Result<(), StoreError>;
    /// An incident, and the version to change it by.
    async fn incident(&self, id: &IncidentId) -> Result<Option<(Incident, u64)>, StoreError>;
    /// The latest incident of the cause that `any` is of.
    async fn latest_incident(
        &self,
        any: &IncidentId,
    ) -> Result<Option<(Incident, u64)>, StoreError>;
    /// Writes it. False when somebody else wrote since that version was read; 0: before the first.
    async fn store_incident(&self, incident: &Incident, version: u64) -> Result<bool, StoreError>;
    /// At most `limit` of those whose end was not told yet, the oldest first. The list follows a write
    /// after a moment: each has to be read before something is done.
    async fn open_incidents(&self, limit: usize) -> Result<Vec<IncidentId>, StoreError>;
}

/// The same in memory, for tests.
#[cfg(feature = "testing")]
#[derive(Default)]
pub struct MemoryIncidents(std::sync::Mutex<Kept>);

#[cfg(feature = "testing")]
#[derive(Default)]
struct Kept {
    of: std::collections::BTreeMap<EnvironmentKey, IncidentId>,
    all: std::collections::BTreeMap<IncidentId, (Incident, u64)>,
    budgets: std::collections::BTreeMap<EnvironmentKey, Budget>,
}

#[cfg(feature = "testing")]
impl MemoryIncidents {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// With these.
    pub fn of(incidents: impl IntoIterator<Item = Incident>) -> Self {
        let all = incidents.into_iter().map(|incident| (incident.id.clone(), (incident, 1)));
        Self(std::sync::Mutex::new(Kept { all: all.collect(), ..Kept::default() }))
    }

    /// Every incident, by name.
    pub fn all(&self) -> Vec<Incident> {
        self.kept().all.values().map(|(incident, _)| incident.clone()).collect()
    }
}

#[cfg(feature = "testing")]
#[async_trait]
impl Incidents for MemoryIncidents {
    async fn keep_watch(
        &self,
        key: &EnvironmentKey,
        _: &WatchResult,
        budget: Option<&Budget>,
    ) -> Result<Option<IncidentId>, StoreError> {
        let mut kept = self.kept();
        if let Some(budget) = budget {
            kept.budgets.insert(key.clone(), budget.clone());
        }
        Ok(kept.of.get(key).cloned())
    }
    async fn budget(&self, key: &EnvironmentKey) -> Result<Option<Budget>, StoreError> {
        Ok(self.kept().budgets.get(key).cloned())
    }
    async fn set_incident_of(
        &self,
        key: &EnvironmentKey,
        id: Option<&IncidentId>,
    ) -> Result<(), StoreError> {
        match id {
            Some(id) => drop(self.kept().of.insert(key.clone(), id.clone())),
            None => drop(self.kept().of.remove(key)),
        }
        Ok(())
    }
    async fn incident(&self, id: &IncidentId) -> Result<Option<(Incident, u64)>, StoreError> {
        Ok(self.kept().all.get(id).cloned())
    }
    async fn latest_incident(
        &self,
        any: &IncidentId,
    ) -> Result<Option<(Incident, u64)>, StoreError> {
        let kept = self.kept();
        let mut of_cause = kept.all.iter().filter(|(id, _)| id.cause() == any.cause());
        Ok(of_cause.next_back().map(|(_, found)| found.clone()))
    }
    async fn store_incident(&self, incident: &Incident, version: u64) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        if kept.all.get(&incident.id).map_or(0, |(_, version)| *version) != version {
            return Ok(false);
        }
        kept.all.insert(incident.id.clone(), (incident.clone(), version + 1));
        Ok(true)
    }
    async fn open_incidents(&self, limit: usize) -> Result<Vec<IncidentId>, StoreError> {
        let mut open: Vec<_> = self.all().into_iter().filter(|i| !i.end_told).collect();
        open.sort_by_key(|incident| incident.opened_at);
        Ok(open.into_iter().map(|incident| incident.id).take(limit).collect())
    }
}

#[cfg(feature = "testing")]
#[async_trait]
impl IncidentReader for MemoryIncidents {
    async fn incidents(&self, limit: usize, _: Option<&str>) -> Result<IncidentPage, StoreError> {
        let mut incidents = self.all();
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.opened_at));
        incidents.truncate(limit);
        Ok(IncidentPage { incidents, ..IncidentPage::default() })
    }
}
