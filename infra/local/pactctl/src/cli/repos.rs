//! Arguments of `repos rotate`.

use clap::Args;
use pact_contract::RepositoryName;

use super::data::DataArgs;

/// Arguments of `repos rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Its name.
    pub name: RepositoryName,
    /// How long the secret before counts, in hours.
    #[arg(
        long,
        value_name = "HOURS",
        default_value_t = 24,
        value_parser = clap::value_parser!(u16).range(1..=720),
        conflicts_with = "now"
    )]
    pub keep_hours: u16,
    /// The secret before counts no more: for one that somebody else has got to know. A delivery that
    /// is signed by it is refused within five minutes, and at once when one by the new came.
    #[arg(long)]
    pub now: bool,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}
