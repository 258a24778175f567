//! What an instance may see.

use local_proxy::{Phase, Spec};

use crate::world::World;

/// Whatever of the secret it comes by is in `seen`, a line for each way; `done` when all were tried.
const TRIES: &str = r#"
try() { "$@" 2>/dev/null | head -c 10000 >> seen; echo >> seen; }
try cat "$SECRET"
try cat "/proc/$PPID/root$SECRET"
try cat "/proc/$PPID/cwd$SECRET"
try cat "/proc/$PPID/environ"
umount "$HIDDEN" 2>/dev/null; try cat "$SECRET"
umount -l "$HIDDEN" 2>/dev/null; try cat "$SECRET"
try unshare --user --map-root-user --mount sh -c 'umount -l "$HIDDEN"; cat "$SECRET"'
try unshare --mount sh -c 'umount -l "$HIDDEN"; cat "$SECRET"'
try nsenter --target "$PPID" --mount --user cat "$SECRET"
echo new > "$HIDDEN/planted" 2>/dev/null
echo kept > "$DATA/kept" || echo "cannot write its data" >> seen
cat "$DATA/known" >> seen
ls "$HIDDEN" > listed
touch done
exec "$SERVER"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hidden_from_an_instance_it_comes_by_in_no_way() {
    let world = World::new().await;
    world.service().await;
    let (root, hidden) =
        (world.folder.path().canonicalize().expect("is there"), world.host_folder());
    let own = root.join("own");
    let data = hidden.join("deployed/data");
    std::fs::create_dir_all(&own).expect("a folder");
    std::fs::create_dir_all(&data).expect("a folder");
    std::fs::write(hidden.join("secret"), "swordfish").expect("a secret");
    std::fs::write(data.join("known"), "its own").expect("a file");
    let mut spec =
        Spec { folder: own.clone(), data: vec![data.clone()], ..world.spec("r1", "good") };
    let server =
        std::mem::replace(&mut spec.command, ["sh", "-c", TRIES].map(str::to_owned).to_vec());
    let path = std::env::var("PATH").unwrap_or_default();
    for (name, value) in [
        ("PATH", path),
        ("SERVER", server[0].clone()),
        ("HIDDEN", hidden.display().to_string()),
        ("SECRET", hidden.join("secret").display().to_string()),
        ("DATA", data.display().to_string()),
    ] {
        spec.env.insert(name.to_owned(), value);
    }
    let instance = world.begin("r1", &spec).await;
    assert_eq!(instance.phase, Phase::Ready, "{instance:?}");
    let log = std::fs::read_to_string(&spec.log).expect("a log");
    if log.contains("cannot be hidden") {
        eprintln!("skipped: {log}");
        return;
    }
    let read = |name: &str| std::fs::read_to_string(own.join(name)).expect("is there");
    let seen = read("seen");
    assert!(own.join("done").exists() && !seen.contains("swordfish"), "{seen}");
    assert!(seen.contains("its own") && !seen.contains("cannot write"), "{seen}");
    assert_eq!(std::fs::read_to_string(data.join("kept")).expect("is there"), "kept\n");
    assert!(!hidden.join("planted").exists());
    assert_eq!(read("listed"), "deployed\n", "nothing else is to be seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_program_does_not_begin_is_told() {
    let world = World::new().await;
    world.service().await;
    let missing = Spec { command: vec!["./nothing".to_owned()], ..world.spec("r1", "") };
    let instance = world.begin("r1", &missing).await;
    let failure = instance.failure.expect("it failed");
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (
            local_proxy::FailureKind::NotStarted,
            "the program cannot be started: No such file or directory (os error 2)"
        )
    );
}
