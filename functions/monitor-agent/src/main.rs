//! The monitor agent as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    pact_monitor_agent::serve().await
}
