//! Incidents of the scheduled watch, and who is told of them when.

use pact_contract::{
    actions::AskApproversOutput,
    incident::{Health, Incident, IncidentId, Seen, TellIncident},
};

use super::*;
use crate::incident::{message, stand_in};

fn told(level: usize) -> TellIncident {
    let since = Timestamp::now() - SignedDuration::from_mins(12);
    let seen = |environment: &str, reason: &str| Seen {
        environment: format!("acme/web#{environment}").parse().expect("a key"),
        release: "r2".parse().ok(),
        health: Health::Unhealthy,
        reason: reason.to_owned(),
    };
    let first = seen("production", "the probe / answers 500\nand <!channel>");
    let mut incident = Incident::begin(IncidentId::new(&first.cause(), 1), &first, since);
    incident.see(&seen("eu", "the probe / does not answer"), since);
    let run = RunId::parse("web-rollback-1").expect("an id");
    incident.take_back(&first.environment, &run);
    let Notify { run, settings, .. } = succeeded();
    let url = "https://pact.example/environments".to_owned();
    TellIncident { incident, level, repository: run.repository, url, settings }
}

fn over(mut told: TellIncident) -> TellIncident {
    let now = Timestamp::now();
    for affected in told.incident.affected.clone() {
        told.incident.recover(&affected.environment, now);
    }
    told
}

impl World {
    async fn tell(&self, told: &TellIncident) -> (ResponseEnvelope, Vec<(String, bool)>) {
        let Ok(Value::Object(parameters)) = serde_json::to_value(told) else {
            panic!("parameters are an object");
        };
        let answer = self.send("notify.tell_incident", parameters).await.expect("an answer");
        let output: AskApproversOutput =
            serde_json::from_value(answer.response.output.clone()).expect("an output");
        let told = output.told.into_iter().map(|record| (record.channel, record.sent)).collect();
        (answer, told)
    }
}

#[test]
fn an_alarm_of_the_pipeline_is_told_as_one() {
    let now = Timestamp::now();
    let seen = Seen {
        environment: "alarms#pact-api-error-alarm".parse().expect("a key"),
        release: None,
        health: Health::Unhealthy,
        reason: "More than 5 % of the answers are errors.".to_owned(),
    };
    let incident = Incident::begin(IncidentId::new(&seen.cause(), 1), &seen, now);
    let mut told = TellIncident { incident, ..told(1) };
    let title = |told: &TellIncident| message(told, &stand_in(told).expect("a run"), now).title;
    assert_eq!(title(&told), "Incident: the alarm pact-api-error-alarm went off");
    told = over(told);
    assert!(title(&told).ends_with(": the alarm pact-api-error-alarm"), "{}", title(&told));
}

#[test]
fn the_message_says_what_is_ill_since_when_and_how_to_answer_and_at_the_end_how_long_it_was() {
    let shown = |told: &TellIncident| {
        let run = stand_in(told).expect("a run");
        let text = message(told, &run, Timestamp::now()).text();
        // When is another time in each test.
        let lines = text.lines().map(|line| match line.split_once("Since: ") {
            Some(_) => "Since: TIME",
            None => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!("incident_text", shown(&told(1)));
    let mut looked_after = over(told(1));
    looked_after.incident.acknowledge("Ada", None, Timestamp::now());
    insta::assert_snapshot!("incident_over_text", shown(&looked_after));
}

#[tokio::test]
async fn one_channel_more_with_each_level_each_once_and_all_of_them_at_the_end() {
    let server = MockServer::builder().start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let world = World::new(&[("slack-webhook-url", &server.uri())]);
    let sent = async || server.received_requests().await.expect("requests").len();
    for _ in 0..2 {
        let (answer, told) = world.tell(&told(1)).await;
        assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
        assert_eq!(told, [("slack/begun".to_owned(), true)]);
        assert_eq!(sent().await, 1, "once");
    }
    // The installation has no mail server: that is said.
    let (_, told_next) = world.tell(&told(2)).await;
    assert_eq!(told_next.last(), Some(&("email/begun".to_owned(), false)));
    for _ in 0..2 {
        let (_, told) = world.tell(&over(told(2))).await;
        assert_eq!(told, [("slack/over".to_owned(), true)], "only who was told");
        assert_eq!(sent().await, 2);
    }
}
