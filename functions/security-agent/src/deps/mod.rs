//! Packages out of lock files, advisories, and what the ones say about the others.

pub(crate) mod api;
pub(crate) mod compiled;
pub(crate) mod cvss2;
pub(crate) mod folder;
pub(crate) mod lock;
pub(crate) mod manifest;
pub(crate) mod osv;
pub(crate) mod verdict;
pub(crate) mod version;
mod versions;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use tokio::{sync::OnceCell, time::Instant};

use crate::config::Config;
use api::Client;
use compiled::Database;
use osv::Record;

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

/// Advisories of the packages that were asked for.
#[derive(Default)]
pub(crate) struct Answer {
    /// Records by package.
    pub(crate) records: BTreeMap<Package, Vec<Arc<Record>>>,
    /// Why part of the question has no answer.
    pub(crate) incomplete: Vec<String>,
    /// Where the advisories come from.
    pub(crate) origin: String,
    /// Whether the origin compared the versions itself.
    pub(crate) compared: bool,
}

/// The advisories that this installation knows: a folder, or else the OSV service.
pub(crate) struct Advisories {
    config: Config,
    /// Made for the first question: it reads the machine's root certificates.
    client: OnceLock<Client>,
    index: OnceCell<Arc<Database>>,
}

impl Advisories {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, client: OnceLock::new(), index: OnceCell::new() }
    }

    fn client(&self) -> Result<&Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::new(&self.config)
            .map_err(|error| format!("cannot make an HTTP client: {error}"))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Everything known about `packages`; the reason when nobody can be asked.
    pub(crate) async fn about(
        &self,
        packages: &BTreeSet<Package>,
        deadline: Instant,
    ) -> Result<Answer, String> {
        let mut reasons = Vec::new();
        if let Some(folder) = &self.config.advisories {
            let loaded = self
                .index
                .get_or_try_init(|| async {
                    let folder = folder.clone();
                    tokio::task::spawn_blocking(move || Database::open(&folder))
                        .await
                        .map_err(|e| format!("reading the advisories stopped: {e}"))?
                        .map(Arc::new)
                })
                .await;
            match loaded {
                Ok(index) => return ask_folder(Arc::clone(index), packages.clone()).await,
                Err(reason) => reasons.push(reason),
            }
        }
        let budget = Instant::now() + self.config.osv_budget;
        let answer = match self.client() {
            Ok(client) => client.about(packages, budget.min(deadline)).await,
            Err(reason) => Err(reason),
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(reason) => {
                reasons.push(reason);
                Err(reasons.join("; "))
            }
        }
    }
}

async fn ask_folder(index: Arc<Database>, packages: BTreeSet<Package>) -> Result<Answer, String> {
    tokio::task::spawn_blocking(move || index.about(&packages))
        .await
        .map_err(|e| format!("reading the advisories stopped: {e}"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normal_and_package_urls_escape() {
        assert_eq!(Ecosystem::PyPi.normal_name("Zope.Interface__x"), "zope-interface-x");
        assert_eq!(Ecosystem::Npm.normal_name("@Types/Node"), "@Types/Node");
        let package = Package {
            ecosystem: Ecosystem::Npm,
            name: "@types/node".to_owned(),
            version: "1.0.0+b".to_owned(),
        };
        assert_eq!(package.purl(), "pkg:npm/%40types/node@1.0.0%2Bb");
        assert_eq!(Ecosystem::parse("Debian:12"), None);
    }
}
