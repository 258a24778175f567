//! What every host has to keep, those that are added one day too.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use pact_contract::Repository;

use super::*;
use pact_hosts::Sources;

use crate::validate;

const SECRET: &str = "secret-of-the-webhooks";

fn repository() -> Repository {
    Repository {
        name: "acme/web".parse().unwrap(),
        url: "https://git.example.com/acme/web.git".to_owned(),
        default_branch: "main".to_owned(),
    }
}

fn notice<'a>(repository: &'a Repository, commit: &'a str) -> PushNotice<'a> {
    PushNotice {
        repository,
        reference: "refs/heads/feature/x",
        commit,
        base: None,
        message: Some("A change"),
        author: Some("Ada"),
    }
}

pub(crate) fn headers(composed: &Composed) -> HeaderMap {
    let header = |(name, value): &(&str, String)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    composed.headers.iter().map(header).collect()
}

#[test]
fn what_a_host_sends_is_verified_and_read_and_nothing_else_is() {
    let (repository, commit) = (repository(), "2".repeat(40));
    for host in ALL {
        let name = host.name();
        let composed =
            host.compose(&notice(&repository, &commit), "d-1", &Secret::new(SECRET)).unwrap();
        assert_eq!(composed.path, format!("/webhooks/{name}"));
        let headers = headers(&composed);
        let incoming = Incoming { headers: &headers, body: &composed.body };
        host.verify(&Secret::new(SECRET), &incoming).unwrap();
        let delivery = host.read(&incoming, &Sources::default()).unwrap();
        assert_eq!(delivery.id, "d-1");
        let Event::Pushes(pushes) = delivery.event else { panic!("{name}: no push") };
        let [push] = &pushes[..] else { panic!("{name}: {pushes:?}") };
        assert_eq!((&push.repository, push.branch.as_str()), (&repository, "feature/x"));
        assert_eq!((push.commit.to_string(), &push.base), (commit.clone(), &None));
        assert_eq!(push.trigger.delivery.as_deref(), Some("d-1"));

        let other = host.verify(&Secret::new("another secret, as long"), &incoming);
        assert_eq!(other.unwrap_err().status, 401, "{name}");
        for at in 0..composed.body.len() {
            let mut body = composed.body.clone();
            body[at] ^= 1;
            let altered = Incoming { headers: &headers, body: &body };
            let refused = host.verify(&Secret::new(SECRET), &altered).unwrap_err();
            assert_eq!(refused.status, 401, "{name} byte {at}");
            assert!(!refused.message.contains(SECRET));
        }
        let unsigned = Incoming { headers: &HeaderMap::new(), body: &composed.body };
        let refused = host.verify(&Secret::new(SECRET), &unsigned).unwrap_err();
        assert_eq!(refused.status, 401, "{name}");
    }
}

#[test]
fn names_and_parameters_are_those_of_one_host() {
    let names: BTreeSet<_> = ALL.iter().map(|host| host.name()).collect();
    let secrets: BTreeSet<_> = parameters().map(|parameter| parameter.name).collect();
    assert_eq!((names.len(), secrets.len()), (ALL.len(), parameters().count()));
    for host in ALL {
        assert!(host.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        assert!(host.parameters().contains(host.parameter(&HeaderMap::new())));
        assert!(host.max_body() <= validate::MAX_BODY);
    }
}

#[test]
fn a_host_that_is_added_is_named_wherever_hosts_are() {
    let known = unknown("source\nforge").message;
    assert_eq!(
        known,
        "there is no git host \"source\\nforge\"; webhooks are taken from github, gitlab, forge"
    );
    assert_eq!(webhook_paths(), ["/webhooks/github", "/webhooks/gitlab", "/webhooks/forge"]);
    let [row, setup] = documentation().pop().unwrap();
    assert_eq!(
        row,
        "| `POST /webhooks/forge` | pushes from Forge, signed with `X-Forge-Signature`; answers \
         202 with the run and its address |"
    );
    assert_eq!(
        setup,
        "Forge: `/webhooks/forge`, pushes, the secret of the parameter `forge-key` or `forge-token`"
    );
    let spare = parameters().find(|parameter| parameter.name == "forge-key").unwrap();
    assert_eq!(spare.variable, Some("FORGE"), "for a stack on one machine");
}
