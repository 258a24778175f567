//! Which numbers of CloudWatch are meant, and how they are asked for.

use std::collections::BTreeMap;

use pact_config::{
    Rule,
    form::{Form, Law, Shape, field},
};
use pact_contract::settings::Instance;
use serde::Deserialize;

/// Of which there is exactly one.
const WHAT: [&str; 3] = ["function", "load_balancer", "namespace"];
/// The alias of a function where none is set: that of the target `lambda`.
const ALIAS: &str = "live";
/// Where the numbers of functions are.
const LAMBDA: &str = "AWS/Lambda";
/// Lengths of time for which there are numbers, in seconds: those below a minute only of metrics that are
/// published with a high resolution.
const PERIODS: [u64; 8] = [1, 5, 10, 20, 30, 60, 120, 300];
/// How long CloudWatch may take to know of a request without `late_seconds`.
const LATE: u64 = 60;

#[derive(Deserialize)]
struct Keys {
    function: Option<String>,
    alias: Option<String>,
    load_balancer: Option<String>,
    target_group: Option<String>,
    namespace: Option<String>,
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
    requests: Option<String>,
    errors: Option<String>,
    latency: Option<String>,
    latency_unit: Option<String>,
    region: Option<String>,
    account: Option<String>,
    period_seconds: Option<u64>,
    late_seconds: Option<u64>,
    interval_ms: Option<u64>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// What all of together is the number of requests.
    pub(super) requests: Vec<Metric>,
    /// What all of together is the number of those that failed.
    pub(super) errors: Vec<Metric>,
    /// How long they took, and how many milliseconds its unit has.
    pub(super) latency: Option<(Metric, f64)>,
    pub(super) region: Option<String>,
    pub(super) account: Option<String>,
    pub(super) period_seconds: u64,
    pub(super) late_seconds: u64,
    pub(super) interval_ms: u64,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: Vec<(String, String)>,
}

impl Metric {
    /// As people write it: `AWS/Lambda Errors {FunctionName=shop}`.
    pub(super) fn shown(&self) -> String {
        let all: Vec<_> =
            self.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {} {{{}}}", self.namespace, self.name, all.join(", "))
    }
}

impl Settings {
    pub(super) fn read(instance: &Instance) -> Result<Self, String> {
        let keys: Keys =
            instance.parse().map_err(|e| format!("the settings of the source: {e}"))?;
        let period_seconds = keys.period_seconds.unwrap_or(60);
        if !PERIODS.contains(&period_seconds) {
            let all = PERIODS.map(|period| period.to_string()).join(", ");
            return Err(format!(
                "watch.period_seconds is {period_seconds}; there are numbers for {all} seconds"
            ));
        }
        let (requests, errors, latency) =
            match (&keys.function, &keys.load_balancer, &keys.namespace) {
                (Some(function), None, None) => of_function(function, keys.alias.as_deref()),
                (None, Some(balancer), None) => of_balancer(balancer, keys.target_group.as_deref()),
                (None, None, Some(namespace)) => own(namespace, &keys)?,
                _ => {
                    return Err(format!(
                        "the source cloudwatch needs one of watch.{}, and no more",
                        WHAT.join(", watch.")
                    ));
                }
            };
        // About a third of what there is a new number for, and never a question for nothing.
        let interval_ms =
            keys.interval_ms.unwrap_or_else(|| (period_seconds * 333).clamp(1_000, 20_000));
        Ok(Self {
            requests,
            errors,
            latency,
            region: keys.region,
            account: keys.account,
            period_seconds,
            late_seconds: keys.late_seconds.unwrap_or(LATE),
            interval_ms,
        })
    }
}

impl Settings {
    /// The same of one of the versions that the function's alias leads to at this time; none where this is
    /// about something else
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html>, `ExecutedVersion`).
    pub(super) fn of_version(&self, function: &str, version: &str) -> Option<Self> {
        let mut own = self.clone();
        let latency = own.latency.iter_mut().map(|(metric, _)| metric);
        for metric in own.requests.iter_mut().chain(&mut own.errors).chain(latency) {
            let of_function = ("FunctionName".to_owned(), function.to_owned());
            if metric.namespace != LAMBDA || !metric.dimensions.contains(&of_function) {
                return None;
            }
            metric.dimensions.push(("ExecutedVersion".to_owned(), version.to_owned()));
        }
        Some(own)
    }
}

type Metrics = (Vec<Metric>, Vec<Metric>, Option<(Metric, f64)>);

/// A function of Lambda, by the alias that its users call. What is throttled is not counted as an
/// invocation, and is a request that failed.
fn of_function(function: &str, alias: Option<&str>) -> Metrics {
    let alias = alias.unwrap_or(ALIAS);
    let metric = |name: &str| Metric {
        namespace: LAMBDA.to_owned(),
        name: name.to_owned(),
        dimensions: vec![
            ("FunctionName".to_owned(), function.to_owned()),
            ("Resource".to_owned(), format!("{function}:{alias}")),
        ],
    };
    (
        vec![metric("Invocations"), metric("Throttles")],
        vec![metric("Errors"), metric("Throttles")],
        Some((metric("Duration"), 1.0)),
    )
}

/// An Application Load Balancer, or one of its target groups.
fn of_balancer(balancer: &str, group: Option<&str>) -> Metrics {
    let metric = |name: &str| Metric {
        namespace: "AWS/ApplicationELB".to_owned(),
        name: name.to_owned(),
        dimensions: [("LoadBalancer", Some(balancer)), ("TargetGroup", group)]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect(),
    };
    let mut errors =
        vec![metric("HTTPCode_Target_5XX_Count"), metric("TargetConnectionErrorCount")];
    if group.is_none() {
        // What it answers itself is of no target group.
        errors.push(metric("HTTPCode_ELB_5XX_Count"));
    }
    (vec![metric("RequestCount")], errors, Some((metric("TargetResponseTime"), 1_000.0)))
}

/// Metrics that the service publishes itself.
fn own(namespace: &str, keys: &Keys) -> Result<Metrics, String> {
    let dimensions: Vec<_> = keys.dimensions.clone().into_iter().collect();
    let metric = |name: &String| Metric {
        namespace: namespace.to_owned(),
        name: name.clone(),
        dimensions: dimensions.clone(),
    };
    let (Some(requests), Some(errors)) = (&keys.requests, &keys.errors) else {
        return Err(
            "watch.namespace needs watch.requests and watch.errors beside it: the names of \
                    the metrics that count them"
                .to_owned(),
        );
    };
    let unit = if keys.latency_unit.as_deref() == Some("s") { 1_000.0 } else { 1.0 };
    let latency = keys.latency.as_ref().map(|name| (metric(name), unit));
    Ok((vec![metric(requests)], vec![metric(errors)], latency))
}

/// The settings in `pact.toml`.
pub(super) fn form() -> Form {
    let name = || Shape::pattern(r"^[ -~]{1,255}$", "the name of a metric", 255);
    let plain = |max: usize| Rule::Pattern {
        pattern: r"^[ -~]+$".to_owned(),
        wanted: "printable letters of ASCII".to_owned(),
        max,
    };
    let seconds: Vec<String> = PERIODS.iter().map(u64::to_string).collect();
    Form {
        about: "What Amazon CloudWatch knows of the environment's own requests: of a Lambda function, \
                an Application Load Balancer, or metrics of the service's own. It knows them by the \
                minute, and a minute later: the watch lasts as long as that takes."
            .to_owned(),
        fields: vec![
            field(
                "function",
                "Name of the Lambda function; with the target lambda, its function.",
                Shape::pattern(r"^[A-Za-z0-9_-]{1,64}$", "the name of a function", 64),
            ),
            field(
                "alias",
                "The alias of the function that users call; live without it.",
                Shape::pattern(r"^[A-Za-z0-9_$-]{1,128}$", "the name of an alias", 128),
            ),
            field(
                "load_balancer",
                "The load balancer as CloudWatch names it: the end of its ARN.",
                Shape::pattern(r"^app/[A-Za-z0-9-]+/[0-9a-f]+$", "such as app/shop/50dc6c495c0c9188", 128),
            ),
            field(
                "target_group",
                "One target group of the load balancer.",
                Shape::pattern(
                    r"^targetgroup/[A-Za-z0-9-]+/[0-9a-f]+$",
                    "such as targetgroup/shop/73e2d6bc24d8a067",
                    128,
                ),
            ),
            field(
                "namespace",
                "Namespace of metrics of the service's own.",
                Shape::pattern(r"^[A-Za-z0-9._/#:-]{1,255}$", "a namespace such as Shop", 255),
            ),
            field(
                "dimensions",
                "Dimensions of these metrics.",
                Shape::Map { keys: plain(255), values: plain(1_024) },
            ),
            field("requests", "The metric whose sum is the number of requests.", name()),
            field("errors", "The metric whose sum is the number of those that failed.", name()),
            field("latency", "The metric that says how long each took.", name()),
            field("latency_unit", "Unit of the latency; ms without it.", Shape::word(&["s", "ms"])),
            field(
                "region",
                "Region; the agent's own without it, or that of the target lambda.",
                Shape::pattern(r"^[a-z0-9-]{1,32}$", "a region such as eu-central-1", 32),
            ),
            field(
                "account",
                "Another account, which shares its metrics with this one (observability across accounts).",
                Shape::pattern(r"^[0-9]{12}$", "the twelve digits of an account", 12),
            ),
            field(
                "period_seconds",
                &format!(
                    "For how many seconds there is one number; 60 without it. {}; below 60 for metrics \
                     of high resolution.",
                    seconds.join(", ")
                ),
                Shape::Integer { min: 1, max: 300 },
            ),
            field(
                "late_seconds",
                "How long after a request it is known; 60 without it.",
                Shape::Integer { min: 0, max: 300 },
            ),
            field(
                "interval_ms",
                "Time between two questions; a third of the period without it.",
                Shape::Integer { min: 1_000, max: 60_000 },
            ),
        ],
        laws: vec![Law::OneOf {
            keys: WHAT.map(str::to_owned).to_vec(),
            of_target: Some(("lambda".to_owned(), ["function", "alias", "region"].map(str::to_owned).to_vec())),
        }],
        ..Form::default()
    }
}
