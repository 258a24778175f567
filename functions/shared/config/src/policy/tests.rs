use pact_contract::{
    EnvironmentList, EnvironmentName, NamedEnvironment, Tier,
    policy::Floor,
    settings::{Approval, Environment, Instance, Settings},
};
use proptest::prelude::*;

use super::*;

mod every_setting;
mod looser;

fn parsed(text: &str) -> Settings {
    crate::parse(text, "pact.toml").expect("settings")
}

const DEPLOYED: &str = r#"
[environments.staging]
target = "directory"
path = "a"
[environments.production]
target = "directory"
path = "b"
"#;

/// Each pair is a file before and what a commit makes of it, with the keys that are loosened.
fn judged(before: &str, own: &str) -> (Judged, Vec<String>) {
    let judged = judge(Some(&parsed(before)), &parsed(own), &Floor::default());
    let keys = judged.loosened.iter().map(|d| d.key.clone()).collect();
    (judged, keys)
}

#[test]
fn what_is_loosened_is_named_and_does_not_count() {
    for (before, own, keys) in [
        ("gate.min_coverage = 80", "gate.min_coverage = 50", vec!["gate.min_coverage"]),
        ("gate.min_coverage = 80", "", vec!["gate.min_coverage"]),
        ("", "gate.min_coverage = 10", vec!["gate.min_coverage"]),
        ("template = \"production\"", "", vec!["template"]),
        ("", "template = \"hotfix\"", vec!["template"]),
        ("", "checks.secrets = \"skip\"", vec!["checks.secrets"]),
        ("checks.unit = \"require\"", "checks.unit = \"auto\"", vec!["checks.unit"]),
        ("", "gate.max_severity = \"critical\"", vec!["gate.max_severity"]),
        ("", "gate.max_quality_findings = 5", vec!["gate.max_quality_findings"]),
        ("gate.fixes_only_when_spent = true", "", vec!["gate.fixes_only_when_spent"]),
        ("", "security.ignore = [\"src/**\"]", vec!["security.ignore"]),
        ("", "security.accept.CVE-2020-1 = \"a reason\"", vec!["security.accept.CVE-2020-1"]),
        ("", "code.ignore = [\"src/**\"]", vec!["code.ignore"]),
        (
            "",
            "conditions = [{ name = \"a\", when = \"true\", skip = [\"unit\"] }]",
            vec!["conditions"],
        ),
        (
            "conditions = [{ name = \"a\", when = \"true\", then = \"hold\" }]",
            "conditions = [{ name = \"a\", when = \"false\", then = \"hold\" }]",
            vec!["conditions"],
        ),
        ("", "code.max_cyclomatic = 99", vec!["code.max_cyclomatic"]),
        ("", "documentation = [\"**\"]", vec!["documentation"]),
        (
            "tests.unit.command = [\"make\", \"test\"]",
            "tests.unit.command = [\"true\"]",
            vec!["tests.unit"],
        ),
        ("", "tests.unit.command = [\"true\"]", vec!["tests.unit"]),
        ("", "tests.leave_out = [\"web\"]", vec!["tests.leave_out"]),
        ("", "tests.gone = [\"web\"]", vec!["tests.gone"]),
        ("", "tests.suites = [{ name = \"web\", command = [\"true\"] }]", vec!["tests.suites"]),
        ("tests.integration.command = [\"it\"]", "", vec!["tests.integration"]),
        (
            "environments.production = { target = \"directory\", freeze = [{ reason = \"a\" }] }",
            "environments.production = { target = \"directory\", freeze = [{ reason = \"b\" }] }",
            vec!["environments.production.freeze"],
        ),
        // More of the requests, and sooner; a service that is asked for longer while it is broken.
        (
            "environments.live = { tier = \"production\", target = \"lambda\", function = \"f\", strategy = \"canary\", health = [{ path = \"http://h/\" }] }",
            "environments.live = { tier = \"production\", target = \"lambda\", function = \"f\", health = [{ path = \"http://h/\", give_up_after = 0 }] }",
            vec!["environments.live.health", "environments.live.strategy"],
        ),
        ("", "on.branches = [\"main\"]", vec!["on"]),
        ("on.paths = [\"a/**\", \"b/**\"]", "on.paths = [\"a/**\"]", vec!["on.paths"]),
        ("", "on.paths_ignore = [\"src/**\"]", vec!["on"]),
        ("", "on.verify_only = []", vec!["on.verify_only"]),
        ("on.tags = [\"v*\"]", "", vec!["on"]),
        ("migrations.paths = [\"db/**\"]", "", vec!["migrations"]),
        (
            "migrations.paths = [\"db/**\"]",
            "migrations = { paths = [\"db/**\"], up = \".sql\", down = \".down.sql\" }",
            vec!["migrations.down", "migrations.up"],
        ),
    ] {
        let (judged, found) = judged(before, own);
        assert_eq!(found, keys, "{before} -> {own}");
        let whole = judge(Some(&parsed(before)), &judged.settings, &Floor::default());
        assert_eq!(whole.loosened, vec![], "{before} -> {own}");
    }
}

#[test]
fn a_strategy_that_is_slower_counts_at_once_and_one_that_the_target_cannot_walk_is_let_go() {
    let live = |more: &str| {
        format!(
            "environments.live = {{ tier = \"production\", health = [{{ path = \"http://h/\" }}], {more} }}"
        )
    };
    let canary = live("target = \"lambda\", function = \"f\", strategy = \"canary\"");
    let slower = live(
        "target = \"lambda\", function = \"f\", strategy = \"canary\", steps = [{ weight = 1, minutes = 10 }, { weight = 50, minutes = 1 }]",
    );
    assert_eq!(judged(&canary, &slower).0.settings, parsed(&slower));
    let elsewhere = live("target = \"directory\", path = \"p\"");
    let (judged, _) = judged(&canary, &elsewhere);
    let live = judged.settings.environments.get("live").expect("is there");
    assert_eq!(live.settings.shift, Default::default());
}

#[test]
fn a_release_that_goes_elsewhere_is_measured_there() {
    let live = |function: &str, more: &str| {
        format!(
            "environments.live = {{ tier = \"production\", target = \"lambda\", function = {function:?}, watch = {{ source = \"cloudwatch\"{more} }} }}"
        )
    };
    let source = |before: &str, own: &str| {
        let (judged, _) = judged(before, own);
        let live = judged.settings.environments.get("live").expect("is there").settings.clone();
        live.watch.expect("a watch").source
    };
    let moved = source(&live("old", ""), &live("new", "")).expect("a source");
    assert_eq!(moved.settings.get("function"), Some(&"new".into()));
    // What somebody wrote is not turned aside.
    let other = ", function = \"front\"";
    let kept =
        source(&live("old", other), &live("new", ", function = \"quiet\"")).expect("a source");
    assert_eq!(kept.settings.get("function"), Some(&"front".into()));
    let folder =
        "environments.live = { tier = \"production\", target = \"directory\", path = \"p\" }";
    assert_eq!(source(&live("old", ""), folder), None, "the monitor agent's own probes");
}

#[test]
fn no_condition_lets_off_what_the_floor_asks_for() {
    let text = "conditions = [{ name = \"a\", when = \"true\", skip = [\"secrets\", \"unit\"] }]";
    let floor: Floor =
        serde_json::from_str(r#"{ "checks": { "secrets": "auto" } }"#).expect("a floor");
    let judged = judge(Some(&parsed(text)), &parsed(text), &floor);
    assert_eq!(judged.settings.conditions[0].skip, ["unit"]);
    assert_eq!(judged.kept.conditions[0].skip, ["secrets", "unit"]);
    let raised: Vec<_> = judged.raised.iter().map(|d| d.key.as_str()).collect();
    assert_eq!(raised, ["checks.secrets", "conditions"]);
}

#[test]
fn windows_that_were_agreed_to_come_before_those_that_a_commit_adds() {
    let file = |reason: &str| {
        let windows: Vec<String> =
            (0..10).map(|n| format!("{{ reason = \"{reason} {n}\" }}")).collect();
        format!(
            "environments.live = {{ tier = \"production\", target = \"directory\", path = \"p\", freeze = [{}] }}",
            windows.join(", ")
        )
    };
    let two = stricter(&stricter(&parsed(&file("a")), &parsed(&file("b"))), &parsed(&file("c")));
    let freeze = &two.environments.get("live").expect("is there").settings.freeze;
    assert_eq!((freeze.len(), freeze[9].reason.as_str()), (30, "a 9"));
}

fn waived(owner: &str, expires: &str) -> String {
    format!(
        "[[waivers]]\ncode = \"secret-jwt\"\nowner = {owner:?}\nreason = \"r\"\nexpires = {expires}\n"
    )
}

#[test]
fn a_waiver_counts_from_the_next_commit_and_a_longer_one_for_the_longer_time() {
    let (judged_, keys) = judged("", &waived("ada", "2027-03-31"));
    assert_eq!((judged_.settings.waivers, keys), (vec![], vec!["waivers".to_owned()]));
    assert_eq!(
        judged_.loosened[0].sentence,
        "waivers has \"secret-jwt\" by \"ada\" until \"2027-03-31\"; this commit is judged without \
         that"
    );
    let before = waived("ada", "2027-03-31");
    let (judged_, keys) = judged(&before, &waived("ada", "2028-03-31"));
    assert_eq!(judged_.settings.waivers, parsed(&before).waivers);
    assert_eq!(keys, ["waivers"]);
    let earlier = waived("ada", "2027-01-01");
    let (judged_, keys) = judged(&before, &earlier);
    assert_eq!((judged_.settings.waivers, keys), (parsed(&earlier).waivers, vec![]));
    assert_eq!(judged(&before, "").1, Vec::<String>::new());
    assert_eq!(judged(&before, &waived("eve", "2027-03-31")).1, ["waivers"]);
}

#[test]
fn what_is_tightened_counts_at_once() {
    for (before, own) in [
        ("", "gate.min_coverage = 90"),
        ("", "gate.min_changed_coverage = 90"),
        ("", "gate.fixes_only_when_spent = true"),
        ("gate.max_severity = \"medium\"", "gate.max_severity = \"low\""),
        ("checks.unit = \"skip\"", ""),
        ("template = \"hotfix\"", "template = \"production\""),
        ("security.ignore = [\"a\", \"b\"]", "security.ignore = [\"b\"]"),
        ("code.max_nesting = 9", "code.max_nesting = 3"),
        ("", "tests.e2e.command = [\"e2e\"]"),
        ("", "conditions = [{ name = \"a\", when = \"risk > 9\", then = \"hold\" }]"),
        ("", "migrations = { paths = [\"db/**\"], up = \".sql\", down = \".down.sql\" }"),
        ("documentation = [\"docs/**\", \"*.md\"]", "documentation = [\"*.md\"]"),
        ("on.branches = [\"main\"]", ""),
        ("on.paths = [\"a/**\"]", "on.paths = [\"b/**\", \"a/**\"]"),
        (
            "",
            "on = { tags = [\"v*\"], verify_only = [\"x\", \"gh-readonly-queue/**\", \"dependabot/**\", \"renovate/**\"] }",
        ),
    ] {
        let (judged, keys) = judged(before, own);
        assert_eq!(keys, Vec::<String>::new(), "{before} -> {own}");
        assert_eq!(judged.settings, parsed(own), "{before} -> {own}");
    }
}

#[test]
fn an_approval_that_is_taken_out_is_asked_for_nevertheless() {
    let asked = format!("{DEPLOYED}[environments.production.approval]\ntimeout_minutes = 5\n");
    let (with, keys) = judged(&asked, DEPLOYED);
    assert_eq!(keys, ["environments.production.approval"]);
    let production = &with.settings.environments.get("production").expect("is there").settings;
    assert_eq!(production.approval.as_ref().map(|a| a.timeout_minutes), Some(5));
}

#[test]
fn a_release_goes_no_further_than_before_and_passes_staging() {
    let staging = DEPLOYED.split("[environments.production]").next().expect("a part");
    let (judged_, keys) = judged(staging, DEPLOYED);
    assert_eq!(keys, ["environments.production"]);
    assert!(!judged_.settings.environments.contains("production"));
    let straight = "[environments.production]\ntarget = \"directory\"\npath = \"b\"\n";
    let (judged_, keys) = judged(DEPLOYED, straight);
    assert_eq!(keys, ["environments.staging"]);
    assert_eq!(judged_.settings.environments.len(), 2);
    // A way that is shorter at its end is no milder.
    assert_eq!(judged(DEPLOYED, staging).1, Vec::<String>::new());
}

#[test]
fn the_place_is_that_of_the_setting_or_of_the_table_above() {
    let text =
        "template = \"hotfix\"\n\n[gate]\n  min_coverage = 1\n[[environments.staging.health]]\n";
    assert_eq!(place_of(text, "gate.min_coverage"), Some((4, 3)));
    assert_eq!(place_of(text, "gate.max_severity"), Some((3, 2)));
    assert_eq!(place_of(text, "template"), Some((1, 1)));
    assert_eq!(place_of(text, "security.ignore"), None);
    let text = "[[conditions]]\nname = \"a\"\n[[conditions]]\nname = \"b\"\nwhen = \"c\"\n";
    assert_eq!(place_of(text, "conditions.1.when"), Some((5, 1)));
    assert_eq!(place_of(text, "conditions.7.when"), Some((1, 3)));
    assert_eq!(place_of("[", "gate"), None);
}

#[test]
fn the_floor_holds_whoever_judges() {
    let floor: Floor = serde_json::from_str(
        r#"{ "template": "production", "checks": { "secrets": "auto", "unit": "require" },
             "gate": { "min_coverage": 60.0 },
             "approval": { "production": { "timeout_minutes": 30 } } }"#,
    )
    .expect("a floor");
    let own = format!("gate.min_coverage = 40\nchecks.secrets = \"skip\"\n{DEPLOYED}");
    let judged = judge(None, &parsed(&own), &floor);
    assert_eq!(judged.loosened, vec![]);
    let settings = &judged.settings;
    assert_eq!(settings.gate.min_coverage, Some(60.0));
    assert_eq!(settings.checks["secrets"], CheckMode::Auto);
    assert_eq!(settings.checks["unit"], CheckMode::Require);
    assert!(settings.environments.get("production").expect("is there").settings.approval.is_some());
    assert!(settings.environments.get("staging").expect("is there").settings.approval.is_none());
    let keys: Vec<_> = judged.raised.iter().map(|d| d.key.as_str()).collect();
    let expected = [
        "checks.secrets",
        "checks.unit",
        "environments.production.approval",
        "gate.min_coverage",
        "template",
    ];
    assert_eq!(keys, expected);
    assert!(serde_json::from_str::<Floor>(r#"{ "gates": {} }"#).is_err());
}

/// Production in two regions, the lines of the second as given.
fn in_waves(lines: &str, more: &str) -> String {
    format!(
        "[environments.staging]\ntarget = \"directory\"\npath = \"a\"\n{more}\
         [environments.production]\ntarget = \"lambda\"\nfunction = \"shop\"\n\
         [[environments.production.waves]]\nregion = \"eu-west-1\"\n\
         [[environments.production.waves]]\nregion = \"us-east-1\"\n{lines}"
    )
}

fn asking(settings: &Settings) -> Vec<&str> {
    let asks = settings.environments.iter().filter(|e| e.settings.approval.is_some());
    asks.map(|environment| environment.name.as_str()).collect()
}

#[test]
fn what_is_asked_of_a_name_is_asked_of_its_waves_once() {
    let floor: Floor =
        serde_json::from_str(r#"{ "approval": { "production": { "timeout_minutes": 30 } } }"#)
            .expect("a floor");
    let raised = raise(&parsed(&in_waves("", "")), &floor);
    assert_eq!(asking(&raised), ["production-eu-west-1"]);
    // A name of its own takes none of the waves out of what is asked of their whole.
    let before = in_waves("", "[environments.production.approval]\n");
    let own = "[environments.staging]\ntarget = \"directory\"\npath = \"a\"\n\
               [environments.production-us-east-1]\ntier = \"production\"\ntarget = \"lambda\"\n\
               function = \"shop\"\nregion = \"us-east-1\"\n";
    let (judged, keys) = judged(&before, own);
    let counts = &judged.settings.environments;
    let wave = counts.get("production-us-east-1").expect("is there");
    assert_eq!(wave.settings.wave_of.as_ref().map(|name| name.as_str()), Some("production"));
    assert_eq!(asking(&judged.settings), ["production-eu-west-1"]);
    assert!(keys.contains(&"environments.production-us-east-1.wave_of".to_owned()), "{keys:?}");
    assert!(keys.contains(&"environments.production-eu-west-1".to_owned()), "{keys:?}");
    let place = place_of(&before, "environments.production-eu-west-1.approval");
    let head =
        before.lines().position(|line| line.contains("production.approval")).expect("is there");
    assert_eq!(place.map(|(line, _)| line as usize), Some(head + 1), "{before}");
    // Which of them comes first is no way around the question either.
    let turned = before.replace("eu-west-1", "x").replace("us-east-1", "eu-west-1");
    let turned = turned.replace("\"x\"", "\"us-east-1\"");
    let both = judge(Some(&parsed(&before)), &parsed(&turned), &Floor::default());
    assert_eq!(asking(&both.settings), ["production-eu-west-1", "production-us-east-1"]);
}

pub(crate) fn some_settings() -> impl Strategy<Value = Settings> {
    let template = prop::option::of(prop::sample::select(vec![
        "default",
        "production",
        "microservice",
        "frontend",
        "ml_model",
        "hotfix",
    ]));
    let check = || prop::option::of(prop::sample::select(vec!["auto", "skip", "require"]));
    let number = || prop::option::of(0_u32..=100);
    let severity =
        prop::option::of(prop::sample::select(vec!["info", "low", "medium", "high", "critical"]));
    let globs = || prop::sample::subsequence(vec!["\"a/**\"", "\"b/**\"", "\"*.md\""], 0..=3);
    let ways = prop::sample::subsequence(vec!["staging", "production"], 0..=2);
    let approval = any::<bool>();
    (
        (template, check(), check(), check(), number(), number(), severity, number()),
        (globs(), prop::option::of(globs()), 1_u32..40, ways, approval, prop::option::of(0_u8..3)),
        prop::collection::vec((prop::sample::select(vec!["ada", "eve"]), 2027..2030), 0..3),
    )
        .prop_map(
            |(
                (template, unit, secrets, quality, least, changed, severity, most),
                rest,
                waivers,
            )| {
                let (ignore, documentation, nesting, ways, approval, suite) = rest;
                let mut text = String::new();
                let mut line = |line: String| {
                    text.push_str(&line);
                    text.push('\n');
                };
                if let Some(template) = template {
                    line(format!("template = {template:?}"));
                }
                if let Some(globs) = documentation {
                    line(format!("documentation = [{}]", globs.join(", ")));
                }
                for (name, mode) in [("unit", unit), ("secrets", secrets), ("quality", quality)] {
                    if let Some(mode) = mode {
                        line(format!("checks.{name} = {mode:?}"));
                    }
                }
                if let Some(least) = least {
                    line(format!("gate.min_coverage = {least}"));
                }
                if let Some(least) = changed {
                    line(format!("gate.min_changed_coverage = {least}"));
                }
                if let Some(severity) = severity {
                    line(format!("gate.max_severity = {severity:?}"));
                }
                if let Some(most) = most {
                    line(format!("gate.max_quality_findings = {most}"));
                }
                line(format!("security.ignore = [{}]", ignore.join(", ")));
                line(format!("code.max_nesting = {nesting}"));
                if let Some(suite) = suite {
                    line(format!("tests.integration.command = [\"it\", \"{suite}\"]"));
                }
                for (owner, year) in waivers {
                    line(waived(owner, &format!("{year}-01-01")));
                }
                for way in ways {
                    line(format!("[environments.{way}]\ntarget = \"directory\"\npath = {way:?}"));
                    if approval {
                        line(format!("[environments.{way}.approval]"));
                    }
                }
                parsed(&text)
            },
        )
}

/// Environments of some names, in some order.
fn some_environments() -> impl Strategy<Value = EnvironmentList> {
    let all = vec!["dev", "staging", "qa", "canary", "production", "live"];
    let names = prop::sample::subsequence(all, 0..=6).prop_shuffle();
    (names, any::<[bool; 6]>(), any::<[bool; 6]>()).prop_map(|(names, users, asked)| {
        let named = |((name, users), asked): ((&str, bool), bool)| {
            let name: EnvironmentName = name.parse().expect("a name");
            let usual = if users { Tier::Production } else { Tier::Staging };
            let approval = asked.then_some(Approval::within(5));
            let settings = Environment {
                target: Instance::new("directory"),
                health: Vec::new(),
                approval,
                watch: None,
                shift: Default::default(),
                freeze: Vec::new(),
                no_return: None,
                wave_of: None,
            };
            let tier = Tier::of(&name).unwrap_or(usual);
            NamedEnvironment { tier, name, settings, frozen: Vec::new(), one_way: Vec::new() }
        };
        names.into_iter().zip(users).zip(asked).map(named).collect()
    })
}

#[test]
fn what_would_shorten_the_way_or_change_its_order_does_not_count() {
    let one = |name: &str, tier: &str| {
        format!("[environments.{name}]\ntier = {tier:?}\ntarget = \"directory\"\npath = {name:?}\n")
    };
    let (dev, qa) = (one("dev", "staging"), one("qa", "staging"));
    let (canary, live) = (one("canary", "production"), one("live", "production"));
    let asked = live.clone() + "[environments.live.approval]\n";
    for (before, own, keys, way) in [
        // Removed, and the order of the others changed.
        (
            [&*dev, &qa, &live].concat(),
            [&*live].concat(),
            vec!["environments.dev", "environments.qa"],
            "dev qa live",
        ),
        (
            [&*dev, &qa, &live].concat(),
            [&*qa, &dev, &live].concat(),
            vec!["environments"],
            "dev qa live",
        ),
        // What is new: to try it, at once; for users, with the next commit.
        ([&*dev, &live].concat(), [&*dev, &qa, &live].concat(), vec![], "dev qa live"),
        (
            [&*dev, &asked].concat(),
            [&*dev, &canary, &asked].concat(),
            vec!["environments.canary"],
            "dev live",
        ),
        ([&*dev].concat(), [&*dev, &qa].concat(), vec!["environments.qa"], "dev"),
        // Where users are, users stay: other branches do not come there.
        (
            [&*dev, &canary].concat(),
            [&*dev, &one("canary", "staging")].concat(),
            vec!["environments.canary.tier", "environments.canary.watch"],
            "dev canary",
        ),
        (
            [&*dev, &one("canary", "staging")].concat(),
            [&*dev, &canary].concat(),
            vec![],
            "dev canary",
        ),
        // Nobody is asked any more, nothing probed, nothing watched.
        (
            [&*dev, &asked].concat(),
            [&*dev, &live].concat(),
            vec!["environments.live.approval"],
            "dev live",
        ),
        (
            dev.clone() + "[[environments.dev.health]]\npath = \"http://h/x\"\n",
            dev.clone(),
            vec!["environments.dev.health"],
            "dev",
        ),
        (
            dev.clone() + "[environments.dev.watch]\n",
            dev.clone(),
            vec!["environments.dev.watch"],
            "dev",
        ),
    ] {
        let (judged, found) = judged(&before, &own);
        assert_eq!(found, keys, "{before} -> {own}");
        let names: Vec<_> =
            judged.settings.environments.names().map(EnvironmentName::as_str).collect();
        assert_eq!(names.join(" "), way, "{before} -> {own}");
    }
}

proptest! {
    #[test]
    fn a_way_is_no_shorter_than_that_of_before_and_no_longer_than_either(
        before in some_environments(), own in some_environments(),
    ) {
        let with = |environments: &EnvironmentList| Settings {
            environments: environments.clone(),
            ..Settings::default()
        };
        let way = stricter(&with(&before), &with(&own)).environments;
        let last = way.iter().next_back();
        prop_assert!(last.is_none_or(|e| before.contains(&e.name) && own.contains(&e.name)));
        for environment in &way {
            let of = [before.get(&environment.name), own.get(&environment.name)];
            for one in of.into_iter().flatten() {
                prop_assert!(one.tier <= environment.tier);
                let asked = environment.settings.approval.is_some();
                prop_assert!(asked || one.settings.approval.is_none());
            }
            // Users are nowhere where they were not before.
            prop_assert!(of[0].is_some() || environment.tier == Tier::Staging);
        }
        // Whatever was passed before on the way to one that is reached is passed still, before it.
        let at = |name: &EnvironmentName| way.names().position(|n| n == name);
        for (index, reached) in before.iter().enumerate() {
            let Some(reached_at) = at(&reached.name) else { continue };
            for passed in before.iter().take(index) {
                let on_the_way = at(&passed.name).is_some_and(|passed| passed < reached_at);
                let both_tried = way.get(&passed.name).is_some_and(|e| e.tier == Tier::Production)
                    && way.get(&reached.name).is_some_and(|e| e.tier == Tier::Staging);
                prop_assert!(on_the_way || both_tried, "{passed:?} is not before {reached:?}");
            }
        }
    }

    #[test]
    fn the_stricter_of_two_is_one_that_asks_for_all_of_both(
        before in some_settings(), own in some_settings(), third in some_settings(),
    ) {
        let counts = stricter(&before, &own);
        // It adds nothing to itself, and neither of the two adds anything to it.
        prop_assert_eq!(&stricter(&counts, &counts), &counts);
        let again = Settings { environments: counts.environments.clone(), ..stricter(&before, &counts) };
        prop_assert_eq!(&again, &counts);
        let mut own_first = stricter(&own, &counts);
        // Which of two commands counts is no matter of more or less.
        own_first.tests = counts.tests.clone();
        own_first.documentation.clone_from(&counts.documentation);
        own_first.environments = counts.environments.clone();
        own_first.template = counts.template;
        prop_assert_eq!(&own_first, &counts);
        // Steps that each loosen a little come to no more than one that does.
        let steps = stricter(&stricter(&before, &own), &third);
        let least = stricter(&before, &third);
        prop_assert!(judge(Some(&least), &steps, &Floor::default()).loosened.iter().all(|d| {
            d.key.starts_with("environments") || d.key.starts_with("tests")
        }), "{:?}", judge(Some(&least), &steps, &Floor::default()).loosened);
    }
}
