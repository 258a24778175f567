//! Programming languages, by their tree-sitter grammars.

use ast_grep_core::{AstGrep, Node, tree_sitter::StrDoc};
use ast_grep_language::SupportLang;

use super::{Fault, MAX_FAULTS, Verdict, gaps, number, rust};

/// Parses a file of a programming language.
pub(super) fn parse(path: &str, language: &str, text: &str) -> Verdict {
    let typed_jsx = path.to_ascii_lowercase().ends_with(".tsx");
    let grammar = match language {
        "Go" => SupportLang::Go,
        "Java" => SupportLang::Java,
        "JavaScript" => SupportLang::JavaScript,
        "Python" => SupportLang::Python,
        "Rust" => SupportLang::Rust,
        "TypeScript" if typed_jsx => SupportLang::Tsx,
        "TypeScript" => SupportLang::TypeScript,
        other => return Verdict::Unsupported(format!("is {other}, which is not parsed")),
    };
    let found = match faults(grammar, text) {
        Ok(found) if grammar == SupportLang::Rust && !found.is_empty() => {
            // Where only a token is missing, the grammar knows better behind which one.
            let missing = found.first().is_some_and(|fault| fault.message.starts_with("missing"));
            Ok(match rust::second_opinion(text) {
                Some(other) if other.is_empty() || !missing => other,
                _ => found,
            })
        }
        // What the grammar is known not to know is replaced by what it knows.
        Ok(found) if !found.is_empty() => match gaps::bridged(language, text) {
            Some(bridged) => faults(grammar, &bridged),
            None => Ok(found),
        },
        other => other,
    };
    match found {
        Err(reason) => Verdict::Unsupported(reason),
        Ok(found) if found.is_empty() => Verdict::Valid,
        // Flow and other dialects annotate types in files named `.js`.
        Ok(found)
            if grammar == SupportLang::JavaScript
                && faults(SupportLang::Tsx, text).is_ok_and(|found| found.is_empty()) =>
        {
            Verdict::Unsure("it parses as TypeScript, not as JavaScript".to_owned(), found)
        }
        Ok(found) => Verdict::Invalid(found),
    }
}

/// Every place where the grammar does not fit, in order.
fn faults(grammar: SupportLang, text: &str) -> Result<Vec<Fault>, String> {
    let tree = AstGrep::<StrDoc<SupportLang>>::try_new(text, grammar)
        .map_err(|e| format!("cannot be parsed: {e}"))?;
    let mut open = vec![tree.root()];
    let mut found = Vec::new();
    // Only branches with an error in them are followed, so that a valid file costs nothing.
    while let Some(node) = open.pop() {
        if node.is_missing() {
            found.push(fault(&node, format!("missing {}", quoted(&node.kind()))));
        } else {
            let inner: Vec<_> =
                node.children().filter(|n| n.get_inner_node().has_error()).collect();
            // The innermost error is the nearest to what is wrong.
            if node.is_error() && inner.is_empty() {
                found.push(unexpected(&node));
            }
            open.extend(inner.into_iter().rev());
        }
        if found.len() >= MAX_FAULTS {
            break;
        }
    }
    found.sort_by_key(|fault| (fault.line, fault.column));
    found.dedup();
    Ok(found)
}

type SyntaxNode<'a> = Node<'a, StrDoc<SupportLang>>;

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
        let kind = bracket.kind();
        return fault(&bracket, format!("unclosed {}", quoted(&kind)));
    }
    let text = node.text();
    let first = text.chars().next();
    match first {
        Some(c) if c.is_ascii_punctuation() && !matches!(c, '"' | '\'' | '`') => {
            fault(node, format!("unexpected {}", quoted(&c.to_string())))
        }
        _ => fault(node, "unexpected text".to_owned()),
    }
}

fn quoted(token: &str) -> String {
    format!("`{token}`")
}
