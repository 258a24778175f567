//! Which instance gets a request: weighted turns, so that shares are kept over any stretch of requests
//! and not only on average; by chance, so that no client falls into step with them. Were every tenth
//! request the canary's, one who sends every sixth of them would meet it twice as often, or never.
//!
//! In each turn every instance gains its weight; of those that are not ahead of their share one is drawn,
//! as likely as it has gained, and loses the sum of all weights. What is not ready keeps its turns: its
//! requests go to another, and are marked.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::{sync::lock, traffic::Traffic};

/// What is counted of an instance.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    pub(crate) id: String,
    in_flight: AtomicUsize,
    drained: Notify,
    /// Requests that it answered.
    pub(crate) answered: AtomicU64,
    /// Requests that it was to answer and did not.
    pub(crate) missed: AtomicU64,
    /// What clients got of it lately.
    pub(crate) traffic: Traffic,
}

impl Backend {
    pub(crate) fn new(id: &str) -> Arc<Self> {
        Arc::new(Self { id: id.to_owned(), ..Self::default() })
    }

    /// Requests that it has not answered wholly.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(Arc::clone(self))
    }

    /// Waits until no request is in flight.
    pub(crate) async fn drained(&self) {
        loop {
            let drained = self.drained.notified();
            if self.in_flight() == 0 {
                return;
            }
            drained.await;
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Backend>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.drained.notify_waiters();
        }
    }
}

/// An instance as the balancer sees it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) backend: Arc<Backend>,
    /// Where it takes requests; none: it is not ready.
    pub(crate) address: Option<SocketAddr>,
    /// 0: it stands by.
    pub(crate) weight: u32,
}

/// Shares requests among instances.
#[derive(Debug, Default)]
pub(crate) struct Balancer(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    entries: Vec<Entry>,
    gained: Vec<i64>,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) struct Pick {
    /// Whose turn it is.
    pub(crate) chosen: Arc<Backend>,
    /// Who takes it, in this order; the first one has it counted.
    pub(crate) ways: Vec<(Arc<Backend>, SocketAddr)>,
    pub(crate) first: Option<InFlight>,
}

impl Balancer {
    /// Replaces the instances, in one step. Those that stand by are in the order in which they are
    /// asked.
    pub(crate) fn set(&self, entries: Vec<Entry>) {
        let mut turns = lock(&self.0);
        let shares = |entries: &[Entry]| -> Vec<(String, u32)> {
            entries.iter().map(|e| (e.backend.id.clone(), e.weight)).collect()
        };
        if shares(&turns.entries) != shares(&entries) {
            turns.gained = vec![0; entries.len()];
        }
        turns.entries = entries;
    }

    /// The next turn; none when no instance has weight.
    pub(crate) fn pick(&self) -> Option<Pick> {
        let mut turns = lock(&self.0);
        let Turns { entries, gained } = &mut *turns;
        let mut sum = 0;
        for (entry, gained) in entries.iter().zip(gained.iter_mut()) {
            *gained += i64::from(entry.weight);
            sum += i64::from(entry.weight);
        }
        // Together they have the sum of all weights, so that somebody is behind.
        let behind: i64 = gained.iter().filter(|gained| **gained > 0).sum();
        if behind <= 0 {
            return None;
        }
        let mut drawn = fastrand::i64(0..behind);
        let (chosen, gained) = entries.iter().zip(gained.iter_mut()).find(|(_, gained)| {
            let mine = **gained > 0 && drawn < **gained;
            drawn -= (**gained).max(0);
            mine
        })?;
        *gained -= sum;
        let others = entries.iter().filter(|e| !Arc::ptr_eq(&e.backend, &chosen.backend));
        let (mut next, standing_by): (Vec<_>, Vec<_>) = others.partition(|e| e.weight > 0);
        next.sort_by_key(|entry| std::cmp::Reverse(entry.weight));
        let ways: Vec<_> = [chosen]
            .into_iter()
            .chain(next)
            .chain(standing_by)
            .filter_map(|entry| Some((Arc::clone(&entry.backend), entry.address?)))
            .collect();
        // Before the lock is given back: who drains it afterwards sees it.
        let first = ways.first().map(|(backend, _)| backend.enter());
        Some(Pick { chosen: Arc::clone(&chosen.backend), ways, first })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn entry(id: &str, weight: u32, ready: bool) -> Entry {
        let address = ready.then(|| SocketAddr::from(([127, 0, 0, 1], 1)));
        Entry { backend: Backend::new(id), address, weight }
    }

    fn shares(balancer: &Balancer, requests: usize) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..requests {
            let pick = balancer.pick().expect("somebody");
            *shares.entry(pick.chosen.id.clone()).or_default() += 1;
        }
        shares
    }

    proptest! {
        #[test]
        fn shares_are_kept_over_any_stretch(
            weights in proptest::collection::vec(0_u32..=100, 1..6),
            requests in 1_usize..3_000,
        ) {
            let sum: u32 = weights.iter().sum();
            prop_assume!(sum > 0);
            let balancer = Balancer::default();
            let name = |at: usize| format!("r{at}");
            balancer.set(
                weights.iter().enumerate().map(|(at, w)| entry(&name(at), *w, true)).collect(),
            );
            let shares = shares(&balancer, requests);
            for (at, weight) in weights.iter().enumerate() {
                let got = shares.get(&name(at)).copied().unwrap_or(0) as f64;
                let due = requests as f64 * f64::from(*weight) / f64::from(sum);
                prop_assert!((got - due).abs() < weights.len() as f64, "{got} for {due}");
            }
        }
    }

    #[test]
    fn who_asks_in_step_meets_each_as_often_as_everybody() {
        for (weight, step) in [(10, 6), (10, 10), (50, 2), (25, 4)] {
            let balancer = Balancer::default();
            balancer.set(vec![entry("new", weight, true), entry("old", 100 - weight, true)]);
            let turns =
                (0..6_000 * step).map(|_| balancer.pick().expect("somebody").chosen.id.clone());
            let met = turns.step_by(step).filter(|id| id == "new").count();
            let due = 60 * weight as usize;
            assert!(met.abs_diff(due) < due / 5, "{met} for {due}, every {step}th");
        }
    }

    #[test]
    fn what_is_not_ready_keeps_its_turns_and_another_answers() {
        let balancer = Balancer::default();
        assert!(balancer.pick().is_none());
        let entries = vec![entry("new", 10, false), entry("old", 90, true), entry("warm", 0, true)];
        balancer.set(entries);
        let mut diverted = 0;
        for _ in 0..100 {
            let pick = balancer.pick().expect("somebody");
            let ways: Vec<_> = pick.ways.iter().map(|(b, _)| b.id.as_str()).collect();
            assert_eq!(ways, ["old", "warm"]);
            diverted += usize::from(pick.chosen.id == "new");
        }
        assert_eq!(diverted, 10);
        balancer.set(vec![entry("warm", 0, true)]);
        assert!(balancer.pick().is_none(), "nobody is to serve");
    }

    #[tokio::test]
    async fn who_was_picked_is_in_flight_until_the_answer_ends() {
        let balancer = Balancer::default();
        balancer.set(vec![entry("a", 1, true)]);
        let pick = balancer.pick().expect("it");
        let backend = Arc::clone(&pick.chosen);
        assert_eq!(backend.in_flight(), 1);
        let waits = tokio::spawn({
            let backend = Arc::clone(&backend);
            async move { backend.drained().await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(pick);
        waits.await.expect("ends");
    }
}
