//! Any AWS client works on the stack: here, the AWS SDK.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sfn::{
    Client,
    config::Credentials,
    types::{HistoryEventType, StateMachineListItem},
};
use pact_e2e::{Repo, Stack};

use crate::text;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

async fn client(endpoint: &str) -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .load()
        .await;
    Client::new(&config)
}

async fn machines(client: &Client) -> Vec<StateMachineListItem> {
    client.list_state_machines().send().await.expect("lists").state_machines
}

/// Names of all executions of the pipeline.
pub(crate) fn executions(endpoint: &str) -> Vec<String> {
    block_on(async {
        let client = client(endpoint).await;
        let pipeline = machines(&client).await.into_iter().find(|m| m.name.ends_with("-pipeline"));
        let arn = pipeline.expect("a pipeline").state_machine_arn;
        let list = client.list_executions().state_machine_arn(arn).send().await.expect("lists");
        list.executions.into_iter().map(|e| e.name).collect()
    })
}

/// States that an execution entered, in order, read page by page.
pub(crate) fn states_entered(endpoint: &str, execution_arn: &str) -> Vec<String> {
    block_on(async {
        let client = client(endpoint).await;
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
    let endpoint = text(&endpoints, "/aws");
    let arn = text(&report, "/execution_arn");
    let states = states_entered(endpoint, arn);
    for state in ["AnalyzeChanges", "PlanPipeline", "Verify", "EvaluateGate", "RecordOutcome"] {
        assert!(states.iter().any(|s| s == state), "no {state} in {states:?}");
    }
    block_on(async {
        let client = client(endpoint).await;
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
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new("any", "any", None, None, "test"))
            .load()
            .await;
        let table = text(&endpoints, "/table");
        let item = aws_sdk_dynamodb::Client::new(&config)
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

fn av(text: &str) -> aws_sdk_dynamodb::types::AttributeValue {
    aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned())
}
