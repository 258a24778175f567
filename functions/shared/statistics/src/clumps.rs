//! What comes in clumps. Requests that are sent within a moment of each other may all meet the same
//! short trouble, and say then no more than one of them: a test that takes each for a word of its own
//! takes a hiccup of a third of a second for fifteen failures. How much less they say is measured on
//! themselves, by the design effect of a sample in clusters (Kish, Survey Sampling, 1965; for shares:
//! Donner and Klar, Design and Analysis of Cluster Randomization Trials, 2000, section 5.2): the
//! variance between moments over that of as many single draws. It lies between 1, none of it, and the
//! size of a moment, all of them.

use crate::chance::real;

/// Fewer moments than this do not show how they differ.
const FEW: usize = 5;

/// For how many of those that are marked one counts, of requests in their order of which so many in a
/// row belong to one moment.
#[must_use]
pub fn clumping(marks: &[bool], together: usize) -> f64 {
    let together = together.clamp(1, marks.len().max(1));
    let marked = |marks: &[bool]| real(marks.iter().filter(|mark| **mark).count() as u64);
    let (found, all) = (marked(marks), real(marks.len() as u64));
    if together == 1 || found == 0.0 {
        return 1.0;
    }
    let most = real(together as u64);
    if found == all || marks.len() < FEW * together {
        // Nothing tells whether it was one trouble or many.
        return most;
    }
    let share = found / all;
    let (mut seen, mut expected) = (0.0, 0.0);
    for moment in marks.chunks(together) {
        let size = real(moment.len() as u64);
        seen += (marked(moment) - size * share).powi(2);
        expected += size * share * (1.0 - share);
    }
    (seen / expected).clamp(1.0, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marks(text: &str) -> Vec<bool> {
        text.bytes().map(|byte| byte == b'x').collect()
    }

    #[test]
    fn what_fails_together_counts_once() {
        let spell = marks(&format!("{}xxxxxxxxxxxxxxx{}", ".".repeat(100), ".".repeat(135)));
        assert!(clumping(&spell, 5) > 4.5, "{}", clumping(&spell, 5));
        assert_eq!(clumping(&spell, 1), 1.0, "nothing was sent together");
        assert_eq!(clumping(&marks(&"....x".repeat(20)), 5), 1.0, "every fifth");
        assert_eq!(clumping(&marks(&"x".repeat(30)), 5), 5.0, "all of them");
        assert_eq!(clumping(&[], 5), 1.0);
    }

    proptest! {
        #[test]
        fn it_is_from_one_to_the_size_of_a_moment(
            marks: Vec<bool>, together in 0usize..40
        ) {
            let clumps = clumping(&marks, together);
            prop_assert!((1.0..=(together.max(1) as f64)).contains(&clumps), "{clumps}");
        }
    }
}
