//! One build: what is known of it, and how AWS shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a build, or a phase of it, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It goes on.
    InProgress,
    /// Every command succeeded.
    Succeeded,
    /// A command did not.
    Failed,
    /// Not the build's own doing: the environment could not be made, or ended.
    Fault,
    /// Its time was over.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
}

impl Status {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Fault => "FAULT",
            Self::TimedOut => "TIMED_OUT",
            Self::Stopped => "STOPPED",
        }
    }
}

/// One phase of a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PhaseRecord {
    pub(crate) name: String,
    pub(crate) status: Option<Status>,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) message: Option<String>,
}

/// A build as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Build {
    pub(crate) schema: u32,
    pub(crate) uuid: String,
    pub(crate) number: u64,
    pub(crate) project: String,
    pub(crate) arn: String,
    pub(crate) initiator: String,
    pub(crate) status: Status,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) phases: Vec<PhaseRecord>,
    pub(crate) buildspec: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) image: String,
    pub(crate) compute_type: String,
    pub(crate) timeout_minutes: u64,
    pub(crate) queued_timeout_minutes: u64,
    pub(crate) log_group: String,
    pub(crate) token: Option<String>,
}

/// Version of [`Build`] on disk. It grows when an older reader would misread a field.
pub(crate) const SCHEMA: u32 = 1;

impl Build {
    pub(crate) fn id(&self) -> String {
        format!("{}:{}", self.project, self.uuid)
    }

    /// Ends the phase that goes on, if one does, and begins the next.
    pub(crate) fn begin(&mut self, name: &str, at: Timestamp) {
        self.end_phase(Status::Succeeded, None, at);
        self.phases.push(PhaseRecord {
            name: name.to_owned(),
            status: None,
            started: at,
            ended: None,
            message: None,
        });
    }

    /// Ends the phase that goes on; nothing happens when none does.
    pub(crate) fn end_phase(&mut self, status: Status, message: Option<String>, at: Timestamp) {
        let Some(phase) = self.phases.last_mut().filter(|phase| phase.ended.is_none()) else {
            return;
        };
        phase.status = Some(status);
        phase.ended = Some(at);
        phase.message = message.or_else(|| phase.message.take());
    }

    /// Ends the build. The first end stays.
    pub(crate) fn end(&mut self, status: Status, message: Option<String>, at: Timestamp) {
        if self.ended.is_some() {
            return;
        }
        self.end_phase(status, message, at);
        self.begin("COMPLETED", at);
        self.status = status;
        self.ended = Some(at);
    }

    /// Name of the phase that goes on.
    pub(crate) fn current_phase(&self) -> &str {
        self.phases.last().map_or("SUBMITTED", |phase| &phase.name)
    }

    /// The build as `BatchGetBuilds` shows it.
    pub(crate) fn view(&self, region: &str) -> Value {
        let phases: Vec<_> = self.phases.iter().map(PhaseRecord::view).collect();
        let variables: Vec<_> = self
            .environment
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value, "type": "PLAINTEXT"}))
            .collect();
        let group = &self.log_group;
        let mut view = json!({
            "id": self.id(),
            "arn": self.arn,
            "buildNumber": self.number,
            "startTime": seconds(self.started),
            "currentPhase": self.current_phase(),
            "buildStatus": self.status.as_str(),
            "projectName": self.project,
            "phases": phases,
            "source": {"type": "NO_SOURCE", "buildspec": self.buildspec},
            "secondarySources": [],
            "secondarySourceVersions": [],
            "artifacts": {"location": ""},
            "cache": {"type": "NO_CACHE"},
            "environment": {
                "type": "ARM_CONTAINER",
                "image": self.image,
                "computeType": self.compute_type,
                "environmentVariables": variables,
                "privilegedMode": false,
                "imagePullCredentialsType": "CODEBUILD",
            },
            "logs": {
                "groupName": group,
                "streamName": self.uuid,
                "cloudWatchLogsArn": format!(
                    "arn:aws:logs:{region}:{}:log-group:{group}:log-stream:{}",
                    self.arn.split(':').nth(4).unwrap_or_default(),
                    self.uuid,
                ),
                "cloudWatchLogs": {"status": "ENABLED", "groupName": group},
            },
            "timeoutInMinutes": self.timeout_minutes,
            "queuedTimeoutInMinutes": self.queued_timeout_minutes,
            "buildComplete": self.ended.is_some(),
            "initiator": self.initiator,
        });
        if let (Some(ended), Some(fields)) = (self.ended, view.as_object_mut()) {
            fields.insert("endTime".to_owned(), json!(seconds(ended)));
        }
        view
    }
}

impl PhaseRecord {
    fn view(&self) -> Value {
        let mut view = json!({"phaseType": self.name, "startTime": seconds(self.started)});
        let Some(fields) = view.as_object_mut() else { return view };
        if let Some(status) = self.status {
            fields.insert("phaseStatus".to_owned(), json!(status.as_str()));
        }
        if let Some(ended) = self.ended {
            let took = ended.duration_since(self.started).as_secs().max(0);
            fields.insert("endTime".to_owned(), json!(seconds(ended)));
            fields.insert("durationInSeconds".to_owned(), json!(took));
        }
        if let Some(message) = &self.message {
            let code = match self.status {
                Some(Status::Failed) => "COMMAND_EXECUTION_ERROR",
                _ => "",
            };
            let context = json!([{"statusCode": code, "message": message}]);
            fields.insert("contexts".to_owned(), context);
        }
        view
    }
}

/// What EventBridge is told when a build begins, when a phase of it ends, and when it ends.
#[derive(Clone, Debug, PartialEq)]
pub struct StateChange {
    /// Id of the build, `<project>:<uuid>`.
    pub build_id: String,
    /// How the build stands.
    pub status: Status,
    /// The event, as `CodeBuild Build State Change` or `CodeBuild Build Phase Change` delivers it.
    pub event: Value,
}

impl StateChange {
    pub(crate) fn of(build: &Build, region: &str, account: &str, at: Timestamp) -> Self {
        let detail = json!({
            "build-status": build.status.as_str(),
            "current-phase": build.current_phase(),
            "current-phase-context": "[]",
        });
        Self::event(build, "State", detail, (region, account), at)
    }

    /// That a phase has ended; none while it goes on.
    pub(crate) fn of_phase(
        build: &Build,
        phase: &PhaseRecord,
        region: &str,
        account: &str,
    ) -> Option<Self> {
        let at = phase.ended?;
        let context: Vec<_> = phase.message.iter().map(|m| format!(": {m}")).collect();
        let detail = json!({
            "completed-phase": phase.name,
            "completed-phase-status": phase.status.map(Status::as_str),
            "completed-phase-context": format!("[{}]", context.join(", ")),
            "completed-phase-duration-seconds": at.duration_since(phase.started).as_secs().max(0),
            "completed-phase-start": spoken(phase.started),
            "completed-phase-end": spoken(at),
        });
        Some(Self::event(build, "Phase", detail, (region, account), at))
    }

    fn event(
        build: &Build,
        kind: &str,
        mut detail: Value,
        (region, account): (&str, &str),
        at: Timestamp,
    ) -> Self {
        let variables: Vec<_> = build
            .environment
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value, "type": "PLAINTEXT"}))
            .collect();
        let phases: Vec<_> = build
            .phases
            .iter()
            .map(|phase| {
                json!({
                    "phase-context": phase.message.iter().map(|m| format!(": {m}")).collect::<Vec<_>>(),
                    "phase-type": phase.name,
                    "phase-status": phase.status.map(Status::as_str),
                    "start-time": spoken(phase.started),
                    "end-time": phase.ended.map(spoken),
                    "duration-in-seconds": phase
                        .ended
                        .map(|ended| ended.duration_since(phase.started).as_secs().max(0)),
                })
            })
            .collect();
        let common = json!({
            "project-name": build.project,
            "build-id": build.arn,
            "additional-information": {
                "cache": {"type": "NO_CACHE"},
                "build-number": build.number,
                "timeout-in-minutes": build.timeout_minutes,
                "queued-timeout-in-minutes": build.queued_timeout_minutes,
                "build-complete": build.ended.is_some(),
                "initiator": build.initiator,
                "build-start-time": spoken(build.started),
                "source": {"buildspec": build.buildspec, "type": "NO_SOURCE"},
                "environment": {
                    "image": build.image,
                    "privileged-mode": false,
                    "compute-type": build.compute_type,
                    "type": "ARM_CONTAINER",
                    "environment-variables": variables,
                },
                "logs": {"group-name": build.log_group, "stream-name": build.uuid},
                "phases": phases,
            },
            "version": "1",
        });
        if let (Some(detail), Value::Object(common)) = (detail.as_object_mut(), common) {
            detail.extend(common);
        }
        let event = json!({
            "version": "0",
            "id": uuid::Uuid::new_v4().to_string(),
            "detail-type": format!("CodeBuild Build {kind} Change"),
            "source": "aws.codebuild",
            "account": account,
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": region,
            "resources": [build.arn],
            "detail": detail,
        });
        Self { build_id: build.id(), status: build.status, event }
    }
}

/// A time as the API has it: seconds with a fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a date fit a double")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

/// A time as the event has it: `Sep 1, 2017 4:12:29 PM`.
fn spoken(at: Timestamp) -> String {
    at.strftime("%b %-d, %Y %-I:%M:%S %p").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build() -> Build {
        let at: Timestamp = "2026-11-26T15:41:34Z".parse().unwrap();
        Build {
            schema: SCHEMA,
            uuid: "8745a7a9-c340-456a-9166-edf953571bec".to_owned(),
            number: 7,
            project: "shop".to_owned(),
            arn: "arn:aws:codebuild:us-east-1:000000000000:build/shop:8745a7a9-c340-456a-9166-edf953571bec".to_owned(),
            initiator: "local".to_owned(),
            status: Status::InProgress,
            started: at,
            ended: None,
            phases: Vec::new(),
            buildspec: "version: 0.2".to_owned(),
            environment: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            image: "standard:7.0".to_owned(),
            compute_type: "BUILD_GENERAL1_SMALL".to_owned(),
            timeout_minutes: 60,
            queued_timeout_minutes: 480,
            log_group: "/aws/codebuild/shop".to_owned(),
            token: None,
        }
    }

    #[test]
    fn phases_follow_one_another_and_the_first_end_stays() {
        let mut build = build();
        let at = build.started;
        build.begin("SUBMITTED", at);
        build.begin("BUILD", at);
        build.end(Status::Failed, Some("exit status 1".to_owned()), at);
        build.end(Status::Stopped, None, at);
        assert_eq!(build.status, Status::Failed);
        let phases: Vec<_> = build.phases.iter().map(|p| (p.name.as_str(), p.status)).collect();
        assert_eq!(
            phases,
            [
                ("SUBMITTED", Some(Status::Succeeded)),
                ("BUILD", Some(Status::Failed)),
                ("COMPLETED", None),
            ]
        );
        let view = build.view("us-east-1");
        assert_eq!(view["phases"][1]["contexts"][0]["message"], "exit status 1");
        assert_eq!(view["buildComplete"], true);
        assert_eq!(view["endTime"], view["startTime"]);
    }

    #[test]
    fn the_event_names_the_build_by_its_arn() {
        let change = StateChange::of(&build(), "us-east-1", "000000000000", build().started);
        assert_eq!(change.event["detail"]["build-id"], build().arn);
        assert_eq!(change.event["detail"]["build-status"], "IN_PROGRESS");
        let start = &change.event["detail"]["additional-information"]["build-start-time"];
        assert_eq!(start, "Nov 26, 2026 3:41:34 PM");
        let mut build = build();
        build.begin("BUILD", build.started);
        let of = |build: &Build| StateChange::of_phase(build, &build.phases[0], "us-east-1", "0");
        assert_eq!(of(&build), None);
        build.end_phase(Status::Failed, Some("exit status 1".to_owned()), build.started);
        let change = of(&build).unwrap();
        assert_eq!(change.event["detail-type"], "CodeBuild Build Phase Change");
        assert_eq!(change.event["detail"]["completed-phase"], "BUILD");
        assert_eq!(change.event["detail"]["completed-phase-status"], "FAILED");
        assert_eq!(change.event["detail"]["build-id"], build.arn);
    }
}
