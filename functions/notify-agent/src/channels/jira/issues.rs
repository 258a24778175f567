//! The issues of one run: what is asked of Jira for each, and what was done before.

use std::collections::BTreeMap;

use pact_agent::AgentError;
use pact_contract::{
    FindingCode, RunStatus, codes,
    run::{DeploymentStatus, Outcome},
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    account::Account,
    document::{has_text, list, marker, render, text_at},
};
use crate::{
    channels::channel::Work,
    delivery::Interrupted,
    http::{self, Answer},
    message::line,
};

/// Latest comments that are searched.
const MAX_COMMENTS: usize = 100;

/// How far an issue is, as the outbox keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    pub(super) comment: bool,
    #[serde(default)]
    pub(super) transition: bool,
}

/// The issues with what was done.
pub(super) type Progress = BTreeMap<String, Done>;

/// What came of an issue, or of one step of it: a verdict.
enum Updated {
    /// It is as it should be.
    Done,
    /// It could not be updated.
    Refused(Refused),
}

/// Why an issue could not be updated.
pub(super) struct Refused {
    pub(super) code: FindingCode,
    pub(super) message: String,
    pub(super) remedy: &'static str,
}

/// The issues of one run while they are updated.
pub(super) struct Update<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) account: &'a Account,
    pub(super) transition: Option<&'a str>,
}

impl Update<'_> {
    /// Updates every issue. One that is refused does not keep the others from being told.
    pub(super) async fn all(
        &self,
        keys: &[String],
    ) -> Result<(Progress, Vec<Refused>), Interrupted> {
        let before = self.work.delivery.reference();
        let mut progress: Progress =
            before.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let mut refused = Vec::new();
        for key in keys {
            match self.one(key, &mut progress).await {
                Ok(Updated::Done) => {}
                Ok(Updated::Refused(reason)) => refused.push(reason),
                Err(interrupted) => return Err(interrupted.at(json!(progress).to_string())),
            }
        }
        Ok((progress, refused))
    }

    async fn one(&self, key: &str, progress: &mut Progress) -> Result<Updated, Interrupted> {
        let mut done = progress.get(key).copied().unwrap_or_default();
        if !done.comment {
            if let Updated::Refused(reason) = self.comment(key).await? {
                return Ok(Updated::Refused(reason));
            }
            done.comment = true;
            self.note(key, done, progress).await?;
        }
        if let (Some(name), true) =
            (self.transition, self.work.delivery.outcome.as_ref().is_some_and(is_released))
            && !done.transition
        {
            if let Updated::Refused(reason) = self.transition(key, name).await? {
                return Ok(Updated::Refused(reason));
            }
            done.transition = true;
            self.note(key, done, progress).await?;
        }
        Ok(Updated::Done)
    }

    async fn note(&self, key: &str, done: Done, progress: &mut Progress) -> Result<(), AgentError> {
        progress.insert(key.to_owned(), done);
        self.work.delivery.progress(&json!(progress).to_string()).await
    }

    async fn comment(&self, key: &str) -> Result<Updated, Interrupted> {
        let path = format!("rest/api/3/issue/{key}/comment");
        let query = format!("?orderBy=-created&maxResults={MAX_COMMENTS}");
        let answer = self.send(self.request(Method::GET, &format!("{path}{query}"))?).await?;
        if !answer.status.is_success() {
            return Ok(Updated::by(key, &answer));
        }
        let message = &self.work.delivery.message;
        let marker = marker(message);
        let page: Value = read(&answer)?;
        let there = list(&page, "/comments")
            .iter()
            .filter_map(|comment| comment.get("body"))
            .any(|body| has_text(body, &marker));
        if there {
            return Ok(Updated::Done);
        }
        let body = json!({ "body": render(message) });
        let answer = self.send(self.request(Method::POST, &path)?.json(&body)).await?;
        if answer.status.is_success() {
            read(&answer)?;
        }
        Ok(Updated::by(key, &answer))
    }

    async fn transition(&self, key: &str, name: &str) -> Result<Updated, Interrupted> {
        let same = |value: &Value, pointer: &str| {
            text_at(value, pointer).is_some_and(|v| v.trim().eq_ignore_ascii_case(name.trim()))
        };
        let path = format!("rest/api/3/issue/{key}/transitions");
        let answer = self.send(self.request(Method::GET, &path)?).await?;
        if !answer.status.is_success() {
            return Ok(Updated::by(key, &answer));
        }
        let page: Value = read(&answer)?;
        let offered = list(&page, "/transitions");
        // By its own name before the name of the status that it leads to.
        let found = offered
            .iter()
            .find(|t| same(t, "/name"))
            .or_else(|| offered.iter().find(|t| same(t, "/to/name")));
        let Some(id) = found.and_then(|t| text_at(t, "/id")) else {
            // It may be there already: by hand, or by an attempt that was interrupted.
            let issue = format!("rest/api/3/issue/{key}?fields=status");
            let answer = self.send(self.request(Method::GET, &issue)?).await?;
            if answer.status.is_success() && same(&read(&answer)?, "/fields/status/name") {
                return Ok(Updated::Done);
            }
            let names: Vec<_> =
                offered.iter().filter_map(|t| text_at(t, "/name")).take(10).collect();
            let names =
                if names.is_empty() { "none".to_owned() } else { line(&names.join(", "), 300) };
            return Ok(Updated::Refused(Refused {
                code: codes::TRANSITION_MISSING,
                message: format!("{key} offers no transition {:?}, but {names}", line(name, 60)),
                remedy: "correct `transition` in [notify.jira], or the project's workflow",
            }));
        };
        let body = json!({ "transition": { "id": id } });
        let answer = self.send(self.request(Method::POST, &path)?.json(&body)).await?;
        if answer.status.is_success() && !answer.body.trim_ascii().is_empty() {
            // Jira answers 204; whoever else takes it says so in JSON.
            read(&answer)?;
        }
        Ok(Updated::by(key, &answer))
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, AgentError> {
        // The error would name the address.
        let Account { url, user, token } = self.account;
        let url = url
            .join(path)
            .map_err(|_| AgentError::internal("cannot make an address below PACT_JIRA_URL"))?;
        Ok(self
            .work
            .client
            .get()?
            .request(method, url)
            .basic_auth(user, Some(token))
            .header(reqwest::header::ACCEPT, "application/json"))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Interrupted> {
        http::send(self.work.delivery.call, "Jira", request).await
    }
}

fn read(answer: &Answer) -> Result<Value, AgentError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| http::foreign("Jira", answer).caused_by(error))
}

/// Whether Jira wants a person to read letters from a picture first, as it does after several wrong
/// passwords.
fn wants_captcha(answer: &Answer) -> bool {
    let why = answer.headers.get("x-authentication-denied-reason");
    why.is_some_and(|why| why.as_bytes().starts_with(b"CAPTCHA_CHALLENGE"))
}

impl Updated {
    /// What Jira's answer to the last request of a step says.
    fn by(key: &str, answer: &Answer) -> Self {
        if answer.status.is_success() {
            return Self::Done;
        }
        let (code, message, remedy) = match answer.status {
            _ if wants_captcha(answer) => (
                codes::JIRA_UNAUTHORIZED,
                format!("Jira asks for a captcha before the account may update {key}"),
                "sign in to Jira once with the account of PACT_JIRA_USER, in a browser",
            ),
            StatusCode::NOT_FOUND => (
                codes::ISSUE_MISSING,
                format!("there is no issue {key}, or the account may not see it"),
                "name an issue that exists, or give the account access to the project",
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
                codes::JIRA_UNAUTHORIZED,
                format!("Jira does not let the account update {key}"),
                "correct PACT_JIRA_USER and the secret jira-token, or the account's permissions",
            ),
            _ => (
                codes::JIRA_REFUSED,
                format!("Jira refuses to update {key}: {}", answer.refusal()),
                "see what Jira says, and correct the project's settings",
            ),
        };
        Self::Refused(Refused { code, message, remedy })
    }
}

/// Whether the release is in effect in production, for good.
fn is_released(outcome: &Outcome) -> bool {
    outcome.status == RunStatus::Succeeded
        && outcome
            .deployments
            .iter()
            .any(|d| d.environment == "production" && d.status == DeploymentStatus::Live)
}
