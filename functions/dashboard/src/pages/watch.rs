//! What was measured of a release beside what it replaces: a chart for each environment, and its numbers.

use maud::{Markup, html};
use pact_contract::{
    Deployment, EnvironmentName, StageRecord,
    actions::{Metrics, Walked},
    shift::{MAX_STEPS, walked},
};

use super::layout;
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
    let steps = steps_before(after);
    html! {
        h3 { (environment) }
        @if !deployment.weights.is_empty() {
            p class="muted" { "Traffic: " (walked(&deployment.weights)) "." }
        }
        @if after.latencies_ms.len() > 1 { (chart(&environment, before, steps, after)) }
        table role="table" {
            caption class="hidden" { "What was measured in " (environment) }
            (layout::columns(&["Measured", "Requests", "Failed", "Median", "95th percentile", "99th percentile"]))
            tbody role="rowgroup" {
                @if let Some(before) = before { tr role="row" { (row("Before", before)) } }
                @for step in steps { tr role="row" { (row(&format!("With {} %", step.weight), &of_step(step))) } }
                tr role="row" { (row("The release", after)) }
            }
        }
    }
}

/// The steps of the shift before the one that was measured last, which is there as a whole.
fn steps_before(after: &Metrics) -> &[Walked] {
    let own = |last: &Walked| {
        last.requests == after.requests && last.p99_ms.total_cmp(&after.p99_ms).is_eq()
    };
    let before = after.steps.len() - usize::from(after.steps.last().is_some_and(own));
    after.steps.get(..before.min(MAX_STEPS)).unwrap_or(&after.steps)
}

fn of_step(step: &Walked) -> Metrics {
    let &Walked { requests, errors, p50_ms, p95_ms, p99_ms, .. } = step;
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let error_rate = errors as f64 * 100.0 / requests.max(1) as f64;
    Metrics { requests, errors, error_rate, p50_ms, p95_ms, p99_ms, ..Metrics::default() }
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

/// A part of the chart: what was measured one after the other.
struct Leg {
    points: Vec<(f64, f64)>,
    class: &'static str,
    label: String,
    from: f64,
    to: f64,
}

/// What was before, each step of the shift, and the rest, from left to right.
fn legs(before: Option<&Metrics>, steps: &[Walked], after: &Metrics) -> Vec<Leg> {
    let before = before.filter(|before| before.latencies_ms.len() > 1);
    let border = before.map_or(0.0, |_| WIDTH * BEFORE);
    #[expect(clippy::cast_precision_loss, reason = "at most 20 steps")]
    let width = (WIDTH - border) / (steps.len() + 1) as f64;
    let mut legs: Vec<Leg> = before
        .map(|before| Leg {
            points: before.points(POINTS),
            class: "before",
            label: "before".to_owned(),
            from: 0.0,
            to: border,
        })
        .into_iter()
        .collect();
    let mut from = border;
    let shifted = steps.iter().map(|step| (step.points.clone(), format!("{} %", step.weight)));
    let last = if steps.is_empty() { "the release" } else { "then" };
    for (mut points, label) in shifted.chain([(after.points(POINTS), last.to_owned())]) {
        points.truncate(POINTS);
        legs.push(Leg { points, class: "after", label, from, to: from + width });
        from += width;
    }
    legs
}

/// Latencies in the order of the requests: the median and the slowest of those that are taken together.
/// Each shift of the requests is marked.
fn chart(environment: &str, before: Option<&Metrics>, steps: &[Walked], after: &Metrics) -> Markup {
    let legs = legs(before, steps, after);
    let slowest = |leg: &Leg| leg.points.iter().map(|point| point.1).fold(0.0, f64::max);
    let longest = legs.iter().map(slowest).fold(1.0, f64::max);
    let label = format!(
        "Latency in {environment}, request by request: {}{}the release with a median of {:.1} ms and up to {:.1} ms",
        before.filter(|before| before.latencies_ms.len() > 1).map_or_else(String::new, |before| {
            format!("before with a median of {:.1} ms, then ", before.p50_ms)
        }),
        steps
            .iter()
            .map(|step| format!("with {} % a median of {:.1} ms, then ", step.weight, step.p50_ms))
            .collect::<String>(),
        after.p50_ms,
        after.latencies_ms.iter().copied().fold(0.0, f64::max),
    );
    html! {
        svg class="chart" viewBox={ "0 0 " (WIDTH) " " (HEIGHT + 20.0) } role="img" aria-label=(label) {
            @for Leg { points, class, from, to, .. } in &legs {
                path class={ "slow " (class) } d=(line(points.iter().map(|point| point.1), points.len(), (*from, *to), longest)) {}
                path class={ "median " (class) } d=(line(points.iter().map(|point| point.0), points.len(), (*from, *to), longest)) {}
            }
            line class="axis" x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            @for Leg { label, from, .. } in &legs {
                @if *from > 0.0 { line class="release" x1=(format!("{from:.0}")) y1="0" x2=(format!("{from:.0}")) y2=(HEIGHT) {} }
                text x=(format!("{:.0}", from + 4.0)) y=(HEIGHT + 15.0) { (label) }
            }
            text class="top" x=(WIDTH) y="12" { (format!("{longest:.0} ms")) }
        }
        p class="muted legend" { span class="key median" {} " median · " span class="key slow" {} " slowest, of neighbouring requests" }
    }
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
        let latencies_ms = (0..500).map(f64::from).collect();
        let points = Metrics { latencies_ms, ..Metrics::default() }.points(POINTS);
        assert!(points.len() <= POINTS, "{}", points.len());
        let path = line(points.iter().map(|point| point.1), points.len(), (216.0, WIDTH), 499.0);
        assert!(path.starts_with("M216 ") && path.ends_with("L720 0"), "{path}");
        assert_eq!(line([f64::NAN].into_iter(), 1, (0.0, 9.0), 1.0), "M0 150");
    }

    #[test]
    fn each_step_of_a_shift_has_its_part_of_the_chart_and_its_mark() {
        let measured = |ms: f64| Metrics {
            requests: 40,
            p50_ms: ms,
            p99_ms: ms,
            latencies_ms: vec![ms; 40],
            ..Metrics::default()
        };
        let steps = vec![Walked::new(10, &measured(5.0)), Walked::new(50, &measured(6.0))];
        let after = Metrics { steps: steps.clone(), ..measured(7.0) };
        assert_eq!(steps_before(&after).len(), 2);
        let page = chart("production", Some(&measured(4.0)), &steps, &after).into_string();
        assert_eq!(page.matches("class=\"release\"").count(), 3, "{page}");
        assert!(page.contains(">10 %<") && page.contains(">50 %<"), "{page}");
        assert!(page.contains("with 50 % a median of 6.0 ms, then the release"), "{page}");
        // Taken back at its second step: that one is there as a whole.
        let half = Metrics { steps, ..measured(6.0) };
        assert_eq!(steps_before(&half).len(), 1);
    }
}
