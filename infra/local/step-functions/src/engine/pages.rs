//! Pages of histories. A page costs what it holds, wherever it is: what its events need from
//! earlier ones is kept for places along the way.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::inner::{Inner, events_in, unreadable};
use super::places::Place;
use super::run::Run;
use super::trail::Kept;
use crate::error::ApiError;
use crate::journal;
use crate::sync::lock;

/// After how many events of a history a place is kept.
const SPACING: u32 = 500;
/// How many records are read at once.
const CHUNK: usize = 32;
/// How large a page may become, in bytes of JSON, before it ends early.
const LARGEST: usize = 4 * 1024 * 1024;

/// Which events of a history to show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// The id that the page before ended with; none for the first page.
    pub(crate) after: Option<u32>,
    pub(crate) reverse: bool,
    pub(crate) count: u32,
    /// Whether inputs and outputs are shown.
    pub(crate) data: bool,
}

impl Wanted {
    /// The first and the last id of the page, of a history that goes to `last`; none when it is
    /// empty. Where an id belongs does not change when the history grows.
    fn range(self, last: u32) -> Option<(u32, u32)> {
        let (from, to) = if self.reverse {
            let to = self.after.map_or(last, |after| last.min(after.saturating_sub(1)));
            (to.saturating_sub(self.count.saturating_sub(1)).max(1), to)
        } else {
            let from = self.after.unwrap_or(0).saturating_add(1);
            (from, last.min(from.saturating_add(self.count.saturating_sub(1))))
        };
        (self.count > 0 && (1..=to).contains(&from)).then_some((from, to))
    }
}

/// Some events of a history.
pub(crate) struct Page {
    pub(crate) events: Vec<Value>,
    /// The id of the last event shown, where there are more.
    pub(crate) more: Option<u32>,
}

impl Inner {
    /// A page of an execution's history.
    pub(crate) async fn page(
        self: &Arc<Self>,
        run: &Arc<Run>,
        wanted: Wanted,
    ) -> Result<Page, ApiError> {
        let (inner, run) = (Arc::clone(self), Arc::clone(run));
        self.aside(move || inner.read_page(&run, wanted)).await?
    }

    /// Does what takes long for a page on a thread of its own, few at a time, so that calls are
    /// served meanwhile.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = self.reading.acquire().await;
        let _reading = permit.map_err(|error| ApiError::internal(error.to_string()))?;
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| ApiError::internal(format!("cannot read a history: {error}")))
    }

    fn read_page(&self, run: &Run, wanted: Wanted) -> Result<Page, ApiError> {
        let kept = run.kept();
        let last = kept.last().map_or(0, |kept| kept.until);
        let Some(range) = wanted.range(last) else {
            return Ok(Page { events: Vec::new(), more: None });
        };
        let mut shown = self.show(run, &kept, range, wanted).map_err(|error| unreadable(&error))?;
        let more = if wanted.reverse {
            shown.make_contiguous().reverse();
            shown.back().map(|(id, _)| *id).filter(|id| *id > 1)
        } else {
            shown.back().map(|(id, _)| *id).filter(|id| *id < last)
        };
        Ok(Page { events: shown.into_iter().map(|(_, event)| event).collect(), more })
    }

    /// The events with the ids of a range, each with its id, as far as they fit into a page.
    fn show(
        &self,
        run: &Run,
        kept: &[Kept],
        (first, to): (u32, u32),
        wanted: Wanted,
    ) -> std::io::Result<VecDeque<(u32, Value)>> {
        let from = kept.partition_point(|kept| kept.until < first);
        let end = kept.partition_point(|kept| kept.until < to) + 1;
        let Place { record, mut id, mut renderer } = lock(&self.places).before(run.order, from);
        let mut shown = VecDeque::new();
        let mut size = 0;
        let records = kept.get(record..end.min(kept.len())).unwrap_or_default();
        for (index, chunk) in records.chunks(CHUNK).enumerate() {
            let positions: Vec<_> = chunk.iter().map(|kept| kept.position).collect();
            let bytes = journal::read(&self.options.data_dir, &positions)?;
            for (offset, (kept, bytes)) in chunk.iter().zip(bytes).enumerate() {
                if id / SPACING < kept.until / SPACING {
                    let record = record + index * CHUNK + offset;
                    let place = Place { record, id, renderer: renderer.clone() };
                    lock(&self.places).keep(run.order, place);
                }
                id = kept.until;
                for event in events_in(&[bytes])? {
                    renderer.pass(&event);
                    let id = u32::try_from(event.id).unwrap_or(u32::MAX);
                    if !(first..=to).contains(&id) {
                        continue;
                    }
                    let event = renderer.show(&event, &self.options.region, wanted.data);
                    let weight = weight(&event);
                    size += weight;
                    shown.push_back((id, event, weight));
                    // The page keeps at least one event, and those next to the page before.
                    if size > LARGEST && shown.len() > 1 {
                        if !wanted.reverse {
                            shown.pop_back();
                            return Ok(without_weights(shown));
                        }
                        size -= shown.pop_front().map_or(0, |(_, _, weight)| weight);
                    }
                }
            }
        }
        Ok(without_weights(shown))
    }
}

fn without_weights(shown: VecDeque<(u32, Value, usize)>) -> VecDeque<(u32, Value)> {
    shown.into_iter().map(|(id, event, _)| (id, event)).collect()
}

/// About how many bytes of JSON a rendered event is.
fn weight(value: &Value) -> usize {
    const PUNCTUATION: usize = 8;
    PUNCTUATION
        + match value {
            Value::String(text) => text.len(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| name.len() + weight(value)).sum()
            }
            Value::Array(items) => items.iter().map(weight).sum(),
            _ => PUNCTUATION,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(after: Option<u32>, reverse: bool, count: u32) -> Wanted {
        Wanted { after, reverse, count, data: true }
    }

    #[test]
    fn a_page_goes_on_where_the_one_before_ended() {
        assert_eq!(wanted(None, false, 5).range(12), Some((1, 5)));
        assert_eq!(wanted(Some(5), false, 5).range(12), Some((6, 10)));
        assert_eq!(wanted(Some(10), false, 5).range(12), Some((11, 12)));
        assert_eq!(wanted(Some(12), false, 5).range(12), None);
        assert_eq!(wanted(None, true, 5).range(12), Some((8, 12)));
        // Three more events were written meanwhile.
        assert_eq!(wanted(Some(8), true, 5).range(15), Some((3, 7)));
        assert_eq!(wanted(Some(3), true, 5).range(15), Some((1, 2)));
        assert_eq!(wanted(Some(1), true, 5).range(15), None);
        assert_eq!(wanted(None, true, 5).range(0), None);
        assert_eq!(wanted(Some(u32::MAX), false, u32::MAX).range(15), None);
    }
}
