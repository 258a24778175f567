//! Names that become names of files.

/// A repository's name as the name of a folder: readable, and different for different names.
pub(crate) fn slug(repository: &str) -> String {
    let name: String = repository
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(60)
        .collect();
    let name = name.trim_matches('-');
    let name = if name.is_empty() { "repository" } else { name };
    format!("{name}-{:08x}", hash(repository) & 0xffff_ffff)
}

/// FNV-1a: spreads names; nothing relies on it being hard to reverse.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use pact_contract::ReleaseId;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slug_is_the_name_of_one_folder(name in ".{0,80}") {
            let slug = slug(&name);
            prop_assert!(ReleaseId::parse(&slug).is_ok(), "{}", slug);
        }
    }

    #[test]
    fn different_repositories_have_different_folders() {
        assert_ne!(slug("a/b-c"), slug("a-b/c"));
    }
}
