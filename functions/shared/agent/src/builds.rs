//! Builds: where code of commits runs, apart from everything that judges it. As AWS CodeBuild has
//! them.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// A build that is to be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBuild {
    /// Starting with the same token again is starting the same build.
    pub token: String,
    /// What it runs: a buildspec, version 0.2.
    pub buildspec: String,
    /// Its environment variables. No secrets: the build's commands and whoever may look at the build
    /// can read them.
    pub variables: BTreeMap<String, String>,
    /// How long it may take; whole minutes are counted, five at least.
    pub timeout: Duration,
    /// Builds that share this name share what they keep for the next.
    pub cache: Option<String>,
}

/// How a build, or a phase of it, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildStatus {
    /// It goes on.
    InProgress,
    /// Every command succeeded.
    Succeeded,
    /// A command did not.
    Failed,
    /// Not the build's own doing.
    Fault,
    /// Its time was over.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
}

/// A phase of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildPhase {
    /// `QUEUED`, `PROVISIONING`, `PRE_BUILD`, `BUILD` and so on.
    pub name: String,
    /// How it ended; none while it goes on.
    pub status: Option<BuildStatus>,
    /// What is said of it.
    pub message: Option<String>,
    /// How long it took; nothing while it goes on.
    pub took: Duration,
    /// When it began.
    pub started: Option<Timestamp>,
}

/// A build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Its id.
    pub id: String,
    /// How it stands.
    pub status: BuildStatus,
    /// Its phases, in order.
    pub phases: Vec<BuildPhase>,
    /// The image that it ran in.
    pub image: Option<String>,
    /// When it was started.
    pub started: Option<Timestamp>,
}

impl Build {
    /// A phase by its name; the last one where there are several.
    #[must_use]
    pub fn phase(&self, name: &str) -> Option<&BuildPhase> {
        self.phases.iter().rev().find(|phase| phase.name == name)
    }
}

/// The build service.
#[async_trait]
pub trait Builds: Send + Sync {
    /// Starts a build, and says its id.
    async fn start(&self, build: &NewBuild) -> Result<String, StoreError>;
    /// How a build stands; none when there is no such build.
    async fn build(&self, id: &str) -> Result<Option<Build>, StoreError>;
    /// Stops a build; nothing happens when it has ended.
    async fn stop(&self, id: &str) -> Result<(), StoreError>;
}

/// What may be done at an address that was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read the object.
    Get,
    /// Write it.
    Put,
}

/// Addresses of single objects of the artifact store, for whoever has no credentials.
#[async_trait]
pub trait SignedUrls: Send + Sync {
    /// The address of `key`. Whoever knows it may do this with the object, and nothing else, as long
    /// as it is valid.
    async fn signed_url(
        &self,
        access: Access,
        key: &str,
        valid: Duration,
    ) -> Result<String, StoreError>;
}
