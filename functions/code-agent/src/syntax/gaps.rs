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
    /// The end of a statement.
    End,
}

struct Gap {
    /// The construct; its group `x` is replaced.
    pattern: Regex,
    by: By,
}

static GO: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        // `new(expression)` of Go 1.26, where the expression is a call, a literal or a row of
        // operands; a type alone is what the grammar knows.
        (r#"\b(?<x>new)\(\s*[\p{L}_][\w.]*(?:\[[^\]]*\])?\("#, By::Name),
        (r#"\b(?<x>new)\(\s*(?:["'`0-9&+!^-]|(?:true|false|nil|iota)\b)"#, By::Name),
        (r#"\b(?<x>new)\(\s*[\p{L}_][\w.]*(?:\[[^\]]*\])?\s*[-+*/%&|^<>=!]"#, By::Name),
        (r#"\b(?<x>new)\(\s*(?:\[\][\w.]+|[\p{L}_][\w.]*)\{"#, By::Name),
    ])
});

static JAVA: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        // `Object @Nullable ... arguments`.
        (r"(?<x>@[\p{L}_][\p{L}\p{N}_.]*)\s*\.\.\.", By::Blanks),
        // `import module java.base;` of Java 25.
        (r"(?m)^\s*import\s+(?<x>module)\s+[\p{L}_]", By::Blanks),
        // `super(…)` and `this(…)` behind other statements, of Java 25.
        (r"[;}]\s*(?<x>super|this)\s*\(", By::Name),
    ])
});

static KOTLIN: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        // `context(a: B)` before a declaration.
        (r"(?m)^\s*(?<x>context\s*\([^()\n]*\))\s*$", By::Blanks),
        // Parameters of a lambda with their arrow on the next line.
        (r"\{(?<x>\s*[\w,:.<>? ]+\n\s*->)", By::Blanks),
        // A statement that begins with a bracket is not the arguments of the line before.
        (r"(?m)^[ \t]*(?<x>[ \t])\(\w[\w.]* as [\w.<>?]+\)\.", By::End),
    ])
});

static CSS: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        // What Internet Explorer took for values, and by what other declarations are for it alone.
        (r"(?i):\s*(?<x>(?:alpha|progid:[\w.]+)\s*\([^;{}]*)", By::Name),
        (r"[\w%)]\s*(?<x>\\[0-9])\s*[;!}]", By::Blanks),
        // Ranges in conditions, and containers with a name.
        (r"\(\s*[\w-]+\s*(?<x>[<>]=?\s*[\w.%+-]+)\s*\)", By::Blanks),
        (r"@container\s+(?<x>[\w-]+)\s*\(", By::Blanks),
        (r"(?m)[;{]\s*(?<x>\*)[a-zA-Z-]+\s*:", By::Blanks),
    ])
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
        "Go" => &*GO,
        "Java" => &*JAVA,
        "Kotlin" => &*KOTLIN,
        "CSS" => &*CSS,
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

/// As many bytes, and as many lines.
pub(super) fn blank(old: &str, by: char) -> String {
    let mut new: String = old.chars().map(|c| if c == '\n' { '\n' } else { by }).collect();
    while new.len() < old.len() {
        new.push(by);
    }
    new
}

fn replacement(old: &str, by: By) -> String {
    match by {
        By::Blanks => blank(old, ' '),
        By::Name => blank(old, '_'),
        By::End => blank(old, ';'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_a_valid_one() {
        assert_eq!((GO.len(), JAVA.len(), KOTLIN.len(), CSS.len()), (4, 3, 3, 5));
    }

    #[test]
    fn the_length_never_changes() {
        let text = "import module java.base;\nclass Ä { Ä(int @B ... c) { d(); super(c); } }\n";
        let bridged = bridged("Java", text).expect("has gaps");
        assert_eq!(bridged.len(), text.len());
        assert_eq!(bridged.lines().count(), text.lines().count());
        assert!(!bridged.contains("module") && !bridged.contains("super"), "{bridged}");
    }
}
