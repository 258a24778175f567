//! Whether a change can be taken back, before it is deployed: a migration without a down step cannot.

use std::collections::BTreeSet;

use pact_contract::{ChangeKind, ChangeSet, settings::Migrations};

use crate::documentation::globs;

/// Migrations that are named; the rest are counted.
const NAMED: usize = 5;

/// What of the change cannot be taken back, for people; none: nothing.
///
/// # Errors
/// A pattern that is not valid, and why.
pub(crate) fn migrations(
    settings: &Migrations,
    changes: Option<&ChangeSet>,
) -> Result<Option<String>, String> {
    if settings.paths.is_empty() {
        return Ok(None);
    }
    let paths = globs("migrations", &settings.paths)?;
    let Some(changes) = changes else {
        return Ok(Some("what changed is not known, and may be a migration".to_owned()));
    };
    let there: BTreeSet<&str> = changes
        .files
        .iter()
        .filter(|file| file.kind != ChangeKind::Deleted)
        .map(|file| file.path.as_str())
        .collect();
    let ends = settings.up.as_deref().zip(settings.down.as_deref());
    let is_down = |path: &str| {
        ends.is_some_and(|(up, down)| {
            let stem = path.strip_suffix(down);
            stem.is_some_and(|stem| there.contains(format!("{stem}{up}").as_str()))
        })
    };
    let has_down = |path: &str| {
        ends.is_some_and(|(up, down)| {
            let stem = path.strip_suffix(up);
            stem.is_some_and(|stem| there.contains(format!("{stem}{down}").as_str()))
        })
    };
    let without: Vec<&str> = there
        .iter()
        .copied()
        .filter(|path| paths.is_match(path) && !is_down(path) && !has_down(path))
        .collect();
    if without.is_empty() {
        return Ok(None);
    }
    let mut named = without.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = without.len().checked_sub(NAMED) {
        named.push_str(&format!(" and {more} more"));
    }
    let what = if without.len() == 1 { "is a migration" } else { "are migrations" };
    Ok(Some(format!("{named} {what} without a down step")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::changes;

    fn of(ends: Option<(&str, &str)>, paths: &[&str]) -> Option<String> {
        let settings = Migrations {
            paths: vec!["db/**".to_owned()],
            up: ends.map(|(up, _)| up.to_owned()),
            down: ends.map(|(_, down)| down.to_owned()),
        };
        migrations(&settings, Some(&changes(paths))).expect("a pattern")
    }

    #[test]
    fn a_migration_without_a_down_step_has_no_way_back() {
        let ends = Some((".up.sql", ".down.sql"));
        let without = |path: &str| Some(format!("{path} is a migration without a down step"));
        assert_eq!(of(ends, &["src/a.rs"]), None);
        assert_eq!(of(ends, &["db/1.up.sql", "db/1.down.sql"]), None);
        assert_eq!(of(ends, &["db/1.up.sql"]), without("db/1.up.sql"));
        // A down step of another migration is none of this one, and alone it is a change like any.
        assert_eq!(of(ends, &["db/1.down.sql"]), without("db/1.down.sql"));
        assert_eq!(of(ends, &["db/2.up.sql", "db/2.down.sql", "db/3.sql"]), without("db/3.sql"));
        assert_eq!(of(None, &["db/1.sql"]), without("db/1.sql"));
        let many: Vec<String> = (1..=7).map(|n| format!("db/{n}.sql")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let said = of(None, &many).expect("one way");
        assert!(said.ends_with("db/5.sql and 2 more are migrations without a down step"), "{said}");
    }

    #[test]
    fn a_deleted_one_is_none_and_what_is_not_known_may_be_one() {
        let mut gone = changes(&["db/1.sql"]);
        gone.files[0].kind = ChangeKind::Deleted;
        let settings = Migrations { paths: vec!["db/**".to_owned()], ..Migrations::default() };
        assert_eq!(migrations(&settings, Some(&gone)), Ok(None));
        assert!(migrations(&settings, None).expect("a pattern").is_some());
        assert_eq!(migrations(&Migrations::default(), None), Ok(None));
    }
}
