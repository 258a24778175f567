//! The detection against series of which it is known what is odd in them.

#[path = "../canary/random.rs"]
#[allow(dead_code, reason = "releases are made by others")]
mod random;

mod generate;

use pact_statistics::series::{
    Detector,
    nab::{STANDARD, score, total},
};

#[test]
fn at_one_setting_all_kinds_of_series_together_score_above_65() {
    let series = generate::all(14, 3);
    let parts: Vec<_> = series
        .iter()
        .map(|series| {
            let mut detector = Detector::new();
            let found: Vec<usize> = (0..)
                .zip(&series.values)
                .filter_map(|(i, v)| detector.add(i as f64 * 300.0, *v).anomaly.map(|_| i))
                .collect();
            score(STANDARD, series.values.len(), &series.windows, &found)
        })
        .collect();
    let kinds: Vec<_> = series.iter().map(|s| s.kind).zip(&parts).collect();
    assert!(total(&parts) > 65.0, "{}: {kinds:#?}", total(&parts));
}
