//! A run waits for a person, and those who can answer are told.

use pact_agent::ports::StoreError;
use pact_contract::{
    EnvironmentName,
    actions::{AskApprovers, AskApproversOutput},
    changes::ChangeSummary,
};

use super::*;
use crate::{Past, Pushed, Since};

fn since() -> Since {
    let push = |digit: &str, message: &str, files| Pushed {
        commit: digit.repeat(40),
        message: Some(message.to_owned()),
        author: Some("Ann\nLee".to_owned()),
        changes: Some(ChangeSummary { files, added: 4, deleted: 1, ..ChangeSummary::default() }),
    };
    Since {
        live: Some(("r1".parse().expect("a release"), "1".repeat(40))),
        pushes: vec![push("2", "Prices with <!channel>", 3), push("3", "A basket", 1)],
        more: 4,
    }
}

fn asked() -> AskApprovers {
    let Notify { mut run, settings, .. } = succeeded();
    run.repository.url = "https://github.com/acme/web.git".to_owned();
    run.commit = "2".repeat(40);
    AskApprovers {
        run,
        environment: "production".parse().expect("a name"),
        release: "r2".parse().expect("a release"),
        timeout_minutes: 60,
        loosened: vec!["gate.min_coverage = 80 is less than 90".to_owned(), "more".to_owned()],
        settings,
    }
}

struct Known(Result<Since, ()>);

#[async_trait::async_trait]
impl Past for Known {
    async fn since(&self, _: &RunRequest, _: &EnvironmentName) -> Result<Since, StoreError> {
        self.0.clone().map_err(|()| StoreError::Unavailable("no table".to_owned(), None))
    }
}

impl World {
    async fn ask(
        &self,
        asked: &AskApprovers,
        past: Result<Since, ()>,
    ) -> Result<(ResponseEnvelope, AskApproversOutput), AgentError> {
        let Ok(Value::Object(parameters)) = serde_json::to_value(asked) else {
            panic!("parameters are an object");
        };
        let context = Context { run_id: Some(asked.run.run_id.clone()), ..Context::default() };
        let action = "notify.ask_approvers";
        let intent =
            IntentEnvelope::new("pact.pipeline", Timestamp::now(), action, parameters, context);
        let intent = serde_json::to_value(intent).expect("serialises");
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        let variables = self.variables.clone();
        let agent = NotifyAgent::new(
            move |name| variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()),
            self.memory.clone() as _,
            self.memory.clone() as _,
            Arc::new(Known(past)),
        );
        let answer = adapter::handle(&agent, &self.memory.recording(), intent, deadline).await?;
        let answer: ResponseEnvelope = serde_json::from_value(answer).expect("a response");
        let output = serde_json::from_value(answer.response.output.clone()).expect("an output");
        Ok((answer, output))
    }
}

#[test]
fn the_message_says_what_would_change_and_how_to_answer() {
    let at = "2026-11-27T10:00:00Z".parse().expect("a time");
    let message = Message::asking(&asked(), Some(&since()), at);
    insta::assert_snapshot!("asking_text", message.text());
    let nothing = Message::asking(&asked(), Some(&Since::default()), at).text();
    assert!(nothing.contains("In effect: nothing yet\n"), "{nothing}");
    let unknown = Message::asking(&asked(), None, at).text();
    assert!(unknown.contains("In effect: not known now\n"), "{unknown}");
}

#[tokio::test]
async fn people_are_told_once_whatever_is_not_known_and_told_again_of_the_end() {
    let server = MockServer::builder().start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let world = World::new(&[("slack-webhook-url", &server.uri())]);
    let asked = asked();
    let (answer, output) = world.ask(&asked, Err(())).await.expect("an answer");
    assert_eq!(answer.response.status, StageStatus::Passed);
    let told: Vec<_> = output.told.iter().map(|r| (r.channel.as_str(), r.sent)).collect();
    assert_eq!(told, [("slack/production", true), ("email/production", false)]);
    let summary = &answer.response.summary;
    assert!(summary.contains("slack: sent to #releases; not sent: "), "{summary}");
    // The issues of a tracker are not people.
    world.ask(&asked, Ok(since())).await.expect("an answer");
    assert_eq!(server.received_requests().await.expect("requests").len(), 1, "once");
    world.act("notify.slack_team", &succeeded()).await.expect("an answer");
    assert_eq!(server.received_requests().await.expect("requests").len(), 2, "another message");
    // Another environment is another question.
    let staging = AskApprovers { environment: "qa".parse().expect("a name"), ..asked };
    world.ask(&staging, Ok(since())).await.expect("an answer");
    assert_eq!(server.received_requests().await.expect("requests").len(), 3);
}

#[tokio::test]
async fn a_channel_that_is_away_is_told_later_and_holds_no_other() {
    let server = MockServer::builder().start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let world = World::new(&[("slack-webhook-url", &server.uri())]);
    let error = world.ask(&asked(), Ok(since())).await.expect_err("Slack is away");
    assert_eq!(error.name, ErrorName::ChannelUnavailable);
    assert!(!world.entry("email/production").await.record.sent);
    let (_, output) = world.ask(&asked(), Ok(since())).await.expect("an answer");
    assert!(output.told.iter().any(|r| r.channel == "slack/production" && r.sent));
}

#[tokio::test]
async fn where_nobody_is_to_be_told_it_says_so() {
    let asked = AskApprovers { settings: NotifySettings::default(), ..asked() };
    let (answer, output) = World::new(&[]).ask(&asked, Ok(since())).await.expect("an answer");
    assert_eq!((answer.response.status, output.told.len()), (StageStatus::Skipped, 0));
    assert!(answer.response.summary.starts_with("nobody is told: "), "{}", answer.response.summary);
}
