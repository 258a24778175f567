//! Arguments of `repos`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pact_contract::{EnvironmentName, RepositoryName, RunId};

use super::data::DataArgs;

/// What to do with the registry of repositories.
#[derive(Debug, Subcommand)]
pub(crate) enum ReposCommand {
    /// Register a repository, or change what is registered of it.
    Add(AddRepositoryArgs),
    /// Every repository that is registered.
    List {
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// What is registered of one, as a JSON document.
    Show {
        /// Its name.
        name: RepositoryName,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// The rules that its next commit is judged by, and agreeing to looser ones.
    ///
    /// What a commit of the default branch loosens counts once somebody agrees: by approving its
    /// run, or with `--accept`.
    Policy {
        /// Its name.
        name: RepositoryName,
        /// Agree to what this run's commit loosens.
        #[arg(long, value_name = "RUN")]
        accept: Option<RunId>,
        /// Who agrees.
        #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
        by: String,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// The pull requests of forks that wait for an approver, or let a commit of one run.
    ///
    /// The word counts for this very commit: what is pushed to the pull request after it waits anew.
    Pulls {
        /// The repository's name.
        name: RepositoryName,
        /// Let a commit of this one run.
        #[arg(long, value_name = "NUMBER", requires = "commit")]
        allow: Option<u64>,
        /// The commit that you looked at.
        #[arg(long, value_name = "COMMIT", requires = "allow")]
        commit: Option<String>,
        /// Who lets it run.
        #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
        by: String,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Keep the token that a repository's statuses are shown with, read from standard input.
    ///
    /// It goes to a file of the data folder that only you read. A stack that is up uses it within
    /// five minutes, the first one within half a minute. On AWS it is a parameter, see
    /// infra/README.md.
    Token {
        /// Its name.
        name: RepositoryName,
        /// The token that it is fetched with, in the place of the one for all repositories.
        #[arg(long)]
        fetch: bool,
        /// Forget the token instead.
        #[arg(long)]
        remove: bool,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Give a repository's webhook a secret of its own, or another one.
    ///
    /// The new one is printed once, with the address to enter at the host. The one before counts for
    /// a while, so that nothing is lost until the host has the new one; of several rotations the
    /// last two secrets count. On AWS it is a parameter, see README.md.
    Rotate(RotateArgs),
    /// Take one out: its pushes are refused from then on.
    Remove {
        /// Its name.
        name: RepositoryName,
        /// Where the data is.
        #[command(flatten)]
        data: DataArgs,
    },
}

/// Arguments of `repos add`.
#[derive(Debug, Args)]
pub(crate) struct AddRepositoryArgs {
    /// Its name as its host has it, for example acme/web.
    pub name: RepositoryName,
    /// The address that it is fetched from.
    pub url: String,
    /// Its default branch [default: as its host says with each push].
    #[arg(long, value_name = "NAME")]
    pub default_branch: Option<String>,
    /// A branch that is run, `*` stands for any characters; may be repeated [default: all].
    #[arg(long = "branch", value_name = "PATTERN")]
    pub branches: Vec<String>,
    /// A file in the form of pact.toml: no commit is judged more mildly than by its template,
    /// checks, gate and code.
    #[arg(long, value_name = "FILE")]
    pub floor: Option<PathBuf>,
    /// An environment that no release reaches without a person's word, or that of several
    /// (`production=2`); may be repeated.
    #[arg(long = "approval", value_name = "ENVIRONMENT[=PEOPLE]", value_parser = asked)]
    pub approvals: Vec<(EnvironmentName, u32)>,
    /// What happens to pull requests of forks: verified once an approver says so, verified like any
    /// other, or not verified.
    #[arg(long, value_name = "ask|run|refuse", default_value = "ask", value_parser = ["ask", "run", "refuse"])]
    pub forks: String,
    /// Its git host, where its address does not tell: github or gitlab. No other one tells of its pushes
    /// then.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Show on its commits what became of them, by the statuses of its host. That needs a token, see
    /// `repos token`.
    #[arg(long)]
    pub statuses: bool,
    /// Address of the host's API [default: the one that goes with the repository's address].
    #[arg(long, value_name = "URL", requires = "statuses")]
    pub statuses_api: Option<String>,
    /// Bind the name to this address, although it is bound to another one.
    #[arg(long)]
    pub replace: bool,
    /// Who registers it.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    pub by: String,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

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

/// How many people have to say yes for an environment: `production`, or `production=2`.
fn asked(text: &str) -> Result<(EnvironmentName, u32), String> {
    let (name, people) = text.split_once('=').unwrap_or((text, "1"));
    let name = name.parse().map_err(|e| format!("{e}"))?;
    match people.parse() {
        Ok(people @ 1..=10) => Ok((name, people)),
        _ => Err(format!("{people:?} is no number of people from 1 to 10")),
    }
}
