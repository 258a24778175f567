//! The command line.

mod access;
mod data;
mod deploy;
mod incidents;
mod repos;
mod runs;
mod secrets;
mod stack;
mod tested;

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use access::{SignInArgs, TokensCommand};
pub(crate) use data::DataArgs;
pub(crate) use deploy::{ApproveArgs, EnvironmentsCommand, RollbackArgs};
pub(crate) use incidents::{IncidentsCommand, WordArgs};
pub(crate) use repos::{AddRepositoryArgs, ReposCommand, RotateArgs};
pub(crate) use runs::{GateCommand, LogsArgs, RunsCommand};
pub(crate) use secrets::{AdvisoriesCommand, SecretsCommand};
pub(crate) use stack::{EnvArgs, RunArgs, UpArgs};
pub(crate) use tested::TestsArgs;

const EXAMPLES: &str = "\
Examples:
  pactctl run                        push HEAD of this repository through the pipeline
  pactctl run ../shop --branch dev   another repository, as a push to the branch `dev`
  pactctl run --json | jq .status    one JSON document
  pactctl up                         keep the stack up: gateway, dashboard, AWS endpoint
  pactctl runs list                  what ran, and how it ended
  pactctl logs -f                    what the tests of the latest run write, as they write it

Exit codes: 0 succeeded, 1 failed, rejected or held, 2 wrong usage, 3 rolled back, 4 internal fault.";

/// Runs the PACT DevOps pipeline on one machine: the same state machines, agents and template as
/// on AWS, with its data in one folder.
#[derive(Debug, Parser)]
#[command(name = "pactctl", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The stack's own log on standard error; twice for more.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Push a commit through the whole pipeline and wait for the end.
    ///
    /// A folder is registered with that, and its commit judged by its own settings; with
    /// --as-pushed it reaches the gateway as a signed webhook, as from a git host, and is judged by
    /// the settings of the commit before. When a stack is up on the same data folder it takes the
    /// push; otherwise one is started for this run.
    Run(RunArgs),
    /// Keep the stack up: gateway, dashboard, and an endpoint for any AWS client.
    ///
    /// Runs that were interrupted go on.
    Up(UpArgs),
    /// Print a link that signs a browser in to the dashboard of the stack that is up.
    ///
    /// It is good for an hour, and for one browser, which stays signed in for twelve hours.
    SignIn(SignInArgs),
    /// Answer what a run asks before it goes to production.
    Approve(ApproveArgs),
    /// Return an environment to the release before, or to an earlier one, and wait for the end.
    ///
    /// Only a release that was judged good there is returned to. It goes through the state machine, is
    /// verified, recorded with your name and the reason, and told.
    Rollback(RollbackArgs),
    /// Stop the services that releases are served by, and the reverse proxy in front of them.
    Down(DataArgs),
    /// Print what an AWS client needs to reach the stack: `eval "$(pactctl env)"`.
    ///
    /// The endpoint answers to requests that are signed with credentials of its data folder.
    Env(EnvArgs),
    /// Print what the tests and builds of a run write, also while they go on.
    ///
    /// A stage that has ended is shown suite by suite; one that goes on, as its build writes it.
    Logs(LogsArgs),
    /// List runs, show one, or check its transaction log.
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Say what is in effect where, and what was: releases with their verdicts, and how long each served.
    #[command(subcommand)]
    Environments(EnvironmentsCommand),
    /// What serves and is not well: list incidents, show one, look after it, close it.
    ///
    /// The scheduled watch opens one for each cause, and closes it when everything is well again. People
    /// are told at once, and by another channel after 5, 15 and 30 minutes, until somebody looks after it.
    #[command(subcommand)]
    Incidents(IncidentsCommand),
    /// Say why a run was decided as it was, or what other rules would have decided.
    #[command(subcommand)]
    Gate(GateCommand),
    /// List the agents and their actions.
    Agents {
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Say what the code of a finding or the name of an error means, and what to do about it.
    Explain {
        /// The code; every code without it.
        #[arg(value_parser = crate::commands::Code, hide_possible_values = true)]
        code: Option<String>,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Find what is odd in a series: points, shifts of the level, changes of the spread, gaps.
    ///
    /// Reads TIMESTAMP,VALUE lines, as the Numenta benchmark has them. Nothing is to be set: each value is held
    /// against what the series did before it.
    Detect {
        /// The file.
        file: PathBuf,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Write a first pact.toml from what a repository has, and explain it.
    ///
    /// Nothing that exists is replaced.
    Init {
        /// The repository's folder.
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Print it, and write nothing.
        #[arg(long)]
        print: bool,
    },
    /// Say whether this machine and a repository have what a run needs, and what to do otherwise.
    ///
    /// Exit code 1 when a run would not work.
    Doctor {
        /// The repository's folder.
        #[arg(default_value = ".")]
        path: PathBuf,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Where the stack's data is.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Check a repository's pact.toml, or the state machines and the template of this program.
    Validate {
        /// A pact.toml, or a folder that has one.
        #[arg(default_value = ".")]
        path: PathBuf,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        /// Print the JSON Schema of pact.toml for editors, and nothing else.
        #[arg(long)]
        schema: bool,
    },
    /// Say which repositories are run, from where, and what no settings of theirs go below.
    ///
    /// A push of a repository that is not registered, or from another address, is refused.
    /// `pactctl run` registers the folder that it runs.
    #[command(subcommand)]
    Repos(ReposCommand),
    /// Hand out API tokens, list them, revoke them.
    ///
    /// A token is somebody's, is good for its scopes until it expires, and is shown once: what is
    /// kept of it is a hash. What is done with it is recorded in the name of its owner.
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Look for secrets in a folder and its history, or score the search on a labelled corpus.
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Make the index of advisories that PACT_ADVISORIES names.
    #[command(subcommand)]
    Advisories(AdvisoriesCommand),
    /// Print the software bill of materials of a folder (CycloneDX 1.5): what its lock files name.
    Sbom {
        /// The folder.
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Where to write it instead.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the man pages of all commands, `man -l FOLDER/pactctl-run.1` shows one.
    Man {
        /// The folder; it is made where it does not exist.
        folder: PathBuf,
    },
    /// Serve one function of the template to the local Lambda host.
    #[command(hide = true)]
    Function {
        /// Logical id of the function.
        name: String,
    },
    /// End the functions of a local Lambda host that was killed.
    #[command(hide = true)]
    Reap,
    /// Be the reverse proxy that releases are served behind.
    #[command(hide = true)]
    Proxy {
        /// Its folder.
        folder: PathBuf,
    },
    /// Evaluate expressions of state machines for a stack.
    #[command(hide = true)]
    Evaluate,
    /// Be the environment of a build of a stack.
    #[command(hide = true)]
    Sandbox {
        /// Which stage of it, and its specification.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Become a program that may not see the data folder.
    #[command(hide = true)]
    Apart {
        /// What it may see, and the program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
