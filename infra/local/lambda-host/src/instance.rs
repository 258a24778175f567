//! One instance of a function: its process, and the invocation it serves.

use crate::{
    log::Sink,
    pool::InstanceId,
    process::{self, Pids},
    reaper::ReaperLink,
    runtime_api::{InvocationContext, Phase, Reply, RuntimeApi, Work},
    spec::{FunctionSpec, HostOptions},
    sync::lock,
};
use bytes::Bytes;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    io::AsyncWrite,
    process::{Child, ChildStdin},
    sync::{oneshot, watch},
    time::Instant,
};

/// How long output may keep coming after a process has ended.
const DRAIN: Duration = Duration::from_millis(500);

/// How an attempt to serve an invocation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Reply),
    /// The process could not get ready; what it reported.
    InitFailed(Bytes),
    /// The process ended; how.
    Exited(String),
    /// The time limit passed.
    TimedOut(Duration),
    /// The process ended before it was given the invocation; another may have it.
    NotDelivered,
}

pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) pid: u32,
    spec: Arc<FunctionSpec>,
    pub(crate) sink: Arc<Sink>,
    api: RuntimeApi,
    /// See [`process::kill_tree`].
    mark: String,
    reaper: Arc<ReaperLink>,
    exited: watch::Sender<Option<String>>,
    /// See [`process::die_with_parent`].
    lifeline: Mutex<Option<ChildStdin>>,
    /// The children that earlier invocations have left behind on purpose.
    detached: Mutex<Pids>,
    /// From here on the process id may belong to another process.
    reaped: AtomicBool,
}

impl Instance {
    /// Starts the process.
    pub(crate) fn start(
        id: InstanceId,
        spec: &Arc<FunctionSpec>,
        options: &HostOptions,
        reaper: &Arc<ReaperLink>,
        sink: Sink,
    ) -> io::Result<Arc<Instance>> {
        let api = RuntimeApi::open(options.max_payload)?;
        let mark = process::new_mark();
        let mut child = process::spawn(spec, options, api.address(), &mark)?;
        let pid = child.id().ok_or_else(|| io::Error::other("the process has ended already"))?;
        let instance = Arc::new(Instance {
            id,
            pid,
            spec: Arc::clone(spec),
            sink: Arc::new(sink),
            api,
            mark,
            reaper: Arc::clone(reaper),
            exited: watch::Sender::new(None),
            lifeline: Mutex::new(child.stdin.take()),
            detached: Mutex::default(),
            reaped: AtomicBool::new(false),
        });
        instance.reaper.begun(pid, &instance.mark);
        tokio::spawn(supervise(Arc::clone(&instance), child));
        Ok(instance)
    }

    /// Waits until the process is ready for its first event.
    async fn ready(&self, limit: Duration) -> Result<(), Outcome> {
        let mut phase = self.api.phase();
        let left_starting = phase.wait_for(|p| !matches!(p, Phase::Starting));
        tokio::select! {
            biased;
            phase = left_starting => match phase.as_deref() {
                Ok(Phase::InitFailed(report)) => Err(Outcome::InitFailed(report.clone())),
                _ => Ok(()),
            },
            how = self.exited() => Err(Outcome::Exited(how)),
            () = tokio::time::sleep(limit) => Err(Outcome::TimedOut(limit)),
        }
    }

    /// Serves one invocation. The caller has this instance for itself.
    pub(crate) async fn serve(
        &self,
        context: &InvocationContext,
        payload: Bytes,
        init: Duration,
    ) -> (Outcome, Duration) {
        let (request_id, version) = (context.request_id.as_str(), &context.version);
        let warm = matches!(*self.api.phase().borrow(), Phase::Ready);
        if let Err(outcome) = self.ready(init).await {
            return (outcome, Duration::ZERO);
        }
        // Its connection may look open for a moment after its end.
        if warm && process::has_ended(self.pid) {
            return (Outcome::NotDelivered, Duration::ZERO);
        }
        self.sink.begin();
        self.sink.write(format!("START RequestId: {request_id} Version: {version}\n").as_bytes());
        let limit = self.spec.timeout;
        let start = Instant::now();
        let (reply, mut answer) = oneshot::channel();
        let delivered = Arc::new(AtomicBool::new(false));
        let limit_ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        let work = Work {
            context: context.clone(),
            payload,
            deadline_ms: jiff::Timestamp::now().as_millisecond().saturating_add(limit_ms),
            reply,
            delivered: Arc::clone(&delivered),
        };
        // There is room: the instance serves one invocation at a time.
        let sent = self.api.send(work);
        let outcome = tokio::select! {
            biased;
            _ = std::future::ready(()), if !sent => Outcome::NotDelivered,
            Ok(reply) = &mut answer => Outcome::Reply(reply),
            how = self.exited() => match answer.try_recv() {
                Ok(reply) => Outcome::Reply(reply),
                Err(_) if warm && !delivered.load(Ordering::SeqCst) => Outcome::NotDelivered,
                Err(_) => Outcome::Exited(how),
            },
            () = tokio::time::sleep_until(start + limit) => Outcome::TimedOut(limit),
        };
        let took = start.elapsed();
        self.api.forget();
        if matches!(outcome, Outcome::Reply(_)) {
            let detached = process::children(self.pid);
            self.reaper.detached(self.pid, &detached);
            *lock(&self.detached) = detached;
            self.write_lifeline(process::END).await;
        }
        let report = format!(
            "END RequestId: {request_id}\nREPORT RequestId: {request_id} Duration: {:.2} ms Memory Size: {} MB\n",
            took.as_secs_f64() * 1000.0,
            self.spec.memory_mb
        );
        self.sink.write(report.as_bytes());
        (outcome, took)
    }

    /// How the process ended, once it has.
    pub(crate) async fn exited(&self) -> String {
        let mut exited = self.exited.subscribe();
        match exited.wait_for(Option::is_some).await {
            Ok(how) => how.clone().unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.reaped.load(Ordering::SeqCst)
    }

    /// Kills the process with everything it started.
    pub(crate) fn kill(&self) {
        if self.is_alive() {
            process::kill_tree(self.pid, &self.mark, &lock(&self.detached));
        }
    }

    /// Writes to the lifeline, unless the process does not read it and it is full.
    async fn write_lifeline(&self, what: u8) {
        std::future::poll_fn(|context| {
            let mut lifeline = lock(&self.lifeline);
            let written = lifeline.as_mut().map(|pipe| Pin::new(pipe).poll_write(context, &[what]));
            if let Some(Poll::Ready(Err(error))) = written {
                tracing::debug!(%error, "a process has closed its standard input");
            }
            Poll::Ready(())
        })
        .await;
    }
}

async fn supervise(instance: Arc<Instance>, mut child: Child) {
    let copies = [
        child.stdout.take().map(|out| {
            let sink = Arc::clone(&instance.sink);
            tokio::spawn(async move { sink.copy(out).await })
        }),
        child.stderr.take().map(|err| {
            let sink = Arc::clone(&instance.sink);
            tokio::spawn(async move { sink.copy(err).await })
        }),
    ];
    let how = match child.wait().await {
        Ok(status) => process::exit_text(status),
        Err(error) => format!("Runtime exited with error: {error}"),
    };
    // The group lives on while one of its members does, and its id with it.
    process::kill_tree(instance.pid, &instance.mark, &lock(&instance.detached));
    instance.reaped.store(true, Ordering::SeqCst);
    instance.reaper.ended(instance.pid);
    for mut copy in copies.into_iter().flatten() {
        if tokio::time::timeout(DRAIN, &mut copy).await.is_err() {
            copy.abort();
        }
    }
    instance.exited.send_replace(Some(how));
}
