//! A channel beside the others, which is known to this crate's tests alone: chosen by settings,
//! checked, documented in the schema, and named where channels are listed.

use pact_config::form::Forms;

use super::*;

const ACTION: &str = "notify.page_oncall";

async fn pager() -> (MockServer, World) {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(header("authorization", "Bearer key-of-the-pager"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let world = World::new(&[("PACT_PAGER_URL", &server.uri()), ("pager-key", "key-of-the-pager")]);
    (server, world)
}

/// The forms that a file is checked with where these channels are.
fn forms() -> Forms {
    Forms::published().expect("forms").clone().with(Seam::Channel, super::super::forms())
}

#[tokio::test]
async fn a_channel_that_is_added_is_chosen_by_the_settings() {
    let (server, world) = pager().await;
    let file = "[notify.pager]\nservice = \"shop\"\n";
    let mut notify = succeeded();
    notify.settings = forms().parse(file, "pact.toml").expect("settings").notify;
    let (answer, record) = world.act(ACTION, &notify).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed);
    assert_eq!(
        (record.channel.as_str(), record.detail.as_str()),
        ("pager", "told who is on call for shop")
    );
    let sent: Value = requests(&server).await[0].body_json().expect("JSON");
    assert_eq!(sent["service"], "shop");

    // The others are not chosen by these settings, and it is not chosen by those of the others.
    for channel in ALL.iter().filter(|channel| channel.kind() != "pager") {
        let action = channel.capability().action;
        let (answer, record) = world.act(action, &notify).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Skipped);
        let table = format!("no [notify.{}]", channel.kind());
        assert!(record.detail.contains(&table), "{}", record.detail);
    }
    let mut without = succeeded();
    without.run.run_id = "other".parse().expect("an id");
    without.settings.channels.remove("pager");
    let (answer, _) = world.act(ACTION, &without).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Skipped);
}

#[tokio::test]
async fn what_it_lacks_is_said_with_the_remedy() {
    let world = World::new(&[("PACT_PAGER_URL", "http://127.0.0.1:9")]);
    let (_, record) = world.act(ACTION, &succeeded()).await.expect("no fault");
    assert!(record.detail.contains("--name /memory/pager-key"), "{}", record.detail);
    let mut wrong = succeeded();
    set(&mut wrong, "pager", json!({ "service": 7 }));
    let error = world.act(ACTION, &wrong).await.expect_err("is refused");
    assert_eq!(error.name, ErrorName::InvalidIntent);
}

#[test]
fn its_settings_are_checked_and_it_is_listed_among_the_known() {
    let refused = |file: &str| forms().parse(file, "pact.toml").expect_err("refused").to_string();
    insta::assert_snapshot!(
        [
            refused("[notify.pager]\nservice = \"Shop 1\"\nservise = \"x\"\n"),
            refused("[notify.pager]\n"),
            refused("[notify.carrier_pigeon]\n"),
        ]
        .join("\n")
    );
}

#[tokio::test]
async fn settings_for_a_channel_that_is_not_known_are_told_which_are() {
    let mut notify = succeeded();
    notify.settings.channels.clear();
    set(&mut notify, "teams", json!({}));
    let (_, record) = World::new(&[]).act(ACTION, &notify).await.expect("no fault");
    assert_eq!(
        record.detail,
        "not sent: the repository's settings have no [notify.pager]; the channel \"teams\" is not known; known are \"slack\", \"email\", \"jira\", \"pager\""
    );
}

#[test]
fn it_is_in_the_schema_and_in_the_documentation() {
    let schema = forms().schema();
    let table = &schema["properties"]["notify"]["properties"]["pager"];
    assert_eq!(table["required"], json!(["service"]));
    assert_eq!(table["properties"]["service"]["pattern"], "^[a-z]+$");
    assert_eq!(
        documentation().pop().expect("a row"),
        "| Pager | `[notify.pager]` with `service` | `pager-key` (locally `PACT_PAGER_KEY`), \
         `PACT_PAGER_URL` |"
    );
}
