//! Words of a command that people copy into a shell.

use std::borrow::Cow;

/// `text` as one word of a POSIX shell, whatever is in it; as it is where no shell takes it apart.
#[must_use]
pub fn word(text: &str) -> Cow<'_, str> {
    // A `~` is a home only at the beginning of a word, and a `#` a comment only there.
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_no_word_apart() {
        for plain in ["https://git.example.org/acme/web.git", "a-b_c.d/e", "-1", "a=b,c@d+e%f"] {
            assert_eq!(word(plain), plain);
        }
        for (text, wanted) in [
            ("", "''"),
            ("https://x.org/a?b=c&d;rm -rf ~", "'https://x.org/a?b=c&d;rm -rf ~'"),
            ("it's", r"'it'\''s'"),
            ("$(id)", "'$(id)'"),
            ("*.rs", "'*.rs'"),
            ("~/x", "'~/x'"),
            ("a\nb", "'a\nb'"),
            ("größe", "'größe'"),
        ] {
            assert_eq!(word(text), wanted);
        }
    }

    #[test]
    fn a_shell_reads_what_was_written() {
        for text in ["", "it's", "a b", "$(id)`id`", "a\\b\"c", "&;|<>*?[]#~!{}"] {
            let said = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", word(text))])
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&said.stdout), text);
        }
    }
}
