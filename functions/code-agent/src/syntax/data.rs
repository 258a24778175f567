//! YAML and TOML by strict parsers.

use granit_parser::{Options, Parser};

use super::{Fault, MAX_FAULTS, Verdict, number, position};

/// Any number of YAML documents. Only the syntax counts: tags may be anything.
pub(super) fn yaml(text: &str) -> Verdict {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut faults = Vec::new();
    while let Some(event) = parser.next_event() {
        let Err(error) = event else { continue };
        let place = error.marker();
        faults.push(Fault {
            line: number(place.line().max(1)),
            column: number(place.col() + 1),
            message: error.info(),
        });
        // The documents behind the broken one can still be looked at.
        if faults.len() >= MAX_FAULTS || !parser.proceed_next_document().unwrap_or(false) {
            break;
        }
    }
    if faults.is_empty() { Verdict::Valid } else { Verdict::Invalid(faults) }
}

/// One TOML document.
pub(super) fn toml(text: &str) -> Verdict {
    let (_, errors) = toml::de::DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Verdict::Valid;
    }
    let mut faults: Vec<Fault> = errors
        .iter()
        .map(|error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            Fault { line, column, message: error.message().replace('\n', ", ") }
        })
        .collect();
    faults.truncate(MAX_FAULTS);
    Verdict::Invalid(faults)
}
