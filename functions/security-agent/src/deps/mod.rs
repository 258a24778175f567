//! Packages out of lock files, advisories, and what the ones say about the others.

mod answer;
pub(crate) mod api;
pub(crate) mod compiled;
pub(crate) mod cvss2;
pub(crate) mod folder;
pub(crate) mod licenses;
pub(crate) mod lock;
pub(crate) mod lookalike;
pub(crate) mod manifest;
pub(crate) mod origin;
pub(crate) mod osv;
mod package;
pub(crate) mod sbom;
pub(crate) mod verdict;
pub(crate) mod version;
mod versions;

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use tokio::{sync::OnceCell, time::Instant};

use crate::config::Config;
pub(crate) use answer::Answer;
use api::Client;
use compiled::Database;
pub(crate) use package::{Ecosystem, Package};

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
