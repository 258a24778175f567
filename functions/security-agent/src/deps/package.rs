//! Packages and where they come from.

/// Where packages of a kind come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ecosystem {
    CratesIo,
    Npm,
    PyPi,
    Go,
    Maven,
    RubyGems,
    Packagist,
    NuGet,
    Pub,
    Hex,
    Swift,
}

impl Ecosystem {
    /// Every ecosystem with its name in OSV records and in package addresses.
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::CratesIo, "crates.io", "cargo"),
        (Self::Npm, "npm", "npm"),
        (Self::PyPi, "PyPI", "pypi"),
        (Self::Go, "Go", "golang"),
        (Self::Maven, "Maven", "maven"),
        (Self::RubyGems, "RubyGems", "gem"),
        (Self::Packagist, "Packagist", "composer"),
        (Self::NuGet, "NuGet", "nuget"),
        (Self::Pub, "Pub", "pub"),
        (Self::Hex, "Hex", "hex"),
        (Self::Swift, "SwiftURL", "swift"),
    ];

    /// The name in OSV records.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(e, ..)| *e == self).map_or("?", |(_, name, _)| name)
    }

    fn purl_kind(self) -> &'static str {
        Self::ALL.iter().find(|(e, ..)| *e == self).map_or("generic", |(.., kind)| kind)
    }

    /// The ecosystem with this name in OSV records, where it is one that is understood. What
    /// follows a colon names a part of it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = name.split(':').next().unwrap_or(name);
        Self::ALL.iter().find(|(_, n, _)| *n == name).map(|(e, ..)| *e)
    }

    /// The name under which packages are compared.
    pub(crate) fn normal_name(self, name: &str) -> String {
        match self {
            Self::PyPi => {
                let mut out = String::with_capacity(name.len());
                for c in name.chars() {
                    if matches!(c, '-' | '_' | '.') {
                        if !out.ends_with('-') {
                            out.push('-');
                        }
                    } else {
                        out.extend(c.to_lowercase());
                    }
                }
                out
            }
            Self::NuGet | Self::Packagist | Self::Hex => name.to_lowercase(),
            Self::Swift => {
                let name = name.split("://").last().unwrap_or(name);
                let name = name.rsplit('@').next().unwrap_or(name).replace(':', "/");
                name.trim_end_matches('/').trim_end_matches(".git").to_lowercase()
            }
            _ => name.to_owned(),
        }
    }
}

/// One version of one package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Package {
    pub(crate) ecosystem: Ecosystem,
    /// As [`Ecosystem::normal_name`] gives it.
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Package {
    /// The package URL.
    pub(crate) fn purl(&self) -> String {
        let kind = self.ecosystem.purl_kind();
        let name = self.name.replace('@', "%40").replace(':', "/");
        let version = self.version.replace('+', "%2B");
        format!("pkg:{kind}/{name}@{version}")
    }
}
