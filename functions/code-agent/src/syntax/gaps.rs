//! Constructs that a grammar does not know yet, replaced by ones of the same length that it
//! knows, so that every other place stays where it is. Only used once a file did not parse.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

/// What a construct is replaced by.
#[derive(Clone, Copy)]
enum By {
    /// Blanks.
    Blanks,
    /// One long name.
    Name,
    /// This text, filled up with blanks before it.
    Text(&'static str),
}

struct Gap {
    /// The construct; its group `x` is replaced.
    pattern: Regex,
    by: By,
}

static TYPESCRIPT: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        // `import("x").Y<Z>` and `typeof import("x")` as types.
        (r#"\b(?<x>import\s*\(\s*(?:"[^"\n]*"|'[^'\n]*')\s*\))"#, By::Name),
        // `export type * from "x"`.
        (r"\bexport\s+(?<x>type)\s*\*", By::Blanks),
        // `import x from "y" with { type: "json" }`.
        (r#"["']\s*(?<x>with\s*\{[^{}]*\})"#, By::Blanks),
        // `interface A<in B, out C>`.
        (r"[<,]\s*(?s:/\*.*?\*/\s*)?(?<x>(?:in\s+out|in|out))\s+[\p{L}_$]", By::Blanks),
        // `global { … }` in a module declaration.
        (r"(?m)^\s*(?<x>global)\s*\{", By::Blanks),
        // A default function without a name or body, in declarations.
        (r"\b(?<x>export default function)\s*[<(]", By::Text("declare function f")),
    ])
});

static JAVASCRIPT: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    // `export * from "y" with { type: "json" }`.
    gaps(&[(r#"["']\s*(?<x>with\s*\{[^{}]*\})"#, By::Blanks)])
});

static JAVA: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    // `Object @Nullable ... arguments`.
    gaps(&[(r"(?<x>@[\p{L}_][\p{L}\p{N}_.]*)\s*\.\.\.", By::Blanks)])
});

fn gaps(table: &[(&str, By)]) -> Vec<Gap> {
    table
        .iter()
        .filter_map(|(pattern, by)| Some(Gap { pattern: Regex::new(pattern).ok()?, by: *by }))
        .collect()
}

/// The text without the constructs that the language's grammar does not know; none when it has
/// none of them.
pub(super) fn bridged(language: &str, text: &str) -> Option<String> {
    let gaps = match language {
        "TypeScript" => &*TYPESCRIPT,
        "JavaScript" => &*JAVASCRIPT,
        "Java" => &*JAVA,
        _ => return None,
    };
    let mut bridged = text.to_owned();
    for gap in gaps {
        let places: Vec<Range<usize>> = gap
            .pattern
            .captures_iter(&bridged)
            .filter_map(|found| found.name("x").map(|x| x.range()))
            .collect();
        for place in places {
            let old = bridged.get(place.clone())?;
            let new = replacement(old, gap.by);
            bridged.replace_range(place, &new);
        }
    }
    (bridged != text).then_some(bridged)
}

fn replacement(old: &str, by: By) -> String {
    match by {
        By::Blanks => old.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).pad(old.len(), ' '),
        By::Name => old.chars().map(|_| '_').pad(old.len(), '_'),
        By::Text(text) => format!("{text:>width$}", width = old.len()),
    }
}

/// Fills up to a number of bytes, for characters that were longer.
trait Pad: Iterator<Item = char> + Sized {
    fn pad(self, bytes: usize, with: char) -> String {
        let mut text: String = self.collect();
        while text.len() < bytes {
            text.push(with);
        }
        text
    }
}

impl<I: Iterator<Item = char>> Pad for I {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_a_valid_one() {
        assert_eq!((TYPESCRIPT.len(), JAVASCRIPT.len(), JAVA.len()), (6, 1, 1));
    }

    #[test]
    fn the_length_never_changes() {
        let text = "export type * from './ü';\nlet a: import('ä').B<C>;\ninterface X<in A, out B> {}\n\
                    export default function (): X;\nimport d from 'd' with {\n type: 'json' };\n";
        let bridged = bridged("TypeScript", text).expect("has gaps");
        assert_eq!(bridged.len(), text.len());
        assert_eq!(bridged.lines().count(), text.lines().count());
        assert!(!bridged.contains("import('") && !bridged.contains("out B"), "{bridged}");
    }
}
