//! Jira.

use super::*;

/// A Jira that keeps comments and moves issues.
#[derive(Clone, Default)]
struct FakeJira {
    comments: Arc<Mutex<Vec<Value>>>,
    moved: Arc<Mutex<Vec<Value>>>,
}

impl FakeJira {
    async fn start(&self) -> (MockServer, World) {
        let server = MockServer::start().await;
        let (post, get) = (Arc::clone(&self.comments), Arc::clone(&self.comments));
        let (moves, moved) = (Arc::clone(&self.moved), Arc::clone(&self.moved));
        let comments = || path_regex("^/jira/rest/api/3/issue/SHOP-1?2/comment$");
        Mock::given(method("GET"))
            .and(comments())
            .respond_with(move |_: &Request| {
                let comments = get.lock().expect("not poisoned").clone();
                ResponseTemplate::new(200).set_body_json(json!({ "comments": comments }))
            })
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(comments())
            .respond_with(move |request: &Request| {
                let body: Value = request.body_json().expect("JSON");
                post.lock().expect("not poisoned").push(body);
                ResponseTemplate::new(201).set_body_json(json!({ "id": "1" }))
            })
            .mount(&server)
            .await;
        let transitions = || path("/jira/rest/api/3/issue/SHOP-12/transitions");
        Mock::given(method("GET"))
            .and(transitions())
            .respond_with(move |_: &Request| {
                let offered = if moved.lock().expect("not poisoned").is_empty() {
                    json!([{ "id": "31", "name": "Ship it", "to": { "name": "Done" } }])
                } else {
                    json!([{ "id": "41", "name": "Reopen", "to": { "name": "Open" } }])
                };
                ResponseTemplate::new(200).set_body_json(json!({ "transitions": offered }))
            })
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(transitions())
            .respond_with(move |request: &Request| {
                let body: Value = request.body_json().expect("JSON");
                moves.lock().expect("not poisoned").push(body);
                ResponseTemplate::new(204)
            })
            .mount(&server)
            .await;
        Mock::given(method("GET"))
            .and(path("/jira/rest/api/3/issue/SHOP-12"))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({ "fields": { "status": { "name": "Done" } } })),
            )
            .mount(&server)
            .await;
        let url = format!("{}/jira", server.uri());
        let world = World::new(&[
            ("PACT_JIRA_URL", &url),
            ("PACT_JIRA_USER", "bot@example.org"),
            ("jira-token", "secret"),
        ]);
        (server, world)
    }

    fn comments(&self) -> Vec<Value> {
        self.comments.lock().expect("not poisoned").clone()
    }

    fn moved(&self) -> Vec<Value> {
        self.moved.lock().expect("not poisoned").clone()
    }
}

#[tokio::test]
async fn an_issue_gets_one_comment_and_one_transition() {
    let jira = FakeJira::default();
    let (server, world) = jira.start().await;
    for _ in 0..2 {
        let (answer, record) =
            world.act("notify.update_jira", &succeeded()).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert!(answer.response.findings.is_empty());
        assert_eq!(record.detail, "commented on SHOP-12; Done for SHOP-12");
    }
    // Killed after posting and before recording: found again, and not posted again.
    world.killed_while_sending("jira").await;
    let (answer, _) = world.act("notify.update_jira", &succeeded()).await.expect("no fault");
    assert!(answer.response.findings.is_empty(), "{:?}", answer.response.findings);
    assert_eq!(jira.comments().len(), 1);
    assert_eq!(jira.moved(), [json!({ "transition": { "id": "31" } })]);
    assert_eq!(jira.comments()[0]["body"]["type"], "doc");
    assert!(requests(&server).await[0].headers.contains_key("authorization"));

    // Another run's comment is another comment.
    let mut other = succeeded();
    other.run.run_id = RunId::parse("web-0123456789-abcdef0").expect("an id");
    world.act("notify.update_jira", &other).await.expect("no fault");
    assert_eq!(jira.comments().len(), 2);
}

#[tokio::test]
async fn only_a_release_to_production_moves_an_issue() {
    let mut staging = succeeded();
    staging.outcome.deployments[0].environment = "staging".parse().expect("a name");
    let mut taken_back = succeeded();
    taken_back.outcome.deployments[0].status = DeploymentStatus::RolledBack;
    for notify in [rejected(), staging, taken_back] {
        let jira = FakeJira::default();
        let (_server, world) = jira.start().await;
        let (_, record) = world.act("notify.update_jira", &notify).await.expect("no fault");
        assert_eq!(record.detail, "commented on SHOP-12");
        assert!(jira.moved().is_empty());
    }
}

#[tokio::test]
async fn what_jira_refuses_is_named_and_the_rest_is_done() {
    let jira = FakeJira::default();
    let (_server, world) = jira.start().await;
    let mut notify = succeeded();
    notify.run.message = Some("SHOP-12 and SHOP-99".to_owned());
    notify.run.branch = "feature/shop-12".to_owned();
    set(&mut notify, "jira", json!({ "project": "SHOP", "transition": "Publish" }));
    let (answer, record) = world.act("notify.update_jira", &notify).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed);
    assert!(record.sent && record.detail == "commented on SHOP-12", "{}", record.detail);
    let codes: Vec<_> = answer.response.findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["transition-missing", "issue-missing"]);
    assert!(answer.response.findings[0].message.contains("Ship it"));

    notify.run.run_id = RunId::parse("other").expect("an id");
    notify.run.message = Some("SHOP-99".to_owned());
    notify.run.branch = "main".to_owned();
    let (answer, record) = world.act("notify.update_jira", &notify).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(!record.sent && record.detail.contains("SHOP-99"));

    notify.run.message = None;
    let (answer, _) = world.act("notify.update_jira", &notify).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Skipped);
}

/// A Jira that answers every request alike.
async fn always(answer: ResponseTemplate) -> (MockServer, World) {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
    let url = server.uri();
    let variables =
        [("PACT_JIRA_URL", url.as_str()), ("PACT_JIRA_USER", "bot"), ("jira-token", "secret")];
    let world = World::new(&variables);
    (server, world)
}

#[tokio::test]
async fn what_answers_in_other_words_than_jiras_has_done_nothing() {
    let page = ResponseTemplate::new(200).set_body_string("<html>Log in</html>");
    let (_server, world) = always(page).await;
    let fault = world.act("notify.update_jira", &succeeded()).await.expect_err("a fault");
    assert_eq!(fault.name, ErrorName::ChannelUnavailable);
    assert!(fault.message.contains("Log in"), "{}", fault.message);
    assert!(world.entry("jira").await.later.is_some());

    let why = "CAPTCHA_CHALLENGE; login-url=https://jira.test/login.jsp";
    let captcha = ResponseTemplate::new(403).insert_header("x-authentication-denied-reason", why);
    let (_server, world) = always(captcha).await;
    let (answer, record) = world.act("notify.update_jira", &succeeded()).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(record.detail.contains("captcha"), "{}", record.detail);
}

#[tokio::test]
async fn a_transition_that_wants_a_field_is_told_and_the_comment_stays() {
    let jira = FakeJira::default();
    let (server, world) = jira.start().await;
    let wants =
        json!({ "errorMessages": [], "errors": { "resolution": "Resolution is required." } });
    Mock::given(method("POST"))
        .and(path("/jira/rest/api/3/issue/SHOP-12/transitions"))
        .respond_with(ResponseTemplate::new(400).set_body_json(wants))
        .with_priority(1)
        .mount(&server)
        .await;
    let (answer, record) = world.act("notify.update_jira", &succeeded()).await.expect("no fault");
    assert_eq!((record.sent, record.detail.as_str()), (true, "commented on SHOP-12"));
    let message = &answer.response.findings[0].message;
    assert!(message.contains("Resolution is required"), "{message}");
}

#[tokio::test]
async fn a_comment_that_was_taken_before_jira_broke_is_not_posted_again() {
    let jira = FakeJira::default();
    let (server, world) = jira.start().await;
    let kept = Arc::clone(&jira.comments);
    Mock::given(method("POST"))
        .and(path_regex("comment$"))
        .respond_with(move |request: &Request| {
            kept.lock().expect("not poisoned").push(request.body_json().expect("JSON"));
            ResponseTemplate::new(500)
        })
        .up_to_n_times(1)
        .with_priority(1)
        .mount(&server)
        .await;
    world.act("notify.update_jira", &succeeded()).await.expect_err("a fault");
    world.hurry("jira", SignedDuration::ZERO).await;
    assert_eq!(world.pass().await["ended"], 1);
    assert_eq!(jira.comments().len(), 1);
    assert!(world.entry("jira").await.record.sent);
}
