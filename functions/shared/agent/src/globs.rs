//! Paths of a repository that its settings name by globs.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::AgentError;

/// Most globs of a list.
const MAX_GLOBS: usize = 1_000;

/// Globs as people write them in `.gitignore`: without a `/` at any depth, a folder with all that
/// is in it.
#[derive(Debug)]
pub struct Globs {
    set: GlobSet,
    /// The glob that each pattern of the set comes from.
    globs: Vec<String>,
}

impl Globs {
    /// Reads the globs of the setting `key`.
    ///
    /// # Errors
    /// One is none, or there are too many.
    pub fn new<S: AsRef<str>>(key: &str, globs: &[S]) -> Result<Self, AgentError> {
        if globs.len() > MAX_GLOBS {
            let count = globs.len();
            return Err(AgentError::invalid(format!(
                "{key} has {count} globs; at most {MAX_GLOBS}"
            )));
        }
        let mut set = GlobSetBuilder::new();
        let mut sources = Vec::new();
        for glob in globs {
            let text = glob.as_ref();
            let wrong = |e: &dyn std::fmt::Display| {
                AgentError::invalid(format!("{key}: {text:?} is not a glob: {e}"))
            };
            let path = text.trim().trim_end_matches('/');
            let path = path.strip_prefix("./").unwrap_or(path);
            let path = match path.strip_prefix('/') {
                Some(rooted) => rooted.to_owned(),
                None if path.contains('/') => path.to_owned(),
                None => format!("**/{path}"),
            };
            for pattern in [path.clone(), format!("{path}/**")] {
                let glob = GlobBuilder::new(&pattern)
                    .literal_separator(true)
                    .build()
                    .map_err(|e| wrong(&e))?;
                set.add(glob);
                sources.push(text.to_owned());
            }
        }
        set.build()
            .map(|set| Self { set, globs: sources })
            .map_err(|e| AgentError::invalid(format!("{key} cannot be used: {e}")))
    }

    /// Whether one of them is for the path.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// The first glob that is for the path.
    #[must_use]
    pub fn rule(&self, path: &str) -> Option<&str> {
        let first = self.set.matches(path).into_iter().min()?;
        self.globs.get(first).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_mean_what_people_expect() {
        let globs = ["vendor", "tests/bad/", "*.gen.rs", "/dist", "a/**/z.py"];
        let globs = Globs::new("code.ignore", &globs).expect("globs");
        for path in ["vendor/x.go", "sub/vendor/x.go", "tests/bad/a/b.py", "src/x.gen.rs"] {
            assert!(globs.covers(path), "{path}");
        }
        assert_eq!(globs.rule("tests/bad/a/b.py"), Some("tests/bad/"));
        assert_eq!(globs.rule("src/a.rs"), None);
        assert!(globs.covers("dist/app.js") && globs.covers("a/b/c/z.py"));
        for path in ["src/vendored.rs", "src/tests/bad/x.py", "web/dist/app.js", "a/z.pyc"] {
            assert!(!globs.covers(path), "{path}");
        }
        let error = Globs::new("code.ignore", &["a[b"]).expect_err("is refused");
        assert!(error.to_string().contains("code.ignore: \"a[b\" is not a glob"), "{error}");
        assert!(Globs::new("code.ignore", &vec!["a"; 1_001]).is_err());
    }
}
