//! The command line tool as a client of a stack, its own or another process's: the gateway by
//! HTTP as a git host would, the results by DynamoDB, the execution by Step Functions.

use std::{path::Path, time::Duration};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sfn::types::ExecutionStatus;
use pact_agent::secrets::Secret;
use pact_aws::{DynamoStore, SealKey};
use pact_contract::RunId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    cli::RunArgs,
    credentials::{Credentials, Pair},
    data::{Endpoints, Secrets},
    failure::{Context, Failure},
    repository::Push,
};

/// Region of the local stack.
pub(crate) const REGION: &str = "us-east-1";
/// Account of the local stack.
pub(crate) const ACCOUNT: &str = "000000000000";

/// What is to be done where a stack says that it can do nothing.
pub(crate) const UNWELL: &str = "mend that: what was taken waits, and goes on by itself then";

/// A connection to a stack.
#[derive(Clone)]
pub(crate) struct Client {
    /// How the stack is reached.
    pub endpoints: Endpoints,
    /// The run store.
    pub store: DynamoStore,
    secrets: Secrets,
    http: reqwest::Client,
    sfn: aws_sdk_sfn::Client,
}

/// The gateway's answer to a push.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Accepted {
    /// The run.
    pub run_id: RunId,
    /// Its page on the dashboard.
    pub url: String,
    /// Where it stands.
    #[serde(default)]
    pub status: Option<String>,
    /// Whether the push was known already.
    #[serde(default)]
    pub duplicate: bool,
}

/// How a run is to be started.
pub(crate) struct Start<'a> {
    /// What was asked for on the command line.
    pub args: &'a RunArgs,
    /// Whether the commit's own settings judge it.
    pub own: bool,
    /// Once more, although the push had its run.
    pub rerun: bool,
}

impl Client {
    /// Connects; nothing is sent yet.
    pub(crate) async fn new(endpoints: Endpoints, secrets: Secrets) -> Result<Self, Failure> {
        let sfn = aws_sdk_sfn::Client::new(&sdk_config(&endpoints.aws, &secrets).await);
        let store = store(&endpoints.aws, &secrets, &endpoints.table).await;
        let http = http_client()?;
        Ok(Self { endpoints, store, secrets, http, sfn })
    }

    /// Connects to the stack that is up on `root`, if it answers.
    pub(crate) async fn attach(root: &Path) -> Option<Self> {
        let (endpoints, secrets) = (Endpoints::read(root)?, Secrets::read(root)?);
        let client = Self::new(endpoints, secrets).await.ok()?;
        client.is_up().await.then_some(client)
    }

    /// Whether the gateway answers, be it that nothing can be kept at present.
    pub(crate) async fn is_up(&self) -> bool {
        let request = self.http.get(format!("{}/health", self.endpoints.api)).send().await;
        request.is_ok_and(|answer| {
            answer.status().is_success()
                || answer.status() == reqwest::StatusCode::SERVICE_UNAVAILABLE
        })
    }

    /// What keeps the stack from doing anything, in its own words; none where it says that it is well, or
    /// nothing.
    pub(crate) async fn unwell(&self) -> Option<String> {
        let answer = self.http.get(format!("{}/health", self.endpoints.api)).send().await.ok()?;
        if answer.status() != reqwest::StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        let said: Value = answer.json().await.ok()?;
        let said =
            said.pointer("/disk/full").or_else(|| said.pointer("/step_functions/refusing"))?;
        said.as_str().map(str::to_owned)
    }

    /// The failure; what keeps the stack from doing anything instead, where it is that.
    async fn or_unwell(&self, status: reqwest::StatusCode, failure: Failure) -> Failure {
        if !status.is_server_error() {
            return failure;
        }
        match self.unwell().await {
            Some(why) => Failure::internal(why).remedy("mend that, and run the command again"),
            None => failure,
        }
    }

    /// Delivers the push as a git host would: a signed webhook.
    pub(crate) async fn push(&self, push: &Push) -> Result<Accepted, Failure> {
        let notice = pact_gateway::PushNotice {
            repository: &push.repository,
            reference: &push.reference,
            commit: &push.commit,
            base: push.base.as_deref(),
            message: push.message.as_deref(),
            author: push.author.as_deref(),
        };
        let delivery = Uuid::new_v4().to_string();
        let secret = Secret::new(&self.secrets.webhook);
        let composed = pact_gateway::compose(&notice, &delivery, &secret)
            .ok_or_else(|| Failure::internal("cannot sign the webhook"))?;
        let mut request = self.http.post(format!("{}{}", self.endpoints.api, composed.path));
        for (name, value) in composed.headers {
            request = request.header(name, value);
        }
        self.accepted(request.body(composed.body)).await
    }

    /// Starts a run through the API: by the commit's own settings, with a template or an
    /// environment, or once more.
    pub(crate) async fn start(
        &self,
        push: &Push,
        Start { args, own, rerun }: Start<'_>,
    ) -> Result<Accepted, Failure> {
        let mut body = json!({
            "repository": push.repository,
            "branch": push.branch,
            "commit": push.commit,
            "rerun": rerun,
        });
        let optional = [
            ("base", push.base.as_deref()),
            ("author", push.author.as_deref()),
            ("message", push.message.as_deref()),
            ("template", args.template.as_deref()),
            ("environment", args.environment.as_deref()),
            ("settings", own.then_some("own")),
            ("on_purpose", args.on_purpose.as_deref()),
        ];
        if let Some(map) = body.as_object_mut() {
            for (key, value) in optional {
                if let Some(value) = value {
                    map.insert(key.to_owned(), json!(value));
                }
            }
        }
        let request = self
            .http
            .post(format!("{}/v1/pipelines", self.endpoints.api))
            .bearer_auth(&self.secrets.api_token)
            .json(&body);
        self.accepted(request).await
    }

    async fn accepted(&self, request: reqwest::RequestBuilder) -> Result<Accepted, Failure> {
        self.answered(request, "the gateway refused the push").await
    }

    /// The gateway's answer; `refusal` is how its refusal begins.
    async fn answered<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
        refusal: &str,
    ) -> Result<T, Failure> {
        let answer = request.send().await.doing("reach the gateway")?;
        let status = answer.status();
        let body = answer.text().await.doing("read the gateway's answer")?;
        if status.is_success() {
            return serde_json::from_str(&body).doing("understand the gateway's answer");
        }
        Err(self.or_unwell(status, refused(refusal, status, &body)).await)
    }

    /// Asks the gateway's API.
    pub(crate) async fn api(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.endpoints.api))
            .bearer_auth(&self.secrets.api_token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answered(request, "the gateway refused it").await
    }

    /// An address that signs one browser in, once, and goes on to `next`.
    pub(crate) async fn sign_in_link(&self, by: &str, next: &str) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Made {
            url: String,
        }
        let body = json!({ "by": by });
        let answer = self.api(reqwest::Method::POST, "/v1/sign-in-codes", Some(&body)).await?;
        let Made { mut url } = serde_json::from_value(answer).doing("understand the answer")?;
        if next != "/" {
            url.push_str("&next=");
            url.extend(url::form_urlencoded::byte_serialize(next.as_bytes()));
        }
        Ok(url)
    }

    /// Answers a question that a run waits with.
    pub(crate) async fn answer(
        &self,
        callback: &str,
        approved: bool,
        by: &str,
        reason: Option<&str>,
    ) -> Result<(), Failure> {
        let body = json!({ "approved": approved, "by": by, "reason": reason });
        let path = format!("/v1/callbacks/{callback}");
        self.api(reqwest::Method::POST, &path, Some(&body)).await.map(drop)
    }

    /// Whether the run's execution is still going on. None when there is none.
    pub(crate) async fn execution_is_running(&self, arn: &str) -> Result<Option<bool>, Failure> {
        let answer = self.sfn.describe_execution().execution_arn(arn).send().await;
        match answer {
            Ok(execution) => Ok(Some(*execution.status() == ExecutionStatus::Running)),
            Err(error)
                if error.as_service_error().is_some_and(|e| e.is_execution_does_not_exist()) =>
            {
                Ok(None)
            }
            Err(error) => Err(error).doing("ask for the execution"),
        }
    }

    /// Types of the events of an execution, in order.
    pub(crate) async fn history(&self, arn: &str) -> Result<Vec<String>, Failure> {
        const PAGE: i32 = 1_000;
        let request = self.sfn.get_execution_history().execution_arn(arn).max_results(PAGE);
        let mut pages = request.include_execution_data(false).into_paginator().items().send();
        let mut kinds = Vec::new();
        while let Some(event) = pages.next().await {
            let event = event.doing("read the execution's history")?;
            kinds.push(event.r#type().as_str().to_owned());
        }
        Ok(kinds)
    }
}

/// SDK settings for an endpoint of the local stack.
pub(crate) async fn sdk_config(endpoint: &str, secrets: &Secrets) -> aws_config::SdkConfig {
    let Pair { id, secret } = Credentials::new(secrets).own();
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(aws_sdk_sfn::config::Credentials::new(
            id, secret, None, None, "pactctl",
        ))
        .load()
        .await
}

/// The run store at an endpoint.
pub(crate) async fn store(endpoint: &str, secrets: &Secrets, table: &str) -> DynamoStore {
    DynamoStore::new(aws_sdk_dynamodb::Client::new(&sdk_config(endpoint, secrets).await), table)
        .sealing(Some(SealKey::new(&secrets.log_key)))
}

/// A client for loopback addresses: no proxy, no TLS and so no certificates, short time-outs.
pub(crate) fn http_client() -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .build()
        .doing("set up the HTTP client")
}

/// What the gateway says where it refuses: problem details, with all that they have.
fn refused(what: &str, status: reqwest::StatusCode, body: &str) -> Failure {
    let problem = Refusal::read(body);
    let message = format!("{what}: {} ({status})", problem.sentence);
    let failure = match status.is_client_error() {
        true => Failure::usage(message),
        false => Failure::internal(message),
    };
    match problem.code.filter(|code| pact_contract::problems::explain(code).is_some()) {
        Some(code) => failure.remedy(format!("`pactctl explain {code}` says what it means")),
        None => failure,
    }
}

/// Problem details in a sentence.
struct Refusal {
    sentence: String,
    code: Option<String>,
}

impl Refusal {
    fn read(body: &str) -> Self {
        let Ok(Value::Object(mut members)) = serde_json::from_str::<Value>(body) else {
            return Self { sentence: body.trim().to_owned(), code: None };
        };
        let mut taken = |name: &str| match members.remove(name)? {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        let (detail, title) = (taken("detail"), taken("title"));
        // The status is said beside it, and the type by the code.
        let (code, _, _) = (taken("code"), taken("status"), taken("type"));
        let mut sentence = detail.or(title).unwrap_or_else(|| "it does not say why".to_owned());
        let field = taken("field").map(|field| format!("field: {field}"));
        let code_said = code.as_ref().map(|code| format!("code: {code}"));
        let further = members.iter().map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {text}"),
            other => format!("{name}: {other}"),
        });
        for member in field.into_iter().chain(code_said).chain(further) {
            sentence.push_str(&format!("; {member}"));
        }
        Self { sentence, code }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_refusal_is_shown_with_all_that_it_has() {
        let body = r#"{"type":"urn:pact:problem:invalid_request","title":"Bad Request","status":400,
            "detail":"must be from 1 to 366","code":"invalid_request","field":"days","retry":{"after":5}}"#;
        let failure = refused("the gateway refused it", StatusCode::BAD_REQUEST, body);
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(
            failure.to_string(),
            "the gateway refused it: must be from 1 to 366; field: days; code: invalid_request; \
             retry: {\"after\":5} (400 Bad Request)"
        );
        let none = refused("it", StatusCode::BAD_GATEWAY, "<html>bad</html>\n");
        assert_eq!(none.exit, Exit::Internal);
        assert_eq!(none.to_string(), "it: <html>bad</html> (502 Bad Gateway)");
        let bare = refused("it", StatusCode::BAD_REQUEST, r#"{"title":"Bad Request"}"#);
        assert_eq!(bare.to_string(), "it: Bad Request (400 Bad Request)");
    }
}
