//! Series of the kinds that are watched, with anomalies of which it is known where they are.

use crate::random::Random;

/// Values every 5 minutes, and the windows of the anomalies.
pub(crate) struct Series {
    pub(crate) kind: &'static str,
    pub(crate) values: Vec<f64>,
    pub(crate) windows: Vec<(usize, usize)>,
}

const LENGTH: usize = 4_000;
const DAY: f64 = 288.0;

/// How a kind behaves without an anomaly, and what its anomalies do to a value.
struct Shape {
    kind: &'static str,
    usual: fn(&mut Random, &mut f64, f64) -> f64,
    odd: fn(&mut Random, f64, usize) -> f64,
    /// How long an anomaly lasts.
    lasts: usize,
    anomalies: usize,
}

fn daily(at: f64) -> f64 {
    (at / DAY * std::f64::consts::TAU).sin()
}

const SHAPES: &[Shape] = &[
    Shape {
        kind: "processor, steady",
        usual: |r, _, _| 40.0 + 2.0 * r.normal(),
        odd: |r, _, _| 65.0 + 3.0 * r.normal(),
        lasts: 120,
        anomalies: 2,
    },
    Shape {
        kind: "processor, with bursts",
        usual: |r, _, _| 4.0 + 0.5 * r.normal() + if r.next() < 0.02 { 10.0 } else { 0.0 },
        odd: |r, _, _| 45.0 + 5.0 * r.normal(),
        lasts: 6,
        anomalies: 2,
    },
    Shape {
        kind: "day and night, one peak",
        usual: |r, _, at| 50.0 + 20.0 * daily(at) + r.normal(),
        odd: |_, usual, _| usual + 45.0,
        lasts: 5,
        anomalies: 2,
    },
    Shape {
        kind: "day and night, a flat day",
        usual: |r, _, at| 50.0 + 20.0 * daily(at) + r.normal(),
        odd: |r, _, _| 50.0 + 0.5 * r.normal(),
        lasts: 288,
        anomalies: 1,
    },
    Shape {
        kind: "passengers, week and day",
        usual: |r, _, at| {
            let weekend = (at / DAY) as u64 % 7 >= 5;
            100.0 * (1.5 + daily(at)) * if weekend { 0.6 } else { 1.0 } + 6.0 * r.normal()
        },
        odd: |_, usual, _| usual * 0.35,
        lasts: 288,
        anomalies: 1,
    },
    Shape {
        kind: "messages, heavy tail",
        usual: |r, _, at| (1.5 + daily(at)) * 8.0 * (0.6 * r.normal()).exp(),
        odd: |r, usual, _| usual * 8.0 + 60.0 * r.next(),
        lasts: 30,
        anomalies: 2,
    },
    Shape {
        kind: "temperature, wandering",
        usual: |r, state, _| {
            *state = *state * 0.995 + 0.4 * r.normal();
            75.0 + *state
        },
        odd: |_, usual, _| usual - 18.0,
        lasts: 60,
        anomalies: 2,
    },
    Shape {
        kind: "traffic, noisy",
        usual: |r, _, at| (60.0 - 15.0 * daily(at) + 6.0 * r.normal()).max(0.0),
        odd: |r, _, _| 8.0 + 4.0 * r.normal().abs(),
        lasts: 20,
        anomalies: 2,
    },
    Shape {
        kind: "cost per click",
        usual: |r, _, at| 0.1 * (1.0 + 0.3 * daily(at)) * (0.2 * r.normal()).exp(),
        odd: |_, usual, _| usual * 6.0,
        lasts: 8,
        anomalies: 2,
    },
    Shape {
        kind: "latency that begins to vary",
        usual: |r, _, _| 30.0 * (0.1 * r.normal()).exp(),
        odd: |r, _, _| 30.0 * (0.9 * r.normal()).exp(),
        lasts: 200,
        anomalies: 1,
    },
    Shape {
        kind: "nothing odd",
        usual: |r, _, at| 20.0 + 5.0 * daily(at) + r.normal(),
        odd: |_, usual, _| usual,
        lasts: 1,
        anomalies: 0,
    },
];

/// So many series of every kind.
pub(crate) fn all(seed: u64, each: u64) -> Vec<Series> {
    let mut out = Vec::new();
    for (number, shape) in (1u64..).zip(SHAPES) {
        out.extend((0..each).map(|index| one(shape, seed * 10_007 + number * 101 + index)));
    }
    out
}

fn one(shape: &Shape, seed: u64) -> Series {
    let random = &mut Random::new(seed);
    let mut state = 0.0;
    let mut values: Vec<f64> =
        (0..LENGTH).map(|i| (shape.usual)(random, &mut state, i as f64)).collect();
    // A tenth of the series is inside of windows, as in the benchmark.
    let width = LENGTH / 10 / shape.anomalies.max(1);
    let mut windows = Vec::new();
    for number in 0..shape.anomalies {
        let room = (LENGTH - 1_000) / shape.anomalies;
        let free = (room - width - shape.lasts.min(width)).max(1) as f64;
        let begins = 900 + number * room + (free * random.next()) as usize + width / 2;
        for (offset, value) in values.iter_mut().skip(begins).take(shape.lasts).enumerate() {
            *value = (shape.odd)(random, *value, offset);
        }
        windows.push((begins - width / 2, begins + width / 2));
    }
    Series { kind: shape.kind, values, windows }
}
