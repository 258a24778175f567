//! Rules for texts.

use globset::GlobBuilder;
use jiff::civil::Date;
use regex::Regex;
use serde::{Deserialize, Serialize};

/// What a text has to satisfy. Whatever the rule, a text has no NUL and at most
/// [`Rule::max`] characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Any text, also an empty one.
    Any,
    /// A text with something in it, on one line.
    Reason,
    /// A pattern of paths below the root.
    Glob,
    /// A relative path that does not lead out.
    Inside,
    /// Name of an environment variable.
    Variable,
    /// Id of an advisory.
    Advisory,
    /// Code of a finding.
    Code,
    /// A day of the calendar.
    Day,
    /// E-mail address.
    Address,
    /// Slack channel.
    Channel,
    /// Key of a Jira project.
    Project,
    /// What a health probe requests.
    Probe,
    /// A text that a regular expression matches: how an instance brings a rule of its own.
    Pattern {
        /// The expression, in the syntax that Rust and ECMAScript have in common, and anchored.
        pattern: String,
        /// What it stands for, after "must be".
        wanted: String,
        /// Most characters.
        max: usize,
    },
}

impl Rule {
    /// Most characters of such a text.
    #[must_use]
    pub const fn max(&self) -> usize {
        match self {
            Self::Any => 8_192,
            Self::Reason | Self::Glob | Self::Inside => 1_024,
            Self::Probe => 2_048,
            Self::Variable | Self::Address => 254,
            Self::Advisory | Self::Channel => 80,
            Self::Code => 100,
            Self::Day => 10,
            Self::Project => 32,
            Self::Pattern { max, .. } => *max,
        }
    }

    /// Whether an empty text is one.
    #[must_use]
    pub const fn may_be_empty(&self) -> bool {
        matches!(self, Self::Any)
    }

    /// Checks a text.
    ///
    /// # Errors
    /// What is wrong with it: a fragment that follows the name of the key.
    pub fn check(&self, text: &str) -> Result<(), String> {
        if text.contains('\0') {
            return Err("must not contain a NUL character".to_owned());
        }
        if text.chars().count() > self.max() {
            return Err(format!("is longer than {} characters", self.max()));
        }
        if text.trim().is_empty() && !self.may_be_empty() {
            return Err("must not be empty".to_owned());
        }
        match self {
            Self::Any => Ok(()),
            Self::Reason => one_line(text),
            Self::Glob => glob(text),
            Self::Inside => inside(text),
            Self::Variable => {
                name(text, "a letter or '_', then letters, digits and '_'", |i, c| {
                    c == '_' || c.is_ascii_alphabetic() || (i > 0 && c.is_ascii_digit())
                })
            }
            Self::Advisory => {
                name(text, "the id of an advisory such as \"RUSTSEC-2024-0001\"", |i, c| {
                    c.is_ascii_alphanumeric() || (i > 0 && matches!(c, '-' | '_' | '.' | ':'))
                })
            }
            Self::Code => name(text, "the code of a finding such as \"secret-jwt\"", |i, c| {
                c.is_ascii_alphanumeric() || (i > 0 && matches!(c, '-' | '_' | '.'))
            }),
            Self::Day => match text.parse::<Date>() {
                Ok(_) => Ok(()),
                Err(_) => Err("must be a day of the calendar such as \"2027-03-31\"".to_owned()),
            },
            Self::Address => address(text),
            Self::Channel => name(text, "a channel name such as \"#releases\"", |i, c| {
                c.is_alphanumeric() || matches!(c, '-' | '_' | '.') || (i == 0 && c == '#')
            }),
            Self::Project => name(text, "a project key such as \"SHOP\"", |i, c| {
                c.is_ascii_uppercase() || (i > 0 && (c.is_ascii_digit() || c == '_'))
            }),
            Self::Probe => probe(text),
            Self::Pattern { pattern, wanted, .. } => match Regex::new(pattern) {
                Ok(regex) if regex.is_match(text) => Ok(()),
                Ok(_) => Err(format!("must be {wanted}")),
                Err(error) => Err(format!("cannot be checked: {error}")),
            },
        }
    }
}

fn one_line(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("must be on one line".to_owned());
    }
    Ok(())
}

fn name(text: &str, wanted: &str, allowed: impl Fn(usize, char) -> bool) -> Result<(), String> {
    if text.chars().enumerate().all(|(i, c)| allowed(i, c)) {
        Ok(())
    } else {
        Err(format!("must be {wanted}"))
    }
}

fn glob(text: &str) -> Result<(), String> {
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Err("must be a pattern of paths below the repository's root".to_owned());
    }
    GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map(drop)
        .map_err(|e| format!("is not a valid pattern: {}", e.kind()))
}

fn inside(text: &str) -> Result<(), String> {
    let outside = text.starts_with('/')
        || text.contains('\\')
        || text.chars().any(char::is_control)
        || text.split('/').any(|part| part == "..");
    if outside {
        return Err("must be a relative path that does not lead out".to_owned());
    }
    Ok(())
}

fn probe(text: &str) -> Result<(), String> {
    let whole = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let well = match whole {
        Some(rest) => rest.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '['),
        None => text.starts_with('/'),
    };
    if !well || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must be a path such as \"/health\" or a whole http address".to_owned());
    }
    Ok(())
}

/// An address as nearly all are: local part and domain name, without quotes or comments. It ends
/// up in a mail header, so nothing that could end one is let through.
fn address(text: &str) -> Result<(), String> {
    let fault = || "is not an e-mail address".to_owned();
    let (local, domain) = text.rsplit_once('@').ok_or_else(fault)?;
    let local_well = (1..=64).contains(&local.len())
        && local.split('.').all(|part| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        });
    let domain_well = domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    });
    if local_well && domain_well { Ok(()) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_judged_as_people_would() {
        let well = [
            (Rule::Any, ""),
            (Rule::Glob, "docs/**"),
            (Rule::Glob, "{a,b}/*.md"),
            (Rule::Inside, "services/web"),
            (Rule::Inside, "."),
            (Rule::Variable, "_A1"),
            (Rule::Advisory, "GHSA-abcd-1234-wxyz"),
            (Rule::Code, "secret-jwt"),
            (Rule::Day, "2028-02-29"),
            (Rule::Address, "first.last+tag@mail.example.org"),
            (Rule::Address, "root@localhost"),
            (Rule::Channel, "#releases"),
            (Rule::Project, "SHOP2"),
            (Rule::Probe, "/health?full=1"),
            (Rule::Probe, "https://example.org/up"),
        ];
        for (rule, text) in well {
            assert_eq!(rule.check(text), Ok(()), "{rule:?} {text:?}");
        }
        let wrong = [
            (Rule::Any, "a\0b"),
            (Rule::Reason, " "),
            (Rule::Reason, "a\nb"),
            (Rule::Glob, "/etc/*"),
            (Rule::Glob, "a/../b"),
            (Rule::Glob, "[a"),
            (Rule::Inside, "/etc"),
            (Rule::Inside, "a/../../b"),
            (Rule::Inside, "a\\b"),
            (Rule::Variable, "1A"),
            (Rule::Variable, "A=B"),
            (Rule::Advisory, "-x"),
            (Rule::Code, "two words"),
            (Rule::Day, "2027-02-29"),
            (Rule::Day, "tomorrow"),
            (Rule::Address, "nobody"),
            (Rule::Address, "a@b@c"),
            (Rule::Address, "a..b@c.org"),
            (Rule::Address, "a@c.org\nBcc: x@y.org"),
            (Rule::Channel, "a#b"),
            (Rule::Project, "shop"),
            (Rule::Probe, "health"),
            (Rule::Probe, "http://"),
            (Rule::Probe, "/a b"),
            (Rule::Probe, "ftp://x"),
        ];
        for (rule, text) in wrong {
            assert!(rule.check(text).is_err(), "{rule:?} {text:?}");
        }
        assert!(Rule::Project.check(&"A".repeat(33)).is_err());
    }
}
