//! A run waits for a person, and those who can answer are told.

use pact_agent::ports::StoreError;
use pact_contract::{
    EnvironmentName,
    actions::{AskAgain, AskApprovers, AskApproversOutput},
    changes::ChangeSummary,
};

use super::*;
use crate::{Past, Pushed, Question, Since};

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
        agreed: Vec::new(),
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
        people: None,
        loosened: vec!["gate.min_coverage = 80 is less than 90".to_owned(), "more".to_owned()],
        settings,
        again: None,
    }
}

struct Known(Result<Since, ()>);

#[async_trait::async_trait]
impl Past for Known {
    async fn since(&self, _: &RunRequest, _: &EnvironmentName) -> Result<Since, StoreError> {
        self.0.clone().map_err(|()| StoreError::Unavailable("no table".to_owned(), None))
    }
    async fn question(
        &self,
        _: &RunId,
        _: &EnvironmentName,
        _: Timestamp,
    ) -> Result<Question, StoreError> {
        Ok(Question::Open)
    }
}

impl World {
    fn stands(&self, question: Question) {
        *self.question.lock().expect("a lock") = question;
    }

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
    let at = "2026-11-27T11:00:00Z".parse().expect("a time");
    let message = Message::asking(&asked(), Some(&since()), at);
    insta::assert_snapshot!("asking_text", message.text());
    let nothing = Message::asking(&asked(), Some(&Since::default()), at).text();
    assert!(nothing.contains("In effect: nothing yet\n"), "{nothing}");
    let unknown = Message::asking(&asked(), None, at).text();
    assert!(unknown.contains("In effect: not known now\n"), "{unknown}");
}

#[test]
fn a_reminder_says_who_has_agreed_already() {
    let until = "2026-11-27T11:00:00Z".parse().expect("a time");
    let again = AskAgain { channel: "slack".to_owned(), until, reminder: true };
    let asked = AskApprovers { people: Some(2), again: Some(again), ..asked() };
    let text = |since: Option<&Since>| Message::asking(&asked, since, until).text();
    assert!(text(Some(&since())).contains("Nobody has said yes or no yet"), "{}", text(None));
    let one = Since { agreed: vec!["ada".to_owned()], ..since() };
    assert!(text(Some(&one)).contains("1 of 2 people have said yes (ada)"), "{}", text(Some(&one)));
    assert!(text(None).contains("There is no answer yet"), "{}", text(None));
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
async fn a_channel_that_is_away_is_told_later_once_and_holds_no_other() {
    let (server, world) = slack_that(503).await;
    let error = world.ask(&asked(), Ok(since())).await.expect_err("Slack is away");
    assert_eq!(error.name, ErrorName::ChannelUnavailable);
    assert!(!world.entry("email/production").await.record.sent);
    assert_eq!(world.pass().await["due"], 0, "the pipeline may try it still");
    answers(&server, 200).await;
    // The run does not wait yet: it is kept.
    world.stands(Question::NotYet);
    world.hurry("slack/production", SignedDuration::ZERO).await;
    assert_eq!((world.pass().await["again"].clone(), requests(&server).await.len()), (json!(1), 0));
    world.stands(Question::Open);
    assert_eq!(world.pass().await["ended"], 1);
    assert!(world.entry("slack/production").await.record.sent);
    let reminder = world.entry("slack/production/reminder").await;
    assert!(reminder.record.detail.starts_with("reminds at "), "{reminder:?}");
    let (_, output) = world.ask(&asked(), Ok(since())).await.expect("an answer");
    assert!(output.told.iter().any(|r| r.channel == "slack/production" && r.sent));
    assert_eq!((world.pass().await["due"].clone(), requests(&server).await.len()), (json!(0), 1));
}

#[tokio::test]
async fn people_are_reminded_once_of_what_is_open_still() {
    let (server, world) = slack_that(200).await;
    world.ask(&asked(), Ok(since())).await.expect("an answer");
    let (key, wait) = ("slack/production/reminder", SignedDuration::from_mins(44));
    let due = world.entry(key).await.later.expect("it is due once").due;
    assert!(due > Timestamp::now() + wait && due < Timestamp::now() + wait * 2, "{due}");
    assert_eq!(world.pass().await["due"], 0);
    // Who was not told has nothing to be reminded of.
    let run = asked().run.run_id;
    let email = world.memory.notification(&run, "email/production/reminder").await;
    assert_eq!(email.expect("answers"), None);
    // Whoever was killed while it was sent says that it may have arrived.
    world.hurry(key, SignedDuration::ZERO).await;
    world.killed_while_sending(key).await;
    assert_eq!(world.pass().await["ended"], 1);
    let entry = world.entry(key).await;
    assert!(entry.record.sent && entry.record.detail.contains("perhaps twice"), "{entry:?}");
    assert!(entry.body.starts_with("Still waiting: May r2 of acme/web go to "), "{}", entry.body);
    // Neither a further pass nor the pipeline's further attempt sends another.
    world.ask(&asked(), Ok(since())).await.expect("an answer");
    assert_eq!((world.pass().await["due"].clone(), requests(&server).await.len()), (json!(0), 2));
}

#[tokio::test]
async fn what_was_answered_or_is_over_is_neither_told_nor_reminded_of() {
    let (server, world) = slack_that(200).await;
    world.ask(&asked(), Ok(since())).await.expect("an answer");
    world.stands(Question::Over);
    let key = "slack/production/reminder";
    world.hurry(key, SignedDuration::ZERO).await;
    assert_eq!(world.pass().await["ended"], 1);
    let entry = world.entry(key).await;
    assert!(!entry.record.sent && entry.later.is_none() && !entry.record.is_missed(), "{entry:?}");
    assert_eq!((world.pass().await["due"].clone(), requests(&server).await.len()), (json!(0), 1));

    let (server, world) = slack_that(503).await;
    world.ask(&asked(), Ok(since())).await.expect_err("Slack is away");
    answers(&server, 200).await;
    world.stands(Question::Over);
    world.hurry("slack/production", SignedDuration::ZERO).await;
    assert_eq!(world.pass().await["ended"], 1);
    let entry = world.entry("slack/production").await;
    assert!(entry.record.detail.contains("nobody waits for the answer"), "{entry:?}");
    assert_eq!(requests(&server).await.len(), 0);
}

#[test]
fn no_two_messages_of_a_run_have_one_id() {
    let until = "2026-11-27T11:00:00Z".parse().expect("a time");
    let again = |reminder| Some(AskAgain { channel: "email".to_owned(), until, reminder });
    let ask = |again| Message::asking(&AskApprovers { again, ..asked() }, None, until);
    assert_eq!(ask(None).id, ask(again(false)).id);
    let ids = [ask(None).id, ask(again(true)).id, fixed(&succeeded()).id];
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{ids:?}");
    insta::assert_snapshot!("reminding_text", ask(again(true)).text());
}

async fn answers(server: &MockServer, status: u16) {
    server.reset().await;
    let response = ResponseTemplate::new(status);
    Mock::given(method("POST")).respond_with(response).mount(server).await;
}

async fn slack_that(status: u16) -> (MockServer, World) {
    let server = MockServer::builder().start().await;
    answers(&server, status).await;
    let world = World::new(&[("slack-webhook-url", &server.uri())]);
    (server, world)
}

#[tokio::test]
async fn where_nobody_is_to_be_told_it_says_so() {
    let asked = AskApprovers { settings: NotifySettings::default(), ..asked() };
    let (answer, output) = World::new(&[]).ask(&asked, Ok(since())).await.expect("an answer");
    assert_eq!((answer.response.status, output.told.len()), (StageStatus::Skipped, 0));
    assert!(answer.response.summary.starts_with("nobody is told: "), "{}", answer.response.summary);
}
