//! The command line.

mod access;
mod data;
mod incidents;
mod repos;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use pact_contract::{EnvironmentName, ReleaseId, RepositoryName, RunId};

pub(crate) use access::{ProviderArgs, SignInArgs, TokensCommand};
pub(crate) use data::DataArgs;
pub(crate) use incidents::{IncidentsCommand, WordArgs};
pub(crate) use repos::RotateArgs;

use crate::stack::options::Options;

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
}

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
    /// An environment that no release reaches without a person's word; may be repeated.
    #[arg(long = "approval", value_name = "ENVIRONMENT")]
    pub approvals: Vec<EnvironmentName>,
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

/// Arguments of `env`.
#[derive(Debug, Args)]
pub(crate) struct EnvArgs {
    /// Where the stack's data is.
    #[command(flatten)]
    pub data: DataArgs,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Which programs the functions are.
#[derive(Clone, Debug, Args)]
pub(crate) struct PackageArgs {
    /// Run the functions from the packages that go to AWS, instead of from this program: a folder
    /// with `<binary>.zip`, or `<binary>/bootstrap`, for each of them.
    #[arg(long, value_name = "DIR", env = "PACT_PACKAGES")]
    pub packages: Option<PathBuf>,
}

/// How many invocations run and wait at once.
#[derive(Clone, Debug, Args)]
pub(crate) struct LimitArgs {
    /// Instances of a function that may run at once, where the template reserves none for it
    /// [default: 16].
    #[arg(long, value_name = "N", env = "PACT_CONCURRENCY",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub concurrency: Option<u32>,
    /// Invocations of a function that may wait for an instance [default: 100]. What does not fit
    /// is throttled as on AWS; with 0 nothing waits, which is what AWS does.
    #[arg(long, value_name = "N", env = "PACT_QUEUE",
        value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub queue: Option<u32>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A git repository: a folder, or an http(s) address.
    #[arg(default_value = ".", value_name = "PATH|URL")]
    pub source: String,
    /// Commit the push started from [default: the parent of the head].
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// Commit to push [default: HEAD].
    #[arg(long, value_name = "REV")]
    pub head: Option<String>,
    /// Branch that is pushed to [default: the branch of HEAD].
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Last environment to deploy to, of those in pact.toml.
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Template: default, production, microservice, frontend, ml_model or hotfix.
    #[arg(long, value_name = "NAME", value_parser = template)]
    pub template: Option<String>,
    /// Judge the commit as a push is judged: by the settings of the commit before it.
    #[arg(long)]
    pub as_pushed: bool,
    /// Deploy it although a newer push of the branch is in effect, or the commit was taken back
    /// before: why.
    #[arg(long, value_name = "REASON")]
    pub on_purpose: Option<String>,
    /// Port of the gateway and the dashboard [default: any free one].
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
    /// Which programs the functions are.
    #[command(flatten)]
    pub packages: PackageArgs,
    /// How many invocations run and wait at once.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

fn template(text: &str) -> Result<String, String> {
    let known: Vec<_> = pact_contract::settings::Template::ALL.iter().map(|(_, n)| *n).collect();
    if known.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("there is no such template; there are {}", known.join(", ")))
    }
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Port of the gateway and the dashboard.
    #[arg(long, value_name = "PORT", default_value_t = 8787)]
    pub port: u16,
    /// Port of the AWS endpoint (Step Functions, DynamoDB, Lambda, Parameter Store).
    #[arg(long, value_name = "PORT", default_value_t = 4566)]
    pub aws_port: u16,
    /// Another host that leads to these ports, such as that of a tunnel for webhooks. Requests for
    /// any host but this machine's own names are refused without it.
    #[arg(long, value_name = "HOST", env = "PACT_ALLOW_HOSTS", value_delimiter = ',')]
    pub allow_host: Vec<String>,
    /// Which programs the functions are.
    #[command(flatten)]
    pub packages: PackageArgs,
    /// How many invocations run and wait at once.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Runs that go on at once; what finds no room is queued [default: 8].
    #[arg(long, value_name = "N", env = "PACT_RUNS_AT_ONCE",
        value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub runs: Option<u32>,
    /// Runs of one repository that go on at once [default: 6].
    #[arg(long, value_name = "N", env = "PACT_RUNS_PER_REPOSITORY",
        value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub runs_per_repository: Option<u32>,
    /// Where people sign in.
    #[command(flatten)]
    pub provider: ProviderArgs,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

impl RunArgs {
    /// How a stack is run for this.
    pub(crate) fn stack(&self) -> Options {
        options(&self.packages, &self.limits, Vec::new())
    }
}

impl UpArgs {
    /// How the stack is run.
    pub(crate) fn stack(&self) -> Options {
        let options = options(&self.packages, &self.limits, self.allow_host.clone());
        let given = self.provider.given().into_iter();
        let sign_in = given.filter_map(|(name, _, value)| Some((name, value?.trim().to_owned())));
        Options {
            runs: self.runs,
            runs_per_repository: self.runs_per_repository,
            sign_in: sign_in.filter(|(_, value)| !value.is_empty()).collect(),
            ..options
        }
    }
}

fn options(packages: &PackageArgs, limits: &LimitArgs, hosts: Vec<String>) -> Options {
    let (concurrency, queue) = (limits.concurrency, limits.queue);
    let packages = packages.packages.clone();
    Options { packages, concurrency, queue, hosts, ..Options::default() }
}

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
    /// Wait for the end of a run on the stack that is up, as `pactctl run` does.
    Watch {
        /// The run; the latest without it.
        run_id: Option<RunId>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
