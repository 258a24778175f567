//! Commit statuses of GitHub, by its REST API ("Create a commit status", and "Best practices for using
//! the REST API" for its limits).

use jiff::Timestamp;
use pact_agent::secrets::Secret;
use pact_contract::statuses::{Attempted, CommitStatus, StatusKey};
use pact_hosts::{
    Answer,
    github::{VERSION, api_of, limited},
};
use serde_json::json;
use url::Url;

use super::super::status::{StatusHost, StatusRequest, Words};
use super::GitHub;

impl StatusHost for GitHub {
    fn api(&self, repository: &Url) -> Option<String> {
        api_of(repository)
    }

    fn request(
        &self,
        api: &str,
        key: &StatusKey,
        status: &CommitStatus,
        token: &Secret,
    ) -> StatusRequest {
        StatusRequest {
            url: format!("{api}/repos/{}/statuses/{}", key.repository, key.commit),
            headers: vec![
                ("Accept", "application/vnd.github+json".to_owned()),
                ("X-GitHub-Api-Version", VERSION.to_owned()),
                ("Authorization", format!("Bearer {}", token.reveal())),
            ],
            body: json!({
                "state": status.state.as_str(),
                "target_url": status.url,
                "description": status.description,
                "context": key.context,
            }),
        }
    }

    fn judge(&self, answer: &Answer, now: Timestamp) -> Attempted {
        // 422: the state is none, or the commit is not there, or it has a thousand of them.
        let asked_too_often = matches!(answer.status, 403 | 429);
        WORDS.judge(answer, asked_too_often.then(|| limited(answer, now)).flatten())
    }
}

const WORDS: Words = Words {
    host: "GitHub",
    denied: "; its token needs the permission to write commit statuses",
    unseen: "; there is no such repository or commit, or its token does not see it",
};

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName};

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], message: &str) -> Answer {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let body = json!({ "message": message }).to_string().into_bytes();
        Answer { status, headers: all, body, cut: false }
    }

    #[test]
    fn the_api_is_that_of_the_repositorys_host() {
        let api = |url: &str| GitHub.api(&Url::parse(url).unwrap());
        assert_eq!(api("https://github.com/a/b.git").as_deref(), Some("https://api.github.com"));
        assert_eq!(
            api("https://git.example:8443/a/b").as_deref(),
            Some("https://git.example:8443/api/v3")
        );
        assert_eq!(api("file:///srv/git/b"), None);
    }

    #[test]
    fn each_answer_means_what_github_documents() {
        let now = Timestamp::from_second(1_000).unwrap();
        let wait = |answer: Answer| match GitHub.judge(&answer, now) {
            Attempted::NotNow { wait, .. } => Some(wait.map(|wait| wait.as_secs())),
            _ => None,
        };
        assert_eq!(GitHub.judge(&answer(201, &[], ""), now), Attempted::Taken);
        assert_eq!(wait(answer(401, &[], "Bad credentials")), Some(Some(360)));
        assert_eq!(wait(answer(404, &[], "Not Found")), Some(Some(360)));
        assert_eq!(wait(answer(403, &[], "Resource not accessible by token")), Some(Some(360)));
        assert_eq!(wait(answer(403, &[("retry-after", "77")], "")), Some(Some(77)));
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1090")];
        assert_eq!(wait(answer(403, &spent, "API rate limit exceeded")), Some(Some(90)));
        let past = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")];
        assert_eq!(wait(answer(429, &past, "")), Some(Some(1)));
        let secondary = "You have exceeded a secondary rate limit";
        assert_eq!(wait(answer(403, &[], secondary)), Some(Some(60)));
        assert_eq!(wait(answer(429, &[], "")), Some(Some(60)));
        assert_eq!(wait(answer(502, &[], "")), Some(None));
        assert_eq!(wait(answer(503, &[("retry-after", "5")], "")), Some(Some(5)));
        for status in [302, 400, 410, 422] {
            let answer = answer(status, &[], "No commit found for SHA\nat all");
            let Attempted::Refused(why) = GitHub.judge(&answer, now) else {
                panic!("{status} is not refused");
            };
            assert_eq!(why, format!("GitHub answers {status}: No commit found for SHA"));
        }
    }
}
