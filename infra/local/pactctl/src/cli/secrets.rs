//! Arguments of `secrets` and `advisories`.

use std::path::PathBuf;

use clap::Subcommand;

/// What to do about secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// List the secrets of a folder; with its whole history where it is a git repository.
    ///
    /// Exit code 1 when there is one, or when something could not be read.
    Scan {
        /// The folder.
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Read every version of every file that the history has.
        #[arg(long)]
        history: bool,
        /// Leave out what this file lists, and write it where it does not exist.
        #[arg(long, value_name = "FILE")]
        baseline: Option<PathBuf>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Print precision, recall and F1 by kind for a labelled corpus.
    ///
    /// A corpus is a folder with files and one `labels.jsonl`. Each line of that is a JSON object:
    /// `path` (relative), `line` (from 1), `secret` (true where it is left out) and `kind` (a code
    /// without `secret-`, where it is known). A place without a label holds no secret.
    Score {
        /// The folder.
        corpus: PathBuf,
        /// Name everything that was missed or wrong.
        #[arg(long)]
        list: bool,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
}

/// What to do about advisories.
#[derive(Debug, Subcommand)]
pub(crate) enum AdvisoriesCommand {
    /// Compile OSV records into one index file.
    Update {
        /// A folder of OSV records, or a zip of them as OSV publishes it.
        source: PathBuf,
        /// The index; PACT_ADVISORIES names it afterwards.
        #[arg(long, short, value_name = "FILE", default_value = "advisories.idx")]
        output: PathBuf,
    },
}
