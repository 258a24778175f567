//! Merge requests of GitLab: what it calls pull requests.

use pact_contract::run::{PULL_REQUEST, PullRequest, Trigger};
use pact_hosts::Sources;
use serde_json::Value;

use super::super::host::Event;
use super::project::{MAX_PERSON, repository, told};
use crate::{
    error::{Answer, ApiError},
    hosts::host::labels,
    push::{Pull, Push},
    validate,
};

/// Longest line about a merge request that is kept.
const MAX_TITLE: usize = 500;

/// Reads a delivery: the head of the merge request, to be verified as it would be merged.
pub(super) fn read(delivery: &str, value: &Value, allowed: &Sources) -> Answer<Event> {
    let at = |name: &str| value.pointer(&format!("/object_attributes/{name}"));
    let text = |name: &str| at(name).and_then(Value::as_str);
    let wrong = |name: &str, why: &str| {
        ApiError::invalid(format!("object_attributes.{}", name.replace('/', ".")), why)
    };
    // What a test of the hook sends has none.
    let action = text("action").unwrap_or("looked at");
    // An update is of its title too: with an old revision it is of its commits.
    let pushed = at("oldrev").is_some_and(|old| !old.is_null());
    let retargeted = value.pointer("/changes/target_branch").is_some_and(|to| !to.is_null());
    let runs = match action {
        "open" | "reopen" => true,
        "update" => pushed || retargeted,
        _ => false,
    };
    if !runs {
        let action: String = action.chars().take(64).collect();
        return Ok(Event::Ignored(format!("a merge request with {action:?} starts nothing")));
    }
    let commit = text("last_commit/id").ok_or_else(|| wrong("last_commit/id", "missing"))?;
    let commit = validate::commit(commit).map_err(|why| wrong("last_commit/id", &why))?;
    if validate::is_zero(&commit) {
        return Err(wrong("last_commit/id", "no commit"));
    }
    let number = at("iid").and_then(Value::as_u64).filter(|number| *number > 0);
    let number = number.ok_or_else(|| wrong("iid", "not a number"))?;
    let target = text("target_branch").ok_or_else(|| wrong("target_branch", "missing"))?;
    validate::branch(target).map_err(|why| wrong("target_branch", &why))?;
    let (repository, host_id) = repository(value, allowed)?;
    // What is not known to be of this project is of another one.
    let own = at("target_project_id").and_then(Value::as_u64);
    let fork = own.is_none() || at("source_project_id").and_then(Value::as_u64) != own;
    Ok(Event::Pushes(vec![Push {
        repository,
        // Its head's branch may have any name, that of the default one too.
        branch: format!("merge-requests/{number}"),
        tag: false,
        skip: false,
        commit,
        // The host does not tell where the target stands: its merge says so.
        base: None,
        message: told(value, "/object_attributes/title", MAX_TITLE),
        author: told(value, "/object_attributes/last_commit/author/name", MAX_PERSON),
        template: None,
        environment: None,
        policy: Default::default(),
        host_id,
        on_purpose: None,
        trigger: Trigger {
            kind: PULL_REQUEST.to_owned(),
            actor: told(value, "/user/username", MAX_PERSON),
            delivery: Some(delivery.to_owned()),
        },
        pull: Some(Pull {
            head: format!("refs/merge-requests/{number}/head"),
            request: PullRequest {
                number,
                target: target.to_owned(),
                merge: Some(format!("refs/merge-requests/{number}/merge")),
                fork,
                labels: labels(value, "/object_attributes/labels", "title"),
            },
        }),
    }]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payload() -> Value {
        json!({
            "object_kind": "merge_request",
            "user": { "username": "eve" },
            "project": {
                "id": 7,
                "path_with_namespace": "acme/shops/web",
                "git_http_url": "https://gitlab.example.com/acme/shops/web.git",
                "default_branch": "main",
            },
            "object_attributes": {
                "id": 900, "iid": 12, "action": "open", "title": "A basket\nfor all",
                "source_branch": "main", "target_branch": "release/1",
                "source_project_id": 9, "target_project_id": 7,
                "last_commit": { "id": "2".repeat(40), "author": { "name": "Eve" } },
            },
        })
    }

    fn of(payload: &Value) -> Answer<Event> {
        read("d-1", payload, &Sources::default())
    }

    fn pushed(payload: &Value) -> Push {
        let Event::Pushes(mut pushes) = of(payload).unwrap() else { panic!("it runs") };
        pushes.remove(0)
    }

    #[test]
    fn its_head_is_run_and_never_as_a_branch() {
        let push = pushed(&payload());
        assert_eq!(push.branch, "merge-requests/12");
        assert_eq!(push.reference(), "refs/merge-requests/12/head");
        assert_eq!((push.commit.clone(), push.base.clone()), ("2".repeat(40), None));
        assert_eq!(push.message.as_deref(), Some("A basket"));
        assert_eq!(push.host_id.as_deref(), Some("7"));
        let request = push.request(push.run_id(1), 1, "https://pact.example");
        assert!(request.verify_only.is_some() && request.trigger.kind == PULL_REQUEST);
        let pull = request.pull.unwrap();
        assert_eq!((pull.number, pull.target.as_str(), pull.fork), (12, "release/1", true));
        assert_eq!(pull.merge.as_deref(), Some("refs/merge-requests/12/merge"));
        let mut labelled = payload();
        labelled["object_attributes"]["labels"] = json!([{ "id": 1, "title": "db change" }]);
        assert_eq!(pushed(&labelled).pull.unwrap().request.labels, ["db change"]);
        let mut own = payload();
        own["object_attributes"]["source_project_id"] = json!(7);
        assert!(!pushed(&own).pull.unwrap().request.fork);
        own["object_attributes"]["source_project_id"] = Value::Null;
        assert!(pushed(&own).pull.unwrap().request.fork, "a fork that was deleted");
    }

    #[test]
    fn what_changes_nothing_to_be_verified_starts_nothing() {
        let with = |action: Value, changes: Value, oldrev: Value| {
            let mut payload = payload();
            payload["object_attributes"]["action"] = action;
            payload["object_attributes"]["oldrev"] = oldrev;
            payload["changes"] = changes;
            matches!(of(&payload), Ok(Event::Pushes(_)))
        };
        let (none, old) = (Value::Null, json!("1".repeat(40)));
        for (action, runs) in [
            ("open", true),
            ("reopen", true),
            ("update", false),
            ("close", false),
            ("merge", false),
            ("approved", false),
        ] {
            assert_eq!(with(json!(action), none.clone(), none.clone()), runs, "{action}");
        }
        assert!(with(json!("update"), none.clone(), old), "pushed to");
        let target = json!({ "target_branch": { "previous": "a", "current": "b" } });
        assert!(with(json!("update"), target, none.clone()), "with another target");
        assert!(!with(json!("update"), json!({ "title": {} }), none.clone()));
        assert!(!with(none.clone(), none.clone(), none), "a test of the hook");
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (path, value, field) in [
            ("/object_attributes/iid", json!(0), "object_attributes.iid"),
            (
                "/object_attributes/last_commit/id",
                json!("HEAD"),
                "object_attributes.last_commit.id",
            ),
            ("/object_attributes/target_branch", json!("a b"), "object_attributes.target_branch"),
            ("/project/git_http_url", json!("http://h/x"), "project.git_http_url"),
            ("/project/path_with_namespace", json!("a#b"), "project.path_with_namespace"),
            ("/project/default_branch", Value::Null, "project.default_branch"),
        ] {
            let mut payload = payload();
            *payload.pointer_mut(path).unwrap() = value;
            assert_eq!(of(&payload).unwrap_err().field.as_deref(), Some(field), "{path}");
        }
    }
}
