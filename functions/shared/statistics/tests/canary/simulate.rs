//! Good releases that are looked at again and again: how often is one taken back?

use pact_contract::{
    actions::{Look, ReleaseVerdict},
    settings::Watch,
};
use pact_statistics::{assess, next_step};

use crate::random::{Random, Service, metrics};

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
        let n = random.one_of(&[50usize, 50, 100, 250]);
        let baseline = metrics(&service.requests(random, n));
        let all = service.requests(random, n * 4);
        match watch(&baseline, &all, n) {
            ReleaseVerdict::Keep => ends.kept += 1,
            ReleaseVerdict::Inconclusive => ends.inconclusive += 1,
            ReleaseVerdict::RollBack => ends.taken_back += 1,
        }
    }
    ends
}

fn watch(
    baseline: &pact_contract::actions::Metrics,
    all: &[Option<f64>],
    n: usize,
) -> ReleaseVerdict {
    let limits = Watch::default();
    let at = |requests: usize, look| {
        let now = pact_contract::actions::Metrics {
            look: Some(look),
            ..metrics(all.get(..requests).unwrap_or(all))
        };
        assess(Some(baseline), &now, &limits).verdict
    };
    let first = all.iter().position(Option::is_none);
    let mut step = 0;
    for end in 0..4u32 {
        let length = n * (end as usize + 1);
        for requests in (n * end as usize + 1)..length {
            // What fails may pass: for a while after the first failure nothing is concluded.
            let passing = first.is_some_and(|first| (first + 1..=first + 5).contains(&requests));
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
