//! The gateway's Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_gateway::serve().await
}
