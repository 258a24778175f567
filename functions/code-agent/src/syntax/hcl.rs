//! HCL, the language of Terraform, by a strict parser.

use super::verdict::{Fault, Opinion, number};

/// Parses a body of blocks and attributes.
pub(super) fn parse(text: &str) -> Opinion {
    match hcl_edit::parser::parse_body(text) {
        Ok(_) => Opinion::Parsed,
        Err(error) => {
            let place = error.location();
            Opinion::from_faults(vec![Fault {
                line: number(place.line().max(1)),
                column: number(place.column().max(1)),
                message: error.message().replace('\n', ", "),
            }])
        }
    }
}
