//! Arguments of what is deployed: `approve`, `rollback`, `environments`.

use clap::{Args, Subcommand};
use pact_contract::{EnvironmentName, ReleaseId, RepositoryName, RunId};

use super::data::DataArgs;

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The run; the only one that waits without it.
    pub run_id: Option<RunId>,
    /// Say no.
    #[arg(long)]
    pub reject: bool,
    /// Who answers.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    pub by: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The environment, for example production.
    pub environment: EnvironmentName,
    /// Its repository; the only one that has such an environment without it.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<RepositoryName>,
    /// The release to return to [default: the last good one before].
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<ReleaseId>,
    /// Why: it is kept, and told.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who wants it.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    pub by: String,
    /// One JSON document at the end.
    #[arg(long)]
    pub json: bool,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// What to say of environments.
#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentsCommand {
    /// Every environment, with the release that is in effect there.
    List {
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// The releases of one, the latest first: commit, run, verdict, who brought it, when, how long it served.
    History {
        /// The environment, for example production.
        environment: EnvironmentName,
        /// Its repository; the only one that has such an environment without it.
        #[arg(long, value_name = "NAME")]
        repository: Option<RepositoryName>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
}
