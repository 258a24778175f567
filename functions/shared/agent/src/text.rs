//! Texts from outside.

/// `text`, cut at a character boundary after at most `limit` bytes.
#[must_use]
pub fn truncated(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// `text` without escape sequences and control characters; of a line that was overwritten
/// (progress bars) what was written last.
#[must_use]
pub fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut line_start = 0;
    let mut overwritten = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\n' => {
                out.push('\n');
                line_start = out.len();
                overwritten = false;
            }
            '\r' => overwritten = true,
            c if c.is_control() && c != '\t' => {}
            c => {
                if overwritten {
                    out.truncate(line_start);
                    overwritten = false;
                }
                out.push(c);
            }
        }
    }
    out
}

fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        // Control sequence: ends with a letter or one of a few signs.
        Some('[') => {
            while chars.next_if(|c| !('\u{40}'..='\u{7e}').contains(c) && *c != '\n').is_some() {}
        }
        // Operating system command: ends with BEL or ESC \.
        Some(']') => {
            while chars.next_if(|c| !matches!(c, '\u{7}' | '\u{1b}' | '\n')).is_some() {}
            if chars.next_if_eq(&'\u{1b}').is_some() {
                chars.next_if_eq(&'\\');
            } else {
                chars.next_if_eq(&'\u{7}');
            }
            return;
        }
        _ => return,
    }
    chars.next_if(|c| *c != '\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_links_and_overwritten_progress_are_removed() {
        assert_eq!(
            readable("\u{1b}[1;31mred\u{1b}[0m\n\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\"),
            "red\nlink"
        );
        assert_eq!(readable("10 %\r20 %\rdone\r\nnext\r\n"), "done\nnext\n");
        assert_eq!(readable("a\u{0}b\tc\u{1b}"), "ab\tc");
    }
}
