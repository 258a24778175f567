//! Which pushes are run: the rules of `[on]`, and what they say of a push.
//!
//! Whether a push starts a run at all is decided at the door, by the branch or the tag alone. What a
//! push changes is known once it was looked at: where no path counts, its run builds, tests and
//! deploys nothing, and says by which rule.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pact_contract::{
    ChangeSet,
    settings::{MACHINES, OnSettings},
};

/// Why the rules have nothing run for the ref of this full name; none where they have it run.
///
/// # Errors
/// The pattern that is not valid, which no file that was checked has.
pub fn starts_nothing(on: &OnSettings, reference: &str) -> Result<Option<String>, String> {
    if let Some(tag) = reference.strip_prefix("refs/tags/") {
        if on.tags.is_empty() {
            return Ok(Some("a push of a tag starts nothing: on.tags names none".to_owned()));
        }
        return Ok(none_of("on.tags", &on.tags, tag)?
            .map(|list| format!("the tag {} starts nothing: on.tags = {list}", shown(tag))));
    }
    let Some(branch) = reference.strip_prefix("refs/heads/") else { return Ok(None) };
    if on.branches.is_empty() {
        return Ok(None);
    }
    Ok(none_of("on.branches", &on.branches, branch)?
        .map(|list| format!("the branch {} starts nothing: on.branches = {list}", shown(branch))))
}

/// Why nothing of a branch is deployed; none where the rules do not say so.
///
/// # Errors
/// The pattern that is not valid, which no file that was checked has.
pub fn verified_only(on: &OnSettings, branch: &str) -> Result<Option<String>, String> {
    let (patterns, whose): (Vec<&str>, _) = match &on.verify_only {
        Some(own) => (own.iter().map(String::as_str).collect(), "on.verify_only"),
        None => (MACHINES.to_vec(), "a branch of a merge queue or of a bot"),
    };
    let matched = first_match("on.verify_only", &patterns, branch)?;
    Ok(matched.map(|pattern| {
        // No name stands at the beginning, where a sentence would change it.
        format!(
            "the branch {} is verified only ({whose}: {pattern}): nothing is deployed",
            shown(branch)
        )
    }))
}

/// Why nothing of what changed counts; none where something does, or nothing is known to have
/// changed. A file that was moved counts where it was, too.
///
/// # Errors
/// The pattern that is not valid, which no file that was checked has.
pub fn untouched(on: &OnSettings, changes: &ChangeSet) -> Result<Option<String>, String> {
    if on.paths.is_empty() && on.paths_ignore.is_empty() || changes.files.is_empty() {
        return Ok(None);
    }
    let paths = set("on.paths", &on.paths)?;
    let ignored = set("on.paths_ignore", &on.paths_ignore)?;
    let counts =
        |path: &String| (on.paths.is_empty() || paths.is_match(path)) && !ignored.is_match(path);
    let touched =
        changes.files.iter().any(|file| counts(&file.path) || file.old_path.iter().any(counts));
    let rule = match (on.paths.is_empty(), on.paths_ignore.is_empty()) {
        (true, _) => format!("on.paths_ignore = {}", list(&on.paths_ignore)),
        (false, true) => format!("on.paths = {}", list(&on.paths)),
        (false, false) => format!(
            "on.paths = {} without on.paths_ignore = {}",
            list(&on.paths),
            list(&on.paths_ignore)
        ),
    };
    Ok((!touched).then(|| format!("nothing changed that counts ({rule})")))
}

/// What the rules say, in lines for people.
#[must_use]
pub fn described(on: &OnSettings) -> Vec<String> {
    let all = |patterns: &[String], none: &str| match patterns {
        [] => none.to_owned(),
        some => some.join(", "),
    };
    let mut lines = vec![
        format!("a push starts a run of the branches: {}", all(&on.branches, "all")),
        format!("and of the tags: {}", all(&on.tags, "none")),
        match &on.verify_only {
            Some(own) => format!("verified only: {}", all(own, "no branch")),
            None => format!("verified only: {}", MACHINES.join(", ")),
        },
    ];
    if !on.paths.is_empty() || !on.paths_ignore.is_empty() {
        let but = match &on.paths_ignore[..] {
            [] => String::new(),
            ignored => format!(", but for {}", ignored.join(", ")),
        };
        lines.push(format!("paths that count: {}{but}", all(&on.paths, "all")));
    }
    lines
}

/// The patterns, where none of them is for the name.
fn none_of(key: &str, patterns: &[String], name: &str) -> Result<Option<String>, String> {
    Ok(first_match(key, patterns, name)?.is_none().then(|| list(patterns)))
}

fn first_match<'p, S: AsRef<str>>(
    key: &str,
    patterns: &'p [S],
    name: &str,
) -> Result<Option<&'p str>, String> {
    let first = set(key, patterns)?.matches(name).into_iter().min();
    Ok(first.and_then(|first| patterns.get(first)).map(AsRef::as_ref))
}

fn set(key: &str, patterns: &[impl AsRef<str>]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns.iter().map(AsRef::as_ref) {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.map_err(|e| format!("{key}: {pattern:?} is no pattern: {}", e.kind()))?);
    }
    set.build().map_err(|e| format!("{key} cannot be used: {e}"))
}

/// Patterns in a sentence: the first few of them.
fn list(patterns: &[String]) -> String {
    const FEW: usize = 5;
    let few = patterns.iter().take(FEW).map(|pattern| format!("{:?}", shown(pattern)));
    let few = few.collect::<Vec<_>>().join(", ");
    match patterns.len().checked_sub(FEW).filter(|more| *more > 0) {
        Some(more) => format!("[{few} and {more} more]"),
        None => format!("[{few}]"),
    }
}

/// A name from outside, not too long for a sentence.
fn shown(name: &str) -> String {
    const MAX: usize = 80;
    if name.chars().count() <= MAX {
        return name.to_owned();
    }
    name.chars().take(MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use pact_contract::{ChangeKind, FileChange};

    use super::*;

    fn on(text: &str) -> OnSettings {
        crate::parse(text, "pact.toml").expect("settings").on
    }

    fn changed(paths: &[(&str, Option<&str>)]) -> ChangeSet {
        let file = |(path, old): &(&str, Option<&str>)| FileChange {
            path: (*path).to_owned(),
            old_path: old.map(str::to_owned),
            kind: ChangeKind::Modified,
            added: 1,
            deleted: 1,
            binary: false,
            language: None,
            added_lines: Vec::new(),
        };
        ChangeSet { files: paths.iter().map(file).collect(), ..ChangeSet::default() }
    }

    #[test]
    fn branches_run_all_and_tags_none_until_the_file_says_otherwise() {
        let nothing = |on: &OnSettings, name: &str| starts_nothing(on, name).expect("patterns");
        let none = OnSettings::default();
        assert_eq!(nothing(&none, "refs/heads/any/one"), None);
        assert!(nothing(&none, "refs/tags/v1").is_some_and(|why| why.contains("on.tags")));
        let some = on("on.branches = [\"main\", \"release/**\"]\non.tags = [\"v*\"]");
        for run in
            ["refs/heads/main", "refs/heads/release/1/2", "refs/tags/v1.2", "refs/pull/1/head"]
        {
            assert_eq!(nothing(&some, run), None, "{run}");
        }
        for (not, key) in [
            ("refs/heads/mains", "on.branches"),
            ("refs/heads/release", "on.branches"),
            ("refs/tags/x/v1", "on.tags"),
            ("refs/tags/1", "on.tags"),
        ] {
            assert!(nothing(&some, not).is_some_and(|why| why.contains(key)), "{not}");
        }
        let why = nothing(&some, "refs/heads/wip").expect("a reason");
        assert_eq!(why, "the branch wip starts nothing: on.branches = [\"main\", \"release/**\"]");
    }

    #[test]
    fn what_the_rules_say_is_said_in_lines() {
        let lines = described(&OnSettings::default());
        assert_eq!(lines[0], "a push starts a run of the branches: all");
        assert_eq!((lines.len(), lines[1].as_str()), (3, "and of the tags: none"));
        let lines = described(&on("on = { paths_ignore = [\"docs/**\"], verify_only = [] }"));
        assert_eq!(
            lines[2..],
            ["verified only: no branch", "paths that count: all, but for docs/**"]
        );
    }

    #[test]
    fn machines_are_verified_only_until_the_file_says_otherwise() {
        let only = |on: &OnSettings, branch: &str| verified_only(on, branch).expect("patterns");
        let none = OnSettings::default();
        for branch in ["gh-readonly-queue/main/pr-7-ab", "dependabot/cargo/serde-1", "renovate/all"]
        {
            assert!(only(&none, branch).is_some_and(|why| why.contains(branch)), "{branch}");
        }
        assert_eq!(only(&none, "fix/bot"), None);
        assert_eq!(only(&on("on.verify_only = []"), "renovate/all"), None);
        let own = on("on.verify_only = [\"try/*\"]");
        assert!(only(&own, "try/it").is_some_and(|why| why.contains("try/*")));
        assert_eq!(only(&own, "renovate/all"), None);
    }

    #[test]
    fn paths_count_wherever_a_file_was_or_is() {
        let on = on("on.paths = [\"api/**\"]\non.paths_ignore = [\"**/*.md\"]");
        let counts = |paths: &[(&str, Option<&str>)]| {
            untouched(&on, &changed(paths)).expect("patterns").is_none()
        };
        assert!(counts(&[("web/a.js", None), ("api/a.rs", None)]));
        assert!(counts(&[("web/a.rs", Some("api/a.rs"))]));
        assert!(!counts(&[("web/a.js", None), ("api/README.md", None)]));
        // Nobody knows what an empty change set is about.
        assert!(counts(&[]));
        let why = untouched(&on, &changed(&[("web/a.js", None)])).expect("patterns");
        assert_eq!(
            why.as_deref(),
            Some(
                "nothing changed that counts (on.paths = [\"api/**\"] without on.paths_ignore = \
                 [\"**/*.md\"])"
            )
        );
        let ignored = super::tests::on("on.paths_ignore = [\"web/**\"]");
        assert!(untouched(&ignored, &changed(&[("web/a.js", None)])).expect("patterns").is_some());
        assert_eq!(untouched(&OnSettings::default(), &changed(&[("a", None)])), Ok(None));
    }
}
