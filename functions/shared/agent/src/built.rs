//! What is built of a commit, once: kept by its digest, the same for every environment.

use bytes::Bytes;
use pact_contract::{ErrorName, actions::BuiltRelease};
use sha2::{Digest, Sha256};

use crate::{AgentError, ports::Artifacts};

/// Which of the releases of a commit is the one that these commands build.
#[must_use]
pub fn commands_id(commands: &[Vec<String>]) -> String {
    let mut hasher = Sha256::new();
    for command in commands {
        for word in command {
            hasher.update(word.as_bytes());
            hasher.update([0]);
        }
        hasher.update([1]);
    }
    hex::encode(hasher.finalize())
}

/// The digest of an artifact, in hexadecimal.
#[must_use]
pub fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// Fetches what was built, as it was built.
///
/// # Errors
/// `ERR_SOURCE_UNAVAILABLE` when it is not there or is not what was built, and the store's errors.
pub async fn fetch(artifacts: &dyn Artifacts, built: &BuiltRelease) -> Result<Bytes, AgentError> {
    let unavailable = |what: &str| {
        AgentError::new(
            ErrorName::SourceUnavailable,
            format!("the built release {}: {what}", built.key),
        )
    };
    let bytes = artifacts.get(&built.key).await?.ok_or_else(|| unavailable("there is none"))?;
    if bytes.len() as u64 != built.bytes || digest(&bytes) != built.digest {
        return Err(unavailable("it is not what was built: its digest is another"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_apart_by_their_words() {
        let id = |commands: &[&[&str]]| {
            let commands: Vec<Vec<String>> =
                commands.iter().map(|c| c.iter().map(|w| (*w).to_owned()).collect()).collect();
            commands_id(&commands)
        };
        let ids = [id(&[&["a", "b"]]), id(&[&["a"], &["b"]]), id(&[&["ab"]]), id(&[])];
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }
}
