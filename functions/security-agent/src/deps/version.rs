//! Versions by the rules of their ecosystem.

use std::cmp::Ordering;

use super::{
    Ecosystem,
    versions::{Composer, Maven, NuGet, Parts},
};

/// Longest version that is read.
const MAX_LENGTH: usize = 200;

/// A version that can be compared with another of the same ecosystem.
#[derive(Clone, Debug)]
pub(crate) enum Version {
    Cargo(semver::Version),
    Node(node_semver::Version),
    Python(Box<pep440_rs::Version>),
    Maven(Maven),
    Gem(Parts),
    NuGet(NuGet),
    Composer(Composer),
}

impl Version {
    /// Reads a version. A semantic version may lack its last numbers, as some advisories do; the
    /// local part of a Python version (`+cu118`) is left out, since it says nothing about fixes.
    pub(crate) fn parse(ecosystem: Ecosystem, text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_LENGTH || !text.is_ascii() {
            return None;
        }
        match ecosystem {
            Ecosystem::Maven => Maven::parse(text).map(Self::Maven),
            Ecosystem::RubyGems => Parts::gem(text).map(Self::Gem),
            Ecosystem::NuGet => NuGet::parse(text).map(Self::NuGet),
            Ecosystem::Packagist => Composer::parse(text).map(Self::Composer),
            Ecosystem::CratesIo
            | Ecosystem::Go
            | Ecosystem::Pub
            | Ecosystem::Hex
            | Ecosystem::Swift => {
                let text = text.strip_prefix(['v', 'V', '=']).unwrap_or(text);
                semver::Version::parse(text)
                    .or_else(|_| semver::Version::parse(&padded(text)))
                    .ok()
                    .map(Self::Cargo)
            }
            Ecosystem::Npm => {
                let text = text.strip_prefix('=').unwrap_or(text);
                node_semver::Version::parse(text)
                    .or_else(|_| node_semver::Version::parse(padded(text)))
                    .ok()
                    .map(Self::Node)
            }
            Ecosystem::PyPi => text
                .parse::<pep440_rs::Version>()
                .ok()
                .map(|v| Self::Python(Box::new(v.without_local()))),
        }
    }

    /// The order of two versions of one ecosystem; build metadata plays no part in it.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Cargo(a), Self::Cargo(b)) => Some(a.cmp_precedence(b)),
            (Self::Node(a), Self::Node(b)) => Some(a.cmp(b)),
            (Self::Python(a), Self::Python(b)) => Some(a.cmp(b)),
            (Self::Maven(a), Self::Maven(b)) => Some(a.compare(b)),
            (Self::Gem(a), Self::Gem(b)) => Some(a.compare_gem(b)),
            (Self::NuGet(a), Self::NuGet(b)) => Some(a.compare(b)),
            (Self::Composer(a), Self::Composer(b)) => Some(a.compare(b)),
            _ => None,
        }
    }
}

/// `1` and `1.2` with the missing numbers as 0.
fn padded(text: &str) -> String {
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    match numbers.matches('.').count() {
        0 => format!("{numbers}.0.0{rest}"),
        1 => format!("{numbers}.0{rest}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(ecosystem: Ecosystem, a: &str, b: &str) -> Option<Ordering> {
        Version::parse(ecosystem, a)?.compare(&Version::parse(ecosystem, b)?)
    }

    #[test]
    fn each_ecosystem_has_its_own_order() {
        use Ecosystem::{CratesIo, Go, Hex, Maven, Npm, NuGet, Packagist, PyPi, RubyGems};
        use Ordering::{Equal, Less};
        for (ecosystem, a, b, expected) in [
            (CratesIo, "0.0.0-0", "0.0.1", Less),
            (CratesIo, "1.2.3-alpha.9", "1.2.3-alpha.10", Less),
            (CratesIo, "1.2.3-rc.1", "1.2.3", Less),
            (CratesIo, "1.2.3+a", "1.2.3+b", Equal),
            (CratesIo, "1.2", "1.2.0", Equal),
            (CratesIo, "1.9.0", "1.10.0", Less),
            (Npm, "1.0.0-beta", "1.0.0", Less),
            (Npm, "1.0.0-1", "1.0.0-beta", Less),
            (Npm, "v4.17.20", "4.17.21", Less),
            (Npm, "2", "2.0.0", Equal),
            (PyPi, "1.0.dev1", "1.0a1", Less),
            (PyPi, "1.0rc1", "1.0", Less),
            (PyPi, "1.0", "1.0.post1", Less),
            (PyPi, "1.0", "1.0.0", Equal),
            (PyPi, "2.1.0+cu118", "2.1", Equal),
            (PyPi, "2.0", "1!1.0", Less),
            (Go, "v1.2.3", "1.2.4", Less),
            (Go, "v0.0.0-20210101000000-abcdef123456", "v0.0.1", Less),
            (Go, "v2.0.0+incompatible", "2.0.0", Equal),
            (Maven, "1.0-alpha-1", "1.0", Less),
            (Maven, "1.0-rc1", "1.0", Less),
            (Maven, "1.0-SNAPSHOT", "1.0", Less),
            (Maven, "1.0", "1.0-sp1", Less),
            (Maven, "1.0", "1.0.0", Equal),
            (Maven, "1.0.RELEASE", "1.0", Equal),
            (Maven, "2.9.10", "2.9.10.1", Less),
            (Maven, "9.4.9", "9.4.10.v20180503", Less),
            (Maven, "1.0-beta-2", "1.0-rc-1", Less),
            (Maven, "31.0-android", "31.1-jre", Less),
            (RubyGems, "1.0.0.pre1", "1.0.0", Less),
            (RubyGems, "1.0.0.beta2", "1.0.0.rc1", Less),
            (RubyGems, "1.2", "1.2.0", Equal),
            (RubyGems, "1.9", "1.10", Less),
            (NuGet, "1.0.0", "1.0.0.1", Less),
            (NuGet, "1.0.0-Beta", "1.0.0-beta.1", Less),
            (NuGet, "1.0", "1.0.0", Equal),
            (NuGet, "4.3.0-rc1", "4.3.0", Less),
            (Packagist, "v1.0.0-beta1", "1.0.0", Less),
            (Packagist, "1.0.0-RC1", "1.0.0-RC2", Less),
            (Packagist, "1.0.0", "1.0.0-p1", Less),
            (Packagist, "2.0", "2.0.0.0", Equal),
            (Hex, "1.0.0-rc.0", "1.0.0", Less),
        ] {
            assert_eq!(order(ecosystem, a, b), Some(expected), "{a} {b}");
            assert_eq!(order(ecosystem, b, a), Some(expected.reverse()), "{b} {a}");
        }
    }

    #[test]
    fn what_is_no_version_is_none() {
        for text in ["", "git+https://x", "latest", "1.x", "é", &"1".repeat(300)] {
            for ecosystem in [Ecosystem::CratesIo, Ecosystem::Npm, Ecosystem::PyPi] {
                assert!(Version::parse(ecosystem, text).is_none(), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            for ecosystem in [Ecosystem::CratesIo, Ecosystem::Npm, Ecosystem::PyPi] {
                if let Some(version) = Version::parse(ecosystem, &text) {
                    prop_assert_eq!(version.compare(&version), Some(Ordering::Equal));
                }
            }
        }
    }
}
