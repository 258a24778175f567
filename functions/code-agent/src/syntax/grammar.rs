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
    conflict, gaps, lexical, slips,
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
    let mut bridged = None;
    if !reading.faults.is_empty() {
        for other in gaps::bridges(language, text) {
            let Ok(better) = read(language, &other) else { continue };
            if better.faults.len() < reading.faults.len() {
                reading = better;
                bridged = Some(other);
            }
            if reading.faults.is_empty() {
                break;
            }
        }
    }
    if reading.faults.is_empty() {
        // Only one branch of each condition was read: what is not closed in another is no less wrong.
        if bridged.is_some()
            && let Some(fault) = lexical::suspect(language, text)
        {
            let doubt = Doubt::new(Cause::Grammar, "it is so in one branch of a condition alone");
            return Opinion::Unsure(doubt, vec![fault]);
        }
        let mut faults = reading.misplaced;
        if language == "Go"
            && !reading.has_package
            && !text.trim().is_empty()
            && path.ends_with(".go")
        {
            let message = "there is no package clause".to_owned();
            faults.push(Fault { line: 1, column: 1, message });
        }
        // To Swift the marks of a merge are operators.
        if language == "Swift" && !text.contains("\"\"\"") {
            faults.extend(conflict::mark(text));
        }
        return Opinion::from_faults(faults);
    }
    let lexical = lexical::fault(language, text);
    // Where a preprocessor comes first, a macro may stand for the token that is missing, and a
    // directive between two halves of a statement takes it apart: only what is not closed counts.
    // So it is in CSS, where a value may be any tokens whose brackets match (CSS Syntax 3, 5.4), and in
    // Kotlin and Swift, whose grammars stumble over single tokens of valid files.
    let is_plain = match language {
        "C" | "C++" => is_open_statement(text, &reading.faults),
        "CSS" | "Kotlin" | "Swift" => false,
        // Of C# the grammar is sure of a statement's end alone.
        // Ruby has more forms of strings than its grammar; an odd number of brackets is none of them.
        "Ruby" => reading.is_plain && is_end(&reading.faults) || is_uneven(text),
        "C#" => reading.is_plain && reading.faults.iter().all(|f| f.message == "missing `;`"),
        _ => reading.is_plain,
    };
    if matches!(language, "C" | "C++") && text.contains("\"\"\"\n") {
        let doubt = Doubt::new(Cause::Template, "it has strings over lines, which C has not");
        return Opinion::Unsure(doubt, reading.faults);
    }
    if matches!(language, "C" | "C++") && is_part(text) {
        let doubt = Doubt::new(Cause::Dialect, "it is a part that another file includes");
        return Opinion::Unsure(doubt, reading.faults);
    }
    let is_understood = |other: &str| {
        let is_whole = |text: &str| read(language, text).is_ok_and(|r| r.faults.is_empty());
        is_whole(other) || gaps::bridges(language, other).iter().any(|other| is_whole(other))
    };
    if let Some(slip) = slips::slip(language, text, &reading.faults, is_understood) {
        return Opinion::Broken(vec![slip]);
    }
    if lexical.is_some() || is_plain {
        let mut faults = reading.faults;
        // The grammar may have noticed the bracket far away from it.
        if let Some(fault) = lexical
            && !faults.iter().any(|known| known.line == fault.line)
        {
            if fault.message.starts_with("unclosed") || fault.message.contains("closes nothing") {
                faults.clear();
            }
            faults.push(fault);
        }
        return Opinion::from_faults(faults);
    }
    let doubt = Doubt::new(Cause::Grammar, "only a grammar says so, which may not know all of it");
    Opinion::Unsure(doubt, reading.faults)
}

/// Whether all that is wrong is the end of one statement that is plainly one: an assignment or a
/// `return`, before a line that begins another.
fn is_open_statement(text: &str, faults: &[Fault]) -> bool {
    let [fault] = faults else { return false };
    let at = usize::try_from(fault.line).unwrap_or(0).saturating_sub(1);
    let mut lines = text.lines().skip(at);
    let line = lines.next().unwrap_or_default().trim();
    let next = lines.map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    fault.message == "missing `;`"
        && (line.contains(" = ") || line.starts_with("return "))
        && line.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, ')' | ']'))
        && !line.contains(['{', '#', '\\'])
        && next.starts_with(|c: char| c.is_ascii_lowercase() || c == '}')
}

/// Whether a fault is about where a block of Ruby ends.
fn is_end(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| fault.message.contains("end"))
}

/// Whether brackets of one kind do not match, strings and comments of one line aside. The grammar
/// does not understand the file either.
fn is_uneven(text: &str) -> bool {
    static ASIDE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|/(?:[^/\\\n]|\\.)+/|\B\?[()\[\]{}]|(?m:(?:^|\s)#[^\n]*)"#).ok()
    });
    let Some(aside) = ASIDE.as_ref() else { return false };
    // Documents and strings of other forms may hold anything.
    if ["<<", "%q", "%Q", "%(", "%w", "%r", "__END__", "=begin"].iter().any(|m| text.contains(m)) {
        return false;
    }
    let plain = aside.replace_all(text, " ");
    let count = |c: char| plain.matches(c).count();
    count('(') != count(')') || count('[') != count(']') || count('{') != count('}')
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
    /// Where there is no fault: what the language does not allow at the top of a file.
    misplaced: Vec<Fault>,
    /// Whether a file of Go says of which package it is.
    has_package: bool,
}

fn tree(language: &str, text: &str) -> Result<AstGrep<StrDoc<SupportLang>>, String> {
    let grammar = grammar(language).ok_or_else(|| format!("there is no grammar of {language}"))?;
    AstGrep::try_new(text, grammar).map_err(|e| format!("it cannot be parsed: {e}"))
}

fn read(language: &str, text: &str) -> Result<Reading, String> {
    let tree = tree(language, text)?;
    let mut open = vec![tree.root()];
    let mut reading =
        Reading { faults: Vec::new(), is_plain: true, misplaced: Vec::new(), has_package: true };
    // Where no `end` fits, the grammar takes it for a name.
    if language == "Ruby" {
        let root = tree.root();
        let ends = root.children().filter(|n| n.kind() == "identifier" && n.text() == "end");
        reading.faults.extend(ends.map(|end| fault(&end, "`end` ends nothing".to_owned())));
    }
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
    if reading.faults.is_empty() {
        let root = tree.root();
        reading.misplaced = misplaced(language, &root);
        reading.has_package =
            language != "Go" || root.children().any(|node| node.kind() == "package_clause");
    }
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
fn misplaced(language: &str, root: &SyntaxNode<'_>) -> Vec<Fault> {
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
    let mut faults = Vec::new();
    let mut declared = false;
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
    faults
}
