//! What a file may hold: one table, from which the check and the schema are made.

use crate::values::Rule;

/// One key of a table.
pub(crate) struct Field {
    /// The key.
    pub(crate) name: &'static str,
    /// Whether the table is useless without it.
    pub(crate) required: bool,
    /// One sentence for people.
    pub(crate) about: &'static str,
    /// What it holds.
    pub(crate) shape: Shape,
}

/// What a key holds.
pub(crate) enum Shape {
    /// One of these words. `later` are words that will be known one day.
    Word { now: &'static [&'static str], later: &'static [&'static str] },
    /// A text that satisfies the rule.
    Text(Rule),
    /// A whole number.
    Integer { min: u32, max: u32 },
    /// A number.
    Number { min: u32, max: u32 },
    /// A list of texts that satisfy the rule.
    List { of: Rule, min: usize },
    /// A program with arguments, or one line for the shell.
    Command,
    /// A list of commands.
    Commands,
    /// Texts by free names.
    Map { keys: Rule, values: Rule },
    /// A table.
    Table(&'static Fields),
    /// A list of tables.
    Tables(&'static Fields),
}

/// The keys of a table.
pub(crate) type Fields = [Field];

const fn field(name: &'static str, about: &'static str, shape: Shape) -> Field {
    Field { name, required: false, about, shape }
}

const fn needed(name: &'static str, about: &'static str, shape: Shape) -> Field {
    Field { name, required: true, about, shape }
}

const fn word(now: &'static [&'static str]) -> Shape {
    Shape::Word { now, later: &[] }
}

/// Names of the templates.
pub(crate) const TEMPLATES: &[&str] =
    &["default", "production", "microservice", "frontend", "ml_model", "hotfix"];

const SEVERITIES: &[&str] = &["info", "low", "medium", "high", "critical"];

const GLOBS: Shape = Shape::List { of: Rule::Glob, min: 0 };

/// The whole file.
pub(crate) const ROOT: [Field; 9] = [
    field("template", "How strict the pipeline is.", word(TEMPLATES)),
    field(
        "documentation",
        "Paths whose change alone deploys nothing; replaces the built-in list.",
        GLOBS,
    ),
    field("checks", "Checks that are switched off or demanded.", Shape::Table(CHECKS)),
    field("gate", "Thresholds of the gate.", Shape::Table(GATE)),
    field("code", "Thresholds of the code agent.", Shape::Table(CODE)),
    field("tests", "How to run the tests.", Shape::Table(TESTS)),
    field("security", "What the security agent looks at.", Shape::Table(SECURITY)),
    field(
        "environments",
        "Where releases go; without any, nothing is deployed.",
        Shape::Table(ENVIRONMENTS),
    ),
    field("notify", "Whom to tell.", Shape::Table(NOTIFY)),
];

const fn check(name: &'static str, about: &'static str) -> Field {
    field(name, about, word(&["auto", "skip", "require"]))
}

/// The checks of the pipeline.
pub(crate) const CHECKS: &Fields = &[
    check("syntax", "Changed files parse."),
    check("quality", "Complexity of the functions that changed."),
    check("unit", "Unit tests."),
    check("integration", "Integration tests."),
    check("coverage", "Coverage in all and of the changed lines."),
    check("vulnerabilities", "Static analysis."),
    check("dependencies", "Dependencies without known advisories."),
    check("secrets", "No secret in the added lines."),
    check("e2e", "End-to-end tests against staging."),
];

const GATE: &Fields = &[
    field("min_coverage", "Least line coverage in percent.", Shape::Number { min: 0, max: 100 }),
    field(
        "min_changed_coverage",
        "Least line coverage of the changed lines in percent.",
        Shape::Number { min: 0, max: 100 },
    ),
    field("max_severity", "Gravest vulnerability or advisory that still passes.", word(SEVERITIES)),
    field(
        "max_quality_findings",
        "Most findings of the quality check.",
        Shape::Integer { min: 0, max: 1_000_000 },
    ),
];

const THRESHOLD: Shape = Shape::Integer { min: 1, max: 100_000 };

const CODE: &Fields = &[
    field("max_cyclomatic", "Highest cyclomatic complexity of a changed function.", THRESHOLD),
    field("max_cognitive", "Highest cognitive complexity of a changed function.", THRESHOLD),
    field("max_function_lines", "Most lines of a changed function.", THRESHOLD),
    field("ignore", "Paths that are not looked at.", GLOBS),
];

const TESTS: &Fields = &[
    field("unit", "Unit tests; detected from the repository without it.", Shape::Table(TEST)),
    field("integration", "Integration tests.", Shape::Table(TEST)),
    field("e2e", "Tests against staging, whose address is in PACT_URL.", Shape::Table(TEST)),
    field("coverage", "LCOV reports that the tests write.", GLOBS),
];

const ENV: Shape = Shape::Map { keys: Rule::Variable, values: Rule::Any };

const TEST: &Fields = &[
    needed("command", "Program with arguments, or one line for the shell.", Shape::Command),
    field(
        "directory",
        "Directory to run in, below the repository's root.",
        Shape::Text(Rule::Inside),
    ),
    field("timeout_seconds", "Time-out in seconds.", Shape::Integer { min: 1, max: 840 }),
    field("env", "Further environment variables.", ENV),
    field("reports", "JUnit reports that the command writes.", GLOBS),
];

const SECURITY: &Fields = &[
    field("ignore", "Paths that are not looked at.", GLOBS),
    field(
        "accept",
        "Advisories that were judged and accepted, each with the reason.",
        Shape::Map { keys: Rule::Advisory, values: Rule::Reason },
    ),
];

const ENVIRONMENTS: &Fields = &[
    field("staging", "Where a release is tried.", Shape::Table(ENVIRONMENT)),
    field("production", "Where users are.", Shape::Table(ENVIRONMENT)),
];

/// Targets that are described but cannot be deployed to yet.
const LATER: &[&str] = &["lambda", "ecs", "s3-site", "command"];

const ENVIRONMENT: &Fields = &[
    needed("target", "What is deployed to.", Shape::Word { now: &["directory"], later: LATER }),
    field("path", "Directory below the deploy agent's root.", Shape::Text(Rule::Inside)),
    field("build", "Commands that are run in the new release before the switch.", Shape::Commands),
    field(
        "build_timeout_seconds",
        "Time-out of each build command in seconds.",
        Shape::Integer { min: 1, max: 840 },
    ),
    field("keep", "How many releases are kept.", Shape::Integer { min: 2, max: 50 }),
    field("service", "The program that serves the release.", Shape::Table(SERVICE)),
    field("health", "What must answer after a deployment.", Shape::Tables(PROBE)),
    field("approval", "Set when a person has to agree first.", Shape::Table(APPROVAL)),
    field("watch", "How long a new release is watched.", Shape::Table(WATCH)),
];

const SERVICE: &Fields = &[
    needed("command", "Program with arguments, or one line for the shell.", Shape::Command),
    field("port", "Port; a free one without it.", Shape::Integer { min: 1, max: 65_535 }),
    field("env", "Further environment variables.", ENV),
];

const PROBE: &Fields = &[
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
];

const APPROVAL: &Fields = &[field(
    "timeout_minutes",
    "How long to wait for an answer; none in time counts as no.",
    Shape::Integer { min: 1, max: 10_080 },
)];

const WATCH: &Fields = &[
    field("seconds", "Length of the watch in seconds.", Shape::Integer { min: 0, max: 600 }),
    field("interval_ms", "Time between two requests.", Shape::Integer { min: 10, max: 60_000 }),
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
];

const NOTIFY: &Fields = &[
    field("slack", "Slack.", Shape::Table(SLACK)),
    field("email", "E-mail.", Shape::Table(EMAIL)),
    field("jira", "Jira.", Shape::Table(JIRA)),
];

const SLACK: &Fields = &[field("channel", "Channel for display.", Shape::Text(Rule::Channel))];

const EMAIL: &Fields = &[needed("to", "Addresses.", Shape::List { of: Rule::Address, min: 1 })];

const JIRA: &Fields = &[
    needed("project", "Project key.", Shape::Text(Rule::Project)),
    field("transition", "Transition after a production release.", Shape::Text(Rule::Reason)),
];
