//! A second runner is one file and a line of the registry: it is chosen, checked, documented and
//! named like the first.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pact_agent::{
    Agent, Call, Outcome,
    builds::{Access, Build, Builds, NewBuild, SignedUrls},
    ports::{Listed, Registry, StoreError},
    testing::Memory,
};
use pact_config::{Forms, form::Seam};
use pact_contract::{RepositoryName, StageStatus, registry::RepositoryEntry, settings::Settings};
use pact_hosts::HostTokens;
use serde_json::{Value, json};

use crate::{HostClient, Services, TestAgent, runners::forms};

fn all() -> Forms {
    Forms::published().expect("is readable").clone().with(Seam::Runner, forms())
}

fn parse(suite: &str) -> Result<Settings, String> {
    let text = format!("[tests.unit]\n{suite}");
    all().parse(&text, "pact.toml").map_err(|errors| errors.to_string())
}

/// Nothing that is outside: a runner of one's own needs none of it.
struct Nowhere;

#[async_trait]
impl SignedUrls for Nowhere {
    async fn signed_url(&self, _: Access, _: &str, _: Duration) -> Result<String, StoreError> {
        Err(StoreError::Invalid("nothing is signed".to_owned()))
    }
}

#[async_trait]
impl Builds for Nowhere {
    async fn start(&self, _: &NewBuild) -> Result<String, StoreError> {
        Err(StoreError::Invalid("nothing is built".to_owned()))
    }
    async fn build(&self, _: &str) -> Result<Option<Build>, StoreError> {
        Ok(None)
    }
    async fn stop(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Registry for Nowhere {
    async fn repository(&self, _: &RepositoryName) -> Result<Option<RepositoryEntry>, StoreError> {
        Ok(None)
    }
    async fn put_repository(
        &self,
        _: &RepositoryEntry,
        _: Option<&RepositoryEntry>,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn remove_repository(&self, _: &RepositoryName) -> Result<(), StoreError> {
        Ok(())
    }
    async fn repositories(&self) -> Result<Listed<RepositoryEntry>, StoreError> {
        Ok(Listed::default())
    }
}

async fn run(settings: Value) -> Outcome {
    let parameters = json!({
        "source": { "key": "source", "commit": "c" },
        "repository": { "name": "acme/web", "url": "https://git.example", "default_branch": "main" },
        "settings": settings,
    });
    let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
    let call = Call {
        action: "tests.run_unit".to_owned(),
        parameters,
        run_id: None,
        state: "State".parse().expect("a name"),
        key: "key".to_owned(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
    };
    let none = Arc::new(Nowhere);
    let agent = TestAgent::new(Services {
        artifacts: Memory::new(),
        urls: Arc::clone(&none) as _,
        builds: Arc::clone(&none) as _,
        registry: none,
        tokens: Arc::new(HostTokens::new(Memory::new(), None)),
        hosts: HostClient::default(),
    });
    agent.act(&call).await.expect("no fault")
}

#[tokio::test]
async fn the_settings_choose_the_runner() {
    let settings =
        parse("runner = 'recorder'\nsays = 'test result: ok. 7 passed; 0 failed; 0 ignored'")
            .expect("is accepted");
    let outcome = run(serde_json::to_value(&settings.tests).expect("json")).await;
    assert_eq!(outcome.status, StageStatus::Passed);
    assert_eq!(outcome.summary, "7 tests passed in 1.0 s (recorder)");
    assert!(outcome.output["log_key"].is_string());
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_known_runners() {
    let suite = |runner: Value| json!({ "unit": { "runner": runner, "timeout_seconds": 60 } });
    let outcome = run(suite(json!({ "kind": "walker" }))).await;
    assert_eq!(outcome.status, StageStatus::Skipped, "nothing was checked");
    assert_eq!(
        outcome.summary,
        "the tests were not run: [tests.unit]: the runner \"walker\" is not known; \
         known are \"codebuild\", \"github-actions\", \"recorder\""
    );
    let outcome = run(suite(json!({ "kind": "recorder" }))).await;
    assert!(outcome.summary.contains("missing field `says`"), "{}", outcome.summary);
    assert_eq!(
        parse("runner = 'recordr'\nsays = 'a'").expect_err("is refused"),
        "pact.toml:2:10: tests.unit.runner has the unknown value \"recordr\"; \
         did you mean \"recorder\"?"
    );
    assert_eq!(
        parse("runner = 'recorder'\nsays = \"a\\nb\"\ncommand = 'x'").expect_err("is refused"),
        "pact.toml:3:8: tests.unit.says must be on one line\n\
         pact.toml:4:1: unknown key \"command\" in [tests.unit]; it belongs to runner = \"codebuild\""
    );
}

#[test]
fn the_schema_documents_the_runner() {
    let schema = all().schema();
    let unit = &schema["properties"]["tests"]["properties"]["unit"]["oneOf"][2];
    assert_eq!(unit["properties"]["says"]["description"], "Output of the tests.");
    assert_eq!(unit["required"], json!(["runner", "says"]));
}
