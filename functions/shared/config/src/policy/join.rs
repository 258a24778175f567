//! Of two settings the stricter ones. Where neither of two values is the stricter, the first's
//! counts, as nobody can say that the other asks for as much.

use std::collections::BTreeMap;

use pact_contract::{
    EnvironmentList, Grant, NamedEnvironment, Severity, Tier, Waiver,
    freeze::Freeze,
    settings::{
        CheckMode, CodeSettings, CodeThresholds, Condition, DOCUMENTATION, Environment,
        GateSettings, Inconclusive, Instance, MACHINES, Migrations, OnSettings, Probe, ScanLevel,
        Settings, Suite, Template, TemplatePolicy, TestSettings, Watch,
    },
};
use serde_json::Value;

use crate::form::{Forms, Seam};

/// Settings that ask for all that `before` and `own` ask for, and let through nothing that one of
/// them would not. What does not judge, such as how a release is deployed and who is told, is
/// `own`'s.
#[must_use]
pub fn stricter(before: &Settings, own: &Settings) -> Settings {
    Settings {
        template: template(before.template, own.template),
        on: on(&before.on, &own.on),
        documentation: documentation(before.documentation.as_ref(), own.documentation.as_ref()),
        checks: checks(&before.checks, &own.checks),
        gate: gate([asked(before), asked(own)]),
        code: code(&before.code, &own.code),
        tests: tests(&before.tests, &own.tests),
        security: before.security.stricter(&own.security),
        environments: environments(&before.environments, &own.environments),
        notify: own.notify.clone(),
        waivers: waivers(&before.waivers, &own.waivers),
        migrations: migrations(&before.migrations, &own.migrations),
        conditions: conditions(&before.conditions, &own.conditions),
    }
}

/// What either asks for; a check is left out only by a condition that both have.
fn conditions(before: &[Condition], own: &[Condition]) -> Vec<Condition> {
    let kept = own.iter().filter_map(|one| match before.contains(one) {
        true => Some(one.clone()),
        false => one.without_skip(),
    });
    let missing = before.iter().filter(|one| !own.contains(one));
    let mut all: Vec<Condition> = kept.collect();
    for one in missing.filter_map(Condition::without_skip) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// What either takes for a migration is one; which of them have a down step is as it was, and none
/// has one where either knows of none.
fn migrations(before: &Migrations, own: &Migrations) -> Migrations {
    let missing = before.paths.iter().filter(|path| !own.paths.contains(path));
    let without = |migrations: &Migrations| {
        !migrations.paths.is_empty() && (migrations.up.is_none() || migrations.down.is_none())
    };
    let ends = match before.paths.is_empty() || without(own) && !without(before) {
        true => own,
        false => before,
    };
    Migrations {
        paths: own.paths.iter().chain(missing).cloned().collect(),
        up: ends.up.clone(),
        down: ends.down.clone(),
    }
}

/// What settings ask of the gate.
pub(super) fn asked(settings: &Settings) -> Asked<'_> {
    (Some(settings.template.unwrap_or_default().policy()), &settings.gate)
}

pub(super) fn template(before: Option<Template>, own: Option<Template>) -> Option<Template> {
    let strictness = |template: Option<Template>| template.unwrap_or_default().strictness();
    if strictness(before) > strictness(own) { before } else { own }
}

/// What either runs is run, and what either only verifies is only verified.
fn on(before: &OnSettings, own: &OnSettings) -> OnSettings {
    let either = |before: &[String], own: &[String]| -> Vec<String> {
        let missing = before.iter().filter(|entry| !own.contains(entry));
        own.iter().chain(missing).cloned().collect()
    };
    // No pattern at all is every branch, and every path.
    let any = |before: &[String], own: &[String]| match before.is_empty() || own.is_empty() {
        true => Vec::new(),
        false => either(before, own),
    };
    let verified = |on: &OnSettings| match &on.verify_only {
        Some(list) => list.clone(),
        None => MACHINES.iter().map(|glob| (*glob).to_owned()).collect(),
    };
    let verify_only = either(&verified(before), &verified(own));
    OnSettings {
        branches: any(&before.branches, &own.branches),
        // A tag that starts a run is more work, and no less judgement: both count.
        tags: either(&before.tags, &own.tags),
        paths: any(&before.paths, &own.paths),
        paths_ignore: both(&before.paths_ignore, &own.paths_ignore),
        verify_only: match verify_only == verified(own) {
            true => own.verify_only.clone(),
            false => Some(verify_only),
        },
    }
}

/// A list of what is let off: only what both let off.
fn both(before: &[String], own: &[String]) -> Vec<String> {
    own.iter().filter(|entry| before.contains(entry)).cloned().collect()
}

fn documentation(before: Option<&Vec<String>>, own: Option<&Vec<String>>) -> Option<Vec<String>> {
    let list = |list: Option<&Vec<String>>| match list {
        Some(list) => list.clone(),
        None => DOCUMENTATION.iter().map(|glob| (*glob).to_owned()).collect(),
    };
    let all = list(own);
    let kept = both(&list(before), &all);
    if kept == all { own.cloned() } else { Some(kept) }
}

const fn strength(mode: CheckMode) -> u8 {
    match mode {
        CheckMode::Skip => 0,
        CheckMode::Auto => 1,
        CheckMode::Require => 2,
    }
}

pub(super) fn checks(
    before: &BTreeMap<String, CheckMode>,
    own: &BTreeMap<String, CheckMode>,
) -> BTreeMap<String, CheckMode> {
    let mut all = own.clone();
    for (name, mode) in before {
        let theirs = own.get(name).copied().unwrap_or(CheckMode::Auto);
        if strength(*mode) > strength(theirs) {
            all.insert(name.clone(), *mode);
        }
    }
    // What is not said is as the plan decides, which is more than to leave it out.
    for (name, mode) in &mut all {
        if *mode == CheckMode::Skip && before.get(name) != Some(&CheckMode::Skip) {
            *mode = CheckMode::Auto;
        }
    }
    all
}

/// What the gate is asked for, and by which template; none where no template is asked for.
pub(super) type Asked<'a> = (Option<TemplatePolicy>, &'a GateSettings);

/// A threshold that only one of them sets is compared with what the other's template asks for.
pub(super) fn gate(asked: [Asked<'_>; 2]) -> GateSettings {
    let set = |is_set: fn(&GateSettings) -> bool| asked.iter().any(|(_, gate)| is_set(gate));
    let least = |(policy, gate): &Asked<'_>| {
        gate.min_coverage.or(policy.as_ref().map(|policy| policy.min_coverage))
    };
    let gravest = |(policy, gate): &Asked<'_>| {
        gate.max_severity.or(policy.as_ref().map(|policy| match policy.scan {
            // A medium finding rejects there.
            ScanLevel::Comprehensive => Severity::Low,
            ScanLevel::Basic | ScanLevel::Standard => Severity::Medium,
        }))
    };
    let max_quality_findings = asked.iter().filter_map(|(_, gate)| gate.max_quality_findings).min();
    // A number of findings stands in the place of the template's score: both count where only one
    // of the two has it.
    let scored = asked.iter().any(|(policy, gate)| {
        gate.quality_score || gate.max_quality_findings.is_none() && policy.is_some()
    });
    GateSettings {
        min_coverage: set(|gate| gate.min_coverage.is_some())
            .then(|| asked.iter().filter_map(least).reduce(f64::max))
            .flatten(),
        min_changed_coverage: asked
            .iter()
            .filter_map(|(_, gate)| gate.min_changed_coverage)
            .reduce(f64::max),
        max_severity: set(|gate| gate.max_severity.is_some())
            .then(|| asked.iter().filter_map(gravest).min())
            .flatten(),
        quality_score: scored && max_quality_findings.is_some_and(|most| most > 0),
        max_quality_findings,
        fixes_only_when_spent: set(|gate| gate.fixes_only_when_spent),
    }
}

pub(super) fn code(before: &CodeSettings, own: &CodeSettings) -> CodeSettings {
    CodeSettings {
        max_cyclomatic: before.max_cyclomatic.min(own.max_cyclomatic),
        max_cognitive: before.max_cognitive.min(own.max_cognitive),
        max_function_lines: before.max_function_lines.min(own.max_function_lines),
        max_nesting: before.max_nesting.min(own.max_nesting),
        max_parameters: before.max_parameters.min(own.max_parameters),
        max_duplicate_tokens: before.max_duplicate_tokens.min(own.max_duplicate_tokens),
        tests: CodeThresholds {
            max_cyclomatic: before.tests.max_cyclomatic.min(own.tests.max_cyclomatic),
            max_cognitive: before.tests.max_cognitive.min(own.tests.max_cognitive),
            max_function_lines: before.tests.max_function_lines.min(own.tests.max_function_lines),
            max_nesting: before.tests.max_nesting.min(own.tests.max_nesting),
            max_parameters: before.tests.max_parameters.min(own.tests.max_parameters),
        },
        ignore: both(&before.ignore, &own.ignore),
    }
}

/// Which command tests, and which reports are read, is no more or less: those of before count. A
/// suite where none was is more.
fn tests(before: &TestSettings, own: &TestSettings) -> TestSettings {
    let suite = |before: &Suite, own: Option<&Suite>| {
        let reports = match own {
            Some(own) if before.reports.is_empty() => own.reports.clone(),
            _ => before.reports.clone(),
        };
        Suite {
            runner: before.runner.clone(),
            timeout_seconds: own.unwrap_or(before).timeout_seconds,
            reports,
            isolated: before.isolated || own.is_some_and(|own| own.isolated),
        }
    };
    let further = |before: Option<&Suite>, own: Option<&Suite>| match before {
        Some(before) => Some(suite(before, own)),
        None => own.cloned(),
    };
    TestSettings {
        // Without a command they are found in the repository: that is a suite too.
        unit: before.unit.as_ref().map(|before| suite(before, own.unit.as_ref())),
        integration: further(before.integration.as_ref(), own.integration.as_ref()),
        e2e: further(before.e2e.as_ref(), own.e2e.as_ref()),
        coverage: match &before.coverage[..] {
            [] => own.coverage.clone(),
            before => before.to_vec(),
        },
        // One that is new may stand in place of what is found.
        suites: before.suites.clone(),
        leave_out: both(&before.leave_out, &own.leave_out),
        gone: both(&before.gone, &own.gone),
    }
}

/// What both let off, for as long as both do.
fn waivers(before: &[Waiver], own: &[Waiver]) -> Vec<Waiver> {
    let until = |own: &Waiver| {
        let same = before.iter().filter(|before| {
            let without_day = |waiver: &Waiver| {
                let grant = Grant { expires: own.grant.expires, ..waiver.grant.clone() };
                (waiver.code.clone(), waiver.path.clone(), grant)
            };
            without_day(before) == without_day(own)
        });
        same.map(|before| before.grant.expires.min(own.grant.expires)).max()
    };
    own.iter()
        .filter_map(|own| {
            let grant = Grant { expires: until(own)?, ..own.grant.clone() };
            Some(Waiver { grant, ..own.clone() })
        })
        .collect()
}

/// A release goes no further than either lets it, and past no environment that one of them has on
/// the way. The order is that of before; what is new stands behind what it stands behind.
///
/// Where users are that were nowhere before, a release comes with the next commit: the way there may
/// be shorter than the one to the users of before.
fn environments(before: &EnvironmentList, own: &EnvironmentList) -> EnvironmentList {
    let mut all: Vec<NamedEnvironment> = before
        .iter()
        .map(|before| match own.get(&before.name) {
            Some(own) => NamedEnvironment {
                name: before.name.clone(),
                // Fewer releases come to the later one.
                tier: before.tier.max(own.tier),
                settings: environment(before, own),
                frozen: Vec::new(),
                one_way: Vec::new(),
            },
            None => before.clone(),
        })
        .collect();
    let mut behind = None;
    for new in own {
        let at = match all.iter().position(|there| there.name == new.name) {
            Some(at) => at,
            None if new.tier == Tier::Production => continue,
            None => {
                let at = behind.map_or(0, |behind: usize| behind + 1);
                all.insert(at, new.clone());
                at
            }
        };
        behind = Some(at);
    }
    all.sort_by_key(|environment| environment.tier);
    // It ends at the last one that both have.
    let both = |one: &NamedEnvironment| before.contains(&one.name) && own.contains(&one.name);
    let end = all.iter().rposition(both).map_or(0, |last| last + 1);
    all.truncate(end);
    all.into()
}

fn environment(before: &NamedEnvironment, own: &NamedEnvironment) -> Environment {
    let (before, own) = (&before.settings, &own.settings);
    let measured = before.watch.as_ref().map(|watch| Watch {
        source: watch.source.as_ref().and_then(|source| moved(source, &before.target, &own.target)),
        ..watch.clone()
    });
    Environment {
        // What is asked of a name is asked of its waves: a commit makes none of its own, and takes
        // none out.
        wave_of: before.wave_of.clone(),
        target: own.target.clone(),
        health: health(&before.health, &own.health),
        // How long is waited loosens nothing: no answer is no.
        approval: match (&own.approval, &before.approval) {
            (Some(own), Some(before)) => Some(own.clone().and(before)),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        },
        watch: match (&measured, &own.watch) {
            (Some(before), Some(own)) => Some(watch(before, own)),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        },
        // Each step is watched and judged. Where the target cannot share requests as it could, there
        // is nothing to walk.
        shift: match own.shift.is_as_careful_as(&before.shift) || !shares(&own.target) {
            true => own.shift.clone(),
            false => before.shift.clone(),
        },
        freeze: freeze(&before.freeze, &own.freeze),
        no_return: own.no_return.clone(),
    }
}

/// Whether the target can share requests between two releases.
fn shares(target: &Instance) -> bool {
    let forms = Forms::published();
    let form = forms.ok().and_then(|forms| forms.find(Seam::Target, &target.kind));
    form.is_some_and(|form| form.shares(&target.settings))
}

/// What measures a release where it goes now: a source that speaks of the target before, such as its
/// function, would measure what is there no more. None, which is the monitor agent's own probes, where
/// the target is one of another kind.
fn moved(source: &Instance, before: &Instance, own: &Instance) -> Option<Instance> {
    let same = |key: &str, value: &Value| before.settings.get(key) == Some(value);
    let of_target: Vec<&String> = source
        .settings
        .iter()
        .filter(|(key, value)| same(key, value) && own.settings.get(*key) != Some(*value))
        .map(|(key, _)| key)
        .collect();
    if of_target.is_empty() {
        return Some(source.clone());
    }
    if before.kind != own.kind {
        return None;
    }
    let mut source = source.clone();
    for key in of_target {
        match own.settings.get(key) {
            Some(value) => source.settings.insert(key.clone(), value.clone()),
            None => source.settings.remove(key),
        };
    }
    Some(source)
}

/// Every window of both: one that a commit takes away holds it still. Those of before come first:
/// were there too many, it is not they that are left out.
fn freeze(before: &[Freeze], own: &[Freeze]) -> Vec<Freeze> {
    if before.iter().all(|before| own.contains(before)) {
        return own.to_vec();
    }
    let new = own.iter().filter(|own| !before.contains(own));
    before.iter().chain(new).cloned().collect()
}

fn watch(before: &Watch, own: &Watch) -> Watch {
    Watch {
        seconds: before.seconds.max(own.seconds),
        max_error_rate: before.max_error_rate.min(own.max_error_rate),
        max_p95_ms: before.max_p95_ms.min(own.max_p95_ms),
        source: before.source.clone(),
        inconclusive: cautious(before.inconclusive, own.inconclusive),
        take_back_hours: before.take_back_hours.max(own.take_back_hours),
        // No commit is judged by it.
        objectives: own.objectives.clone(),
    }
}

/// The policy that keeps less of what nobody can say is well.
fn cautious(before: Inconclusive, own: Inconclusive) -> Inconclusive {
    let caution = |policy: Inconclusive| match policy {
        Inconclusive::Keep => 0,
        Inconclusive::Extend => 1,
        Inconclusive::Hold => 2,
        Inconclusive::TakeBack => 3,
    };
    if caution(before) > caution(own) { before } else { own }
}

/// Every probe of both; where they ask the same, with the tighter limits.
fn health(before: &[Probe], own: &[Probe]) -> Vec<Probe> {
    fn asks(probe: &Probe) -> (&str, u16, Option<&str>) {
        (&probe.path, probe.status, probe.contains.as_deref())
    }
    fn limited(probe: Probe, by: &Probe) -> Probe {
        Probe {
            max_latency_ms: probe.max_latency_ms.min(by.max_latency_ms),
            successes: probe.successes.max(by.successes),
            // How often it is asked is no more or less.
            interval_ms: by.interval_ms,
            deadline_seconds: probe.deadline_seconds.min(by.deadline_seconds),
            give_up_after: sooner(probe.give_up_after, by.give_up_after),
            path: probe.path,
            status: probe.status,
            contains: probe.contains,
        }
    }
    if before == own {
        return own.to_vec();
    }
    let of = |own: &Probe| {
        let same = before.iter().filter(|before| asks(before) == asks(own));
        same.fold(own.clone(), limited)
    };
    let mut all: Vec<Probe> = own.iter().map(of).collect();
    let missing = before.iter().filter(|before| !own.iter().any(|own| asks(own) == asks(before)));
    all.extend(missing.cloned());
    all
}

/// The fewer wrong answers in a row; 0 is that none are too many.
fn sooner(one: u32, other: u32) -> u32 {
    match (one, other) {
        (0, times) | (times, 0) => times,
        (one, other) => one.min(other),
    }
}
