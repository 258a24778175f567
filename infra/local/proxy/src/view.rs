//! What a host says of its services.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    balance::Backend,
    model::{End, Failure, Key, Phase, Service},
};

/// A service as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Port of its address.
    pub port: u16,
    /// Its address.
    pub url: String,
    /// Whether it takes connections.
    pub listening: bool,
    /// Its instances.
    pub instances: BTreeMap<String, InstanceView>,
}

/// An instance as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceView {
    /// Where it stands.
    pub phase: Phase,
    /// Its share of the requests.
    pub weight: u32,
    /// Its own port.
    pub port: Option<u16>,
    /// Its own address, while it takes requests; not that of the service.
    pub url: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended by itself the last time.
    pub last_end: Option<End>,
    /// Why it was never ready.
    pub failure: Option<Failure>,
    /// Since when it gets no new request.
    pub idle_since: Option<Timestamp>,
    /// Requests that it has not answered wholly.
    pub in_flight: usize,
    /// Requests that it answered since the host started.
    pub answered: u64,
    /// Requests that it was to answer since the host started, and did not.
    pub missed: u64,
    /// As it was started with.
    pub labels: BTreeMap<String, String>,
}

impl ServiceView {
    pub(crate) fn of(
        name: &str,
        service: &Service,
        backend: impl Fn(&Key) -> Arc<Backend>,
        address: impl Fn(&Key) -> Option<SocketAddr>,
    ) -> Self {
        let instances = service.instances.iter().map(|(id, instance)| {
            let key = Key { service: name.to_owned(), id: id.clone() };
            let backend = backend(&key);
            let ready = instance.phase == Phase::Ready;
            let view = InstanceView {
                phase: instance.phase,
                weight: instance.weight,
                port: instance.port,
                url: address(&key).filter(|_| ready).map(|address| format!("http://{address}")),
                pid: instance.process.as_ref().map(|process| process.pid),
                restarts: instance.restarts,
                last_end: instance.last_end.clone(),
                failure: instance.failure.clone(),
                idle_since: instance.idle_since,
                in_flight: backend.in_flight(),
                answered: backend.answered.load(Ordering::Relaxed),
                missed: backend.missed.load(Ordering::Relaxed),
                labels: instance.spec.labels.clone(),
            };
            (id.clone(), view)
        });
        Self {
            name: name.to_owned(),
            port: service.port,
            url: format!("http://127.0.0.1:{}", service.port),
            listening: service.listening,
            instances: instances.collect(),
        }
    }
}
