//! What people do to a file by accident: a bracket, quote, colon or semicolon too few or too many, a
//! keyword with a slip, an indentation that fits nothing, a file that is cut off, a merge that was not
//! finished.

/// A text that was broken.
pub(crate) struct Breakage {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    /// Line of the slip, from 1.
    pub(crate) line: u32,
    /// The next line with code: where a parser notices what is missing.
    next: u32,
}

impl Breakage {
    /// Whether a fault in that line names this breakage.
    pub(crate) fn is_at(&self, line: u32) -> bool {
        line >= self.line && line <= self.next.max(self.line)
    }
}

/// Numbers by a seed (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: &str) -> Self {
        let mix = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        Self(seed.bytes().fold(0xcbf2_9ce4_8422_2325, mix) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.0 % bound).unwrap_or(0)
    }

    pub(crate) fn choose<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let index = self.below(all.len());
        all.get(index)
    }
}

/// How a language looks.
struct Look {
    line_comments: &'static [&'static str],
    block: Option<(&'static str, &'static str)>,
    quotes: &'static [char],
    keywords: &'static [&'static str],
    kinds: &'static [&'static str],
}

const C_KINDS: &[&str] = &["bracket lost", "bracket more", "quote lost", "stray", "cut", "merge"];
const STATEMENTS: &[&str] = &[
    "bracket lost",
    "bracket more",
    "quote lost",
    "keyword",
    "operator",
    "semicolon lost",
    "stray",
    "cut",
    "merge",
];
const SLASHES: &[&str] = &["//"];
const STARS: Option<(&str, &str)> = Some(("/*", "*/"));

fn look(language: &str) -> Option<Look> {
    let c = Look {
        line_comments: SLASHES,
        block: STARS,
        quotes: &['"', '\''],
        keywords: &[],
        kinds: C_KINDS,
    };
    let statements = |keywords| Look { keywords, kinds: STATEMENTS, ..c };
    Some(match language {
        "C" => Look {
            kinds: &[
                "bracket lost",
                "bracket more",
                "quote lost",
                "semicolon lost",
                "stray",
                "cut",
                "merge",
            ],
            ..c
        },
        "C++" | "Swift" | "Kotlin" => c,
        "CSS" => Look { line_comments: &[], kinds: &["brace lost", "cut", "merge"], ..c },
        "C#" => statements(&["class", "namespace", "foreach", "catch"]),
        "Java" => statements(&["class", "import", "package", "catch"]),
        "Go" => Look {
            quotes: &['"', '\'', '`'],
            kinds: &[
                "bracket lost",
                "bracket more",
                "quote lost",
                "keyword",
                "operator",
                "stray",
                "cut",
                "merge",
            ],
            keywords: &["func", "package", "import"],
            ..c
        },
        "JavaScript" | "TypeScript" => Look {
            quotes: &['"', '\'', '`'],
            keywords: &["function", "return", "const", "import"],
            kinds: &[
                "bracket lost",
                "bracket more",
                "quote lost",
                "keyword",
                "operator",
                "stray",
                "cut",
                "merge",
            ],
            ..c
        },
        "PHP" => Look {
            line_comments: &["//", "#"],
            keywords: &["function", "namespace", "class", "foreach"],
            kinds: STATEMENTS,
            ..c
        },
        "Rust" => Look { quotes: &['"'], ..statements(&["struct", "impl", "fn", "use"]) },
        "Python" => Look {
            line_comments: &["#"],
            block: None,
            keywords: &["def", "return", "import", "while", "for", "class", "raise"],
            kinds: &[
                "bracket lost",
                "bracket more",
                "quote lost",
                "keyword",
                "operator",
                "colon lost",
                "indent more",
                "indent less",
                "tab",
                "stray",
                "cut",
                "merge",
            ],
            ..c
        },
        "Ruby" => Look {
            line_comments: &["#"],
            block: None,
            keywords: &["def", "class", "module", "end"],
            kinds: &["bracket lost", "bracket more", "keyword", "stray", "cut", "merge"],
            ..c
        },
        "Shell" => Look {
            line_comments: &["#"],
            block: None,
            keywords: &["then", "done", "esac", "fi"],
            kinds: &["quote lost", "keyword", "merge", "stray"],
            ..c
        },
        "JSON" => Look {
            line_comments: &[],
            block: None,
            quotes: &['"'],
            kinds: &[
                "bracket lost",
                "bracket more",
                "quote lost",
                "comma lost",
                "stray",
                "cut",
                "merge",
            ],
            ..c
        },
        "TOML" => Look {
            line_comments: &["#"],
            block: None,
            kinds: &["bracket lost", "bracket more", "quote lost", "operator", "stray", "merge"],
            ..c
        },
        "YAML" => Look {
            line_comments: &["#"],
            block: None,
            kinds: &["key indent", "tab", "stray", "merge"],
            ..c
        },
        "HCL" => Look {
            line_comments: &["#", "//"],
            quotes: &['"'],
            kinds: &[
                "bracket lost",
                "bracket more",
                "quote lost",
                "operator",
                "stray",
                "cut",
                "merge",
            ],
            ..c
        },
        "XML" | "SVG" => Look {
            line_comments: &[],
            block: Some(("<!--", "-->")),
            quotes: &[],
            kinds: &["tag lost", "angle lost", "cut"],
            ..c
        },
        "Dockerfile" => Look {
            line_comments: &["#"],
            block: None,
            quotes: &[],
            keywords: &["RUN", "COPY", "FROM", "ENV"],
            kinds: &["keyword", "merge"],
        },
        _ => return None,
    })
}

pub(crate) fn has_kinds(language: &str) -> bool {
    look(language).is_some()
}

/// Breaks a text in one place; none where the way that was drawn has no place in it.
pub(crate) fn make(language: &str, text: &str, random: &mut Random) -> Option<Breakage> {
    let look = look(language)?;
    let code = mask(text, &look)?;
    let kind = *random.choose(look.kinds)?;
    let at = |random: &mut Random, wanted: &dyn Fn(usize, u8) -> bool| {
        let all: Vec<usize> =
            code.iter().enumerate().filter(|(at, b)| wanted(*at, **b)).map(|(at, _)| at).collect();
        random.choose(&all).copied()
    };
    let edit = |at: usize, length: usize, by: &str| {
        let mut new = text.to_owned();
        new.replace_range(at..at + length, by);
        new
    };
    let (place, text) = match kind {
        "bracket lost" => {
            let at = at(random, &|_, b| b"()[]{}".contains(&b))?;
            (at, edit(at, 1, ""))
        }
        "brace lost" => {
            let at = at(random, &|_, b| b"{}".contains(&b))?;
            (at, edit(at, 1, ""))
        }
        "bracket more" => {
            let at = at(random, &|_, b| b")]}".contains(&b))?;
            let bracket = text.get(at..=at)?.to_owned();
            (at, edit(at, 0, &bracket))
        }
        "quote lost" => {
            // What is masked as a string's first quote.
            let at = at(random, &|_, b| b == 1)?;
            (at, edit(at, 1, ""))
        }
        "comma lost" => {
            let at = at(random, &|_, b| b == b',')?;
            (at, edit(at, 1, ""))
        }
        "operator" => {
            let at = at(random, &|at, b| {
                b == b'='
                    && code.get(at + 1) == Some(&b' ')
                    && at > 0
                    && code.get(at - 1) == Some(&b' ')
            })?;
            (at, edit(at, 1, "= ="))
        }
        "semicolon lost" => {
            // Where the next line begins with a word, no operator joins them.
            let at = at(random, &|at, b| {
                let before = code.get(at.saturating_sub(1)).copied().unwrap_or(0);
                b == b';'
                    && (before.is_ascii_alphanumeric() || before == b')')
                    && text.get(at + 1..).is_some_and(|rest| {
                        rest.starts_with('\n')
                            && rest.trim_start().starts_with(|c: char| c.is_ascii_alphabetic())
                    })
            })?;
            (at, edit(at, 1, ""))
        }
        "colon lost" => {
            let at = at(random, &|at, b| {
                b == b':'
                    && text.get(at + 1..).is_some_and(|rest| rest.starts_with('\n'))
                    && header(text, at)
            })?;
            (at, edit(at, 1, ""))
        }
        "keyword" => {
            let (at, word) = keyword(&code, text, &look, random)?;
            let mut letters: Vec<char> = word.chars().collect();
            let first = random.below(letters.len() - 1);
            letters.swap(first, first + 1);
            let new: String = letters.iter().collect();
            if new == word {
                return None;
            }
            (at, edit(at, word.len(), &new))
        }
        "indent more" | "indent less" | "tab" | "key indent" => {
            indentation(kind, text, &code, random)?
        }
        "stray" => {
            let at = line_start(text, &code, random)?;
            (at, edit(at, 0, ")\n"))
        }
        "cut" => {
            let at = at(random, &|_, b| b == b'(' || b == b'{' || b == b'<')?;
            (text.len().min(at), text.get(..=at)?.to_owned())
        }
        "merge" => {
            let at = line_start(text, &code, random)?;
            (at, edit(at, 0, "<<<<<<< HEAD\n=======\n>>>>>>> other\n"))
        }
        "tag lost" => {
            let at = text.match_indices("</").map(|(at, _)| at).collect::<Vec<_>>();
            let at = *random.choose(&at)?;
            let end = text.get(at..)?.find('>')? + 1;
            (at, edit(at, end, ""))
        }
        _ => {
            let at = text.match_indices('>').map(|(at, _)| at).collect::<Vec<_>>();
            let at = *random.choose(&at)?;
            (at, edit(at, 1, ""))
        }
    };
    Some(placed(kind, text, place))
}

fn placed(kind: &'static str, text: String, place: usize) -> Breakage {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let before = text.get(..place).unwrap_or(&text);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let behind = text.lines().skip(line).position(|l| !l.trim().is_empty());
    let next = behind.map_or(line, |skipped| line + skipped + 1);
    Breakage { kind, line: number(line), next: number(next), text }
}

/// A line of code that stands by itself: the start of one that begins with a letter, behind one
/// that ends a statement.
fn line_start(text: &str, code: &[u8], random: &mut Random) -> Option<usize> {
    let (mut starts, mut at, mut ended) = (Vec::new(), 0, true);
    for line in text.split_inclusive('\n') {
        let masked = code.get(at..at + line.len()).unwrap_or_default().trim_ascii();
        if ended && masked.first().is_some_and(u8::is_ascii_alphabetic) {
            starts.push(at);
        }
        if !masked.is_empty() {
            ended = masked.last().is_some_and(|b| b";{}:".contains(b))
                || masked.last().is_some_and(u8::is_ascii_alphanumeric);
        }
        at += line.len();
    }
    random.choose(&starts).copied()
}

fn header(text: &str, at: usize) -> bool {
    let line =
        text.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default().trim_start();
    ["if ", "for ", "while ", "def ", "class ", "else", "try", "elif ", "with "]
        .iter()
        .any(|w| line.starts_with(w))
}

fn keyword<'t>(
    code: &[u8],
    text: &'t str,
    look: &Look,
    random: &mut Random,
) -> Option<(usize, &'t str)> {
    let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let mut all = Vec::new();
    for word in look.keywords {
        for (at, found) in text.match_indices(word) {
            let line = text.get(..at).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
            // At the beginning of a line it is no name; and something follows it.
            if line.trim().is_empty()
                && code.get(at).is_some_and(|b| *b > 1 && *b != b' ')
                && !is_word(code.get(at + word.len()))
                && code.get(at + word.len()).is_some_and(|b| b" \n;".contains(b))
            {
                all.push((at, found));
            }
        }
    }
    random.choose(&all).copied()
}

/// One more or less column before a line inside a block, or a tab in place of its blanks.
fn indentation(
    kind: &str,
    text: &str,
    code: &[u8],
    random: &mut Random,
) -> Option<(usize, String)> {
    let (mut all, mut at, mut depth) = (Vec::new(), 0usize, 0i32);
    let mut previous: Option<(usize, u8)> = None;
    for line in text.split_inclusive('\n') {
        let masked = code.get(at..at + line.len()).unwrap_or_default();
        let width = line.len() - line.trim_start_matches(' ').len();
        let own = masked.trim_ascii();
        let begins = own.first().is_some_and(u8::is_ascii_alphabetic) && depth == 0;
        if let Some((before, last)) = previous
            && begins
        {
            let fits = match kind {
                // The statement before it is at the same column, and ended.
                "indent more" | "key indent" => before == width && last != b'\\' && last != b':',
                "indent less" => before == width && width >= 4 && last != b'\\' && last != b':',
                _ => before == width && width >= 4 && last != b'\\',
            };
            let is_key = kind != "key indent"
                || (own.contains(&b':') && (last.is_ascii_alphanumeric()) && width > 0);
            if fits && is_key {
                all.push((at, width));
            }
        }
        for byte in masked {
            depth += i32::from(b"([{".contains(byte)) - i32::from(b")]}".contains(byte));
        }
        if !own.is_empty() {
            let last = own.last().copied().unwrap_or(0);
            previous = (depth == 0 && begins).then_some((width, last));
        }
        at += line.len();
    }
    let (at, width) = *random.choose(&all)?;
    let mut new = text.to_owned();
    match kind {
        "indent more" | "key indent" => new.insert(at, ' '),
        "indent less" => new.replace_range(at..=at, ""),
        _ => new.replace_range(at..at + width, "\t"),
    }
    Some((at, new))
}

/// The text with strings and comments as zeros, the quote that opens a string as 1; none where a
/// string is not closed as far as this simple reading goes.
fn mask(text: &str, look: &Look) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    let is = |at: usize, what: &str| {
        bytes.get(at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    };
    while at < bytes.len() {
        if let Some((open, close)) = look.block
            && is(at, open)
        {
            let end = text.get(at + open.len()..)?.find(close)? + at + open.len() + close.len();
            code.get_mut(at..end)?.iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = 0);
            at = end;
            continue;
        }
        if look.line_comments.iter().any(|c| is(at, c)) {
            let end =
                bytes.get(at..)?.iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n);
            code.get_mut(at..end)?.fill(0);
            at = end;
            continue;
        }
        let quote = *bytes.get(at)?;
        if look.quotes.contains(&char::from(quote)) {
            let triple = [quote; 3];
            let long = bytes.get(at..)?.starts_with(&triple);
            let start = at;
            at += if long { 3 } else { 1 };
            loop {
                match *bytes.get(at)? {
                    b'\\' => at += 1,
                    b'\n' if !long && quote != b'`' => return None,
                    b if b == quote && (!long || bytes.get(at..)?.starts_with(&triple)) => break,
                    _ => {}
                }
                at += 1;
            }
            at += if long { 3 } else { 1 };
            code.get_mut(start..at)?.iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = 0);
            // A short string without what would be code or a string in it.
            let inside = text.get(start + 1..at - 1).unwrap_or_default();
            if !long
                && quote != b'`'
                && inside.len() > 1
                && inside.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ')
            {
                *code.get_mut(start)? = 1;
            }
            continue;
        }
        at += 1;
    }
    Some(code)
}
