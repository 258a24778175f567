//! CodeBuild.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_codebuild::{
    Client,
    operation::stop_build::StopBuildError,
    primitives::DateTime,
    types::{
        Build as SdkBuild, BuildPhase as SdkPhase, CacheType, EnvironmentVariable,
        EnvironmentVariableType, ProjectCache, StatusType,
    },
};
use jiff::Timestamp;
use pact_agent::{
    builds::{Build, BuildPhase, BuildStatus, Builds, NewBuild},
    ports::StoreError,
};

use crate::error::{failed, unavailable};

/// The shortest and the longest time that CodeBuild gives a build, in minutes.
const MINUTES: std::ops::RangeInclusive<u64> = 5..=2_160;

/// Builds of one project.
pub struct CodeBuild {
    client: Client,
    project: Option<String>,
}

impl CodeBuild {
    /// Builds of the project with this name; without one, nothing can be started.
    #[must_use]
    pub fn new(client: Client, project: Option<String>) -> Self {
        Self { client, project }
    }
}

#[async_trait]
impl Builds for CodeBuild {
    async fn start(&self, build: &NewBuild) -> Result<String, StoreError> {
        let Some(project) = &self.project else {
            return Err(unavailable("cannot start a build: PACT_BUILD_PROJECT is not set"));
        };
        let incomplete = |error| unavailable(format!("cannot start a build: request: {error}"));
        let mut variables = Vec::new();
        for (name, value) in &build.variables {
            let variable = EnvironmentVariable::builder()
                .name(name)
                .value(value)
                .r#type(EnvironmentVariableType::Plaintext)
                .build();
            variables.push(variable.map_err(incomplete)?);
        }
        let cache = match &build.cache {
            Some(name) => ProjectCache::builder()
                .r#type(CacheType::Local)
                .modes(aws_sdk_codebuild::types::CacheMode::LocalCustomCache)
                .cache_namespace(name),
            None => ProjectCache::builder().r#type(CacheType::NoCache),
        };
        let minutes = build.timeout.as_secs().div_ceil(60).clamp(*MINUTES.start(), *MINUTES.end());
        let started = self
            .client
            .start_build()
            .project_name(project)
            .idempotency_token(&build.token)
            .buildspec_override(&build.buildspec)
            .set_environment_variables_override(Some(variables))
            .cache_override(cache.build().map_err(incomplete)?)
            .timeout_in_minutes_override(i32::try_from(minutes).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| failed("start a build", error))?;
        started
            .build_value
            .and_then(|build| build.id)
            .ok_or_else(|| unavailable("cannot start a build: the answer names none"))
    }

    async fn build(&self, id: &str) -> Result<Option<Build>, StoreError> {
        let found = self
            .client
            .batch_get_builds()
            .ids(id)
            .send()
            .await
            .map_err(|error| failed("look how a build stands", error))?;
        Ok(found.builds.unwrap_or_default().into_iter().next().map(|build| read(id, build)))
    }

    async fn stop(&self, id: &str) -> Result<(), StoreError> {
        match self.client.stop_build().id(id).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(StopBuildError::is_resource_not_found_exception) =>
            {
                tracing::info!(id, "there is no build to stop");
                Ok(())
            }
            Err(error) => Err(failed("stop a build", error)),
        }
    }
}

fn read(id: &str, build: SdkBuild) -> Build {
    Build {
        id: build.id.unwrap_or_else(|| id.to_owned()),
        status: status(build.build_status.as_ref()),
        phases: build.phases.unwrap_or_default().into_iter().map(phase).collect(),
        image: build.environment.map(|environment| environment.image),
        started: time(build.start_time.as_ref()),
    }
}

fn time(at: Option<&DateTime>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_second(at.secs()).ok())
}

fn status(status: Option<&StatusType>) -> BuildStatus {
    match status {
        Some(StatusType::Succeeded) => BuildStatus::Succeeded,
        Some(StatusType::Failed) => BuildStatus::Failed,
        Some(StatusType::Fault) => BuildStatus::Fault,
        Some(StatusType::TimedOut) => BuildStatus::TimedOut,
        Some(StatusType::Stopped) => BuildStatus::Stopped,
        _ => BuildStatus::InProgress,
    }
}

fn phase(phase: SdkPhase) -> BuildPhase {
    let messages = phase.contexts.unwrap_or_default().into_iter().filter_map(|c| c.message);
    let message = messages.collect::<Vec<_>>().join("; ");
    let seconds = phase.duration_in_seconds.unwrap_or(0);
    BuildPhase {
        name: phase.phase_type.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        status: phase.phase_status.as_ref().map(|s| status(Some(s))),
        message: Some(message).filter(|message| !message.is_empty()),
        took: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        started: time(phase.start_time.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_codebuild::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
    use serde_json::{Value, json};
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::header};

    use super::*;

    /// Builds against a server that gives `answer` to `operation`.
    async fn builds(operation: &str, answer: ResponseTemplate) -> (CodeBuild, MockServer) {
        let server = MockServer::start().await;
        Mock::given(header("x-amz-target", format!("CodeBuild_20161006.{operation}").as_str()))
            .respond_with(answer)
            .mount(&server)
            .await;
        let config = aws_sdk_codebuild::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(server.uri())
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .build();
        (CodeBuild::new(Client::from_conf(config), Some("pact-build".to_owned())), server)
    }

    #[tokio::test]
    async fn a_build_is_started_once_for_its_token_and_within_what_codebuild_allows() {
        let answer = ResponseTemplate::new(200).set_body_json(json!({ "build": { "id": "p:1" } }));
        let (builds, server) = builds("StartBuild", answer).await;
        let build = NewBuild {
            token: "t".to_owned(),
            buildspec: "version: 0.2".to_owned(),
            variables: [("A".to_owned(), "b".to_owned())].into(),
            timeout: Duration::from_secs(61),
            cache: Some("acme/web#refs/heads/main".to_owned()),
        };
        assert_eq!(builds.start(&build).await.unwrap(), "p:1");
        let requests = server.received_requests().await.unwrap();
        let body: Value = requests[0].body_json().unwrap();
        assert_eq!(body["idempotencyToken"], "t");
        assert_eq!(body["timeoutInMinutesOverride"], 5);
        assert_eq!(body["environmentVariablesOverride"][0]["type"], "PLAINTEXT");
        assert_eq!(body["cacheOverride"]["cacheNamespace"], "acme/web#refs/heads/main");
        let error = CodeBuild::new(builds.client.clone(), None).start(&build).await.unwrap_err();
        assert!(error.to_string().contains("PACT_BUILD_PROJECT"), "{error}");
    }

    #[tokio::test]
    async fn a_build_is_read_with_what_is_said_of_its_phases() {
        let answer = json!({ "builds": [{
            "id": "p:1", "buildStatus": "FAILED", "environment": {
                "type": "ARM_CONTAINER", "image": "standard:3.0", "computeType": "BUILD_GENERAL1_SMALL"
            },
            "phases": [
                { "phaseType": "BUILD", "phaseStatus": "FAILED", "durationInSeconds": 7,
                  "contexts": [{ "message": "exit status 1", "statusCode": "COMMAND_EXECUTION_ERROR" }] },
                { "phaseType": "COMPLETED" },
            ],
        }] });
        let answer = ResponseTemplate::new(200).set_body_json(answer);
        let (builds, _server) = builds("BatchGetBuilds", answer).await;
        let build = builds.build("p:1").await.unwrap().unwrap();
        assert_eq!(build.status, BuildStatus::Failed);
        let phase = build.phase("BUILD").unwrap();
        assert_eq!(phase.message.as_deref(), Some("exit status 1"));
        assert_eq!((phase.took, phase.status), (Duration::from_secs(7), Some(BuildStatus::Failed)));
        assert_eq!(build.image.as_deref(), Some("standard:3.0"));
    }

    #[tokio::test]
    async fn what_is_not_there_is_none_and_need_not_be_stopped() {
        let none = ResponseTemplate::new(200).set_body_json(json!({ "builds": [] }));
        let (builds, _server) = builds("BatchGetBuilds", none).await;
        assert_eq!(builds.build("p:1").await.unwrap(), None);
        let gone = ResponseTemplate::new(400)
            .set_body_json(json!({ "__type": "ResourceNotFoundException", "message": "gone" }));
        let (builds, _server) = self::builds("StopBuild", gone).await;
        builds.stop("p:1").await.unwrap();
        let throttled = ResponseTemplate::new(400)
            .set_body_json(json!({ "__type": "ThrottlingException", "message": "slow" }));
        let (builds, _server) = self::builds("StopBuild", throttled).await;
        builds.stop("p:1").await.unwrap_err();
    }
}
