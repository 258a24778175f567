//! Fetching over HTTP: a small server in front of git's own CGI program.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use pact_contract::{ErrorName, StageStatus};

use super::harness::{Repo, World, assert_status, output};

/// Where the host's API is.
const API: &str = "/api/v3/";
/// What git sends with `ghs_one` as its token, and with `ghs_two`.
pub(crate) const ONE: &str = "Basic eC1hY2Nlc3MtdG9rZW46Z2hzX29uZQ==";
const TWO: &str = "Basic eC1hY2Nlc3MtdG9rZW46Z2hzX3R3bw==";

/// Serves the repositories below a folder until the test ends.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// `Authorization` header of each request.
    pub(crate) seen: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    /// With `secret`, requests without this `Authorization` header are refused.
    pub(crate) fn start(root: &Path, secret: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (root, log) = (root.to_owned(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, log) = (root.clone(), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &root, secret, &log));
            }
        });
        Self { port, seen }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
}

fn answer(
    mut stream: TcpStream,
    root: &PathBuf,
    secret: Option<&str>,
    log: &Mutex<Vec<Option<String>>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    let mut headers = std::collections::HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let body = if headers.get("transfer-encoding").is_some_and(|e| e == "chunked") {
        let mut body = Vec::new();
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = u64::from_str_radix(size.trim(), 16).unwrap();
            reader.by_ref().take(size).read_to_end(&mut body).unwrap();
            reader.read_line(&mut String::new()).unwrap();
            if size == 0 {
                break body;
            }
        }
    } else {
        let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        let mut body = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut body).unwrap();
        body
    };
    let authorization = headers.get("authorization").cloned();
    if let Some(call) = first.split(' ').nth(1).and_then(|target| target.strip_prefix(API)) {
        let lent = lend(call, &log.lock().unwrap());
        let text = format!(
            "HTTP/1.1 201 Created\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{lent}",
            lent.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        return;
    }
    log.lock().unwrap().push(authorization.clone());
    if secret.is_some() && authorization.as_deref() != secret {
        let text = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
                    Content-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(text.as_bytes()).unwrap();
        return;
    }
    if let Some(moved) = first.split(' ').nth(1).and_then(elsewhere) {
        let text = format!(
            "HTTP/1.1 301 Moved Permanently\r\nLocation: {moved}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(text.as_bytes()).unwrap();
        return;
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", headers.get("git-protocol").map_or("", String::as_str))
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", headers.get("content-type").map_or("", String::as_str))
        .env("HTTP_CONTENT_ENCODING", headers.get("content-encoding").map_or("", String::as_str))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let out = child.wait_with_output().unwrap().stdout;
    let end = out.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(0);
    let head = String::from_utf8_lossy(&out[..end]).into_owned();
    let status =
        head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let content = &out[(end + 4).min(out.len())..];
    let text = format!(
        "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
    // A client that has hung up is no concern of the server.
    drop(stream.write_all(content));
}

/// Where what has moved is: `/to/HOST/PATH` is at `http://HOST/PATH`, `/renamed/PATH` at `/PATH` of this
/// server, and for `/page/PATH` there is a page.
fn elsewhere(target: &str) -> Option<String> {
    if target.starts_with("/page/") {
        return Some("/sign-in".to_owned());
    }
    let renamed = target.strip_prefix("/renamed").map(str::to_owned);
    renamed.or_else(|| Some(format!("http://{}", target.strip_prefix("/to/")?)))
}

/// What the host's API says to a GitHub App: a token, and another one once that came to be used.
fn lend(call: &str, seen: &[Option<String>]) -> String {
    if call.ends_with("/installation") {
        return "{\"id\":7}".to_owned();
    }
    let used = seen.iter().flatten().any(|sent| sent == ONE);
    let token = if used { "ghs_two" } else { "ghs_one" };
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    serde_json::json!({ "token": token, "expires_at": until.to_string() }).to_string()
}

pub(crate) fn has_backend() -> bool {
    let path = Command::new("git").arg("--exec-path").output().unwrap().stdout;
    let path = PathBuf::from(String::from_utf8_lossy(&path).trim()).join("git-http-backend");
    if !path.exists() {
        eprintln!("skipped: git has no http-backend");
    }
    path.exists()
}

/// Four commits; the ids of all of them.
fn history(repo: &Repo) -> Vec<String> {
    (0..4)
        .map(|n| {
            repo.write(&format!("f{n}.txt"), format!("{n}\n"));
            repo.commit()
        })
        .collect()
}

#[tokio::test]
async fn a_commit_is_fetched_over_http_with_its_base() {
    let Some(repo) = Repo::new() else { return };
    if !has_backend() {
        return;
    }
    let ids = history(&repo);
    let server = Server::start(repo.path(), None);
    let world = World::new();
    let url = server.url(".git");
    // The base is not the parent: it is fetched by its own id.
    let response = world.analyze(&url, &ids[3], Some(&ids[0])).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    assert!(response.fallback.is_none(), "{:?}", response.fallback);
    assert_eq!(output(&response).changes.files, 3);
    let folder = world.unpack(&output(&response).source).await;
    assert_eq!(std::fs::read_to_string(folder.path().join("f0.txt")).unwrap(), "0\n");

    // The parent is there without a further request, an older commit and none too.
    let response = world.analyze(&url, &ids[3], Some(&ids[2])).await.unwrap();
    assert_eq!(output(&response).changes.files, 1);
    let response = world.analyze(&url, &ids[1], None).await.unwrap();
    assert_eq!(output(&response).changes.files, 2);

    let lost = "1".repeat(40);
    let response = world.analyze(&url, &ids[3], Some(&lost)).await.unwrap();
    assert!(response.fallback.expect("a fallback").description.contains(&ids[2]));
}

#[tokio::test]
async fn faults_of_a_server_are_clear() {
    let Some(repo) = Repo::new() else { return };
    if !has_backend() {
        return;
    }
    let ids = history(&repo);
    let server = Server::start(repo.path(), None);
    let world = World::new();
    let missing = world.analyze(&server.url(".git"), &"2".repeat(40), None).await.unwrap_err();
    assert_eq!(missing.name, ErrorName::SourceUnavailable);
    assert!(missing.message.contains("2222"), "{missing}");
    let absent = world.analyze(&server.url("nothing.git"), &ids[0], None).await.unwrap_err();
    assert_eq!(absent.name, ErrorName::SourceUnavailable);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/x", silent.local_addr().unwrap().port());
    drop(silent);
    let refused = world.analyze(&url, &ids[0], None).await.unwrap_err();
    assert_eq!(refused.name, ErrorName::SourceUnavailable);
}

#[tokio::test]
async fn the_token_is_sent_where_it_may_go_and_shown_nowhere() {
    let Some(repo) = Repo::new() else { return };
    if !has_backend() {
        return;
    }
    let ids = history(&repo);
    // base64 of `x-access-token:s3cret`.
    let secret = "Basic eC1hY2Nlc3MtdG9rZW46czNjcmV0";
    let server = Server::start(repo.path(), Some(secret));
    let url = server.url(".git");
    let named = World::allowing(&format!("http://127.0.0.1:{}/", server.port), Some("s3cret"));
    let response = named.analyze(&url, &ids[3], Some(&ids[0])).await.unwrap();
    assert_status(&response, StageStatus::Passed);
    assert!(server.seen.lock().unwrap().iter().all(|seen| seen.as_deref() == Some(secret)));

    server.seen.lock().unwrap().clear();
    let unnamed = World::allowing("http://,private", Some("s3cret"));
    let error = unnamed.analyze(&url, &ids[3], None).await.unwrap_err();
    assert_eq!(error.name, ErrorName::SourceUnavailable);
    assert!(error.message.contains("source-token was not sent"), "{error}");
    assert!(server.seen.lock().unwrap().iter().all(Option::is_none));

    let without = World::allowing(&format!("http://127.0.0.1:{}/", server.port), None);
    let error = without.analyze(&url, &ids[3], None).await.unwrap_err();
    assert!(error.message.contains("the parameter /memory/source-token does not"), "{error}");
    // One that is made is used at once by the same function.
    without.memory.set_secret("source-token", "s3cret");
    let response = without.analyze(&url, &ids[3], None).await.unwrap();
    assert_status(&response, StageStatus::Passed);

    let wrong = World::allowing(&format!("http://127.0.0.1:{}/", server.port), Some("wr0ng"));
    let error = wrong.analyze(&url, &ids[3], None).await.unwrap_err();
    let text = error.chain();
    assert!(!text.contains("wr0ng") && !text.contains("Basic"), "{text}");
    let log = format!("{:?}", wrong.memory.log(&"run-1".parse().unwrap()));
    assert!(!log.contains("wr0ng"), "{log}");
}

#[tokio::test]
async fn a_token_of_the_app_that_was_taken_back_is_replaced_once_while_fetching() {
    let Some(repo) = Repo::new() else { return };
    if !has_backend() {
        return;
    }
    let ids = history(&repo);
    for (taken, passes) in [(TWO, true), ("Basic bm9ib2R5", false)] {
        let server = Server::start(repo.path(), Some(taken));
        let world = World::of_an_app(&server.url(""), &server.url("api/v3"));
        let answer = world.analyze(&server.url(".git"), &ids[3], Some(&ids[0])).await;
        let seen: Vec<String> = server.seen.lock().unwrap().iter().flatten().cloned().collect();
        // Git's client asks once more by itself before it takes a refusal for one; then the other is used.
        let first = seen.iter().take_while(|sent| *sent == ONE).count();
        assert!((1..=2).contains(&first), "{seen:?}");
        assert!(seen.iter().skip(first).all(|sent| sent == TWO), "{seen:?}");
        match passes {
            true => assert_status(&answer.unwrap(), StageStatus::Passed),
            // The second one is refused too, and there is no third.
            false => {
                let error = answer.unwrap_err();
                assert_eq!(error.name, ErrorName::SourceUnavailable);
                assert!((1..=2).contains(&(seen.len() - first)), "{seen:?}");
                assert!(!error.chain().contains("ghs_"), "{}", error.chain());
            }
        }
    }
}

#[tokio::test]
async fn a_repository_that_has_moved_is_found_where_it_may_be_asked_for_and_nowhere_else() {
    let Some(repo) = Repo::new() else { return };
    if !has_backend() {
        return;
    }
    let ids = history(&repo);
    let server = Server::start(repo.path(), None);
    let own = format!("127.0.0.1:{}", server.port);
    let world = World::allowing(&format!("http://{own}/"), None);
    for name in ["renamed/.git", "renamed/renamed/.git", &format!("to/{own}/.git")] {
        let response = world.analyze(&server.url(name), &ids[3], Some(&ids[0])).await;
        assert_status(&response.unwrap_or_else(|e| panic!("{name}: {e}")), StageStatus::Passed);
    }
    // Another host, the platform's own, and a circle of more steps than anybody needs.
    let far = "renamed/".repeat(9);
    for (name, why) in [
        (format!("to/localhost:{}/.git", server.port), "PACT_ALLOWED_SOURCES"),
        ("to/169.254.169.254/.git".to_owned(), "PACT_ALLOWED_SOURCES"),
        (format!("{far}.git"), "from one address to another"),
    ] {
        let error = world.analyze(&server.url(&name), &ids[3], None).await.unwrap_err();
        assert_eq!(error.name, ErrorName::InvalidIntent, "{name}: {error}");
        assert!(error.message.contains(why), "{name}: {error}");
    }
    // A page that wants a sign-in is none.
    let error = world.analyze(&server.url("page/.git"), &ids[3], None).await.unwrap_err();
    assert_eq!(error.name, ErrorName::SourceUnavailable);
    // Everything by HTTP, but nothing private: neither at first, nor by a name, nor by a redirect.
    let public = World::allowing("http://", None);
    for url in [server.url(".git"), format!("http://localhost:{}/.git", server.port)] {
        let error = public.analyze(&url, &ids[3], None).await.unwrap_err();
        assert!(error.chain().contains("is a private address"), "{url}: {}", error.chain());
    }
    let anywhere = World::allowing("http://,private", None);
    let url = server.url("to/169.254.169.254/.git");
    let error = anywhere.analyze(&url, &ids[3], None).await.unwrap_err();
    assert!(error.message.contains("link-local"), "{error}");
}
