//! Releases that are ill cost no request.

use hyper::StatusCode;
use local_proxy::{FailureKind, Phase, Probe, Spec};

use crate::{
    traffic::Traffic,
    world::{World, fetch, until},
};

fn probed(spec: Spec) -> Spec {
    let probe = Probe { path: "/".to_owned(), status: 200, contains: None, give_up_after: 3 };
    Spec { probes: vec![probe], ..spec }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_becomes_ready_gets_no_request() {
    let world = World::new().await;
    let port = world.service().await;
    world.ready("good").await;
    world.shift("good").await;
    let traffic = Traffic::start(port);
    let missing = Spec { command: vec!["./nothing".to_owned()], ..world.spec("missing", "") };
    let deaf = Spec { startup_ms: 300, ..world.spec("deaf", "deaf") };
    let cases = [
        ("missing", missing, FailureKind::NotStarted),
        ("exits", world.spec("exits", "exits"), FailureKind::Exited),
        ("dies", Spec { settle_ms: 2_000, ..world.spec("dies", "dies:100") }, FailureKind::Exited),
        ("deaf", deaf, FailureKind::NotListening),
        ("ill", probed(world.spec("ill", "ill")), FailureKind::ProbeFailed),
    ];
    for (id, spec, kind) in cases {
        let instance = world.begin(id, &spec).await;
        assert_eq!(instance.phase, Phase::Failed, "{id}");
        let failure = instance.failure.expect("a reason");
        assert_eq!(failure.kind, kind, "{id}: {}", failure.message);
        let (status, body) = world.weigh(&[(id, 1)], None, 0).await;
        assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"instance-not-ready".into()));
        assert_eq!(instance.restarts, 0, "what was never ready is not started again");
        world.end(id, 0).await;
        world.gone(id).await;
    }
    let log = std::fs::read_to_string(world.folder.path().join("exits.log")).expect("a log");
    assert_eq!(log, "no database\n");
    // One that needs its time gets it.
    let slow = world.begin("slow", &probed(world.spec("slow", "slow:600"))).await;
    assert_eq!(slow.phase, Phase::Ready);
    world.shift("slow").await;
    let tally = traffic.stop().await;
    assert_eq!(tally.failed, Vec::<String>::new());
    assert!(tally.answers.iter().all(|by| by != "ill" && by != "dies"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dies_is_started_again_and_the_warm_one_answers_meanwhile_and_says_so() {
    let world = World::new().await;
    let port = world.service().await;
    world.ready("warm").await;
    world.shift("warm").await;
    // A connection that is upgraded to it would be cut: only ordinary requests are sent here.
    let dies = world.begin("dies", &world.spec("dies", "dies:400")).await;
    assert_eq!(dies.phase, Phase::Ready);
    world.shift("dies").await;
    let mut marked = 0;
    while world.instance("dies").await.expect("is there").restarts < 2 {
        for _ in 0..10 {
            let heard = fetch(port, "/").await.expect("is answered");
            assert_eq!(heard.status, StatusCode::OK, "{heard:?}");
            let status = heard.headers.get("proxy-status").map(|v| v.to_str().expect("text"));
            match &heard.body[..] {
                b"dies" => assert_eq!(status, None),
                b"warm" => {
                    let status = status.expect("it is not its turn");
                    assert!(status.starts_with("local-proxy; error="), "{status}");
                    assert!(status.ends_with("details=\"dies did not answer\""), "{status}");
                    marked += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(marked > 0, "it was never away");
    let dies = world.instance("dies").await.expect("is there");
    assert_eq!(dies.last_end.expect("it ended").how, "exit code 7");
    assert!(dies.missed > 0);
    // Back at once, without a start.
    world.shift("warm").await;
    let heard = fetch(port, "/").await.expect("is answered");
    assert!(&heard.body[..] == b"warm" && !heard.headers.contains_key("proxy-status"));
    // Without a warm one, those who ask are told so.
    world.end("dies", 0).await;
    world.gone("dies").await;
    let pid = world.instance("warm").await.and_then(|i| i.pid).expect("it runs");
    kill(pid);
    until("the answer that nobody serves", || async {
        let heard = fetch(port, "/").await.ok()?;
        (heard.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    until("its return", || async {
        let heard = fetch(port, "/").await.ok()?;
        (heard.status == StatusCode::OK).then_some(())
    })
    .await;
    assert_ne!(world.instance("warm").await.and_then(|i| i.pid), Some(pid));
}

pub(crate) fn kill(pid: u32) {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    kill(Pid::from_raw(i32::try_from(pid).expect("a process")), Signal::SIGKILL)
        .expect("is killed");
}
