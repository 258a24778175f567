//! C without its preprocessor: the first branch of every condition, no directives, each other byte in
//! its place. It is what a grammar can read where conditions take statements apart.

/// The text of the first branches, of `#if 0` of the one behind it.
pub(super) fn without(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // For each condition that is open: whether this branch is read, and whether one was.
    let mut open: Vec<(bool, bool)> = Vec::new();
    let (mut in_directive, mut in_comment) = (false, false);
    for line in text.split_inclusive('\n') {
        let directive = if in_comment { None } else { line.trim_start().strip_prefix('#') };
        let is_read = open.iter().all(|(read, _)| *read);
        if in_directive {
            blank(line, &mut out);
        } else if let Some(directive) = directive {
            branch(directive.trim_start(), &mut open);
            blank(line, &mut out);
        } else if is_read {
            out.push_str(line);
            in_comment = ends_in_comment(line, in_comment);
            continue;
        } else {
            blank(line, &mut out);
            continue;
        }
        // A directive goes on behind a backslash, or a comment that is open.
        in_comment = ends_in_comment(line, in_comment);
        in_directive = in_comment || line.trim_end().ends_with('\\');
    }
    out
}

fn branch(directive: &str, open: &mut Vec<(bool, bool)>) {
    let word: &str = directive.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    match word {
        "if" => {
            let is_never = directive.get(2..).unwrap_or_default().trim().starts_with('0')
                && !directive.get(2..).unwrap_or_default().trim().starts_with("0x");
            open.push((!is_never, !is_never));
        }
        "ifdef" | "ifndef" => open.push((true, true)),
        "else" | "elif" | "elifdef" | "elifndef" => {
            if let Some((read, was)) = open.last_mut() {
                *read = !*was;
                *was = true;
            }
        }
        "endif" => {
            open.pop();
        }
        _ => {}
    }
}

/// Whether a comment is open behind the line.
fn ends_in_comment(line: &str, mut open: bool) -> bool {
    let mut rest = line;
    loop {
        let mark = if open { "*/" } else { "/*" };
        let Some(at) = rest.find(mark) else { return open };
        if !open && rest.get(..at).is_some_and(|before| before.contains("//")) {
            return false;
        }
        open = !open;
        rest = rest.get(at + 2..).unwrap_or_default();
    }
}

fn blank(line: &str, out: &mut String) {
    out.extend(
        line.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { byte as char } else { ' ' }),
    );
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn the_first_branch_stays_in_its_place() {
        let text = "#ifdef A\nextern \"C\" {\n#endif\n#if 0\nno (\n#else\nint a; /* #if */\n#endif\n#define B \\\n  c(\nint ü;\n#define D /* e\n f */\nint g;\n";
        let read = without(text);
        assert_eq!(read.len(), text.len());
        assert_eq!(read.lines().count(), text.lines().count());
        let kept: Vec<&str> = read.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        assert_eq!(kept, ["extern \"C\" {", "int a; /* #if */", "int ü;", "int g;"]);
    }
}
