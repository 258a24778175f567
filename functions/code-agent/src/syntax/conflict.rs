//! Marks of a merge.

use super::verdict::{Fault, number};

/// The first mark of a merge that was not finished.
pub(super) fn mark(text: &str) -> Option<Fault> {
    let starts = |with: &str| text.lines().position(|line| line.starts_with(with));
    let (ours, middle, theirs) = (starts("<<<<<<< ")?, starts("=======")?, starts(">>>>>>> ")?);
    (ours < middle && middle < theirs).then(|| Fault {
        line: number(ours + 1),
        column: 1,
        message: "a mark of a merge that was not finished".to_owned(),
    })
}
