//! A keyword with a slip: `fucn`, `retrun`, `calss`. A grammar that does not understand a file may
//! not know all of its language; where one letter makes it understand everything, it does.

use super::verdict::Fault;

/// Most words that are tried.
const MAX_TRIES: usize = 8;
/// Largest text that is read again for each of them.
const MAX_TEXT: usize = 200_000;

fn keywords(language: &str) -> &'static [&'static str] {
    match language {
        "C" | "C++" => &["struct", "typedef", "enum", "union", "class", "namespace", "template"],
        "C#" => &[
            "abstract",
            "case",
            "catch",
            "class",
            "else",
            "finally",
            "foreach",
            "interface",
            "internal",
            "namespace",
            "override",
            "private",
            "protected",
            "public",
            "readonly",
            "return",
            "static",
            "struct",
            "switch",
            "throw",
            "using",
            "while",
        ],
        "Go" => &[
            "case",
            "const",
            "default",
            "defer",
            "else",
            "for",
            "func",
            "import",
            "interface",
            "package",
            "range",
            "return",
            "select",
            "struct",
            "switch",
            "type",
            "var",
        ],
        "Java" => &[
            "abstract",
            "case",
            "catch",
            "class",
            "else",
            "enum",
            "extends",
            "final",
            "finally",
            "implements",
            "import",
            "interface",
            "package",
            "private",
            "protected",
            "public",
            "record",
            "return",
            "static",
            "switch",
            "throw",
            "throws",
            "while",
        ],
        "Kotlin" => &[
            "class",
            "else",
            "fun",
            "import",
            "interface",
            "object",
            "override",
            "package",
            "private",
            "return",
            "val",
            "var",
            "when",
            "while",
        ],
        "Ruby" => &[
            "begin", "case", "class", "def", "else", "elsif", "end", "ensure", "module", "rescue",
            "unless", "until", "when", "while",
        ],
        "Swift" => &[
            "case",
            "class",
            "else",
            "enum",
            "extension",
            "func",
            "guard",
            "import",
            "init",
            "let",
            "private",
            "protocol",
            "public",
            "return",
            "static",
            "struct",
            "switch",
            "var",
        ],
        _ => &[],
    }
}

/// The slip after whose correction `is_understood` says yes.
pub(super) fn slip(
    language: &str,
    text: &str,
    faults: &[Fault],
    is_understood: impl Fn(&str) -> bool,
) -> Option<Fault> {
    let keywords = keywords(language);
    if keywords.is_empty() || text.len() > MAX_TEXT {
        return None;
    }
    let lines: Vec<u32> = faults.iter().map(|fault| fault.line).collect();
    let near = |line: u32| lines.iter().map(|l| l.abs_diff(line)).min().unwrap_or(u32::MAX);
    let mut tries: Vec<(u32, usize, &str, &str)> = Vec::new();
    let (mut start, mut number) = (0, 0u32);
    for line in text.split_inclusive('\n') {
        number += 1;
        let distance = near(number);
        let mut first = true;
        let mut at = 0;
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
            // Far from what is not understood only the first word of a line is looked at.
            if !word.is_empty() && (first || distance <= 2) && !keywords.contains(&word) {
                let meant = keywords.iter().filter(|keyword| is_slip(word, keyword));
                tries.extend(meant.map(|keyword| (distance, start + at, word, *keyword)));
            }
            first &= word.is_empty();
            at += word.len();
            at += line.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        }
        start += line.len();
    }
    tries.sort_by_key(|(distance, at, ..)| (*distance, *at));
    tries.into_iter().take(MAX_TRIES).find_map(|(_, at, word, keyword)| {
        let mut other = text.to_owned();
        other.replace_range(at..at + word.len(), keyword);
        is_understood(&other).then(|| Fault::at(text, at, format!("`{keyword}` with a slip")))
    })
}

/// Whether a word is a keyword with one letter too few, too many or another, or two that changed
/// places.
fn is_slip(word: &str, keyword: &str) -> bool {
    let (word, keyword) = (word.as_bytes(), keyword.as_bytes());
    if word.len().abs_diff(keyword.len()) > 1 || word.len() < 2 {
        return false;
    }
    let same = word.iter().zip(keyword).take_while(|(a, b)| a == b).count();
    let rest = |bytes: &'_ [u8], from: usize| bytes.get(from..).unwrap_or_default().to_vec();
    match word.len().cmp(&keyword.len()) {
        std::cmp::Ordering::Less => rest(word, same) == rest(keyword, same + 1),
        std::cmp::Ordering::Greater => rest(word, same + 1) == rest(keyword, same),
        std::cmp::Ordering::Equal => {
            let swapped = word.get(same) == keyword.get(same + 1)
                && word.get(same + 1) == keyword.get(same)
                && rest(word, same + 2) == rest(keyword, same + 2);
            swapped || keyword.len() > 3 && rest(word, same + 1) == rest(keyword, same + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn one_letter_is_a_slip_and_two_are_another_word() {
        for word in ["fucn", "fun", "funcc", "funk", "ufnc"] {
            assert!(is_slip(word, "func"), "{word}");
        }
        for word in ["fn", "funky", "cnuf", "f", "call", "fanz"] {
            assert!(!is_slip(word, "func"), "{word}");
        }
        assert!(is_slip("dfe", "def") && !is_slip("den", "def") && !is_slip("dee", "def"));
    }
}
