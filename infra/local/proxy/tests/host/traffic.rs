//! Requests while instances come and go.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    header::{CONNECTION, HOST, UPGRADE},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
    time::MissedTickBehavior,
};

use crate::world::{Client, World, fetch, get};

/// Clients that ask all along: at 50 a second by connections of their own, by one that is kept, with
/// answers that take a second, and by one that was upgraded.
pub(crate) struct Traffic {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

/// What the clients got.
pub(crate) struct Tally {
    /// Who answered.
    pub(crate) answers: Vec<String>,
    /// What went wrong.
    pub(crate) failed: Vec<String>,
}

impl Traffic {
    pub(crate) fn start(port: u16) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let clients = vec![
            tokio::spawn(steady(port, Arc::clone(&over))),
            tokio::spawn(kept(port, Arc::clone(&over))),
            tokio::spawn(slow(port, Arc::clone(&over))),
            tokio::spawn(upgraded(port, Arc::clone(&over))),
        ];
        Self { over, clients }
    }

    pub(crate) async fn stop(self) -> Tally {
        self.over.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.await.expect("a client"));
        }
        let (failed, answers) = all.into_iter().partition(|said| said.starts_with("failed"));
        Tally { answers, failed }
    }
}

fn said(heard: Result<crate::world::Heard, String>) -> String {
    match heard {
        Ok(heard) if heard.status == StatusCode::OK => {
            String::from_utf8_lossy(&heard.body).into_owned()
        }
        Ok(heard) => format!("failed: {heard:?}"),
        Err(error) => format!("failed: {error}"),
    }
}

async fn steady(port: u16, over: Arc<AtomicBool>) -> Vec<String> {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = Vec::new();
    while !over.load(Ordering::SeqCst) {
        ticks.tick().await;
        asked.push(tokio::spawn(async move { said(fetch(port, "/").await) }));
    }
    join(asked).await
}

async fn slow(port: u16, over: Arc<AtomicBool>) -> Vec<String> {
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let mut asked = Vec::new();
    while !over.load(Ordering::SeqCst) {
        ticks.tick().await;
        asked.push(tokio::spawn(async move { said(fetch(port, "/slow").await) }));
    }
    join(asked).await
}

async fn join(asked: Vec<JoinHandle<String>>) -> Vec<String> {
    let mut all = Vec::new();
    for one in asked {
        all.push(one.await.expect("is answered"));
    }
    all
}

async fn kept(port: u16, over: Arc<AtomicBool>) -> Vec<String> {
    let mut client = Client::connect(port).await.expect("connects");
    let mut all = Vec::new();
    while !over.load(Ordering::SeqCst) {
        all.push(said(client.get("/").await));
        let body = Request::post("/echo").header(HOST, "web.test").body(Full::from("kept"));
        all.push(said(client.send(body.expect("a request")).await));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    all
}

async fn upgraded(port: u16, over: Arc<AtomicBool>) -> Vec<String> {
    let mut stream = upgrade(port).await;
    let mut all = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let echoed = async {
            stream.write_all(b"ping").await?;
            let mut back = [0; 4];
            stream.read_exact(&mut back).await?;
            Ok::<_, std::io::Error>(back)
        };
        all.push(match echoed.await {
            Ok(back) if back == *b"ping" => "upgraded".to_owned(),
            other => format!("failed: {other:?}"),
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    all
}

async fn upgrade(port: u16) -> TokioIo<hyper::upgrade::Upgraded> {
    let mut request: Request<Full<Bytes>> = get("/upgrade");
    request.headers_mut().insert(CONNECTION, "Upgrade".parse().expect("a value"));
    request.headers_mut().insert(UPGRADE, "echo".parse().expect("a value"));
    let mut client = Client::connect(port).await.expect("connects");
    let response = client.respond(request).await.expect("is answered");
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()[UPGRADE], "echo");
    TokioIo::new(hyper::upgrade::on(response).await.expect("is upgraded"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_to_a_shift() {
    let world = World::new().await;
    let port = world.service().await;
    world.ready("r0").await;
    world.shift("r0").await;
    let traffic = Traffic::start(port);
    let releases = ["r1", "r2", "r3", "r4"];
    let mut before = "r0";
    for release in releases {
        world.ready(release).await;
        // Step by step, and then all.
        let (status, body) = world.weigh(&[(release, 10), (before, 90)], None, 0).await;
        assert!(status.is_success(), "{body}");
        world.shift(release).await;
        // Everything that follows is the new one's.
        assert_eq!(&fetch(port, "/").await.expect("is answered").body[..], release.as_bytes());
        // The upgraded connection is on the first one, which is kept for it.
        if before != "r0" {
            world.end(before, 30_000).await;
            world.gone(before).await;
        }
        before = release;
    }
    let tally = traffic.stop().await;
    assert_eq!(tally.failed, Vec::<String>::new());
    for release in releases.iter().chain(&["upgraded", "kept"]) {
        assert!(tally.answers.iter().any(|by| by == release), "{release} answered nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_are_kept() {
    let world = World::new().await;
    let port = world.service().await;
    for id in ["a", "b", "c"] {
        world.ready(id).await;
    }
    let (status, body) = world.weigh(&[("a", 5), ("b", 35), ("c", 60)], None, 0).await;
    assert!(status.is_success(), "{body}");
    let mut client = Client::connect(port).await.expect("connects");
    let mut shares = BTreeMap::<String, usize>::new();
    for _ in 0..1_000 {
        let heard = client.get("/").await.expect("is answered");
        *shares.entry(String::from_utf8_lossy(&heard.body).into_owned()).or_default() += 1;
    }
    let shares: Vec<_> = shares.into_iter().collect();
    assert_eq!(shares, [("a".into(), 50), ("b".into(), 350), ("c".into(), 600)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_drained_before_it_ends_but_not_for_ever() {
    let world = World::new().await;
    let port = world.service().await;
    for id in ["old", "new"] {
        world.ready(id).await;
    }
    world.shift("old").await;
    let slow = tokio::spawn(async move { fetch(port, "/slow").await });
    let in_flight = || async { world.instance("old").await.filter(|i| i.in_flight == 1) };
    crate::world::until("the request", in_flight).await;
    // Kept for no time at all, and drained.
    let (status, body) = world.weigh(&[("new", 1)], Some(0), 30_000).await;
    assert!(status.is_success(), "{body}");
    assert_eq!(&slow.await.expect("ends").expect("is answered").body[..], b"old");
    world.gone("old").await;

    let never = tokio::spawn(async move { fetch(port, "/never").await });
    let in_flight = || async { world.instance("new").await.filter(|i| i.in_flight == 1) };
    crate::world::until("the request", in_flight).await;
    world.end("new", 50).await;
    world.gone("new").await;
    let heard = never.await.expect("ends").expect("is answered");
    assert_eq!(heard.status, StatusCode::BAD_GATEWAY);
    let none = fetch(port, "/").await.expect("is answered");
    assert_eq!(none.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(none.headers["content-type"], "application/problem+json");
    assert!(none.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_a_connection_stay_on_it_and_bodies_stream() {
    let world = World::new().await;
    let port = world.service().await;
    world.ready("r1").await;
    world.shift("r1").await;
    let mut client = Client::connect(port).await.expect("connects");
    let request = Request::get("/headers?q=1")
        .header(HOST, "shop.test")
        .header(CONNECTION, "close, x-private")
        .header("x-private", "mine")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers, deflate")
        .header("proxy-authorization", "Basic eA==")
        .header("x-forwarded-for", "198.51.100.7")
        .body(Full::default());
    let heard = client.send(request.expect("a request")).await.expect("is answered");
    assert!(!heard.headers.contains_key("keep-alive"), "{:?}", heard.headers);
    let text = String::from_utf8_lossy(&heard.body).into_owned();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "host: shop.test",
            "te: trailers",
            "via: 1.1 local-proxy",
            "x-forwarded-for: 198.51.100.7, 127.0.0.1",
            "x-forwarded-host: shop.test",
            "x-forwarded-proto: http",
        ]
    );
    // Two megabytes there and back.
    let large = vec![7_u8; 2 * 1024 * 1024];
    let request = Request::post("/echo").header(HOST, "shop.test").body(Full::from(large.clone()));
    let mut client = Client::connect(port).await.expect("connects");
    let heard = client.send(request.expect("a request")).await.expect("is answered");
    assert!(heard.body == large);
    // A head beyond every bound is refused, and nothing else is touched.
    let mut request = get("/");
    request.headers_mut().insert("x-large", "x".repeat(100_000).parse().expect("a value"));
    let refused = client.send(request).await.expect("is answered");
    assert_eq!(refused.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(fetch(port, "/").await.expect("is answered").status, StatusCode::OK);
}
