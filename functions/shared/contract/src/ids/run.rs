//! Runs.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::{
    environment::EnvironmentKey,
    release::ReleaseId,
    repository::RepositoryName,
    text::{IdError, check, identifier},
};

/// Identity of one run of the pipeline, and the name of its execution: at most [`MAX_RUN_ID`]
/// letters, digits, `-` and `_`, as Step Functions wants it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Cow<'static, str>);

identifier!(RunId);

/// Longest execution name that Step Functions accepts.
pub const MAX_RUN_ID: usize = 80;

impl RunId {
    /// The id of the first run of one push, whose place among those of its branch is `place`.
    #[must_use]
    pub fn for_push(
        repository: &RepositoryName,
        reference: &str,
        commit: &str,
        place: u64,
    ) -> Self {
        let mut hash = Sha256::new();
        for part in [repository.as_str(), reference, commit] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(place.to_be_bytes());
        let digest = hex::encode(hash.finalize());
        let name = short(repository);
        let commit: String = commit.chars().filter(char::is_ascii_hexdigit).take(10).collect();
        let tag: String = digest.chars().take(8).collect();
        Self(format!("{name}-{commit}-{tag}").into())
    }

    /// The id of the first run that takes a release back from an environment because a person wants
    /// it. It never ends as the execution that takes back what another run began does.
    #[must_use]
    pub fn for_rollback(environment: &EnvironmentKey, release: &ReleaseId) -> Self {
        let mut hash = Sha256::new();
        for part in [environment.to_string().as_str(), release.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hex::encode(hash.finalize());
        let tag: String = digest.chars().take(10).collect();
        Self(format!("{}-rollback-{tag}", short(&environment.repository)).into())
    }

    /// The id of a repetition of the run: 0 is itself.
    #[must_use]
    pub fn again(&self, number: u32) -> Self {
        if number == 0 { self.clone() } else { Self(format!("{self}-{number}").into()) }
    }

    /// Stands for the run of an intent that was sent by hand and belongs to none. Nothing is
    /// recorded under it, and no push has it.
    pub const BY_HAND: Self = Self(Cow::Borrowed("by-hand"));

    /// Accepts a run id from outside.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that no id has.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let allowed: (_, fn(char) -> bool) = ("letters, digits, '-' and '_'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
        });
        check(text, "a run id", MAX_RUN_ID, allowed)?;
        Ok(Self(text.to_owned().into()))
    }
}

/// A repository's short name, as a run's id has it.
fn short(repository: &RepositoryName) -> String {
    let name: String = repository
        .short()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(32)
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "run".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> RepositoryName {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn any_push_gives_a_valid_execution_name(
            repository in "[a-zA-Z0-9_-]{1,60}(/[a-zA-Z0-9._-]{0,60}x){0,2}", reference in ".{0,40}", commit in "[0-9a-f]{0,64}", place in any::<u64>(), again in any::<u32>()
        ) {
            let id = RunId::for_push(&name(&repository), &reference, &commit, place).again(again);
            prop_assert_eq!(RunId::parse(id.as_str()), Ok(id));
        }

        #[test]
        fn an_id_is_its_text_on_the_wire_and_reading_it_checks_it(text in ".{0,100}") {
            let read = serde_json::from_value::<RunId>(text.clone().into());
            match RunId::parse(&text) {
                Ok(id) => {
                    prop_assert_eq!(serde_json::to_value(&id).ok(), Some(text.into()));
                    prop_assert_eq!(read.ok(), Some(id));
                }
                Err(error) => prop_assert_eq!(
                    read.map_err(|e| e.to_string()), Err(error.to_string())
                ),
            }
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "a run id must not be empty"),
            (&"x".repeat(81), "a run id has at most 80 characters, not 81"),
            ("a/b", "a run id has letters, digits, '-' and '_', not '/'"),
        ] {
            assert_eq!(RunId::parse(text).map_err(|e| e.to_string()), Err(reason.to_owned()));
        }
    }

    #[test]
    fn the_same_push_has_the_same_id_and_another_ref_or_place_another() {
        let a = RunId::for_push(&name("acme/web"), "refs/heads/main", "0123456789abcdef", 0);
        assert_eq!(a, RunId::for_push(&name("acme/web"), "refs/heads/main", "0123456789abcdef", 0));
        assert_ne!(a, RunId::for_push(&name("acme/web"), "refs/heads/dev", "0123456789abcdef", 0));
        assert_ne!(a, RunId::for_push(&name("acme/web"), "refs/heads/main", "0123456789abcdef", 1));
        assert_eq!((a.again(0), a.again(2).as_str()), (a.clone(), &*format!("{a}-2")));
        assert!(a.as_str().starts_with("web-0123456789-"), "{a}");
    }
}
