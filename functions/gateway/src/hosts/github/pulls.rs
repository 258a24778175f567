//! The event `pull_request` of GitHub.

use pact_contract::{
    Repository, RepositoryName,
    run::{PULL_REQUEST, PullRequest, Trigger},
};
use pact_hosts::Sources;
use serde_json::Value;

use super::super::host::Event;
use crate::{
    error::{Answer, ApiError},
    fields::{Fields, line, parse},
    hosts::host::labels,
    push::{Pull, Push},
    validate,
};

/// Longest line about a pull request that is kept.
const MAX_TITLE: usize = 500;
/// Longest name of a person that is kept.
const MAX_PERSON: usize = 200;

/// Reads a delivery: the head of the pull request, to be verified as it would be merged.
pub(super) fn read(delivery: &str, body: &[u8], allowed: &Sources) -> Answer<Event> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    let action = fields.text("action", 64)?;
    let retargeted = action == "edited" && value.pointer("/changes/base").is_some();
    if !matches!(action, "opened" | "synchronize" | "reopened") && !retargeted {
        return Ok(Event::Ignored(format!("a pull request that was {action} starts nothing")));
    }
    let repository = fields.object("repository")?;
    let name = repository.identifier::<RepositoryName>("full_name")?;
    let url = repository.text("clone_url", validate::MAX_URL)?;
    let url =
        validate::source(url, allowed).map_err(|reason| repository.wrong("clone_url", reason))?;
    let default_branch = repository.text("default_branch", validate::MAX_BRANCH)?;
    validate::branch(default_branch)
        .map_err(|reason| repository.wrong("default_branch", reason))?;

    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    let wrong = |path: &str, reason: &str| {
        ApiError::invalid(path.trim_start_matches('/').replace('/', "."), reason)
    };
    let commit = |path: &str| {
        let text = text(path).ok_or_else(|| wrong(path, "missing"))?;
        let commit = validate::commit(text).map_err(|reason| wrong(path, &reason))?;
        if validate::is_zero(&commit) { Err(wrong(path, "no commit")) } else { Ok(commit) }
    };
    let number = value.pointer("/pull_request/number").and_then(Value::as_u64);
    let number = number.filter(|number| *number > 0);
    let number = number.ok_or_else(|| wrong("/pull_request/number", "not a number"))?;
    let (head, base) = (commit("/pull_request/head/sha")?, commit("/pull_request/base/sha")?);
    let target = "/pull_request/base/ref";
    let branch = text(target).ok_or_else(|| wrong(target, "missing"))?;
    validate::branch(branch).map_err(|reason| wrong(target, &reason))?;
    let id = |path: &str| value.pointer(path).and_then(Value::as_u64);
    // A fork that was deleted is null: what is not known to be of this repository is of another one.
    let own = id("/pull_request/base/repo/id");
    let fork = own.is_none() || id("/pull_request/head/repo/id") != own;
    let person = |path: &str| text(path).and_then(|name| line(name, MAX_PERSON));
    Ok(Event::Pushes(vec![Push {
        repository: Repository { name, url, default_branch: default_branch.to_owned() },
        // Its head's branch may have any name, that of the default one too.
        branch: format!("pull/{number}"),
        tag: false,
        skip: false,
        commit: head,
        base: Some(base),
        message: text("/pull_request/title").and_then(|title| line(title, MAX_TITLE)),
        author: person("/pull_request/user/login"),
        template: None,
        environment: None,
        policy: Default::default(),
        host_id: id("/repository/id").map(|id| id.to_string()),
        on_purpose: None,
        trigger: Trigger {
            kind: PULL_REQUEST.to_owned(),
            actor: person("/sender/login"),
            delivery: Some(delivery.to_owned()),
        },
        pull: Some(Pull {
            head: format!("refs/pull/{number}/head"),
            request: PullRequest {
                number,
                target: branch.to_owned(),
                merge: Some(format!("refs/pull/{number}/merge")),
                fork,
                labels: labels(&value, "/pull_request/labels", "name"),
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
            "action": "opened",
            "number": 12,
            "pull_request": {
                "number": 12,
                "title": "A basket\nfor all",
                "user": { "login": "eve" },
                "head": {
                    "ref": "main", "sha": "2".repeat(40), "repo": { "id": 9, "fork": true },
                },
                "base": { "ref": "release/1", "sha": "1".repeat(40), "repo": { "id": 7 } },
            },
            "repository": {
                "id": 7,
                "full_name": "acme/web",
                "clone_url": "https://git.example.com/acme/web.git",
                "default_branch": "main",
            },
            "sender": { "login": "eve" },
        })
    }

    fn of(payload: &Value) -> Answer<Event> {
        read("d-1", payload.to_string().as_bytes(), &Sources::default())
    }

    fn pushed(payload: &Value) -> Push {
        let Event::Pushes(mut pushes) = of(payload).unwrap() else { panic!("it runs") };
        pushes.remove(0)
    }

    #[test]
    fn its_head_is_run_against_its_target_and_never_as_a_branch() {
        let push = pushed(&payload());
        assert_eq!((push.branch.as_str(), &*push.reference()), ("pull/12", "refs/pull/12/head"));
        assert_eq!(push.commit, "2".repeat(40));
        assert_eq!(push.base, Some("1".repeat(40)));
        assert_eq!(push.message.as_deref(), Some("A basket"));
        let request = push.request(push.run_id(1), 1, "https://pact.example");
        assert!(request.verify_only.is_some() && request.trigger.kind == PULL_REQUEST);
        let pull = request.pull.unwrap();
        assert_eq!((pull.target.as_str(), pull.fork), ("release/1", true));
        assert_eq!(pull.merge.as_deref(), Some("refs/pull/12/merge"));
        assert!(pull.labels.is_empty());
        let mut labelled = payload();
        labelled["pull_request"]["labels"] =
            json!([{ "name": "db change" }, { "id": 1 }, { "name": "a\nb" }]);
        assert_eq!(pushed(&labelled).pull.unwrap().request.labels, ["db change", "a"]);
        let mut own = payload();
        own["pull_request"]["head"]["repo"]["id"] = json!(7);
        assert!(!pushed(&own).pull.unwrap().request.fork);
        own["pull_request"]["head"]["repo"] = Value::Null;
        assert!(pushed(&own).pull.unwrap().request.fork, "a fork that was deleted");
    }

    #[test]
    fn what_changes_nothing_to_be_verified_starts_nothing() {
        for (action, runs) in [
            ("opened", true),
            ("synchronize", true),
            ("reopened", true),
            ("closed", false),
            ("labeled", false),
            ("edited", false),
        ] {
            let mut payload = payload();
            payload["action"] = json!(action);
            assert_eq!(matches!(of(&payload), Ok(Event::Pushes(_))), runs, "{action}");
        }
        let mut retargeted = payload();
        retargeted["action"] = json!("edited");
        retargeted["changes"] = json!({ "base": { "ref": { "from": "main" } } });
        assert!(matches!(of(&retargeted), Ok(Event::Pushes(_))));
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (path, value, field) in [
            ("/action", json!(7), "action"),
            ("/pull_request/number", json!(0), "pull_request.number"),
            ("/pull_request/head/sha", json!("HEAD"), "pull_request.head.sha"),
            ("/pull_request/head/sha", json!("0".repeat(40)), "pull_request.head.sha"),
            ("/pull_request/base/sha", Value::Null, "pull_request.base.sha"),
            ("/pull_request/base/ref", json!("a b"), "pull_request.base.ref"),
            ("/repository/clone_url", json!("http://h/x"), "repository.clone_url"),
            ("/repository/full_name", json!("a#b"), "repository.full_name"),
        ] {
            let mut payload = payload();
            *payload.pointer_mut(path).unwrap() = value;
            assert_eq!(of(&payload).unwrap_err().field.as_deref(), Some(field), "{path}");
        }
        assert!(read("d", b"{}", &Sources::default()).is_err());
    }
}
