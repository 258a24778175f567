//! The quality agent as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_quality_agent::serve().await
}
