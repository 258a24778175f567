//! The changed files of a commit, without those the repository's settings leave out.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pact_agent::{AgentError, Call, bundle, ports::Artifacts};
use pact_contract::{ChangeSet, ErrorName, FileChange, actions::SecurityCheck};

/// Most ignore globs of a repository.
const MAX_GLOBS: usize = 1_000;

/// Paths that are not looked at.
pub(crate) struct Ignore(GlobSet);

impl Ignore {
    /// The globs of the settings. A folder's name stands for everything below it.
    pub(crate) fn new(globs: &[String]) -> Result<Self, AgentError> {
        if globs.len() > MAX_GLOBS {
            return Err(AgentError::invalid(format!(
                "security.ignore has {} globs; at most {MAX_GLOBS}",
                globs.len()
            )));
        }
        let mut set = GlobSetBuilder::new();
        let failed = |glob: &str, error: globset::Error| {
            AgentError::invalid(format!("security.ignore {glob:?} is not a glob: {}", error.kind()))
        };
        for glob in globs {
            let glob = glob.trim_start_matches("./").trim_end_matches('/');
            for pattern in [glob.to_owned(), format!("{glob}/**")] {
                let pattern = GlobBuilder::new(&pattern).literal_separator(true).build();
                set.add(pattern.map_err(|e| failed(glob, e))?);
            }
        }
        Ok(Self(set.build().map_err(|e| failed("…", e))?))
    }

    /// Whether `path` is left out.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

/// One commit with its changes.
pub(crate) struct Source {
    bundle: Bytes,
    changes: ChangeSet,
    ignore: Ignore,
    deadline: Instant,
}

impl Source {
    /// Fetches the bundle and the change set that `call` names.
    pub(crate) async fn load(artifacts: &dyn Artifacts, call: &Call) -> Result<Self, AgentError> {
        let check: SecurityCheck = call.parameters()?;
        let ignore = Ignore::new(&check.settings.ignore)?;
        let changes = bundle::change_set(artifacts, &check.changes_key).await?;
        let bundle = bundle::fetch(artifacts, &check.source).await?;
        Ok(Self { bundle, changes, ignore, deadline: call.deadline.into_std() })
    }

    /// The changed text files that `wanted` accepts, one after the other; the content is none for
    /// a file larger than `max_file` bytes. A file without added lines is left out.
    pub(crate) fn visit(
        &self,
        max_file: u64,
        wanted: impl Fn(&str) -> bool,
        mut visit: impl FnMut(&FileChange, Option<&[u8]>),
    ) -> Result<(), AgentError> {
        let files: BTreeMap<&str, &FileChange> = self
            .changes
            .files
            .iter()
            .filter(|f| f.is_readable() && !f.added_lines.is_empty())
            .filter(|f| !self.ignore.matches(&f.path) && wanted(&f.path))
            .map(|f| (f.path.as_str(), f))
            .collect();
        if files.is_empty() {
            return Ok(());
        }
        bundle::visit_files(
            &self.bundle,
            max_file,
            |path| files.contains_key(path),
            |path, content| {
                check_deadline(self.deadline)?;
                if let Some(change) = files.get(path) {
                    visit(change, content);
                }
                Ok(())
            },
        )
    }
}

/// Ends work that nobody waits for any more.
pub(crate) fn check_deadline(deadline: Instant) -> Result<(), AgentError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(AgentError::new(ErrorName::Timeout, "the check did not end before the function's deadline"))
}

/// Runs `work` where it holds up nothing else.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AgentError::internal(format!("the check stopped: {e}")))?
}

/// Whether one of the two lines has `mark` (a comment of the repository) for `what`; an empty
/// `what` is enough of itself.
pub(crate) fn is_allowed(lines: &[&str], line: usize, mark: &str, what: &str) -> bool {
    [Some(line), line.checked_sub(1)].into_iter().flatten().any(|index| {
        lines.get(index).is_some_and(|text| {
            text.match_indices(mark).any(|(at, _)| {
                let rest = text.get(at + mark.len()..).unwrap_or_default();
                if what.is_empty() {
                    return !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
                }
                rest.starts_with(char::is_whitespace)
                    && rest
                        .split(|c: char| c.is_whitespace() || c == ',' || c == ':')
                        .any(|word| word == what)
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_paths_and_whole_folders() {
        let ignore = Ignore::new(&[
            "tests/fixtures".into(),
            "*.pem".into(),
            "**/*.snap".into(),
            "./a/".into(),
        ]);
        let ignore = ignore.expect("valid");
        for (path, ignored) in [
            ("tests/fixtures/a/b.txt", true),
            ("tests/other.rs", false),
            ("key.pem", true),
            ("deep/key.pem", false),
            ("x/y.snap", true),
            ("a/b", true),
        ] {
            assert_eq!(ignore.matches(path), ignored, "{path}");
        }
        assert!(Ignore::new(&["[".into()]).is_err());
    }

    #[test]
    fn a_comment_allows_its_own_and_the_next_line() {
        let lines = [
            "# pact:allow python-eval, python-exec",
            "eval(x)",
            "eval(y)",
            "x # pact:allow-secret",
        ];
        assert!(is_allowed(&lines, 1, "pact:allow", "python-eval"));
        assert!(is_allowed(&lines, 1, "pact:allow", "python-exec"));
        assert!(!is_allowed(&lines, 1, "pact:allow", "python"));
        assert!(!is_allowed(&lines, 2, "pact:allow", "python-eval"));
        assert!(is_allowed(&lines, 3, "pact:allow-secret", ""));
        assert!(!is_allowed(&lines, 1, "pact:allow-secret", ""));
        assert!(!is_allowed(&lines, 9, "pact:allow-secret", ""));
    }
}
