//! Paths that are left out: the repository's own list.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pact_agent::AgentError;

/// Globs as people write them in `.gitignore`: without a `/` at any depth, a folder with all that
/// is in it.
pub(crate) struct Ignore {
    set: GlobSet,
    /// The glob that each pattern of the set comes from.
    globs: Vec<String>,
}

impl Ignore {
    /// Reads the globs.
    pub(crate) fn new<S: AsRef<str>>(globs: &[S]) -> Result<Self, AgentError> {
        let mut set = GlobSetBuilder::new();
        let mut sources = Vec::new();
        for glob in globs {
            let text = glob.as_ref();
            let wrong = |e: &dyn std::fmt::Display| {
                AgentError::invalid(format!("code.ignore: {text:?} is not a glob: {e}"))
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
            .map_err(|e| AgentError::invalid(format!("code.ignore cannot be used: {e}")))
    }

    /// Whether the path is left out.
    pub(crate) fn covers(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// The glob that leaves the path out, if one does.
    pub(crate) fn rule(&self, path: &str) -> Option<&str> {
        let first = self.set.matches(path).into_iter().min()?;
        self.globs.get(first).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_mean_what_people_expect() {
        let ignore = Ignore::new(&["vendor", "tests/bad/", "*.gen.rs", "/dist", "a/**/z.py"])
            .expect("globs");
        for path in ["vendor/x.go", "sub/vendor/x.go", "tests/bad/a/b.py", "src/x.gen.rs"] {
            assert!(ignore.covers(path), "{path}");
        }
        assert_eq!(ignore.rule("tests/bad/a/b.py"), Some("tests/bad/"));
        assert_eq!(ignore.rule("src/a.rs"), None);
        assert!(ignore.covers("dist/app.js") && ignore.covers("a/b/c/z.py"));
        for path in ["src/vendored.rs", "src/tests/bad/x.py", "web/dist/app.js", "a/z.pyc"] {
            assert!(!ignore.covers(path), "{path}");
        }
        assert!(Ignore::new(&["a[b"]).is_err());
    }
}
