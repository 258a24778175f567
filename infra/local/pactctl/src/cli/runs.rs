//! Arguments of what looks at runs: `runs`, `logs`, `gate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pact_contract::{EnvironmentName, RepositoryName, RunId};

use super::{data::DataArgs, tested::TestsArgs};

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The run; the latest without it, or as `latest`.
    pub run: Option<String>,
    /// The stage, for example RunUnitTests; a part of its name is enough. All without it.
    pub stage: Option<String>,
    /// Go on until the run has ended.
    #[arg(long, short)]
    pub follow: bool,
    /// One JSON document a line.
    #[arg(long)]
    pub json: bool,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// The latest runs, newest first.
    List {
        /// Only runs of this repository.
        #[arg(long)]
        repository: Option<RepositoryName>,
        /// Only runs on this branch.
        #[arg(long)]
        branch: Option<String>,
        /// Only runs whose commit has this author.
        #[arg(long)]
        author: Option<String>,
        /// Only runs that began to deploy to this environment.
        #[arg(long)]
        environment: Option<EnvironmentName>,
        /// Only runs with this status.
        #[arg(long)]
        status: Option<String>,
        /// Only runs with these words in the commit's message, or this beginning of its id.
        #[arg(long)]
        text: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Wait for the end of a run, as `pactctl run` does; one that has ended is said at once.
    ///
    /// What has not ended goes on in the stack that is up.
    Watch {
        /// The run; the latest without it.
        run_id: Option<RunId>,
        /// One JSON document at the end.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// One run with its stages, decision and deployments.
    Show {
        /// The run; the latest without it.
        run_id: Option<RunId>,
        /// Every finding that is kept, with all of its lines.
        #[arg(long)]
        all: bool,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// The single tests of a run: what became of each, how long it took, how often it was tried.
    ///
    /// The gravest first, and the slowest before the others.
    Tests(TestsArgs),
    /// The transaction log of a run: who decided what, on which evidence.
    Log {
        /// The run; the latest without it.
        run_id: Option<RunId>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// What a run would cost on AWS, line by line, by what it did here.
    Cost {
        /// The run; the latest without it.
        run_id: Option<RunId>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Every finding of a run as SARIF 2.1.0, for a code host or an editor.
    Sarif {
        /// The run; the latest without it.
        run_id: Option<RunId>,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// A run as Markdown: decision, stages, findings, deployments.
    Summary {
        /// The run; the latest without it.
        run_id: Option<RunId>,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Check that the transaction log was not altered.
    Verify {
        /// The run; the latest without it.
        run_id: Option<RunId>,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
}

/// What to do with decisions.
#[derive(Debug, Subcommand)]
pub(crate) enum GateCommand {
    /// Every rule of a decision: measured, asked for, and what would pass.
    Explain {
        /// The run; the latest without it.
        run_id: Option<RunId>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Decide stored runs again under other settings, and list those that would end otherwise.
    ///
    /// Nothing is run again: the gate looks at what was found then.
    Try {
        /// A pact.toml with the rules, or a folder that has one.
        rules: PathBuf,
        /// Only runs of this repository.
        #[arg(long)]
        repository: Option<RepositoryName>,
        /// Only runs on this branch.
        #[arg(long)]
        branch: Option<String>,
        /// At most so many, the newest.
        #[arg(long, default_value_t = 200,
            value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=10_000))]
        limit: usize,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
}
