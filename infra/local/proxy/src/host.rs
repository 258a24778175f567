//! The host: what its protocol can ask of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};

use crate::{
    core::{Core, Options},
    instance::{Runner, Wanted, check_ready, end_orphans, taken_ports, trim_log},
    model::{Instance, Key, MAX_INSTANCES, MAX_SERVICES, Phase, Service, Spec, State, check_name},
    ports,
    refusal::{Code, Refusal},
    store::{Store, StoreError},
    sync::lock,
    traffic::{self, AnswersView, TrafficView},
    view::ServiceView,
    wire::{NewService, Weights},
};

/// Largest weight of an instance.
const MAX_WEIGHT: u32 = 10_000;
/// Longest time that the last requests of an instance may take, in milliseconds.
const MAX_DRAIN: u64 = 60 * 60 * 1000;
/// How long the processes of a service may take to end after they were drained.
const ENDS: Duration = Duration::from_secs(15);
/// Time between two looks at what time does by itself.
const TICK: Duration = Duration::from_millis(200);

/// A host, shared by its protocol and its tasks.
pub(crate) struct Inner {
    pub(crate) core: Arc<Core>,
    /// Its folder, from which the ports of its services follow.
    home: PathBuf,
    runners: Mutex<BTreeMap<Key, watch::Sender<Wanted>>>,
    spoken: Mutex<Instant>,
    /// Whether the host is to end.
    pub(crate) over: watch::Sender<bool>,
}

impl Inner {
    /// Takes the folder, and goes on with what the host before left.
    pub(crate) fn open(folder: &Path, options: Options) -> Result<Self, StoreError> {
        let store = Store::open(folder)?;
        let state = store.load()?;
        let known: Vec<Key> = keys(&state);
        end_orphans(&store.folder, &known);
        Ok(Self {
            home: store.folder.clone(),
            core: Arc::new(Core::new(store, state, options)),
            runners: Mutex::default(),
            spoken: Mutex::new(Instant::now()),
            over: watch::Sender::new(false),
        })
    }

    /// Takes over the instances of the host before, and takes connections for its services.
    pub(crate) async fn resume(&self) {
        let state = self.core.read(Clone::clone);
        for key in keys(&state) {
            let found = state.services.get(&key.service).and_then(|s| s.instances.get(&key.id));
            let Some(instance) = found else { continue };
            let drain = Duration::from_millis(instance.drain_ms);
            match instance.phase {
                Phase::Ending => self.run(&key, &instance.spec, true, Wanted::End { drain }),
                Phase::Failed => self.run_failed(&key, &instance.spec),
                Phase::Starting | Phase::Ready | Phase::Restarting => {
                    // It is ready again once it was seen to be.
                    let phase = if instance.served { Phase::Restarting } else { Phase::Starting };
                    if let Err(refusal) = self.core.update(&key, |i| i.phase = phase) {
                        tracing::error!(%refusal, "the state of the host before");
                    }
                    self.run(&key, &instance.spec, true, Wanted::Run);
                }
            }
        }
        self.listen_where_due().await;
    }

    /// Takes connections for services that are to: the port of one may have been taken meanwhile.
    async fn listen_where_due(&self) {
        let due: Vec<_> = self.core.read(|state| {
            let services = state.services.iter().filter(|(_, service)| service.listening);
            services.map(|(name, service)| (name.clone(), service.port)).collect()
        });
        for (name, port) in due {
            if let Err(refusal) = self.core.listen(&name, port).await {
                tracing::error!(%refusal, name, "a service cannot be reached");
            }
        }
    }

    fn run(&self, key: &Key, spec: &Spec, again: bool, wanted: Wanted) {
        let (sender, receiver) = watch::channel(wanted);
        lock(&self.runners).insert(key.clone(), sender);
        let runner = Runner::new(Arc::clone(&self.core), key.clone(), spec.clone(), receiver);
        tokio::spawn(runner.run(again));
    }

    /// What failed stays as it is until it is let go.
    fn run_failed(&self, key: &Key, spec: &Spec) {
        let (sender, receiver) = watch::channel(Wanted::Run);
        lock(&self.runners).insert(key.clone(), sender);
        let runner = Runner::new(Arc::clone(&self.core), key.clone(), spec.clone(), receiver);
        tokio::spawn(runner.rest());
    }

    /// Somebody who may has spoken to the host.
    pub(crate) fn spoken_to(&self) {
        *lock(&self.spoken) = Instant::now();
    }

    pub(crate) fn view(&self, name: &str) -> Result<ServiceView, Refusal> {
        self.core.read(|state| {
            let service = state.service(name)?;
            let (backend, address) =
                (|key: &Key| self.core.backend(key), |key: &Key| self.core.address(key));
            Ok(ServiceView::of(name, service, backend, address))
        })
    }

    pub(crate) fn views(&self) -> Vec<ServiceView> {
        let names: Vec<_> = self.core.read(|state| state.services.keys().cloned().collect());
        names.iter().filter_map(|name| self.view(name).ok()).collect()
    }

    /// What clients of the service at this port got since an instant.
    pub(crate) fn traffic(&self, port: u16, after: i64) -> Result<TrafficView, Refusal> {
        let now = traffic::now();
        self.core.read(|state| {
            let of_port = state.services.iter().find(|(_, service)| service.port == port);
            let (name, service) = of_port.ok_or_else(|| {
                Refusal::new(Code::NotFound, format!("no service has the port {port}"))
            })?;
            let instances = service.instances.iter().map(|(id, instance)| {
                let key = Key { service: name.clone(), id: id.clone() };
                let view = AnswersView {
                    url: self.core.address(&key).map(|address| format!("http://{address}")),
                    weight: instance.weight,
                    answers: self.core.backend(&key).traffic.after(after),
                };
                (id.clone(), view)
            });
            Ok(TrafficView { now, instances: instances.collect() })
        })
    }

    /// Makes a service, or moves it to another port: the new one takes connections before the old
    /// one takes none.
    pub(crate) async fn put_service(&self, name: &str, wanted: &NewService) -> Result<(), Refusal> {
        check_name(name)?;
        if wanted.port == Some(0) {
            return Err(Refusal::new(Code::Invalid, "0 is no port; leave it out for a free one"));
        }
        let before = self.core.read(|state| state.services.get(name).cloned());
        if let Some(before) = before {
            let Some(port) = wanted.port.filter(|port| *port != before.port) else {
                return Ok(());
            };
            self.core.read(|state| free_of_others(state, name, port))?;
            if before.listening {
                self.core.listen(name, port).await?;
            }
            return self.core.change(name, |state| {
                state.service_mut(name)?.port = port;
                Ok(())
            });
        }
        self.core.change(name, |state| {
            if state.services.len() >= MAX_SERVICES {
                let message = format!("there are {MAX_SERVICES} services already");
                return Err(Refusal::new(Code::TooMany, message));
            }
            let port = match wanted.port {
                Some(port) => {
                    free_of_others(state, name, port)?;
                    port
                }
                None => ports::for_service(&self.home, name, &taken_ports(state))
                    .map_err(|e| Refusal::io("pick a port", e))?,
            };
            let service = Service { port, ..Service::default() };
            state.services.insert(name.to_owned(), service);
            Ok(())
        })
    }

    /// Starts an instance. The same again changes nothing while it runs, and starts it once more
    /// after it failed.
    pub(crate) fn put_instance(&self, key: &Key, spec: Spec) -> Result<(), Refusal> {
        check_name(&key.id)?;
        spec.check()?;
        let begin = self.core.change(&key.service, |state| {
            let instances = &mut state.service_mut(&key.service)?.instances;
            match instances.get(&key.id) {
                Some(there) if there.phase == Phase::Ending => {
                    let message = format!("the instance {key} is being ended");
                    return Err(Refusal::new(Code::InstanceEnding, message));
                }
                Some(there) if there.phase == Phase::Failed => {}
                Some(there) if there.spec == spec => return Ok(false),
                Some(_) => {
                    let message = format!("the instance {key} runs with other settings");
                    return Err(Refusal::new(Code::InstanceDiffers, message));
                }
                None if instances.len() >= MAX_INSTANCES => {
                    let message = format!("{:?} has {MAX_INSTANCES} instances", key.service);
                    return Err(Refusal::new(Code::TooMany, message));
                }
                None => {}
            }
            instances.insert(key.id.clone(), Instance::new(spec.clone()));
            Ok(true)
        })?;
        if begin {
            self.run(key, &spec, false, Wanted::Run);
        }
        Ok(())
    }

    /// Shares the requests anew, in one step. What has no weight afterwards gets no new request; it
    /// is kept warm as long as is said, and then drained and ended.
    pub(crate) async fn set_weights(&self, name: &str, wanted: &Weights) -> Result<(), Refusal> {
        if wanted.weights.values().any(|weight| *weight > MAX_WEIGHT) || wanted.drain_ms > MAX_DRAIN
        {
            let message = format!("weights go to {MAX_WEIGHT}, drain_ms to {MAX_DRAIN}");
            return Err(Refusal::new(Code::Invalid, message));
        }
        let serves = |weight: &u32| *weight > 0;
        if wanted.weights.values().any(serves) {
            let port = self.core.read(|state| state.service(name).map(|s| s.port))?;
            self.core.read(|state| all_ready(state, name, wanted))?;
            self.core.listen(name, port).await?;
        }
        let now = Timestamp::now();
        self.core.change(name, |state| {
            all_ready(state, name, wanted)?;
            let service = state.service_mut(name)?;
            service.listening |= wanted.weights.values().any(serves);
            for (id, instance) in &mut service.instances {
                let weight = wanted.weights.get(id).copied().unwrap_or(0);
                if weight > 0 {
                    instance.idle_since = None;
                    instance.keep_ms = None;
                } else if instance.weight > 0 {
                    instance.idle_since = Some(now);
                    instance.keep_ms = wanted.keep_ms;
                    instance.drain_ms = wanted.drain_ms;
                }
                instance.weight = weight;
            }
            Ok(())
        })?;
        self.let_go(now);
        Ok(())
    }

    /// Drains an instance and ends it. It is gone once it is in the list no more.
    pub(crate) fn end_instance(&self, key: &Key, drain_ms: u64) -> Result<(), Refusal> {
        let drain = Duration::from_millis(drain_ms.min(MAX_DRAIN));
        self.core.update(key, |instance| {
            instance.phase = Phase::Ending;
            instance.weight = 0;
            instance.drain_ms = drain_ms.min(MAX_DRAIN);
        })?;
        if let Some(runner) = lock(&self.runners).get(key) {
            runner.send_replace(Wanted::End { drain });
        }
        Ok(())
    }

    /// Ends a service: its address, and then its instances. What is not there has ended.
    pub(crate) async fn end_service(&self, name: &str, drain_ms: u64) -> Result<(), Refusal> {
        let known = self.core.change(name, |state| {
            let Some(service) = state.services.get_mut(name) else { return Ok(Vec::new()) };
            service.listening = false;
            Ok(service.instances.keys().cloned().collect())
        })?;
        self.core.close(name);
        for id in known {
            let key = Key { service: name.to_owned(), id };
            match self.end_instance(&key, drain_ms) {
                Err(refusal) if refusal.code != Code::NotFound => return Err(refusal),
                _ => {}
            }
        }
        let mut changes = self.core.changes();
        let until = Instant::now() + Duration::from_millis(drain_ms.min(MAX_DRAIN)) + ENDS;
        let gone = || {
            self.core.read(|state| state.services.get(name).is_none_or(|s| s.instances.is_empty()))
        };
        while !gone() {
            // The host itself keeps the sender: it ends only with the host.
            if !matches!(tokio::time::timeout_at(until, changes.changed()).await, Ok(Ok(()))) {
                let message = format!("instances of {name:?} do not end");
                return Err(Refusal::new(Code::Internal, message));
            }
        }
        self.core.change(name, |state| {
            state.services.remove(name);
            Ok(())
        })?;
        lock(&self.runners).retain(|key, _| key.service != name);
        Ok(())
    }

    /// Ends the host; with `stop` its services too, which else go on and are taken over by the next
    /// host of the folder.
    pub(crate) async fn shut_down(&self, stop: bool) -> Result<(), Refusal> {
        if stop {
            let names: Vec<String> =
                self.core.read(|state| state.services.keys().cloned().collect());
            let all = names.iter().map(|name| self.end_service(name, 0));
            for ended in join(all).await {
                ended?;
            }
            self.core.store.withdraw();
        }
        self.over.send_replace(true);
        Ok(())
    }

    /// Does what time does by itself, until the host ends.
    pub(crate) async fn tick(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for turn in 0_u64.. {
            ticks.tick().await;
            self.let_go(Timestamp::now());
            if turn.is_multiple_of(25) {
                self.trim_logs();
                self.listen_where_due().await;
                self.forget_runners();
            }
            let unused = self.core.options.unused.is_some_and(|unused| {
                lock(&self.spoken).elapsed() > unused
                    && self.core.read(|s| s.services.values().all(|s| s.instances.is_empty()))
            });
            if unused {
                tracing::info!("nothing is served, and nobody asks for anything");
                self.core.store.withdraw();
                self.over.send_replace(true);
                return;
            }
        }
    }

    /// Lets instances go that were kept warm long enough.
    fn let_go(&self, now: Timestamp) {
        let over: Vec<(Key, u64)> = self.core.read(|state| {
            keys(state)
                .into_iter()
                .filter_map(|key| {
                    let instance = state.services.get(&key.service)?.instances.get(&key.id)?;
                    let (since, keep) = (instance.idle_since?, instance.keep_ms?);
                    let passed = now.duration_since(since).as_millis();
                    let over = passed >= i128::from(keep) && instance.phase != Phase::Ending;
                    over.then_some((key, instance.drain_ms))
                })
                .collect()
        });
        for (key, drain_ms) in over {
            tracing::info!(instance = %key, "it is let go");
            if let Err(refusal) = self.end_instance(&key, drain_ms) {
                tracing::warn!(%refusal, "an instance is not let go");
            }
        }
    }

    fn trim_logs(&self) {
        let logs: Vec<_> = self.core.read(|state| {
            let instances = state.services.values().flat_map(|s| s.instances.values());
            instances.map(|instance| instance.spec.log.clone()).collect()
        });
        for log in logs {
            trim_log(&log);
        }
    }

    fn forget_runners(&self) {
        let known = self.core.read(keys);
        lock(&self.runners).retain(|key, _| known.contains(key));
    }
}

fn keys(state: &State) -> Vec<Key> {
    let services = state.services.iter();
    services
        .flat_map(|(service, s)| s.instances.keys().map(move |id| (service, id)))
        .map(|(service, id)| Key { service: service.clone(), id: id.clone() })
        .collect()
}

fn free_of_others(state: &State, name: &str, port: u16) -> Result<(), Refusal> {
    let other = state.services.iter().find(|(other, s)| *other != name && s.port == port);
    match other {
        None => Ok(()),
        Some((other, _)) => {
            Err(Refusal::new(Code::PortInUse, format!("port {port} is that of {other:?}")))
        }
    }
}

fn all_ready(state: &State, name: &str, wanted: &Weights) -> Result<(), Refusal> {
    let weighted = wanted.weights.iter().filter(|(_, weight)| **weight > 0);
    for (id, _) in weighted {
        check_ready(state, &Key { service: name.to_owned(), id: id.clone() })?;
    }
    Ok(())
}

/// Waits for all, at the same time.
async fn join<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(Box::pin).map(Some).collect();
    let mut done = Vec::new();
    std::future::poll_fn(move |context| {
        for slot in &mut waiting {
            if let Some(future) = slot
                && let std::task::Poll::Ready(result) = future.as_mut().poll(context)
            {
                done.push(result);
                *slot = None;
            }
        }
        if waiting.iter().all(Option::is_none) {
            std::task::Poll::Ready(std::mem::take(&mut done))
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}
