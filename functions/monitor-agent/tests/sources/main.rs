//! The sources of metrics that are asked: against real servers where the machine has them, and against
//! what servers may answer.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what a test needs is there, or the test fails or says that it was skipped"
)]

mod cloudwatch;
mod json;
mod prometheus;

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use pact_agent::{AgentError, adapter, testing::Memory};
use pact_contract::{IntentEnvelope, ResponseEnvelope, actions::Metrics, envelope::Context};
use pact_monitor_agent::{Config, MonitorAgent};
use serde_json::{Value, json};

/// Asks the agent, whose AWS is at an address, where it has one.
async fn ask(
    aws: Option<&str>,
    parameters: Value,
    time: Duration,
) -> Result<ResponseEnvelope, AgentError> {
    let mut agent = MonitorAgent::new(Config::default(), Memory::new());
    if let Some(url) = aws {
        agent = agent.asking(sdk(url));
    }
    let context = Context { run_id: Some("run-1".parse().expect("an id")), ..Context::default() };
    let parameters = parameters.as_object().expect("an object").clone();
    let now = jiff::Timestamp::now();
    let action = "monitor.track_metrics";
    let intent = IntentEnvelope::new("pact.pipeline", now, action, parameters, context);
    let event = serde_json::to_value(intent).expect("it is written");
    let deadline = tokio::time::Instant::now() + time;
    let answer = adapter::handle(&agent, &Memory::new().recording(), event, deadline).await?;
    Ok(serde_json::from_value(answer).expect("a response"))
}

/// Asks an agent that has no AWS.
async fn track(parameters: Value, time: Duration) -> Result<ResponseEnvelope, AgentError> {
    ask(None, parameters, time).await
}

fn sdk(url: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "test", "test", None, None, "test",
        )))
        .endpoint_url(url)
        .build()
}

fn watch(source: Value, seconds: u64) -> Value {
    json!({ "environment": "production", "watch": { "source": source, "seconds": seconds } })
}

fn metrics(answer: ResponseEnvelope) -> Metrics {
    serde_json::from_value(answer.response.output).expect("metrics")
}

/// What a release is judged by, beside how it was before where that is known.
fn judged(mut watch: Value, baseline: Option<&Metrics>) -> Value {
    let parameters = watch.as_object_mut().expect("an object");
    parameters.insert("judged".to_owned(), json!(true));
    parameters.insert("baseline".to_owned(), json!(baseline));
    watch
}

/// A real server, as long as it is held.
struct Server {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().expect("it has ended");
        }
    }
}

impl Server {
    /// Starts a program that listens on a free port; none where the machine does not have it.
    fn start(program: &str, set: impl FnOnce(&mut Command, u16, &std::path::Path)) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut command = Command::new(program);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        set(&mut command, port, folder.path());
        match command.spawn() {
            Ok(child) => {
                let address = format!("http://127.0.0.1:{port}");
                Some(Self { child, address, _folder: folder })
            }
            Err(error) => {
                eprintln!("skipped: no real server was asked, {program} cannot be run: {error}");
                None
            }
        }
    }
}
