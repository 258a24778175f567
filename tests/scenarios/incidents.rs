//! What the scheduled watch sees: a young release that turns bad goes back, and people are told of
//! one incident, once at its beginning and once at its end.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::types::AttributeValue;
use pact_e2e::{Aws, Repo, Stack, wait_for};
use serde_json::{Value, json};

use crate::{
    aws_clients::{block_on, client, config, machines},
    deploy::{first_release, url_of},
    get, text,
};

/// A server that takes messages as an incoming webhook does.
pub(crate) fn inbox() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&taken);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let header = line.to_ascii_lowercase();
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the body");
            let message = serde_json::from_slice(&body).expect("a message");
            kept.lock().expect("no panic").push(message);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("answers");
        }
    });
    (address, taken)
}

/// One scheduled watch, to its end.
fn watch(aws: &Aws, number: u32) {
    block_on(async {
        let client = client(aws).await;
        let monitor = machines(&client).await.into_iter().find(|m| m.name.ends_with("-monitor"));
        let arn = monitor.expect("a watch").state_machine_arn;
        let start = client.start_execution().state_machine_arn(arn).name(format!("watch-{number}"));
        let arn = start.send().await.expect("starts").execution_arn;
        loop {
            let execution = client.describe_execution().execution_arn(&arn).send().await;
            let status = execution.expect("is there").status;
            match status.as_str() {
                "RUNNING" => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                end => return assert_eq!(end, "SUCCEEDED"),
            }
        }
    });
}

/// Where the service of production's release works that says this version.
fn folder_of(version: &str) -> std::path::PathBuf {
    let works = |process: std::fs::DirEntry| {
        let environment = std::fs::read(process.path().join("environ")).ok()?;
        let production =
            environment.split(|b| *b == 0).any(|v| v == b"PACT_ENVIRONMENT=production");
        let folder = std::fs::read_link(process.path().join("cwd")).ok().filter(|_| production)?;
        let says = std::fs::read_to_string(folder.join("version")).ok()?;
        (says == version).then_some(folder)
    };
    let mut all = std::fs::read_dir("/proc").expect("processes").flatten();
    all.find_map(works).expect("the service works")
}

#[test]
fn a_young_release_that_turns_bad_goes_back_and_people_are_told_once() {
    let (hook, messages) = inbox();
    let stack = Stack::new().with("PACT_SLACK_WEBHOOK_URL", &hook);
    let repo = Repo::shop();
    first_release(&repo, &stack);
    let version = format!("two-{}", std::process::id());
    repo.write("version", &version);
    repo.commit("Second release");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{report:#}");
    let production = url_of(&report, "production");
    assert_eq!(get(&production).as_deref(), Some(&*version));

    let (running, _) = stack.up();
    let aws = stack.aws();
    watch(&aws, 1);
    let incidents = || stack.pactctl(&["incidents", "list", "--json"]).json()["incidents"].clone();
    assert_eq!(incidents().as_array().map(Vec::len), Some(0), "all is well");
    // An hour later, so to speak.
    std::fs::write(folder_of(&version).join("health-production"), "500").expect("turns bad");
    watch(&aws, 2);
    let incident = incidents()[0].clone();
    assert_eq!(
        text(&incident, "/affected/0/environment/environment"),
        "production",
        "{incident:#}"
    );
    assert!(text(&incident, "/affected/0/reason").contains("500"), "{incident:#}");
    let run = text(&incident, "/affected/0/taken_back_by").to_owned();
    let ended = wait_for("the rollback", 60, || {
        let run = stack.pactctl(&["runs", "show", &run, "--json"]).json();
        (!matches!(text(&run, "/status"), "running" | "queued")).then_some(run)
    });
    assert_eq!(text(&ended, "/status"), "succeeded", "{ended:#}");
    assert_eq!(get(&production).as_deref(), Some("one"), "the release before answers");
    let id = text(&incident, "/id");
    let taken =
        stack.pactctl(&["incidents", "ack", id, "--by", "Ada", "--note", "reading the log"]);
    assert!(taken.stdout.contains("Ada looks after it: reading the log"), "{taken:?}");
    for number in 3..6 {
        watch(&aws, number);
    }
    let incident = incidents()[0].clone();
    assert!(incident["closed_at"].is_string(), "{incident:#}");
    let list = stack.pactctl(&["incidents", "list"]);
    assert!(list.stdout.contains(id) && list.stdout.contains("over after"), "{list:?}");
    let open = stack.pactctl(&["incidents", "list", "--open"]);
    assert!(open.stderr.contains("no incident goes on"), "{open:?}");
    drop(running);

    let messages = messages.lock().expect("no panic");
    let said: Vec<_> = messages.iter().map(|message| text(message, "/text")).collect();
    let count = |begin: &str| said.iter().filter(|text| text.starts_with(begin)).count();
    assert_eq!(count("Incident: "), 1, "{said:#?}");
    assert_eq!(count("Well again after "), 1, "{said:#?}");
}

/// A mail server of its own, with the folder that it keeps what it takes in; none where the machine has no
/// `aiosmtpd`.
struct Mail {
    address: String,
    folder: tempfile::TempDir,
    server: std::process::Child,
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.server.kill().expect("is ended");
        self.server.wait().expect("has ended");
    }
}

impl Mail {
    fn start() -> Option<Self> {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address").port()
        };
        let (folder, address) =
            (tempfile::tempdir().expect("a folder"), format!("127.0.0.1:{port}"));
        let started = std::process::Command::new("aiosmtpd")
            .args(["-n", "-l", &address, "-c", "aiosmtpd.handlers.Mailbox"])
            .arg(folder.path().join("box"))
            .spawn();
        let server = match started {
            Ok(server) => server,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("skipped: there is no aiosmtpd on this machine");
                return None;
            }
            Err(error) => panic!("the mail server does not start: {error}"),
        };
        let mail = Self { address, folder, server };
        wait_for("the mail server", 30, || std::net::TcpStream::connect(&mail.address).ok());
        Some(mail)
    }

    /// The subjects of what it took, in order.
    fn subjects(&self) -> Vec<String> {
        let Ok(entries) = self.folder.path().join("box/new").read_dir() else { return Vec::new() };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        let read = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(path).expect("a mail");
            text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned))
        };
        files.into_iter().filter_map(read).collect()
    }
}

/// The incident began this many minutes earlier: time is not waited for.
fn earlier(aws: &Aws, minutes: i64) {
    block_on(async {
        let client = aws_sdk_dynamodb::Client::new(&config(aws).await);
        let tables = client.list_tables().send().await.expect("lists").table_names.expect("tables");
        let table = tables.first().expect("a table");
        let page = client.scan().table_name(table).send().await.expect("reads");
        let of_incident = |item: &std::collections::HashMap<String, AttributeValue>| {
            item.get("sk")
                .and_then(|sk| sk.as_s().ok())
                .is_some_and(|sk| sk.starts_with("INCIDENT#"))
        };
        let mut item = page.items.unwrap_or_default().into_iter().find(of_incident).expect("one");
        let text = item["record"].as_s().expect("a text");
        let mut record: Value = serde_json::from_str(text).expect("a record");
        let opened: jiff::Timestamp =
            record["opened_at"].as_str().expect("a time").parse().expect("a time");
        record["opened_at"] = json!(opened - jiff::SignedDuration::from_mins(minutes));
        item.insert("record".to_owned(), AttributeValue::S(record.to_string()));
        client.put_item().table_name(table).set_item(Some(item)).send().await.expect("is written");
    });
}

#[test]
fn an_old_release_that_turns_bad_is_an_incident_that_goes_on_to_the_next_channel_and_ends() {
    let Some(mail) = Mail::start() else { return };
    let (hook, messages) = inbox();
    let stack = Stack::new()
        .with("PACT_SLACK_WEBHOOK_URL", &hook)
        .with("PACT_SMTP_URL", &format!("smtp://{}", mail.address))
        .with("PACT_SMTP_FROM", "pact@example.com");
    let repo = Repo::shop();
    let settings = std::fs::read_to_string(repo.path().join("pact.toml")).expect("settings");
    // Every release is too old to be taken back.
    let settings = settings.replace(
        "[environments.production.watch]\n",
        "[environments.production.watch]\ntake_back_hours = 0\n",
    );
    repo.write(
        "pact.toml",
        &format!("{settings}\n[notify.slack]\n[notify.email]\nto = [\"ops@example.com\"]\n"),
    );
    let version = format!("old-{}", std::process::id());
    for version in ["one", &version] {
        repo.write("version", version);
        repo.commit(version);
        let (code, report) = stack.run(repo.path(), &[]);
        assert_eq!(code, Some(0), "{report:#}");
    }
    let told = |begin: &str| {
        let slack = messages.lock().expect("no panic");
        let slack =
            slack.iter().filter(|message| text(message, "/text").starts_with(begin)).count();
        (slack, mail.subjects().iter().filter(|subject| subject.starts_with(begin)).count())
    };
    let (running, _) = stack.up();
    let aws = stack.aws();
    watch(&aws, 1);
    assert_eq!(told("Incident"), (0, 0));
    let ill = folder_of(&version).join("health-production");
    std::fs::write(&ill, "500").expect("turns bad");
    watch(&aws, 2);
    assert_eq!(told("Incident"), (1, 0), "the first channel at once: {:?}", mail.subjects());
    earlier(&aws, 6);
    watch(&aws, 3);
    assert_eq!(told("Incident"), (1, 1), "after five minutes the next: {:?}", mail.subjects());
    earlier(&aws, 20);
    watch(&aws, 4);
    assert_eq!(told("Incident"), (1, 1), "each is told once");
    std::fs::remove_file(&ill).expect("is well again");
    watch(&aws, 5);
    watch(&aws, 6);
    assert_eq!(told("Well again after 2"), (1, 1), "both hear of the end: {:?}", mail.subjects());
    let incidents = stack.pactctl(&["incidents", "list", "--json"]).json()["incidents"].clone();
    assert_eq!(incidents.as_array().map(Vec::len), Some(1), "{incidents:#}");
    assert!(
        incidents[0]["closed_at"].is_string()
            && incidents[0]["affected"][0]["taken_back_by"].is_null()
    );
    drop(running);
}
