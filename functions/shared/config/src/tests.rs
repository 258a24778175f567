use super::*;
use pact_contract::{
    Severity,
    settings::{CHECKS, CheckMode, Template},
};
use proptest::prelude::*;
use serde_json::{Value, json};

mod instances;
mod places;
mod waves;

/// A file that uses every key.
const WHOLE: &str = r##"
template = "production"
documentation = ["docs/**", "*.md"]

[on]
branches = ["main", "release/**"]
tags = ["v*"]
paths = ["src/**", "pact.toml"]
paths_ignore = ["src/**/*.txt"]
verify_only = ["bot/**"]

[checks]
syntax = "auto"
quality = "skip"
unit = "require"
integration = "auto"
coverage = "auto"
vulnerabilities = "auto"
dependencies = "require"
secrets = "auto"
e2e = "auto"

[gate]
min_coverage = 80
min_changed_coverage = 92.5
max_severity = "medium"
max_quality_findings = 0
fixes_only_when_spent = true

[code]
max_cyclomatic = 10
max_cognitive = 12
max_function_lines = 80
max_nesting = 4
max_parameters = 6
max_duplicate_tokens = 150
tests = { max_cyclomatic = 11, max_cognitive = 13, max_function_lines = 300, max_nesting = 6, max_parameters = 9 }
ignore = ["vendor/**"]

[tests]
coverage = ["target/lcov.info"]
leave_out = ["docs/**"]
gone = ["api (go)"]

[tests.unit]
runner = "codebuild"
command = ["cargo", "test"]
directory = "services/web"
timeout_seconds = 120
isolated = false
env = { RUST_BACKTRACE = "1" }
reports = ["target/**/junit.xml"]

[[tests.suites]]
name = "web"
runner = "github-actions"
workflow = "web.yml"
artifacts = ["reports"]
command = "npm test"
setup = ["npm", "ci"]
directory = "web"
env = { NODE_ENV = "test" }
reports = ["web/junit.xml"]
timeout_seconds = 900
isolated = true

[build]
commands = ["make release"]
timeout_seconds = 60
runner = "github-actions"
workflow = "release.yml"
artifact = "dist"

[tests.integration]
command = "make integration"
isolated = true

[tests.e2e]
command = ["sh", "e2e.sh"]

[security]
ignore = ["tests/fixtures/**"]
accept = { "RUSTSEC-2024-0001" = "not reachable: the feature is off" }
sarif = ["reports/*.sarif"]
rules = ["security/rules/*.toml"]

[security.licenses]
allow = ["MIT", "Apache-2.0"]
deny = ["AGPL-3.0-only"]
unknown = "list"

[[conditions]]
name = "schema"
when = "changes('db/**') && risk > 50"
require = ["integration"]
skip = ["e2e"]
then = "ask"

[migrations]
paths = ["db/**"]
up = ".up.sql"
down = ".down.sql"

[[waivers]]
code = "secret-jwt"
path = "handbook/*.md"
owner = "ada@example.org"
reason = "the sample of the handbook"
expires = 2027-03-31

[environments.staging]
tier = "staging"
target = "directory"
path = "shop/staging"
build = [["cargo", "build"], "npm run build"]
build_timeout_seconds = 300
keep = 3
strategy = "linear"
by = 40
every = 1.5

[environments.staging.service]
startup_seconds = 20
keep_warm_seconds = 600
drain_seconds = 10
command = ["target/debug/shop"]
port = 8081
env = { MODE = "staging" }

[[environments.staging.freeze]]
days = ["sat", "sun"]
from = "18:00"
to = "08:00"
zone = "Europe/Berlin"
dates = ["2026-12-20/2027-01-03"]
reason = "nobody is there"

[[environments.staging.health]]
path = "/health"
status = 200
contains = "ok"
max_latency_ms = 500
successes = 2
interval_ms = 100
give_up_after = 9
deadline_seconds = 20

[environments.staging.watch]
source = "probe"
seconds = 10
interval_ms = 50
max_error_rate = 1.5
max_p95_ms = 250
take_back_hours = 6
inconclusive = 'hold'

[environments.staging.watch.objectives]
availability = 99.5
latency_ms = 300
latency_share = 90
days = 7

[environments.production]
target = "directory"

[environments.production.approval]
timeout_minutes = 30

[notify.slack]
channel = "#releases"

[notify.email]
to = ["team@example.org"]

[notify.jira]
project = "SHOP"
transition = "Released"
"##;

fn errors(text: &str) -> String {
    parse(text, "pact.toml").expect_err("is refused").to_string()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    for text in ["", "\n# nothing\n", "[gate]\n[tests]\n[environments]\n"] {
        assert_eq!(parse(text, "pact.toml"), Ok(Settings::default()), "{text:?}");
    }
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let settings = parse(WHOLE, "pact.toml").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(settings.template, Some(Template::Production));
    assert_eq!(settings.checks["quality"], CheckMode::Skip);
    assert_eq!(settings.gate.max_severity, Some(Severity::Medium));
    assert_eq!(settings.gate.min_changed_coverage, Some(92.5));
    let unit = settings.tests.unit.as_ref().expect("unit tests");
    assert_eq!((unit.runner.kind.as_str(), unit.timeout_seconds), ("codebuild", 120));
    assert_eq!(unit.runner.settings["directory"], "services/web");
    let integration = settings.tests.integration.as_ref().expect("integration tests");
    assert_eq!(integration.runner.settings["command"], json!(["sh", "-c", "make integration"]));
    assert_eq!(integration.timeout_seconds, 600);
    let staging = &settings.environments.get("staging").expect("is there").settings;
    assert_eq!(staging.target.kind, "directory");
    assert_eq!(staging.target.settings["build"][1], json!(["sh", "-c", "npm run build"]));
    assert_eq!(staging.target.settings["service"]["port"], 8081);
    assert_eq!(
        staging.watch.as_ref().and_then(|w| w.source.as_ref()).map(|s| s.kind.as_str()),
        Some("probe")
    );
    let production = &settings.environments.get("production").expect("is there").settings;
    assert_eq!(production.approval.as_ref().map(|a| a.timeout_minutes), Some(30));
    insta::assert_json_snapshot!(settings);
}

#[test]
fn production_without_staging_and_an_approval_without_a_time_are_fine() {
    let text =
        "[environments.production]\ntarget = 'directory'\n[environments.production.approval]";
    let settings = parse(text, "pact.toml").expect("is accepted");
    let approval =
        settings.environments.get("production").expect("is there").settings.approval.as_ref();
    let approval = approval.expect("an approval");
    assert_eq!(approval.timeout_minutes, 60);
}

fn environments(names: &[&str]) -> String {
    names.iter().map(|name| format!("[environments.{name}]\ntarget = 'directory'\n")).collect()
}

#[test]
fn environments_stand_in_the_order_of_the_file_and_users_come_last() {
    let tier = |name: &str, tier: &str| format!("environments.{name}.tier = '{tier}'\n");
    let names = |text: &str| -> Vec<String> {
        let settings = parse(text, "pact.toml").unwrap_or_else(|errors| panic!("{errors}"));
        settings.environments.names().map(ToString::to_string).collect()
    };
    // The two names of before, in either order.
    assert_eq!(names(&environments(&["production", "staging"])), ["staging", "production"]);
    let four = ["qa", "dev", "live", "canary"];
    let tiers = [
        tier("qa", "staging"),
        tier("dev", "staging"),
        tier("live", "production"),
        tier("canary", "production"),
    ]
    .concat();
    let text = tiers + &four.map(|n| format!("environments.{n}.target = 'directory'\n")).concat();
    assert_eq!(names(&text), four);
    // Its own tables may come first.
    let text = "[environments.dev.watch]\nseconds = 1\n[environments.production]\n\
                target = 'directory'\n[environments.dev]\ntier = 'staging'\ntarget = 'directory'\n";
    assert_eq!(names(text), ["dev", "production"]);
    let settings = parse(text, "pact.toml").expect("is accepted");
    let watched: Vec<_> =
        settings.environments.iter().map(|e| e.settings.watch.is_some()).collect();
    assert_eq!(watched, [true, true], "as it is said, and where users are");
    let staging = parse(&environments(&["staging"]), "pact.toml").expect("is accepted");
    assert!(staging.environments.iter().all(|e| e.settings.watch.is_none()));
}

#[test]
fn what_is_wrong_with_the_environments_is_said_with_its_place() {
    insta::assert_snapshot!(errors(
        r#"
[environments.live]
tier = "production"
target = "directory"

[environments.dev]
tier = "staging"
target = "directory"

[environments.prodction]
target = "directory"

[environments.canary]
target = "directory"

[environments.production]
tier = "staging"
target = "directory"

[environments.QA]
tier = "staging"
target = "directory"

[environments.odd]
tier = "user"
target = "directory"
"#
    ));
    let many: Vec<String> = (0..17).map(|n| format!("e{n}")).collect();
    let many = environments(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(errors(&many).contains("has 17 environments; at most 16"), "{}", errors(&many));
}

#[test]
fn the_shapes_know_what_the_contract_knows() {
    let names: Vec<_> = shape::CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, CHECKS);
    let templates: Vec<_> = Template::ALL.iter().map(|(_, name)| *name).collect();
    assert_eq!(shape::TEMPLATES, templates);
    let schema = Forms::published().expect("is readable").schema();
    // Every key of the schema is in the file above, and the file is accepted: nothing that the
    // schema offers is refused or lost.
    let tree: toml::Value = toml::from_str(WHOLE).expect("valid TOML");
    let mut absent = Vec::new();
    keys_are_used(&schema, &schema, &serde_json::to_value(tree).expect("JSON"), "", &mut absent);
    absent.retain(|key| !key.starts_with(".environments.production"));
    absent.retain(|key| !key.starts_with(".tests.integration") && !key.starts_with(".tests.e2e"));
    // Steps are another way to say what the linear shift says.
    assert_eq!(absent, [".environments.staging.approval", ".environments.staging.steps"]);
}

fn keys_are_used(root: &Value, schema: &Value, file: &Value, path: &str, absent: &mut Vec<String>) {
    // What stands elsewhere in the schema.
    if let Some(elsewhere) = schema["allOf"][0]["$ref"].as_str() {
        let schema = root.pointer(&elsewhere[1..]).expect("is there");
        return keys_are_used(root, schema, file, path, absent);
    }
    // Of several instances it is the one that the file chooses.
    if let Some(instances) = schema["oneOf"].as_array() {
        let chosen = |instance: &&Value| {
            let keys = instance["properties"].as_object().into_iter().flatten();
            keys.filter(|(_, key)| key.get("const").is_some())
                .all(|(name, key)| file[name] == key["const"])
        };
        let schema = instances.iter().find(chosen).expect("one of the instances is chosen");
        return keys_are_used(root, schema, file, path, absent);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for key in file.as_object().into_iter().flat_map(|o| o.keys()) {
        assert!(properties.contains_key(key), "{path}.{key} is accepted but not in the schema");
    }
    for (key, inner) in properties {
        let path = format!("{path}.{key}");
        match file.get(key) {
            None => absent.push(path),
            Some(Value::Array(items)) => {
                for item in items {
                    keys_are_used(root, &inner["items"], item, &path, absent);
                }
            }
            Some(value) => keys_are_used(root, inner, value, &path, absent),
        }
    }
}

#[test]
fn a_down_step_is_found_by_both_names() {
    assert_eq!(
        errors("[migrations]\npaths = [\"db/**\"]\ndown = \".down.sql\"\n"),
        "pact.toml:3:8: migrations.down says nothing without migrations.up; name both, as in \
         up = \".up.sql\" and down = \".down.sql\""
    );
}

#[test]
fn every_fault_is_reported_at_once_with_its_place() {
    insta::assert_snapshot!(errors(
        r#"
templat = "default"
documentation = "docs"
port = 80

[checks]
unt = "skip"
unit = "sometimes"

[gate]
tresholds = 1
min_coverage = 101
min_changed_coverage = "all"
max_severity = "hgh"
max_quality_findings = -1

[code]
ignore = ["[a", "/etc/*", 3]
max_cyclomatic = 99999999999999999999

[tests.unit]
directory = "../elsewhere"
timeout_seconds = 841

[tests.e2e]
command = []

[security.accept]
"RUSTSEC-2024-0001" = ""
"not an id" = "reason"

[[waivers]]
code = "no code"
expires = "2027-02-30"
reasn = "it is late"

[environments.prod]
target = "directory"

[environments.production]
target = "ecs"
build = ["cargo", "build"]
keep = 1
health = [{ status = 99 }]

[environments.production.service]
command = 7
env = { PORT = "80", "A=B" = "x" }

[environments.production.watch]
seconds = 601
max_error_rate = nan

[notify.email]
to = ["nobody", "a@example.org\r\nBcc: b@example.org"]

[notify.jira]
transition = "Done"
"#
    ));
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    insta::assert_snapshot!(errors(
        r#"
[environments.staging]
target = "directory"
path = "shop"
health = [{ path = "/" }, { path = "https://example.org/", successes = 100, interval_ms = 1000 }]

[environments.production]
target = "directory"
path = "./shop/"
service = { command = "serve", port = 8080, env = { PORT = "1" } }
"#
    ));
    let text = "[environments.staging]\ntarget='directory'\nservice={command='a',port=1}\n\
                [environments.production]\ntarget='directory'\nservice={command='a',port=1}\n";
    assert!(errors(text).contains("must not have the same port"), "{}", errors(text));
}

#[test]
fn who_builds_decides_what_a_build_says() {
    let missing = errors("[build]\ntimeout_seconds = 9\n");
    assert!(missing.contains("[build] has no \"commands\"; add commands = "), "{missing}");
    let other = errors("[build]\ncommands = ['make']\nartifact = 'dist'\n");
    assert!(other.contains("it belongs to runner = \"github-actions\""), "{other}");
    let text = "[build]\nrunner = 'github-actions'\n[environments.staging]\ntarget = 'directory'\n";
    let settings = parse(text, "pact.toml").expect("is valid");
    let staging = settings.environments.get("staging").expect("it is there");
    let target = &staging.settings.target.settings;
    assert_eq!(target["build"], serde_json::json!([["github-actions", "pact.yml", "release"]]));
    assert_eq!(target["build_runner"]["artifacts"], serde_json::json!(["release"]));
}

#[test]
fn what_is_built_once_is_every_environments_that_says_nothing_else() {
    let text = "[build]\ncommands = [['make'], 'make package']\ntimeout_seconds = 9\n\
                [environments.dev]\ntier = 'staging'\ntarget = 'directory'\n\
                [environments.staging]\ntarget = 'directory'\nbuild = [['own']]\n\
                [environments.production]\ntarget = 'lambda'\nfunction = 'f'\n\
                health = [{path = 'https://example.org/'}]\n";
    let settings = parse(text, "pact.toml").expect("is valid");
    let all: Vec<_> = settings.environments.iter().map(|e| &e.settings.target.settings).collect();
    for (index, commands, seconds) in [
        (0, json!([["make"], ["sh", "-c", "make package"]]), json!(9)),
        (1, json!([["own"]]), json!(null)),
        (2, json!([["make"], ["sh", "-c", "make package"]]), json!(9)),
    ] {
        let of = |key: &str| all[index].get(key).cloned().unwrap_or_default();
        assert_eq!((of("build"), of("build_timeout_seconds")), (commands, seconds), "{index}");
    }
    let text = errors("[build]\ncommands = [['make']]\n");
    assert!(text.contains("pact.toml:1:2") || text.contains("pact.toml:1:1"), "{text}");
    assert!(text.contains("no environment that could get it"), "{text}");
    assert!(errors("[build]\n").contains("commands"), "{}", errors("[build]\n"));
}

#[test]
fn the_steps_of_all_environments_are_bounded() {
    let one = |n: usize| {
        format!(
            "[environments.e{n}]\ntier='production'\ntarget='lambda'\nfunction='f{n}'\n\
             health=[{{path='https://example.org/'}}]\nstrategy='linear'\nby=5\n"
        )
    };
    let some = |count| (0..count).map(one).collect::<String>();
    assert!(parse(&some(5), "p").is_ok());
    let text = errors(&some(6));
    assert!(text.contains("have 114 steps in all; there may be 100; use fewer"), "{text}");
}

/// A service that is probed, with what is said of its strategy; every key stands in line 5.
fn shifted(strategy: &str) -> String {
    format!(
        "[environments.production]\ntarget = 'directory'\nservice.command = ['a']\n\
         health = [{{}}]\n{strategy}\n"
    )
}

#[test]
fn a_strategy_that_cannot_be_walked_is_refused_with_its_place() {
    for (strategy, column, message) in [
        ("steps = [{weight = 10, minutes = 1}]", 9, "steps means nothing with the strategy all-at"),
        ("strategy = 'canary'; by = 10", 6, "by means nothing with the strategy canary"),
        ("strategy = 'blue-green'; every = 1", 9, "every means nothing with the strategy blue-gr"),
        ("strategy = 'linear'; by = 5; every = 11", 9, "every must be from 0 to 10, not 11"),
        (
            "strategy = 'canary'; steps = [{weight = 20, minutes = 1}, {weight = 20, minutes = 1}]",
            48,
            "steps[1].weight must rise: 20 comes too late; write steps = [{",
        ),
        (
            "strategy = 'canary'; steps = [{weight = 20, minutes = 0}]",
            34,
            "steps[0].minutes must be from a second to 10 minutes",
        ),
        ("strategy = 'canary'; steps = []", 9, "steps must not be empty"),
        (
            "strategy = 'linear'; by = 10; steps = [{weight = 20, minutes = 1}]",
            9,
            "steps stands beside by or every",
        ),
        ("strategy = 'canari'", 12, "did you mean \"canary\"?"),
    ] {
        let text = shifted(&strategy.replace("; ", "\n"));
        let error = parse(&text, "p").expect_err("is refused").errors.remove(0);
        assert_eq!(error.column, Some(column), "{error}");
        assert!(error.to_string().contains(message), "{error}");
    }
    let text = shifted("strategy = 'canary'");
    let without = |what: &str| errors(&text.replace(what, ""));
    assert_eq!(
        without("service.command = ['a']"),
        "pact.toml:4:11: environments.production.health[0] has nothing to ask: there is no service; \
         add [environments.production.service] or a whole http address\n\
         pact.toml:5:12: environments.production.strategy is canary, and without service there are \
         no requests to share; add [environments.production.service] or use strategy = \
         \"all-at-once\""
    );
    assert_eq!(
        without("health = [{}]"),
        "pact.toml:5:12: environments.production.strategy is canary, and nothing says what is \
         watched meanwhile; add [[environments.production.health]]"
    );
}

#[test]
fn a_step_that_could_show_nothing_is_refused_with_what_is_needed() {
    let steps = |weight: u32, minutes: f64, watch: &str| {
        format!(
            "strategy = 'canary'\nsteps = [{{weight = {weight}, minutes = {minutes}}}]\n{watch}"
        )
    };
    let refused = errors(&shifted(&steps(1, 0.2, "")));
    assert!(
        refused.starts_with(
            "pact.toml:6:33: environments.production.steps[0].minutes: at most 680 requests are"
        ) && refused.contains("while the release has 1 %, and 919 are needed to see that it fails"),
        "{refused}"
    );
    for (text, right) in [
        (steps(10, 0.05, ""), true),
        (steps(5, 0.05, "watch.inconclusive = 'hold'"), false),
        (steps(5, 0.2, "watch.inconclusive = 'hold'"), true),
        (steps(10, 0.02, "watch.inconclusive = 'keep'"), true),
        (steps(1, 0.2, "watch.interval_ms = 100"), false),
        (steps(1, 0.2, "watch.interval_ms = 50"), true),
        (steps(1, 10.0, "watch.interval_ms = 1000"), false),
    ] {
        assert_eq!(parse(&shifted(&text), "p").is_ok(), right, "{text}");
    }
}

#[test]
fn a_window_that_is_not_of_this_calendar_is_refused_with_its_place() {
    let window = |keys: &str| {
        let text = format!("freeze = [\n {{ reason = 'x' }},\n {{ reason = 'y', {keys} }},\n]");
        errors(&shifted(&text))
    };
    for (keys, wanted) in [
        (
            "zone = 'Mars/Olympus'",
            "7:25: environments.production.freeze[1].zone is \"Mars/Olympus\"",
        ),
        (
            "dates = ['2027-02-29']",
            "7:27: environments.production.freeze[1].dates[0] has \"2027-02-29\"",
        ),
        ("dates = ['2027-02-02/2027-01-01']", "which ends before it begins"),
        ("from = '24:00'", "freeze[1].from must be a time such as"),
        ("days = ['monday']", "freeze[1].days[0] is longer than 3 characters"),
        ("dais = ['mon']", "did you mean \"days\"?"),
    ] {
        let found = window(keys);
        assert!(found.contains(wanted), "{found}");
    }
    assert!(errors(&shifted("freeze = [{ days = ['mon'] }]")).contains("has no \"reason\""));
    let many = ["{ reason = 'x' }"; 11].join(", ");
    let found = errors(&shifted(&format!("freeze = [{many}]")));
    assert!(found.contains("freeze has more than 10 windows"), "{found}");
}

#[test]
fn a_strategy_becomes_steps_and_what_has_steps_is_watched() {
    let steps = |strategy: &str| {
        let text = shifted(strategy).replace("production]", "staging]");
        let settings = parse(&text, "p").expect("is right");
        let staging = settings.environments.get("staging").expect("is there").settings.clone();
        assert_eq!(staging.watch.is_some(), !staging.shift.steps.is_empty());
        staging.shift.words()
    };
    assert_eq!(steps(""), "all at once");
    assert_eq!(steps("strategy = 'canary'"), "10 % for 5 min, then all");
    assert_eq!(steps("strategy = 'blue-green'"), "0 %, then all");
    assert_eq!(
        steps(
            "strategy = 'canary'\nsteps = [{weight = 1, minutes = 0.5}, {weight = 9, minutes = 2}]"
        ),
        "1 % for 30 s, 9 % for 2 min, then all"
    );
    let lambda = "[environments.production]\ntarget = 'lambda'\nfunction = 'shop'\n\
                  health = [{ path = 'https://example.org/' }]\nstrategy = 'canary'\n";
    let settings = parse(lambda, "p").expect("is right");
    assert_eq!(settings.environments.get("production").expect("one").settings.shift.steps.len(), 1);
}

#[test]
fn what_is_not_toml_is_reported_as_that_alone() {
    insta::assert_snapshot!(errors("template = \n[gate\nunknown = 1\n"));
    assert!(errors("a = 1\na = 2\n").starts_with("pact.toml:2:1: not valid TOML: duplicate key"));
}

#[test]
fn size_depth_and_number_of_entries_are_bounded() {
    let large = format!("# {}", "x".repeat(MAX_BYTES));
    assert_eq!(errors(&large), "pact.toml: the file has 65538 bytes; at most 65536");
    let deep = "it is nested too deeply: at most 80 levels are read, one in the other";
    assert_eq!(errors(&format!("{}b = 1", "a.".repeat(10_000))), format!("pact.toml: {deep}"));
    let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(errors(&nested(5_000)), format!("pact.toml:1:85: {deep}"));
    assert!(!errors(&nested(pact_contract::nesting::TOML)).contains("too deeply"));
    assert!(errors(&nested(pact_contract::nesting::TOML + 1)).contains("too deeply"));
    let many: String = (0..1_000).map(|n| format!("k{n} = 1\n")).collect();
    assert!(errors(&many).ends_with("and 900 more faults"));
    let globs = format!("documentation = [{}]", "'a',".repeat(201));
    assert!(errors(&globs).contains("has 201 entries; at most 200"));
}

#[test]
fn columns_count_characters() {
    let error = parse("template = 'ü' # ok\n[gäte]\n", "p").expect_err("is refused");
    assert_eq!(error.errors.len(), 1, "{error}");
    let error = parse("\"ü\" = 1\n'€' = 2", "p").expect_err("is refused");
    let places: Vec<_> = error.errors.iter().map(|e| (e.line, e.column)).collect();
    assert_eq!(places, [(Some(1), Some(1)), (Some(2), Some(1))]);
    let error = parse("notify = { 'ü€' = 1, b = 2 }", "p").expect_err("is refused");
    assert_eq!(error.errors.last().and_then(|e| e.column), Some(22));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _result = parse(&text, "p");
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(
        at in 0usize..2_500, remove in 0usize..40, insert in "[\\[\\]{}=.\"'#\\n a-z0-9é-]{0,12}"
    ) {
        let chars: Vec<char> = WHOLE.chars().collect();
        let at = at.min(chars.len());
        let end = (at + remove).min(chars.len());
        let text: String = chars[..at].iter().chain(insert.chars().collect::<Vec<_>>().iter())
            .chain(&chars[end..]).collect();
        match parse(&text, "p") {
            Ok(_) => {}
            Err(errors) => {
                prop_assert!(!errors.errors.is_empty());
                prop_assert!(!errors.to_string().contains("cannot be used"), "{}", errors);
            }
        }
    }
}
