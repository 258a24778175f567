//! Deliveries of GitLab.

use axum::http::HeaderName;
use pact_hosts::Sources;

use super::*;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut all = HeaderMap::new();
    for (name, value) in pairs {
        all.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    all
}

fn payload_of(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut payload = json!({
        "object_kind": "push", "event_name": "push",
        "ref": "refs/heads/main",
        "before": "1".repeat(40), "after": "2".repeat(40), "checkout_sha": "2".repeat(40),
        "user_name": "Ada L", "user_username": "ada",
        "project": {
            "id": 15, "path_with_namespace": "acme/shops/web",
            "git_http_url": "https://gitlab.example.com/acme/shops/web.git",
            "default_branch": "main",
        },
        "commits": [
            { "id": "3".repeat(40), "message": "Before [skip ci]", "author": { "name": "Bob" } },
            { "id": "2".repeat(40), "message": "Fix it\n\nwell", "author": { "name": "Eve" } },
        ],
        "total_commits_count": 2,
    });
    change(&mut payload);
    payload.to_string().into_bytes()
}

fn read(body: &[u8]) -> Answer<Delivery> {
    let headers = headers(&[(EVENT_ID, "u-1"), ("x-gitlab-event", "Push Hook")]);
    GitLab.read(&Incoming { headers: &headers, body }, &Sources::default())
}

fn ignored(change: impl FnOnce(&mut Value)) -> String {
    match read(&payload_of(change)).unwrap().event {
        Event::Ignored(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_push_is_read_with_its_last_commit() {
    let delivery = read(&payload_of(|_| ())).unwrap();
    let Event::Pushes(pushes) = delivery.event else { panic!("a push") };
    let push = &pushes[0];
    assert_eq!(push.repository.name.to_string(), "acme/shops/web");
    assert_eq!((&*push.commit, push.base.clone()), (&*"2".repeat(40), Some("1".repeat(40))));
    assert_eq!((push.message.as_deref(), push.author.as_deref()), (Some("Fix it"), Some("Eve")));
    assert_eq!((push.trigger.actor.as_deref(), push.host_id.as_deref()), (Some("ada"), Some("15")));
    // A new branch at a commit that is there already has no commits of its own.
    let new = read(&payload_of(|payload| {
        payload["before"] = json!("0".repeat(40));
        payload["commits"] = json!([]);
    }));
    let Event::Pushes(pushes) = new.unwrap().event else { panic!("a push") };
    assert_eq!((&pushes[0].base, &pushes[0].message), (&None, &None));
}

#[test]
fn what_is_no_new_commit_on_a_branch_is_ignored_with_the_reason() {
    let zero = json!("0".repeat(40));
    assert_eq!(ignored(|p| p["after"] = zero.clone()), "the branch was deleted");
    assert_eq!(ignored(|p| p["after"] = p["before"].clone()), "the push changes nothing");
    assert_eq!(
        ignored(|p| p["ref"] = json!("refs/notes/x")),
        "a push of anything but a branch starts nothing"
    );
    assert_eq!(
        ignored(|p| p["object_kind"] = json!("pipeline")),
        "the event \"pipeline\" starts nothing"
    );
    let gone = ignored(|p| {
        p["ref"] = json!("refs/tags/v1");
        p["after"] = zero.clone();
    });
    assert_eq!(gone, "the tag was deleted");
}

fn pushed(change: impl FnOnce(&mut Value)) -> Push {
    let Event::Pushes(mut pushes) = read(&payload_of(change)).unwrap().event else {
        panic!("a push")
    };
    pushes.remove(0)
}

#[test]
fn a_message_and_an_option_of_the_push_ask_for_no_run() {
    assert!(!pushed(|_| ()).skip, "an earlier commit's message asks for nothing");
    assert!(pushed(|p| p["commits"][1]["message"] = json!("Docs [ci skip]")).skip);
    assert!(pushed(|p| p["push_options"] = json!({ "ci": { "skip": true } })).skip);
    assert!(!pushed(|p| p["push_options"] = json!({ "ci": { "skip": false } })).skip);
}

#[test]
fn a_tag_is_its_commit_whatever_object_it_points_to() {
    let tagged = pushed(|p| {
        p["object_kind"] = json!("tag_push");
        p["ref"] = json!("refs/tags/v1");
        p["after"] = json!("4".repeat(40));
    });
    assert_eq!((tagged.tag, &*tagged.branch, &*tagged.reference()), (true, "v1", "refs/tags/v1"));
    assert_eq!((&*tagged.commit, &tagged.base), (&*"2".repeat(40), &None));
    assert_eq!(tagged.message.as_deref(), Some("Fix it"));
}

#[test]
fn a_wrong_field_is_named() {
    for (path, value, field) in [
        ("/object_kind", json!(7), "object_kind"),
        ("/ref", json!("main"), "ref"),
        ("/after", json!("HEAD"), "after"),
        ("/before", Value::Null, "before"),
        ("/project", json!([]), "project"),
        (
            "/project/git_http_url",
            json!("https://ada:x@gitlab.example.com/a"),
            "project.git_http_url",
        ),
        ("/project/default_branch", json!("a b"), "project.default_branch"),
    ] {
        let body = payload_of(|payload| *payload.pointer_mut(path).unwrap() = value);
        assert_eq!(read(&body).unwrap_err().field.as_deref(), Some(field), "{path}");
    }
    assert!(read(b"[]").is_err() && read(b"").is_err());
    let none = headers(&[]);
    assert!(
        GitLab
            .read(&Incoming { headers: &none, body: &payload_of(|_| ()) }, &Sources::default())
            .is_err()
    );
}

#[test]
fn the_signature_is_that_of_standard_webhooks_and_of_now() {
    // The example of the specification.
    let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
    let body = br#"{"test": 2432232314}"#;
    let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let at = |seconds: i64| Timestamp::from_second(1_614_265_330 + seconds).unwrap();
    let check = |pairs: &[(&str, &str)], body: &[u8], key: &str, now: Timestamp| {
        let headers = headers(pairs);
        let checked = signed(&Secret::new(key), &Incoming { headers: &headers, body }, now);
        checked.map_err(|refused| refused.status.as_u16())
    };
    let with = |signature: &str, body: &[u8], now| {
        check(&[(ID, id), (TIME, time), (SIGNATURE, signature)], body, KEY, now)
    };
    assert_eq!(with(right, body, at(0)), Ok(()));
    assert_eq!(with(&format!("v1,AAAA v2,x {right}"), body, at(299)), Ok(()));
    assert_eq!(with(right, body, at(301)), Err(401), "an old one");
    assert_eq!(with(right, body, at(-301)), Err(401), "one of the future");
    assert_eq!(with(right, br#"{"test": 2432232315}"#, at(0)), Err(401));
    for wrong in ["", "v1,", "v1", &right[3..], &right.replace("v1,", "v2,"), "v1,AAAA"] {
        assert_eq!(with(wrong, body, at(0)), Err(401), "{wrong}");
    }
    let all = [(ID, id), (TIME, time), (SIGNATURE, right)];
    assert_eq!(check(&[(ID, "msg_other"), all[1], all[2]], body, KEY, at(0)), Err(401));
    assert_eq!(check(&[all[0], (TIME, "1614265331"), all[2]], body, KEY, at(0)), Err(401));
    assert_eq!(check(&[all[0], all[2]], body, KEY, at(0)), Err(401), "without its time");
    assert_eq!(check(&[all[0], all[0], all[1], all[2]], body, KEY, at(0)), Err(401), "two ids");
    let other = KEY.replace("Mf", "Mg");
    assert_eq!(check(&all, body, &other, at(0)), Err(401));
    assert_eq!(check(&all, body, "whsec_***", at(0)), Err(503));
}

#[test]
fn a_token_is_the_secret_itself_and_no_way_around_a_signature() {
    let check = |pairs: &[(&str, &str)]| {
        let headers = headers(pairs);
        let incoming = Incoming { headers: &headers, body: b"{}" };
        let secret = match GitLab.parameter(&headers).name {
            "gitlab-token" => "token-of-gitlab-0123",
            _ => KEY,
        };
        GitLab.verify(&Secret::new(secret), &incoming).is_ok()
    };
    assert!(check(&[(TOKEN, "token-of-gitlab-0123")]));
    for wrong in ["", "token-of-gitlab-012", "token-of-gitlab-01234", "Token-of-gitlab-0123", KEY] {
        assert!(!check(&[(TOKEN, wrong)]), "{wrong}");
    }
    let right = (TOKEN, "token-of-gitlab-0123");
    assert!(!check(&[]) && !check(&[right, right]));
    // What is signed has to be signed well, whatever else it has.
    assert!(!check(&[right, (SIGNATURE, "v1,AAAA")]));
}
