use axum::http::HeaderName;
use pact_hosts::Sources;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const BEFORE: &str = "1111111111111111111111111111111111111111";
const AFTER: &str = "2222222222222222222222222222222222222222";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn payload() -> Value {
    json!({
        "ref": "refs/heads/feature/x",
        "before": BEFORE,
        "after": AFTER,
        "created": false,
        "deleted": false,
        "forced": true,
        "repository": {
            "full_name": "acme/web",
            "clone_url": "https://git.example.com/acme/web.git",
            "default_branch": "main",
        },
        "pusher": { "name": "ada" },
        "head_commit": {
            "id": AFTER,
            "message": "Add a thing\n\nAt length.",
            "author": { "name": "Ada L.", "email": "ada@example.com" },
        },
        "commits": [],
    })
}

/// What a signed delivery of this event says.
fn event(kind: &str, body: &[u8]) -> Answer<Event> {
    let headers = with(&[(EVENT, kind), (DELIVERY, "d-1")]);
    let incoming = Incoming { headers: &headers, body };
    GitHub.read(&incoming, &Sources::default()).map(|delivery| delivery.event)
}

fn read(payload: &Value) -> Answer<Event> {
    event("push", payload.to_string().as_bytes())
}

/// The push of an event that has one.
fn pushed(payload: &Value) -> Push {
    match read(payload).unwrap() {
        Event::Pushes(pushes) => <[Push; 1]>::try_from(pushes).unwrap().into_iter().next().unwrap(),
        other => panic!("not a push: {other:?}"),
    }
}

fn with(values: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

/// The example of GitHub's documentation.
const RIGHT: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn only_the_right_signature_over_the_very_body_is_accepted() {
    const BODY: &[u8] = b"Hello, World!";
    const SECRET: &str = "It's a Secret to Everybody";
    let check = |name: &str, values: &[&str], body: &[u8]| {
        let values: Vec<_> = values.iter().map(|value| (name, *value)).collect();
        let headers = with(&values);
        GitHub.verify(&Secret::new(SECRET), &Incoming { headers: &headers, body })
    };
    check(SIGNATURE, &[RIGHT], BODY).unwrap();
    let upper = RIGHT.to_uppercase().replace("SHA256", "sha256");
    check(SIGNATURE, &[&upper], BODY).unwrap();
    let hex = RIGHT.trim_start_matches("sha256=");
    for (values, body) in [
        (&[][..], BODY),
        (&[""], BODY),
        (&[hex], BODY),
        (&["sha256="], BODY),
        (&["sha256=zz"], BODY),
        (&[&RIGHT[..RIGHT.len() - 2]], BODY),
        (&[&format!("{RIGHT}00")], BODY),
        (&[&RIGHT.replace("sha256", "sha1")], BODY),
        (&[&RIGHT.replace('7', "8")], BODY),
        (&[RIGHT, RIGHT], BODY),
        (&[RIGHT], b"Hello, World! "),
        (&[RIGHT], b""),
    ] {
        let error = check(SIGNATURE, values, body).unwrap_err();
        assert_eq!(error.status, 401, "{values:?}");
        assert!(!error.message.contains(SECRET));
    }
    // A right one under the name of the old, weak header is none.
    assert!(check("X-Hub-Signature", &[RIGHT], BODY).is_err());
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut payload = payload();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = payload.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value == json!("<absent>") {
        parent.remove(name);
    } else {
        parent.insert(name.to_owned(), value);
    }
    payload
}

#[test]
fn a_push_says_what_to_build() {
    let push = pushed(&payload());
    assert_eq!(push.reference(), "refs/heads/feature/x");
    assert_eq!((push.commit.as_str(), push.base.as_deref()), (AFTER, Some(BEFORE)));
    assert_eq!(push.message.as_deref(), Some("Add a thing"));
    assert_eq!(push.author.as_deref(), Some("Ada L."));
    assert_eq!(push.trigger.actor.as_deref(), Some("ada"));
    assert_eq!(push.trigger.delivery.as_deref(), Some("d-1"));
    assert_eq!(push.repository.default_branch, "main");
}

#[test]
fn a_new_branch_has_no_base_and_persons_may_be_missing() {
    for missing in ["/pusher", "/head_commit/author", "/head_commit/message", "/before"] {
        pushed(&changed(missing, json!("<absent>")));
    }
    assert_eq!(pushed(&changed("/before", json!(ZERO))).base, None);
}

#[test]
fn what_is_no_new_commit_on_a_branch_is_ignored_with_the_reason() {
    for (pointer, value, reason) in [
        ("/ref", json!("refs/notes/x"), "anything but a branch"),
        ("/deleted", json!(true), "deleted"),
        ("/after", json!(ZERO), "deleted"),
        ("/before", json!(AFTER), "changes nothing"),
        ("/head_commit", json!(null), "no commit"),
    ] {
        match read(&changed(pointer, value)).unwrap() {
            Event::Ignored(text) => assert!(text.contains(reason), "{text}"),
            other => panic!("{pointer}: {other:?}"),
        }
    }
    let other = event("issues", b"not even JSON").unwrap();
    assert!(matches!(other, Event::Ignored(text) if text.contains("issues")));
    assert_eq!(event("ping", b"").unwrap(), Event::Ping);
}

#[test]
fn a_tag_is_its_commit_whatever_object_it_points_to() {
    let tagged = pushed(&changed("/ref", json!("refs/tags/v1")));
    assert_eq!((tagged.tag, &*tagged.branch, &*tagged.reference()), (true, "v1", "refs/tags/v1"));
    let event = changed("/ref", json!("refs/tags/v1"));
    assert_eq!(Some(tagged.commit.as_str()), event["head_commit"]["id"].as_str());
    assert_eq!(tagged.base, None);
    let error = read(&changed("/ref", json!("refs/tags/a..b"))).unwrap_err();
    assert!(error.message.contains("tag name"), "{}", error.message);
}

#[test]
fn a_malformed_push_is_refused_with_the_field() {
    for (pointer, value, field) in [
        ("/ref", json!("<absent>"), "ref"),
        ("/ref", json!(7), "ref"),
        ("/ref", json!("main"), "ref"),
        ("/ref", json!("refs/heads/a..b"), "ref"),
        ("/ref", json!(format!("refs/heads/{}", "x".repeat(600))), "ref"),
        ("/after", json!("<absent>"), "after"),
        ("/after", json!("abc"), "after"),
        ("/before", json!("xyz"), "before"),
        ("/deleted", json!("no"), "deleted"),
        ("/head_commit", json!("x"), "head_commit"),
        ("/repository", json!("<absent>"), "repository"),
        ("/repository", json!([]), "repository"),
        ("/repository/full_name", json!("../etc"), "repository.full_name"),
        ("/repository/clone_url", json!("<absent>"), "repository.clone_url"),
        ("/repository/clone_url", json!("file:///etc"), "repository.clone_url"),
        ("/repository/clone_url", json!("https://u:p@h/x"), "repository.clone_url"),
        ("/repository/default_branch", json!("a b"), "repository.default_branch"),
        ("/repository/default_branch", json!(null), "repository.default_branch"),
    ] {
        let error = read(&changed(pointer, value.clone())).unwrap_err();
        assert_eq!(error.status, 400);
        assert_eq!(error.field.as_deref(), Some(field), "{pointer} = {value}");
    }
    for body in ["", "{", "[]", "null", "7", "\"x\""] {
        let error = event("push", body.as_bytes()).unwrap_err();
        assert_eq!((error.status.as_u16(), error.field.as_deref()), (400, Some("body")), "{body}");
    }
    let deep = "[".repeat(100_000);
    assert!(event("push", deep.as_bytes()).is_err());
}

#[test]
fn a_delivery_has_a_plain_id() {
    let id = |values: &[(&str, &str)]| {
        Incoming { headers: &with(values), body: b"" }.delivery_id(DELIVERY)
    };
    assert_eq!(id(&[(DELIVERY, "72d3162e-cc78-11e3")]).unwrap(), "72d3162e-cc78-11e3");
    let long = "x".repeat(129);
    for bad in ["", "a b", "a/b", &long] {
        assert_eq!(id(&[(DELIVERY, bad)]).unwrap_err().field.as_deref(), Some(DELIVERY));
    }
    assert!(id(&[]).is_err());
}

/// Any JSON, not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!(ZERO)),
        Just(json!("refs/heads/")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,9}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const PLACES: &[&str] = &[
    "/ref",
    "/before",
    "/after",
    "/deleted",
    "/repository",
    "/repository/full_name",
    "/repository/clone_url",
    "/repository/default_branch",
    "/pusher",
    "/pusher/name",
    "/head_commit",
    "/head_commit/message",
    "/head_commit/author",
    "/head_commit/author/name",
];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(!matches!(event("push", &body), Ok(Event::Pushes(_))));
    }

    #[test]
    fn no_value_anywhere_makes_it_panic(place in prop::sample::select(PLACES), value in any_json()) {
        if let Ok(Event::Pushes(pushes)) = read(&changed(place, value)) {
            let push = &pushes[0];
            prop_assert!(validate::branch(&push.branch).is_ok());
            prop_assert!(validate::commit(&push.commit).is_ok());
            prop_assert!(push.repository.url.starts_with("https://"));
        }
    }
}

#[test]
fn a_workflow_that_was_begun_for_a_run_wakes_its_state_and_no_other_does() {
    let of = |event_name: &str, title: Value| {
        let body = json!({
            "action": "completed",
            "repository": { "full_name": "acme/web" },
            "workflow_run": { "id": 7, "event": event_name, "display_title": title, "status": "completed" },
        });
        event("workflow_run", body.to_string().as_bytes())
    };
    let Event::Work { repository, correlation } =
        of("workflow_dispatch", json!("pact web-1/RunUnitTests/0123abcd")).unwrap()
    else {
        panic!("no work");
    };
    assert_eq!(repository.as_str(), "acme/web");
    assert_eq!(correlation.to_string(), "web-1/RunUnitTests/0123abcd");
    for (event_name, title) in [
        ("push", json!("web-1/RunUnitTests/0123abcd")),
        ("workflow_dispatch", json!("Fix things")),
        ("workflow_dispatch", json!(7)),
        ("workflow_dispatch", Value::Null),
    ] {
        let ignored = of(event_name, title).unwrap();
        assert!(matches!(ignored, Event::Ignored(_)), "{ignored:?}");
    }
    let bare = event("workflow_run", b"{}").unwrap_err();
    assert_eq!(bare.status, 400);
}
