//! The logs of stages: those of their builds in CloudWatch Logs while they go on, the kept ones in
//! the artifact store afterwards.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::{operation::get_log_events::GetLogEventsError, types::OutputLogEvent};
use jiff::Timestamp;
use pact_agent::{
    logs::{LogLine, LogPage, StageLogs, TAIL, kept_key},
    ports::{Artifacts, StoreError},
    text::readable,
};
use pact_contract::{RunId, StateName};

use crate::{DynamoStore, error::failed};

/// Bytes of a piece of a kept log.
const PIECE: usize = 256 * 1024;
/// Bytes and lines of a tail.
const TAIL_BYTES: usize = 64 * 1024;
const TAIL_LINES: i32 = 500;
/// Longest place in a log that is understood: CloudWatch's tokens have about sixty characters.
const MAX_PLACE: usize = 600;

/// Reads the logs of stages.
pub struct Logs {
    store: Arc<DynamoStore>,
    builds: aws_sdk_codebuild::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    artifacts: Arc<dyn Artifacts>,
}

/// Where a piece begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// So that the last lines come.
    Tail,
    /// So many bytes into the kept log.
    Kept(usize),
    /// In the log of a build, at a token of CloudWatch Logs.
    Live { build: String, token: String },
}

impl Place {
    fn read(text: &str) -> Result<Self, StoreError> {
        if text == TAIL {
            return Ok(Self::Tail);
        }
        let invalid = || StoreError::Invalid("there is no such place in the log".to_owned());
        let (kind, rest) = text.split_once('|').ok_or_else(invalid)?;
        match (kind, rest.split_once('|')) {
            _ if text.len() > MAX_PLACE => Err(invalid()),
            ("kept", None) => rest.parse().map(Self::Kept).map_err(|_| invalid()),
            ("live", Some((build, token))) => {
                Ok(Self::Live { build: build.to_owned(), token: token.to_owned() })
            }
            _ => Err(invalid()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Tail => TAIL.to_owned(),
            Self::Kept(offset) => format!("kept|{offset}"),
            Self::Live { build, token } => format!("live|{build}|{token}"),
        }
    }
}

impl Logs {
    /// Over the run store, which knows the build of a stage, and the artifact store.
    #[must_use]
    pub fn new(store: Arc<DynamoStore>, sdk: &SdkConfig, artifacts: Arc<dyn Artifacts>) -> Self {
        let builds = aws_sdk_codebuild::Client::new(sdk);
        let logs = aws_sdk_cloudwatchlogs::Client::new(sdk);
        Self { store, builds, logs, artifacts }
    }

    async fn kept(
        &self,
        run_id: &RunId,
        state: &StateName,
        from: &Place,
    ) -> Result<Option<LogPage>, StoreError> {
        let content = self.artifacts.get(&kept_key(run_id.as_str(), state)).await?;
        Ok(content.map(|content| match from {
            Place::Kept(offset) => piece(&content, *offset),
            Place::Tail => piece(&content, tail(&content)),
            Place::Live { .. } => piece(&content, 0),
        }))
    }

    /// The group and the stream of a build's log; none before it has one, and after it is forgotten.
    async fn stream(&self, build: &str) -> Result<Option<(String, String)>, StoreError> {
        let found = self
            .builds
            .batch_get_builds()
            .ids(build)
            .send()
            .await
            .map_err(|error| failed("look for the log of a build", error))?;
        let logs = found.builds.unwrap_or_default().into_iter().next().and_then(|b| b.logs);
        Ok(logs.and_then(|logs| Some((logs.group_name?, logs.stream_name?))))
    }

    /// A piece of the log of a build, which may go on.
    async fn live(
        &self,
        build: Option<&str>,
        open: bool,
        from: Option<Place>,
    ) -> Result<Option<LogPage>, StoreError> {
        // What was begun again, in another build, is read from its beginning.
        let last = from == Some(Place::Tail);
        let token = match from {
            Some(Place::Live { build: of, token }) if Some(of.as_str()) == build => Some(token),
            _ => None,
        };
        let token = token.filter(|token| !token.is_empty());
        let build = build.unwrap_or_default();
        let place = |token: Option<String>| {
            Place::Live { build: build.to_owned(), token: token.unwrap_or_default() }.text()
        };
        let nothing =
            |token| LogPage { lines: Vec::new(), next: open.then(|| place(token)), at_end: true };
        let stream = if build.is_empty() { None } else { self.stream(build).await? };
        let Some((group, stream)) = stream else {
            return Ok(open.then(|| nothing(token)));
        };
        let asked = self
            .logs
            .get_log_events()
            .log_group_name(group)
            .log_stream_name(stream)
            .start_from_head(!last)
            .set_limit(last.then_some(TAIL_LINES))
            .set_next_token(token.clone());
        let found = match asked.send().await {
            Ok(found) => found,
            Err(error) => {
                return match error.as_service_error() {
                    // It has not begun to write, or what it wrote is not kept any more.
                    Some(GetLogEventsError::ResourceNotFoundException(_)) => {
                        Ok(open.then(|| nothing(token)))
                    }
                    Some(GetLogEventsError::InvalidParameterException(_)) => {
                        Err(StoreError::Invalid("there is no such place in the log".to_owned()))
                    }
                    _ => Err(failed("read the log of a build", error)),
                };
            }
        };
        // The end is where the token stays the same.
        let same = found.next_forward_token == token || found.next_forward_token.is_none();
        let at_end = same || last;
        let lines = found.events.unwrap_or_default().into_iter().map(line).collect();
        let next = (open || !at_end).then(|| place(found.next_forward_token.or(token)));
        Ok(Some(LogPage { lines, next, at_end }))
    }
}

#[async_trait]
impl StageLogs for Logs {
    async fn stages(&self, run_id: &RunId) -> Result<Vec<StateName>, StoreError> {
        self.store.callers(run_id).await
    }

    async fn page(
        &self,
        run_id: &RunId,
        state: &StateName,
        from: Option<&str>,
    ) -> Result<Option<LogPage>, StoreError> {
        let from = from.map(Place::read).transpose()?;
        if let Some(place @ Place::Kept(_)) = &from {
            return self.kept(run_id, state, place).await;
        }
        let start = from.clone().unwrap_or(Place::Kept(0));
        let Some((call, open)) = self.store.call(run_id, state).await? else {
            return self.kept(run_id, state, &start).await;
        };
        // What is kept has the suites one after another, and outlasts what the build service keeps.
        // Who follows the build reads it to its end.
        if !open
            && !matches!(from, Some(Place::Live { .. }))
            && let Some(page) = self.kept(run_id, state, &start).await?
        {
            return Ok(Some(page));
        }
        self.live(call.build(), open, from).await
    }
}

fn line(event: OutputLogEvent) -> LogLine {
    let at = event.timestamp.and_then(|at| Timestamp::from_millisecond(at).ok());
    let text = event.message.unwrap_or_default();
    LogLine { at, text: readable(text.trim_end_matches(['\r', '\n'])) }
}

/// The piece of a kept log from `from` on, up to the end of a line.
fn piece(content: &[u8], from: usize) -> LogPage {
    let rest = content.get(from..).unwrap_or_default();
    let piece = rest.get(..PIECE).map_or(rest, |most| {
        let end = most.iter().rposition(|byte| *byte == b'\n').map_or(most.len(), |at| at + 1);
        most.get(..end).unwrap_or(most)
    });
    let text = String::from_utf8_lossy(piece);
    let lines = text.lines().map(|text| LogLine { at: None, text: readable(text) }).collect();
    let at_end = piece.len() == rest.len();
    let next = (!at_end).then(|| Place::Kept(from + piece.len()).text());
    LogPage { lines, next, at_end }
}

/// Where the tail of a kept log begins: with a whole line.
fn tail(content: &[u8]) -> usize {
    let Some(from) = content.len().checked_sub(TAIL_BYTES) else { return 0 };
    let rest = content.get(from..).unwrap_or_default();
    from + rest.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_dynamodb::config::Credentials;
    use serde_json::{Value, json};
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{body_partial_json, header},
    };

    use super::*;
    use crate::artifacts::UnconfiguredArtifacts;

    /// Logs over a server with these answers to operations that are asked such things.
    async fn logs(answers: &[(&str, Value, u16, Value)]) -> (Logs, MockServer) {
        let server = MockServer::start().await;
        for (target, asked, status, answer) in answers {
            Mock::given(header("x-amz-target", *target))
                .and(body_partial_json(asked))
                .respond_with(ResponseTemplate::new(*status).set_body_json(answer))
                .mount(&server)
                .await;
        }
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(server.uri())
            .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(
                Credentials::new("local", "local", None, None, "test"),
            ))
            .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
            .build();
        let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&sdk), "pact");
        (Logs::new(Arc::new(store), &sdk, Arc::new(UnconfiguredArtifacts)), server)
    }

    const BUILDS: &str = "CodeBuild_20161006.BatchGetBuilds";
    const EVENTS: &str = "Logs_20140328.GetLogEvents";

    fn build() -> (&'static str, Value, u16, Value) {
        let logs = json!({ "groupName": "/g", "streamName": "s" });
        (
            BUILDS,
            json!({ "ids": ["p:1"] }),
            200,
            json!({ "builds": [{ "id": "p:1", "logs": logs }] }),
        )
    }

    #[tokio::test]
    async fn a_build_is_followed_to_the_end_of_its_log() {
        let event = |text: &str| json!({ "timestamp": 1_000, "message": text });
        let (logs, _server) = logs(&[
            build(),
            (
                EVENTS,
                json!({ "logStreamName": "s", "nextToken": "f/1" }),
                200,
                json!({ "events": [], "nextForwardToken": "f/1" }),
            ),
            (
                EVENTS,
                json!({ "logGroupName": "/g", "logStreamName": "s", "startFromHead": true }),
                200,
                json!({ "events": [event("one\r\n"), event("\u{1b}[1mtwo\u{1b}[0m")], "nextForwardToken": "f/1" }),
            ),
        ])
        .await;
        let first = logs.live(Some("p:1"), true, None).await.unwrap().unwrap();
        let texts: Vec<_> = first.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!((texts, first.at_end), (vec!["one", "two"], false));
        assert_eq!(first.lines[0].at, Timestamp::from_second(1).ok());
        let place = Place::read(&first.next.unwrap()).unwrap();
        // As long as the call is not answered there may be more, afterwards there is not.
        let end = logs.live(Some("p:1"), true, Some(place.clone())).await.unwrap().unwrap();
        assert_eq!((end.lines.len(), end.at_end), (0, true));
        assert_eq!(end.next, Some(place.text()));
        let end = logs.live(Some("p:1"), false, Some(place.clone())).await.unwrap().unwrap();
        assert_eq!(end.next, None);
        // What was begun again in another build is read from its beginning.
        let other = Place::Live { build: "p:0".to_owned(), token: "f/9".to_owned() };
        let again = logs.live(Some("p:1"), true, Some(other)).await.unwrap().unwrap();
        assert_eq!(again.lines.len(), 2);
    }

    #[tokio::test]
    async fn what_has_not_begun_has_an_empty_log_and_what_is_forgotten_none() {
        let none = (BUILDS, json!({}), 200, json!({ "builds": [{ "id": "p:1" }] }));
        let (before, _server) = logs(&[none]).await;
        let gone = json!({ "__type": "ResourceNotFoundException", "message": "no stream" });
        let (after, _other) = logs(&[build(), (EVENTS, json!({}), 400, gone)]).await;
        for (logs, build) in [(&before, None), (&before, Some("p:1")), (&after, Some("p:1"))] {
            let page = logs.live(build, true, None).await.unwrap().unwrap();
            assert!(page.lines.is_empty() && page.at_end && page.next.is_some(), "{page:?}");
            assert_eq!(logs.live(build, false, None).await.unwrap(), None);
        }
        let odd = json!({ "__type": "InvalidParameterException", "message": "token" });
        let (odd, _server) = logs(&[build(), (EVENTS, json!({}), 400, odd)]).await;
        let error = odd.live(Some("p:1"), true, None).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
    }

    #[test]
    fn a_kept_log_is_read_in_pieces_that_end_with_lines() {
        let line = "x".repeat(999) + "\n";
        let content = line.repeat(1_000);
        let (mut from, mut lines, mut pieces) = (0, 0, 0);
        loop {
            let page = piece(content.as_bytes(), from);
            lines += page.lines.len();
            assert!(page.lines.iter().all(|line| line.text.len() == 999));
            pieces += 1;
            let Some(next) = page.next else { break };
            assert!(!page.at_end);
            let Ok(Place::Kept(offset)) = Place::read(&next) else { panic!("{next}") };
            from = offset;
        }
        assert_eq!((lines, pieces), (1_000, 4));
        assert_eq!(piece(b"no end", 0).lines[0].text, "no end");
        assert!(piece(b"short", 99).lines.is_empty());
        let end = piece(content.as_bytes(), tail(content.as_bytes()));
        assert_eq!((end.lines.len(), end.at_end), (65, true));
        assert!(end.lines.iter().all(|line| line.text.len() == 999));
        assert_eq!(tail(b"short\nlog\n"), 0);
    }

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is() {
        let live = Place::Live { build: "p:1".to_owned(), token: "f/3|x".to_owned() };
        for place in [live, Place::Kept(7)] {
            assert_eq!(Place::read(&place.text()).ok(), Some(place));
        }
        for odd in ["", "live", "live|x", "kept|-1", "kept|a|b", &"live|a|".repeat(100)] {
            assert!(Place::read(odd).is_err(), "{odd}");
        }
    }
}
