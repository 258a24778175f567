//! A target by commands is deployed to, broken and returned, through the whole pipeline; and what cannot be
//! taken back asks a person, who is told why.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
};

use pact_e2e::{Repo, Stack, wait_for};
use serde_json::Value;

use crate::{get, has_stage, stage, text};

/// Something to deploy to: it keeps a release and its page by the name of an environment.
struct Platform {
    url: String,
    kept: Arc<Mutex<BTreeMap<String, (String, String)>>>,
}

impl Platform {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let kept = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let all = Arc::clone(&kept);
        // It ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = Arc::clone(&all);
                std::thread::spawn(move || answer(stream, &all));
            }
        });
        Self { url, kept }
    }

    fn page(&self, environment: &str) -> Option<String> {
        self.kept.lock().expect("no panic").get(environment).map(|(_, page)| page.clone())
    }
}

/// `PUT /ENVIRONMENT/RELEASE`, `GET /ENVIRONMENT/release`, `GET /ENVIRONMENT/page` and its health.
fn answer(stream: TcpStream, all: &Mutex<BTreeMap<String, (String, String)>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<u64>().ok())?
    });
    let mut body = String::new();
    reader.take(length.unwrap_or(0)).read_to_string(&mut body).ok()?;
    let mut parts = path.trim_start_matches('/').split('/');
    let (environment, what) = (parts.next()?, parts.next()?);
    let mut all = all.lock().expect("no panic");
    let (status, text) = if method == "PUT" {
        all.insert(environment.to_owned(), (what.to_owned(), body));
        (200, String::new())
    } else {
        match (all.get(environment), what) {
            (Some((release, _)), "release") => (200, release.clone()),
            (Some((_, page)), "health")
                if page.contains("broken") && environment == "production" =>
            {
                (500, "broken".to_owned())
            }
            (Some((_, page)), _) => (200, page.clone()),
            (None, _) => (404, String::new()),
        }
    };
    drop(all);
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let mut stream = stream;
    stream.write_all((head + &text).as_bytes()).ok()
}

fn settings(platform: &Platform, rollback: bool) -> String {
    let environment = |name: &str| {
        let back = if rollback { "rollback = [[\"sh\", \"./put.sh\"]]\n" } else { "" };
        format!(
            r#"
[environments.{name}]
target = "command"
deploy = [["sh", "./put.sh"]]
status = [["sh", "./status.sh"]]
{back}address = "{url}/{name}"
limit_seconds = 60
env = {{ PLATFORM = "{url}" }}
[[environments.{name}.health]]
path = "{url}/{name}/health"
successes = 2
interval_ms = 20
deadline_seconds = 5
[environments.{name}.watch]
seconds = 1
interval_ms = 50
"#,
            url = platform.url
        )
    };
    let tests = "[tests.unit]\ncommand = [\"sh\", \"./test.sh\"]\ntimeout_seconds = 60\n";
    tests.to_owned() + &environment("staging") + &environment("production")
}

/// What is put is what is in the release, whose archive is the one of the digest.
const PUT: &str = "printf '%s  %s\\n' \"$PACT_ARTIFACT_SHA256\" \"$PACT_ARTIFACT\" | sha256sum -c - && \
    [ -z \"$AWS_ACCESS_KEY_ID\" ] && exec curl -fsS --noproxy '*' -T page \
    \"$PLATFORM/$PACT_ENVIRONMENT/$PACT_RELEASE\"\n";
const STATUS: &str = "[ \"$(curl -fsS --noproxy '*' \"$PLATFORM/$PACT_ENVIRONMENT/release\")\" = \"$PACT_RELEASE\" ]\n";

fn site(platform: &Platform) -> Option<Repo> {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl on this machine");
        return None;
    }
    let repo = Repo::new();
    repo.write("pact.toml", &settings(platform, true))
        .write("test.sh", "echo '1 passed'\n")
        .write("put.sh", PUT)
        .write("status.sh", STATUS)
        .write("page", "one");
    repo.commit("Open the shop");
    Some(repo)
}

#[test]
fn a_target_by_commands_is_deployed_broken_and_returned() {
    let (platform, stack) = (Platform::start(), Stack::new());
    let Some(repo) = site(&platform) else { return };
    let (code, first) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{first:#}");
    for environment in ["staging", "production"] {
        assert_eq!(platform.page(environment).as_deref(), Some("one"), "{first:#}");
    }
    let page = format!("{}/page", crate::deploy::url_of(&first, "production"));
    assert_eq!(get(&page).as_deref(), Some("one"));

    repo.write("page", "broken");
    repo.commit("An ill release");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    assert_eq!(stage(&report, "CheckHealth.production")["status"], "failed");
    assert_eq!(stage(&report, "CheckRestored.production")["status"], "passed");
    for environment in ["staging", "production"] {
        assert_eq!(platform.page(environment).as_deref(), Some("one"), "{report:#}");
    }

    // Without a rollback command it is one way: a person is asked, told so, and says no.
    repo.write("page", "three").write("pact.toml", &settings(&platform, false));
    repo.commit("No way back");
    let running = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
    let no = ["approve", "--by", "Grace", "--reject", "--reason", "not without a way back"];
    let why = "There is no way back from it: the target command has no rollback";
    wait_for("the question", 60, || running.errors().contains(why).then_some(()));
    assert_eq!(stack.pactctl(&no).code, Some(0));
    let finished = running.wait();
    let report: Value = finished.json();
    assert_eq!((finished.code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    assert!(!has_stage(&report, "Deploy.production"));
    assert_eq!(platform.page("production").as_deref(), Some("one"));
}

#[test]
fn commands_have_the_credentials_of_their_role_and_another_accounts_role_is_refused() {
    let (platform, stack) = (Platform::start(), Stack::new());
    let Some(repo) = site(&platform) else { return };
    let with_role = |account: &str| {
        let role = format!("role = \"arn:aws:iam::{account}:role/pact-deploy-shop\"\n");
        settings(&platform, true)
            .replace("target = \"command\"\n", &format!("target = \"command\"\n{role}"))
    };
    let has = "[ -n \"$AWS_ACCESS_KEY_ID\" ] && [ -n \"$AWS_SECRET_ACCESS_KEY\" ] && \
               [ -n \"$AWS_SESSION_TOKEN\" ]";
    let put = PUT.replace("[ -z \"$AWS_ACCESS_KEY_ID\" ]", has);
    assert_ne!(put, PUT);
    repo.write("put.sh", &put).write("pact.toml", &with_role("000000000000"));
    repo.commit("Deploy with a role");
    let (code, first) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{first:#}");
    assert_eq!(platform.page("production").as_deref(), Some("one"));

    repo.write("page", "two").write("pact.toml", &with_role("999999999999"));
    repo.commit("A role of somebody else");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "failed"), "{report:#}");
    let deploy = stage(&report, "Deploy.staging");
    assert_eq!(deploy["findings"][0]["code"], "role-refused", "{deploy:#}");
    assert_eq!(platform.page("staging").as_deref(), Some("one"), "nothing was touched");
}
