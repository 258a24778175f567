//! The rules of the gate, each over the evidence of one check.
//!
//! What was not checked is never met. A rule that a threshold of `pact.toml` asks for is required.

use pact_agent::text::truncated;
use pact_contract::{
    Finding, Severity, StageStatus, Tier,
    actions::{
        AppliedCondition, BudgetLeft, CheckCoverageOutput, CheckQualityOutput, Plan,
        RunTestsOutput, SecurityCheckOutput,
    },
    codes,
    run::{CheckResult, Checks, RuleOutcome, RuleResult},
    settings::ScanLevel,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Longest text of a rule in bytes: a decision stays below 30 KB.
const MAX_TEXT: usize = 500;

/// Looks at every rule.
pub(crate) fn all(plan: &Plan, checks: &Checks) -> Vec<RuleResult> {
    let rules = Rules { plan, checks };
    let (coverage, changed_coverage) = rules.both_coverages();
    let mut out = vec![
        rules.syntax(),
        rules.secrets(),
        rules.tests("tests-pass", "unit", "unit tests"),
        rules.tests("integration-tests-pass", "integration", "integration tests"),
        coverage,
        changed_coverage,
        rules.security("dependencies-safe", "dependencies", "dependencies"),
        rules.security("no-vulnerabilities", "vulnerabilities", "static analysis"),
        rules.quality(),
    ];
    out.extend(rules.end_to_end());
    out.extend(plan.conditions.iter().filter(|one| one.hold).map(condition));
    out.extend(budget(plan));
    out
}

/// Whether something but a fix may go to users, by what is left of their budget of errors; none where
/// nothing goes there, or nobody asks.
fn budget(plan: &Plan) -> Option<RuleResult> {
    const RULE: &str = "error-budget";
    let reaches = plan.environments.last_of(Tier::Production).is_some();
    if !plan.gate.fixes_only_when_spent || !reaches {
        return None;
    }
    let threshold = json!(0);
    if plan.fix {
        let message = "a fix goes to users whatever is left of their budget of errors";
        return Some(met(RULE, true, Value::Null, threshold, message));
    }
    let would_pass = || {
        "a fix, which is a run that asks for the template hotfix, or a budget that has recovered"
            .to_owned()
    };
    let held = |value: Value, message: &str| RuleResult {
        outcome: RuleOutcome::NotChecked,
        ..not_met(RULE, true, value, json!(0), message, would_pass())
    };
    if let Some(BudgetLeft { environment, unknown: Some(why), .. }) =
        plan.budgets.iter().find(|left| left.unknown.is_some())
    {
        let message = format!("nobody knows what is left of the budget of {environment}: {why}");
        return Some(held(Value::Null, &message));
    }
    let known =
        plan.budgets.iter().filter_map(|budget| Some((budget, budget.promise?, budget.left?)));
    let Some((budget, promise, left)) =
        known.min_by(|(_, _, one), (_, _, other)| one.total_cmp(other))
    else {
        let reason = "no release in production promises anything of which something was counted";
        return Some(nothing(RULE, threshold, reason));
    };
    let BudgetLeft { environment, days, .. } = budget;
    let (promise, percent) = (promise.as_str(), left * 100.0);
    Some(if left > 0.0 {
        let message = format!(
            "{percent:.0} % of the budget of errors of {environment} ({promise}, {days} days) are left"
        );
        met(RULE, true, json!(left), threshold, &message)
    } else {
        let message = format!(
            "the budget of errors of {environment} is used up ({promise}, {days} days: {:.0} % of it): \
             nothing but a fix is released",
            100.0 - percent
        );
        held(json!(left), &message)
    })
}

/// A condition of the repository that holds the release for a person.
fn condition(condition: &AppliedCondition) -> RuleResult {
    let AppliedCondition { name, when, unknown, .. } = condition;
    let message = match unknown {
        None => format!("the condition {name:?} holds the release: {when}"),
        Some(why) => format!("nobody can say whether the condition {name:?} holds: {why}"),
    };
    let would_pass = format!("a push of which that is not true, or other settings: {when}");
    RuleResult {
        outcome: RuleOutcome::NotChecked,
        ..not_met("condition", true, json!(true), json!(false), &message, would_pass)
    }
}

/// Whether the run is still within the time of its template; none where there is no limit.
pub(crate) fn in_time(plan: &Plan, now: jiff::Timestamp) -> Option<RuleResult> {
    let started = plan.started_at.filter(|_| plan.timeout_minutes > 0)?;
    let minutes = now.duration_since(started).as_secs() / 60;
    let (limit, template) = (plan.timeout_minutes, plan.template.as_str());
    let (value, threshold) = (json!(minutes), json!(limit));
    if minutes <= i64::from(limit) {
        let message = format!("{minutes} minutes since the push; at most {limit}");
        return Some(met("in-time", false, value, threshold, &message));
    }
    let message = format!(
        "the run took {minutes} minutes up to here; the template {template} allows {limit}"
    );
    let would_pass = format!("a run that is {} minutes faster", minutes - i64::from(limit));
    Some(RuleResult {
        outcome: RuleOutcome::NotChecked,
        ..not_met("in-time", true, value, threshold, &message, would_pass)
    })
}

struct Rules<'a> {
    plan: &'a Plan,
    checks: &'a Checks,
}

/// What is known of a check.
enum Evidence<'a> {
    /// It was carried out.
    Checked(&'a CheckResult),
    /// The repository has nothing that could be checked.
    Nothing(&'a str),
    /// It was not carried out, for this reason.
    Not(String),
}

impl<'a> Rules<'a> {
    fn needs(&self, check: &str) -> bool {
        self.plan.required.iter().any(|name| name == check)
    }

    /// What is known of a check. Where the repository itself demands it, having nothing to check
    /// is not enough.
    fn evidence(&self, check: &str) -> Evidence<'a> {
        let Some(result) = self.checks.get(check) else {
            return Evidence::Not("it was not carried out".to_owned());
        };
        let demanded = self.plan.demanded.iter().any(|name| name == check);
        match result.status {
            // What passed over nothing did not pass.
            StageStatus::Passed if counted(check, &result.output) == Some(0) => {
                let reason = result.summary.trim();
                if demanded {
                    Evidence::Not(format!("there was nothing to check ({reason})"))
                } else {
                    Evidence::Nothing(reason)
                }
            }
            // A verdict without anything that explains it is no evidence.
            StageStatus::Passed if result.output.is_null() => {
                Evidence::Not("its numbers are missing".to_owned())
            }
            StageStatus::Passed | StageStatus::Failed => Evidence::Checked(result),
            StageStatus::Skipped => {
                let reason = result.summary.trim();
                if result.not_applicable && !demanded {
                    Evidence::Nothing(reason)
                } else {
                    Evidence::Not(reason.to_owned())
                }
            }
            StageStatus::Error | StageStatus::Running => Evidence::Not(result.reason()),
        }
    }

    fn syntax(&self) -> RuleResult {
        self.clean("syntax-valid", "syntax", "the syntax", "mend")
    }

    fn secrets(&self) -> RuleResult {
        self.clean("no-secrets", "secrets", "secrets", "remove and revoke what is")
    }

    /// A check that has to find nothing at all; failing it always rejects.
    fn clean(&self, rule: &str, check: &str, name: &str, remedy: &str) -> RuleResult {
        let required = self.needs(check);
        match self.evidence(check) {
            Evidence::Not(reason) => not_checked(rule, name, required, json!(0), &reason),
            Evidence::Nothing(reason) => nothing(rule, json!(0), reason),
            Evidence::Checked(result) if result.status == StageStatus::Passed => {
                met(rule, required, json!(0), json!(0), &result.summary)
            }
            Evidence::Checked(result) => {
                let found = invalid(result).unwrap_or(result.findings.len());
                let would_pass = match places(&result.findings) {
                    Some(places) => format!("{remedy} at {places}"),
                    None => "no finding".to_owned(),
                };
                not_met(rule, true, json!(found), json!(0), &result.summary, would_pass)
            }
        }
    }

    fn tests(&self, rule: &str, check: &str, name: &str) -> RuleResult {
        let required = self.needs(check);
        let threshold = json!({ "failed": 0 });
        let result = match self.evidence(check) {
            Evidence::Not(reason) => return not_checked(rule, name, required, threshold, &reason),
            Evidence::Nothing(reason) => return nothing(rule, threshold, reason),
            Evidence::Checked(result) => result,
        };
        let output: Option<RunTestsOutput> = read(&result.output);
        let failed = output.as_ref().and_then(|o| o.failed);
        let value = match &output {
            Some(o) => json!({ "failed": o.failed, "total": o.total, "exit_code": o.exit_code }),
            None => Value::Null,
        };
        if result.status == StageStatus::Passed && failed.unwrap_or(0) == 0 {
            return met(rule, required, value, threshold, &result.summary);
        }
        let would_pass = match failed {
            Some(1) => format!("1 more passing {}", name.trim_end_matches('s')),
            Some(n) if n > 1 => format!("{n} more passing {name}"),
            // The tests may have passed, beside which the release is built.
            _ if result.findings.iter().any(|f| f.code == codes::BUILD_FAILED) => {
                "build commands that end with exit code 0".to_owned()
            }
            _ => format!("{name} that end with exit code 0"),
        };
        not_met(rule, true, value, threshold, &result.summary, would_pass)
    }

    fn both_coverages(&self) -> (RuleResult, RuleResult) {
        let limit = self.plan.gate.min_coverage;
        let numbers = |o: &CheckCoverageOutput| (o.covered, o.lines);
        let required = self.needs("coverage");
        let mut all = self.covered("coverage", required, limit, numbers, "lines");
        let limit = self.plan.gate.min_changed_coverage;
        let numbers = |o: &CheckCoverageOutput| (o.changed_covered, o.changed_lines);
        let changed =
            self.covered("changed-coverage", limit.is_some(), limit, numbers, "changed lines");
        // A verdict that the numbers do not explain stands nevertheless.
        if let Some(check) = self.checks.get("coverage")
            && check.status == StageStatus::Failed
            && all.outcome != RuleOutcome::NotMet
            && changed.outcome != RuleOutcome::NotMet
        {
            let would_pass = "a coverage check that passes".to_owned();
            all =
                not_met("coverage", required, all.value, all.threshold, &check.summary, would_pass);
        }
        (all, changed)
    }

    fn covered(
        &self,
        rule: &str,
        required: bool,
        limit: Option<f64>,
        numbers: impl Fn(&CheckCoverageOutput) -> (u64, u64),
        name: &str,
    ) -> RuleResult {
        let threshold = json!(limit);
        let result = match self.evidence("coverage") {
            Evidence::Not(reason) => {
                return not_checked(rule, "coverage", required, threshold, &reason);
            }
            Evidence::Nothing(reason) => {
                return not_checked(rule, "coverage", required, threshold, reason);
            }
            Evidence::Checked(result) => result,
        };
        let Some(output) = read::<CheckCoverageOutput>(&result.output) else {
            return not_checked(rule, "coverage", required, threshold, "its numbers are missing");
        };
        let (covered, lines) = numbers(&output);
        let value = percent(covered, lines);
        if lines == 0 {
            let reason = share(covered, lines, name);
            // A change of documentation or settings has no line to cover.
            return if rule == "coverage" && required {
                not_checked(rule, "coverage", required, threshold, &reason)
            } else {
                nothing(rule, threshold, &reason)
            };
        }
        if required && covered == 0 {
            let message = format!("none of the {lines} {name} is covered");
            let missing = missing_lines(covered, lines, limit.unwrap_or(0.0)).max(1);
            return not_met(rule, true, value, threshold, &message, more_covered(missing));
        }
        let Some(limit) = limit else {
            let message = format!("{}; no threshold is set", share(covered, lines, name));
            return met(rule, required, value, threshold, &message);
        };
        // What was measured has to be good enough, whether or not it had to be measured.
        let required = true;
        let missing = missing_lines(covered, lines, limit);
        if missing == 0 {
            let message = format!("{}; at least {limit} %", share(covered, lines, name));
            return met(rule, required, value, threshold, &message);
        }
        let message =
            format!("only {}; at least {limit} % are asked for", share(covered, lines, name));
        not_met(rule, required, value, threshold, &message, more_covered(missing))
    }

    fn security(&self, rule: &str, check: &str, name: &str) -> RuleResult {
        let limit = self.plan.gate.max_severity;
        let required = limit.is_some() || self.needs(check);
        // A glance stops at what is high; a standard scan shows what is medium too.
        let least = limit.unwrap_or(match self.plan.scan {
            ScanLevel::Basic => Severity::Medium,
            ScanLevel::Standard | ScanLevel::Comprehensive => Severity::Low,
        });
        let threshold = json!(least.as_str());
        let result = match self.evidence(check) {
            Evidence::Not(reason) => return not_checked(rule, name, required, threshold, &reason),
            Evidence::Nothing(reason) => return nothing(rule, threshold, reason),
            Evidence::Checked(result) => result,
        };
        // What the agent fails is critical or high and new: it rejects, whoever needs the check.
        let required = required || result.status == StageStatus::Failed;
        let output: Option<SecurityCheckOutput> = read(&result.output);
        let Some(output) = output else {
            if result.status == StageStatus::Failed {
                let would_pass = "no finding above the threshold".to_owned();
                return not_met(
                    rule,
                    required,
                    Value::Null,
                    threshold,
                    &result.summary,
                    would_pass,
                );
            }
            return not_checked(rule, name, required, threshold, "its numbers are missing");
        };
        let above = above(&output, least);
        // Below high, only who asked for it is stopped.
        let is_grave = self::above(&output, Severity::Medium) > 0
            || result.status == StageStatus::Failed
            || limit.is_some()
            || self.plan.scan == ScanLevel::Comprehensive;
        let required = required && (is_grave || above == 0);
        let total = output.critical + output.high + output.medium + output.low + output.info;
        // Without a threshold of the repository the agent's verdict stands; with one the numbers
        // decide, unless there are none to explain the verdict.
        let failed = result.status == StageStatus::Failed && (limit.is_none() || total == 0);
        let value = json!({
            "critical": output.critical, "high": output.high, "medium": output.medium,
            "low": output.low, "info": output.info,
        });
        if above == 0 && !failed {
            return met(rule, required, value, threshold, &result.summary);
        }
        let mut would_pass = match above {
            0 => "a check that passes".to_owned(),
            1 => "1 finding fewer above the threshold".to_owned(),
            n => format!("{n} findings fewer above the threshold"),
        };
        if let Some(places) = places(&result.findings) {
            would_pass.push_str(&format!(": {places}"));
        }
        would_pass.push_str(match check {
            "dependencies" => "; or a reason for each in [security.accept] of pact.toml",
            _ => "; or somebody who answers for each in [[waivers]] of pact.toml",
        });
        not_met(rule, required, value, threshold, &result.summary, would_pass)
    }

    fn quality(&self) -> RuleResult {
        let rule = "quality";
        let limit = self.plan.gate.max_quality_findings;
        let required = limit.is_some() || self.needs("quality");
        // Without a limit it is the check's own: nothing above a threshold.
        let threshold = json!(limit.unwrap_or(0));
        let result = match self.evidence("quality") {
            Evidence::Not(reason) => {
                return not_checked(rule, "quality", required, threshold, &reason);
            }
            Evidence::Nothing(reason) => return nothing(rule, threshold, reason),
            Evidence::Checked(result) => result,
        };
        let output = read::<CheckQualityOutput>(&result.output);
        let found = output.as_ref().map(|o| o.above_threshold as u64);
        let value = json!(found);
        let failed = result.status == StageStatus::Failed;
        if (limit.is_none() || self.plan.gate.quality_score)
            && let Some(rule) = output.and_then(|o| self.score(result, &o))
        {
            return rule;
        }
        let (over, less) = match (limit, found) {
            (Some(limit), Some(found)) => (
                found > limit || self.plan.gate.quality_score && failed,
                found.saturating_sub(limit),
            ),
            (Some(_), None) if !failed => {
                return not_checked(
                    rule,
                    "quality",
                    required,
                    threshold,
                    "its numbers are missing",
                );
            }
            (_, found) => (failed, found.unwrap_or(0)),
        };
        if !over {
            return met(rule, required, value, threshold, &result.summary);
        }
        let mut would_pass = match less {
            0 => "a check that passes".to_owned(),
            1 => "1 finding fewer above a threshold".to_owned(),
            n => format!("{n} findings fewer above a threshold"),
        };
        if let Some(places) = places(&result.findings) {
            would_pass.push_str(&format!(": {places}"));
        }
        not_met(rule, required, value, threshold, &result.summary, would_pass)
    }

    /// Not met where too large a share of the changed functions is above a threshold.
    fn score(&self, result: &CheckResult, output: &CheckQualityOutput) -> Option<RuleResult> {
        let least = self.plan.min_quality_score?;
        let (score, less) = quality_score(output.functions, output.complex, least)?;
        if less == 0 {
            return None;
        }
        let message = format!(
            "a quality score of {score:.1}: {} of {} changed functions are above a threshold; at \
             least {least} is asked for",
            output.complex, output.functions
        );
        let functions = if less == 1 { "function" } else { "functions" };
        let mut would_pass = format!("{less} {functions} fewer above a threshold");
        if let Some(places) = places(&result.findings) {
            would_pass.push_str(&format!(": {places}"));
        }
        let score = json!((score * 10.0).round() / 10.0);
        Some(not_met("quality", true, score, json!(least), &message, would_pass))
    }

    /// End-to-end tests run after the gate, against what is deployed to the tier staging. Where
    /// they are demanded and nothing is, they never will.
    fn end_to_end(&self) -> Option<RuleResult> {
        let possible = self.plan.environments.last_of(Tier::Staging).is_some();
        (self.needs("e2e") && !possible).then(|| {
            let reason = "the plan has no environment of the tier staging to run them against";
            not_checked("end-to-end-possible", "end-to-end tests", true, json!(true), reason)
        })
    }
}

/// How much a check looked at; none when it does not say.
fn counted(check: &str, output: &Value) -> Option<u64> {
    let field = match check {
        "unit" | "integration" | "e2e" => "total",
        "coverage" => "lines",
        "quality" => "functions",
        _ => "checked",
    };
    output.get(field).and_then(Value::as_u64)
}

/// The score of the changed functions, and how many fewer above a threshold reach `least`; none
/// without a function.
#[expect(clippy::cast_precision_loss, reason = "numbers of functions are far below 2^52")]
pub(crate) fn quality_score(functions: usize, complex: usize, least: f64) -> Option<(f64, usize)> {
    let score = |complex: usize| 10.0 * functions.saturating_sub(complex) as f64 / functions as f64;
    let reaches = |complex: &usize| score(*complex) >= least;
    let most = (0..=complex.min(functions)).rev().find(reaches).unwrap_or(0);
    (functions > 0).then(|| (score(complex), complex - most))
}

fn more_covered(missing: u64) -> String {
    let line = if missing == 1 { "line" } else { "lines" };
    format!("{missing} more covered {line}")
}

fn read<T: DeserializeOwned>(output: &Value) -> Option<T> {
    serde_json::from_value(output.clone()).ok()
}

fn invalid(result: &CheckResult) -> Option<usize> {
    result.output.get("invalid").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
}

/// Where the first findings are, each place once.
fn places(findings: &[Finding]) -> Option<String> {
    const SHOWN: usize = 3;
    let mut all: Vec<String> = Vec::new();
    for finding in findings {
        let place = finding.place().unwrap_or_else(|| finding.message.clone());
        if !all.contains(&place) {
            all.push(place);
        }
    }
    let more = all.len().saturating_sub(SHOWN);
    let shown: Vec<String> = all.iter().take(SHOWN).map(|text| shortened(text)).collect();
    if shown.is_empty() {
        return None;
    }
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("{}{more}", shown.join(", ")))
}

/// A long path loses its beginning: file and line are at the end.
fn shortened(place: &str) -> String {
    const MAX: usize = 120;
    let length = place.chars().count();
    if length <= MAX {
        return place.to_owned();
    }
    let end: String = place.chars().skip(length - MAX + 1).collect();
    format!("…{end}")
}

/// Findings graver than `limit`.
fn above(output: &SecurityCheckOutput, limit: Severity) -> usize {
    [
        (Severity::Critical, output.critical),
        (Severity::High, output.high),
        (Severity::Medium, output.medium),
        (Severity::Low, output.low),
    ]
    .into_iter()
    .filter(|(severity, _)| *severity > limit)
    .map(|(_, count)| count)
    .sum()
}

#[expect(clippy::cast_precision_loss, reason = "line counts are far below 2^52")]
fn ratio(covered: u64, lines: u64) -> Option<f64> {
    (lines > 0).then(|| covered as f64 * 100.0 / lines as f64)
}

fn percent(covered: u64, lines: u64) -> Value {
    json!(ratio(covered, lines).map(|p| (p * 100.0).round() / 100.0))
}

fn share(covered: u64, lines: u64, name: &str) -> String {
    match ratio(covered, lines) {
        Some(percent) => format!("{percent:.1} % of the {name} are covered ({covered} of {lines})"),
        None => format!("there are no {name} that can be covered"),
    }
}

/// How many more lines have to be covered to reach `limit` percent.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "line counts are far below 2^52, and the limit is from 0 to 100"
)]
fn missing_lines(covered: u64, lines: u64, limit: f64) -> u64 {
    let wanted = (lines as f64 * limit / 100.0 - 1e-9).ceil().max(0.0) as u64;
    wanted.min(lines).saturating_sub(covered)
}

fn met(rule: &str, required: bool, value: Value, threshold: Value, message: &str) -> RuleResult {
    let message = truncated(message, MAX_TEXT);
    let rule = rule.to_owned();
    let outcome = RuleOutcome::Met;
    RuleResult { rule, outcome, required, value, threshold, message, would_pass: None }
}

/// There is nothing of the kind: not checked, but not needed either.
fn nothing(rule: &str, threshold: Value, reason: &str) -> RuleResult {
    let outcome = RuleOutcome::NotChecked;
    RuleResult { outcome, ..met(rule, false, Value::Null, threshold, reason) }
}

fn not_met(
    rule: &str,
    required: bool,
    value: Value,
    threshold: Value,
    message: &str,
    would_pass: String,
) -> RuleResult {
    RuleResult {
        outcome: RuleOutcome::NotMet,
        would_pass: Some(truncated(&would_pass, MAX_TEXT)),
        ..met(rule, required, value, threshold, message)
    }
}

fn not_checked(
    rule: &str,
    name: &str,
    required: bool,
    threshold: Value,
    reason: &str,
) -> RuleResult {
    let reason = if reason.trim().is_empty() { "no reason was given" } else { reason.trim() };
    RuleResult {
        outcome: RuleOutcome::NotChecked,
        would_pass: required.then(|| format!("a check of {name} that is carried out and passes")),
        ..met(rule, required, Value::Null, threshold, &format!("{name} not checked: {reason}"))
    }
}
