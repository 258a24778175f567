//! Good releases that are looked at again and again: how often is one taken back?

use pact_contract::{
    actions::{Beside, Look, Metrics, ReleaseVerdict},
    settings::Watch,
};
use pact_statistics::{assess, next_step};

use crate::random::{Random, Service, Spells, in_moments};

/// What became of so many good releases.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) kept: u32,
    pub(crate) inconclusive: u32,
    pub(crate) taken_back: u32,
}

/// Watches good releases as a watch does: at every step, at its end, after each extension.
pub(crate) fn good_releases(seed: u64, releases: u64) -> Ends {
    let mut ends = Ends::default();
    for number in 0..releases {
        let random = &mut Random::new(seed * 7_919 + number);
        let service = Service::new(random.between(1.0, 300.0), random.between(0.1, 1.0))
            .failing(random.one_of(&[0.0, 0.0, 0.002, 0.01, 0.05]));
        // Ten a second, or fifty.
        let (n, together) =
            random.one_of(&[(50usize, 1u32), (50, 1), (100, 1), (250, 1), (250, 5)]);
        ends.add(&service, n, together, random);
    }
    ends
}

/// As before, of services that have a short spell of trouble now and then, before the release and after
/// it, asked fifty times a second or ten.
pub(crate) fn good_releases_with_spells(seed: u64, releases: u64) -> Ends {
    with_spells(seed, releases, 5)
}

/// The same, of which so many requests in a row come within a moment: the spells are as long in time.
pub(crate) fn with_spells(seed: u64, releases: u64, together: u32) -> Ends {
    let mut ends = Ends::default();
    let per_moment = together as usize;
    for number in 0..releases {
        let random = &mut Random::new(seed * 6_007 + number);
        let spells = Spells {
            // Up to one in five seconds, of one to three tenths of a second.
            begin: random.between(0.0, 0.02) / f64::from(together),
            last: random.one_of(&[1, 2, 3]) * per_moment,
            slower: random.one_of(&[0.0, 4.0, 20.0]),
        };
        let service = Service { spells, ..Service::new(random.between(1.0, 100.0), 0.3) };
        ends.add(&service, 50 * per_moment, together, random);
    }
    ends
}

/// Releases on a machine that becomes busy at some moment of the watch, so that every answer takes twice as
/// long from then on, whoever gives it. `worse`: by how much the release itself is slower; 1: it is good.
/// `beside`: whether the one before is asked at the same time, half as often.
pub(crate) fn under_load(seed: u64, releases: u64, worse: f64, beside: bool) -> Ends {
    const QUICK: usize = 250;
    let mut ends = Ends::default();
    for number in 0..releases {
        let random = &mut Random::new(seed * 9_001 + number);
        let old = Service::new(random.between(20.0, 300.0), random.between(0.1, 0.8))
            .failing(random.one_of(&[0.0, 0.0, 0.01]));
        let new = Service { median: old.median * worse, ..old };
        // Before its first request, or at any moment of its first five seconds.
        let moment = random.between(0.0, 1.0);
        let busy = random.one_of(&[0.0, moment]) * QUICK as f64;
        let mut asked = |service: &Service, n: usize, each: f64| -> Vec<Option<f64>> {
            let slower = |(at, latency): (usize, f64)| {
                if at as f64 * each >= busy { latency * 2.0 } else { latency }
            };
            let all = service.requests(random, n).into_iter().enumerate();
            all.map(|(at, answer)| answer.map(|latency| slower((at, latency)))).collect()
        };
        let (all, other) = (asked(&new, QUICK * 4, 1.0), asked(&old, QUICK * 2, 2.0));
        let baseline = in_moments(&old.requests(random, QUICK), 5);
        let at = |requests: usize, look| {
            let so_far = all.get(..requests).unwrap_or(&all);
            let own: Vec<_> = so_far.iter().skip(1).step_by(2).copied().collect();
            let [new, old] = [own.as_slice(), other.get(..own.len()).unwrap_or(&other)]
                .map(|samples| in_moments(samples, 2));
            Metrics {
                look: Some(look),
                seconds: requests as f64 / 50.0,
                beside: beside.then(|| Box::new(Beside { new, old })),
                ..in_moments(so_far, 5)
            }
        };
        let first = all.iter().position(Option::is_none);
        ends.count(watch(&baseline, &at, first, QUICK, 5));
    }
    ends
}

impl Ends {
    fn add(&mut self, service: &Service, n: usize, together: u32, random: &mut Random) {
        let baseline = in_moments(&service.requests(random, n), together);
        let all = service.requests(random, n * 4);
        let at = |requests: usize, look| Metrics {
            look: Some(look),
            ..in_moments(all.get(..requests).unwrap_or(&all), together)
        };
        let first = all.iter().position(Option::is_none);
        self.count(watch(&baseline, &at, first, n, together));
    }

    fn count(&mut self, verdict: ReleaseVerdict) {
        match verdict {
            ReleaseVerdict::Keep => self.kept += 1,
            ReleaseVerdict::Inconclusive => self.inconclusive += 1,
            ReleaseVerdict::RollBack => self.taken_back += 1,
        }
    }
}

/// `measured`: after so many requests; `first`: which one failed first.
fn watch(
    baseline: &Metrics,
    measured: &impl Fn(usize, Look) -> Metrics,
    first: Option<usize>,
    n: usize,
    together: u32,
) -> ReleaseVerdict {
    let limits = Watch::default();
    let at = |requests, look| assess(Some(baseline), &measured(requests, look), &limits).verdict;
    // What fails may pass: for half a second after the first failure nothing is concluded.
    let moments = 5 * together as usize;
    let mut step = 0;
    for end in 0..4u32 {
        let length = n * (end as usize + 1);
        for requests in (n * end as usize + 1)..length {
            let passing =
                first.is_some_and(|first| (first + 1..=first + moments).contains(&requests));
            if let Some(due) = next_step(requests as u64, step).filter(|_| !passing) {
                step = due;
                if at(requests, Look::Step(due)) == ReleaseVerdict::RollBack {
                    return ReleaseVerdict::RollBack;
                }
            }
        }
        match at(length, Look::End(end)) {
            ReleaseVerdict::Inconclusive => {}
            verdict => return verdict,
        }
    }
    ReleaseVerdict::Inconclusive
}
