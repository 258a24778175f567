//! Languages that only a grammar for tree-sitter knows here.
//!
//! A grammar follows its language at a distance: a construct that it does not know yet is an
//! error to it too. So an error counts only where a second look explains it, whatever the version
//! of the language: brackets, strings or comments that are not closed, or a single token that is
//! missing or too much while all around it is understood. Otherwise the file is unsure.

use std::sync::LazyLock;

use ast_grep_core::{AstGrep, Node, tree_sitter::StrDoc};
use ast_grep_language::SupportLang;
use regex::Regex;

use super::{
    gaps, lexical,
    verdict::{Cause, Doubt, Fault, MAX_FAULTS, Opinion, number},
};

/// Most places of a file that are taken for single tokens.
const MAX_PLAIN: usize = 2;

/// Parses a file.
pub(super) fn parse(path: &str, language: &str, text: &str) -> Opinion {
    let mut reading = match read(language, text) {
        Ok(reading) => reading,
        Err(reason) => return Opinion::Unsure(Doubt::new(Cause::Grammar, reason), Vec::new()),
    };
    // What the grammar is known not to know is replaced by what it knows.
    if !reading.faults.is_empty()
        && let Some(bridged) = gaps::bridged(language, text)
        && let Ok(other) = read(language, &bridged)
        && other.faults.len() < reading.faults.len()
    {
        reading = other;
    }
    if reading.faults.is_empty() {
        return Opinion::from_faults(misplaced(path, language, text));
    }
    let lexical = lexical::fault(language, text);
    // Where a preprocessor comes first, a macro may stand for the token that is missing, and a
    // directive between two halves of a statement takes it apart: only what is not closed counts.
    // So it is in CSS, where a value may be any tokens whose brackets match (CSS Syntax 3, 5.4).
    let is_plain = reading.is_plain && !matches!(language, "C" | "C++" | "CSS");
    if matches!(language, "C" | "C++") && is_part(text) {
        let doubt = Doubt::new(Cause::Dialect, "it is a part that another file includes");
        return Opinion::Unsure(doubt, reading.faults);
    }
    if lexical.is_some() || is_plain {
        let mut faults = reading.faults;
        // The grammar may have noticed the bracket far away from it.
        if let Some(fault) = lexical
            && !faults.iter().any(|known| known.line == fault.line)
        {
            faults.push(fault);
        }
        return Opinion::from_faults(faults);
    }
    let doubt = Doubt::new(Cause::Grammar, "only a grammar says so, which may not know all of it");
    Opinion::Unsure(doubt, reading.faults)
}

/// Whether a file of C begins with a statement, as no unit of its own does: it is included into a
/// function, and its brackets need not match.
fn is_part(text: &str) -> bool {
    const STATEMENTS: &[&str] =
        &["break", "case", "default", "do", "for", "goto", "if", "return", "switch", "while"];
    static ASIDE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r#"(?s)/\*.*?\*/|//[^\n]*|(?-s)(?m:^[ \t]*#(?:[^\n\\]|\\.|\\\n)*)|"(?:[^"\\\n]|\\.)*""#,
        )
        .ok()
    });
    let Some(aside) = ASIDE.as_ref() else { return false };
    let plain = aside.replace_all(text, " ");
    let first = plain.split(['{', '}']).next().unwrap_or_default();
    first.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| STATEMENTS.contains(&word))
}

/// Every place where the grammar does not fit, in order.
pub(super) fn faults(language: &str, text: &str) -> Result<Vec<Fault>, String> {
    read(language, text).map(|reading| reading.faults)
}

fn grammar(language: &str) -> Option<SupportLang> {
    Some(match language {
        "C" => SupportLang::C,
        "C#" => SupportLang::CSharp,
        "C++" => SupportLang::Cpp,
        "CSS" => SupportLang::Css,
        "Go" => SupportLang::Go,
        "Java" => SupportLang::Java,
        "Kotlin" => SupportLang::Kotlin,
        "Ruby" => SupportLang::Ruby,
        "Rust" => SupportLang::Rust,
        "Shell" => SupportLang::Bash,
        "Swift" => SupportLang::Swift,
        _ => return None,
    })
}

type SyntaxNode<'a> = Node<'a, StrDoc<SupportLang>>;

struct Reading {
    faults: Vec<Fault>,
    /// Whether each fault is a token that is missing or too much.
    is_plain: bool,
}

fn tree(language: &str, text: &str) -> Result<AstGrep<StrDoc<SupportLang>>, String> {
    let grammar = grammar(language).ok_or_else(|| format!("there is no grammar of {language}"))?;
    AstGrep::try_new(text, grammar).map_err(|e| format!("it cannot be parsed: {e}"))
}

fn read(language: &str, text: &str) -> Result<Reading, String> {
    let tree = tree(language, text)?;
    let mut open = vec![tree.root()];
    let mut reading = Reading { faults: Vec::new(), is_plain: true };
    // Only branches with an error in them are followed, so that a valid file costs nothing.
    while let Some(node) = open.pop() {
        if node.is_missing() {
            reading.faults.push(fault(&node, format!("missing `{}`", node.kind())));
        } else {
            let inner: Vec<_> =
                node.children().filter(|n| n.get_inner_node().has_error()).collect();
            // The innermost error is the nearest to what is wrong.
            if node.is_error() {
                reading.is_plain &= is_punctuation(&node.text());
                if inner.is_empty() {
                    reading.faults.push(unexpected(&node));
                }
            }
            open.extend(inner.into_iter().rev());
        }
        if reading.faults.len() >= MAX_FAULTS {
            break;
        }
    }
    reading.is_plain &= reading.faults.len() <= MAX_PLAIN;
    reading.faults.sort_by_key(|fault| (fault.line, fault.column));
    reading.faults.dedup();
    Ok(reading)
}

fn is_punctuation(text: &str) -> bool {
    let punctuation = |c: char| c.is_ascii_punctuation() && !matches!(c, '_' | '@' | '#' | '`');
    text.chars().all(|c| punctuation(c) || c.is_whitespace())
}

fn fault(node: &SyntaxNode<'_>, message: String) -> Fault {
    let start = node.start_pos();
    Fault { line: number(start.line() + 1), column: number(start.column(node) + 1), message }
}

/// An error node: a bracket in it that was never closed, or else its first token.
fn unexpected(node: &SyntaxNode<'_>) -> Fault {
    let mut brackets: Vec<SyntaxNode<'_>> = Vec::new();
    for child in node.children() {
        match child.kind().as_ref() {
            "(" | "[" | "{" => brackets.push(child),
            ")" | "]" | "}" => {
                brackets.pop();
            }
            _ => {}
        }
    }
    if let Some(bracket) = brackets.pop() {
        let message = format!("unclosed `{}`", bracket.kind());
        return fault(&bracket, message);
    }
    let text = node.text();
    match text.chars().next() {
        Some(c) if c.is_ascii_punctuation() && !matches!(c, '"' | '\'' | '`') => {
            fault(node, format!("unexpected `{c}`"))
        }
        _ => fault(node, "unexpected text".to_owned()),
    }
}

/// What the grammar accepts at the top of a file and the language does not.
fn misplaced(path: &str, language: &str, text: &str) -> Vec<Fault> {
    let allowed: &[&str] = match language {
        "Go" => &[
            "package_clause",
            "import_declaration",
            "function_declaration",
            "method_declaration",
            "type_declaration",
            "var_declaration",
            "const_declaration",
            "comment",
        ],
        // Java 25 has methods and fields without a class around them.
        "Java" => &[
            "package_declaration",
            "import_declaration",
            "module_declaration",
            "class_declaration",
            "interface_declaration",
            "enum_declaration",
            "record_declaration",
            "annotation_type_declaration",
            "method_declaration",
            "local_variable_declaration",
            "field_declaration",
            "line_comment",
            "block_comment",
        ],
        _ => return Vec::new(),
    };
    let Ok(tree) = tree(language, text) else { return Vec::new() };
    let mut faults = Vec::new();
    let mut declared = false;
    let root = tree.root();
    for node in root.children().filter(|node| node.is_named()) {
        let kind = node.kind();
        if !allowed.contains(&kind.as_ref()) {
            faults.push(fault(&node, "a statement outside of a function".to_owned()));
        } else if kind == "import_declaration" && declared {
            faults.push(fault(&node, "an import behind a declaration".to_owned()));
        } else if !matches!(
            kind.as_ref(),
            "package_clause" | "package_declaration" | "import_declaration"
        ) && !kind.ends_with("comment")
        {
            declared = true;
        }
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    let is_go_part = language == "Go" && !root.children().any(|n| n.kind() == "package_clause");
    if is_go_part && !text.trim().is_empty() && path.ends_with(".go") {
        faults.push(Fault { line: 1, column: 1, message: "there is no package clause".to_owned() });
    }
    faults
}
