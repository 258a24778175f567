//! Slack.

use super::*;

async fn slack(template: ResponseTemplate) -> (MockServer, World) {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/services/T/B/secret"))
        .respond_with(template)
        .mount(&server)
        .await;
    let url = format!("{}/services/T/B/secret", server.uri());
    let world = World::new(&[("slack-webhook-url", url.as_str())]);
    (server, world)
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
    let world = World::new(&[("slack-webhook-url", server.uri().as_str())]);
    let (_, record) = world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert!(record.sent);
    assert_eq!(requests(&server).await.len(), 2);
}

#[tokio::test]
async fn what_slack_did_not_take_is_sent_later_once() {
    let (server, world) = slack(ResponseTemplate::new(503)).await;
    world.act("notify.slack_team", &succeeded()).await.expect_err("is a fault");
    let tried = requests(&server).await.len();
    assert_eq!(world.pass().await["due"], 0, "the pipeline may try it still");
    world.hurry("slack", SignedDuration::ZERO).await;
    assert_eq!(world.pass().await["again"], 1);
    assert!(requests(&server).await.len() > tried);
    let waits = world.entry("slack").await.later.expect("it is tried again");
    assert_eq!(waits.attempts, 2);
    assert!(waits.due > Timestamp::now() + SignedDuration::from_secs(500), "later and later");
    // Slack is mended.
    server.reset().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    assert_eq!(world.pass().await["due"], 0);
    world.hurry("slack", SignedDuration::ZERO).await;
    assert_eq!(world.pass().await["ended"], 1);
    let entry = world.entry("slack").await;
    assert!(entry.record.sent && entry.later.is_none(), "{:?}", entry.record);
    world.pass().await;
    let (_, record) = world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert!(record.sent);
    assert_eq!(requests(&server).await.len(), 1, "at most once");
}

#[tokio::test]
async fn what_no_channel_takes_for_a_day_is_given_up_and_says_so() {
    let (server, world) = slack(ResponseTemplate::new(503)).await;
    world.act("notify.slack_team", &succeeded()).await.expect_err("is a fault");
    let tried = requests(&server).await.len();
    world.hurry("slack", SignedDuration::from_hours(24)).await;
    assert_eq!(world.pass().await["given_up"], 1);
    let entry = world.entry("slack").await;
    assert!(entry.record.detail.ends_with("given up after 1 attempts in 24 hours"), "{entry:?}");
    assert_eq!(
        (world.pass().await["due"].clone(), requests(&server).await.len()),
        (json!(0), tried)
    );
    // What is refused for good is not tried again at all.
    let (_server, world) = slack(ResponseTemplate::new(404)).await;
    world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert_eq!(world.entry("slack").await.later, None);
}

#[tokio::test]
async fn what_answers_in_other_words_than_slacks_has_taken_nothing() {
    let page = ResponseTemplate::new(200).set_body_string("<html>Sign in to the network</html>");
    let (server, world) = slack(page).await;
    let fault = world.act("notify.slack_team", &succeeded()).await.expect_err("a fault");
    assert_eq!(fault.name, ErrorName::ChannelUnavailable);
    assert!(fault.message.contains("Sign in to the network"), "{}", fault.message);
    let entry = world.entry("slack").await;
    assert!(!entry.record.sent && entry.later.is_some(), "{entry:?}");
    server.reset().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_string("ok\n"))
        .mount(&server)
        .await;
    world.hurry("slack", SignedDuration::ZERO).await;
    assert_eq!(world.pass().await["ended"], 1);
    assert!(world.entry("slack").await.record.sent);

    let no = ResponseTemplate::new(200).set_body_json(json!({ "ok": false, "error": "no_text" }));
    let (_server, world) = slack(no).await;
    let (answer, record) = world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(record.detail.contains("no_text"), "{}", record.detail);
    // Nothing that is sent to one address is sent to another.
    let away = ResponseTemplate::new(302).insert_header("location", "https://elsewhere.test/");
    let (server, world) = slack(away).await;
    let (answer, record) = world.act("notify.slack_team", &succeeded()).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(record.detail.contains("302"), "{}", record.detail);
    assert_eq!(requests(&server).await.len(), 1);
}

#[tokio::test]
async fn slack_that_asks_for_an_hour_is_left_alone_for_it() {
    let busy = ResponseTemplate::new(429).insert_header("Retry-After", "3600");
    let (server, world) = slack(busy).await;
    world.act("notify.slack_team", &succeeded()).await.expect_err("is a fault");
    assert_eq!(requests(&server).await.len(), 1, "an hour is not waited for");
    let later = world.entry("slack").await.later.expect("it is sent again");
    let wait = later.due.duration_since(Timestamp::now());
    assert!(wait > SignedDuration::from_secs(3500), "{wait:?}");
}
