//! Shell scripts by the parser of Brush and the grammar for tree-sitter: neither knows all of
//! bash, so that only what both refuse does not parse.

use brush_parser::{ParseError, Parser, ParserOptions};

use super::{
    grammar,
    verdict::{Cause, Doubt, Fault, Opinion, number},
};

/// Parses a script of a POSIX shell or bash.
pub(super) fn parse(text: &str) -> Opinion {
    let Some(first) = fault(text) else { return Opinion::Parsed };
    match grammar::faults("Shell", text) {
        Ok(other) if !other.is_empty() => {
            // A shell reads no further than it gets.
            if let Some(before) = before_exit(text)
                && fault(before).is_none()
            {
                let doubt = Doubt::new(Cause::Dialect, "it ends before, by `exit`");
                return Opinion::Unsure(doubt, other);
            }
            let mut both = other;
            // The parser names the end of the file where a bracket was never closed.
            if !both.iter().any(|fault| fault.line == first.line) {
                both.push(first);
            }
            Opinion::from_faults(both)
        }
        _ => {
            let doubt = Doubt::new(Cause::Grammar, "a second parser accepts it");
            Opinion::Unsure(doubt, vec![first])
        }
    }
}

/// The script up to a line that ends it.
fn before_exit(text: &str) -> Option<&str> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let rest = line.trim_end().strip_prefix("exit");
        if rest.is_some_and(|rest| rest.trim().bytes().all(|b| b.is_ascii_digit())) {
            return text.get(..at);
        }
    }
    None
}

fn fault(text: &str) -> Option<Fault> {
    let options = ParserOptions { enable_extended_globbing: true, ..ParserOptions::default() };
    let error = Parser::new(text.as_bytes(), &options).parse_program().err()?;
    Some(match error {
        ParseError::ParsingNear(place) => Fault {
            line: number(place.line.max(1)),
            column: number(place.column.max(1)),
            message: "syntax error".to_owned(),
        },
        ParseError::Tokenizing { inner, position } => {
            let (line, column) = position.map_or((1, 1), |p| (p.line.max(1), p.column.max(1)));
            // What the tokenizer says may quote the script.
            let message = inner.to_string();
            let message = message.split(['\'', '"', '`', ':']).next().unwrap_or_default();
            Fault { line: number(line), column: number(column), message: message.trim().to_owned() }
        }
        ParseError::ParsingAtEndOfInput => {
            Fault::at(text, text.trim_end().len(), "unexpected end of the script")
        }
    })
}
