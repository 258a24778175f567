//! What a file may hold: one table, from which the check and the schema are made. The tables of
//! targets, runners, sources and channels come from their instances (see [`crate::form`]).

use std::sync::LazyLock;

use pact_contract::{
    Tier,
    objectives::MAX_DAYS,
    shift::{MAX_STEP_SECONDS, Strategy, WHOLE},
};

use crate::{
    form::{Field, Seam, Shape, field, required},
    values::Rule,
};

/// Names of the templates.
pub(crate) const TEMPLATES: &[&str] =
    &["default", "production", "microservice", "frontend", "ml_model", "hotfix"];

const SEVERITIES: &[&str] = &["info", "low", "medium", "high", "critical"];

/// The checks of the pipeline.
pub(crate) const CHECKS: &[(&str, &str)] = &[
    ("syntax", "Changed files parse."),
    ("quality", "What the change made worse of the functions that it touched."),
    ("unit", "Unit tests."),
    ("integration", "Integration tests."),
    ("coverage", "Coverage in all and of the changed lines."),
    ("vulnerabilities", "Static analysis."),
    ("dependencies", "Dependencies without known advisories."),
    ("secrets", "No secret in the added lines."),
    ("e2e", "End-to-end tests in each environment of the tier staging."),
];

/// The whole file.
pub(crate) fn root() -> &'static [Field] {
    static ROOT: LazyLock<Vec<Field>> = LazyLock::new(|| {
        vec![
            field("template", "How strict the pipeline is.", Shape::word(TEMPLATES)),
            field(
                "on",
                "Which pushes start a run, and which of them deploy nothing.",
                Shape::Table(on()),
            ),
            field(
                "documentation",
                "Paths whose change alone deploys nothing; replaces the built-in list.",
                Shape::globs(),
            ),
            field("checks", "Checks that are switched off or demanded.", Shape::Table(checks())),
            field("gate", "Thresholds of the gate.", Shape::Table(gate())),
            field("code", "Thresholds of the code agent.", Shape::Table(code())),
            field(
                "build",
                "How a release is made of a commit: once, beside its unit tests, and every environment \
                 gets those bytes.",
                Shape::Table(build()),
            ),
            field("tests", "How to run the tests.", Shape::Table(tests())),
            field(
                "conditions",
                "What is asked for where something holds of a push.",
                Shape::Tables(conditions()),
            ),
            field("security", "What the security agent looks at.", Shape::Table(security())),
            field(
                "environments",
                "Where releases go, in the order of promotion; without any, nothing is deployed.",
                Shape::Environments { seam: Seam::Target, fields: environment() },
            ),
            field("notify", "Whom to tell.", Shape::Kinds(Seam::Channel)),
            field(
                "waivers",
                "Findings that somebody answers for: they are listed, and stop nothing.",
                Shape::Tables(waivers()),
            ),
            field(
                "migrations",
                "What cannot simply be taken back: a person agrees before it comes to production.",
                Shape::Table(migrations()),
            ),
        ]
    });
    &ROOT
}

fn on() -> Vec<Field> {
    vec![
        field("branches", "Branches whose pushes start a run; all without it.", Shape::globs()),
        field("tags", "Tags whose pushes start a run; none without it.", Shape::globs()),
        field(
            "paths",
            "Paths of which a push has to change one for anything to be built, tested or deployed.",
            Shape::globs(),
        ),
        field("paths_ignore", "Paths whose change does not count.", Shape::globs()),
        field(
            "verify_only",
            "Branches that are verified, and of which nothing is deployed; without it those of merge \
             queues and of bots.",
            Shape::globs(),
        ),
    ]
}

fn checks() -> Vec<Field> {
    let modes = || Shape::word(&["auto", "skip", "require"]);
    CHECKS.iter().map(|(name, about)| field(name, about, modes())).collect()
}

fn gate() -> Vec<Field> {
    vec![
        field(
            "min_coverage",
            "Least line coverage in percent.",
            Shape::Number { min: 0, max: 100 },
        ),
        field(
            "min_changed_coverage",
            "Least line coverage of the changed lines in percent.",
            Shape::Number { min: 0, max: 100 },
        ),
        field(
            "max_severity",
            "Gravest vulnerability or advisory that still passes.",
            Shape::word(SEVERITIES),
        ),
        field(
            "max_quality_findings",
            "Most findings of the quality check.",
            Shape::Integer { min: 0, max: 1_000_000 },
        ),
        field(
            "fixes_only_when_spent",
            "Whether the gate holds all but fixes while production has used up its budget of errors.",
            Shape::Flag,
        ),
    ]
}

fn code() -> Vec<Field> {
    let mut fields = thresholds();
    fields.push(field(
        "max_duplicate_tokens",
        "Most tokens in a row that a function may have in common with another place.",
        Shape::Integer { min: 30, max: 100_000 },
    ));
    fields.push(field("tests", "Thresholds of tests.", Shape::Table(thresholds())));
    fields.push(field("ignore", "Paths that are not looked at.", Shape::globs()));
    fields
}

/// What a function is held to when it is new or became worse.
fn thresholds() -> Vec<Field> {
    let threshold = || Shape::Integer { min: 1, max: 100_000 };
    vec![
        field("max_cyclomatic", "Highest cyclomatic complexity of a function.", threshold()),
        field("max_cognitive", "Highest cognitive complexity of a function.", threshold()),
        field("max_function_lines", "Most lines of code of a function.", threshold()),
        field("max_nesting", "Most control statements around a line.", threshold()),
        field("max_parameters", "Most parameters of a function.", threshold()),
    ]
}

/// The runner that has workflows.
pub(crate) const WORKFLOWS: &str = "github-actions";

fn build() -> Vec<Field> {
    vec![
        field(
            "commands",
            "Commands, one after another; for the runner github-actions its input `command`.",
            Shape::Commands,
        ),
        field(
            "timeout_seconds",
            "Time-out of each command, or of the workflow, in seconds.",
            Shape::Integer { min: 1, max: 840 },
        ),
        field(
            "runner",
            "What builds; codebuild without it.",
            Shape::word(&["codebuild", WORKFLOWS]),
        ),
        field(
            "workflow",
            "File in .github/workflows, for the runner github-actions; pact.yml without it.",
            Shape::Text(Rule::Reason),
        ),
        field(
            "artifact",
            "Name of the artifact that is the release, for the runner github-actions; release \
             without it.",
            Shape::Text(Rule::Reason),
        ),
    ]
}

fn tests() -> Vec<Field> {
    let common = || {
        vec![
            field("timeout_seconds", "Time-out in seconds.", Shape::Integer { min: 1, max: 840 }),
            field("reports", "JUnit reports that the tests write.", Shape::globs()),
        ]
    };
    let suite = |fields| Shape::Tagged { seam: Seam::Runner, fields };
    let isolated = "Whether they have a build of their own; without it unit and integration tests \
                    share one.";
    let shared = || {
        let mut fields = common();
        fields.push(field("isolated", isolated, Shape::Flag));
        suite(fields)
    };
    vec![
        field("unit", "Unit tests; detected from the repository without it.", shared()),
        field("integration", "Integration tests.", shared()),
        field(
            "e2e",
            "Tests against each environment of the tier staging, whose address is in PACT_URL.",
            suite(common()),
        ),
        field("coverage", "LCOV reports that the tests write.", Shape::globs()),
        field(
            "suites",
            "Further suites of unit tests, each in place of the detected one of its name or folder.",
            Shape::Tables(named_suite()),
        ),
        field("leave_out", "Names or folders of detected suites not to run.", Shape::globs()),
        field(
            "gone",
            "Names of suites that are meant to be gone.",
            Shape::List { of: Rule::Reason, min: 0 },
        ),
    ]
}

fn named_suite() -> Vec<Field> {
    vec![
        required("name", "By which the suite is known.", Shape::Text(Rule::Reason)),
        required("command", "Program with arguments, or one line for the shell.", Shape::Command),
        field(
            "runner",
            "What runs the suite; codebuild without it.",
            Shape::word(&["codebuild", "github-actions"]),
        ),
        field(
            "workflow",
            "File in .github/workflows, for the runner github-actions; pact.yml without it.",
            Shape::Text(Rule::Reason),
        ),
        field(
            "artifacts",
            "Names of the artifacts with reports, for the runner github-actions; all without it.",
            Shape::globs(),
        ),
        field("setup", "What has to be done before, in the same directory.", Shape::Command),
        field(
            "directory",
            "Directory to run in, below the repository's root.",
            Shape::Text(Rule::Inside),
        ),
        field("env", "Further environment variables.", Shape::variables()),
        field("reports", "JUnit reports that the suite writes.", Shape::globs()),
        field("timeout_seconds", "Time-out in seconds.", Shape::Integer { min: 1, max: 3_600 }),
        field("isolated", "Whether the suite has a build of its own.", Shape::Flag),
    ]
}

fn conditions() -> Vec<Field> {
    let checks = || Shape::List {
        of: Rule::Pattern {
            pattern: format!(
                "^({})$",
                CHECKS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("|")
            ),
            wanted: "the name of a check such as \"integration\"".to_owned(),
            max: 40,
        },
        min: 1,
    };
    let when = "An expression of CEL over branch, tag, paths, files, lines, risk, author, message, \
                trigger and changes(\"glob\").";
    let then = "A person is asked before users get the release, or the gate holds it.";
    vec![
        required("name", "Its name.", Shape::Text(Rule::Reason)),
        required("when", when, Shape::Text(Rule::Reason)),
        field("require", "Checks that are demanded then.", checks()),
        field("skip", "Checks that are left out then.", checks()),
        field("then", then, Shape::word(&["ask", "hold"])),
    ]
}

fn security() -> Vec<Field> {
    vec![
        field("ignore", "Paths that are not looked at.", Shape::globs()),
        field(
            "accept",
            "Advisories that were judged and accepted, each with the reason.",
            Shape::Map { keys: Rule::Advisory, values: Rule::Reason },
        ),
        field("sarif", "Reports of other scanners, in SARIF 2.1.0.", Shape::globs()),
        field("rules", "Files of the repository's own rules of static analysis.", Shape::globs()),
        field("licenses", "Licences of dependencies, by SPDX id.", Shape::Table(licenses())),
    ]
}

fn licenses() -> Vec<Field> {
    let ids = |min| Shape::List {
        of: Rule::Pattern {
            pattern: "^[A-Za-z0-9.+-]{1,80}$".to_owned(),
            wanted: "the SPDX id of a licence such as \"MIT\"".to_owned(),
            max: 80,
        },
        min,
    };
    let unknown = "What follows where nobody says under which licence a package is: the check has \
                   not passed, or it is only listed.";
    vec![
        field("allow", "These alone are allowed.", ids(1)),
        field("deny", "These are not.", ids(0)),
        field("unknown", unknown, Shape::word(&["hold", "list"])),
    ]
}

fn waivers() -> Vec<Field> {
    let path = "Where: a path or a glob; everywhere without it.";
    vec![
        required("code", "Code of the findings, as in their list.", Shape::Text(Rule::Code)),
        field("path", path, Shape::Text(Rule::Glob)),
        required("owner", "Who answers for it.", Shape::Text(Rule::Reason)),
        required("reason", "Why it is right.", Shape::Text(Rule::Reason)),
        required("expires", "The last day on which it counts, in UTC.", Shape::Text(Rule::Day)),
    ]
}

fn migrations() -> Vec<Field> {
    let ending = || {
        Shape::Text(Rule::Pattern {
            pattern: "^[A-Za-z0-9._-]{1,64}$".to_owned(),
            wanted: "the end of a file's name such as \".up.sql\"".to_owned(),
            max: 64,
        })
    };
    vec![
        required("paths", "Paths of the migrations.", Shape::List { of: Rule::Glob, min: 1 }),
        field("up", "How the name of a migration ends that has a down step.", ending()),
        field("down", "How the name of its down step ends instead.", ending()),
    ]
}

/// The name of an environment: part of addresses, of folders and of what is measured.
pub(crate) fn environment_name() -> Rule {
    Rule::Pattern {
        pattern: "^[a-z][a-z0-9_-]*$".to_owned(),
        wanted: "a small letter, then small letters, digits, '-' and '_'".to_owned(),
        max: 40,
    }
}

fn environment() -> Vec<Field> {
    let watch = Shape::Tagged { seam: Seam::Source, fields: watch() };
    let tiers: Vec<&str> = Tier::ALL.iter().map(|tier| tier.as_str()).collect();
    vec![
        field(
            "tier",
            "What it is for: releases are tried in staging, and users are in production. The names \
             staging and production are their own tier.",
            Shape::word(&tiers),
        ),
        field("health", "What must answer after a deployment.", Shape::Tables(probe())),
        field("approval", "Set when people have to agree first.", Shape::Table(approval())),
        field(
            "watch",
            "How long a new release is watched: in production always, elsewhere where it is said.",
            watch,
        ),
        field(
            "strategy",
            "How a new release comes to its requests: in one step; a few first; more and more; or \
             none until it was asked for its state.",
            Shape::word(&Strategy::ALL.iter().map(|(_, name)| *name).collect::<Vec<_>>()),
        ),
        field(
            "steps",
            "Steps of a canary or a linear shift before the last, which gives the release everything.",
            Shape::Tables(steps()),
        ),
        field(
            "by",
            "By how much a linear shift grows each time, in percent.",
            Shape::Integer { min: 5, max: 99 },
        ),
        field(
            "every",
            "How long each step of a linear shift is watched, in minutes.",
            Shape::Number { min: 0, max: MAX_MINUTES },
        ),
        field(
            "freeze",
            "When it takes no release: windows of which all that is said has to hold.",
            Shape::Tables(freeze()),
        ),
        field(
            "waves",
            "Regions and accounts of which it consists: a release comes to one after the other, and stays \
             in none where it is bad in one.",
            Shape::Waves(wave()),
        ),
    ]
}

/// What a wave has beside the keys of its target.
fn wave() -> Vec<Field> {
    let name = Rule::Pattern {
        pattern: "^[a-z0-9][a-z0-9_-]*$".to_owned(),
        wanted: "a small letter or a digit, then small letters, digits, '-' and '_'".to_owned(),
        max: 32,
    };
    vec![
        field(
            "name",
            "What the environment's name is continued with, after a '-'; the region without it.",
            Shape::Text(name),
        ),
        field("health", "Probes, in place of the environment's.", Shape::Tables(probe())),
        field(
            "watch",
            "Its watch, in place of the environment's.",
            Shape::Tagged { seam: Seam::Source, fields: watch() },
        ),
    ]
}

fn freeze() -> Vec<Field> {
    let pattern = |pattern: &str, wanted: &str, max: usize| Rule::Pattern {
        pattern: pattern.to_owned(),
        wanted: wanted.to_owned(),
        max,
    };
    let time =
        || Shape::Text(pattern("^([01][0-9]|2[0-3]):[0-5][0-9]$", "a time such as \"18:00\"", 5));
    let day =
        pattern("^(mon|tue|wed|thu|fri|sat|sun)$", "one of mon, tue, wed, thu, fri, sat, sun", 3);
    let date = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(/[0-9]{4}-[0-9]{2}-[0-9]{2})?$";
    let dates = "a day such as \"2026-12-24\", or two with a \"/\" between them";
    vec![
        field(
            "days",
            "Days of the week on which it begins; every day without it.",
            Shape::List { of: day, min: 1 },
        ),
        field("from", "When it begins on its days; with the day without it.", time()),
        field("to", "When it ends; not after from, it is on the day after.", time()),
        field(
            "zone",
            "Whose clock, by its name in the time zone database; UTC without it.",
            Shape::Text(pattern(
                "^[A-Za-z0-9_+/-]{1,64}$",
                "a time zone such as \"Europe/Berlin\"",
                64,
            )),
        ),
        field(
            "dates",
            "Days of the calendar on which it begins, or \"first/last\"; always without it.",
            Shape::List { of: pattern(date, dates, 21), min: 1 },
        ),
        required("reason", "Why, for people.", Shape::Text(Rule::Reason)),
    ]
}

/// Longest step in minutes.
#[expect(clippy::cast_possible_truncation, reason = "ten")]
const MAX_MINUTES: u32 = (MAX_STEP_SECONDS / 60) as u32;

fn steps() -> Vec<Field> {
    vec![
        required(
            "weight",
            "The part of the requests that the new release gets, in percent.",
            Shape::Integer { min: 1, max: WHOLE - 1 },
        ),
        required(
            "minutes",
            "How long that is watched.",
            Shape::Number { min: 0, max: MAX_MINUTES },
        ),
    ]
}

fn probe() -> Vec<Field> {
    vec![
        field(
            "path",
            "Path below the environment's address, or a whole address.",
            Shape::Text(Rule::Probe),
        ),
        field("status", "Status that counts as healthy.", Shape::Integer { min: 100, max: 599 }),
        field("contains", "Text that the body must contain.", Shape::Text(Rule::Reason)),
        field(
            "max_latency_ms",
            "Longest answer in milliseconds.",
            Shape::Integer { min: 1, max: 60_000 },
        ),
        field("successes", "Successes in a row.", Shape::Integer { min: 1, max: 100 }),
        field("interval_ms", "Time between two requests.", Shape::Integer { min: 10, max: 60_000 }),
        field("deadline_seconds", "How long to wait.", Shape::Integer { min: 1, max: 600 }),
        field(
            "give_up_after",
            "Wrong answers in a row (not 425, 429, 502, 503, 504) after which it is broken; 0: never.",
            Shape::Integer { min: 0, max: 1_000 },
        ),
    ]
}

fn approval() -> Vec<Field> {
    vec![
        field(
            "timeout_minutes",
            "How long to wait for an answer; none in time counts as no.",
            Shape::Integer { min: 1, max: 10_080 },
        ),
        field(
            "people",
            "How many have to say yes, each by a sign-in or token of their own.",
            Shape::Integer { min: 1, max: 10 },
        ),
    ]
}

/// Policies for a watch that does not tell.
const INCONCLUSIVE: &[&str] = &["extend", "hold", "keep", "take_back"];

fn watch() -> Vec<Field> {
    vec![
        field("seconds", "Length of the watch in seconds.", Shape::Integer { min: 0, max: 600 }),
        field(
            "max_error_rate",
            "Highest share of failed requests in percent.",
            Shape::Number { min: 0, max: 100 },
        ),
        field(
            "max_p95_ms",
            "Highest 95th percentile of the latency.",
            Shape::Integer { min: 1, max: 60_000 },
        ),
        field(
            "inconclusive",
            "What follows when the watch does not tell: extend it, hold for a person, keep the \
             release or take it back.",
            Shape::word(INCONCLUSIVE),
        ),
        field(
            "take_back_hours",
            "For how many hours a release that turns bad is taken back by the scheduled watch, where \
             there is a good one to return to; 24 without it, 0: never.",
            Shape::Integer { min: 0, max: 720 },
        ),
        field(
            "objectives",
            "What is promised to those who use it: the scheduled watch counts against it.",
            Shape::Table(objectives()),
        ),
    ]
}

fn objectives() -> Vec<Field> {
    vec![
        field(
            "availability",
            "Which share of the requests succeeds, in percent; 99.9 without it.",
            Shape::Number { min: 0, max: 100 },
        ),
        field(
            "latency_ms",
            "Within how many milliseconds an answer is a fast one; without it that is not promised.",
            Shape::Integer { min: 1, max: 60_000 },
        ),
        field(
            "latency_share",
            "Which share of the answers is fast, in percent; 95 without it.",
            Shape::Number { min: 0, max: 100 },
        ),
        field(
            "days",
            "Within how many days; 28 without it.",
            Shape::Integer { min: 1, max: MAX_DAYS },
        ),
    ]
}
