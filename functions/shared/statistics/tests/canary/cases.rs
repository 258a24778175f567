//! Releases of which it is known what they are: made by a seed, labelled by how they were made.

use pact_contract::actions::{Metrics, ReleaseVerdict};

use crate::random::{Random, Service, metrics};

/// What is right to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Keep,
    RollBack,
    Inconclusive,
    /// Bad, with too few samples to be sure of it: to keep it is wrong.
    NotKeep,
}

impl Label {
    pub(crate) fn fits(self, verdict: ReleaseVerdict) -> bool {
        match self {
            Self::Keep => verdict == ReleaseVerdict::Keep,
            Self::RollBack => verdict == ReleaseVerdict::RollBack,
            Self::Inconclusive => verdict == ReleaseVerdict::Inconclusive,
            Self::NotKeep => verdict != ReleaseVerdict::Keep,
        }
    }
}

pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) label: Label,
    pub(crate) what: String,
    pub(crate) baseline: Option<Metrics>,
    pub(crate) now: Metrics,
}

type Make = fn(&mut Random) -> (Label, Service, Service, usize, usize);

const KINDS: &[(&str, Make)] = &[
    ("none", |r| {
        let service = usual(r).failing(r.one_of(&[0.0, 0.0, 0.005, 0.01]));
        let n = r.one_of(&[50, 100, 200, 600]);
        (Label::Keep, service, service, n, n)
    }),
    ("small", |r| {
        let old = usual(r);
        let new = Service { median: old.median * r.between(1.02, 1.1), ..old };
        let n = r.one_of(&[50, 200, 600]);
        (Label::Keep, old, new, n, n)
    }),
    ("large", |r| {
        let old =
            Service { sigma: r.between(0.2, 0.5), median: r.between(20.0, 200.0), ..usual(r) };
        let n = r.one_of(&[50, 100, 300]);
        let new = if r.next() < 0.5 {
            Service { median: old.median * r.between(2.0, 8.0), ..old }
        } else {
            old.failing(r.between(0.3, 1.0))
        };
        (Label::RollBack, old, new, n, n)
    }),
    ("tail only", |r| {
        let old = Service { sigma: r.between(0.2, 0.4), median: r.between(10.0, 60.0), ..usual(r) };
        let new = Service { tail: (r.between(0.04, 0.08), r.between(20.0, 60.0)), ..old };
        let n = r.one_of(&[500, 800]);
        (Label::RollBack, old, new, n, n)
    }),
    ("variance", |r| {
        let median = r.between(40.0, 150.0);
        let old = Service { deviation: Some(median * 0.04), ..Service::new(median, 0.0) };
        let new = Service { deviation: Some(median * r.between(0.9, 1.5)), ..old };
        let n = r.one_of(&[50, 100, 200]);
        (Label::RollBack, old, new, n, n)
    }),
    ("rare errors", |r| {
        let rate = r.between(0.001, 0.008);
        let old = usual(r).failing(rate);
        if r.next() < 0.5 {
            (Label::Keep, old, old, 1_000, 1_000)
        } else {
            let worse = rate.max(0.004) * r.between(6.0, 9.0);
            (Label::RollBack, old, old.failing(worse), 2_000, 2_000)
        }
    }),
    ("zero baseline", |r| {
        let old = usual(r);
        let (label, errors, n) = match (r.next() * 3.0) as u32 {
            0 => (Label::Keep, 0.0, 50),
            1 => (Label::NotKeep, r.between(0.12, 0.2), 50),
            _ => (Label::RollBack, r.between(0.05, 0.1), 500),
        };
        (label, old, old.failing(errors), n, n)
    }),
    ("few samples", |r| {
        let old = usual(r);
        let new = Service { median: old.median * r.one_of(&[1.0, 1.0, 10.0]), ..old }
            .failing(r.one_of(&[0.0, 0.0, 0.5, 1.0]));
        let few = 1 + (r.next() * 18.0) as usize;
        let before = r.one_of(&[few, 50]);
        (Label::Inconclusive, old, new, before, few)
    }),
    ("no traffic", |r| {
        let old = usual(r);
        (Label::Inconclusive, old, old, r.one_of(&[0, 50]), 0)
    }),
    ("seasonal", |r| {
        let old = Service { wave: r.between(0.3, 1.5), sigma: 0.25, ..usual(r) };
        let n = r.one_of(&[100, 200, 500]);
        if r.next() < 0.6 {
            (Label::Keep, old, old, n, n)
        } else {
            let old = Service { median: old.median.max(20.0), ..old };
            let new = Service { median: old.median * r.between(2.5, 5.0), ..old };
            (Label::RollBack, old, new, n, n)
        }
    }),
    ("broken predecessor", |r| {
        let broken = r.between(0.3, 1.0);
        let old = usual(r).failing(broken);
        let n = r.one_of(&[50, 100, 200]);
        match (r.next() * 3.0) as u32 {
            0 => (Label::Keep, old, old.failing(0.0), n, n),
            1 => (Label::Keep, old, old.failing(broken * r.between(0.1, 0.4)), n, n),
            _ => {
                let old = old.failing(r.between(0.1, 0.2));
                (Label::RollBack, old, old.failing(r.between(0.7, 1.0)), n, n)
            }
        }
    }),
    ("high noise", |r| {
        let old = Service { sigma: r.between(0.9, 1.3), median: r.between(10.0, 50.0), ..usual(r) };
        let n = r.one_of(&[200, 500]);
        if r.next() < 0.6 {
            (Label::Keep, old, old, n, n)
        } else {
            (
                Label::RollBack,
                old,
                Service { median: old.median * r.between(3.0, 6.0), ..old },
                n,
                n,
            )
        }
    }),
];

fn usual(random: &mut Random) -> Service {
    Service::new(random.one_of(&[0.8, 5.0, 20.0, 60.0, 150.0]), random.between(0.2, 0.5))
}

/// So many cases of every kind.
pub(crate) fn table(seed: u64, each: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, (kind, make)) in (1u64..).zip(KINDS) {
        for index in 0..each {
            let random = &mut Random::new(seed * 1_000_003 + number * 1_009 + index);
            let (label, old, new, before, now) = make(random);
            let baseline = old.requests(random, before);
            let what = format!("{old:?} x {before} -> {new:?} x {now}");
            cases.push(Case {
                kind,
                label,
                what,
                baseline: Some(metrics(&baseline)).filter(|m| m.requests > 0),
                now: metrics(&new.requests(random, now)),
            });
        }
    }
    cases
}
