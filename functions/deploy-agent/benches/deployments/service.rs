//! This program as a service: it answers with the name of its release, and is as ill as it is told.

use std::{convert::Infallible, process::ExitCode, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Says to this program that it is a service, and how it behaves: `well`, `exits`, `deaf`, `dies:S`, `ill`.
pub(crate) const BEHAVIOUR: &str = "BENCH_SERVICE";
/// The path whose answer takes long.
pub(crate) const SLOW: &str = "/slow";
/// How long.
pub(crate) const LONG: Duration = Duration::from_secs(1);

pub(crate) fn serve(behaviour: &str) -> ExitCode {
    if behaviour == "exits" {
        return ExitCode::FAILURE;
    }
    if behaviour == "deaf" {
        std::thread::sleep(Duration::from_secs(600));
    }
    if let Some(seconds) = behaviour.strip_prefix("dies:") {
        let seconds = Duration::from_secs(seconds.parse().unwrap());
        std::thread::spawn(move || {
            std::thread::sleep(seconds);
            std::process::exit(7);
        });
    }
    let status =
        if behaviour == "ill" { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(answer(status))
}

async fn answer(status: StatusCode) -> ExitCode {
    let release = Bytes::from(std::env::var("PACT_RELEASE").unwrap_or_default());
    let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let release = release.clone();
        let answer = move |request: Request<Incoming>| {
            let release = release.clone();
            async move {
                if request.uri().path() == SLOW {
                    tokio::time::sleep(LONG).await;
                }
                let mut answer = Response::new(Full::new(release));
                *answer.status_mut() = status;
                Ok::<_, Infallible>(answer)
            }
        };
        let connection = http1::Builder::new();
        let connection = connection.serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(async move { connection.await.unwrap_or_default() });
    }
}
