//! Places in histories from which pages were read, so that the next page need not begin at the
//! first event.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::execution::Renderer;

/// Of how many executions places are kept.
const EXECUTIONS: usize = 64;

/// The places in histories from which pages were read, by the order of the execution.
#[derive(Default)]
pub(super) struct Places {
    of: HashMap<u64, (u64, Vec<Place>)>,
    /// Counts the uses, so that the history that was used longest ago is left out.
    clock: u64,
}

/// What the records from one on need.
#[derive(Clone, Default)]
pub(super) struct Place {
    /// How many records come before.
    pub(super) record: usize,
    /// The last id of the history before it.
    pub(super) id: u32,
    pub(super) renderer: Renderer,
}

/// The places, shared.
pub(super) type SharedPlaces = Mutex<Places>;

impl Places {
    /// The last place at or before a record.
    pub(super) fn before(&mut self, execution: u64, record: usize) -> Place {
        self.clock += 1;
        let Some((used, places)) = self.of.get_mut(&execution) else {
            return Place::default();
        };
        *used = self.clock;
        let place = places.iter().rfind(|place| place.record <= record);
        place.cloned().unwrap_or_default()
    }

    pub(super) fn keep(&mut self, execution: u64, place: Place) {
        self.clock += 1;
        if self.of.len() >= EXECUTIONS && !self.of.contains_key(&execution) {
            let oldest = self.of.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(execution, _)| *execution) {
                self.of.remove(&oldest);
            }
        }
        let (used, places) = self.of.entry(execution).or_default();
        *used = self.clock;
        if places.last().is_none_or(|last| last.record < place.record) {
            places.push(place);
        }
    }
}
