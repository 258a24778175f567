//! Lines of a text, and what their comments allow.

/// The comment that allows a secret on its own line; a reason follows.
pub(crate) const ALLOW: &str = "pact:allow-secret";

/// The reason of the comment that allows the secrets of a line.
pub(super) fn allowed(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(ALLOW)?;
    if !rest.starts_with(|c: char| c.is_whitespace() || c == ':' || c == ',') {
        return None;
    }
    let reason = rest.trim_matches(|c: char| c.is_whitespace() || ":,-*/#>\"'".contains(c));
    (reason.chars().filter(|c| c.is_alphanumeric()).count() >= 3)
        .then(|| reason.chars().take(200).collect())
}

/// Finds lines of places that only go forward.
pub(super) struct Lines<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) start: usize,
}

impl<'t> Lines<'t> {
    /// Line and column (from 1) of a place, and the text of the line.
    pub(super) fn place(&mut self, at: usize) -> (u32, u32, &'t str) {
        let between = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        for (index, _) in between.iter().enumerate().filter(|(_, b)| **b == b'\n') {
            self.line = self.line.saturating_add(1);
            self.start = self.at + index + 1;
        }
        self.at = at.max(self.at);
        let before = self.text.get(self.start..at).unwrap_or_default();
        let column = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
        let line = self.text.get(self.start..).unwrap_or_default();
        (self.line.saturating_add(1), column, line.split('\n').next().unwrap_or(line))
    }
}
