//! The nearest valid name to one that was mistyped.

/// The name among `known` that `wrong` most likely stands for, if any is near.
pub(crate) fn nearest<'k>(
    wrong: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    near(wrong, known).into_iter().next()
}

/// The names among `known` that `wrong` may stand for, the nearest first.
#[must_use]
pub fn near<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let wrong: Vec<char> = wrong.chars().flat_map(char::to_lowercase).take(64).collect();
    let text: String = wrong.iter().collect();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let chars: Vec<char> = name.chars().collect();
            let begins = wrong.len() >= 3 && (name.starts_with(&text) || text.starts_with(name));
            let distance = if begins { 1 } else { distance(&wrong, &chars) };
            let allowed = (chars.len().max(wrong.len()) / 3).max(1);
            (distance <= allowed).then_some((distance, name))
        })
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Edits (insert, remove, replace) that turn `a` into `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for ((y, pair), insert) in b.iter().zip(row.windows(2)).zip(1usize..) {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => (insert, insert),
            };
            let left = next.last().copied().unwrap_or(insert);
            next.push((diagonal + usize::from(x != y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        let d = |a: &str, b: &str| {
            distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
        };
        assert_eq!(d("kitten", "sitting"), 3);
        assert_eq!(d("", "abc"), 3);
        assert_eq!(d("abc", ""), 3);
        assert_eq!(d("same", "same"), 0);
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["staging", "production"];
        assert_eq!(nearest("prod", known), Some("production"));
        assert_eq!(nearest("stagign", known), Some("staging"));
        assert_eq!(nearest("elsewhere", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(near("tests", ["text", "test", "texts", "other"]), ["test", "texts"]);
    }
}
