//! The target `directory`: a service behind the reverse proxy.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use local_proxy::{ANNOUNCEMENT, Announcement, Host, NewService, Options, Spec, Weights};
use pact_agent::bundle::{EntryKind, Packer};
use pact_contract::{settings::Environment, shift::WHOLE};
use pact_deploy_agent::Config;
use serde_json::{Value, json};

use crate::{
    OVERHEAD, Table,
    load::Load,
    service::BEHAVIOUR,
    world::{World, environment, strategies_under_load},
};

/// How long an ill release is looked at.
const WATCHED: Duration = Duration::from_secs(20);

pub(crate) async fn measure(table: &mut Table, count: usize) {
    table.heading("directory, a service behind the reverse proxy");
    by_hand(table, count).await;
    let folder = tempfile::tempdir().unwrap();
    let (root, proxy) = (folder.path().join("root"), folder.path().join("proxy"));
    std::fs::create_dir_all(&root).unwrap();
    let host = Host::start(&proxy, Options::default()).await.unwrap();
    let config = Config { root: Some(root), proxy: Some(proxy.join(ANNOUNCEMENT)), roles: None };
    let world = World::new(config, None, pack);
    let own = proxied(table, count, host.announcement(), folder.path()).await;
    let times = strategies_under_load(table, count, &world, &settings("well")).await;
    let agent = table.times("a deployment at once", times, None);
    let over = agent.saturating_sub(own);
    table.row("beyond the proxy's own time", &format!("{over:.0?}"), over < OVERHEAD);
    ill(table, &world).await;
    drop(host);
    pact_processes::stop(|| {
        pact_processes::marked("LOCAL_PROXY_HOST", &proxy.canonicalize().unwrap().to_string_lossy())
    })
    .unwrap();
}

fn pack(packer: &mut Packer, release: &str, _: &str) {
    packer.add("README.md", EntryKind::File, release.as_bytes()).unwrap();
}

/// This program as a service.
fn settings(behaviour: &str) -> Environment {
    let service = json!({
        "command": [std::env::current_exe().unwrap()],
        "env": { BEHAVIOUR: behaviour },
        "startup_seconds": 3,
    });
    environment("directory", json!({ "service": service, "keep": 2 }))
}

/// The old one is stopped and the new one is started, as somebody does it by hand: what that costs.
async fn by_hand(table: &mut Table, count: usize) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = || {
        let program = std::env::current_exe().unwrap();
        let env = [(BEHAVIOUR, "well".to_owned()), ("PORT", port.to_string())];
        Command::new(program).envs(env).spawn().unwrap()
    };
    let end = |mut child: Child| {
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let mut running = start();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let load = Load::on(&format!("http://127.0.0.1:{port}"));
    for _ in 0..count {
        tokio::time::sleep(Duration::from_millis(500)).await;
        end(running);
        running = start();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let answers = load.end().await;
    end(running);
    table.row(&format!("{count} swaps by hand, to compare with"), &answers.text(), true);
}

/// The proxy alone: an instance is started, ready, and has all requests.
async fn proxied(table: &mut Table, count: usize, host: &Announcement, folder: &Path) -> Duration {
    let client = reqwest::Client::new();
    let ask = async |method: &str, rest: &str, body: Value| -> Value {
        let request = client
            .request(method.parse().unwrap(), format!("{}/v1/services/bench{rest}", host.url))
            .bearer_auth(&host.token)
            .json(&body);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{method} {rest}: {}", answer.status());
        answer.json().await.unwrap_or_default()
    };
    ask("PUT", "", json!(NewService::default())).await;
    let mut times = Vec::new();
    for number in 0..count {
        let id = format!("i{number}");
        let spec = Spec {
            command: vec![std::env::current_exe().unwrap().display().to_string()],
            folder: folder.to_owned(),
            env: [(BEHAVIOUR.to_owned(), "well".to_owned())].into(),
            data: Vec::new(),
            port_variable: "PORT".to_owned(),
            log: folder.join("bench.log"),
            startup_ms: 3_000,
            probe_ms: 5_000,
            // As the agent asks for it: who ends at once is no release.
            settle_ms: 500,
            probes: vec![local_proxy::Probe {
                path: "/health".to_owned(),
                status: 200,
                contains: None,
                give_up_after: 5,
            }],
            labels: [].into(),
        };
        let begun = Instant::now();
        ask("PUT", &format!("/instances/{id}"), json!(spec)).await;
        while ask("GET", "", Value::Null).await["instances"][&id]["phase"] != "ready" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let weights =
            Weights { weights: [(id.clone(), WHOLE)].into(), keep_ms: Some(0), drain_ms: 0 };
        ask("PUT", "/weights", json!(weights)).await;
        times.push(begun.elapsed());
    }
    ask("DELETE", "", json!({})).await;
    table.times("the proxy's own time for one, to compare with", times, None)
}

/// Ill releases in production: none of them costs a request.
async fn ill(table: &mut Table, world: &World) {
    let well = settings("well");
    let (_, url) = world.deploy("well", &well).await;
    let cases = [
        ("exits", "never starts"),
        ("deaf", "never listens"),
        ("dies:1", "dies after 1 s"),
        ("dies:5", "dies after 5 s"),
        ("dies:15", "dies after 15 s"),
        ("ill", "answers 500"),
    ];
    for (behaviour, what) in cases {
        let (ill, release) = (settings(behaviour), behaviour.replace(':', "-"));
        let load = Load::on(&url);
        let done = world.step(&release, behaviour, &ill, WHOLE).await;
        let mut became = "refused".to_owned();
        if done.passed {
            let begun = Instant::now();
            while begun.elapsed() < WATCHED && world.status(&release, &ill).await.passed {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            let back = world.roll_back(&release, &ill).await;
            assert!(back.passed, "{}", back.summary);
            became = format!("taken back after {:.0?}", begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.end(&release).await;
        let (answers, serves) = (load.end().await, world.status("well", &well).await.passed);
        let text = format!("{}; {became}", answers.text());
        table.row(&format!("one that {what}"), &text, answers.failed == 0 && serves);
    }
}
