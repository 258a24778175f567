//! Whether a change touches nothing but documentation.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pact_contract::{ChangeSet, settings::DOCUMENTATION};

/// Which paths are documentation.
pub(crate) struct Documentation(GlobSet);

impl Documentation {
    /// With the repository's own list, or the built-in one.
    ///
    /// # Errors
    /// The pattern that is not valid, and why.
    pub(crate) fn new(own: Option<&[String]>) -> Result<Self, String> {
        let patterns: Vec<&str> = match own {
            Some(own) => own.iter().map(String::as_str).collect(),
            None => DOCUMENTATION.to_vec(),
        };
        globs("documentation", &patterns).map(Self)
    }

    /// Whether every changed file is documentation, before and after the change. An empty change
    /// set says nothing about what to leave out.
    pub(crate) fn is_all_of(&self, changes: &ChangeSet) -> bool {
        !changes.files.is_empty()
            && changes.files.iter().all(|file| {
                self.0.is_match(&file.path)
                    && file.old_path.as_ref().is_none_or(|old| self.0.is_match(old))
            })
    }
}

/// Patterns of paths; `what` they are of is said where one is not valid.
///
/// # Errors
/// The pattern, and why.
pub(crate) fn globs(what: &str, patterns: &[impl AsRef<str>]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns.iter().map(AsRef::as_ref) {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .empty_alternates(true)
            .build()
            .map_err(|e| format!("{what} pattern {pattern:?}: {}", e.kind()))?;
        set.add(glob);
    }
    set.build().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::changes;

    #[test]
    fn the_built_in_list_knows_documentation_from_code() {
        let documentation = Documentation::new(None).expect("valid patterns");
        for path in [
            "README.md",
            "a/b/notes.rst",
            "docs/images/x.png",
            "LICENSE",
            "LICENSE-MIT",
            "CHANGELOG.txt",
            "CODEOWNERS",
            ".github/CODEOWNERS",
            ".github/pull_request_template.md",
        ] {
            assert!(documentation.is_all_of(&changes(&[path])), "{path}");
        }
        for path in ["src/main.rs", "pact.toml", "src/docs/x.py", "LICENSE.rs", "README", "x.txt"] {
            assert_eq!(documentation.is_all_of(&changes(&[path])), path == "README", "{path}");
        }
        assert!(!documentation.is_all_of(&changes(&["README.md", "src/main.rs"])));
        assert!(!documentation.is_all_of(&changes(&[])));
    }

    #[test]
    fn code_that_is_moved_into_the_documentation_is_not_documentation() {
        let documentation = Documentation::new(None).expect("valid patterns");
        let mut moved = changes(&["docs/example.rs"]);
        moved.files[0].old_path = Some("src/example.rs".to_owned());
        assert!(!documentation.is_all_of(&moved));
    }

    #[test]
    fn the_repositorys_own_list_replaces_the_built_in_one() {
        let own = ["site/**".to_owned()];
        let documentation = Documentation::new(Some(&own)).expect("valid patterns");
        assert!(documentation.is_all_of(&changes(&["site/a/b.html"])));
        assert!(!documentation.is_all_of(&changes(&["README.md"])));
        let none = Documentation::new(Some(&[])).expect("valid patterns");
        assert!(!none.is_all_of(&changes(&["README.md"])));
        assert!(Documentation::new(Some(&["[a".to_owned()])).is_err());
    }
}
