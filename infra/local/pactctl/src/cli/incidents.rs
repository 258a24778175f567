//! Arguments of `incidents`.

use clap::{Args, Subcommand};
use pact_contract::incident::IncidentId;

use super::data::DataArgs;

/// What to do with incidents.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentsCommand {
    /// The latest incidents: since when, for how long, what is affected, who looks after it.
    List {
        /// Only those that go on.
        #[arg(long)]
        open: bool,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// One incident with everything that it affects.
    Show {
        /// Its name, as it is listed.
        id: IncidentId,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Say that you look after it: no further channel is told.
    #[command(visible_alias = "ack")]
    Acknowledge(WordArgs),
    /// Say that it is over, where the watch does not see that by itself.
    Close(WordArgs),
}

/// What a person says to an incident.
#[derive(Debug, Args)]
pub(crate) struct WordArgs {
    /// Its name, as it is listed.
    pub id: IncidentId,
    /// What there is to say.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Who says it.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    pub by: String,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}
