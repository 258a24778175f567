//! Commit statuses of GitLab, by its REST API ("Set commit pipeline status"; its limits are those of
//! "Rate limits": 429 with `Retry-After`).
//!
//! A status there is a job with states of its own: the same one twice is refused as a transition that
//! there is not, which says that it stands as it should.

use jiff::Timestamp;
use pact_agent::secrets::Secret;
use pact_contract::statuses::{Attempted, CommitState, CommitStatus, StatusKey};
use pact_hosts::{Answer, answer::LIMITED};
use serde_json::json;
use url::Url;

use super::super::status::{StatusHost, StatusRequest, Words};
use super::GitLab;

impl StatusHost for GitLab {
    fn api(&self, repository: &Url) -> Option<String> {
        let host = repository.host_str()?;
        if !matches!(repository.scheme(), "https" | "http") {
            return None;
        }
        let port = repository.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{host}{port}/api/v4", repository.scheme()))
    }

    fn request(
        &self,
        api: &str,
        key: &StatusKey,
        status: &CommitStatus,
        token: &Secret,
    ) -> StatusRequest {
        let project = key.repository.to_string().replace('/', "%2F");
        StatusRequest {
            url: format!("{api}/projects/{project}/statuses/{}", key.commit),
            headers: vec![
                ("Accept", "application/json".to_owned()),
                ("PRIVATE-TOKEN", token.reveal().to_owned()),
            ],
            body: json!({
                "state": match status.state {
                    CommitState::Pending => "pending",
                    CommitState::Success => "success",
                    CommitState::Failure | CommitState::Error => "failed",
                },
                "target_url": status.url,
                "description": status.description,
                "name": key.context,
            }),
        }
    }

    fn judge(&self, answer: &Answer, _: Timestamp) -> Attempted {
        match answer.status {
            400 if stands_so(&answer.message()) => Attempted::Taken,
            // Somebody else writes a status of the commit.
            409 => Attempted::NotNow { why: answer.said(WORDS.host), wait: answer.retry_after() },
            429 => WORDS.judge(answer, Some(answer.retry_after().unwrap_or(LIMITED))),
            // 400: the state is none, or the commit has as many as one may have.
            _ => WORDS.judge(answer, None),
        }
    }
}

const WORDS: Words = Words {
    host: "GitLab",
    denied: "; its token needs the scope `api` and the role Developer of the project",
    unseen: "; there is no such project or commit, or its token does not see it",
};

/// Whether a transition is refused because it leads to where the status stands.
fn stands_so(message: &str) -> bool {
    let Some(rest) = message.strip_prefix("Cannot transition status via :") else { return false };
    let Some((event, from)) = rest.split_once(" from :") else { return false };
    let from = from.split([' ', '(']).next().unwrap_or_default();
    match event {
        // That the run goes on, as a status that runs says too.
        "enqueue" => matches!(from, "pending" | "running"),
        "success" => from == "success",
        "drop" => from == "failed",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName};
    use serde_json::Value;

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Answer { status, headers: all, body: body.to_string().into_bytes(), cut: false }
    }

    #[test]
    fn the_api_is_that_of_the_projects_server() {
        let api = |url: &str| GitLab.api(&Url::parse(url).unwrap());
        assert_eq!(api("https://gitlab.com/a/b.git").as_deref(), Some("https://gitlab.com/api/v4"));
        assert_eq!(
            api("https://git.example:8443/a/b/c").as_deref(),
            Some("https://git.example:8443/api/v4")
        );
        assert_eq!(api("file:///srv/git/b"), None);
    }

    #[test]
    fn each_answer_means_what_gitlab_documents() {
        let judge = |answer: Answer| GitLab.judge(&answer, Timestamp::UNIX_EPOCH);
        let plain =
            |status: u16, message: &str| judge(answer(status, &[], &json!({ "message": message })));
        let wait = |attempted: Attempted| match attempted {
            Attempted::NotNow { wait, .. } => Some(wait.map(|wait| wait.as_secs())),
            _ => None,
        };
        assert_eq!(plain(201, ""), Attempted::Taken);
        assert_eq!(wait(plain(401, "401 Unauthorized")), Some(Some(360)));
        assert_eq!(wait(plain(403, "403 Forbidden")), Some(Some(360)));
        assert_eq!(wait(plain(404, "404 Project Not Found")), Some(Some(360)));
        assert_eq!(wait(plain(409, "409 Conflict")), Some(None));
        assert_eq!(wait(plain(429, "Retry later")), Some(Some(60)));
        let later = answer(429, &[("retry-after", "77")], &json!("Retry later"));
        assert_eq!(wait(judge(later)), Some(Some(77)));
        assert_eq!(wait(plain(502, "")), Some(None));
        for (from, taken) in [
            ("enqueue from :pending", true),
            ("enqueue from :running", true),
            ("success from :success", true),
            ("drop from :failed", true),
            ("enqueue from :success", false),
            ("success from :canceled", false),
        ] {
            let message =
                format!("Cannot transition status via :{from} (Reason(s): Status cannot)");
            assert_eq!(plain(400, &message) == Attempted::Taken, taken, "{from}");
        }
        for status in [302, 400, 422] {
            let body = json!({ "message": { "name": ["is too long"] } });
            let Attempted::Refused(why) = judge(answer(status, &[], &body)) else {
                panic!("{status} is not refused");
            };
            assert_eq!(why, format!("GitLab answers {status}: {{\"name\":[\"is too long\"]}}"));
        }
    }
}
