//! Signs that a file that does not parse is not meant to.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    gaps::blank,
    verdict::{Cause, Doubt, Opinion},
};

/// Folders whose files are data of tests, often broken on purpose, or other people's code; in small
/// letters, without what joins words: `Test Data`, `__fixtures__`.
const FOREIGN_FOLDERS: &[&str] = &[
    "badcases",
    "bowercomponents",
    "corpus",
    "fixture",
    "fixtures",
    "invalid",
    "malformed",
    "nodemodules",
    "testdata",
    "testfixtures",
    "thirdparty",
    "vendor",
    "vendored",
];
/// Folders whose files are templates.
const TEMPLATE_FOLDERS: &[&str] = &[
    "_templates",
    "archetype-resources",
    "cookiecutter",
    "generators",
    "skeleton",
    "skeletons",
    "stub",
    "stubs",
    "template",
    "templates",
];

/// What templates are written with, and whether a value takes its place.
static MARKS: LazyLock<Vec<(Regex, bool)>> = LazyLock::new(|| {
    [
        (r"\{%[^\n]*?%\}", false),
        (r"(?s)\{#.*?#\}", false),
        (r"(?s)<%=.*?%>", true),
        (r"(?s)<%.*?%>", false),
        (r"\{\{[^\n]*?\}\}\}?", true),
    ]
    .into_iter()
    .filter_map(|(pattern, value)| Some((Regex::new(pattern).ok()?, value)))
    .collect()
});

/// Values and directives of Velocity and its like, in languages that have no `${…}`.
static DOLLARS: LazyLock<Vec<(Regex, bool)>> = LazyLock::new(|| {
    [
        (r"(?m)^[ \t]*#(?:set|if|elseif|else|end|foreach|macro|parse)\b[^\n]*$", false),
        (r"</?#[^\n>]*>", false),
        (r"\$!?\{[^{}\n]*\}", true),
    ]
    .into_iter()
    .filter_map(|(pattern, value)| Some((Regex::new(pattern).ok()?, value)))
    .collect()
});

/// Why a file that does not parse may be as it should be; none when it is plainly wrong. `parse`
/// says what a parser makes of another text in its place.
pub(super) fn doubt(
    path: &str,
    language: &str,
    text: &str,
    parse: impl Fn(&str) -> Opinion,
) -> Option<Doubt> {
    let folders = || path.split('/').rev().skip(1);
    let is_foreign = |folder: &&str| FOREIGN_FOLDERS.contains(&plain(folder).as_str());
    if let Some(folder) = folders().find(is_foreign) {
        return Some(Doubt::new(Cause::Foreign, format!("it is below a folder {folder}")));
    }
    if is_test_resource(path) {
        return Some(Doubt::new(Cause::Foreign, "it is a resource of tests"));
    }
    if path.contains("{{") || path.contains("{%") || path.contains("__name__") {
        return Some(Doubt::new(Cause::Template, "its path is a template's"));
    }
    if let Some(masked) = masked(language, text) {
        let template = || Some(Doubt::new(Cause::Template, "it is a template of another tool"));
        if folders().any(|folder| TEMPLATE_FOLDERS.contains(&folder)) {
            return template();
        }
        // With the marks out of the way it parses: they are what was wrong with it.
        if parse(&masked) == Opinion::Parsed {
            return template();
        }
        // In no language does a file begin so.
        if text.trim_start().starts_with("<%") {
            return template();
        }
        // Blocks of a template leave something behind that fits together only once it was filled.
        if has_blocks(text) && language != "JavaScript" && language != "TypeScript" {
            return template();
        }
    }
    if language == "Python" && text.starts_with("## Script (Python)") {
        return Some(Doubt::new(Cause::Dialect, "it is the body of a function of Zope"));
    }
    if language == "Shell" && is_zsh(text) {
        return Some(Doubt::new(Cause::Dialect, "it uses what only zsh has"));
    }
    (language == "Python" && is_python_2(text))
        .then(|| Doubt::new(Cause::Version, "its first line asks for Python 2"))
}

/// The name of a folder in small letters, without what joins its words.
fn plain(folder: &str) -> String {
    let kept = folder.chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '.'));
    kept.flat_map(char::to_lowercase).collect()
}

/// Whether a script has commands and expansions that only zsh has.
fn is_zsh(text: &str) -> bool {
    static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r#"(?m)^\s*(?:zmodload|setopt|unsetopt|zstyle|compdef|bindkey|autoload -|emulate )|\$\{[("$]|\$\{\w+:[aAhtre]\}|\$\+commands"#,
        )
        .ok()
    });
    MARK.as_ref().is_some_and(|mark| mark.is_match(text))
}

/// The text with its templates' marks masked, each place where it was; none without a mark.
fn masked(language: &str, text: &str) -> Option<String> {
    let dollars = matches!(language, "C" | "C#" | "C++" | "Go" | "Java" | "JSON" | "TOML" | "XML");
    let marks = MARKS.iter().chain(DOLLARS.iter().filter(|_| dollars));
    let mut masked = text.to_owned();
    for (mark, is_value) in marks {
        let places: Vec<_> = mark.find_iter(&masked).map(|found| found.range()).collect();
        for place in places {
            let before = masked.get(..place.start)?;
            // `${{ … }}` of workflows is a value of theirs.
            if language == "YAML"
                && before.ends_with('$')
                && masked.get(place.clone())?.starts_with("{{")
            {
                continue;
            }
            let line = before.rfind('\n').map_or(0, |at| at + 1);
            let behind = masked.get(place.end..)?;
            let alone = before.get(line..)?.trim().is_empty()
                && behind.lines().next().is_none_or(|rest| rest.trim().is_empty());
            let by = if *is_value && !alone { '_' } else { ' ' };
            let mut new = blank(masked.get(place.clone())?, by);
            // Where a bare word is no value, a string is.
            let quoted = before.get(line..)?.matches('"').count() % 2 == 1;
            if by == '_' && !quoted && matches!(language, "JSON" | "JSON with Comments" | "TOML") {
                let last = new.len().saturating_sub(1);
                new.replace_range(last.., "\"");
                new.replace_range(..1, "\"");
            }
            masked.replace_range(place, &new);
        }
    }
    (masked != text).then_some(masked)
}

/// Whether a template's block is opened: `{{- if`, `{{ range`, `{% for`, `<% if`, `#foreach`.
fn has_blocks(text: &str) -> bool {
    static BLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let words = "if|else|end|endif|for|endfor|range|with|include|define|block|template|each|macro|raw|set|extends";
        Regex::new(&format!(
            r"(?m)\{{\{{[-~#/ ]*(?:{words})\b|\{{%[-+ ]*(?:{words})\b|<%[-_ ]*(?:{words})\b|^[ \t]*#(?:foreach|set)\b"
        ))
        .ok()
    });
    BLOCK.as_ref().is_some_and(|block| block.is_match(text))
}

/// `tests/ui` of a compiler, `src/test/resources`, `src/integrationTest/resources` and the like, of Maven and Gradle.
fn is_test_resource(path: &str) -> bool {
    let folders: Vec<&str> = path.split('/').collect();
    folders.windows(2).any(|two| matches!(two, ["tests", "ui" | "snapshots"])) || folders.windows(3).any(|three| {
        matches!(three, ["src", set, "resources"] if set.to_ascii_lowercase().contains("test"))
    })
}

fn is_python_2(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.starts_with("#!") && line.contains("python2"))
}
