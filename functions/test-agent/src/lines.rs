//! Line numbers for people.

/// `3-5, 9` for 3, 4, 5 and 9; at most `groups` groups.
pub(crate) fn ranges(lines: &[u32], groups: usize) -> String {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match spans.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(*line) => *end = *line,
            _ => spans.push((*line, *line)),
        }
    }
    let mut text: Vec<_> = spans
        .iter()
        .take(groups)
        .map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") })
        .collect();
    if spans.len() > groups {
        text.push("…".to_owned());
    }
    text.join(", ")
}

/// `1 line`, `2 lines`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_many_groups_are_cut() {
        assert_eq!(ranges(&[3, 4, 5, 9], 5), "3-5, 9");
        assert_eq!(ranges(&[1, 3, 5], 2), "1, 3, …");
        assert_eq!(ranges(&[], 2), "");
        assert_eq!(count(1, "line"), "1 line");
        assert_eq!(count(0, "line"), "0 lines");
    }
}
