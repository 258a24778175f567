//! The test agent as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_test_agent::serve().await
}
