//! Arguments of what runs a stack or reaches one: `run`, `up`, `env`.

use std::path::PathBuf;

use clap::Args;

use super::{access::ProviderArgs, data::DataArgs};
use crate::stack::options::Options;

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
    /// Invocations of a function that may wait for an instance [default: 1000, and 64 MiB of
    /// events]. What does not fit is throttled as on AWS; with 0 nothing waits, which is what AWS does.
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
        let port = Some(self.port).filter(|port| *port != 0);
        Options { port, ..options(&self.packages, &self.limits, Vec::new()) }
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
