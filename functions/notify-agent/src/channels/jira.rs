//! `notify.update_jira`: a comment on each issue that the commit or the branch names and, after
//! a release to production, a transition.
//!
//! A comment ends with the run's id. Before one is posted, the issue's latest comments are
//! searched for it, so that an agent that was killed after posting does not post again. The
//! transition is posted apart: Jira drops a comment that comes with one when the issue's screen
//! has no field for it.

mod account;
mod document;
mod issues;

use async_trait::async_trait;
use pact_agent::secrets::Parameter;
use pact_config::{
    Rule,
    form::{Form, Shape, field, required},
};
use pact_contract::{Capability, Finding, Severity, agents};
use serde::Deserialize;
use serde_json::json;

use super::channel::{Channel, Work};
use crate::{
    config::Variable,
    delivery::{DeliveryOutcome, Interrupted},
    message::line,
};

use account::{Account, TOKEN, VARIABLES};
use issues::{Done, Update};

#[cfg(test)]
pub(super) use document::render;

/// Most issues of one run.
const MAX_ISSUES: usize = 10;

/// What a repository sets.
#[derive(Deserialize)]
struct Settings {
    /// Project key, for example `SHOP`.
    project: String,
    /// Name of the transition after a production release; none: comment only.
    #[serde(default)]
    transition: Option<String>,
}

/// Jira: the keys of the issues are read from the commit's message and the branch's name.
pub(super) struct Jira;

#[async_trait]
impl Channel for Jira {
    fn kind(&self) -> &'static str {
        "jira"
    }

    fn title(&self) -> &'static str {
        "Jira"
    }

    fn capability(&self) -> &'static Capability {
        &agents::NOTIFY_JIRA
    }

    fn form(&self) -> Form {
        let transition = Shape::Text(Rule::Reason);
        Form {
            kind: self.kind().to_owned(),
            about: "Jira.".to_owned(),
            fields: vec![
                required("project", "Project key.", Shape::Text(Rule::Project)),
                field("transition", "Transition after a production release.", transition),
            ],
            ..Form::default()
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        std::slice::from_ref(&TOKEN)
    }

    fn variables(&self) -> &'static [Variable] {
        &VARIABLES
    }

    async fn send(&self, work: &Work<'_>) -> Result<DeliveryOutcome, Interrupted> {
        let settings: Settings = work.settings()?;
        let Settings { project, transition } = &settings;
        if !is_project(project) {
            let reason = "[notify.jira] names no project, for example \"SHOP\"";
            return Ok(DeliveryOutcome::Skipped(reason.to_owned()));
        }
        let account = match Account::read(work.installed) {
            Ok(account) => account,
            Err(reason) => return Ok(DeliveryOutcome::Skipped(reason)),
        };
        let run = &work.delivery.run;
        let mut keys = issue_keys(project, run.message.as_deref().unwrap_or_default());
        for key in issue_keys(project, &run.branch) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys.truncate(MAX_ISSUES);
        if keys.is_empty() {
            return Ok(DeliveryOutcome::Skipped(format!(
                "neither the commit's message nor the branch names an issue of {project}"
            )));
        }

        let update = Update { work, account: &account, transition: transition.as_deref() };
        let (progress, refused) = update.all(&keys).await?;
        let done = |which: fn(&Done) -> bool| {
            let done = keys.iter().filter(|key| progress.get(*key).is_some_and(which));
            done.map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        let commented = done(|issue| issue.comment);
        if commented.is_empty() {
            let reasons: Vec<_> = refused.iter().map(|r| r.message.as_str()).collect();
            return Ok(DeliveryOutcome::Refused(reasons.join("; ")));
        }
        let findings = refused
            .into_iter()
            .map(|r| Finding::new(r.code, Severity::Low, r.message).remedy(r.remedy))
            .collect();
        let mut detail = format!("commented on {commented}");
        let moved = done(|issue| issue.transition);
        if let (Some(name), false) = (transition, moved.is_empty()) {
            detail.push_str(&format!("; {} for {moved}", line(name, 60)));
        }
        Ok(DeliveryOutcome::Sent { detail, reference: Some(json!(progress).to_string()), findings })
    }
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
}
