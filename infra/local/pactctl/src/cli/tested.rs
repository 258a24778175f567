//! Arguments of `runs tests`.

use clap::Args;
use pact_contract::{RunId, tested::TestStatus};

use super::data::DataArgs;

/// Which tests of a run are listed.
#[derive(Debug, Args)]
pub(crate) struct TestsArgs {
    /// The run; the latest without it.
    pub run_id: Option<RunId>,
    /// Only those of this stage, or of stages with this in their name [default: every stage].
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// Only those that failed.
    #[arg(long, conflicts_with = "status")]
    pub failed: bool,
    /// Only those with this status.
    #[arg(long, value_parser = status)]
    pub status: Option<TestStatus>,
    /// Only those with this in their name, suite or message.
    #[arg(long)]
    pub text: Option<String>,
    /// The slowest so many of each stage, the slowest first.
    #[arg(long, value_name = "N", conflicts_with = "limit",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=50_000))]
    pub slowest: Option<usize>,
    /// At most so many of each stage [default: 100; with --json all].
    #[arg(long, value_name = "N",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=50_000))]
    pub limit: Option<usize>,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
    /// Where the data is.
    #[command(flatten)]
    pub data: DataArgs,
}

fn status(text: &str) -> Result<TestStatus, String> {
    TestStatus::parse(text).ok_or_else(|| {
        let known: Vec<_> = TestStatus::ALL.iter().map(|status| status.as_str()).collect();
        format!("there are {}", known.join(", "))
    })
}
