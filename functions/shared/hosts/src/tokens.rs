//! With which token a host is asked for a repository: its own, else one of the installation's GitHub
//! App, else, for fetching, the one that the installation has for all.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    ports::StoreError,
    secrets::{SOURCE_TOKEN, Secret, Secrets},
};
use pact_contract::RepositoryName;

use crate::{
    app::{App, AppSettings, Asked, GITHUB_APP_KEY, Lent},
    found::{Found, Purpose},
};

/// A token of the App is used until so long before its end: what it is used for takes a while.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
/// Most tokens that are kept.
const MOST: usize = 500;

type Key = (RepositoryName, Purpose);

/// What a host is asked with, until it does not take it.
#[derive(Debug)]
pub struct Lease {
    repository: RepositoryName,
    api: Option<String>,
    purpose: Purpose,
    found: Found,
    own: bool,
    renewed: bool,
}

impl Lease {
    /// What there is to ask with now.
    #[must_use]
    pub const fn found(&self) -> &Found {
        &self.found
    }

    /// The same without what is not the repository's own: what others may be asked with whom the
    /// repository's commits name.
    #[must_use]
    pub fn own(&self) -> Found {
        match self.own {
            true => self.found.clone(),
            false => Found::Missing("the repository has no token of its own".to_owned()),
        }
    }
}

/// Finds tokens.
pub struct HostTokens {
    secrets: Arc<dyn Secrets>,
    app: Option<App>,
    lent: Mutex<BTreeMap<Key, Lent>>,
}

impl HostTokens {
    /// Those of these secrets, and of the App where there is one.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>, app: Option<AppSettings>) -> Self {
        Self { secrets, app: app.map(App::new), lent: Mutex::default() }
    }

    /// With what the host of this API is asked for the repository. For fetching, `api` is that of its
    /// address, where it has one.
    ///
    /// # Errors
    /// The secrets cannot be read.
    pub async fn find(
        &self,
        repository: &RepositoryName,
        api: Option<&str>,
        purpose: Purpose,
    ) -> Result<Found, StoreError> {
        Ok(match self.secrets.secret(&purpose.own(repository)).await? {
            Some(token) => Found::Given(token),
            None => self.other(repository, api, purpose).await?,
        })
    }

    /// What there is where the repository has no token of its own.
    async fn other(
        &self,
        repository: &RepositoryName,
        api: Option<&str>,
        purpose: Purpose,
    ) -> Result<Found, StoreError> {
        let app = self.app.as_ref().filter(|app| api.is_some_and(|api| app.settings.is_at(api)));
        if let Some(app) = app {
            match self.secrets.secret(GITHUB_APP_KEY.name).await? {
                Some(key) => return Ok(self.lend(app, &key, repository, purpose).await),
                None if purpose == Purpose::Fetch => {}
                None => return Ok(Found::Missing(self.secrets.missing(GITHUB_APP_KEY.name))),
            }
        }
        if purpose == Purpose::Fetch {
            return Ok(match self.secrets.secret(SOURCE_TOKEN.name).await? {
                Some(token) => Found::Given(token),
                None => Found::Missing(self.secrets.missing(SOURCE_TOKEN.name)),
            });
        }
        Ok(Found::Missing(self.secrets.missing(&purpose.own(repository))))
    }

    /// A token of the App: the one that it was lent before, or another one.
    async fn lend(
        &self,
        app: &App,
        key: &Secret,
        repository: &RepositoryName,
        purpose: Purpose,
    ) -> Found {
        let now = Timestamp::now();
        let wanted = (repository.clone(), purpose);
        let counts = |lent: &Lent| lent.until.duration_since(now) > EARLY;
        if let Some(lent) = self.lent().get(&wanted).filter(|lent| counts(lent)) {
            return Found::Lent(lent.token.clone());
        }
        let place = self.secrets.place(GITHUB_APP_KEY.name);
        match app.token(key, &place, repository, purpose, now).await {
            Asked::Not(found) => found,
            Asked::Lent(lent) => {
                tracing::debug!(repository = repository.as_str(), ?purpose, "the App has a token");
                let mut all = self.lent();
                all.retain(|_, lent| counts(lent));
                if all.len() < MOST {
                    all.insert(wanted, lent.clone());
                }
                Found::Lent(lent.token)
            }
        }
    }

    /// The same, for a question that may have to be asked once more.
    ///
    /// # Errors
    /// The secrets cannot be read.
    pub async fn lease(
        &self,
        repository: &RepositoryName,
        api: Option<&str>,
        purpose: Purpose,
    ) -> Result<Lease, StoreError> {
        let own = self.secrets.secret(&purpose.own(repository)).await?;
        let (own, found) = match own {
            Some(token) => (true, Found::Given(token)),
            None => (false, self.other(repository, api, purpose).await?),
        };
        let (repository, api) = (repository.clone(), api.map(str::to_owned));
        Ok(Lease { repository, api, purpose, found, own, renewed: false })
    }

    /// The host does not take what it was asked with (401). One that the App was lent is forgotten, as it
    /// may have been taken back. Whether there is another one now, to ask once more with: once for each
    /// lease.
    ///
    /// # Errors
    /// The secrets cannot be read.
    pub async fn renew(&self, lease: &mut Lease) -> Result<bool, StoreError> {
        let Found::Lent(refused) = &lease.found else { return Ok(false) };
        self.forget(&(lease.repository.clone(), lease.purpose), refused);
        if lease.renewed {
            return Ok(false);
        }
        let found = self.find(&lease.repository, lease.api.as_deref(), lease.purpose).await?;
        let other = matches!(&found, Found::Lent(token) if token != refused);
        lease.renewed = true;
        if other {
            tracing::info!(repository = lease.repository.as_str(), "the App has another token");
            lease.found = found;
        }
        Ok(other)
    }

    /// Forgets the token, unless somebody else has another one already.
    fn forget(&self, wanted: &Key, refused: &Secret) {
        let mut all = self.lent();
        if all.get(wanted).is_some_and(|lent| lent.token == *refused) {
            all.remove(wanted);
        }
    }

    fn lent(&self) -> MutexGuard<'_, BTreeMap<Key, Lent>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
