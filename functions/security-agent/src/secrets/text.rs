//! A text while it is looked at, and what may still be spent on it.

use super::place::Place;

/// A text that is looked at.
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) place: Place,
    pub(super) depth: usize,
}

/// What may still be spent.
pub(super) struct Work {
    pub(super) left: u64,
    pub(super) exhausted: bool,
}

impl Work {
    pub(super) fn spend(&mut self, amount: usize) -> bool {
        match self.left.checked_sub(amount as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.exhausted = true;
                false
            }
        }
    }
}
