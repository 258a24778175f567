//! The reconciler's Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_gateway::serve_reconciler().await
}
