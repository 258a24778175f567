//! One function: its pool, the instances in it and the invocations that wait.

use crate::{
    error::{RequestError, Throttle},
    instance::Instance,
    log::{LogFile, Sink},
    pool::{Decision, InstanceId, Pool, Ticket},
    spec::{FunctionSpec, InstanceInfo, Policy},
    sync::lock,
};
use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

pub(crate) struct Function {
    pub(crate) spec: Arc<FunctionSpec>,
    log: Option<Arc<Mutex<LogFile>>>,
    /// Another has taken its place: what it runs ends with the invocation that it serves.
    retired: AtomicBool,
    state: Mutex<State>,
}

struct State {
    pool: Pool,
    instances: HashMap<InstanceId, Arc<Instance>>,
    waiting: HashMap<Ticket, oneshot::Sender<Grant>>,
    next_ticket: Ticket,
}

/// An instance of one's own, until it is released or lost.
pub(crate) enum Grant {
    Warm(Arc<Instance>),
    /// To be started under this id.
    Cold(InstanceId),
}

/// What becomes of an invocation that asks for an instance.
pub(crate) enum Admission {
    Granted(Grant),
    Waiting(Ticket, oneshot::Receiver<Grant>),
}

impl Function {
    pub(crate) fn new(spec: FunctionSpec, policy: &Policy) -> io::Result<Function> {
        let log = match &spec.log {
            Some(path) => Some(Arc::new(Mutex::new(LogFile::open(path)?))),
            None => None,
        };
        let limit = spec.max_concurrency.unwrap_or(policy.unreserved);
        let pool = Pool::new(
            usize::try_from(limit).unwrap_or(usize::MAX),
            (policy.queue, policy.queue_bytes),
        );
        let state =
            State { pool, instances: HashMap::new(), waiting: HashMap::new(), next_ticket: 0 };
        Ok(Function {
            spec: Arc::new(spec),
            log,
            retired: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn sink(&self) -> Sink {
        Sink::new(self.log.clone())
    }

    /// Asks for an instance, for an event of so many bytes.
    pub(crate) fn request(&self, bytes: usize) -> Result<Admission, RequestError> {
        let mut state = lock(&self.state);
        state.next_ticket += 1;
        let ticket = state.next_ticket;
        match state.pool.request(ticket, bytes) {
            Decision::Reuse(id) => Ok(Admission::Granted(state.grant(id))),
            Decision::Start(id) => Ok(Admission::Granted(Grant::Cold(id))),
            Decision::Wait => {
                let (sender, receiver) = oneshot::channel();
                state.waiting.insert(ticket, sender);
                Ok(Admission::Waiting(ticket, receiver))
            }
            Decision::Reject => {
                let reserved = self.spec.max_concurrency.is_some();
                let limit = if reserved { Throttle::Reserved } else { Throttle::Unreserved };
                Err(RequestError::TooManyRequests(limit))
            }
        }
    }

    /// Whoever waited under this ticket has gone.
    pub(crate) fn cancel(&self, ticket: Ticket, mut receiver: oneshot::Receiver<Grant>) {
        let mut state = lock(&self.state);
        state.waiting.remove(&ticket);
        if state.pool.cancel(ticket) {
            return;
        }
        // It was granted in the same moment: give it back.
        if let Ok(grant) = receiver.try_recv() {
            state.give_back(grant);
        }
    }

    pub(crate) fn started(&self, instance: &Arc<Instance>) {
        lock(&self.state).instances.insert(instance.id, Arc::clone(instance));
    }

    /// The instance is done and healthy.
    pub(crate) fn release(&self, id: InstanceId) {
        lock(&self.state).release(id);
    }

    /// Another has taken its place. What is idle ends now, what is busy after its invocation.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.end_idle();
    }

    /// Ends what is idle, where another has taken its place.
    pub(crate) fn end_if_retired(&self) {
        if self.retired.load(Ordering::SeqCst) {
            self.end_idle();
        }
    }

    fn end_idle(&self) {
        self.reap(Duration::ZERO).iter().for_each(|instance| instance.kill());
    }

    /// The instance is no more, or was never started.
    pub(crate) fn lost(&self, id: InstanceId) {
        lock(&self.state).lost(id);
    }

    pub(crate) fn replace(&self, id: InstanceId) -> Grant {
        let mut state = lock(&self.state);
        state.instances.remove(&id);
        Grant::Cold(state.pool.replace(id))
    }

    /// A process has ended. If it served an invocation, that notices by itself.
    pub(crate) fn died(&self, id: InstanceId) {
        let mut state = lock(&self.state);
        if state.pool.remove_idle(id) {
            state.instances.remove(&id);
        }
    }

    pub(crate) fn reap(&self, idle: Duration) -> Vec<Arc<Instance>> {
        let mut state = lock(&self.state);
        let expired = state.pool.reap(Instant::now(), idle);
        expired.iter().filter_map(|id| state.instances.remove(id)).collect()
    }

    pub(crate) fn instances(&self) -> Vec<Arc<Instance>> {
        lock(&self.state).instances.values().cloned().collect()
    }

    pub(crate) fn info(&self) -> Vec<InstanceInfo> {
        let state = lock(&self.state);
        let info = |instance: &Arc<Instance>| InstanceInfo {
            function: self.spec.name.clone(),
            pid: instance.pid,
            busy: state.pool.is_busy(instance.id),
        };
        state.instances.values().filter(|i| i.is_alive()).map(info).collect()
    }
}

impl State {
    fn grant(&mut self, id: InstanceId) -> Grant {
        match self.instances.get(&id).filter(|instance| instance.is_alive()) {
            Some(instance) => Grant::Warm(Arc::clone(instance)),
            None => {
                self.instances.remove(&id);
                Grant::Cold(self.pool.replace(id))
            }
        }
    }

    fn give_back(&mut self, grant: Grant) {
        match grant {
            Grant::Warm(instance) => self.release(instance.id),
            Grant::Cold(id) => self.lost(id),
        }
    }

    fn release(&mut self, id: InstanceId) {
        while let Some(ticket) = self.pool.release(id, Instant::now()) {
            let grant = self.grant(id);
            let Some(sender) = self.waiting.remove(&ticket) else { continue };
            match sender.send(grant) {
                Ok(()) => return,
                // Who waited has gone; the next one, unless the instance went too.
                Err(Grant::Warm(_)) => {}
                Err(Grant::Cold(id)) => return self.lost(id),
            }
        }
    }

    fn lost(&mut self, mut id: InstanceId) {
        loop {
            self.instances.remove(&id);
            let Some((ticket, new)) = self.pool.lost(id) else { return };
            let sent = self.waiting.remove(&ticket).map(|sender| sender.send(Grant::Cold(new)));
            if matches!(sent, Some(Ok(()))) {
                return;
            }
            id = new;
        }
    }
}
