//! Any AWS client works on the stack: here, the AWS SDK and boto3.

use std::process::{Command, Stdio};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sfn::{
    Client,
    config::Credentials,
    types::{HistoryEventType, StateMachineListItem},
};
use pact_e2e::{Aws, Repo, Stack};
use serde_json::{Value, json};

use crate::text;

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

pub(crate) async fn config(aws: &Aws) -> aws_config::SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&aws.endpoint)
        .credentials_provider(Credentials::new(&aws.id, &aws.secret, None, None, "test"))
        .load()
        .await
}

pub(crate) async fn client(aws: &Aws) -> Client {
    Client::new(&config(aws).await)
}

pub(crate) async fn machines(client: &Client) -> Vec<StateMachineListItem> {
    client.list_state_machines().send().await.expect("lists").state_machines
}

/// Names of all executions of the pipeline.
pub(crate) fn executions(aws: &Aws) -> Vec<String> {
    block_on(async {
        let client = client(aws).await;
        let pipeline = machines(&client).await.into_iter().find(|m| m.name.ends_with("-pipeline"));
        let arn = pipeline.expect("a pipeline").state_machine_arn;
        let list = client.list_executions().state_machine_arn(arn).send().await.expect("lists");
        list.executions.into_iter().map(|e| e.name).collect()
    })
}

/// States that an execution entered, in order, read page by page.
pub(crate) fn states_entered(aws: &Aws, execution_arn: &str) -> Vec<String> {
    block_on(async {
        let client = client(aws).await;
        let mut pages = client
            .get_execution_history()
            .execution_arn(execution_arn)
            .max_results(25)
            .into_paginator()
            .send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            for event in page.expect("a page of the history").events {
                if let Some(details) = event.state_entered_event_details {
                    names.push(details.name);
                }
            }
        }
        names
    })
}

#[test]
fn the_history_of_a_run_is_readable_and_its_outcome_is_in_the_table() {
    let (stack, repo) = (Stack::new(), Repo::new());
    repo.write("a.json", "{}");
    repo.commit("First");
    repo.write("a.json", "[1]");
    repo.commit("Second");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{report:#}");
    let (running, endpoints) = stack.up();
    let aws = &stack.aws();
    let arn = text(&report, "/execution_arn");
    let states = states_entered(aws, arn);
    for state in ["AnalyzeChanges", "PlanPipeline", "Verify", "EvaluateGate", "RecordOutcome"] {
        assert!(states.iter().any(|s| s == state), "no {state} in {states:?}");
    }
    block_on(async {
        let client = client(aws).await;
        let execution =
            client.describe_execution().execution_arn(arn).send().await.expect("is there");
        assert_eq!(execution.status().as_str(), "SUCCEEDED");
        let last = client
            .get_execution_history()
            .execution_arn(arn)
            .reverse_order(true)
            .max_results(1)
            .send()
            .await
            .expect("a page");
        assert_eq!(last.events[0].r#type, HistoryEventType::ExecutionSucceeded);
        let table = text(&endpoints, "/table");
        let item = aws_sdk_dynamodb::Client::new(&config(aws).await)
            .get_item()
            .table_name(table)
            .key("pk", av(&format!("RUN#{}", text(&report, "/run_id"))))
            .key("sk", av("RUN"))
            .send()
            .await
            .expect("the table answers");
        assert_eq!(item.item.expect("the run")["status"], av("succeeded"));
    });
    drop(running);
}

/// What can reach the port has no credentials by that: a test that is run, a page, another user.
#[test]
fn the_endpoint_answers_to_its_own_credentials_alone() {
    let stack = Stack::new();
    let (running, endpoints) = stack.up();
    let own = stack.aws();
    let url = text(&endpoints, "/aws");
    let http = reqwest::blocking::Client::new();
    for target in [
        "AWSStepFunctions.ListStateMachines",
        "DynamoDB_20120810.ListTables",
        "AmazonSSM.GetParameters",
    ] {
        let forged = "AWS4-HMAC-SHA256 Credential=GatewayFunction/20261126/us-east-1/x/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=00";
        for authorization in [None, Some(forged)] {
            let mut request = http
                .post(url)
                .header("x-amz-target", target)
                .header("content-type", "application/x-amz-json-1.0")
                .header("x-amz-date", "20261126T140000Z")
                .body("{}");
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = request.send().expect("an answer");
            assert_eq!(answer.status(), 403, "{target} {authorization:?}");
        }
    }
    let function = format!("{url}/2015-03-31/functions/pact-test-agent/invocations");
    let answer = http.post(function).header("content-type", "application/json").body("{}").send();
    assert_eq!(answer.expect("an answer").status(), 403);
    let bucket = http.get(format!("{url}/pact-artifacts/x")).send().expect("an answer");
    assert_eq!(bucket.status(), 403);
    block_on(async {
        let wrong = Aws { secret: "wrong".to_owned(), ..own.clone() };
        let refused = client(&wrong).await.list_state_machines().send().await;
        assert!(refused.is_err(), "a wrong secret opens nothing");
        assert!(!machines(&client(&own).await).await.is_empty());
    });
    drop(running);
}

pub(crate) fn av(text: &str) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned())
}

/// A Python that has boto3; says so where there is none.
fn python() -> Option<String> {
    let named = std::env::var("SFN_SECOND_OPINION").ok();
    let found = named.into_iter().chain(["python3".to_owned()]).find(|python| {
        let run = Command::new(python).args(["-c", "import boto3"]).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        eprintln!("skipped: no python3 with boto3 is there");
    }
    found
}

#[test]
fn boto3_understands_the_lambda_api_and_what_does_not_fit_is_throttled() {
    let Some(python) = python() else { return };
    let stack = Stack::new().with("PACT_CONCURRENCY", "1").with("PACT_QUEUE", "0");
    let (running, _) = stack.up();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/lambda_client.py");
    let aws = stack.aws();
    let told = Command::new(python)
        .args([script, aws.endpoint.as_str()])
        .env("AWS_ACCESS_KEY_ID", &aws.id)
        .env("AWS_SECRET_ACCESS_KEY", &aws.secret)
        .output();
    let told = told.expect("python runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let functions = told["functions"].as_array().expect("functions");
    assert!(functions.len() > 3, "one page has three: {functions:?}");
    assert!(functions.contains(&json!("pact-SecurityAgentFunction")), "{functions:?}");
    assert_eq!(told["configuration"]["State"], "Active");
    for field in ["FunctionArn", "Role", "CodeSha256", "CodeSize", "Environment"] {
        assert_eq!(told["configuration"][field], told["function"][field], "{field}");
        assert!(!told["function"][field].is_null(), "{field}");
    }
    // What whoever runs the host adds is no part of the configuration.
    assert!(!told["function"]["Environment"].to_string().contains("AWS_"), "{told:#}");
    assert_eq!(
        told["made"],
        json!({
            "created": ["Pending", "$LATEST"], "again": "ResourceConflictException",
            "published": ["1", "1"], "stale": "PreconditionFailedException",
            "alias": ["live", "1", {"2": 0.1}], "weights": "InvalidParameterValueException",
            "returned": ["2", null], "fixed": "AccessDeniedException",
            "versions": ["$LATEST", "1", "2"], "gone": "ResourceNotFoundException",
        })
    );
    assert_eq!(told["invoked"], json!([200, "Unhandled", "$LATEST"]));
    assert_eq!((&told["event"], &told["dry"]), (&json!(202), &json!(204)));
    assert_eq!(told["alias"], json!(["ResourceNotFoundException", null, null]));
    let crowd = told["crowd"].as_array().expect("answers");
    let throttled = json!(["TooManyRequestsException", "ConcurrentInvocationLimitExceeded", "1"]);
    assert!(crowd.contains(&throttled), "nobody was refused: {crowd:?}");
    assert!(crowd.iter().all(|answer| answer.is_null() || *answer == throttled), "{crowd:?}");

    // Who asks for other limits is not joined to these.
    let repo = Repo::new();
    repo.write("a.json", "{}");
    repo.commit("First");
    let path = repo.path().to_string_lossy().into_owned();
    let refused = stack.pactctl(&["run", &path, "--queue", "5"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("lets 0 invocations of a function wait"), "{refused:?}");
    drop(running);
}
