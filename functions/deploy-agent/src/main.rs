//! The deploy agent as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_deploy_agent::serve().await
}
