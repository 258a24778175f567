//! The functions of a stack, and the `Invoke` operation.

use crate::{
    error::{HostError, RequestError, Throttle},
    events::{Next, Retries},
    function::{Admission, Function, Grant},
    instance::{Instance, Outcome},
    managed::Managed,
    name::{FunctionId, LATEST, qualified},
    reaper::ReaperLink,
    runtime_api::{InvocationContext, Reply},
    spec::{
        FunctionSpec, HostOptions, InstanceInfo, Invocation, InvocationType, InvokeRequest, Policy,
    },
};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, oneshot, watch};

/// How often an invocation is handed on when an instance dies before it was given it.
const HANDOVERS: usize = 3;
/// How long a killed process may take to end; it does so at once unless the kernel holds it.
const KILL: Duration = Duration::from_secs(5);
/// What AWS takes as the payload of an asynchronous invocation.
const MAX_EVENT: usize = 1024 * 1024;

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
    /// Those that were made by the API.
    managed: Option<Arc<Managed>>,
    /// Who sees to it that the instances end with the host.
    reaper: Arc<ReaperLink>,
    closing: watch::Sender<bool>,
    events: Arc<Semaphore>,
}

impl Inner {
    /// Every function that may have instances, and every version of one.
    fn all(&self) -> Vec<Arc<Function>> {
        let managed = self.managed.iter().flat_map(|managed| managed.running());
        self.functions.values().cloned().chain(managed).collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for function in self.all() {
            function.instances().iter().for_each(|instance| instance.kill());
        }
    }
}

impl Host {
    /// Starts a host with the default policy. No process is started before it is needed.
    ///
    /// # Errors
    /// When two functions share a name, or a log or the watcher cannot be opened.
    pub async fn start(
        options: HostOptions,
        functions: Vec<FunctionSpec>,
    ) -> Result<Host, HostError> {
        Host::start_with(options, Policy::default(), functions).await
    }

    /// Starts a host with a policy of one's own.
    ///
    /// # Errors
    /// See [`start`](Host::start).
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
        let managed = match options.functions.clone() {
            Some(store) => {
                let folder = store.folder.clone();
                let (region, account) = (options.region.clone(), options.account.clone());
                let policy = policy.clone();
                let open = move || Managed::open(store, (region, account), policy);
                let opened = tokio::task::spawn_blocking(open).await.map_err(io::Error::other);
                let opened = opened.flatten().map(Arc::new);
                Some(opened.map_err(|source| HostError::Functions { path: folder, source })?)
            }
            None => None,
        };
        let reaper = ReaperLink::start(options.reaper.as_ref()).map_err(HostError::Reaper)?;
        let events = Arc::new(Semaphore::new(policy.events));
        let inner = Arc::new(Inner {
            options,
            policy,
            functions: known,
            managed,
            reaper: Arc::new(reaper),
            closing: watch::Sender::new(false),
            events,
        });
        tokio::spawn(reap(Arc::downgrade(&inner)));
        Ok(Host { inner })
    }

    /// Invokes a function. An error of the function is an [`Invocation`] with a `function_error`.
    ///
    /// # Errors
    /// When the function was not run.
    pub async fn invoke(&self, request: InvokeRequest) -> Result<Invocation, RequestError> {
        let InvokeRequest { function, qualifier, kind, payload, trace, client_context } = request;
        let (function, qualifier) = self.invoked(&function, qualifier.as_deref())?;
        let limit = match kind {
            InvocationType::Event => self.inner.options.max_payload.min(MAX_EVENT),
            _ => self.inner.options.max_payload,
        };
        if payload.len() > limit {
            return Err(RequestError::TooLarge { limit });
        }
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(&payload) {
            return Err(RequestError::NotJson(error.to_string()));
        }
        if self.is_closing() {
            return Err(closing());
        }
        let arn = qualified(function.spec.arn.clone(), qualifier.as_deref());
        let context =
            InvocationContext::new(arn, &function.spec.version, trace.as_deref(), client_context);
        let taken = Invocation {
            payload: Bytes::new(),
            function_error: None,
            version: context.version.clone(),
            request_id: context.request_id.clone(),
            log_tail: String::new(),
            duration: Duration::ZERO,
        };
        match kind {
            InvocationType::DryRun => Ok(taken),
            InvocationType::RequestResponse => {
                let (reply, answer) = oneshot::channel();
                // On its own: an invocation that has begun goes on when its caller leaves.
                tokio::spawn(self.clone().run(function, payload, context, reply));
                match answer.await {
                    Ok(result) => result,
                    Err(_) => Err(RequestError::Service("the invocation was lost".to_owned())),
                }
            }
            InvocationType::Event => {
                let Ok(permit) = Arc::clone(&self.inner.events).try_acquire_owned() else {
                    return Err(RequestError::TooManyRequests(Throttle::Unreserved));
                };
                let host = self.clone();
                tokio::spawn(async move {
                    host.run_event(function, payload, context).await;
                    drop(permit);
                });
                Ok(taken)
            }
        }
    }

    /// The processes that run now.
    pub fn instances(&self) -> Vec<InstanceInfo> {
        self.inner.all().iter().flat_map(|function| function.info()).collect()
    }

    /// Ends every process with all it started, and refuses further invocations. Those that run end
    /// with an error.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(true);
        let instances: Vec<Arc<Instance>> =
            self.inner.all().iter().flat_map(|function| function.instances()).collect();
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

    /// The functions that were made by the API, where any can be.
    pub(crate) fn managed(&self) -> Option<&Arc<Managed>> {
        self.inner.managed.as_ref()
    }

    /// A function as a request names it. One of another region or account is not here.
    pub(crate) fn named<'a>(
        &self,
        name: &'a str,
        qualifier: Option<&'a str>,
    ) -> Result<FunctionId<'a>, RequestError> {
        let HostOptions { region, account, .. } = &self.inner.options;
        let id = FunctionId::parse(name, qualifier)?;
        let here = |own: Option<&str>, ours: &str| own.is_none_or(|own| own == ours);
        if here(id.region, region) && here(id.account, account) {
            return Ok(id);
        }
        Err(RequestError::NotFound(id.arn(region, account)))
    }

    /// Whether a function is one of those that the host was started with.
    pub(crate) fn is_fixed(&self, name: &str) -> bool {
        self.inner.functions.contains_key(name)
    }

    /// What runs an invocation, with the qualifier that its caller gave. An alias leads to one of
    /// its versions by their weights.
    fn invoked(
        &self,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<(Arc<Function>, Option<String>), RequestError> {
        let id = self.named(name, qualifier)?;
        match &self.inner.managed {
            Some(managed) if !self.is_fixed(id.name) && managed.has(id.name) => {
                let function = managed.invoked(id.name, id.qualifier)?;
                Ok((function, id.qualifier.map(str::to_owned)))
            }
            _ => self.resolve(name, qualifier),
        }
    }

    /// The function that a request names, with the qualifier that it gives.
    pub(crate) fn resolve(
        &self,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<(Arc<Function>, Option<String>), RequestError> {
        let HostOptions { region, account, .. } = &self.inner.options;
        let id = self.named(name, qualifier)?;
        self.inner
            .functions
            .get(id.name)
            // What the host was started with is the only version.
            .filter(|_| id.qualifier.is_none_or(|qualifier| qualifier == LATEST))
            .map(|function| (Arc::clone(function), id.qualifier.map(str::to_owned)))
            .ok_or_else(|| RequestError::NotFound(id.arn(region, account)))
    }

    /// Every function, by name.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.inner.functions.values()
    }

    async fn run(
        self,
        function: Arc<Function>,
        payload: Bytes,
        context: InvocationContext,
        mut reply: oneshot::Sender<Result<Invocation, RequestError>>,
    ) {
        let grant = match function.request(payload.len()) {
            Ok(Admission::Granted(grant)) => grant,
            Ok(Admission::Waiting(ticket, mut receiver)) => {
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
        let result = self.execute(&function, grant, payload, &context).await;
        // The caller may have left.
        reply.send(result).ok();
    }

    pub(crate) async fn closed(&self) {
        // An error means that the sender is gone, and this host with it.
        self.inner.closing.subscribe().wait_for(|closing| *closing).await.ok();
    }

    async fn run_event(self, function: Arc<Function>, payload: Bytes, context: InvocationContext) {
        let mut retries = Retries::new(&function.spec, &self.inner.policy, Instant::now());
        loop {
            let (reply, answer) = oneshot::channel();
            let (payload, context_again) = (payload.clone(), context.clone());
            let run = self.clone().run(Arc::clone(&function), payload, context_again, reply);
            let ((), answer) = tokio::join!(run, answer);
            let result = answer.unwrap_or_else(|_| {
                Err(RequestError::Service("the invocation was lost".to_owned()))
            });
            let pause = match retries.next(&result, Instant::now()) {
                Next::Done => return,
                Next::After(pause) if !self.is_closing() => pause,
                next => {
                    let condition =
                        if let Next::GiveUp(condition) = next { condition } else { "HostEnded" };
                    let (function, request_id) = (&function.spec.name, &context.request_id);
                    tracing::error!(%function, %request_id, condition, "an event is given up");
                    return;
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.closed() => {}
            }
        }
    }

    /// Runs an invocation on an instance that is granted to it, and gives the instance back.
    async fn execute(
        &self,
        function: &Arc<Function>,
        mut grant: Grant,
        payload: Bytes,
        context: &InvocationContext,
    ) -> Result<Invocation, RequestError> {
        let request_id = context.request_id.as_str();
        let done = |(payload, error): (Bytes, bool), log_tail, duration| Invocation {
            payload,
            function_error: error.then(|| "Unhandled".to_owned()),
            version: context.version.clone(),
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
            let (outcome, took) = instance.serve(context, payload.clone(), init).await;
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
                function.end_if_retired();
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
        Err(RequestError::Service("no instance stays alive".to_owned()))
    }

    fn start_instance(&self, function: &Arc<Function>, id: u64) -> std::io::Result<Arc<Instance>> {
        let inner = &self.inner;
        let (spec, sink) = (&function.spec, function.sink());
        let instance = Instance::start(id, spec, &inner.options, &inner.reaper, sink)?;
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

fn closing() -> RequestError {
    RequestError::Service("the host is shutting down".to_owned())
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
        for function in inner.all() {
            function.reap(idle).iter().for_each(|instance| instance.kill());
        }
        drop(inner);
        let pause = (idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(30));
        tokio::time::sleep(pause).await;
    }
}
