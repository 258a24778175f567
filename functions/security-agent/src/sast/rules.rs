//! The rules as data, read once.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use pact_contract::{FindingCode, Severity, codes};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::languages::Language;

/// The comment that allows a rule, by its id, on its own and the next line.
pub(crate) const ALLOW: &str = "pact:allow";

/// Longest title and remedy of a repository's own rule, in bytes.
const MAX_TEXT: usize = 500;
/// Most conditions of such a rule.
const MAX_CONDITIONS: usize = 20;

/// The files of rules with the language that they are for.
pub(crate) const FILES: &[(Language, &str)] = &[
    (Language::Python, include_str!("rules/python.toml")),
    (Language::JavaScript, include_str!("rules/javascript.toml")),
    (Language::Go, include_str!("rules/go.toml")),
    (Language::Java, include_str!("rules/java.toml")),
    (Language::Rust, include_str!("rules/rust.toml")),
    (Language::Ruby, include_str!("rules/ruby.toml")),
    (Language::Php, include_str!("rules/php.toml")),
    (Language::Shell, include_str!("rules/shell.toml")),
    (Language::Dockerfile, include_str!("rules/dockerfile.toml")),
    (Language::Kubernetes, include_str!("rules/kubernetes.toml")),
    (Language::Terraform, include_str!("rules/terraform.toml")),
    (Language::CloudFormation, include_str!("rules/cloudformation.toml")),
    (Language::Actions, include_str!("rules/actions.toml")),
];

/// One rule.
pub(crate) struct Rule {
    pub(crate) code: FindingCode,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) remedy: String,
    pub(crate) event: Event,
    pub(crate) when: Vec<Condition>,
    /// Examples in which it finds something, and in which it does not: they are its test.
    pub(crate) bad: Vec<String>,
    pub(crate) good: Vec<String>,
}

/// What a rule looks at.
pub(crate) enum Event {
    /// Calls of these: whole names, or with `*.` of anything.
    Call(Vec<Callee>),
    /// What is given to a name that matches.
    Set(Regex),
    /// Blocks that stand right behind this word; their text is the one argument.
    Block(String),
    /// Lines that match; with a second expression, the lines below them up to the next block of
    /// the same depth.
    Line(Regex),
}

/// The name of what is called.
pub(crate) struct Callee {
    /// Its last word.
    pub(crate) last: String,
    /// What stands before it; none for anything.
    pub(crate) before: Option<String>,
    /// Whether it has to stand alone.
    pub(crate) bare: bool,
}

/// What has to hold besides.
pub(crate) enum Condition {
    /// The argument, or any without a number, is known only when the program runs.
    Moving(Option<usize>),
    /// The argument is text with something filled in.
    Built(usize),
    /// The argument is a statement of SQL with something filled in.
    Sql(usize),
    /// So it is, and reads or changes rows: what is filled in could be a parameter.
    Query(usize),
    /// So it is, and makes or changes tables or rights.
    Ddl(usize),
    /// The argument, or any without a number, comes from whoever sends a request.
    Tainted(Option<usize>),
    /// The argument is not known, and does not come from a request.
    Unknown(usize),
    /// The argument is text with something filled in, or comes from a request.
    Mixed(usize),
    /// The argument is a name that nothing before it in its function is compared with.
    Unguarded(usize),
    /// What is set was there before.
    Assigned,
    /// The argument comes from a request, or from whoever starts the program.
    Given(usize),
    /// It stands inside brackets before which something matches on their line.
    Within(Regex),
    /// The argument is constant and matches.
    Constant(usize, Regex),
    /// The argument's source text matches.
    Text(usize, Regex),
    /// There is an argument with this name whose text matches.
    Named(String, Regex),
    /// There is none with this name.
    NotNamed(String),
    /// Some argument's source text matches.
    Any(Regex),
    /// None does.
    None(Regex),
    /// The file holds a match.
    File(Regex),
    /// The file holds no match.
    NoFile(Regex),
    /// There are at most as many arguments.
    AtMost(usize),
    /// The line, or one of the ten before it, does not match.
    NotNear(Regex),
    /// The line may be a comment.
    Comments,
}

/// A rule as it is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    /// Of a repository's own rules: where the file's name does not say it.
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    cwe: Option<u32>,
    severity: Severity,
    title: String,
    fix: String,
    #[serde(default)]
    call: Option<String>,
    #[serde(default)]
    set: Option<String>,
    #[serde(default)]
    line: Option<String>,
    #[serde(default)]
    block: Option<String>,
    #[serde(default)]
    when: Vec<String>,
    bad: Vec<String>,
    good: Vec<String>,
}

/// The rules of one language, found by the last word of what they call.
#[derive(Default)]
pub(crate) struct RuleSet {
    pub(crate) rules: Vec<Rule>,
    pub(crate) calls: HashMap<String, Vec<usize>>,
    pub(crate) sets: Vec<usize>,
    pub(crate) lines: Vec<usize>,
    pub(crate) blocks: Vec<usize>,
}

impl RuleSet {
    /// Reads a file of rules.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let raw: HashMap<String, Raw> = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut ids: Vec<String> = raw.keys().cloned().collect();
        ids.sort();
        let mut raw = raw;
        let mut set = Self::default();
        for id in ids {
            let Some(one) = raw.remove(&id) else { continue };
            let rule = Rule::built_in(&id, one).map_err(|e| format!("rule {id}: {e}"))?;
            set.add(rule);
        }
        Ok(set)
    }

    /// One rule more.
    pub(super) fn add(&mut self, rule: Rule) {
        let index = self.rules.len();
        match &rule.event {
            Event::Call(callees) => {
                for callee in callees {
                    self.calls.entry(callee.last.clone()).or_default().push(index);
                }
            }
            Event::Set(_) => self.sets.push(index),
            Event::Line(_) => self.lines.push(index),
            Event::Block(_) => self.blocks.push(index),
        }
        self.rules.push(rule);
    }
}

/// The ids of the built-in rules.
pub(super) fn built_in_ids() -> &'static HashSet<String> {
    static IDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let tables = FILES.iter().filter_map(|(_, text)| toml::from_str::<toml::Table>(text).ok());
        tables.flat_map(|table| table.into_iter().map(|(id, _)| id)).collect()
    });
    &IDS
}

/// Bytes that one expression may become: those of a repository are not trusted.
const MAX_EXPRESSION: usize = 1 << 20;

fn regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(MAX_EXPRESSION).build();
    built.map_err(|e| e.to_string().replace('\n', " "))
}

impl Raw {
    pub(super) fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }
}

impl Rule {
    fn built_in(id: &str, raw: Raw) -> Result<Self, String> {
        if raw.cwe.is_none() || raw.language.is_some() {
            return Err("a built-in rule has a weakness, and the language of its file".to_owned());
        }
        Self::new(codes::RULES.code(id).map_err(|e| e.to_string())?, raw)
    }

    /// A rule of a repository's own.
    pub(super) fn own(id: &str, raw: Raw) -> Result<Self, String> {
        let long = |text: &String| text.len() > MAX_TEXT;
        if long(&raw.title) || long(&raw.fix) || raw.when.len() > MAX_CONDITIONS {
            return Err(format!(
                "at most {MAX_TEXT} bytes for a text, and {MAX_CONDITIONS} conditions"
            ));
        }
        Self::new(codes::OWN_RULES.code(id).map_err(|e| e.to_string())?, raw)
    }

    fn new(code: FindingCode, raw: Raw) -> Result<Self, String> {
        let event = match (&raw.call, &raw.set, &raw.line, &raw.block) {
            (Some(call), None, None, None) => {
                Event::Call(call.split('|').map(Callee::new).collect())
            }
            (None, Some(set), None, None) => Event::Set(regex(set)?),
            (None, None, Some(line), None) => Event::Line(regex(line)?),
            (None, None, None, Some(word)) => Event::Block(word.clone()),
            _ => return Err("one of call, set, line and block".to_owned()),
        };
        if raw.bad.is_empty() || raw.good.is_empty() {
            return Err("an example of each kind is missing".to_owned());
        }
        Ok(Self {
            severity: raw.severity,
            message: match raw.cwe {
                Some(cwe) => format!("{} (CWE-{cwe})", raw.title),
                None => raw.title,
            },
            remedy: format!(
                "{}; if it is safe here, say why in a comment \"{ALLOW} {code}: REASON\" on the line or the line before",
                raw.fix
            ),
            code,
            event,
            when: raw.when.iter().map(|text| Condition::parse(text)).collect::<Result<_, _>>()?,
            bad: raw.bad,
            good: raw.good,
        })
    }
}

impl Callee {
    fn new(text: &str) -> Self {
        let text = text.trim();
        match text.rsplit_once('.') {
            Some(("*", last)) => Self { last: last.to_owned(), before: None, bare: false },
            Some((before, last)) => {
                Self { last: last.to_owned(), before: Some(before.to_owned()), bare: false }
            }
            None => Self { last: text.to_owned(), before: None, bare: true },
        }
    }

    /// Whether a path is this name.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_suffix(self.last.as_str()) else { return false };
        let rest = if rest.is_empty() {
            rest
        } else {
            match rest.strip_suffix('.') {
                Some(rest) => rest,
                None => return false,
            }
        };
        match &self.before {
            None if self.bare => rest.is_empty(),
            None => !rest.is_empty(),
            Some(before) => {
                rest == before
                    || rest.strip_suffix(before.as_str()).is_some_and(|r| r.ends_with('.'))
            }
        }
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let number =
            |text: &str| text.parse::<usize>().map_err(|_| format!("no number in {text:?}"));
        let with_number = || -> Result<(usize, Regex), String> {
            let (at, expression) = rest.split_once(' ').ok_or("an expression is missing")?;
            Ok((number(at)?, regex(expression)?))
        };
        Ok(match word {
            "moving" if rest.is_empty() => Self::Moving(None),
            "moving" => Self::Moving(Some(number(rest)?)),
            "built" => Self::Built(number(rest)?),
            "sql" => Self::Sql(number(rest)?),
            "query" => Self::Query(number(rest)?),
            "ddl" => Self::Ddl(number(rest)?),
            "tainted" if rest.is_empty() => Self::Tainted(None),
            "tainted" => Self::Tainted(Some(number(rest)?)),
            "unknown" => Self::Unknown(number(rest)?),
            "mixed" => Self::Mixed(number(rest)?),
            "unguarded" => Self::Unguarded(number(rest)?),
            "assigned" => Self::Assigned,
            "given" => Self::Given(number(rest)?),
            "within" => Self::Within(regex(rest)?),
            "constant" => {
                let (at, expression) = with_number()?;
                Self::Constant(at, expression)
            }
            "text" => {
                let (at, expression) = with_number()?;
                Self::Text(at, expression)
            }
            "named" => {
                let (name, expression) = rest.split_once(' ').ok_or("an expression is missing")?;
                Self::Named(name.to_owned(), regex(expression)?)
            }
            "unnamed" => Self::NotNamed(rest.to_owned()),
            "any" => Self::Any(regex(rest)?),
            "none" => Self::None(regex(rest)?),
            "file" => Self::File(regex(rest)?),
            "nofile" => Self::NoFile(regex(rest)?),
            "atmost" => Self::AtMost(number(rest)?),
            "comments" => Self::Comments,
            "notnear" => Self::NotNear(regex(rest)?),
            other => return Err(format!("there is no condition {other:?}")),
        })
    }
}
