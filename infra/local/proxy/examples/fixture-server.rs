//! A service for the tests of the host: `MODE` is what is wrong with it, `VERSION` what it answers.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a fixture of tests")]

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (mode, version) = (variable("MODE"), variable("VERSION"));
    let (mode, number) = mode.split_once(':').unwrap_or((&mode, "0"));
    let time = Duration::from_millis(number.parse().unwrap());
    match mode {
        "exits" => {
            eprintln!("no database");
            std::process::exit(3);
        }
        "deaf" => return std::future::pending().await,
        "slow" => tokio::time::sleep(time).await,
        "dies" => {
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                std::process::exit(7);
            });
        }
        _ => {}
    }
    let ill = mode == "ill";
    let port: u16 = variable("PORT").parse().unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let version = version.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &version, ill));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            connection.with_upgrades().await.unwrap_or_default();
        });
    }
}

fn text(text: String) -> BoxBody<Bytes, hyper::Error> {
    Full::from(text).map_err(|never| match never {}).boxed()
}

async fn answer(
    mut request: Request<Incoming>,
    version: &str,
    ill: bool,
) -> Result<Answer, Infallible> {
    let mut answer = match request.uri().path() {
        _ if ill => {
            let mut answer = Response::new(text("ill".to_owned()));
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            answer
        }
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Response::new(text(version.to_owned()))
        }
        "/never" => std::future::pending().await,
        "/headers" => {
            let lines = request.headers().iter();
            let lines = lines.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
            Response::new(text(lines.collect()))
        }
        "/upgrade" => {
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
                tokio::io::copy(&mut read, &mut write).await.unwrap_or_default();
            });
            let mut answer = Response::new(text(String::new()));
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            answer.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
            answer.headers_mut().insert(header::UPGRADE, "echo".parse().unwrap());
            answer
        }
        "/echo" => Response::new(request.into_body().boxed()),
        _ => Response::new(text(version.to_owned())),
    };
    answer.headers_mut().insert("x-version", version.parse().unwrap());
    answer.headers_mut().insert("keep-alive", "timeout=60".parse().unwrap());
    Ok(answer)
}
