//! The agent against servers that speak HTTP and SMTP on this machine.

mod approvers;
mod email;
mod incident;
mod jira;
mod pager;
mod slack;

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use pact_agent::{AgentError, adapter, ports::Outbox, testing::Memory};
use pact_contract::{
    Decision, Deployment, ErrorName, IntentEnvelope, Repository, ResponseEnvelope, RunId,
    RunRequest, RunStatus, SchemaVersion, StageStatus, Verdict,
    actions::Notify,
    envelope::Context,
    run::{
        DeploymentStatus, Fault, NotificationRecord, Outcome as RunOutcome, RuleOutcome,
        RuleResult, Trigger,
    },
    settings::NotifySettings,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header, method, path, path_regex},
};

use super::*;
use crate::{NotifyAgent, message::Message};

fn settings() -> NotifySettings {
    let settings = json!({
        "slack": { "channel": "#releases" },
        "email": { "to": ["ann@example.org", "not an address"] },
        "jira": { "project": "SHOP", "transition": "Done" },
        "pager": { "service": "shop" },
    });
    serde_json::from_value(settings).expect("settings")
}

/// Sets a channel's settings.
fn set(notify: &mut Notify, channel: &str, settings: Value) {
    let settings = serde_json::from_value(settings).expect("an object");
    notify.settings.channels.insert(channel.to_owned(), settings);
}

fn succeeded() -> Notify {
    Notify {
        run: RunRequest {
            schema: SchemaVersion::FIRST,
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
            policy: Default::default(),
            environment: None,
            url: "http://127.0.0.1:9000/runs/web-0123456789-abcdef01".to_owned(),
            started_at: Timestamp::now() - SignedDuration::from_millis(134_200),
            place: None,
            on_purpose: None,
            verify_only: None,
            pull: None,
        },
        outcome: RunOutcome {
            status: RunStatus::Succeeded,
            reason: "everything that was planned was done".to_owned(),
            template: Some("default".to_owned()),
            decision: None,
            deployments: vec![Deployment {
                environment: "production".parse().expect("a name"),
                tier: None,
                release: "r2".parse().ok(),
                previous: "r1".parse().ok(),
                status: DeploymentStatus::Live,
                url: None,
                weight: None,
                weights: Vec::new(),
                apart: None,
                wave_of: None,
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
        state: "RunEndToEnd".parse().expect("a name"),
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
        would_pass: Vec::new(),
    });
    notify
}

/// Nothing is known of what was before; this is how the question stands.
struct Nothing(crate::Question);

#[async_trait::async_trait]
impl crate::Past for Nothing {
    async fn question(
        &self,
        _: &RunId,
        _: &pact_contract::EnvironmentName,
        _: Timestamp,
    ) -> Result<crate::Question, pact_agent::ports::StoreError> {
        Ok(self.0)
    }

    async fn since(
        &self,
        _: &RunRequest,
        _: &pact_contract::EnvironmentName,
    ) -> Result<crate::Since, pact_agent::ports::StoreError> {
        Ok(crate::Since::default())
    }
}

struct World {
    memory: Arc<Memory>,
    variables: Vec<(String, String)>,
    question: Mutex<crate::Question>,
}

impl World {
    fn new(variables: &[(&str, &str)]) -> Self {
        let memory = Memory::new();
        // A secret is no variable of the function.
        let (secrets, variables): (Vec<_>, Vec<_>) =
            variables.iter().partition(|(name, _)| parameters().any(|p| p.name == *name));
        for (name, value) in secrets {
            memory.set_secret(name, value);
        }
        let variables = variables.into_iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let question = Mutex::new(crate::Question::Open);
        Self { memory, variables: variables.collect(), question }
    }

    async fn act(
        &self,
        action: &str,
        notify: &Notify,
    ) -> Result<(ResponseEnvelope, NotificationRecord), AgentError> {
        let Ok(Value::Object(parameters)) = serde_json::to_value(notify) else {
            panic!("parameters are an object");
        };
        let answer = self.send(action, parameters).await?;
        let record = serde_json::from_value(answer.response.output.clone()).expect("a record");
        Ok((answer, record))
    }

    async fn send(
        &self,
        action: &str,
        parameters: serde_json::Map<String, Value>,
    ) -> Result<ResponseEnvelope, AgentError> {
        let context = Context { run_id: Some(succeeded().run.run_id), ..Context::default() };
        let intent =
            IntentEnvelope::new("pact.pipeline", Timestamp::now(), action, parameters, context);
        let answer = self.handle(serde_json::to_value(intent).expect("serialises")).await?;
        Ok(serde_json::from_value(answer).expect("a response"))
    }

    async fn handle(&self, event: Value) -> Result<Value, AgentError> {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        let variables = self.variables.clone();
        let agent = NotifyAgent::new(
            move |name| variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()),
            self.memory.clone() as _,
            self.memory.clone() as _,
            Arc::new(Nothing(*self.question.lock().expect("a lock"))),
        );
        adapter::handle(&agent, &self.memory.recording(), event, deadline).await
    }

    /// What the schedule asks for.
    async fn pass(&self) -> Value {
        self.handle(json!({ "pass": {} })).await.expect("no fault")["pass"].clone()
    }

    /// Has a message due at once, that was tried first so long ago.
    async fn hurry(&self, channel: &str, ago: SignedDuration) {
        let run = succeeded().run.run_id;
        let mut entry = self.entry(channel).await;
        let later = entry.later.as_mut().expect("it is sent again");
        later.due = Timestamp::now();
        later.since = Timestamp::now() - ago;
        self.memory.put_notification(&run, &entry).await.expect("writes");
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

fn fixed(notify: &Notify) -> Message {
    Message::new(
        &notify.run,
        &notify.outcome,
        notify.run.started_at + SignedDuration::from_secs(134),
    )
}

#[test]
fn every_channel_says_the_same() {
    for (name, notify) in [("succeeded", succeeded()), ("rejected", rejected())] {
        let message = fixed(&notify);
        insta::assert_snapshot!(format!("{name}_text"), message.text());
        insta::assert_snapshot!(format!("{name}_html"), super::email::html(&message));
        insta::assert_json_snapshot!(format!("{name}_slack"), super::slack::render(&message));
        insta::assert_json_snapshot!(format!("{name}_jira"), super::jira::render(&message));
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
        for channel in ALL {
            let (action, channel) = (channel.capability().action, channel.kind());
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

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.expect("are kept")
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
        ("slack-webhook-url", &slack),
        ("smtp-url", &smtp),
        ("PACT_SMTP_FROM", "pact@example.org"),
        ("PACT_JIRA_URL", &jira),
        ("PACT_JIRA_USER", "user"),
        ("jira-token", "secret"),
        ("PACT_PAGER_URL", &jira),
        ("pager-key", "secret"),
    ]);
    for channel in ALL {
        let (action, channel) = (channel.capability().action, channel.kind());
        let error = world.act(action, &succeeded()).await.expect_err("is closed");
        assert_eq!(error.name, ErrorName::ChannelUnavailable);
        assert!(!error.chain().contains("secret"), "{}", error.chain());
        assert!(!world.entry(channel).await.record.sent);
    }
    let stages = serde_json::to_string(&world.memory.stages()).expect("serialises");
    assert!(!stages.contains("secret"));
}
