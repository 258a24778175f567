//! Which instance serves an invocation: policy only, no processes, no clock of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// An instance within the pool of its function.
pub(crate) type InstanceId = u64;
/// An invocation that asked for an instance.
pub(crate) type Ticket = u64;

/// What happens to an invocation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This idle instance is now busy with it.
    Reuse(InstanceId),
    /// A new instance under this id shall be started for it.
    Start(InstanceId),
    /// It waits its turn.
    Wait,
    /// It is refused.
    Reject,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Busy,
    Idle(Instant),
}

/// Instances and waiting invocations of one function. Never more than `limit` instances exist, an
/// instance has at most one invocation, and invocations wait only while all are busy, in order.
#[derive(Debug)]
pub(crate) struct Pool {
    limit: usize,
    queue_limit: usize,
    next_id: InstanceId,
    instances: BTreeMap<InstanceId, State>,
    queue: VecDeque<(Ticket, usize)>,
    /// What waits, in bytes, and the most of that.
    waiting: usize,
    most_waiting: usize,
}

impl Pool {
    /// Of a queue of so many invocations, and so many bytes of their events.
    pub(crate) fn new(limit: usize, (queue_limit, most_waiting): (usize, usize)) -> Pool {
        Pool {
            limit,
            queue_limit,
            next_id: 0,
            instances: BTreeMap::new(),
            queue: VecDeque::new(),
            waiting: 0,
            most_waiting,
        }
    }

    /// What becomes of an invocation with an event of so many bytes.
    pub(crate) fn request(&mut self, ticket: Ticket, bytes: usize) -> Decision {
        // The one used last, so that the others can end.
        let warm = self
            .instances
            .iter()
            .filter_map(|(id, state)| match state {
                State::Idle(since) => Some((*since, *id)),
                State::Busy => None,
            })
            .max();
        if let Some((_, id)) = warm {
            self.instances.insert(id, State::Busy);
            return Decision::Reuse(id);
        }
        if self.instances.len() < self.limit {
            return Decision::Start(self.new_instance());
        }
        let full = self.queue.len() >= self.queue_limit
            || self.waiting.saturating_add(bytes) > self.most_waiting;
        if self.limit == 0 || full {
            return Decision::Reject;
        }
        self.queue.push_back((ticket, bytes));
        self.waiting += bytes;
        Decision::Wait
    }

    /// A healthy instance is done; the ticket it serves next, if one waits.
    pub(crate) fn release(&mut self, id: InstanceId, now: Instant) -> Option<Ticket> {
        if !self.instances.contains_key(&id) {
            return None;
        }
        let next = self.next();
        let state = if next.is_some() { State::Busy } else { State::Idle(now) };
        self.instances.insert(id, state);
        next
    }

    /// Takes the one out of the queue that waits longest.
    fn next(&mut self) -> Option<Ticket> {
        let (ticket, bytes) = self.queue.pop_front()?;
        self.waiting = self.waiting.saturating_sub(bytes);
        Some(ticket)
    }

    /// A busy instance is no more; the ticket that waits, with the instance to start for it.
    pub(crate) fn lost(&mut self, id: InstanceId) -> Option<(Ticket, InstanceId)> {
        self.instances.remove(&id)?;
        let ticket = self.next()?;
        Some((ticket, self.new_instance()))
    }

    /// An instance died before its invocation reached it; the one to start in its place.
    pub(crate) fn replace(&mut self, id: InstanceId) -> InstanceId {
        self.instances.remove(&id);
        self.new_instance()
    }

    /// An instance died. True when it was idle, and is gone from the pool now.
    pub(crate) fn remove_idle(&mut self, id: InstanceId) -> bool {
        let idle = matches!(self.instances.get(&id), Some(State::Idle(_)));
        if idle {
            self.instances.remove(&id);
        }
        idle
    }

    /// Removes and names the instances that are idle for too long.
    pub(crate) fn reap(&mut self, now: Instant, idle: Duration) -> Vec<InstanceId> {
        let expired: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, state)| match state {
                State::Idle(since) => now.saturating_duration_since(*since) >= idle,
                State::Busy => false,
            })
            .map(|(id, _)| *id)
            .collect();
        self.instances.retain(|id, _| !expired.contains(id));
        expired
    }

    /// Takes a waiting invocation out of the queue; false when it waits no longer.
    pub(crate) fn cancel(&mut self, ticket: Ticket) -> bool {
        let Some(at) = self.queue.iter().position(|(waiting, _)| *waiting == ticket) else {
            return false;
        };
        let bytes = self.queue.remove(at).map_or(0, |(_, bytes)| bytes);
        self.waiting = self.waiting.saturating_sub(bytes);
        true
    }

    pub(crate) fn is_busy(&self, id: InstanceId) -> bool {
        self.instances.get(&id) == Some(&State::Busy)
    }

    fn new_instance(&mut self) -> InstanceId {
        self.next_id += 1;
        self.instances.insert(self.next_id, State::Busy);
        self.next_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn starts_up_to_the_limit_then_queues_then_refuses() {
        let mut pool = Pool::new(2, (1, 100));
        assert_eq!(pool.request(1, 1), Decision::Start(1));
        assert_eq!(pool.request(2, 1), Decision::Start(2));
        assert_eq!(pool.request(3, 1), Decision::Wait);
        assert_eq!(pool.request(4, 1), Decision::Reject);
        assert_eq!(pool.release(1, Instant::now()), Some(3));
        assert_eq!(pool.lost(2), None);
        assert_eq!(pool.request(5, 1), Decision::Start(3));
    }

    #[test]
    fn reuses_the_instance_used_last_and_reaps_the_others() {
        let mut pool = Pool::new(3, (0, 100));
        let start = Instant::now();
        for ticket in 1..=3 {
            pool.request(ticket, 1);
        }
        pool.release(1, start);
        pool.release(2, start + Duration::from_secs(5));
        assert_eq!(pool.request(4, 1), Decision::Reuse(2));
        assert_eq!(pool.reap(start + Duration::from_secs(10), Duration::from_secs(10)), [1]);
        assert!(pool.is_busy(2) && pool.is_busy(3));
    }

    #[test]
    fn a_lost_instance_is_replaced_for_who_waits() {
        let mut pool = Pool::new(1, (5, 100));
        pool.request(1, 1);
        pool.request(2, 1);
        pool.request(3, 1);
        assert!(pool.cancel(2) && !pool.cancel(2));
        assert_eq!(pool.lost(1), Some((3, 2)));
        assert_eq!(pool.replace(2), 3);
        assert!(!pool.remove_idle(3));
        assert_eq!(pool.release(3, Instant::now()), None);
        assert!(pool.remove_idle(3));
        assert_eq!(pool.lost(3), None);
    }

    #[test]
    fn no_concurrency_means_no_invocation() {
        assert_eq!(Pool::new(0, (5, 100)).request(1, 1), Decision::Reject);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_too() {
        let mut pool = Pool::new(1, (10, 100));
        assert_eq!(pool.request(1, 1_000), Decision::Start(1), "it does not wait");
        assert_eq!(pool.request(2, 60), Decision::Wait);
        assert_eq!(pool.request(3, 60), Decision::Reject);
        assert_eq!(pool.request(4, 40), Decision::Wait);
        assert!(pool.cancel(4) && !pool.cancel(4));
        assert_eq!(pool.request(5, 40), Decision::Wait);
        assert_eq!(pool.release(1, Instant::now()), Some(2));
        assert_eq!(pool.request(6, 60), Decision::Wait);
        assert_eq!(pool.lost(1), Some((5, 2)));
        assert_eq!(pool.request(7, 41), Decision::Reject);
    }

    proptest! {
        #[test]
        fn holds_its_invariants(steps in prop::collection::vec((0u8..6, 0u64..12), 0..200), limit in 1usize..4, queue in 0usize..4) {
            let mut pool = Pool::new(limit, (queue, 100));
            let start = Instant::now();
            for (at, (step, value)) in steps.into_iter().enumerate() {
                let now = start + Duration::from_secs(at as u64);
                match step {
                    0 | 1 => { pool.request(at as u64, 1); }
                    2 if pool.is_busy(value) => { pool.release(value, now); }
                    3 if pool.is_busy(value) => { pool.lost(value); }
                    4 => { pool.remove_idle(value); }
                    5 => { pool.reap(now, Duration::from_secs(3)); }
                    _ => {}
                }
                prop_assert!(pool.instances.len() <= limit);
                prop_assert!(pool.queue.len() <= queue);
                prop_assert_eq!(pool.waiting, pool.queue.len());
                let idle = pool.instances.values().any(|s| matches!(s, State::Idle(_)));
                prop_assert!(pool.queue.is_empty() || (!idle && pool.instances.len() == limit));
            }
        }
    }
}
