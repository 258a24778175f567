//! Arguments about who may do what.

use clap::{Args, Subcommand};
use pact_contract::{
    RunId,
    access::{Scope, TokenId},
};

use pact_web::access::{FaultsOfPeople, People};

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

/// At which OpenID Connect provider people sign in, and what they may do then.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ProviderArgs {
    /// The provider that people sign in at: its issuer, as its own documents write it. The secret that
    /// it may want is in the variable PACT_SIGN_IN_SECRET.
    #[arg(long, value_name = "URL", env = "PACT_SIGN_IN_ISSUER")]
    pub sign_in_issuer: Option<String>,
    /// What this installation is called there (client id).
    #[arg(long, value_name = "ID", env = "PACT_SIGN_IN_CLIENT")]
    pub sign_in_client: Option<String>,
    /// Who may do what: `@acme.example=read,group:platform=trigger+approve+operate`. Nobody else is let
    /// in.
    #[arg(long, value_name = "WHO=SCOPE+SCOPE,…", env = "PACT_SIGN_IN_ALLOW")]
    pub sign_in_allow: Option<String>,
    /// The claim with somebody's groups [default: groups].
    #[arg(long, value_name = "CLAIM", env = "PACT_SIGN_IN_GROUPS")]
    pub sign_in_groups: Option<String>,
}

impl ProviderArgs {
    /// Parameters of the template, and the variables that they become.
    pub(crate) fn given(&self) -> [(&'static str, &'static str, Option<&str>); 4] {
        [
            ("SignInIssuer", "PACT_SIGN_IN_ISSUER", self.sign_in_issuer.as_deref()),
            ("SignInClient", "PACT_SIGN_IN_CLIENT", self.sign_in_client.as_deref()),
            ("SignInAllow", "PACT_SIGN_IN_ALLOW", self.sign_in_allow.as_deref()),
            ("SignInGroups", "PACT_SIGN_IN_GROUPS", self.sign_in_groups.as_deref()),
        ]
    }

    /// The rules that these are, if people sign in at a provider.
    ///
    /// # Errors
    /// Names what is wrong or missing.
    pub(crate) fn people(&self) -> Result<Option<People>, FaultsOfPeople> {
        let given = self.given();
        People::read(|variable| {
            let found = given.iter().find(|(_, name, _)| *name == variable)?;
            found.2.map(str::to_owned)
        })
    }
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
