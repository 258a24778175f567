//! Names that become names of files.

/// Longest name of a release.
const MAX_RELEASE: usize = 100;

/// Checks the name of a release: it becomes the name of a folder.
///
/// # Errors
/// The reason.
pub(crate) fn check_release(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    if name.is_empty() || name.len() > MAX_RELEASE {
        return Err(format!("the name of a release has 1 to {MAX_RELEASE} characters"));
    }
    if name.starts_with('.') || !name.chars().all(plain) {
        return Err(format!(
            "the name of a release has letters, digits, '-', '_', '+' and '.', which it does not \
             begin with; not {name:?}"
        ));
    }
    Ok(())
}

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
    use std::path::{Component, Path};

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slug_is_the_name_of_one_folder(name in ".{0,80}") {
            let slug = slug(&name);
            prop_assert!(check_release(&slug).is_ok(), "{}", slug);
        }

        #[test]
        fn the_name_of_a_release_is_the_name_of_one_folder(name in ".{0,120}") {
            if check_release(&name).is_ok() {
                let path = Path::new(&name);
                prop_assert_eq!(path.components().collect::<Vec<_>>(),
                                vec![Component::Normal(std::ffi::OsStr::new(&name))]);
            }
        }
    }

    #[test]
    fn different_repositories_have_different_folders() {
        assert_ne!(slug("a/b-c"), slug("a-b/c"));
    }
}
