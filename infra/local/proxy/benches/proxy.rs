//! What the proxy costs and keeps: the time that it adds to a request, how exactly it shares, how long
//! a shift takes, and what is lost to twenty of them.
//!
//! `cargo bench -p local-proxy`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for developers, which says what it measured"
)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use local_proxy::{Announcement, Host, NewService, Options, Phase, ServiceView, Spec, Weights};
use tokio::net::{TcpListener, TcpStream};

const REQUESTS: usize = 10_000;
const SHIFTS: usize = 20;
const INSTANCES: [&str; 3] = ["a", "b", "c"];

/// Says to this program that it is an instance, and which one.
const VERSION: &str = "BENCH_VERSION";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match std::env::var(VERSION) {
        Ok(version) => runtime.block_on(serve(version)),
        Err(_) => runtime.block_on(measure()),
    }
}

async fn serve(version: String) {
    let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let version = Bytes::from(version.clone());
        let answer = move |_: Request<Incoming>| {
            let version = version.clone();
            async move { Ok::<_, Infallible>(Response::new(Full::new(version))) }
        };
        let connection = http1::Builder::new();
        let connection = connection.serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(async move { connection.await.unwrap_or_default() });
    }
}

type Client = SendRequest<Full<Bytes>>;

async fn connect(port: u16) -> Client {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    sender
}

async fn get(client: &mut Client) -> (bool, Bytes) {
    let request = Request::get("/").header(HOST, "bench.test").body(Full::default()).unwrap();
    client.ready().await.unwrap();
    let answer = client.send_request(request).await.unwrap();
    let good = answer.status().is_success();
    (good, answer.into_body().collect().await.unwrap().to_bytes())
}

/// Asks the host for something about the service.
async fn ask(host: &Announcement, method: Method, rest: &str, body: Vec<u8>) -> ServiceView {
    let address = host.url.strip_prefix("http://").unwrap();
    let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let request = Request::builder()
        .method(method)
        .uri(format!("/v1/services/bench{rest}"))
        .header(HOST, address)
        .header(AUTHORIZATION, format!("Bearer {}", host.token))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .unwrap();
    let answer = connect(port).await.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or_else(|_| panic_with(&body))
}

#[expect(clippy::panic, reason = "a measurement that cannot be made")]
fn panic_with(body: &[u8]) -> ServiceView {
    panic!("{}", String::from_utf8_lossy(body))
}

async fn weigh(host: &Announcement, weights: &[(&str, u32)]) {
    let weights = weights.iter().map(|(id, weight)| ((*id).to_owned(), *weight)).collect();
    let wanted = Weights { weights, keep_ms: None, drain_ms: 0 };
    ask(host, Method::PUT, "/weights", serde_json::to_vec(&wanted).unwrap()).await;
}

async fn start(host: &Announcement, folder: &std::path::Path) -> ServiceView {
    let new = serde_json::to_vec(&NewService::default()).unwrap();
    ask(host, Method::PUT, "", new).await;
    for id in INSTANCES {
        let spec = Spec {
            command: vec![std::env::current_exe().unwrap().display().to_string()],
            folder: folder.to_owned(),
            env: BTreeMap::from([(VERSION.to_owned(), id.to_owned())]),
            port_variable: "PORT".to_owned(),
            data: Vec::new(),
            log: folder.join(format!("{id}.log")),
            startup_ms: 10_000,
            probe_ms: 10_000,
            settle_ms: 0,
            probes: Vec::new(),
            labels: BTreeMap::new(),
        };
        let path = format!("/instances/{id}");
        ask(host, Method::PUT, &path, serde_json::to_vec(&spec).unwrap()).await;
    }
    loop {
        let view = ask(host, Method::GET, "", Vec::new()).await;
        if view.instances.values().all(|instance| instance.phase == Phase::Ready) {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Times of requests one after the other, in microseconds: median and 99th percentile.
async fn times(port: u16) -> (u128, u128) {
    let mut client = connect(port).await;
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        get(&mut client).await;
        times.push(begun.elapsed().as_micros());
    }
    times.sort_unstable();
    (times[REQUESTS / 2], times[REQUESTS * 99 / 100])
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(&folder.path().join("host"), Options::default()).await.unwrap();
    let announced = host.announcement().clone();
    let view = start(&announced, folder.path()).await;

    weigh(&announced, &[("a", 100)]).await;
    let (direct, direct_p99) = times(view.instances["a"].port.unwrap()).await;
    let (proxied, proxied_p99) = times(view.port).await;
    println!("request, direct      median {direct} µs, 99 % {direct_p99} µs");
    println!("request, by proxy    median {proxied} µs, 99 % {proxied_p99} µs");

    let weights = [("a", 5), ("b", 35), ("c", 60)];
    weigh(&announced, &weights).await;
    let mut shares = BTreeMap::<Bytes, usize>::new();
    let mut client = connect(view.port).await;
    for _ in 0..REQUESTS {
        *shares.entry(get(&mut client).await.1).or_default() += 1;
    }
    let worst = weights.iter().map(|(id, weight)| {
        let got = shares.get(id.as_bytes()).copied().unwrap_or(0) as f64 / REQUESTS as f64;
        (got * 100.0 - f64::from(*weight)).abs()
    });
    println!("shares of {REQUESTS}     at most {:.3} points off", worst.fold(0.0, f64::max));

    let (over, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asks = tokio::spawn({
        let (over, failed, port) = (Arc::clone(&over), Arc::clone(&failed), view.port);
        async move {
            let (mut kept, mut asked) = (connect(port).await, 0);
            while !over.load(Ordering::SeqCst) {
                let (by_kept, by_new) = (get(&mut kept).await, get(&mut connect(port).await).await);
                failed
                    .fetch_add(usize::from(!by_kept.0) + usize::from(!by_new.0), Ordering::SeqCst);
                asked += 2;
            }
            asked
        }
    });
    let mut slowest = Duration::ZERO;
    for turn in 0..SHIFTS {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        weigh(&announced, &[(INSTANCES[turn % INSTANCES.len()], 100)]).await;
        slowest = slowest.max(begun.elapsed());
    }
    over.store(true, Ordering::SeqCst);
    let asked: usize = asks.await.unwrap();
    let failed = failed.load(Ordering::SeqCst);
    println!(
        "{SHIFTS} shifts            the slowest {slowest:?}; {failed} of {asked} requests failed"
    );

    let request = Request::delete("/v1/services/bench");
    let request = request
        .header(HOST, "127.0.0.1")
        .header(AUTHORIZATION, format!("Bearer {}", announced.token))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from("{}"))
        .unwrap();
    let port = announced.url.rsplit_once(':').unwrap().1.parse().unwrap();
    connect(port).await.send_request(request).await.unwrap();
}
