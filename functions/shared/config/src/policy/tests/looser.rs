//! What it means to be looser, said apart from how two settings are joined: by destructuring, so that
//! a setting that is added does not compile before somebody says what is looser of it.

use std::collections::BTreeSet;

use pact_contract::{
    NamedEnvironment, Severity, Tier, Waiver,
    policy::Floor,
    settings::{
        CHECKS, CheckMode, CodeSettings, CodeThresholds, Condition, DOCUMENTATION, Environment,
        GateSettings, Inconclusive, LicenseSettings, MACHINES, Migrations, OnSettings, Probe,
        ScanLevel, SecuritySettings, Settings, Suite, Template, TemplatePolicy, TestSettings,
        Watch,
    },
};

/// The settings that count, beside others that they must not be looser than.
pub(super) struct Pair<'a> {
    pub(super) counts: &'a Settings,
    pub(super) than: &'a Settings,
    /// Whether the others are those of before: of what is neither more nor less, such as the command
    /// that tests, theirs has to count.
    pub(super) of_before: bool,
}

/// Collects what is looser.
#[derive(Default)]
struct Looser(Vec<String>);

impl Looser {
    fn unless(&mut self, holds: bool, what: &str) {
        if !holds {
            self.0.push(what.to_owned());
        }
    }

    /// Of what is let off, nothing more.
    fn no_more<T: Ord + Clone>(&mut self, counts: &[T], than: &[T], what: &str) {
        let than: BTreeSet<&T> = than.iter().collect();
        self.unless(counts.iter().all(|one| than.contains(one)), what);
    }

    /// Of what is asked for, everything.
    fn all_of<T: Ord + Clone>(&mut self, counts: &[T], than: &[T], what: &str) {
        self.no_more(than, counts, what);
    }

    /// No pattern at all is everything.
    fn any_of(&mut self, counts: &[String], than: &[String], what: &str) {
        let all = counts.is_empty();
        self.unless(all || !than.is_empty(), what);
        if !all {
            self.all_of(counts, than, what);
        }
    }
}

/// What of the settings that count is looser than of the others; empty: nothing.
pub(super) fn looser(pair: &Pair<'_>) -> Vec<String> {
    let Pair { counts, than, of_before } = *pair;
    let Settings {
        template,
        on,
        documentation,
        checks,
        gate: _,
        code,
        tests,
        security,
        environments,
        // Who is told judges nothing.
        notify: _,
        waivers,
        migrations,
        conditions,
    } = counts;
    let mut found = Looser::default();
    let strict = |template: &Option<Template>| template.unwrap_or_default().strictness();
    found.unless(strict(template) >= strict(&than.template), "template");
    on_settings(&mut found, on, &than.on);
    let list = |list: &Option<Vec<String>>| match list {
        Some(list) => list.clone(),
        None => DOCUMENTATION.iter().map(|glob| (*glob).to_owned()).collect(),
    };
    found.no_more(&list(documentation), &list(&than.documentation), "documentation");
    for name in CHECKS {
        let mode = |checks: &std::collections::BTreeMap<String, CheckMode>| {
            checks.get(*name).copied().unwrap_or(CheckMode::Auto)
        };
        found.unless(rank(mode(checks)) >= rank(mode(&than.checks)), &format!("checks.{name}"));
    }
    let policy = |settings: &Settings| Some(settings.template.unwrap_or_default().policy());
    gate(&mut found, (policy(counts), &counts.gate), (policy(than), &than.gate));
    code_settings(&mut found, code, &than.code);
    found.no_more(&code.ignore, &than.code.ignore, "code.ignore");
    test_settings(&mut found, tests, &than.tests, of_before);
    security_settings(&mut found, security, &than.security);
    waived(&mut found, waivers, &than.waivers);
    migration_settings(&mut found, migrations, &than.migrations);
    asked_for(&mut found, conditions, &than.conditions);
    for environment in environments {
        if let Some(other) = than.environments.get(&environment.name) {
            one_environment(&mut found, environment, other, of_before);
        } else {
            // What is tried in a new environment is more; users are nowhere where they were not.
            let more = environment.tier == Tier::Staging || !of_before;
            found.unless(more, "environments, to users");
        }
    }
    found.0
}

/// What of the settings that count is looser than the floor.
pub(super) fn below(counts: &Settings, floor: &Floor) -> Vec<String> {
    let Floor { template, checks, gate: asked, code, approval } = floor;
    let mut found = Looser::default();
    let strictness = counts.template.unwrap_or_default().strictness();
    found.unless(template.is_none_or(|least| strictness >= least.strictness()), "template");
    for (name, least) in checks {
        let mode = counts.checks.get(name).copied().unwrap_or(CheckMode::Auto);
        found.unless(rank(mode) >= rank(*least), &format!("checks.{name}"));
        let lets_off = |condition: &Condition| condition.skip.contains(name);
        let skipped = counts.conditions.iter().any(lets_off);
        found.unless(*least == CheckMode::Skip || !skipped, &format!("conditions, {name}"));
    }
    let policy = Some(counts.template.unwrap_or_default().policy());
    gate(&mut found, (policy, &counts.gate), (template.map(Template::policy), asked));
    if let Some(code) = code {
        code_settings(&mut found, &counts.code, code);
    }
    for (name, least) in approval {
        let whole = counts.environments.get(name);
        let first = counts.environments.waves_of(name).next();
        let asks = |one: &NamedEnvironment| {
            one.settings.approval.as_ref().is_some_and(|asked| asked.people >= least.people)
        };
        found.unless(whole.is_none_or(asks) && first.is_none_or(asks), "approval");
    }
    found.0
}

const fn rank(mode: CheckMode) -> u8 {
    match mode {
        CheckMode::Skip => 0,
        CheckMode::Auto => 1,
        CheckMode::Require => 2,
    }
}

fn on_settings(found: &mut Looser, counts: &OnSettings, than: &OnSettings) {
    let OnSettings { branches, tags, paths, paths_ignore, verify_only } = counts;
    found.any_of(branches, &than.branches, "on.branches");
    found.all_of(tags, &than.tags, "on.tags");
    found.any_of(paths, &than.paths, "on.paths");
    found.no_more(paths_ignore, &than.paths_ignore, "on.paths_ignore");
    let list = |list: &Option<Vec<String>>| match list {
        Some(list) => list.clone(),
        None => MACHINES.iter().map(|glob| (*glob).to_owned()).collect(),
    };
    found.all_of(&list(verify_only), &list(&than.verify_only), "on.verify_only");
}

/// A gate with the template whose thresholds stand where it sets none.
type Asked<'a> = (Option<TemplatePolicy>, &'a GateSettings);

fn gate(found: &mut Looser, counts: Asked<'_>, than: Asked<'_>) {
    let GateSettings {
        min_coverage,
        min_changed_coverage,
        max_severity,
        quality_score,
        max_quality_findings,
        fixes_only_when_spent,
    } = counts.1;
    found.unless(
        *fixes_only_when_spent || !than.1.fixes_only_when_spent,
        "gate.fixes_only_when_spent",
    );
    let least = |(policy, gate): &Asked<'_>| {
        gate.min_coverage.or(policy.map(|policy| policy.min_coverage)).unwrap_or(0.0)
    };
    found.unless(least(&counts) >= least(&than), "gate.min_coverage");
    // What a file sets has to be measured.
    found.unless(min_coverage.is_some() || than.1.min_coverage.is_none(), "gate.min_coverage set");
    let changed = |least: &Option<f64>| least.unwrap_or(-1.0);
    found.unless(
        changed(min_changed_coverage) >= changed(&than.1.min_changed_coverage),
        "gate.min_changed_coverage",
    );
    // A template rejects what is high; a comprehensive scan what is medium.
    let gravest = |(policy, gate): &Asked<'_>| {
        let by_template = policy.map(|policy| match policy.scan {
            ScanLevel::Comprehensive => Severity::Low,
            ScanLevel::Basic | ScanLevel::Standard => Severity::Medium,
        });
        gate.max_severity.or(by_template).unwrap_or(Severity::Critical)
    };
    found.unless(gravest(&counts) <= gravest(&than), "gate.max_severity");
    found.unless(max_severity.is_some() || than.1.max_severity.is_none(), "gate.max_severity set");
    let most = |most: &Option<u64>| most.unwrap_or(u64::MAX);
    found.unless(
        most(max_quality_findings) <= most(&than.1.max_quality_findings),
        "gate.max_quality_findings",
    );
    let scored = |(policy, gate): &Asked<'_>| {
        gate.quality_score || policy.is_some() && gate.max_quality_findings.is_none()
    };
    // Without a finding there is nothing to be scored.
    let scores = *quality_score || scored(&counts) || *max_quality_findings == Some(0);
    found.unless(scores || !scored(&than), "gate.quality_score");
}

fn code_settings(found: &mut Looser, counts: &CodeSettings, than: &CodeSettings) {
    let CodeSettings {
        max_cyclomatic,
        max_cognitive,
        max_function_lines,
        max_nesting,
        max_parameters,
        max_duplicate_tokens,
        tests,
        // The floor says nothing of it.
        ignore: _,
    } = counts;
    let within = *max_cyclomatic <= than.max_cyclomatic
        && *max_cognitive <= than.max_cognitive
        && *max_function_lines <= than.max_function_lines
        && *max_nesting <= than.max_nesting
        && *max_parameters <= than.max_parameters
        && *max_duplicate_tokens <= than.max_duplicate_tokens;
    found.unless(within, "code");
    let CodeThresholds {
        max_cyclomatic,
        max_cognitive,
        max_function_lines,
        max_nesting,
        max_parameters,
    } = tests;
    let within = *max_cyclomatic <= than.tests.max_cyclomatic
        && *max_cognitive <= than.tests.max_cognitive
        && *max_function_lines <= than.tests.max_function_lines
        && *max_nesting <= than.tests.max_nesting
        && *max_parameters <= than.tests.max_parameters;
    found.unless(within, "code.tests");
}

fn test_settings(found: &mut Looser, counts: &TestSettings, than: &TestSettings, of_before: bool) {
    let TestSettings { unit, integration, e2e, coverage, suites, leave_out, gone } = counts;
    found.no_more(leave_out, &than.leave_out, "tests.leave_out");
    found.no_more(gone, &than.gone, "tests.gone");
    if !of_before {
        return;
    }
    for (name, counts, than) in [
        ("tests.unit", unit, &than.unit),
        ("tests.integration", integration, &than.integration),
        ("tests.e2e", e2e, &than.e2e),
    ] {
        match (counts, than) {
            (Some(counts), Some(than)) => {
                // Nobody is let off by a time-out that is shorter or longer.
                let Suite { runner, timeout_seconds: _, reports, isolated } = counts;
                found.unless(*runner == than.runner, name);
                found.unless(than.reports.is_empty() || *reports == than.reports, name);
                found.unless(*isolated || !than.isolated, name);
            }
            (None, Some(_)) => found.unless(false, name),
            // What stands in the place of suites that are found is not more.
            (Some(_), None) => found.unless(name != "tests.unit", name),
            (None, None) => {}
        }
    }
    found.unless(than.coverage.is_empty() || *coverage == than.coverage, "tests.coverage");
    found.unless(*suites == than.suites, "tests.suites");
}

fn security_settings(found: &mut Looser, counts: &SecuritySettings, than: &SecuritySettings) {
    let SecuritySettings { ignore, accept, sarif, rules, licenses } = counts;
    found.no_more(ignore, &than.ignore, "security.ignore");
    let ids = |accept: &std::collections::BTreeMap<String, String>| -> Vec<String> {
        accept.keys().cloned().collect()
    };
    found.no_more(&ids(accept), &ids(&than.accept), "security.accept");
    found.all_of(sarif, &than.sarif, "security.sarif");
    found.all_of(rules, &than.rules, "security.rules");
    let LicenseSettings { allow, deny, unknown } = licenses;
    let than = &than.licenses;
    match (allow, &than.allow) {
        (Some(counts), Some(than)) => found.no_more(counts, than, "security.licenses.allow"),
        (counts, than) => {
            found.unless(counts.is_some() || than.is_none(), "security.licenses.allow");
        }
    }
    found.all_of(deny, &than.deny, "security.licenses.deny");
    found.unless(!than.is_set() || *unknown <= than.unknown, "security.licenses.unknown");
}

fn waived(found: &mut Looser, counts: &[Waiver], than: &[Waiver]) {
    let known = |waiver: &Waiver| {
        than.iter().any(|than| {
            than.code == waiver.code
                && than.path == waiver.path
                && than.grant.owner == waiver.grant.owner
                && than.grant.reason == waiver.grant.reason
                && than.grant.expires >= waiver.grant.expires
        })
    };
    found.unless(counts.iter().all(known), "waivers");
}

fn migration_settings(found: &mut Looser, counts: &Migrations, than: &Migrations) {
    let Migrations { paths, up, down } = counts;
    found.all_of(paths, &than.paths, "migrations.paths");
    // Without both ends no migration has a down step.
    let without = |up: &Option<String>, down: &Option<String>| up.is_none() || down.is_none();
    let never = !than.paths.is_empty() && without(&than.up, &than.down);
    found.unless(!never || without(up, down), "migrations.down");
}

fn asked_for(found: &mut Looser, counts: &[Condition], than: &[Condition]) {
    for asked in than {
        let Condition { name, when, require, skip: _, then } = asked;
        if require.is_empty() && then.is_none() {
            continue;
        }
        let same = |one: &Condition| {
            (&one.name, &one.when, &one.require, &one.then) == (name, when, require, then)
        };
        found.unless(counts.iter().any(same), "conditions");
    }
    for counts in counts.iter().filter(|counts| !counts.skip.is_empty()) {
        let lets_off = |one: &Condition| {
            one.when == counts.when && counts.skip.iter().all(|check| one.skip.contains(check))
        };
        found.unless(than.iter().any(lets_off), "conditions.skip");
    }
}

fn one_environment(
    found: &mut Looser,
    counts: &NamedEnvironment,
    than: &NamedEnvironment,
    of_before: bool,
) {
    let name = &counts.name;
    found.unless(counts.tier >= than.tier, &format!("environments.{name}.tier"));
    let Environment {
        // Where a release goes, and what follows from that, is the commit's own.
        target,
        no_return: _,
        health,
        approval,
        watch,
        shift,
        freeze,
        wave_of,
    } = &counts.settings;
    let than = &than.settings;
    let mut unless = |holds, key: &str| found.unless(holds, &format!("environments.{name}.{key}"));
    let asks =
        |one: &Option<pact_contract::settings::Approval>| one.as_ref().map_or(0, |one| one.people);
    unless(asks(approval) >= asks(&than.approval), "approval");
    unless(than.freeze.iter().all(|one| freeze.contains(one)), "freeze");
    for asked in &than.health {
        let tighter = |probe: &Probe| {
            let Probe {
                path,
                status,
                contains,
                max_latency_ms,
                successes,
                // How often it is asked is no more or less.
                interval_ms: _,
                deadline_seconds,
                give_up_after,
            } = probe;
            let patient = |times: u32| if times == 0 { u32::MAX } else { times };
            (path, status, contains) == (&asked.path, &asked.status, &asked.contains)
                && *max_latency_ms <= asked.max_latency_ms
                && *successes >= asked.successes
                && *deadline_seconds <= asked.deadline_seconds
                && patient(*give_up_after) <= patient(asked.give_up_after)
        };
        unless(health.iter().any(tighter), "health");
    }
    match (watch, &than.watch) {
        (Some(counts), Some(than_watch)) => {
            let Watch {
                seconds,
                max_error_rate,
                max_p95_ms,
                source,
                inconclusive,
                take_back_hours,
                // No commit is judged by it.
                objectives: _,
            } = counts;
            let within = *seconds >= than_watch.seconds
                && *max_error_rate <= than_watch.max_error_rate
                && *max_p95_ms <= than_watch.max_p95_ms
                && *take_back_hours >= than_watch.take_back_hours;
            unless(within, "watch");
            unless(caution(*inconclusive) >= caution(than_watch.inconclusive), "inconclusive");
            let stays = !of_before || *target != than.target || *source == than_watch.source;
            unless(stays, "watch.source");
        }
        (counts, than) => unless(counts.is_some() || than.is_none(), "watch"),
    }
    // Whoever walks the steps by hand: at no time does the release have more of the requests.
    let share = |shift: &pact_contract::shift::Shift, at: u64| {
        let mut ends = 0_u64;
        let step = shift.steps.iter().find(|step| {
            ends += step.seconds;
            at < ends
        });
        step.map_or(100, |step| step.weight)
    };
    let able = target.kind == "lambda" || target.settings.contains_key("service");
    let slow = (0..4_000).step_by(10).all(|at| share(shift, at) <= share(&than.shift, at));
    let probed = than.shift.steps.is_empty() || !shift.steps.is_empty();
    unless(!of_before || !able || slow && probed, "strategy");
    unless(!of_before || *wave_of == than.wave_of, "wave_of");
}

const fn caution(policy: Inconclusive) -> u8 {
    match policy {
        Inconclusive::Keep => 0,
        Inconclusive::Extend => 1,
        Inconclusive::Hold => 2,
        Inconclusive::TakeBack => 3,
    }
}
