//! A stack to work with: this process's own, or that of another process on the same data.

use std::{path::Path, time::Duration};

use crate::{
    client::Client,
    data::{Endpoints, Opened, Secrets},
    failure::Failure,
    stack::{Ports, Stack, open_data, options::Options},
    term,
};

/// How long to wait for another process's stack to answer while it starts.
const ATTACH_PATIENCE: Duration = Duration::from_secs(20);

/// A stack to work with.
pub(crate) struct Session {
    /// Connection to it.
    pub client: Client,
    own: Option<Stack>,
}

impl Session {
    /// Joins the stack that is up on the data folder, or starts one.
    ///
    /// # Errors
    /// Among others, when a port, packages or limits are wanted and that stack has others.
    pub(crate) async fn open(data: &Path, options: &Options) -> Result<Self, Failure> {
        let until = tokio::time::Instant::now() + ATTACH_PATIENCE;
        loop {
            // Joining needs no port and leaves nothing behind.
            if let Ok(root) = data.canonicalize()
                && let Some(client) = Client::attach(&root).await
            {
                same_stack(&root, options)?;
                return Ok(Self { client, own: None });
            }
            let ports = Ports::bind(options.port.unwrap_or(0), 0).await?;
            if let Opened::Owned(folder) = open_data(data)? {
                let stack = Stack::start(folder, ports, options).await?;
                return Self::host(stack).await;
            }
            if tokio::time::Instant::now() > until {
                return Err(Failure::usage(format!(
                    "another pactctl holds {} but does not answer",
                    data.display()
                ))
                .remedy("end it, or choose another folder with --data DIR"));
            }
            drop(ports);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn host(stack: Stack) -> Result<Self, Failure> {
        let secrets = Secrets::read(stack.root())
            .ok_or_else(|| Failure::internal("the stack has no secrets"))?;
        let client = Client::new(stack.endpoints.clone(), secrets).await?;
        Ok(Self { client, own: Some(stack) })
    }

    /// Whether the stack is another process's, which goes on without this one.
    pub(crate) fn is_joined(&self) -> bool {
        self.own.is_none()
    }

    /// After the stack of another process went away: joins its successor or becomes it.
    pub(crate) async fn reopen(&mut self, data: &Path, options: &Options) -> Result<(), Failure> {
        let mut any = options.clone();
        let next = match Self::open(data, options).await {
            Err(_) if any.port.take().is_some() => {
                let next = Self::open(data, &any).await?;
                let at = &next.client.endpoints.api;
                term::warning(&format!("the stack went away; the run goes on in one at {at}"));
                next
            }
            next => next?,
        };
        let last = std::mem::replace(self, next);
        last.close().await;
        Ok(())
    }

    /// Before its own stack stops: other runs on it may still be going on.
    pub(crate) async fn wait_for_others(&self, quiet: bool) {
        let Some(stack) = &self.own else { return };
        if stack.running() == 0 {
            return;
        }
        if !quiet {
            term::note(&format!(
                "{} other runs are going on in this stack; waiting for them (Ctrl-C leaves them for later)",
                stack.running()
            ));
        }
        stack.idle().await;
    }

    /// Stops its own stack; another process's stays.
    pub(crate) async fn close(self) {
        if let Some(stack) = self.own {
            stack.shutdown().await;
        }
    }
}

/// Nothing that was asked for is left out silently: a run that was to prove certain packages or limits must
/// not pass on others, and who asked for a port looks there.
fn same_stack(root: &Path, wanted: &Options) -> Result<(), Failure> {
    let Some(theirs) = Endpoints::read(root) else { return Ok(()) };
    let refused = |what: String| {
        Failure::usage(format!("a stack is up already, and {what}")).remedy(
            "leave the option out to join it, end it, or choose another folder with --data DIR",
        )
    };
    if let Some(folder) = &wanted.packages
        && (theirs.packages.is_none() || folder.canonicalize().ok() != theirs.packages)
    {
        let runs = theirs.packages.map_or("its own program".into(), |f| f.display().to_string());
        return Err(refused(format!("it runs its functions from {runs}")));
    }
    let listens = url::Url::parse(&theirs.api).ok().and_then(|api| api.port());
    if wanted.port.is_some_and(|wanted| Some(wanted) != listens) {
        return Err(refused(format!("its dashboard is at {}, not at --port", theirs.api)));
    }
    let Endpoints { concurrency, queue, .. } = theirs;
    if wanted.concurrency.is_some_and(|wanted| wanted != concurrency) {
        return Err(refused(format!("it runs {concurrency} instances of a function at once")));
    }
    if wanted.queue.is_some_and(|wanted| usize::try_from(wanted).ok() != Some(queue)) {
        return Err(refused(format!("it lets {queue} invocations of a function wait")));
    }
    Ok(())
}
