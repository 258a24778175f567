//! Pages of other origins, in a browser: they read nothing from the stack's ports and change
//! nothing, while programs, signed webhooks and the stack's own pages go on working.

mod attacker;

use std::process::{Child, Command, Stdio};

use pact_e2e::{Stack, wait_for};
use reqwest::blocking::Client;
use serde_json::json;

use crate::{
    aws_clients::executions,
    gateway::{Up, sign, up, up_running},
    text,
};
use attacker::Attacker;

/// Of the function that runs whatever it is told.
const INVOKE: &str = "/2015-03-31/functions/pact-TestAgentFunction/invocations";

/// A browser without a window, on a page; ended when this is dropped.
struct Browser {
    process: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// The program, where one is installed.
    fn program() -> Option<&'static str> {
        ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
            let run = Command::new(name)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            run.is_ok_and(|status| status.success())
        })
    }

    /// Opens a page. Hosts that are not of this machine are asked through `proxy`.
    fn open(program: &str, proxy: &str, url: &str) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let process = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            // It is the stack that is tried here, not what this browser keeps pages from.
            .arg("--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests")
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--proxy-server={proxy}"))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        Self { process, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

fn browser() -> Option<&'static str> {
    let program = Browser::program();
    if program.is_none() {
        eprintln!("skipped: no chromium is installed to show pages with");
    }
    program
}

/// Nothing that a page asked for was done. The gateway was called once, by `pactctl up` for the link
/// that it prints.
fn untouched(stack: &Stack, up: &Up) {
    assert_eq!(executions(&up.aws), Vec::<String>::new());
    for (function, most) in [("TestAgentFunction", 0), ("GatewayFunction", 1)] {
        let log = stack.data().join("logs").join(format!("{function}.log"));
        let written = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(written.matches("START RequestId").count() <= most, "{function} was called");
    }
}

#[test]
fn a_page_of_another_origin_reads_and_changes_nothing() {
    let Some(program) = browser() else { return };
    let stack = Stack::new().with("RUST_LOG", "off,pactctl=warn");
    let (running, up) = up_running(&stack);
    let attacker = Attacker::start();
    let targets = format!("target={}&target={}", up.aws.endpoint, up.api);
    let port = |url: &str| url.rsplit(':').next().unwrap_or_default().to_owned();
    let start = json!({
        "stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:pact-pipeline",
        "input": "{}",
    });
    let (here, start) = (attacker.port(), urlencode(&start.to_string()));
    let page = |host: &str, port: &str, targets: &str| {
        let report = format!("http://{host}:{port}/report");
        format!(
            "http://{host}:{port}/attack?report={report}&invoke={INVOKE}&start={start}&{targets}"
        )
    };
    let mut asked = 0;
    for (who, url) in [
        ("another port", page("127.0.0.1", &here.to_string(), &targets)),
        ("another name of this machine", page("localhost", &here.to_string(), &targets)),
        ("another host", page("evil.example", "80", &targets)),
        // Its name led to a server of its own first, and leads to the stack from then on.
        ("a name that was made to lead here", {
            let aws = port(&up.aws.endpoint);
            page("evil.example", &aws, &format!("target=http://evil.example:{aws}"))
        }),
        ("the same, for the pages", {
            let api = port(&up.api);
            page("evil.example", &api, &format!("target=http://evil.example:{api}"))
        }),
    ] {
        let shown = Browser::open(program, &attacker.url(), &url);
        let report = wait_for("the page's report", 120, || attacker.report());
        drop(shown);
        let read = report["read"].as_array().expect("what it read");
        assert!(read.len() > 30, "{who}: it did not try much: {report:#}");
        asked += read.len();
        for attempt in read {
            assert_eq!(attempt.get("loaded"), None, "{who}: {attempt}");
            let status = attempt["status"].as_u64();
            let (kind, told) = (text(attempt, "/type"), text(attempt, "/text"));
            // Opaque answers tell a page nothing; a refusal of its name is all it can read.
            let nothing = status.is_none() || kind == "opaque" || status == Some(421);
            assert!(nothing, "{who} could read {attempt}");
            assert!(kind != "opaque" || told.is_empty(), "{who}: {attempt}");
            assert!(!told.contains("Functions") && !told.contains("Table"), "{who}: {attempt}");
        }
    }
    untouched(&stack, &up);
    running.signal("INT");
    let refused = running.wait().stderr.matches("a request was refused").count();
    assert!(refused > asked / 2, "only {refused} of {asked} attempts reached the stack");
}

#[test]
fn own_pages_and_links_to_them_work_in_a_browser() {
    let Some(program) = browser() else { return };
    let stack = Stack::new().with("RUST_LOG", "off,pactctl=warn");
    let (running, up) = up_running(&stack);
    let attacker = Attacker::start();
    // A link from elsewhere leads to the start page, which fetches its style, script and icon.
    let link = format!("{}/link?to={}/", attacker.url(), up.api);
    let shown = Browser::open(program, &attacker.url(), &link);
    let log = stack.data().join("logs/DashboardFunction.log");
    let served = |text: &str| text.matches("START RequestId").count();
    wait_for("the page with what belongs to it", 60, || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        (served(&text) >= 3).then_some(())
    });
    drop(shown);
    running.signal("INT");
    let told = running.wait().stderr;
    assert!(!told.contains("a request was refused"), "{told}");
}

/// The same without a browser, request by request: what one sends, and what programs send.
#[test]
fn what_pages_send_is_refused_and_what_programs_send_is_not() {
    let stack = Stack::new();
    let up = up(&stack);
    let http = Client::new();
    let aws = |path: &str| http.post(format!("{}{path}", up.aws.endpoint)).body("{}");
    let api = |path: &str| http.post(format!("{}{path}", up.api)).body("{}");
    let get = |url: &str, path: &str| http.get(format!("{url}{path}"));
    let target = "DynamoDB_20120810.ListTables";
    for (what, request, status) in [
        ("a plain POST", aws(INVOKE).header("content-type", "text/plain"), 415),
        ("the same from a page", aws(INVOKE).header("origin", "http://evil.example"), 403),
        ("a page without origin", aws(INVOKE).header("origin", "null"), 403),
        ("an older page", aws(INVOKE).header("sec-fetch-site", "cross-site"), 403),
        ("a page under another name", aws("/").header("host", "evil.example"), 421),
        ("a table's names", aws("/").header("x-amz-target", target).header("origin", "null"), 403),
        ("a form", api("/v1/pipelines").header("content-type", "multipart/form-data"), 415),
        ("runs, to a script", get(&up.api, "/api/runs").header("sec-fetch-site", "same-site"), 403),
        (
            "functions",
            get(&up.aws.endpoint, "/2015-03-31/functions").header("host", "a.example"),
            421,
        ),
    ] {
        let answer = request.send().expect("an answer");
        assert_eq!(answer.status(), status, "{what}");
        assert_eq!(answer.headers()["cross-origin-resource-policy"], "same-origin", "{what}");
        assert!(!answer.headers().contains_key("access-control-allow-origin"), "{what}");
    }
    untouched(&stack, &up);

    // Without a content type, as `curl -d @push.json` sends it: the signature is what counts.
    let body = json!({ "zen": "it is up" }).to_string();
    let ping = http
        .post(format!("{}/webhooks/github", up.api))
        .header("x-github-event", "ping")
        .header("x-github-delivery", "1")
        .header("x-hub-signature-256", sign(up.webhook_secret(), body.as_bytes()))
        .body(body)
        .send()
        .expect("an answer");
    assert_eq!(ping.status(), 200, "{:?}", ping.text());
    let page = get(&up.api, "/").send().expect("an answer");
    assert_eq!(page.status(), 200);
    // A program gets through to the door, which opens to what is signed alone.
    let functions = get(&up.aws.endpoint, "/2015-03-31/functions/").send().expect("an answer");
    assert_eq!(functions.status(), 403);
    assert!(functions.text().expect("a text").contains("MissingAuthenticationToken"));
}

#[test]
fn a_tunnel_is_let_in_by_its_name() {
    let stack = Stack::new().with("PACT_ALLOW_HOSTS", "hooks.example");
    let up = up(&stack);
    let health = |host: &str| {
        let request = Client::new().get(format!("{}/health", up.api)).header("host", host);
        request.send().expect("an answer").status().as_u16()
    };
    assert_eq!((health("hooks.example"), health("other.example")), (200, 421));
}

fn urlencode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
