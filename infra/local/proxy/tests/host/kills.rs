//! A host that is killed is followed by another, which finds everything.

use hyper::{Method, StatusCode};
use local_proxy::Phase;
use pact_processes::marked;
use serde_json::Value;

use crate::world::{WEB, World, fetch, until};

fn processes(world: &World) -> usize {
    marked("LOCAL_PROXY_HOST", &world.host_folder().to_string_lossy()).len()
}

async fn serves(port: u16, version: &str) {
    until("the service", || async {
        let heard = fetch(port, "/").await.ok()?;
        (&heard.body[..] == version.as_bytes()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_host_takes_over_what_runs() {
    let mut world = World::new().await;
    let port = world.service().await;
    for id in ["old", "new"] {
        world.ready(id).await;
    }
    world.shift("old").await;
    world.shift("new").await;
    let slow = world.spec("slow", "slow:1500");
    world.put("slow", &slow).await;
    let before = (world.announcement(), world.view().await);
    world.kill().await;
    assert!(processes(&world) >= 2, "services go on");
    world.start().await;
    serves(port, "new").await;
    assert_eq!(world.announcement().token, before.0.token);
    assert_eq!(world.announcement().url, before.0.url, "the address stays the same");
    for id in ["old", "new"] {
        until("it is ready", || async {
            let now = world.instance(id).await?;
            (now.phase == Phase::Ready).then_some(())
        })
        .await;
        let now = world.instance(id).await.expect("is there");
        assert_eq!(now.pid, before.1.instances[id].pid, "{id} is the same process");
        assert_eq!(now.restarts, 0);
    }
    // What was being started is too, once.
    until("the slow one", || async {
        (world.instance("slow").await?.phase == Phase::Ready).then_some(())
    })
    .await;
    assert_eq!(processes(&world), 3);

    // Whoever died while nobody looked is started again.
    world.kill().await;
    let pid = before.1.instances["new"].pid.expect("a process");
    crate::faults::kill(pid);
    world.start().await;
    serves(port, "new").await;
    let now = until("its return", || async {
        world.instance("new").await.filter(|i| i.phase == Phase::Ready)
    })
    .await;
    assert_ne!(now.pid, Some(pid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_noted_is_known_by_its_marks_and_what_nobody_knows_is_ended() {
    let mut world = World::new().await;
    let port = world.service().await;
    world.ready("r1").await;
    world.shift("r1").await;
    let pid = world.instance("r1").await.and_then(|i| i.pid);
    world.kill().await;
    // As if it had been killed between the start and the note.
    let file = world.host_folder().join("state.json");
    let change = |change: &dyn Fn(&mut Value)| {
        let text = std::fs::read_to_string(&file).expect("a state");
        let mut state: Value = serde_json::from_str(&text).expect("json");
        change(&mut state);
        std::fs::write(&file, state.to_string()).expect("writes");
    };
    let instance = format!("/services/{WEB}/instances/r1");
    change(&|state| {
        let instance = state.pointer_mut(&instance).expect("is there");
        instance["process"] = Value::Null;
        instance["phase"] = "starting".into();
    });
    world.start().await;
    serves(port, "r1").await;
    assert_eq!(world.instance("r1").await.and_then(|i| i.pid), pid, "it was not started twice");
    assert_eq!(processes(&world), 1);

    world.kill().await;
    // As if it had been killed while it ended it.
    change(&|state| state.pointer_mut(&instance).expect("is there")["phase"] = "ending".into());
    world.start().await;
    world.gone("r1").await;
    assert_eq!(processes(&world), 0);

    world.ready("r2").await;
    world.kill().await;
    std::fs::write(&file, "damaged").expect("writes");
    world.start().await;
    assert_eq!(processes(&world), 0, "nobody knows it");
    assert_eq!(world.service().await, port, "the address stays the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_of_a_copied_folder_touches_nothing_of_the_first() {
    let first = World::new().await;
    first.service().await;
    first.ready("r1").await;
    first.shift("r1").await;
    let before = first.instance("r1").await.expect("is there");
    let mut second = World::new().await;
    second.kill().await;
    let copy = second.host_folder();
    for entry in first.host_folder().read_dir().expect("a folder").flatten() {
        std::fs::copy(entry.path(), copy.join(entry.file_name())).expect("a copy");
    }
    assert!(local_proxy::Announcement::read(&copy).expect("reads").is_none());
    second.start().await;
    assert_ne!(second.announcement().token, first.announcement().token);
    let (status, _) = second.ask(Method::GET, "/v1/services/web", &serde_json::Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    drop(second);
    assert_eq!(first.instance("r1").await.expect("is there").pid, before.pid);
    assert_eq!(
        fetch(first.view().await.port, "/").await.expect("is answered").status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_host_ends_at_once_and_a_shutdown_ends_everything() {
    let mut world = World::new().await;
    let port = world.service().await;
    world.ready("r1").await;
    world.shift("r1").await;
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_local-proxy-host"))
        .arg(world.host_folder())
        .status()
        .expect("starts");
    assert!(second.success());
    assert!(fetch(port, "/").await.is_ok());
    let stop = local_proxy::Shutdown { stop: true };
    let (status, body) = world.ask(hyper::Method::POST, "/v1/shutdown", &stop).await;
    assert!(status.is_success(), "{body}");
    assert!(world.ended().await);
    assert_eq!(processes(&world), 0);
    assert!(fetch(port, "/").await.is_err());
    assert!(!world.host_folder().join(local_proxy::ANNOUNCEMENT).exists());
}
