//! Constructs that a grammar does not know yet, replaced by ones of the same length that it
//! knows, so that every other place stays where it is. Only used once a file did not parse.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::directives;

/// What a construct is replaced by.
#[derive(Clone, Copy)]
enum By {
    /// Blanks.
    Blanks,
    /// One long name.
    Name,
    /// More digits.
    Digits,
    /// The end of a statement.
    End,
    /// `if`, whose condition may be any row of values.
    Condition,
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

/// Macros of C, first those that are no word of a declaration.
static C: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        // A macro on lines of its own.
        (
            r"(?m)^[ \t]*(?<x>[A-Z][A-Z0-9_]+[ \t]*\((?:[^(){};]|\((?:[^(){};]|\([^(){};]*\))*\))*\))[ \t]*(?://[^\n]*)?$",
            By::Blanks,
        ),
        (r"(?m)^[ \t]*(?<x>[A-Z][A-Z0-9_]{3,})[ \t]*$", By::Blanks),
        (r"\w\s+(?<x>PROTO|OF|_?P|__P|PARAMS|ARGS)\s*\(\(", By::Blanks),
        (r"\)\s*(?<x>[A-Z_][A-Z0-9_]{3,}(?:\([^();\n]*\))?)\s*[;{]", By::Blanks),
        // A loop, or the head of a function, by a macro reads like a condition.
        (r"(?m)^[ \t]*(?<x>\w*(?i:for_?each)\w*)\s*\([^;{}]*\)\s*\{", By::Condition),
        (r"(?m)^[ \t]*(?<x>[A-Z][A-Z0-9_]+)\s*\([^;{}]*\)\s*\{", By::Condition),
        (r"(?<x>\b_Thread_local|\b__thread|\b__extension__)\s", By::Blanks),
    ])
});

/// Macros of C among the words of a declaration; a type may look like one.
static C_WORDS: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        (
            r"(?m)^(?:[ \t]*(?:static|extern|inline|typedef|virtual|explicit|const)\b)*[ \t]*(?<x>_?[A-Z][A-Z0-9_]{3,}(?:\([^();\n]*\))?)\s+[\p{L}_~:][\w:]*[\s*&]+[\w*]",
            By::Blanks,
        ),
        (
            r"\b(?:class|struct|union|enum)\s+(?<x>[A-Z][A-Z0-9_]{3,}(?:\([^();\n]*\))?)\s+\w",
            By::Blanks,
        ),
        (r"\w[\s*]+(?<x>[A-Z][A-Z0-9_]{3,})\s+\*?[a-z_]\w*\s*\(", By::Blanks),
        (
            r"[(,]\s*(?<x>[A-Z][A-Z0-9_]{3,})\s+(?:const|struct|unsigned|int|char|void)\b",
            By::Blanks,
        ),
    ])
});

static CSHARP: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        // `async` is a name where no method follows it.
        (r"\b(?<x>async)\s*(?:[,;:.?&|!)\]]|==?)", By::Name),
        (r"(?m)\?\s*\(?\s*(?<x>async)\s*$", By::Name),
        // A collection as an argument or a branch: `f([a, ..b])`.
        (r"[(,=:?>]\s*(?<x>\[[\w.\s,]*\.\.[\w.\s,()]*\])", By::Name),
        // `a?[b] = c` and `a?.b = c` of C# 14.
        (r"\w(?<x>\?)\[[^\]\n]*\]\s*=[^=]", By::Blanks),
        (r"\w(?<x>\?)\.\w[\w.]*\s*=[^=>]", By::Blanks),
    ])
});

static SWIFT: LazyLock<Vec<Gap>> = LazyLock::new(|| {
    gaps(&[
        // Attributes of the compiler's own, and ownership before `some`.
        (r"(?<x>@_lifetime\([^()\n]*\))", By::Blanks),
        (r"(?<x>@_[a-zA-Z]\w*(?:\([^()\n]*\))?)", By::Blanks),
        (r"(?<x>__owned|__shared|consuming|borrowing|sending)\s+(?:some|any)\b", By::Blanks),
        // The empty tuple as a value.
        (r"[(,:={]\s*(?<x>\(\))", By::Name),
        (r"\bin\s*(?<x>\(\))", By::Name),
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
        // Addresses without quotes, characters that lost their meaning, steps of a part of a percent.
        (r#"(?i)\burl\(\s*(?<x>[^"'()\s][^"'()]*)\)"#, By::Name),
        (r"(?<x>\\[^0-9a-fA-F\n])", By::Name),
        (r"(?m)(?<x>\.[0-9]+)%\s*[,{]", By::Digits),
    ])
});

fn gaps(table: &[(&str, By)]) -> Vec<Gap> {
    table
        .iter()
        .filter_map(|(pattern, by)| Some(Gap { pattern: Regex::new(pattern).ok()?, by: *by }))
        .collect()
}

/// The text without the constructs that the language's grammar does not know, in one or more ways
/// to read it; none when it has none of them.
pub(super) fn bridges(language: &str, text: &str) -> Vec<String> {
    let gaps = match language {
        "C" | "C++" => {
            let plain = directives::without(text);
            let alone = filled(&plain, &C);
            let words = filled(&alone, &C_WORDS);
            let mut ways = vec![plain, alone, words];
            ways.dedup();
            ways.retain(|way| way != text);
            return ways;
        }
        "C#" => &*CSHARP,
        "CSS" => &*CSS,
        "Go" => &*GO,
        "Java" => &*JAVA,
        "Kotlin" => &*KOTLIN,
        "Swift" => &*SWIFT,
        _ => return Vec::new(),
    };
    let filled = filled(text, gaps);
    if filled == text { Vec::new() } else { vec![filled] }
}

fn filled(text: &str, gaps: &[Gap]) -> String {
    let mut out = text.to_owned();
    for gap in gaps {
        let places: Vec<Range<usize>> = gap
            .pattern
            .captures_iter(&out)
            .filter_map(|found| found.name("x").map(|x| x.range()))
            .collect();
        for place in places {
            let Some(old) = out.get(place.clone()) else { continue };
            let new = replacement(old, gap.by);
            out.replace_range(place, &new);
        }
    }
    out
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
        By::Digits => blank(old, '0'),
        By::End => blank(old, ';'),
        By::Condition => format!("{:width$}", "if", width = old.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_a_valid_one() {
        assert_eq!((GO.len(), JAVA.len(), KOTLIN.len(), CSS.len()), (4, 3, 3, 8));
        assert_eq!((C.len() + C_WORDS.len(), CSHARP.len(), SWIFT.len()), (11, 5, 5));
    }

    #[test]
    fn the_length_never_changes() {
        let text = "import module java.base;\nclass Ä { Ä(int @B ... c) { d(); super(c); } }\n";
        let bridged = bridges("Java", text).pop().expect("has gaps");
        assert_eq!(bridged.len(), text.len());
        assert_eq!(bridged.lines().count(), text.lines().count());
        assert!(!bridged.contains("module") && !bridged.contains("super"), "{bridged}");
    }
}
