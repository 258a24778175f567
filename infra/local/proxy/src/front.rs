//! The address of a service: takes connections and forwards what they ask.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{Request, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use crate::{
    balance::Balancer,
    forward::{Upstream, forward, problem},
};

/// Most headers of a request.
const MAX_HEADERS: usize = 100;
/// Largest head of a request.
const MAX_HEAD: usize = 64 * 1024;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(30);
/// Rest after a connection that could not be taken, for lack of descriptors as a rule.
const REST: Duration = Duration::from_millis(50);

/// An address that takes connections until this is dropped. Requests that are being answered then
/// are answered to their end.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) port: u16,
    _open: watch::Sender<()>,
}

impl Front {
    /// Takes connections at `port` from now on, up to `connections` at a time; more wait.
    ///
    /// # Errors
    /// The port cannot be had.
    pub(crate) async fn open(
        port: u16,
        balancer: Arc<Balancer>,
        upstream: Upstream,
        connections: usize,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        let (open, closed) = watch::channel(());
        tokio::spawn(accept(listener, balancer, upstream, connections, closed));
        Ok(Self { port, _open: open })
    }
}

async fn accept(
    listener: TcpListener,
    balancer: Arc<Balancer>,
    upstream: Upstream,
    connections: usize,
    mut closed: watch::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(connections));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = closed.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (balancer, upstream) = (Arc::clone(&balancer), upstream.clone());
                let closed = closed.clone();
                tokio::spawn(async move {
                    connection(stream, peer, &balancer, &upstream, closed).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    balancer: &Balancer,
    upstream: &Upstream,
    mut closed: watch::Receiver<()>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small answers may be late");
    }
    let service = service_fn(async |request| match is_large(&request) {
        // Hyper bounds what it waits for: a head that came all at once was never waited for.
        true => {
            let why = "the head of the request is too large";
            Ok(problem(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why))
        }
        false => forward(balancer, upstream, peer, request).await,
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = closed.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection was cut");
    }
}

/// Whether the head of a request has more than [`MAX_HEAD`] bytes.
fn is_large(request: &Request<Incoming>) -> bool {
    let headers = request.headers().iter();
    let sizes = headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |asked| asked.as_str().len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    target + authority + sizes.sum::<usize>() > MAX_HEAD
}
