//! `notify.update_jira`: a comment on each issue that the commit or the branch names and, after
//! a release to production, a transition.
//!
//! A comment ends with the run's id. Before one is posted, the issue's latest comments are
//! searched for it, so that an agent that was killed after posting does not post again. The
//! transition is posted apart: Jira drops a comment that comes with one when the issue's screen
//! has no field for it.

use std::collections::BTreeMap;

use pact_agent::{AgentError, Call, Outcome, secrets::JIRA};
use pact_contract::{
    Finding, RunStatus, Severity, actions::Notify, run::DeploymentStatus, settings::JiraSettings,
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    NotifyAgent,
    config::Jira,
    delivery::Delivery,
    http::{self, Answer},
    message::{Message, line},
};

/// Most issues of one run.
const MAX_ISSUES: usize = 10;
/// Latest comments that are searched.
const MAX_COMMENTS: usize = 100;

/// How far an issue is, as the outbox keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    #[serde(default)]
    comment: bool,
    #[serde(default)]
    transition: bool,
}

/// The issues with what was done.
type Progress = BTreeMap<String, Done>;

/// Why an issue could not be updated: a verdict.
struct Refused {
    code: &'static str,
    message: String,
    remedy: &'static str,
}

pub(crate) async fn notify(agent: &NotifyAgent, call: &Call) -> Result<Outcome, AgentError> {
    let delivery = match Delivery::begin(agent, call, "jira").await? {
        Ok(delivery) => delivery,
        Err(before) => return Ok(before),
    };
    let Some(settings) = &delivery.notify.settings.jira else {
        return delivery.skip("the repository's settings have no [notify.jira]").await;
    };
    if !is_project(&settings.project) {
        return delivery.skip("[notify.jira] names no project, for example \"SHOP\"").await;
    }
    let jira = match agent.config(JIRA).await?.jira {
        Ok(jira) => jira,
        Err(reason) => return delivery.skip(&reason).await,
    };
    let run = &delivery.notify.run;
    let mut keys = issue_keys(&settings.project, run.message.as_deref().unwrap_or_default());
    for key in issue_keys(&settings.project, &run.branch) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.truncate(MAX_ISSUES);
    if keys.is_empty() {
        let project = &settings.project;
        return delivery
            .skip(&format!(
                "neither the commit's message nor the branch names an issue of {project}"
            ))
            .await;
    }

    let work = Work { agent, call, jira: &jira, delivery: &delivery, settings };
    let (progress, refused) = work.all(&keys).await?;
    let commented: Vec<_> = keys
        .iter()
        .filter(|k| progress.get(*k).is_some_and(|d| d.comment))
        .map(String::as_str)
        .collect();
    if commented.is_empty() {
        let reasons: Vec<_> = refused.iter().map(|r| r.message.as_str()).collect();
        return delivery.refused(&reasons.join("; ")).await;
    }
    let findings = refused
        .into_iter()
        .map(|r| Finding::new(r.code, Severity::Low, r.message).remedy(r.remedy))
        .collect();
    let mut detail = format!("commented on {}", commented.join(", "));
    let moved: Vec<_> = keys
        .iter()
        .filter(|k| progress.get(*k).is_some_and(|d| d.transition))
        .map(String::as_str)
        .collect();
    if let (Some(name), false) = (&settings.transition, moved.is_empty()) {
        detail.push_str(&format!("; {} for {}", line(name, 60), moved.join(", ")));
    }
    delivery.sent(detail, Some(json!(progress).to_string()), findings).await
}

/// Whether the release is in effect in production, for good.
fn is_released(notify: &Notify) -> bool {
    notify.outcome.status == RunStatus::Succeeded
        && notify
            .outcome
            .deployments
            .iter()
            .any(|d| d.environment == "production" && d.status == DeploymentStatus::Live)
}

fn is_project(text: &str) -> bool {
    text.len() <= 50
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Keys of the project's issues in `text`, in any case, each once.
fn issue_keys(project: &str, text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let upper = text.to_ascii_uppercase();
    let prefix = format!("{project}-");
    for (start, _) in upper.match_indices(&prefix) {
        let before = upper.get(..start).and_then(|t| t.chars().next_back());
        let rest = upper.get(start + prefix.len()..).unwrap_or_default();
        let number: String = rest.chars().take_while(char::is_ascii_digit).take(11).collect();
        let after = rest.get(number.len()..).and_then(|t| t.chars().next());
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        if number.is_empty()
            || number.len() > 10
            || number.starts_with('0')
            || before.is_some_and(inside)
            || after.is_some_and(|c| c.is_alphabetic() || c == '_')
        {
            continue;
        }
        let key = format!("{prefix}{number}");
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

struct Work<'a> {
    agent: &'a NotifyAgent,
    call: &'a Call,
    jira: &'a Jira,
    delivery: &'a Delivery<'a>,
    settings: &'a JiraSettings,
}

impl Work<'_> {
    /// Updates every issue. One that is refused does not keep the others from being told.
    async fn all(&self, keys: &[String]) -> Result<(Progress, Vec<Refused>), AgentError> {
        let mut progress: Progress = self
            .delivery
            .reference()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let mut refused = Vec::new();
        for key in keys {
            match self.one(key, &mut progress).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => refused.push(reason),
                Err(fault) => {
                    let reference = json!(progress).to_string();
                    return Err(self.delivery.interrupted_at(fault, Some(reference)).await);
                }
            }
        }
        Ok((progress, refused))
    }

    async fn one(
        &self,
        key: &str,
        progress: &mut Progress,
    ) -> Result<Result<(), Refused>, AgentError> {
        let mut done = progress.get(key).copied().unwrap_or_default();
        if !done.comment {
            if let Err(reason) = self.comment(key).await? {
                return Ok(Err(reason));
            }
            done.comment = true;
            self.note(key, done, progress).await?;
        }
        if let (Some(name), true) = (&self.settings.transition, is_released(&self.delivery.notify))
            && !done.transition
        {
            if let Err(reason) = self.transition(key, name).await? {
                return Ok(Err(reason));
            }
            done.transition = true;
            self.note(key, done, progress).await?;
        }
        Ok(Ok(()))
    }

    async fn note(&self, key: &str, done: Done, progress: &mut Progress) -> Result<(), AgentError> {
        progress.insert(key.to_owned(), done);
        self.delivery.progress(&json!(progress).to_string()).await
    }

    async fn comment(&self, key: &str) -> Result<Result<(), Refused>, AgentError> {
        let path = format!("rest/api/3/issue/{key}/comment");
        let query = format!("?orderBy=-created&maxResults={MAX_COMMENTS}");
        let answer = self.send(self.request(Method::GET, &format!("{path}{query}"))?).await?;
        if !answer.status.is_success() {
            return Ok(Err(refused(key, &answer)));
        }
        let marker = marker(&self.delivery.message);
        let page: Value = read(&answer)?;
        let there = list(&page, "/comments")
            .iter()
            .filter_map(|comment| comment.get("body"))
            .any(|body| has_text(body, &marker));
        if there {
            return Ok(Ok(()));
        }
        let body = json!({ "body": render(&self.delivery.message) });
        let answer = self.send(self.request(Method::POST, &path)?.json(&body)).await?;
        Ok(if answer.status.is_success() { Ok(()) } else { Err(refused(key, &answer)) })
    }

    async fn transition(&self, key: &str, name: &str) -> Result<Result<(), Refused>, AgentError> {
        let same = |value: &Value, pointer: &str| {
            text_at(value, pointer).is_some_and(|v| v.trim().eq_ignore_ascii_case(name.trim()))
        };
        let path = format!("rest/api/3/issue/{key}/transitions");
        let answer = self.send(self.request(Method::GET, &path)?).await?;
        if !answer.status.is_success() {
            return Ok(Err(refused(key, &answer)));
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
                return Ok(Ok(()));
            }
            let names: Vec<_> =
                offered.iter().filter_map(|t| text_at(t, "/name")).take(10).collect();
            return Ok(Err(Refused {
                code: "transition-missing",
                message: format!(
                    "{key} offers no transition {:?}, but {}",
                    line(name, 60),
                    if names.is_empty() { "none".to_owned() } else { line(&names.join(", "), 300) }
                ),
                remedy: "correct `transition` in [notify.jira], or the project's workflow",
            }));
        };
        let body = json!({ "transition": { "id": id } });
        let answer = self.send(self.request(Method::POST, &path)?.json(&body)).await?;
        Ok(if answer.status.is_success() { Ok(()) } else { Err(refused(key, &answer)) })
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, AgentError> {
        // The error would name the address.
        let url = self
            .jira
            .url
            .join(path)
            .map_err(|_| AgentError::internal("cannot make an address below PACT_JIRA_URL"))?;
        Ok(self
            .agent
            .client()?
            .request(method, url)
            .basic_auth(&self.jira.user, Some(&self.jira.token))
            .header(reqwest::header::ACCEPT, "application/json"))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, AgentError> {
        http::send(self.call, "Jira", request).await
    }
}

fn read(answer: &Answer) -> Result<Value, AgentError> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        http::unavailable("Jira", "answers with something else than JSON").caused_by(error)
    })
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn refused(key: &str, answer: &Answer) -> Refused {
    let (code, message, remedy) = match answer.status {
        StatusCode::NOT_FOUND => (
            "issue-missing",
            format!("there is no issue {key}, or the account may not see it"),
            "name an issue that exists, or give the account access to the project",
        ),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            "jira-unauthorized",
            format!("Jira does not let the account update {key}"),
            "correct PACT_JIRA_USER and the secret jira-token, or the account's permissions",
        ),
        status => (
            "jira-refused",
            format!("Jira refuses to update {key}: {} {}", status.as_u16(), answer.excerpt()),
            "see what Jira says, and correct the project's settings",
        ),
    };
    Refused { code, message, remedy }
}

/// The text by which a run's comment is found again.
fn marker(message: &Message) -> String {
    format!("PACT run {}", message.run_id)
}

/// Whether a document has a text that is exactly `text`.
fn has_text(document: &Value, text: &str) -> bool {
    let mut next = vec![document];
    while let Some(node) = next.pop() {
        if text_at(node, "/text") == Some(text) {
            return true;
        }
        next.extend(list(node, "/content"));
    }
    false
}

/// The message in Atlassian Document Format.
pub(crate) fn render(message: &Message) -> Value {
    let text = |text: &str| json!({ "type": "text", "text": text });
    let strong =
        |text: &str| json!({ "type": "text", "text": text, "marks": [{ "type": "strong" }] });
    let paragraph = |content: Vec<Value>| json!({ "type": "paragraph", "content": content });
    // A text node must not be empty.
    let plain = |value: &str| if value.is_empty() { vec![] } else { vec![text(value)] };

    let mut content =
        vec![paragraph(vec![strong(&message.title)]), paragraph(plain(&message.reason))];
    if !message.findings.is_empty() {
        let items: Vec<_> = message
            .findings
            .iter()
            .map(|f| json!({ "type": "listItem", "content": [paragraph(plain(f))] }))
            .collect();
        content.push(json!({ "type": "bulletList", "content": items }));
    }
    let mut facts = Vec::new();
    for (name, value) in &message.facts {
        if !facts.is_empty() {
            facts.push(json!({ "type": "hardBreak" }));
        }
        facts.push(strong(&format!("{name}: ")));
        facts.extend(plain(value));
    }
    content.push(paragraph(facts));
    if let Some(link) = &message.link {
        content.push(paragraph(vec![json!({
            "type": "text",
            "text": "Open the run",
            "marks": [{ "type": "link", "attrs": { "href": link } }],
        })]));
    }
    content.push(paragraph(vec![text(&marker(message))]));
    json!({ "type": "doc", "version": 1, "content": content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_nothing_else_is_taken_for_one() {
        let keys = |text| issue_keys("SHOP", text);
        assert_eq!(keys("SHOP-12: fix; see shop-7, SHOP-12"), ["SHOP-12", "SHOP-7"]);
        assert_eq!(keys("feature/shop-3-cart"), ["SHOP-3"]);
        assert_eq!(keys("(SHOP-4)."), ["SHOP-4"]);
        for text in [
            "",
            "SHOP-",
            "SHOP-0",
            "WORKSHOP-1",
            "X_SHOP-1",
            "SHOP-12345678901",
            "SHOP-1a",
            "ſhop-1",
        ] {
            assert_eq!(keys(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_project_is_a_key() {
        assert!(is_project("SHOP") && is_project("A1_B"));
        for wrong in ["", "shop", "1A", "SH OP", "../X"] {
            assert!(!is_project(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_comment_of_another_run_is_not_taken_for_this_ones() {
        let comment = json!({ "type": "doc", "content": [
            { "type": "paragraph", "content": [{ "type": "text", "text": "PACT run web-1-2" }] }] });
        assert!(has_text(&comment, "PACT run web-1-2"));
        assert!(!has_text(&comment, "PACT run web-1"));
        assert!(!has_text(&json!("PACT run web-1-2"), "PACT run web-1-2"));
    }
}
