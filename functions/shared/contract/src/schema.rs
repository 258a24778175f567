//! Versions of stored forms, and the rules by which a form changes.

use serde::{Deserialize, Serialize};

/// Version of the form in which one kind of record is stored: 1, 2, …
///
/// Each kind has a version of its own, written with each record. The rules of change:
///
/// 1. A field that a reader may do without is added under the same version: older programs pass it
///    over, and newer ones read its absence as its default.
/// 2. Every other change raises the version by one: a field that is renamed, taken away, of another
///    type or meaning, or needed; a variant that older programs do not know.
/// 3. Whoever raises it writes the step from the version before. Steps stay as long as such records
///    may be there: those of runs for as long as runs are kept, those of environments for ever.
/// 4. A program that meets a version it does not know says so and touches nothing: it does not guess.
/// 5. A record without a version was written before records carried one: it is of the first.
///
/// The tests of the run store keep what each version wrote, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct SchemaVersion(u32);

/// A version that none can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("versions begin with 1")]
pub struct NoVersion;

impl SchemaVersion {
    /// The first version of every kind.
    pub const FIRST: Self = Self(1);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version as a number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for SchemaVersion {
    type Error = NoVersion;

    fn try_from(number: u32) -> Result<Self, NoVersion> {
        if number == 0 { Err(NoVersion) } else { Ok(Self(number)) }
    }
}

/// Why a program cannot read a record of some version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// A newer program wrote it.
    #[error("it is of version {found}, and this program knows version {newest} at most")]
    TooNew {
        /// Its version.
        found: SchemaVersion,
        /// The newest version that this program knows.
        newest: SchemaVersion,
    },
    /// It is older than the oldest version that this program still makes a step from.
    #[error("it is of version {found}, which release {last_release} was the last to read")]
    TooOld {
        /// Its version.
        found: SchemaVersion,
        /// The last release that can read it.
        last_release: &'static str,
    },
}

impl From<SchemaVersion> for u32 {
    fn from(version: SchemaVersion) -> Self {
        version.0
    }
}

impl std::fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_from_1() {
        let second = SchemaVersion::FIRST.next();
        assert_eq!(serde_json::to_string(&second).expect("a number"), "2");
        assert_eq!(serde_json::from_str::<SchemaVersion>("2").expect("a version"), second);
        assert!(serde_json::from_str::<SchemaVersion>("0").is_err());
        assert!(second > SchemaVersion::FIRST);
    }
}
