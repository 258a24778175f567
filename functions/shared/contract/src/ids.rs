//! Identifiers. A run's id is also the name of its execution: at most 80 characters out of
//! letters, digits, `-` and `_`, as Step Functions wants it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Identity of one run of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

/// Longest execution name that Step Functions accepts.
pub const MAX_RUN_ID: usize = 80;

impl RunId {
    /// The id of the run for one push: the same push always gives the same id. `rerun` counts
    /// deliberate repetitions of the same push, 0 for the first.
    #[must_use]
    pub fn for_push(repository: &str, reference: &str, commit: &str, rerun: u32) -> Self {
        let mut hash = Sha256::new();
        for part in [repository, reference, commit] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hex::encode(hash.finalize());
        let name = repository.rsplit('/').next().unwrap_or_default();
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(32)
            .collect();
        let name = name.trim_matches('-');
        let name = if name.is_empty() { "run" } else { name };
        let commit: String = commit.chars().filter(char::is_ascii_hexdigit).take(10).collect();
        let tag: String = digest.chars().take(8).collect();
        Self(match rerun {
            0 => format!("{name}-{commit}-{tag}"),
            n => format!("{name}-{commit}-{tag}-{n}"),
        })
    }

    /// Accepts a run id from outside.
    ///
    /// # Errors
    /// Returns the reason when it is empty, too long or has a character that no id has.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a run id must not be empty".to_owned());
        }
        if text.len() > MAX_RUN_ID {
            return Err(format!("a run id has at most {MAX_RUN_ID} characters"));
        }
        match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
            Some(c) => Err(format!("a run id has letters, digits, '-' and '_', not {c:?}")),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_push_gives_a_valid_execution_name(
            repository in ".{0,120}", reference in ".{0,40}", commit in "[0-9a-f]{0,64}", rerun in 0u32..=u32::MAX
        ) {
            let id = RunId::for_push(&repository, &reference, &commit, rerun);
            prop_assert_eq!(RunId::parse(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn the_same_push_has_the_same_id_and_another_ref_another() {
        let a = RunId::for_push("acme/web", "refs/heads/main", "0123456789abcdef", 0);
        assert_eq!(a, RunId::for_push("acme/web", "refs/heads/main", "0123456789abcdef", 0));
        assert_ne!(a, RunId::for_push("acme/web", "refs/heads/dev", "0123456789abcdef", 0));
        assert!(a.as_str().starts_with("web-0123456789-"), "{a}");
    }
}
