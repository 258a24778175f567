//! Rust by the parser that procedural macros use, with the grammar for tree-sitter as the second
//! opinion: the parser follows the language at a distance.

use super::{
    grammar,
    verdict::{Cause, Doubt, Fault, MAX_FAULTS, Opinion, number},
};

/// Parses a file.
pub(super) fn parse(text: &str) -> Opinion {
    // The manifest of a script, which Cargo takes out.
    if let Some(script) = without_manifest(text) {
        return parse(&script);
    }
    let faults = faults(text);
    if faults.is_empty() {
        return Opinion::Parsed;
    }
    let other = grammar::faults("Rust", text);
    // Where only a token is missing, the grammar knows better behind which one.
    match other {
        Ok(other) if other.is_empty() => {
            let doubt = Doubt::new(Cause::Grammar, "a second parser accepts it");
            Opinion::Unsure(doubt, faults)
        }
        Ok(other) if other.first().is_some_and(|fault| fault.message.starts_with("missing")) => {
            Opinion::from_faults(other)
        }
        _ => Opinion::from_faults(faults),
    }
}

/// A script without the manifest in front of it, its lines where they were.
fn without_manifest(text: &str) -> Option<String> {
    let start = if text.starts_with("#!") { text.find('\n')? + 1 } else { 0 };
    let rest = text.get(start..)?;
    let fence = rest.lines().next().filter(|line| line.starts_with("---"))?;
    let fence: String = fence.chars().take_while(|c| *c == '-').collect();
    let body = rest.find('\n')? + 1;
    let end = body + rest.get(body..)?.find(&format!("\n{fence}\n"))? + 1 + fence.len();
    let lines = text.get(..start + end)?.matches('\n').count();
    Some(format!("{}{}", "\n".repeat(lines), text.get(start + end..)?))
}

fn faults(text: &str) -> Vec<Fault> {
    let Err(error) = syn::parse_file(text) else { return Vec::new() };
    error
        .into_iter()
        // What the compiler says only of what it compiles.
        .filter(|error| error.to_string() != "inherent impls cannot be negative")
        .map(|error| {
            let start = error.span().start();
            Fault {
                line: number(start.line.max(1)),
                column: number(start.column + 1),
                message: error.to_string(),
            }
        })
        .take(MAX_FAULTS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_place() {
        let found = faults("fn ü() {\n    let ä = 1\n    b();\n}\n");
        assert_eq!((found[0].line, found[0].column), (3, 5), "{found:?}");
    }
}
