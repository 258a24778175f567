//! The trigger API: what a caller asks for.

use jiff::Timestamp;
use pact_agent::ports::ApprovalAnswer;
use pact_contract::{
    EnvironmentName, Repository, StateName,
    ledger::OnPurpose,
    policy::{JudgedBy, RunPolicy},
    run::Trigger,
    settings::Template,
};
use pact_hosts::Sources;

use crate::{
    doors::Who,
    error::Answer,
    fields::{Fields, line, parse},
    push::Push,
    validate,
};

/// Longest text about a commit or a person that is accepted.
const MAX_TEXT: usize = 64 * 1024;
/// Longest line about a commit that is kept.
const MAX_MESSAGE: usize = 500;
/// Longest name of a person that is kept.
const MAX_PERSON: usize = 200;
/// Longest reason.
const MAX_REASON: usize = 1_000;
/// Name of the default branch where the caller names none.
pub(crate) const DEFAULT_BRANCH: &str = "main";

/// A request to start the pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) push: Push,
    /// Once more, although this push had its run.
    pub(crate) rerun: bool,
}

/// Reads the body of `POST /v1/pipelines`.
pub(crate) fn start(body: &[u8], allowed: &Sources, who: &Who) -> Answer<Start> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&[
        "repository",
        "branch",
        "commit",
        "base",
        "author",
        "message",
        "template",
        "environment",
        "rerun",
        "settings",
        "on_purpose",
    ])?;
    let repository = repository(&fields, allowed)?;
    let branch = fields.text("branch", validate::MAX_BRANCH)?;
    validate::branch(branch).map_err(|reason| fields.wrong("branch", reason))?;
    let commit = validate::commit(fields.text("commit", validate::MAX_COMMIT)?)
        .map_err(|reason| fields.wrong("commit", reason))?;
    if validate::is_zero(&commit) {
        return Err(fields.wrong("commit", "the id that stands for no commit"));
    }
    let base = match fields.optional_text("base", validate::MAX_COMMIT)? {
        Some(text) => Some(validate::commit(text).map_err(|reason| fields.wrong("base", reason))?),
        None => None,
    };
    let template = fields.optional_text("template", 64)?;
    if let Some(name) = template
        && Template::parse(name).is_none()
    {
        let known: Vec<_> = Template::ALL.iter().map(|(_, name)| *name).collect();
        return Err(fields.wrong("template", format!("unknown; known are {}", known.join(", "))));
    }
    let environment = match fields.optional_text("environment", 64)? {
        // Whether the repository has it, its settings say.
        Some(name) => Some(
            EnvironmentName::parse(name)
                .map_err(|error| fields.wrong("environment", error.to_string()))?,
        ),
        None => None,
    };
    let judged_by = judged_by(&fields, &repository)?;
    let author = fields.optional_text("author", MAX_TEXT)?.and_then(|text| line(text, MAX_PERSON));
    let message = fields.optional_text("message", MAX_TEXT)?;
    let on_purpose = match fields.optional_text("on_purpose", MAX_REASON)? {
        Some(text) => {
            let reason = line(text, MAX_REASON);
            let reason = reason.ok_or_else(|| fields.wrong("on_purpose", "a reason is needed"))?;
            Some(OnPurpose { by: who.about(author.as_deref()), reason })
        }
        None => None,
    };
    Ok(Start {
        push: Push {
            repository,
            branch: branch.to_owned(),
            commit,
            base: base.filter(|commit| !validate::is_zero(commit)),
            message: message.and_then(|text| line(text, MAX_MESSAGE)),
            trigger: Trigger {
                kind: "api".to_owned(),
                actor: Some(who.about(author.as_deref())),
                delivery: None,
            },
            author,
            template: template.map(str::to_owned),
            environment,
            policy: RunPolicy { judged_by, ..RunPolicy::default() },
            host_id: None,
            on_purpose,
            pull: None,
            skip: false,
            tag: false,
        },
        rerun: fields.optional_flag("rerun")?.unwrap_or(false),
    })
}

/// Whose settings judge: the commit's own only in a folder of this machine, whose owner is also
/// the judge.
fn judged_by(fields: &Fields<'_>, repository: &Repository) -> Answer<JudgedBy> {
    match fields.optional_text("settings", 16)? {
        None | Some("base") => Ok(JudgedBy::Base),
        Some("own") if repository.url.starts_with("file:") => Ok(JudgedBy::Own),
        Some("own") => Err(fields.wrong(
            "settings",
            "own settings judge only a repository that is a folder of this machine",
        )),
        Some(_) => Err(fields.wrong("settings", "unknown; known are base and own")),
    }
}

fn repository(fields: &Fields<'_>, allowed: &Sources) -> Answer<Repository> {
    let repository = fields.object("repository")?;
    repository.only(&["name", "url", "default_branch"])?;
    let name = repository.identifier("name")?;
    let url = validate::source(repository.text("url", validate::MAX_URL)?, allowed)
        .map_err(|reason| repository.wrong("url", reason))?;
    let default_branch =
        repository.optional_text("default_branch", validate::MAX_BRANCH)?.unwrap_or(DEFAULT_BRANCH);
    validate::branch(default_branch)
        .map_err(|reason| repository.wrong("default_branch", reason))?;
    Ok(Repository { name, url, default_branch: default_branch.to_owned() })
}

/// Reads the body of `POST /v1/callbacks/{token}`.
pub(crate) fn answer(body: &[u8], who: &Who) -> Answer<ApprovalAnswer> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["approved", "by", "reason"])?;
    answer_in(&fields, who)
}

/// Reads the body of `POST /v1/runs/{id}/answers`: which question, and the answer.
pub(crate) fn answer_of(body: &[u8], who: &Who) -> Answer<(Option<StateName>, ApprovalAnswer)> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["state", "approved", "by", "reason"])?;
    let state = fields.has("state").then(|| fields.identifier("state")).transpose()?;
    Ok((state, answer_in(&fields, who)?))
}

fn answer_in(fields: &Fields<'_>, who: &Who) -> Answer<ApprovalAnswer> {
    let approved =
        fields.optional_flag("approved")?.ok_or_else(|| fields.wrong("approved", "missing"))?;
    let reason = fields.optional_text("reason", MAX_REASON)?;
    Ok(ApprovalAnswer {
        approved,
        by: who.by(fields)?,
        owner: who.0.owner.clone(),
        reason: reason.and_then(|text| line(text, MAX_REASON)),
        at: Timestamp::now(),
    })
}

/// Reads the body of `POST /v1/runs/{id}/cancel`, which may be empty: who cancels, and why.
pub(crate) fn cancellation(body: &[u8], who: &Who) -> Answer<(String, Option<String>)> {
    if body.trim_ascii().is_empty() {
        return Ok((who.speaks_as(None)?, None));
    }
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["by", "reason"])?;
    let by = who.by(&fields)?;
    let reason =
        fields.optional_text("reason", MAX_REASON)?.and_then(|text| line(text, MAX_REASON));
    Ok((by, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn body() -> Value {
        json!({
            "repository": { "name": "acme/web", "url": "https://git.example.com/acme/web.git" },
            "branch": "main",
            "commit": "2".repeat(40),
        })
    }

    fn with(name: &str, value: Value) -> Vec<u8> {
        let mut body = body();
        body[name] = value;
        body.to_string().into_bytes()
    }

    #[test]
    fn little_is_needed_and_everything_is_read() {
        let allowed = Sources::default();
        let least = start(body().to_string().as_bytes(), &allowed, &Who::installation()).unwrap();
        assert_eq!(least.push.repository.default_branch, "main");
        assert!(!least.rerun);
        let mut most = body();
        for (name, value) in [
            ("base", json!("1".repeat(40))),
            ("author", json!("Ada")),
            ("message", json!("One\ntwo")),
            ("template", json!("hotfix")),
            ("environment", json!("staging")),
            ("rerun", json!(true)),
        ] {
            most[name] = value;
        }
        let most = start(most.to_string().as_bytes(), &allowed, &Who::installation()).unwrap();
        assert!(most.rerun);
        assert_eq!(most.push.message.as_deref(), Some("One"));
        assert_eq!(most.push.template.as_deref(), Some("hotfix"));
        assert_eq!(most.push.trigger.actor.as_deref(), Some("installation for Ada"));
        // The same push by webhook and by API is one push.
        assert_eq!(most.push.key(None), least.push.key(None));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let url = |url: &str| json!({ "name": "acme/web", "url": url });
        for (name, value, field) in [
            ("branch", json!(null), "branch"),
            ("branch", json!("a b"), "branch"),
            ("commit", json!("HEAD"), "commit"),
            ("commit", json!("0".repeat(40)), "commit"),
            ("base", json!(1), "base"),
            ("template", json!("fast"), "template"),
            ("environment", json!("the moon"), "environment"),
            ("rerun", json!("yes"), "rerun"),
            ("comit", json!("x"), "comit"),
            ("repository", json!("acme/web"), "repository"),
            ("repository", json!({ "name": "acme/web" }), "repository.url"),
            ("repository", url("http://git.example.com/x"), "repository.url"),
            ("repository", json!({ "name": "a#b", "url": "https://h/x" }), "repository.name"),
        ] {
            let error =
                start(&with(name, value), &Sources::default(), &Who::installation()).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field));
        }
    }

    #[test]
    fn an_answer_needs_a_decision() {
        let who = Who::installation();
        let good = br#"{"approved": true, "by": " Ada ", "reason": "looks good"}"#;
        let good = answer(good, &who).unwrap();
        assert_eq!((good.approved, good.by.as_str()), (true, "installation for Ada"));
        let bare = answer(br#"{"approved": true}"#, &who).unwrap();
        assert_eq!(bare.by, "installation");
        for (bad, field) in [
            ("{}", "approved"),
            (r#"{"approved": "true", "by": "x"}"#, "approved"),
            (r#"{"approved": true, "by": 7}"#, "by"),
            (r#"{"approved": true, "by": "x", "force": true}"#, "force"),
            ("[]", "body"),
        ] {
            assert_eq!(
                answer(bad.as_bytes(), &who).unwrap_err().field.as_deref(),
                Some(field),
                "{bad}"
            );
        }
        assert_eq!(cancellation(b" ", &who).unwrap(), ("installation".to_owned(), None));
        let named = cancellation(br#"{"by":"Ada"}"#, &who).unwrap();
        assert_eq!(named, ("installation for Ada".to_owned(), None));
        assert!(cancellation(b"x", &who).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(start(&body, &Sources::default(), &Who::installation()).is_err());
            prop_assert!(answer(&body, &Who::installation()).is_err());
        }
    }
}
