//! What a host has at hand: its state, on disk before it counts, and what follows from it for the
//! requests.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use pact_processes::apart::Apart;
use tokio::sync::watch;

use crate::{
    balance::{Backend, Balancer, Entry},
    forward::Upstream,
    front::Front,
    model::{Instance, Key, Phase, Service, State},
    ports,
    refusal::{Code, Refusal},
    store::Store,
    sync::lock,
};

/// How long a port may take to become free after the program that had it ended.
const FREED: Duration = Duration::from_secs(3);
/// Time between two looks at a port.
const LOOK: Duration = Duration::from_millis(20);

/// What a host is allowed, and how patient it is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections to a service at a time; more wait.
    pub connections: usize,
    /// How long an instance may take to begin its answer.
    pub patience: Duration,
    /// Pause before an instance that ended is started again; it doubles with every time.
    pub backoff: Duration,
    /// Longest such pause.
    pub max_backoff: Duration,
    /// A host without instances ends when nobody has spoken to it for this long; none: it stays.
    pub unused: Option<Duration>,
    /// What instances may not see.
    pub apart: Option<Apart>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 1_000,
            patience: Duration::from_secs(300),
            backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(30),
            unused: None,
            apart: None,
        }
    }
}

/// What is at hand.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) upstream: Upstream,
    state: Mutex<State>,
    live: Mutex<BTreeMap<String, Live>>,
    changes: watch::Sender<u64>,
}

/// What a service is while the host lives.
#[derive(Default)]
struct Live {
    balancer: Arc<Balancer>,
    backends: BTreeMap<String, Arc<Backend>>,
    addresses: BTreeMap<String, SocketAddr>,
    front: Option<Front>,
}

impl Core {
    pub(crate) fn new(store: Store, state: State, options: Options) -> Self {
        Self {
            upstream: Upstream::new(options.patience),
            store,
            options,
            state: Mutex::new(state),
            live: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&lock(&self.state))
    }

    /// Told after every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Changes the state: it is on disk before it counts, and requests follow it at once. A change
    /// that is refused, or cannot be written, is none.
    pub(crate) fn change<T>(
        &self,
        service: &str,
        change: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut state = lock(&self.state);
        let mut next = state.clone();
        let result = change(&mut next)?;
        if next != *state {
            self.store.save(&next).map_err(|e| Refusal::io("keep the state of the services", e))?;
            *state = next;
        }
        self.refresh(service, state.services.get(service));
        drop(state);
        self.changes.send_modify(|count| *count += 1);
        Ok(result)
    }

    /// Changes one instance, if it is there.
    pub(crate) fn update(
        &self,
        key: &Key,
        change: impl FnOnce(&mut Instance),
    ) -> Result<(), Refusal> {
        self.change(&key.service, |state| state.instance_mut(key).map(change))
    }

    /// An instance takes requests at this address; none: it does not.
    pub(crate) fn set_address(&self, key: &Key, address: Option<SocketAddr>) {
        let mut live = lock(&self.live);
        let service = live.entry(key.service.clone()).or_default();
        match address {
            Some(address) => service.addresses.insert(key.id.clone(), address),
            None => service.addresses.remove(&key.id),
        };
    }

    /// Where an instance takes requests, if it does.
    pub(crate) fn address(&self, key: &Key) -> Option<SocketAddr> {
        lock(&self.live).get(&key.service)?.addresses.get(&key.id).copied()
    }

    pub(crate) fn backend(&self, key: &Key) -> Arc<Backend> {
        let mut live = lock(&self.live);
        let backends = &mut live.entry(key.service.clone()).or_default().backends;
        Arc::clone(backends.entry(key.id.clone()).or_insert_with(|| Backend::new(&key.id)))
    }

    /// Requests go where the state says.
    fn refresh(&self, name: &str, service: Option<&Service>) {
        let mut live = lock(&self.live);
        let Some(service) = service else {
            live.remove(name);
            return;
        };
        let Live { balancer, backends, addresses, .. } = live.entry(name.to_owned()).or_default();
        backends.retain(|id, _| service.instances.contains_key(id));
        addresses.retain(|id, _| service.instances.contains_key(id));
        let serve = service.instances.iter().filter(|(_, i)| i.phase != Phase::Ending);
        let mut entries: Vec<_> = serve
            .filter(|(_, i)| i.weight > 0 || i.phase == Phase::Ready)
            .map(|(id, instance)| {
                let backend = backends.entry(id.clone()).or_insert_with(|| Backend::new(id));
                let ready = instance.phase == Phase::Ready;
                let address = addresses.get(id).copied().filter(|_| ready);
                let entry =
                    Entry { backend: Arc::clone(backend), address, weight: instance.weight };
                // What never had weight is not known to be good: it does not stand by.
                let stands_by = instance.weight > 0 || instance.idle_since.is_some();
                (std::cmp::Reverse(instance.idle_since), stands_by, entry)
            })
            .filter(|(_, stands_by, _)| *stands_by)
            .collect();
        entries.sort_by_key(|(idle, _, _)| *idle);
        balancer.set(entries.into_iter().map(|(_, _, entry)| entry).collect());
    }

    /// Takes connections for a service that is to, at its port; waits a moment for the port.
    ///
    /// # Errors
    /// Another program has the port.
    pub(crate) async fn listen(&self, name: &str, port: u16) -> Result<(), Refusal> {
        let (balancer, listens) = {
            let mut live = lock(&self.live);
            let live = live.entry(name.to_owned()).or_default();
            let listens = live.front.as_ref().is_some_and(|front| front.port == port);
            (Arc::clone(&live.balancer), listens)
        };
        if listens {
            return Ok(());
        }
        let until = tokio::time::Instant::now() + FREED;
        while !ports::is_free(port) {
            if tokio::time::Instant::now() >= until {
                let message = format!("port {port} is in use by another program");
                return Err(Refusal::new(Code::PortInUse, message));
            }
            tokio::time::sleep(LOOK).await;
        }
        let front = Front::open(port, balancer, self.upstream.clone(), self.options.connections)
            .await
            .map_err(|e| Refusal::io(&format!("listen on port {port}"), e))?;
        // The one before, if there was one, takes no more connections.
        lock(&self.live).entry(name.to_owned()).or_default().front = Some(front);
        Ok(())
    }

    /// The service takes no more connections; what is being answered is answered.
    pub(crate) fn close(&self, name: &str) {
        if let Some(live) = lock(&self.live).get_mut(name) {
            live.front = None;
        }
    }
}
