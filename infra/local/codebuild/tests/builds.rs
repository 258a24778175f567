//! Builds as a caller of CodeBuild sees them, with real processes.
#![expect(clippy::expect_used, reason = "everything here is a test, its helper functions too")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a key is null")]
#![expect(clippy::print_stderr, reason = "tests say why they were skipped")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use local_codebuild::{CodeBuild, Limits, Options, Project, Status, View};
use serde_json::{Value, json};

fn options(folder: &Path) -> Options {
    let roots = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"];
    Options {
        data_dir: folder.join("codebuild"),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        sandbox: vec![env!("CARGO_BIN_EXE_codebuild-sandbox").into()],
        view: View {
            read_only: roots.iter().map(PathBuf::from).collect(),
            home: PathBuf::from("/home/build"),
            ..View::default()
        },
        limits: Limits::default(),
        environment: BTreeMap::from([(
            "PATH".to_owned(),
            "/usr/local/bin:/usr/bin:/bin".to_owned(),
        )]),
        upstream_proxy: None,
        concurrency: 2,
        grace: Duration::from_millis(500),
    }
}

struct World {
    host: CodeBuild,
    folder: tempfile::TempDir,
}

impl World {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = options(folder.path());
        change(&mut options);
        let host = CodeBuild::open(options).expect("a host");
        host.put_project(Project::new("shop", "us-east-1", "000000000000"));
        Self { host, folder }
    }

    async fn start(&self, commands: &[&str], more: Value) -> String {
        let spec = json!({"version": 0.2, "phases": {"build": {"commands": commands}}});
        let mut input = json!({"projectName": "shop", "buildspecOverride": spec.to_string()});
        for (key, value) in more.as_object().into_iter().flatten() {
            input[key] = value.clone();
        }
        let answer = self.host.call("StartBuild", input).await.expect("a build");
        answer["build"]["id"].as_str().expect("an id").to_owned()
    }

    async fn build(&self, id: &str) -> Value {
        let answer = self.host.call("BatchGetBuilds", json!({"ids": [id]})).await.expect("builds");
        answer["builds"][0].clone()
    }

    async fn ended(&self, id: &str) -> Value {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let build = self.build(id).await;
            if build["buildComplete"] == true {
                return build;
            }
            assert!(Instant::now() < until, "does not end: {build}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn log(&self, build: &Value) -> String {
        let mut text = String::new();
        let mut token = Value::Null;
        loop {
            let mut input = json!({
                "logGroupName": build["logs"]["groupName"],
                "logStreamName": build["logs"]["streamName"],
                "startFromHead": true,
                "limit": 1_000,
            });
            if token.is_string() {
                input["nextToken"] = token.clone();
            }
            let page = self.host.call("GetLogEvents", input).await.expect("events");
            for event in page["events"].as_array().into_iter().flatten() {
                text.push_str(event["message"].as_str().unwrap_or_default());
                text.push('\n');
            }
            if page["nextForwardToken"] == token {
                return text;
            }
            token = page["nextForwardToken"].clone();
        }
    }

    /// Runs to the end; status and log.
    async fn run(&self, commands: &[&str]) -> (Value, String) {
        let id = self.start(commands, json!({})).await;
        let build = self.ended(&id).await;
        let log = self.log(&build).await;
        (build, log)
    }

    /// Whether builds have namespaces here; what a test of them is skipped without.
    async fn isolated(&self) -> bool {
        let (build, _) = self.run(&["true"]).await;
        let without = &phase(&build, "PROVISIONING")["contexts"][0]["message"];
        if without.is_null() {
            return true;
        }
        eprintln!("skipped: builds run here {without}");
        false
    }
}

fn phase<'a>(build: &'a Value, name: &str) -> &'a Value {
    let phases = build["phases"].as_array().expect("phases");
    phases.iter().find(|phase| phase["phaseType"] == name).unwrap_or(&Value::Null)
}

/// Whether a process with this text in its command line is left on the machine.
fn alive(text: &str) -> bool {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc").expect("processes").flatten().any(|entry| {
        let id = entry.file_name();
        id != own.as_str()
            && std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
                String::from_utf8_lossy(&line).replace('\0', " ").trim_end() == text
            })
    })
}

async fn gone(text: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    while alive(text) {
        assert!(Instant::now() < until, "{text} is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn there(text: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while !alive(text) {
        assert!(Instant::now() < until, "{text} does not begin");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_runs_its_phases_and_tells_how_it_ended() {
    let world = World::new(|_| ());
    let mut events = world.host.events();
    let spec = json!({
        "version": 0.2,
        "env": {"variables": {"GREETING": "hello"}},
        "phases": {
            "install": {"commands": ["export SEEN=installed", "mkdir deep", "cd deep"]},
            "build": {"commands": ["echo $GREETING $SEEN $WHO $(basename $PWD)", "pwd -P", "exit 3"],
                      "finally": ["echo finally $CODEBUILD_BUILD_SUCCEEDING"]},
            "post_build": {"commands": ["echo after $CODEBUILD_BUILD_SUCCEEDING"]},
        },
    });
    let input = json!({
        "projectName": "shop",
        "buildspecOverride": spec.to_string(),
        "environmentVariablesOverride": [{"name": "WHO", "value": "world", "type": "PLAINTEXT"}],
        "idempotencyToken": "one",
    });
    let first = world.host.call("StartBuild", input.clone()).await.expect("a build");
    let again = world.host.call("StartBuild", input).await.expect("the same build");
    assert_eq!(first["build"]["id"], again["build"]["id"]);
    let build = world.ended(first["build"]["id"].as_str().expect("an id")).await;
    let log = world.log(&build).await;
    assert_eq!(build["buildStatus"], "FAILED", "{log}");
    assert!(log.contains("\nhello installed world deep\n"), "{log}");
    assert!(log.contains("\nfinally 0\n") && log.contains("\nafter 0\n"), "{log}");
    let names: Vec<_> =
        build["phases"].as_array().into_iter().flatten().map(|p| p["phaseType"].clone()).collect();
    assert_eq!(
        json!(names),
        json!([
            "SUBMITTED",
            "QUEUED",
            "PROVISIONING",
            "DOWNLOAD_SOURCE",
            "INSTALL",
            "BUILD",
            "POST_BUILD",
            "FINALIZING",
            "COMPLETED"
        ])
    );
    assert_eq!(phase(&build, "BUILD")["phaseStatus"], "FAILED");
    let reason = phase(&build, "BUILD")["contexts"][0]["message"].as_str().expect("a reason");
    assert!(reason.contains("exit 3") && reason.contains("exit status 3"), "{reason}");
    assert_eq!(phase(&build, "POST_BUILD")["phaseStatus"], "SUCCEEDED");
    let begun = events.recv().await.expect("an event");
    let mut phases = Vec::new();
    let ended = loop {
        let event = events.recv().await.expect("an event");
        let detail = &event.event["detail"];
        match (detail["completed-phase"].as_str(), detail["completed-phase-status"].as_str()) {
            (Some(phase), Some(status)) => phases.push(format!("{phase} {status}")),
            _ => break event,
        }
    };
    assert_eq!(
        phases.join(", "),
        "QUEUED SUCCEEDED, PROVISIONING SUCCEEDED, DOWNLOAD_SOURCE SUCCEEDED, INSTALL SUCCEEDED, \
         BUILD FAILED, POST_BUILD SUCCEEDED"
    );
    assert_eq!((begun.status, ended.status), (Status::InProgress, Status::Failed));
    assert_eq!(ended.event["detail"]["build-id"], build["arn"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_sees_neither_the_host_nor_its_files() {
    let world = World::new(|_| ());
    if !world.isolated().await {
        return;
    }
    let outside = tempfile::tempdir().expect("a folder");
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "x").expect("a file");
    let read = format!("if cat {}; then echo SEEN; fi", secret.display());
    let (build, log) = world
        .run(&[
            &read,
            "id -u; ls /proc | grep -c '^[0-9]' | sed 's/^/processes /'",
            "if cat /proc/1/environ /proc/1/mem; then echo SEEN; fi",
            "kill -9 1; echo STILL THERE",
            "for f in /etc/x /usr/x /x /proc/sys/kernel/hostname /proc/sysrq-trigger; do if echo 1 >$f; then echo WROTE $f; fi; done",
            "if mount -t tmpfs t /tmp; then echo MOUNTED; fi",
            "env",
            "touch ~/kept /tmp/kept $PWD/kept && echo WRITABLE",
            "hostname",
            "awk -F: '$3 == 1000 { print \"home\", $6 }' /etc/passwd",
        ])
        .await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    for word in ["SEEN", "WROTE", "MOUNTED", "CARGO_"] {
        assert!(!log.lines().any(|l| l.starts_with(word)), "{word} in {log}");
    }
    assert!(
        log.contains("\nSTILL THERE\n") && log.contains("\n1000\n") && log.contains("\nWRITABLE\n"),
        "{log}"
    );
    let count = log.lines().find_map(|l| l.strip_prefix("processes ")).expect("a count");
    assert!(count.parse::<u32>().expect("a number") < 10, "{count}");
    assert!(log.contains("HOME=/home/build") && log.contains("\nbuild\n"), "{log}");
    // Java's tools look there.
    assert!(log.contains("\nhome /home/build\n"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_below_the_folder_for_temporary_files_are_seen() {
    let tools = tempfile::tempdir_in("/tmp").expect("a folder");
    let tool = tools.path().join("tool");
    std::fs::write(&tool, "#!/bin/sh\necho it runs\n").expect("a program");
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&tool, runs).expect("a program");
    let world = World::new(|o| o.view.read_only.push(tools.path().to_owned()));
    let command = format!("{}; : >/tmp/own; ls /tmp", tool.display());
    let (build, log) = world.run(&[&command]).await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    assert!(log.contains("it runs\n") && log.contains("own\n"), "{log}");
    if world.isolated().await {
        let (build, log) = world.run(&[&format!("echo no >{}", tool.display())]).await;
        assert_eq!(build["buildStatus"], "FAILED", "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_does_not_begin_is_a_fault_and_no_failed_command() {
    let world =
        World::new(|o| drop(o.environment.insert("PATH".to_owned(), "/nowhere".to_owned())));
    let (build, log) = world.run(&["true"]).await;
    assert_eq!(build["buildStatus"], "FAULT", "{log}");
    assert!(log.contains("the shell `sh` cannot be started: "), "{log}");
    assert!(!log.contains("exit status"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_reaches_its_own_loopback_and_nothing_of_the_machine() {
    let world = World::new(|_| ());
    if !world.isolated().await {
        return;
    }
    if std::process::Command::new("python3").arg("-c").arg("").status().is_err() {
        eprintln!("skipped: python3, which makes the connections, is not installed");
        return;
    }
    let outside = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = outside.local_addr().expect("an address").port();
    let script = format!(
        r#"
import os, socket, urllib.request
own = socket.socket(); own.bind(("127.0.0.1", 0)); own.listen()
socket.create_connection(own.getsockname(), 5); print("OWN")
try: socket.create_connection(("127.0.0.1", {port}), 5); print("REACHED")
except OSError: print("ALONE")
for host in ("127.0.0.1", "localhost", "169.254.169.254", "0.0.0.0"):
    proxy = urllib.request.ProxyHandler({{"http": os.environ["http_proxy"]}})
    os.environ["no_proxy"] = ""
    try: urllib.request.build_opener(proxy).open("http://%s:{port}/" % host, timeout=30); print("REACHED", host)
    except urllib.error.HTTPError as error: print("REFUSED", error.code)
"#
    );
    let (build, log) = world.run(&[&format!("cat >t.py <<'END'{script}END\npython3 t.py")]).await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    assert!(log.contains("\nOWN\nALONE\n"), "{log}");
    assert_eq!(log.matches("\nREFUSED 403").count(), 4, "{log}");
    assert!(!log.contains("REACHED"), "{log}");

    // A variable of whoever starts the build names the port: it can be reached.
    let answering = std::thread::spawn(move || {
        use std::io::Write;
        let (mut connection, _) = outside.accept().expect("a connection");
        connection.write_all(b"HELLO FROM OUTSIDE\n").expect("written");
    });
    let variable = json!({"name": "SERVICE", "value": format!("http://127.0.0.1:{port}/")});
    let more = json!({"environmentVariablesOverride": [variable]});
    let read = format!(
        "python3 -c \"import socket; print(socket.create_connection(('127.0.0.1', {port}), 30).makefile().readline())\""
    );
    let id = world.start(&[&read], more).await;
    let build = world.ended(&id).await;
    let log = world.log(&build).await;
    assert!(log.contains("\nHELLO FROM OUTSIDE\n"), "{log}");
    answering.join().expect("answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_build_is_left_when_it_has_ended() {
    let world = World::new(|_| ());
    let (build, log) = world
        .run(&[
            "setsid sleep 41001 & nohup sleep 41002 & env -i setsid sleep 41003 & (setsid sh -c 'trap \"\" TERM HUP; exec sleep 41004' &); sleep 0.2; echo done",
        ])
        .await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    for number in 41001..=41004 {
        gone(&format!("sleep {number}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_build_ends_what_ignores_signals() {
    let world = World::new(|_| ());
    let id = world
        .start(&["trap '' TERM HUP INT; echo begun; sleep 42001; sleep 42002"], json!({}))
        .await;
    there("sleep 42001").await;
    let begun = Instant::now();
    world.host.call("StopBuild", json!({"id": id})).await.expect("stopped");
    let build = world.ended(&id).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(build["buildStatus"], "STOPPED");
    assert_eq!(phase(&build, "BUILD")["phaseStatus"], "STOPPED");
    gone("sleep 42001").await;
    gone("sleep 42002").await;
    assert!(world.log(&build).await.contains("\nbegun\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_much_is_ended_and_says_so() {
    let world = World::new(|options| {
        options.limits = Limits { memory: 256 << 20, processes: 60, disk: 64 << 20 };
    });
    if !world.isolated().await {
        return;
    }
    let reason = |build: &Value| phase(build, "BUILD")["contexts"][0]["message"].to_string();
    // A shell that remembers more and more.
    let (build, log) = world.run(&["A=xxxxxxxx; while :; do A=$A$A; done"]).await;
    assert_eq!(build["buildStatus"], "FAILED", "{log}");
    assert!(reason(&build).contains("256 MiB of memory"), "{build}");
    let (build, _) = world.run(&["f() { sleep 43001 & f; }; f; wait"]).await;
    assert_ne!(build["buildStatus"], "SUCCEEDED");
    gone("sleep 43001").await;
    let (build, log) = world
        .run(&["i=0; while [ $i -lt 40 ]; do head -c 8388608 /dev/zero >f$i || exit 1; i=$((i+1)); sleep 0.1; done; sleep 5"])
        .await;
    assert_eq!(build["buildStatus"], "FAILED", "{log}");
    assert!(reason(&build).contains("64 MiB to disk"), "{build}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_every_process_does_not_stop_the_time() {
    let world = World::new(|_| ());
    let begun = Instant::now();
    let (build, log) =
        world.run(&["timeout 2 sh -c 'kill -STOP -1; kill -STOP $PPID; sleep 47001'"]).await;
    assert_eq!(build["buildStatus"], "FAILED", "{log}");
    let reason = phase(&build, "BUILD")["contexts"][0]["message"].to_string();
    assert!(reason.contains("exit status 124"), "{reason}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    gone("sleep 47001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_found_again_by_its_namespace_alone() {
    let world = World::new(|_| ());
    if !world.isolated().await {
        return;
    }
    let cache = |name: &str| json!({"cacheOverride": {"type": "LOCAL", "cacheNamespace": name}});
    let mut seen = Vec::new();
    for (namespace, commands) in [
        ("main", "echo one >/codebuild/cache/f; echo two >~/f"),
        ("main", "cat /codebuild/cache/f ~/f"),
        ("pull", "cat /codebuild/cache/f ~/f"),
    ] {
        let id = world.start(&[commands], cache(namespace)).await;
        seen.push(world.ended(&id).await["buildStatus"].clone());
    }
    assert_eq!(json!(seen), json!(["SUCCEEDED", "SUCCEEDED", "FAILED"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_is_bounded_and_the_end_is_kept() {
    let world = World::new(|_| ());
    let (build, log) = world
        .run(&["head -c 60000000 /dev/zero | tr '\\0' 'x' | fold -w 100; echo; echo the end"])
        .await;
    assert_eq!(build["buildStatus"], "SUCCEEDED");
    assert!(log.len() < 40_000_000, "{}", log.len());
    assert!(log.contains("\nthe end\n"));
    assert!(log.contains("lines are left out here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_ends_takes_its_builds_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = CodeBuild::open(options(folder.path())).expect("a host");
    host.put_project(Project::new("shop", "us-east-1", "000000000000"));
    let world = World { host, folder };
    let id = world.start(&["sleep 44001"], json!({})).await;
    there("sleep 44001").await;
    world.host.shutdown().await;
    let build = world.ended(&id).await;
    assert_eq!(build["buildStatus"], "FAULT");
    gone("sleep 44001").await;
    let again = CodeBuild::open(options(world.folder.path())).expect("a host");
    let answer = again.call("BatchGetBuilds", json!({"ids": [id]})).await.expect("builds");
    assert_eq!(answer["builds"][0]["buildStatus"], "FAULT");
    let list = again.call("ListBuilds", json!({})).await.expect("a list");
    assert_eq!(list["ids"], json!([id]));
}

/// Not a test: the host of the next one, in a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn host_to_be_killed() {
    let Some(folder) = std::env::var_os("HOST_TO_BE_KILLED") else { return };
    let host = CodeBuild::open(options(Path::new(&folder))).expect("a host");
    host.put_project(Project::new("shop", "us-east-1", "000000000000"));
    let spec = json!({"version": 0.2, "phases": {"build": {"commands": [
        "trap '' TERM HUP; setsid sleep 45001 & sleep 45002"
    ]}}});
    let input = json!({"projectName": "shop", "buildspecOverride": spec.to_string()});
    host.call("StartBuild", input).await.expect("a build");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_takes_its_builds_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "host_to_be_killed"])
        .env("HOST_TO_BE_KILLED", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a process");
    there("sleep 45001").await;
    there("sleep 45002").await;
    host.kill().expect("killed");
    host.wait().expect("ended");
    gone("sleep 45001").await;
    gone("sleep 45002").await;
    let again = CodeBuild::open(options(folder.path())).expect("a host");
    let list = again.call("ListBuilds", json!({})).await.expect("a list");
    let build = again.call("BatchGetBuilds", json!({"ids": list["ids"]})).await.expect("builds");
    assert_eq!(build["builds"][0]["buildStatus"], "FAULT");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_refused_in_the_words_of_aws() {
    let world = World::new(|_| ());
    for (operation, input, code) in [
        ("StartBuild", json!({"projectName": "none"}), "ResourceNotFoundException"),
        ("StartBuild", json!({}), "SerializationException"),
        (
            "StartBuild",
            json!({"projectName": "shop", "timeoutInMinutesOverride": 1}),
            "InvalidInputException",
        ),
        (
            "StartBuild",
            json!({"projectName": "shop", "environmentVariablesOverride": [{"name": "A", "value": "b", "type": "PARAMETER_STORE"}]}),
            "InvalidInputException",
        ),
        ("BatchGetBuilds", json!({"ids": []}), "InvalidInputException"),
        ("StopBuild", json!({"id": "shop:none"}), "ResourceNotFoundException"),
        ("ListBuilds", json!({"nextToken": "?"}), "InvalidInputException"),
        (
            "GetLogEvents",
            json!({"logGroupName": "a", "logStreamName": "b"}),
            "ResourceNotFoundException",
        ),
        ("Fly", json!({}), "UnknownOperationException"),
    ] {
        let error = world.host.call(operation, input.clone()).await.expect_err("an error");
        assert_eq!(error.code, code, "{operation} {input}");
    }
    let (build, log) = world.run(&[]).await;
    assert_eq!(build["buildStatus"], "FAILED");
    assert!(log.contains("YAML_FILE_ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_builds_took_is_known_by_a_variable_of_theirs() {
    let world = World::new(|_| {});
    let of = |run: &str| {
        let variable = json!({"name": "RUN", "value": run, "type": "PLAINTEXT"});
        json!({"environmentVariablesOverride": [variable]})
    };
    for (run, command) in [("a", "sleep 1"), ("a", "exit 3"), ("b", "true")] {
        let id = world.start(&[command], of(run)).await;
        world.ended(&id).await;
    }
    let root = &world.folder.path().join("codebuild");
    let mut spent = local_codebuild::spent(root, ("RUN", "a"));
    spent.sort_by_key(|spent| spent.time);
    assert_eq!(spent.len(), 2, "{spent:?}");
    let (short, long) = (&spent[0], &spent[1]);
    assert!(short.time < long.time && long.time >= Duration::from_secs(1), "{spent:?}");
    assert_eq!(long.compute_type, "BUILD_GENERAL1_SMALL");
    assert_eq!(local_codebuild::spent(root, ("RUN", "c")), []);
}
