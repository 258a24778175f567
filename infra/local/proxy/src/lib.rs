//! Services of one machine behind a reverse proxy.
//!
//! A service is one address that stays the same. Its instances are programs that run beside each
//! other, each on a port of its own; weights say which part of the requests each gets. A new instance
//! gets none until it listens and its probes answer; weights change in one step; an instance that lost
//! its weight is drained, kept warm for an instant return, and then ended. What ends by itself is
//! started again. `forward.rs` says what happens to a request that an
//! instance cannot answer.
//!
//! [`Host::start`] takes a folder. Everything that is asked of it comes by its own small protocol
//! (`api.rs` lists it), to the address and with the token in `host.json` of that folder; who only looks
//! at what clients got has that of `observer.json`. Its state is
//! on disk before it counts: a host that is killed is followed by another on the same folder, which
//! takes over what runs.

mod api;
mod balance;
mod core;
mod forward;
mod front;
mod host;
mod instance;
mod model;
mod ports;
mod probe;
mod refusal;
mod store;
mod sync;
mod traffic;
mod view;
mod wire;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use pact_processes::apart::Apart;
use tokio::{net::TcpListener, task::JoinSet};

pub use self::{
    core::Options,
    model::{End, Failure, FailureKind, Phase, Probe, Spec},
    refusal::Code,
    store::{ANNOUNCEMENT, Announcement, OBSERVER, StoreError},
    traffic::{AnswersView, TrafficView},
    view::{InstanceView, ServiceView},
    wire::{Ending, NewService, Shutdown, Weights},
};

/// A host without services, to which nobody speaks, ends after this long.
const UNUSED: Duration = Duration::from_secs(30);

/// A host that is up. Its tasks end with it, its services do not.
pub struct Host {
    announcement: Announcement,
    inner: Arc<host::Inner>,
    tasks: JoinSet<()>,
}

impl Host {
    /// Starts a host on a folder, in the place of the one before.
    ///
    /// # Errors
    /// Another host has the folder, or it cannot be used.
    pub async fn start(folder: &Path, options: Options) -> Result<Self, StoreError> {
        let failed = |error| StoreError::Io { path: folder.to_owned(), error };
        let inner = Arc::new(host::Inner::open(folder, options)?);
        let store = &inner.core.store;
        let token = store.token(ANNOUNCEMENT).map_err(failed)?;
        let observes = store.token(OBSERVER).map_err(failed)?;
        // The address stays the same where it can.
        let before = inner.core.read(|state| state.control_port);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, before)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(any).await.map_err(failed)?,
        };
        let address = listener.local_addr().map_err(failed)?;
        inner
            .core
            .change("", |state| {
                state.control_port = address.port();
                Ok(())
            })
            .map_err(|refusal| failed(std::io::Error::other(refusal)))?;
        inner.resume().await;
        let announcement = Announcement {
            url: format!("http://{address}"),
            token,
            pid: std::process::id(),
            place: pact_processes::Place::of(folder).ok(),
        };
        let router = api::router(Arc::clone(&inner), &announcement.token, &observes);
        let mut tasks = JoinSet::new();
        let mut over = inner.over.subscribe();
        tasks.spawn(async move {
            let ended = async move {
                // The sender is the host's own: it does not end before.
                if over.wait_for(|over| *over).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let served = axum::serve(listener, router).with_graceful_shutdown(ended).await;
            if let Err(error) = served {
                tracing::error!(%error, "the protocol ended");
            }
        });
        let ticking = Arc::clone(&inner);
        tasks.spawn(async move { ticking.tick().await });
        let observer = Announcement { token: observes, ..announcement.clone() };
        inner.core.store.announce(&observer, OBSERVER).map_err(failed)?;
        inner.core.store.announce(&announcement, ANNOUNCEMENT).map_err(failed)?;
        Ok(Self { announcement, inner, tasks })
    }

    /// How it is reached.
    #[must_use]
    pub fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// Waits until the host was asked to end, and has answered that.
    pub async fn ended(mut self) {
        let mut over = self.inner.over.subscribe();
        if over.wait_for(|over| *over).await.is_ok() {
            // The protocol's last answer is on its way.
            self.tasks.join_next().await;
        }
        self.tasks.shutdown().await;
    }
}

/// The host as a program: serves the folder until it is asked to end, or nobody needs it. A second
/// one on the same folder ends at once, and well. Its instances may not see what is to be kept `apart`.
#[must_use]
pub fn main(folder: PathBuf, apart: Option<Apart>) -> ExitCode {
    // The terminal of whoever started it is not its own.
    if let Err(error) = nix::unistd::setsid() {
        tracing::debug!(%error, "it leads a group of its own already");
    }
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "cannot start the runtime");
                return ExitCode::FAILURE;
            }
        };
    runtime.block_on(async {
        let options = Options { unused: Some(UNUSED), apart, ..Options::default() };
        match Host::start(&folder, options).await {
            Ok(host) => {
                tracing::info!(url = host.announcement().url, "up");
                host.ended().await;
                ExitCode::SUCCESS
            }
            Err(StoreError::InUse(_)) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(%error, "cannot serve");
                ExitCode::FAILURE
            }
        }
    })
}
