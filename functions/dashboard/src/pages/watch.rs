//! What was measured of a release beside what it replaces: a chart for each environment, and its numbers.

use maud::{Markup, html};
use pact_contract::{Deployment, EnvironmentName, StageRecord, actions::Metrics, shift::walked};

use crate::{format::short, view::RunView};

/// Most environments on the page.
const MAX_ENVIRONMENTS: usize = 10;
/// Points of a line at most: what is longer is taken together.
const POINTS: usize = 48;
/// The chart's size, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 150.0;
/// The part of the width that is the release before, where there is one.
const BEFORE: f64 = 0.3;

/// What was watched of the run's releases; nothing where nothing was.
pub(crate) fn watches(view: &RunView) -> Markup {
    let deployments = view.deployments();
    let watched: Vec<_> = deployments
        .iter()
        .filter_map(|deployment| {
            let after = measured(view, "TrackMetrics", &deployment.environment)?;
            let before = measured(view, "TrackBaseline", &deployment.environment);
            Some((deployment, before, after))
        })
        .take(MAX_ENVIRONMENTS)
        .collect();
    html! {
        @if !watched.is_empty() {
            section aria-labelledby="watched" {
                h2 id="watched" { "What was watched" }
                @for (deployment, before, after) in &watched {
                    div class="card" { (one(deployment, before.as_ref(), after)) }
                }
            }
        }
    }
}

/// What a state measured there; none where it measured nothing.
fn measured(view: &RunView, state: &str, environment: &EnvironmentName) -> Option<Metrics> {
    let of = |stage: &&StageRecord| {
        stage.state.state() == state && stage.state.environment().as_ref() == Some(environment)
    };
    let stage = view.parts.stages.iter().find(of)?;
    let metrics: Metrics = serde_json::from_value(stage.output.clone()).ok()?;
    (metrics.requests > 0).then_some(metrics)
}

fn one(deployment: &Deployment, before: Option<&Metrics>, after: &Metrics) -> Markup {
    let environment = short(deployment.environment.as_str(), 40);
    html! {
        h3 { (environment) }
        @if !deployment.weights.is_empty() {
            p class="muted" { "Traffic: " (walked(&deployment.weights)) "; the numbers are those of the last step." }
        }
        @if after.latencies_ms.len() > 1 { (chart(&environment, before, after)) }
        table role="table" {
            caption class="hidden" { "What was measured in " (environment) }
            thead role="rowgroup" { tr role="row" {
                @for head in ["Measured", "Requests", "Failed", "Median", "95th percentile", "99th percentile"] {
                    th role="columnheader" scope="col" { (head) }
                }
            } }
            tbody role="rowgroup" {
                @if let Some(before) = before { tr role="row" { (row("Before", before)) } }
                tr role="row" { (row("The release", after)) }
            }
        }
    }
}

fn row(name: &str, metrics: &Metrics) -> Markup {
    let ms = |value: f64| format!("{value:.1} ms");
    html! {
        td role="cell" { strong { (name) } }
        td role="cell" data-label="Requests" class="num" { (metrics.requests) }
        td role="cell" data-label="Failed" class="num" { (metrics.errors) " (" (format!("{:.1}", metrics.error_rate)) " %)" }
        td role="cell" data-label="Median" class="num" { (ms(metrics.p50_ms)) }
        td role="cell" data-label="95th percentile" class="num" { (ms(metrics.p95_ms)) }
        td role="cell" data-label="99th percentile" class="num" { (ms(metrics.p99_ms)) }
    }
}

/// Latencies in the order of the requests: the median and the slowest of those that are taken together.
fn chart(environment: &str, before: Option<&Metrics>, after: &Metrics) -> Markup {
    let before = before.filter(|before| before.latencies_ms.len() > 1);
    let border = before.map_or(0.0, |_| WIDTH * BEFORE);
    let all = before.into_iter().chain([after]).flat_map(|metrics| &metrics.latencies_ms);
    let longest = all.copied().fold(1.0, f64::max);
    let parts = [
        before.map(|before| (before, 0.0, border, "before")),
        Some((after, border, WIDTH, "after")),
    ];
    let label = format!(
        "Latency in {environment}, request by request: {}the release with a median of {:.1} ms and up to {:.1} ms",
        before.map_or_else(String::new, |before| format!(
            "before with a median of {:.1} ms, then ",
            before.p50_ms
        )),
        after.p50_ms,
        after.latencies_ms.iter().copied().fold(0.0, f64::max),
    );
    html! {
        svg class="chart" viewBox={ "0 0 " (WIDTH) " " (HEIGHT + 20.0) } role="img" aria-label=(label) {
            @for (metrics, from, to, class) in parts.into_iter().flatten() {
                @let bins = bins(&metrics.latencies_ms);
                path class={ "slow " (class) } d=(line(bins.iter().map(|bin| bin.1), bins.len(), (from, to), longest)) {}
                path class={ "median " (class) } d=(line(bins.iter().map(|bin| bin.0), bins.len(), (from, to), longest)) {}
            }
            line class="axis" x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            @if border > 0.0 {
                line class="release" x1=(border) y1="0" x2=(border) y2=(HEIGHT) {}
                text x="4" y=(HEIGHT + 15.0) { "before" }
            }
            text x=(border + 4.0) y=(HEIGHT + 15.0) { "the release" }
            text class="top" x=(WIDTH) y="12" { (format!("{longest:.0} ms")) }
        }
        p class="muted legend" { span class="key median" {} " median · " span class="key slow" {} " slowest, of neighbouring requests" }
    }
}

/// Median and slowest of neighbours, so many that there are at most [`POINTS`].
fn bins(latencies: &[f64]) -> Vec<(f64, f64)> {
    let size = latencies.len().div_ceil(POINTS).max(1);
    latencies
        .chunks(size)
        .map(|bin| {
            let mut sorted = bin.to_vec();
            sorted.sort_by(f64::total_cmp);
            let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
            (at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "at most 48 points")]
fn line(
    values: impl Iterator<Item = f64>,
    count: usize,
    (from, to): (f64, f64),
    longest: f64,
) -> String {
    let step = (to - from) / count.saturating_sub(1).max(1) as f64;
    let point = |(index, value): (usize, f64)| {
        let letter = if index == 0 { 'M' } else { 'L' };
        // What is no number is drawn as nothing.
        let high = HEIGHT * (1.0 - value.max(0.0).min(longest) / longest);
        format!("{letter}{:.0} {high:.0}", from + step * index as f64)
    };
    values.enumerate().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_bounded_number_of_points_and_stays_within_its_place() {
        let latencies: Vec<f64> = (0..500).map(f64::from).collect();
        let bins = bins(&latencies);
        assert!(bins.len() <= POINTS, "{}", bins.len());
        assert_eq!(bins.last().map(|bin| bin.1), Some(499.0));
        let path = line(bins.iter().map(|bin| bin.1), bins.len(), (216.0, WIDTH), 499.0);
        assert!(path.starts_with("M216 ") && path.ends_with("L720 0"), "{path}");
        assert_eq!(line([f64::NAN].into_iter(), 1, (0.0, 9.0), 1.0), "M0 150");
    }
}
