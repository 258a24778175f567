//! YAML and TOML by strict parsers.

use granit_parser::{Options, Parser};

use pact_contract::nesting;

use super::verdict::{Cause, Doubt, Fault, MAX_FAULTS, Opinion, number};

/// Any number of YAML documents. Only the syntax counts: tags may be anything.
pub(super) fn yaml(text: &str) -> Opinion {
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
    // A tool may put several files together.
    if !faults.is_empty() && faults.iter().all(|fault| fault.message.contains("unknown anchor")) {
        let doubt = Doubt::new(Cause::Dialect, "another file may have the anchor");
        return Opinion::Unsure(doubt, faults);
    }
    Opinion::from_faults(faults).not_too_deep(nesting::YAML)
}

/// One TOML document.
pub(super) fn toml(text: &str) -> Opinion {
    let (_, errors) = toml::de::DeTable::parse_recoverable(text);
    let faults = errors.iter().take(MAX_FAULTS).map(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        Fault::at(text, offset, error.message().replace('\n', ", "))
    });
    Opinion::from_faults(faults.collect()).not_too_deep(nesting::TOML)
}
