//! How a stack is run.

use std::path::PathBuf;

use local_lambda_host::Policy;

/// How a stack is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Folder of the packages that the functions run from, instead of this program.
    pub packages: Option<PathBuf>,
    /// Instances of a function that may run at once, where the template reserves none.
    pub concurrency: Option<u32>,
    /// Invocations of a function that may wait for an instance.
    pub queue: Option<u32>,
    /// Hosts that lead to this machine, besides its own names.
    pub hosts: Vec<String>,
}

impl Options {
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
