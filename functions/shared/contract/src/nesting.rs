//! What is nested deeper than a parser goes, in words that say what to do about it: parsers speak of their
//! recursion.

/// Lists and objects of JSON that may be in each other.
pub const JSON: usize = 127;
/// Lists and tables of TOML that may be in each other.
pub const TOML: usize = 80;
/// Lists and maps of YAML that may be in each other.
pub const YAML: usize = 255;

/// Whether a parser gave up at its depth.
#[must_use]
pub fn is_too_deep(message: &str) -> bool {
    message.contains("recursion limit") || message.contains("max recursion depth")
}

/// What a parser says; in other words where it gave up at its depth, which is `most`.
#[must_use]
pub fn said(message: &str, most: usize) -> String {
    if !is_too_deep(message) {
        return message.to_owned();
    }
    // Where it is, as parsers end with it.
    let place = message.find(" at line ").and_then(|at| message.get(at..)).unwrap_or_default();
    format!("it is nested too deeply{place}: at most {most} levels are read, one in the other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_deep_as_is_said() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let read = |depth| serde_json::from_str::<serde_json::Value>(&nested(depth));
        assert!(read(JSON).is_ok());
        let error = read(JSON + 1).expect_err("too deep").to_string();
        assert_eq!(
            said(&error, JSON),
            "it is nested too deeply at line 1 column 128: at most 127 levels are read, one in the other"
        );
        assert_eq!(said("expected value", JSON), "expected value");
    }
}
