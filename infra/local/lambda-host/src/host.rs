//! The functions of a stack, and the `Invoke` operation.

use crate::{
    error::{HostError, InvokeError},
    function::{Function, Grant, Place},
    instance::{Ids, Instance, Outcome, Reply},
    runtime_api::{self, Registry},
    spec::{FunctionSpec, HostOptions, InstanceInfo, Invocation, InvocationType, Policy},
    watch::Watch,
};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::json;
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, oneshot, watch},
    task::JoinHandle,
};

/// How often an invocation is handed on when an instance dies before it was given it.
const HANDOVERS: usize = 3;
/// How long a killed process may take to end; it does so at once unless the kernel holds it.
const KILL: Duration = Duration::from_secs(5);
/// What AWS takes as the payload of an asynchronous invocation.
const MAX_EVENT: usize = 1024 * 1024;
/// The pause before an asynchronous invocation that found no free instance asks again.
const THROTTLED: Duration = Duration::from_secs(1);

/// AWS Lambda on one machine. Clones are the same host. When the last one is dropped, or
/// [`shutdown`](Host::shutdown) is called, every process ends.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    options: HostOptions,
    policy: Policy,
    functions: BTreeMap<String, Arc<Function>>,
    registry: Registry,
    closing: watch::Sender<bool>,
    events: Arc<Semaphore>,
    server: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for function in self.functions.values() {
            function.instances().iter().for_each(|instance| instance.kill());
        }
        self.server.abort();
    }
}

impl Host {
    /// Starts a host with the default policy. No process is started before it is needed.
    pub async fn start(
        options: HostOptions,
        functions: Vec<FunctionSpec>,
    ) -> Result<Host, HostError> {
        Host::start_with(options, Policy::default(), functions).await
    }

    /// Starts a host with a policy of one's own.
    pub async fn start_with(
        options: HostOptions,
        policy: Policy,
        functions: Vec<FunctionSpec>,
    ) -> Result<Host, HostError> {
        let mut known = BTreeMap::new();
        for spec in functions {
            let name = spec.name.clone();
            let function = Function::new(spec, &policy)
                .map_err(|source| HostError::Log { function: name.clone(), source })?;
            if known.insert(name.clone(), Arc::new(function)).is_some() {
                return Err(HostError::Duplicate(name));
            }
        }
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(HostError::Listen)?;
        let address = listener.local_addr().map_err(HostError::Listen)?;
        let watch = Watch::start(options.watcher.as_ref()).map_err(HostError::Watcher)?;
        let registry = Registry::new(address, options.max_payload, watch);
        let router = runtime_api::router(registry.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the Runtime API ended");
            }
        });
        let events = Arc::new(Semaphore::new(policy.events));
        let inner = Arc::new(Inner {
            options,
            policy,
            functions: known,
            registry,
            closing: watch::Sender::new(false),
            events,
            server,
        });
        tokio::spawn(reap(Arc::downgrade(&inner)));
        Ok(Host { inner })
    }

    /// Invokes a function by its name or ARN. An error of the function is an [`Invocation`] with a
    /// `function_error`; [`InvokeError`] means that the function was not run.
    pub async fn invoke(
        &self,
        function: &str,
        payload: Bytes,
        kind: InvocationType,
    ) -> Result<Invocation, InvokeError> {
        self.invoke_in_trace(function, payload, kind, None).await
    }

    /// The same, as part of the trace that the header names; without one it begins a trace.
    pub async fn invoke_in_trace(
        &self,
        function: &str,
        payload: Bytes,
        kind: InvocationType,
        trace: Option<&str>,
    ) -> Result<Invocation, InvokeError> {
        let function = self.find(function)?;
        let limit = match kind {
            InvocationType::Event => self.inner.options.max_payload.min(MAX_EVENT),
            _ => self.inner.options.max_payload,
        };
        if payload.len() > limit {
            return Err(InvokeError::TooLarge { limit });
        }
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(&payload) {
            return Err(InvokeError::NotJson(error.to_string()));
        }
        if self.is_closing() {
            return Err(closing());
        }
        let ids = Ids::new(trace);
        let request_id = ids.request_id.clone();
        match kind {
            InvocationType::DryRun => {}
            InvocationType::RequestResponse => {
                let (reply, answer) = oneshot::channel();
                // On its own: an invocation that has begun goes on when its caller leaves.
                tokio::spawn(self.clone().run(function, payload, ids, reply));
                return match answer.await {
                    Ok(result) => result,
                    Err(_) => Err(InvokeError::Service("the invocation was lost".to_owned())),
                };
            }
            InvocationType::Event => {
                let Ok(permit) = Arc::clone(&self.inner.events).try_acquire_owned() else {
                    return Err(InvokeError::TooManyRequests);
                };
                let host = self.clone();
                tokio::spawn(async move {
                    host.run_event(function, payload, ids).await;
                    drop(permit);
                });
            }
        }
        Ok(Invocation {
            payload: Bytes::new(),
            function_error: None,
            request_id,
            log_tail: String::new(),
            duration: Duration::ZERO,
        })
    }

    /// The processes that run now.
    pub fn instances(&self) -> Vec<InstanceInfo> {
        self.inner.functions.values().flat_map(|function| function.info()).collect()
    }

    /// Ends every process with all it started, and refuses further invocations. Those that run end
    /// with an error.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(true);
        let instances: Vec<Arc<Instance>> =
            self.inner.functions.values().flat_map(|function| function.instances()).collect();
        for instance in &instances {
            instance.kill();
        }
        for instance in &instances {
            gone(instance).await;
        }
    }

    pub(crate) fn max_payload(&self) -> usize {
        self.inner.options.max_payload
    }

    fn is_closing(&self) -> bool {
        *self.inner.closing.borrow()
    }

    fn find(&self, function: &str) -> Result<Arc<Function>, InvokeError> {
        // A name, `account:function:name`, or an ARN; each with a qualifier or without.
        let name = function.rsplit_once("function:").map_or(function, |(_, name)| name);
        let name = name.split(':').next().unwrap_or_default();
        let found = self.inner.functions.get(name).filter(|found| {
            !function.starts_with("arn:") || function.starts_with(found.spec.arn.as_str())
        });
        found.cloned().ok_or_else(|| {
            let HostOptions { region, account, .. } = &self.inner.options;
            let made = format!("arn:aws:lambda:{region}:{account}:function:{name}");
            let arn = if function.starts_with("arn:") { function.to_owned() } else { made };
            InvokeError::NotFound(arn)
        })
    }

    async fn run(
        self,
        function: Arc<Function>,
        payload: Bytes,
        ids: Ids,
        mut reply: oneshot::Sender<Result<Invocation, InvokeError>>,
    ) {
        let grant = match function.request() {
            Ok(Place::Granted(grant)) => grant,
            Ok(Place::Waiting(ticket, mut receiver)) => {
                let granted = tokio::select! {
                    biased;
                    () = reply.closed() => None,
                    grant = &mut receiver => grant.ok(),
                    () = self.closed() => None,
                };
                match granted {
                    Some(grant) => grant,
                    None => {
                        function.cancel(ticket, receiver);
                        reply.send(Err(closing())).ok();
                        return;
                    }
                }
            }
            Err(error) => {
                reply.send(Err(error)).ok();
                return;
            }
        };
        let result = self.execute(&function, grant, payload, &ids).await;
        // The caller may have left.
        reply.send(result).ok();
    }

    async fn closed(&self) {
        // An error means that the sender is gone, and this host with it.
        self.inner.closing.subscribe().wait_for(|closing| *closing).await.ok();
    }

    async fn run_event(self, function: Arc<Function>, payload: Bytes, ids: Ids) {
        let mut pauses = self.inner.policy.retries.clone().into_iter();
        loop {
            let (reply, answer) = oneshot::channel();
            let run = self.clone().run(Arc::clone(&function), payload.clone(), ids.clone(), reply);
            let ((), answer) = tokio::join!(run, answer);
            let pause = match answer {
                Ok(Ok(invocation)) if invocation.function_error.is_none() => return,
                Ok(Err(InvokeError::TooManyRequests)) => Some(THROTTLED),
                _ => pauses.next(),
            };
            let Some(pause) = pause.filter(|_| !self.is_closing()) else {
                let (function, request_id) = (&function.spec.name, &ids.request_id);
                tracing::warn!(%function, %request_id, "an asynchronous invocation failed for good");
                return;
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.closed() => return,
            }
        }
    }

    /// Runs an invocation on an instance that is granted to it, and gives the instance back.
    async fn execute(
        &self,
        function: &Arc<Function>,
        mut grant: Grant,
        payload: Bytes,
        ids: &Ids,
    ) -> Result<Invocation, InvokeError> {
        let request_id = ids.request_id.as_str();
        let done = |(payload, error): (Bytes, bool), log_tail, duration| Invocation {
            payload,
            function_error: error.then(|| "Unhandled".to_owned()),
            request_id: request_id.to_owned(),
            log_tail,
            duration,
        };
        for _ in 0..HANDOVERS {
            let instance = match grant {
                Grant::Warm(instance) => instance,
                Grant::Cold(id) => match self.start_instance(function, id) {
                    Ok(instance) => instance,
                    Err(error) => {
                        function.lost(id);
                        let program = function.spec.program.display();
                        let message = format!("Error: fork/exec {program}: {error}");
                        let payload = fault("Runtime.InvalidEntrypoint", request_id, &message);
                        return Ok(done((payload, true), String::new(), Duration::ZERO));
                    }
                },
            };
            if self.is_closing() {
                instance.kill();
            }
            let init = self.inner.policy.init;
            let (outcome, took) = instance.serve(ids, payload.clone(), init).await;
            let healthy = matches!(outcome, Outcome::Reply(_));
            if !healthy {
                instance.kill();
                gone(&instance).await;
            }
            if matches!(outcome, Outcome::NotDelivered) && !self.is_closing() {
                grant = function.replace(instance.id);
                continue;
            }
            if healthy {
                function.release(instance.id);
            } else {
                function.lost(instance.id);
                if self.is_closing() {
                    return Err(closing());
                }
            }
            let limit = self.inner.options.max_payload;
            let result = result(outcome, request_id, limit);
            return Ok(done(result, instance.sink.tail(), took));
        }
        if let Grant::Cold(id) = grant {
            function.lost(id);
        }
        Err(InvokeError::Service("no instance stays alive".to_owned()))
    }

    fn start_instance(&self, function: &Arc<Function>, id: u64) -> std::io::Result<Arc<Instance>> {
        let inner = &self.inner;
        let (spec, sink) = (&function.spec, function.sink());
        let instance = Instance::start(id, spec, &inner.options, &inner.registry, sink)?;
        function.started(&instance);
        let weak = Arc::downgrade(function);
        let watched = Arc::clone(&instance);
        tokio::spawn(async move {
            watched.exited().await;
            if let Some(function) = weak.upgrade() {
                function.died(watched.id);
            }
        });
        Ok(instance)
    }
}

async fn gone(instance: &Instance) {
    if tokio::time::timeout(KILL, instance.exited()).await.is_err() {
        tracing::error!(pid = instance.pid, "a killed process has not ended");
    }
}

fn closing() -> InvokeError {
    InvokeError::Service("the host is shutting down".to_owned())
}

/// The payload, and whether it is an error.
fn result(outcome: Outcome, request_id: &str, limit: usize) -> (Bytes, bool) {
    match outcome {
        Outcome::Reply(Reply::Response(payload)) => (payload, false),
        Outcome::Reply(Reply::Error(payload)) => (payload, true),
        Outcome::Reply(Reply::TooLarge) => {
            let message = format!(
                "Response payload size exceeded maximum allowed payload size ({limit} bytes)."
            );
            let body =
                json!({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message});
            (Bytes::from(body.to_string()), true)
        }
        Outcome::InitFailed(report) if !report.is_empty() => (report, true),
        Outcome::InitFailed(_) => {
            (fault("Runtime.InitError", request_id, "Error: init failed"), true)
        }
        Outcome::Exited(how) => {
            (fault("Runtime.ExitError", request_id, &format!("Error: {how}")), true)
        }
        Outcome::NotDelivered => {
            (fault("Runtime.ExitError", request_id, "Error: Runtime exited"), true)
        }
        Outcome::TimedOut(limit) => {
            let seconds = limit.as_secs_f64();
            let message = format!("Error: Task timed out after {seconds:.2} seconds");
            (fault("Sandbox.Timedout", request_id, &message), true)
        }
    }
}

fn fault(kind: &str, request_id: &str, message: &str) -> Bytes {
    let message = format!("RequestId: {request_id} {message}");
    Bytes::from(json!({"errorType": kind, "errorMessage": message}).to_string())
}

/// Ends instances that are idle for too long, as long as the host is there.
async fn reap(host: Weak<Inner>) {
    loop {
        let Some(inner) = host.upgrade() else { return };
        let idle = inner.policy.idle;
        for function in inner.functions.values() {
            function.reap(idle).iter().for_each(|instance| instance.kill());
        }
        drop(inner);
        let pause = (idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(30));
        tokio::time::sleep(pause).await;
    }
}
