//! The host's own protocol.

use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header::HOST};
use local_proxy::{Announcement, NewService, OBSERVER, Spec, TrafficView};
use serde_json::json;

use crate::world::{Client, WEB, World, fetch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loopback_is_no_authentication() {
    let world = World::new().await;
    let announced = world.announcement();
    let address = &announced.url[7..];
    let port = address.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let good = format!("Bearer {}", announced.token);
    let cases = [
        (address, "", "", StatusCode::UNAUTHORIZED),
        (address, "Bearer x", "", StatusCode::UNAUTHORIZED),
        (address, &good, "origin", StatusCode::FORBIDDEN),
        (address, &good, "sec-fetch-site", StatusCode::FORBIDDEN),
        ("evil.test", &good, "", StatusCode::FORBIDDEN),
        (address, &good, "", StatusCode::OK),
    ];
    for (host, token, header, status) in cases {
        let mut request = Request::get("/v1/services").header(HOST, host);
        request = request.header("authorization", token);
        if !header.is_empty() {
            request = request.header(header, "http://evil.test");
        }
        let request = request.body(Full::default()).expect("a request");
        let heard = Client::connect(port).await.expect("connects").send(request).await;
        assert_eq!(heard.expect("is answered").status, status, "{host} {token} {header}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(world.host_folder().join("host.json")).expect("is there").permissions(),
    );
    assert_eq!(mode & 0o077, 0, "for its owner alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_observes_sees_what_clients_got_and_may_do_nothing_else() {
    let world = World::new().await;
    let port = world.service().await;
    world.ready("r1").await;
    world.shift("r1").await;
    for agent in ["curl/8.1", "kube-probe/1.34", "pact-monitor/0.1"] {
        let request = Request::get("/").header(HOST, "shop.test").header("user-agent", agent);
        let request = request.body(Full::default()).expect("a request");
        let heard = Client::connect(port).await.expect("connects").send(request).await;
        assert_eq!(heard.expect("is answered").status, StatusCode::OK, "{agent}");
    }
    let file = std::fs::read(world.host_folder().join(OBSERVER)).expect("is there");
    let observer: Announcement = serde_json::from_slice(&file).expect("an announcement");
    assert_ne!(observer.token, world.announcement().token);
    let address = &observer.url[7..];
    let control = address.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let ask = async |path: String| {
        let bearer = format!("Bearer {}", observer.token);
        let request = Request::get(path).header(HOST, address).header("authorization", bearer);
        let request = request.body(Full::default()).expect("a request");
        let heard = Client::connect(control).await.expect("connects").send(request).await;
        heard.expect("is answered")
    };
    let seen = ask(format!("/v1/traffic?port={port}")).await;
    assert_eq!(seen.status, StatusCode::OK);
    let seen: TrafficView = serde_json::from_slice(&seen.body).expect("a view");
    assert_eq!(seen.instances["r1"].weight, 100);
    assert_eq!(seen.instances["r1"].answers.len(), 1, "checks are not counted: {seen:?}");
    assert!(seen.instances["r1"].answers[0].is_some(), "it was well");
    let later = ask(format!("/v1/traffic?port={port}&after={}", seen.now)).await;
    let later: TrafficView = serde_json::from_slice(&later.body).expect("a view");
    assert_eq!(later.instances["r1"].answers.len(), 0);
    for (path, status) in [
        ("/v1/traffic?port=1", StatusCode::NOT_FOUND),
        ("/v1/traffic?port=x", StatusCode::BAD_REQUEST),
        ("/v1/services", StatusCode::UNAUTHORIZED),
        ("/v1/services/web", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(ask(path.to_owned()).await.status, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_changes_nothing_and_what_is_wrong_is_refused() {
    let world = World::new().await;
    let port = world.service().await;
    assert_eq!(world.service().await, port);
    world.ready("r1").await;
    let before = world.instance("r1").await;
    world.ready("r1").await;
    world.shift("r1").await;
    world.shift("r1").await;
    let after = world.instance("r1").await;
    assert_eq!(before.map(|i| i.pid), after.map(|i| i.pid));
    let (status, body) = world.put("r1", &world.spec("r1", "other")).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"instance-differs".into()));
    let relative = Spec { folder: "here".into(), ..world.spec("r2", "") };
    let (status, body) = world.put("r2", &relative).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &"invalid".into()));
    for (path, body, code) in [
        ("/v1/services/a%20b", json!({}), "invalid"),
        ("/v1/services/web", json!({ "prot": 1 }), "invalid"),
        ("/v1/services/web", json!({ "port": 0 }), "invalid"),
        ("/v1/services/none/weights", json!({ "weights": { "a": 1 } }), "not-found"),
        ("/v1/services/other", json!({ "port": port }), "port-in-use"),
    ] {
        let (_, answer) = world.ask(Method::PUT, path, &body).await;
        assert_eq!(answer["code"], code, "{path} {body} {answer}");
    }
    // What is gone can be ended again.
    for _ in 0..2 {
        world.end("r1", 0).await;
        world.gone("r1").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_another_program_is_left_alone_and_a_service_can_move() {
    let world = World::new().await;
    let other = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let taken = other.local_addr().expect("an address").port();
    let path = format!("/v1/services/{WEB}");
    world.ask(Method::PUT, &path, &NewService { port: Some(taken) }).await;
    world.ready("r1").await;
    let (status, body) = world.weigh(&[("r1", 1)], None, 0).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"port-in-use".into()));
    drop(other);
    world.shift("r1").await;
    assert!(fetch(taken, "/").await.is_ok());
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let moved = free.local_addr().expect("an address").port();
    drop(free);
    let (status, body) = world.ask(Method::PUT, &path, &NewService { port: Some(moved) }).await;
    assert!(status.is_success(), "{body}");
    assert!(fetch(moved, "/").await.is_ok());
    // The old address goes as soon as its listener is dropped.
    let gone = async {
        while fetch(taken, "/").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let gone = tokio::time::timeout(std::time::Duration::from_secs(10), gone).await;
    assert!(gone.is_ok(), "the old address is still there");
}
