//! A second opinion on Rust, by the parser that procedural macros use.

use super::{Fault, number};

/// Deepest nesting of brackets, and longest row of operators, that is handed to a parser that
/// recurses.
const MAX_DEPTH: usize = 200;
/// Stack of the thread that parses.
const STACK: usize = 256 * 1024 * 1024;

/// What is wrong with the text, nothing if it is valid Rust; none if it cannot be said.
pub(super) fn second_opinion(text: &str) -> Option<Vec<Fault>> {
    if !is_shallow(text) {
        return None;
    }
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || parse(text))
            .ok()?;
        worker.join().ok()
    })
}

fn parse(text: &str) -> Vec<Fault> {
    let Err(error) = syn::parse_file(text) else { return Vec::new() };
    error
        .into_iter()
        .map(|error| {
            let start = error.span().start();
            Fault {
                line: number(start.line.max(1)),
                column: number(start.column + 1),
                message: error.to_string(),
            }
        })
        .take(super::MAX_FAULTS)
        .collect()
}

/// Whether the parser's recursion stays small.
fn is_shallow(text: &str) -> bool {
    let (mut depth, mut row) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match byte {
            b'!' | b'&' | b'*' | b'-' | b'|' | b'=' | b'<' | b'.' | b'+' => row += 1,
            // A line of dashes or stars is a comment, however long.
            b'/' | b'\n' => row = 0,
            b' ' | b'\t' | b'\r' => {}
            _ => row = 0,
        }
        if depth > MAX_DEPTH || row > MAX_DEPTH {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recurses_too_deep_is_left_alone() {
        for text in ["(".repeat(100_000), "!".repeat(100_000), "& ".repeat(100_000)] {
            assert_eq!(second_opinion(&text), None);
        }
        let deep = format!("const A: u8 = {}1{};", "(".repeat(150), ")".repeat(150));
        assert_eq!(second_opinion(&deep), Some(vec![]));
    }

    #[test]
    fn a_fault_has_its_place() {
        let found = second_opinion("fn ü() {\n    let ä = 1\n    b();\n}\n").expect("an opinion");
        assert_eq!((found[0].line, found[0].column), (3, 5), "{found:?}");
    }
}
