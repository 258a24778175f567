//! How a stack is run.

use std::path::PathBuf;

use local_lambda_host::Policy;

/// How a stack is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Port of the gateway and the dashboard; none: any free one.
    pub port: Option<u16>,
    /// Folder of the packages that the functions run from, instead of this program.
    pub packages: Option<PathBuf>,
    /// Instances of a function that may run at once, where the template reserves none.
    pub concurrency: Option<u32>,
    /// Invocations of a function that may wait for an instance.
    pub queue: Option<u32>,
    /// Runs that may go on at once, in all and of one repository.
    pub runs: Option<u32>,
    pub runs_per_repository: Option<u32>,
    /// Parameters of the template that say where people sign in.
    pub sign_in: Vec<(&'static str, String)>,
    /// Hosts that lead to this machine, besides its own names.
    pub hosts: Vec<String>,
}

impl Options {
    /// Parameters of the template that are set by this.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let runs = self.runs.map(|number| ("RunsAtOnce", number.to_string()));
        let of_one = self.runs_per_repository;
        let of_one = of_one.map(|number| ("RunsPerRepository", number.to_string()));
        runs.into_iter().chain(of_one).chain(self.sign_in.iter().cloned())
    }

    /// What instances the Lambda host may start, and who may wait.
    pub(super) fn policy(&self) -> Policy {
        let policy = Policy::default();
        Policy {
            unreserved: self.concurrency.unwrap_or(policy.unreserved),
            queue: self.queue.map_or(policy.queue, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            ..policy
        }
    }
}
