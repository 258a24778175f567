//! Where the data is.

use std::path::PathBuf;

use clap::Args;

/// Where the stack's data is.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataArgs {
    /// Folder for the stack's data.
    #[arg(long, value_name = "DIR", env = "PACT_DATA", default_value = ".pact")]
    pub data: PathBuf,
}
