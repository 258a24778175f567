//! Over files that have any of the settings that there are: no commit is judged by anything looser
//! than what was before it, and than the floor.

use std::collections::BTreeSet;

use pact_contract::policy::Floor;
use proptest::{prelude::*, sample::Index};

use super::{
    looser::{Pair, below, looser},
    parsed,
};
use crate::{
    form::{Field, Shape},
    policy::judge,
    shape,
};

/// Every key of a file with values that it may have, the keys of an environment as one of them.
const KEYS: &[(&str, &[&str])] = &[
    ("template", &["'default'", "'production'", "'frontend'", "'ml_model'", "'hotfix'"]),
    ("on.branches", &["['main']", "['main', 'release/**']", "['x']"]),
    ("on.tags", &["['v*']", "['v*', 'w*']"]),
    ("on.paths", &["['a/**']", "['a/**', 'b/**']"]),
    ("on.paths_ignore", &["['a/*.md']", "['b/**', 'a/*.md']"]),
    ("on.verify_only", &["[]", "['try/**']", "['dependabot/**']"]),
    ("documentation", &["[]", "['*.md']", "['*.md', 'docs/**']"]),
    ("checks.syntax", MODES),
    ("checks.quality", MODES),
    ("checks.unit", MODES),
    ("checks.integration", MODES),
    ("checks.coverage", MODES),
    ("checks.vulnerabilities", MODES),
    ("checks.dependencies", MODES),
    ("checks.secrets", MODES),
    ("checks.e2e", MODES),
    ("gate.min_coverage", &["0", "50", "75", "90"]),
    ("gate.min_changed_coverage", &["0", "50", "90"]),
    ("gate.max_severity", &["'info'", "'low'", "'medium'", "'high'", "'critical'"]),
    ("gate.max_quality_findings", &["0", "1", "5"]),
    ("gate.fixes_only_when_spent", &["true", "false"]),
    ("code.max_cyclomatic", &["5", "50"]),
    ("code.max_cognitive", &["5", "50"]),
    ("code.max_function_lines", &["5", "500"]),
    ("code.max_nesting", &["2", "20"]),
    ("code.max_parameters", &["2", "20"]),
    ("code.max_duplicate_tokens", &["50", "500"]),
    ("code.tests.max_cyclomatic", &["5", "50"]),
    ("code.tests.max_cognitive", &["5", "50"]),
    ("code.tests.max_function_lines", &["5", "500"]),
    ("code.tests.max_nesting", &["2", "20"]),
    ("code.tests.max_parameters", &["2", "20"]),
    ("code.ignore", &["['a/**']", "['a/**', 'b/**']"]),
    ("tests.unit", SUITES),
    ("tests.integration", SUITES),
    (
        "tests.e2e",
        &["{ command = ['e'] }", "{ command = ['f'], timeout_seconds = 9, reports = ['f.xml'] }"],
    ),
    ("tests.coverage", &["['a.info']", "['b.info']"]),
    (
        "tests.suites",
        &[
            "[{ name = 'a', command = ['a'], setup = ['s'], directory = 'd', env = { A = 'b' }, reports = ['r.xml'], timeout_seconds = 9, isolated = true }]",
            "[{ name = 'a', command = ['b'], runner = 'github-actions', workflow = 'w.yml', artifacts = ['r'] }]",
        ],
    ),
    ("tests.leave_out", &["['a']", "['a', 'b']"]),
    ("tests.gone", &["['a']", "['a', 'b']"]),
    (
        "conditions",
        &[
            "[{ name = 'a', when = 'true', skip = ['unit'] }]",
            "[{ name = 'a', when = 'true', skip = ['unit', 'secrets'], require = ['e2e'] }]",
            "[{ name = 'a', when = 'risk > 5', require = ['e2e'] }]",
            "[{ name = 'b', when = 'true', then = 'ask' }, { name = 'a', when = 'true', then = 'hold', skip = ['syntax'] }]",
        ],
    ),
    ("security.ignore", &["['a/**']", "['a/**', 'b/**']"]),
    ("security.accept", &["{ CVE-2020-1 = 'r' }", "{ CVE-2020-1 = 's', CVE-2020-2 = 'r' }"]),
    ("security.sarif", &["['a.sarif']", "['a.sarif', 'b.sarif']"]),
    ("security.rules", &["['a.toml']", "['a.toml', 'b.toml']"]),
    ("security.licenses.allow", &["['MIT']", "['MIT', 'ISC']", "['ISC']"]),
    ("security.licenses.deny", &["[]", "['ISC']", "['ISC', 'MIT']"]),
    ("security.licenses.unknown", &["'hold'", "'list'"]),
    (
        "waivers",
        &[
            "[{ code = 'secret-jwt', owner = 'ada', reason = 'r', expires = 2027-01-01 }]",
            "[{ code = 'secret-jwt', owner = 'ada', reason = 'r', expires = 2028-01-01 }]",
            "[{ code = 'secret-jwt', path = 'a', owner = 'eve', reason = 'r', expires = 2028-01-01 }]",
        ],
    ),
    (
        "migrations",
        &[
            "{ paths = ['db/**'] }",
            "{ paths = ['db/**', 'x/**'], up = '.u', down = '.d' }",
            "{ paths = ['x/**'], up = '.sql', down = '.d' }",
        ],
    ),
    ("notify.slack", &["{}", "{ channel = '#a' }"]),
    ("build", &["{ commands = [['a']] }", "{ commands = ['b'], timeout_seconds = 9 }", WORKFLOW]),
];

const WORKFLOW: &str =
    "{ runner = 'github-actions', workflow = 'w.yml', artifact = 'a', commands = [['a']] }";
const MODES: &[&str] = &["'auto'", "'skip'", "'require'"];
const SUITES: &[&str] = &[
    "{ command = ['a'] }",
    "{ command = ['b'], timeout_seconds = 9, reports = ['b.xml'], isolated = true }",
    "{ runner = 'github-actions', workflow = 'w.yml' }",
];

/// Targets of an environment.
const TARGETS: &[&str] = &[
    "target = 'directory', path = 'PATH'",
    "target = 'directory', path = 'PATH', service = { command = ['a'] }",
    "target = 'lambda', function = 'NAME'",
    "target = 'lambda', function = 'NAME-2'",
    "target = 'command', deploy = [['a']], status = [['b']], rollback = [['c']]",
    "target = 'lambda', function = 'NAME', waves = [{ region = 'eu-west-1' }, { region = 'us-east-1', name = 'rest' }]",
    "target = 'lambda', function = 'NAME', waves = [{ region = 'us-east-1', name = 'rest', health = [{ path = 'http://h/w' }], watch = { seconds = 7 } }]",
];

/// What else an environment has.
const OF_ENVIRONMENT: &[(&str, &[&str])] = &[
    (
        "health",
        &[
            "[{ path = 'http://h/a' }]",
            "[{ path = 'http://h/a', max_latency_ms = 9, successes = 9, interval_ms = 20, deadline_seconds = 9, give_up_after = 0 }]",
            "[{ path = 'http://h/a', status = 204 }, { path = 'http://h/a', contains = 'x', give_up_after = 2 }]",
            "[{ path = 'http://h/a', max_latency_ms = 50 }, { path = 'http://h/a', give_up_after = 1 }]",
        ],
    ),
    ("approval", &["{}", "{ timeout_minutes = 5 }", "{ people = 2 }"]),
    (
        "watch",
        &[
            "{ seconds = 0, max_error_rate = 50, max_p95_ms = 9000, inconclusive = 'keep', take_back_hours = 0 }",
            "{ seconds = 60, max_error_rate = 1, max_p95_ms = 9, inconclusive = 'take_back', take_back_hours = 48 }",
            "{ inconclusive = 'hold', source = 'prometheus', address = 'http://p', requests = 'r', errors = 'e' }",
            "{ source = 'cloudwatch', objectives = { availability = 99, latency_ms = 5, latency_share = 90, days = 7 } }",
        ],
    ),
    (
        "strategy",
        &[
            "'all-at-once'",
            "'canary'",
            "'blue-green'",
            "'linear', by = 40, every = 5",
            "'canary', steps = [{ weight = 5, minutes = 10 }, { weight = 50, minutes = 10 }]",
            "'canary', steps = [{ weight = 60, minutes = 1 }]",
        ],
    ),
    (
        "freeze",
        &[
            "[{ reason = 'a' }]",
            "[{ days = ['fri'], from = '18:00', to = '08:00', zone = 'Europe/Berlin', dates = ['2026-12-24'], reason = 'b' }]",
        ],
    ),
];

/// The keys that are not chosen from by the lists above: `tier` goes with an environment's name, and
/// what is of an instance is compared as one thing.
const ELSEWHERE: &[&str] = &["environments.tier", "notify"];

const NAMES: &[(&str, &str)] = &[
    ("dev", "staging"),
    ("staging", "staging"),
    ("production", "production"),
    ("live", "production"),
    ("live", "staging"),
];

/// Of each key whether it is there, and its value.
type Choice = Vec<Option<Index>>;

fn choice(of: usize, often: f64) -> impl Strategy<Value = Choice> {
    prop::collection::vec(prop::option::weighted(often, any::<Index>()), of)
}

fn values<'k>(
    keys: &'k [(&str, &[&str])],
    choice: &'k Choice,
) -> impl Iterator<Item = (&'k str, &'k str)> {
    let chosen = keys.iter().zip(choice);
    chosen.filter_map(|((key, values), at)| Some((*key, *at.as_ref()?.get(values))))
}

/// A file that may have anything.
fn some_file() -> impl Strategy<Value = String> {
    let environment = (
        prop::sample::select(NAMES),
        prop::sample::select(TARGETS),
        choice(OF_ENVIRONMENT.len(), 0.5),
    );
    (choice(KEYS.len(), 0.2), prop::collection::vec(environment, 0..4)).prop_map(
        |(keys, environments)| {
            let mut text: String =
                values(KEYS, &keys).map(|(key, value)| format!("{key} = {value}\n")).collect();
            let mut seen = BTreeSet::new();
            for ((name, tier), target, choice) in environments {
                if !seen.insert(name) {
                    continue;
                }
                let target = target.replace("NAME", name).replace("PATH", name);
                let more: String = values(OF_ENVIRONMENT, &choice)
                    .map(|(key, value)| format!(", {key} = {value}"))
                    .collect();
                text.push_str(&format!(
                    "environments.{name} = {{ tier = '{tier}', {target}{more} }}\n"
                ));
            }
            text
        },
    )
}

/// The settings of a file that is right.
fn some_settings() -> impl Strategy<Value = pact_contract::settings::Settings> {
    some_file()
        .prop_filter_map("keys contradict each other", |text| crate::parse(&text, "pact.toml").ok())
}

fn some_floor() -> impl Strategy<Value = Floor> {
    let names = prop::sample::subsequence(vec!["staging", "production", "live"], 0..=3);
    (some_settings(), any::<[bool; 3]>(), names).prop_map(
        |(settings, [gate, code, checks], names)| {
            let asked = || pact_contract::settings::Approval::within(5);
            Floor {
                template: settings.template,
                checks: if checks { settings.checks } else { Default::default() },
                gate: if gate { settings.gate } else { Default::default() },
                code: code.then_some(settings.code),
                approval: names
                    .into_iter()
                    .map(|name| (name.parse().expect("a name"), asked()))
                    .collect(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_commit_is_judged_by_anything_looser_than_base_and_floor(
        before in some_settings(), own in some_settings(), floor in some_floor(),
    ) {
        let counts = judge(Some(&before), &own, &floor).settings;
        let of = |than, of_before| looser(&Pair { counts: &counts, than, of_before });
        prop_assert_eq!(of(&before, true), Vec::<String>::new(), "than before");
        prop_assert_eq!(of(&own, false), Vec::<String>::new(), "than the commit's own");
        prop_assert_eq!(below(&counts, &floor), Vec::<String>::new(), "than the floor");
        // Whoever is its own judge is not below the floor either.
        let alone = judge(None, &own, &floor).settings;
        prop_assert_eq!(below(&alone, &floor), Vec::<String>::new(), "alone");
        // A second commit on top of it, that nobody agreed to, gets no further than one.
        let twice = judge(Some(&counts), &own, &floor).settings;
        let pair = Pair { counts: &twice, than: &before, of_before: true };
        prop_assert_eq!(looser(&pair), Vec::<String>::new(), "in two steps");
    }
}

/// Every key that a file may have, down to what one value has.
fn leaves(path: &str, fields: &[Field], found: &mut BTreeSet<String>) {
    for field in fields {
        let path =
            if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        match &field.shape {
            Shape::Table(inner)
            | Shape::Tables(inner)
            | Shape::Waves(inner)
            | Shape::Tagged { fields: inner, .. }
            | Shape::Environments { fields: inner, .. } => leaves(&path, inner, found),
            _ => {
                found.insert(path);
            }
        }
    }
}

#[test]
fn each_setting_that_there_is_is_among_those_that_are_tried() {
    let mut all = BTreeSet::new();
    leaves("", shape::root(), &mut all);
    assert!(all.len() > 80, "{all:?}");
    let said: String = KEYS
        .iter()
        .map(|(key, values)| (*key, values.concat()))
        .chain(OF_ENVIRONMENT.iter().map(|(key, values)| (*key, values.concat())))
        .chain([("waves", TARGETS.concat())])
        .map(|(key, values)| format!("{key} = {values}\n"))
        .collect();
    let missing: Vec<&String> = all
        .iter()
        .filter(|key| !ELSEWHERE.contains(&key.as_str()))
        .filter(|key| {
            // Its own name, on the line of the key that it belongs to.
            let parts: Vec<&str> = key.split('.').collect();
            let last = parts.last().copied().unwrap_or_default();
            !said.lines().any(|line| {
                let (at, value) = line.split_once(" = ").unwrap_or_default();
                let of_environment = OF_ENVIRONMENT.iter().any(|(name, _)| *name == at);
                let belongs = at == key.as_str()
                    || key.strip_prefix(at).is_some_and(|rest| rest.starts_with('.'))
                    || parts.contains(&at)
                    || of_environment && key.starts_with("environments.");
                belongs && (at.ends_with(last) || value.contains(&format!("{last} = ")))
            })
        })
        .collect();
    assert_eq!(missing, Vec::<&String>::new(), "add what they may be to the lists above");
    for (key, values) in KEYS {
        for value in *values {
            let mut text = format!("{key} = {value}\n");
            if *key == "build" {
                text.push_str("environments.staging = { target = 'directory', path = 'a' }\n");
            }
            parsed(&text);
        }
    }
}

/// What an attacker's commit would try, by hand: what it makes of the file before, and where that is
/// looser.
#[test]
fn the_law_finds_what_is_loosened() {
    for (key, values) in KEYS.iter().filter(|(key, _)| !["build", "notify.slack"].contains(key)) {
        let found = |before: &str, own: &str| {
            let (before, own) = (parsed(before), parsed(own));
            !looser(&Pair { counts: &own, than: &before, of_before: true }).is_empty()
        };
        // Where there is no policy of licences, nothing is unknown to it.
        let policy = match *key {
            "security.licenses.unknown" => "security.licenses.deny = ['ISC']\n",
            _ => "",
        };
        let text = |value: &&str| format!("{policy}{key} = {value}\n");
        let texts: Vec<String> = values.iter().map(text).collect();
        let mut all: Vec<&str> = texts.iter().map(String::as_str).collect();
        all.push("");
        let loose = all.iter().any(|before| all.iter().any(|own| found(before, own)));
        assert!(loose, "nothing of {key} is ever looser");
    }
}
