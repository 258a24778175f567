//! PHP by the parser of Mago.

use bumpalo::Bump;
use mago_database::file::FileId;
use mago_span::HasSpan;
use mago_syntax::{error::ParseError, parser::parse_file_content};

use super::verdict::{Cause, Doubt, Fault, MAX_FAULTS, Opinion};

/// Parses a file.
pub(super) fn parse(text: &str) -> Opinion {
    let arena = Bump::new();
    let program = parse_file_content(&arena, FileId::zero(), text.as_bytes());
    if program.errors.iter().any(|e| matches!(e, ParseError::RecursionLimitExceeded(_))) {
        let doubt = Doubt::new(Cause::Depth, "it is nested too deeply to be parsed");
        return Opinion::Unsure(doubt, Vec::new());
    }
    let faults = program.errors.iter().take(MAX_FAULTS).map(|error| {
        let offset = usize::try_from(error.span().start.offset).unwrap_or(usize::MAX);
        Fault::at(text, offset, message(error))
    });
    Opinion::from_faults(faults.collect())
}

/// What is wrong, in words without the file's own.
fn message(error: &ParseError) -> &'static str {
    match error {
        ParseError::SyntaxError(_) => "unexpected character",
        ParseError::UnexpectedEndOfFile(..) => "unexpected end of the file",
        ParseError::UnexpectedToken(..) => "unexpected token",
        ParseError::UnclosedLiteralString(..) => "the string is not closed",
        ParseError::RecursionLimitExceeded(_) => "nested too deeply",
    }
}
