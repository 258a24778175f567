//! Arguments about who may do what.

use clap::{Args, Subcommand};
use pact_contract::{
    RunId,
    access::{Scope, TokenId},
};

use super::data::DataArgs;

/// What to do with API tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Hand out a token and print it, once.
    Add {
        /// Whose it is: the name that is recorded.
        owner: String,
        /// What it is good for: read, trigger, approve or operate; may be repeated.
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
        /// How many days it is good, at most 366.
        #[arg(long, value_name = "N", default_value_t = 90,
            value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Every token: whose, what for, until when, and when it was used last.
    List {
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Make a token good for nothing, at once; browsers that it signed in are signed out.
    Revoke {
        /// Its id, as it is listed.
        id: TokenId,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
}

/// Arguments of `sign-in`.
#[derive(Debug, Args)]
pub(crate) struct SignInArgs {
    /// The run whose page is shown then; the list of runs without it.
    pub run_id: Option<RunId>,
    /// Who signs in: what the browser does is recorded in this name.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    pub by: String,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}
