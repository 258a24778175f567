//! The connections of the stack's two ports. Whoever sends the head of a request slowly, or nothing at
//! all, keeps a place for so long and no longer; there are so many places.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How long the head of a request may take, and how long a connection may wait for one: clients keep
/// theirs for the next request.
const HEAD: Duration = Duration::from_secs(20);
/// Most connections at once.
const MAX_CONNECTIONS: usize = 1_024;
/// Rest after a connection that could not be taken, as when there are no more files.
const REST: Duration = Duration::from_millis(100);

/// Serves until it is dropped, and all connections with it.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    serve_with(listener, router, HEAD).await;
}

async fn serve_with(listener: TcpListener, router: Router, head: Duration) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(stream, router.clone(), head))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(REST).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, router: Router, head: Duration) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small answers may be late");
    }
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection was cut");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_head_that_comes_slowly_is_closed_and_a_request_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/", get(|| async { "here" }));
        let served = tokio::spawn(serve_with(listener, router, Duration::from_millis(200)));
        let mut slow = TcpStream::connect(address).await.expect("a connection");
        slow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-a: ").await.expect("is sent");
        let mut quick = TcpStream::connect(address).await.expect("a connection");
        quick.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("is sent");
        let mut answer = [0; 15];
        quick.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        // A byte from time to time: the end comes all the same, or the test does not.
        let (mut read, mut write) = slow.into_split();
        let drips = tokio::spawn(async move {
            while write.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut rest = Vec::new();
        drop(read.read_to_end(&mut rest).await);
        drips.abort();
        served.abort();
    }
}
