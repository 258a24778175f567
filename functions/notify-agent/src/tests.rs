//! The agent against servers that speak HTTP and SMTP on this machine.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    AgentError, adapter,
    ports::Outbox,
    secrets::{JIRA, SLACK, SMTP},
    testing::Memory,
};
use pact_contract::{
    Decision, Deployment, EnvironmentName, IntentEnvelope, Repository, ResponseEnvelope, RunId,
    RunRequest, RunStatus, StageStatus, Verdict,
    actions::Notify,
    envelope::Context,
    run::{
        DeploymentStatus, Fault, NotificationRecord, Outcome as RunOutcome, RuleOutcome,
        RuleResult, Trigger,
    },
    settings::{EmailSettings, JiraSettings, NotifySettings, SlackSettings},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path, path_regex},
};

use super::*;
use crate::message::Message;

fn settings() -> NotifySettings {
    NotifySettings {
        slack: Some(SlackSettings { channel: Some("#releases".to_owned()) }),
        email: Some(EmailSettings {
            to: vec!["ann@example.org".to_owned(), "not an address".to_owned()],
        }),
        jira: Some(JiraSettings {
            project: "SHOP".to_owned(),
            transition: Some("Done".to_owned()),
        }),
    }
}

fn succeeded() -> Notify {
    Notify {
        run: RunRequest {
            schema: 1,
            run_id: RunId::parse("web-0123456789-abcdef01").expect("an id"),
            repository: Repository {
                name: "acme/web".parse().expect("a name"),
                url: "https://git.example/acme/web".to_owned(),
                default_branch: "main".to_owned(),
            },
            reference: "refs/heads/main".to_owned(),
            branch: "main".to_owned(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            base: None,
            message: Some("SHOP-12: prices with <b>tax</b> & <!channel>".to_owned()),
            author: Some("Ann\r\nBcc: eve@example.org".to_owned()),
            trigger: Trigger { kind: "push".to_owned(), actor: None, delivery: None },
            template: None,
            environment: None,
            url: "http://127.0.0.1:9000/runs/web-0123456789-abcdef01".to_owned(),
            started_at: Timestamp::now() - SignedDuration::from_millis(134_200),
        },
        outcome: RunOutcome {
            status: RunStatus::Succeeded,
            reason: "everything that was planned was done".to_owned(),
            template: Some("default".to_owned()),
            decision: None,
            deployments: vec![Deployment {
                environment: EnvironmentName::PRODUCTION,
                release: "r2".to_owned(),
                previous: Some("r1".to_owned()),
                status: DeploymentStatus::Live,
                url: None,
            }],
            fault: None,
        },
        settings: settings(),
    }
}

fn rejected() -> Notify {
    let mut notify = succeeded();
    let rule =
        |rule: &str, required: bool, outcome: RuleOutcome, would_pass: Option<&str>| RuleResult {
            rule: rule.to_owned(),
            outcome,
            required,
            value: json!(3),
            threshold: json!(0),
            message: format!("{rule}: 3 of 20 tests failed"),
            would_pass: would_pass.map(str::to_owned),
        };
    notify.outcome.status = RunStatus::Rejected;
    notify.outcome.reason = "3 of 20 unit tests failed".to_owned();
    notify.outcome.deployments.clear();
    notify.outcome.fault = Some(Fault {
        state: "RunEndToEnd".to_owned(),
        error: "ERR_TIMEOUT".to_owned(),
        cause: Some("did not end\nin time".to_owned()),
    });
    notify.outcome.decision = Some(Decision {
        verdict: Verdict::Reject,
        summary: "tests failed".to_owned(),
        reasons: vec![
            rule("tests-pass", true, RuleOutcome::NotMet, Some("mend 3 tests")),
            rule("coverage", false, RuleOutcome::NotMet, None),
            rule("syntax-valid", true, RuleOutcome::Met, None),
        ],
    });
    notify
}

struct World {
    memory: Arc<Memory>,
    variables: Vec<(String, String)>,
}

impl World {
    fn new(variables: &[(&str, &str)]) -> Self {
        let memory = Memory::new();
        // A secret is no variable of the function.
        let (secrets, variables): (Vec<_>, Vec<_>) =
            variables.iter().partition(|(name, _)| [SLACK, SMTP, JIRA].contains(name));
        for (name, value) in secrets {
            memory.set_secret(name, value);
        }
        let variables = variables.into_iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Self { memory, variables: variables.collect() }
    }

    async fn act(
        &self,
        action: &str,
        notify: &Notify,
    ) -> Result<(ResponseEnvelope, NotificationRecord), AgentError> {
        let Ok(Value::Object(parameters)) = serde_json::to_value(notify) else {
            panic!("parameters are an object");
        };
        let context = Context { run_id: Some(notify.run.run_id.clone()), ..Context::default() };
        let intent =
            IntentEnvelope::new("pact.pipeline", Timestamp::now(), action, parameters, context);
        let intent = serde_json::to_value(intent).expect("serialises");
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        let variables = self.variables.clone();
        let agent = NotifyAgent::new(
            move |name| variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()),
            self.memory.clone() as _,
            self.memory.clone() as _,
        );
        let answer = adapter::handle(&agent, &self.memory.recording(), intent, deadline).await?;
        let answer: ResponseEnvelope = serde_json::from_value(answer).expect("a response");
        let record = serde_json::from_value(answer.response.output.clone()).expect("a record");
        Ok((answer, record))
    }

    async fn entry(&self, channel: &str) -> pact_agent::ports::OutboxEntry {
        let run = succeeded().run.run_id;
        let entry = self.memory.notification(&run, channel).await.expect("answers");
        entry.expect("an entry")
    }

    /// What an agent that was killed while sending leaves behind.
    async fn killed_while_sending(&self, channel: &str) {
        let mut entry = self.entry(channel).await;
        entry.record.sent = false;
        entry.record.detail = "is being sent".to_owned();
        entry.reference = None;
        let run = succeeded().run.run_id;
        self.memory.put_notification(&run, &entry).await.expect("writes");
    }
}

const ACTIONS: [(&str, &str); 3] = [
    ("notify.slack_team", "slack"),
    ("notify.email_stakeholders", "email"),
    ("notify.update_jira", "jira"),
];

fn fixed(notify: &Notify) -> Message {
    Message::new(notify, notify.run.started_at + SignedDuration::from_secs(134))
}

#[test]
fn every_channel_says_the_same() {
    for (name, notify) in [("succeeded", succeeded()), ("rejected", rejected())] {
        let message = fixed(&notify);
        insta::assert_snapshot!(format!("{name}_text"), message.text());
        insta::assert_snapshot!(format!("{name}_html"), email::html(&message));
        insta::assert_json_snapshot!(format!("{name}_slack"), slack::render(&message));
        insta::assert_json_snapshot!(format!("{name}_jira"), jira::render(&message));
    }
}

#[tokio::test]
async fn what_has_no_channel_stays_in_the_outbox() {
    let mut unset = succeeded();
    unset.settings = NotifySettings::default();
    for (notify, hint) in
        [(succeeded(), "put-parameter --type SecureString --name /memory/"), (unset, "[notify.")]
    {
        let world = World::new(&[]);
        for (action, channel) in ACTIONS {
            let (answer, record) = world.act(action, &notify).await.expect("no fault");
            assert_eq!(answer.response.status, StageStatus::Skipped);
            assert!(answer.response.summary.starts_with("not sent: "));
            assert!(answer.response.summary.contains(hint), "{}", answer.response.summary);
            assert!(!record.sent && record.channel == channel);
            let entry = world.entry(channel).await;
            assert_eq!(entry.record, record);
            assert!(entry.body.starts_with("Succeeded: acme/web 0123456789\n"), "{}", entry.body);
        }
    }
}

async fn slack(template: ResponseTemplate) -> (MockServer, World) {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/services/T/B/secret"))
        .respond_with(template)
        .mount(&server)
        .await;
    let url = format!("{}/services/T/B/secret", server.uri());
    let world = World::new(&[(SLACK, url.as_str())]);
    (server, world)
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.expect("are kept")
}

#[tokio::test]
async fn slack_gets_one_message_however_often_it_is_asked_for() {
    let (server, world) = slack(ResponseTemplate::new(200).set_body_string("ok")).await;
    for _ in 0..3 {
        let (answer, record) =
            world.act("notify.slack_team", &succeeded()).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert!(record.sent);
        assert_eq!(record.detail, "sent to #releases");
    }
    let sent = requests(&server).await;
    assert_eq!(sent.len(), 1);
    let body: Value = sent[0].body_json().expect("JSON");
    assert_eq!(body["blocks"][0]["text"]["text"], "Succeeded: acme/web 0123456789");

    // Killed between sending and recording: sent again, and said so.
    world.killed_while_sending("slack").await;
    let (_, record) = world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert!(record.sent && record.detail.contains("perhaps twice"), "{}", record.detail);
    assert_eq!(requests(&server).await.len(), 2);
}

#[tokio::test]
async fn slack_that_is_ill_is_a_fault_and_slack_that_says_no_a_verdict() {
    for status in [429, 500, 503] {
        let (_server, world) = slack(ResponseTemplate::new(status)).await;
        let error = world.act("notify.slack_team", &succeeded()).await.expect_err("is a fault");
        assert_eq!(error.name, ErrorName::ChannelUnavailable);
        assert!(error.chain().contains(&status.to_string()) && !error.chain().contains("secret"));
        let entry = world.entry("slack").await;
        assert!(!entry.record.sent && entry.record.detail.contains(&status.to_string()));
    }
    let (server, world) = slack(ResponseTemplate::new(404).set_body_string("no_service")).await;
    let (answer, record) = world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert_eq!(record.detail, "not sent: Slack refuses the message: 404 no_service");
    assert_eq!(requests(&server).await.len(), 1);
    // Slack is mended: the same call sends the message now.
    server.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let (_, record) = world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert_eq!(record.detail, "sent to #releases");
}

#[tokio::test]
async fn slack_is_given_the_time_that_it_asks_for() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("Retry-After", "0");
    Mock::given(method("POST")).respond_with(busy).up_to_n_times(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let world = World::new(&[(SLACK, server.uri().as_str())]);
    let (_, record) = world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert!(record.sent);
    assert_eq!(requests(&server).await.len(), 2);
}

#[tokio::test]
async fn no_error_names_an_address() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address").to_string()
    };
    let slack = format!("http://{closed}/services/secret");
    let smtp = format!("smtp://user:secret@{closed}");
    let jira = format!("http://{closed}/secret");
    let world = World::new(&[
        (SLACK, &slack),
        (SMTP, &smtp),
        ("PACT_SMTP_FROM", "pact@example.org"),
        ("PACT_JIRA_URL", &jira),
        ("PACT_JIRA_USER", "user"),
        (JIRA, "secret"),
    ]);
    for (action, channel) in ACTIONS {
        let error = world.act(action, &succeeded()).await.expect_err("is closed");
        assert_eq!(error.name, ErrorName::ChannelUnavailable);
        assert!(!error.chain().contains("secret"), "{}", error.chain());
        assert!(!world.entry(channel).await.record.sent);
    }
    let stages = serde_json::to_string(&world.memory.stages()).expect("serialises");
    assert!(!stages.contains("secret"));
}

/// A mail server that takes one message at a time and keeps what it was told.
struct Mail {
    address: String,
    told: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mail {
    /// Answers recipients with `recipient`.
    async fn start(recipient: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                write.write_all(b"220 mail.test ESMTP\r\n").await.expect("is sent");
                let mut data = false;
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().expect("not poisoned").push(line.clone());
                    let answer = if data {
                        if line != "." {
                            continue;
                        }
                        data = false;
                        "250 taken"
                    } else if line.starts_with("EHLO") {
                        "250-mail.test\r\n250 AUTH PLAIN"
                    } else if line.starts_with("AUTH PLAIN") {
                        "235 welcome"
                    } else if line.starts_with("RCPT") {
                        recipient
                    } else if line == "DATA" {
                        data = true;
                        "354 go on"
                    } else if line == "QUIT" {
                        "221 bye"
                    } else {
                        "250 ok"
                    };
                    if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                        break;
                    }
                }
            }
        });
        Self { address, told, task }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().expect("not poisoned").clone()
    }

    fn world(&self) -> World {
        let url = format!("smtp://user:pass%20word@{}", self.address);
        World::new(&[(SMTP, &url), ("PACT_SMTP_FROM", "PACT <pact@example.org>")])
    }
}

#[tokio::test]
async fn a_mail_is_sent_once_with_headers_that_cannot_be_forged() {
    let mail = Mail::start("250 ok").await;
    let world = mail.world();
    for _ in 0..2 {
        let (answer, record) =
            world.act("notify.email_stakeholders", &rejected()).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert_eq!(record.detail, "sent to 1 person");
    }
    let told = mail.told();
    let count = |line: &str| told.iter().filter(|l| *l == line).count();
    assert_eq!(count("RCPT TO:<ann@example.org>"), 1, "{told:#?}");
    assert_eq!(count("MAIL FROM:<pact@example.org>"), 1);
    assert_eq!(count("Message-ID: <web-0123456789-abcdef01.pact@example.org>"), 1);
    assert_eq!(count("Subject: Rejected: acme/web 0123456789"), 1);
    let head: Vec<_> =
        told.iter().skip_while(|l| *l != "DATA").take_while(|l| !l.is_empty()).collect();
    assert!(head.iter().all(|l| !l.starts_with("Bcc")), "{head:#?}");
    let all = told.join("\n");
    assert!(all.contains("text/plain") && all.contains("text/html"));
    let entry = world.entry("email").await;
    assert_eq!(entry.reference.as_deref(), Some("<web-0123456789-abcdef01.pact@example.org>"));
}

#[tokio::test]
async fn a_mail_server_that_is_busy_is_a_fault_and_one_that_says_no_a_verdict() {
    let mail = Mail::start("451 later").await;
    let world = mail.world();
    let error = world.act("notify.email_stakeholders", &succeeded()).await.expect_err("is a fault");
    assert_eq!(error.name, ErrorName::ChannelUnavailable);
    assert!(error.chain().contains("451"), "{}", error.chain());

    let mail = Mail::start("550 nobody here").await;
    let world = mail.world();
    let (answer, record) =
        world.act("notify.email_stakeholders", &succeeded()).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(record.detail.contains("nobody here"), "{}", record.detail);
    let mut nobody = succeeded();
    nobody.settings.email = Some(EmailSettings { to: vec!["x".to_owned()] });
    let (answer, _) = world.act("notify.email_stakeholders", &nobody).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
}

/// A Jira that keeps comments and moves issues.
#[derive(Clone, Default)]
struct FakeJira {
    comments: Arc<Mutex<Vec<Value>>>,
    moved: Arc<Mutex<Vec<Value>>>,
}

impl FakeJira {
    async fn start(&self) -> (MockServer, World) {
        let server = MockServer::start().await;
        let (post, get) = (Arc::clone(&self.comments), Arc::clone(&self.comments));
        let (moves, moved) = (Arc::clone(&self.moved), Arc::clone(&self.moved));
        let comments = || path_regex("^/jira/rest/api/3/issue/SHOP-1?2/comment$");
        Mock::given(method("GET"))
            .and(comments())
            .respond_with(move |_: &Request| {
                let comments = get.lock().expect("not poisoned").clone();
                ResponseTemplate::new(200).set_body_json(json!({ "comments": comments }))
            })
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(comments())
            .respond_with(move |request: &Request| {
                let body: Value = request.body_json().expect("JSON");
                post.lock().expect("not poisoned").push(body);
                ResponseTemplate::new(201).set_body_json(json!({ "id": "1" }))
            })
            .mount(&server)
            .await;
        let transitions = || path("/jira/rest/api/3/issue/SHOP-12/transitions");
        Mock::given(method("GET"))
            .and(transitions())
            .respond_with(move |_: &Request| {
                let offered = if moved.lock().expect("not poisoned").is_empty() {
                    json!([{ "id": "31", "name": "Ship it", "to": { "name": "Done" } }])
                } else {
                    json!([{ "id": "41", "name": "Reopen", "to": { "name": "Open" } }])
                };
                ResponseTemplate::new(200).set_body_json(json!({ "transitions": offered }))
            })
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(transitions())
            .respond_with(move |request: &Request| {
                let body: Value = request.body_json().expect("JSON");
                moves.lock().expect("not poisoned").push(body);
                ResponseTemplate::new(204)
            })
            .mount(&server)
            .await;
        Mock::given(method("GET"))
            .and(path("/jira/rest/api/3/issue/SHOP-12"))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({ "fields": { "status": { "name": "Done" } } })),
            )
            .mount(&server)
            .await;
        let url = format!("{}/jira", server.uri());
        let world = World::new(&[
            ("PACT_JIRA_URL", &url),
            ("PACT_JIRA_USER", "bot@example.org"),
            (JIRA, "secret"),
        ]);
        (server, world)
    }

    fn comments(&self) -> Vec<Value> {
        self.comments.lock().expect("not poisoned").clone()
    }

    fn moved(&self) -> Vec<Value> {
        self.moved.lock().expect("not poisoned").clone()
    }
}

#[tokio::test]
async fn an_issue_gets_one_comment_and_one_transition() {
    let jira = FakeJira::default();
    let (server, world) = jira.start().await;
    for _ in 0..2 {
        let (answer, record) =
            world.act("notify.update_jira", &succeeded()).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert!(answer.response.findings.is_empty());
        assert_eq!(record.detail, "commented on SHOP-12; Done for SHOP-12");
    }
    // Killed after posting and before recording: found again, and not posted again.
    world.killed_while_sending("jira").await;
    let (answer, _) = world.act("notify.update_jira", &succeeded()).await.expect("no fault");
    assert!(answer.response.findings.is_empty(), "{:?}", answer.response.findings);
    assert_eq!(jira.comments().len(), 1);
    assert_eq!(jira.moved(), [json!({ "transition": { "id": "31" } })]);
    assert_eq!(jira.comments()[0]["body"]["type"], "doc");
    assert!(requests(&server).await[0].headers.contains_key("authorization"));

    // Another run's comment is another comment.
    let mut other = succeeded();
    other.run.run_id = RunId::parse("web-0123456789-abcdef0").expect("an id");
    world.act("notify.update_jira", &other).await.expect("no fault");
    assert_eq!(jira.comments().len(), 2);
}

#[tokio::test]
async fn only_a_release_to_production_moves_an_issue() {
    let mut staging = succeeded();
    staging.outcome.deployments[0].environment = EnvironmentName::STAGING;
    let mut taken_back = succeeded();
    taken_back.outcome.deployments[0].status = DeploymentStatus::RolledBack;
    for notify in [rejected(), staging, taken_back] {
        let jira = FakeJira::default();
        let (_server, world) = jira.start().await;
        let (_, record) = world.act("notify.update_jira", &notify).await.expect("no fault");
        assert_eq!(record.detail, "commented on SHOP-12");
        assert!(jira.moved().is_empty());
    }
}

#[tokio::test]
async fn what_jira_refuses_is_named_and_the_rest_is_done() {
    let jira = FakeJira::default();
    let (_server, world) = jira.start().await;
    let mut notify = succeeded();
    notify.run.message = Some("SHOP-12 and SHOP-99".to_owned());
    notify.run.branch = "feature/shop-12".to_owned();
    notify.settings.jira =
        Some(JiraSettings { project: "SHOP".to_owned(), transition: Some("Publish".to_owned()) });
    let (answer, record) = world.act("notify.update_jira", &notify).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed);
    assert!(record.sent && record.detail == "commented on SHOP-12", "{}", record.detail);
    let codes: Vec<_> = answer.response.findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["transition-missing", "issue-missing"]);
    assert!(answer.response.findings[0].message.contains("Ship it"));

    notify.run.run_id = RunId::parse("other").expect("an id");
    notify.run.message = Some("SHOP-99".to_owned());
    notify.run.branch = "main".to_owned();
    let (answer, record) = world.act("notify.update_jira", &notify).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(!record.sent && record.detail.contains("SHOP-99"));

    notify.run.message = None;
    let (answer, _) = world.act("notify.update_jira", &notify).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Skipped);
}
